"""Memory that a transfer needs, by its config and the lengths of its recordings, before it starts.

A compiled program knows its memory to the byte (`optimise.bytes_of_take`, of takes of a sweep), but
compiling takes longer than a transfer of the default. So this is a sum of what was measured.
"""

import jax

from research.audio.excerpt import LONGEST
from research.audio.padding import padded_length
from research.audio.waveform import Waveform
from research.errors import InputError
from research.judge.features import SAMPLE_RATE
from research.memory import available_memory
from research.transfer.config import TransferConfig
from research.transfer.optimisers import OPTIMISERS
from research.transfer.start import STARTS
from research.transfer.variables.registry import VARIABLES

_BASE = 360_000_000  # Compiled programs, libraries and the judge of short recordings.
# Bytes for each sample of the recordings as they are: content, output and copies of both; style.
_CONTENT, _STYLE = 14, 8
_JUDGED = 125  # For each sample of their excerpts, mixed down to 22 050 Hz.
_ORCHESTRA, _ORCHESTRA_CHANNEL = 30, 12  # For each sample of the mix, and of a channel.
_START = 400  # For each sample at the sample rate of the config, of a start that finds a phase.
_LOSS = 120  # The same, of the loss and its gradient.
_FEATURES, _MAGNITUDES = 32, 80  # For each output of a filter; for each bin of the STFT.
_FILTERS = 18  # For each weight of a filter, with the spectra of wide ones.


def needed_memory(
    config: TransferConfig, content: Waveform, style: Waveform | None
) -> dict[str, int]:
    """Approximate memory of a transfer in bytes, by the config key to lower for less.

    Within a factor of 1.5 of what was measured for the presets, and rather too much.

    Args:
      config: of the transfer.
      content: the recording.
      style: the recording, None for a style file or a mix.
    """
    recordings = [content] if style is None else [content, style]
    mixed = [recording.seconds * SAMPLE_RATE for recording in recordings]
    channels = 1 if config.mono else len(content.samples)
    samples = padded_length(round(content.seconds * config.sample_rate))
    judged = sum(min(recording.seconds, LONGEST) * SAMPLE_RATE for recording in recordings)
    audio = _BASE + _CONTENT * content.samples.size + _JUDGED * judged
    if style is not None:
        audio += _STYLE * style.samples.size
    start = 0.0
    if STARTS[config.init].needs_orchestra:
        start = _ORCHESTRA * max(mixed) + _ORCHESTRA_CHANNEL * channels * mixed[0]
    elif STARTS[config.init].needs_style_levels:
        start = _START * channels * samples
    # Two evaluations are compared in a line search.
    steps = min(config.num_iterations, 1)
    loss = 2.0 * steps * _LOSS * channels * samples if config.needs_waveform else 0.0
    frames = channels * max(config.stft.num_frames(samples), 1)
    bins, filters = config.stft.num_bins, 0.0
    is_waveform = VARIABLES[config.variable].is_waveform
    if (steps and config.needs_features) or not is_waveform:
        loss += _MAGNITUDES * frames * bins
    if steps and config.needs_features:
        number, widths = config.features.num_filters, config.features.widths
        weights = sum(widths) * bins * number
        filters = _FILTERS * weights + _FEATURES * len(widths) * (frames * number + number**2)
    variable = 4 * channels * samples if is_waveform else 4 * frames * bins
    pairs = config.optimiser.memory_size if OPTIMISERS[config.optimiser.name].searches_line else 1
    remembered = steps * 2.0 * (2 * pairs + 5) * variable
    rate = "config.sample_rate"
    rest = {
        "config.features.num_filters": filters,
        "config.optimiser.memory_size": remembered,
        rate if is_waveform else "config.stft.n_fft": loss,
    }
    # The start is over before the rest begins.
    parts = rest if sum(rest.values()) > start else {rate: start}
    return {"": round(audio), **{key: round(size) for key, size in parts.items()}}


def check_memory(config: TransferConfig, content: Waveform, style: Waveform | None) -> None:
    """Check that there is memory for a transfer, before time is spent on it.

    On another device than the CPU, only what NumPy needs counts.

    Raises:
      InputError: there is not.
    """
    available = available_memory()
    if available is None:
        return
    parts = needed_memory(config, content, style)
    if jax.default_backend() != "cpu":
        parts = {"": parts[""]}
    needed = sum(parts.values())
    if needed <= available:
        return
    key = max(parts, key=lambda name: parts[name])
    lower = f"lower {key}, or give a shorter content" if key else "give a shorter content"
    raise InputError(
        f"a transfer of {content.seconds:.4g} s needs about {needed / 1e9:.2g} GB of memory, and "
        f"{available / 1e9:.2g} GB are free; {lower}"
    )
