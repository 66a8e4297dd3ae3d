"""The sound of MIDI: fluidsynth and a soundfont, where they are installed."""

import importlib.util
import pathlib
import shutil
import subprocess
import tempfile
from collections.abc import Sequence
from typing import TYPE_CHECKING

from research.audio.waveform import Waveform, resample
from research.errors import InputError

if TYPE_CHECKING:
    import pretty_midi  # pyright: ignore[reportMissingImports]

SOUNDFONT = "/usr/share/sounds/sf2/FluidR3_GM.sf2"
OTHER_SOUNDFONT = "/usr/share/sounds/sf2/TimGM6mb.sf2"
_REQUIREMENTS = "research/benchmarks/known_truth/requirements.txt"


def check_tools(packages: Sequence[str], soundfonts: Sequence[str]) -> None:
    """Check that all that rendering takes is installed.

    Args:
      packages: of Python, such as `pretty_midi`.
      soundfonts: paths.

    Raises:
      InputError: what is missing, and how to install it.
    """
    packages = [name for name in packages if not importlib.util.find_spec(name)]
    programs = [] if shutil.which("fluidsynth") else ["fluidsynth"]
    fonts = [font for font in soundfonts if not pathlib.Path(font).is_file()]
    ways = []
    if packages:
        ways.append(f".venv/bin/pip install -r {_REQUIREMENTS}")
    if programs or fonts:
        ways.append(
            "apt-get install --no-install-recommends fluidsynth fluid-soundfont-gm "
            "timgm6mb-soundfont (macOS: brew install fluid-synth, and give --soundfont and "
            "--other_soundfont)"
        )
    if ways:
        missing = ", ".join(packages + programs + fonts)
        raise InputError(f"rendering needs {missing}, not found here; {'; '.join(ways)}")


def play_midi(
    midi: "pretty_midi.PrettyMIDI", soundfont: str, sample_rate: int, room: float, reverb: float
) -> Waveform:
    """The sound of MIDI, mono.

    Args:
      midi: what is played.
      soundfont: path.
      sample_rate: Hz.
      room: size of fluidsynth's reverb, 0 to 1.
      reverb: its level, 0 to 1.

    Raises:
      InputError: fluidsynth fails.
    """
    import soundfile

    options = {
        "synth.cpu-cores": 1,
        "synth.polyphony": 256,
        "synth.chorus.active": 0,
        "synth.reverb.room-size": room,
        "synth.reverb.level": reverb,
        "synth.reverb.damp": 0.3,
        "synth.reverb.width": 0.5,
    }
    with tempfile.TemporaryDirectory() as folder:
        score, sound = f"{folder}/score.mid", f"{folder}/sound.wav"
        midi.write(score)
        command = ["fluidsynth", "-n", "-i", "-q", "-g", "0.3", "-r", "44100"]
        command += ["-T", "wav", "-O", "float", "-F", sound]
        for key, value in options.items():
            command += ["-o", f"{key}={value}"]
        done = subprocess.run([*command, soundfont, score], capture_output=True, text=True)
        if done.returncode or not pathlib.Path(sound).exists():
            reason = " ".join(done.stderr.split())[-200:]
            raise InputError(f"fluidsynth cannot play {soundfont} ({reason}); install it anew")
        samples, rate = soundfile.read(sound, dtype="float32", always_2d=True)
    return resample(Waveform(samples.mean(axis=1)[None], rate), sample_rate)
