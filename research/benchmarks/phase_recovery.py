"""Quality of phase recovery: spectral convergence of real audio, in dB (lower is better).

    python -m research.benchmarks.phase_recovery [FILE ...]

Ten seconds of each file (default: the shipped clips), mixed down, at 22 050 Hz, STFT 2048/512.
"""

import pathlib

import jax

from research.audio.phase import PhaseConfig, recover_phase, spectral_convergence
from research.audio.stft import StftConfig, magnitude, stft
from research.audio.waveform import load_waveform, match_channels, resample
from research.benchmarks import on_files

SAMPLE_RATE, SECONDS = 22050, 10
ITERATIONS = (0, 32, 100, 500)
METHODS = {
    "plain Griffin-Lim from random phase": ("random", 0.0),
    "fast Griffin-Lim from random phase": ("random", 0.99),
    "fast Griffin-Lim from the phase gradient": ("phase_gradient", 0.99),
}
CLIPS = pathlib.Path(__file__).parent.parent / "clips"


def main(paths: list[str]) -> None:
    """Print a table a file."""
    for path in paths or sorted(CLIPS.glob("*.ogg")):
        samples = resample(load_waveform(path), SAMPLE_RATE).samples[:, : SECONDS * SAMPLE_RATE]
        waveform = match_channels(samples, 1)[0]
        config = StftConfig()
        target = magnitude(stft(waveform, config))
        print(f"\n{pathlib.Path(path).name:42}" + "".join(f"{count:>8}" for count in ITERATIONS))
        for name, (start, momentum) in METHODS.items():
            row = []
            for count in ITERATIONS:
                result = recover_phase(
                    target,
                    jax.random.key(0),
                    stft_config=config,
                    config=PhaseConfig(start, count, momentum),
                    length=len(waveform),
                )
                row.append(float(spectral_convergence(result, target, config)))
            print(f"{name:42}" + "".join(f"{value:8.1f}" for value in row))


if __name__ == "__main__":
    on_files.run(main)
