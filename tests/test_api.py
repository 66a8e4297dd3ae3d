"""`research.style_transfer` and `research.genres`: the calls on arrays."""

import ast
import re
import subprocess
import sys

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import soundfile
from compiling import compilations
from conftest import CLIPS, ROOT
from playing import tune

import research
from research import genres, style_transfer
from research.audio.waveform import load_waveform
from research.errors import InputError
from research.training.predict import load_ensemble, predict_files

RATE = 22050
CONTENT = tune(440.0, 1.0, RATE, channels=2).samples
STYLE = tune(220.0, 1.2, 16000, seed=1).samples[0]
GRAM = {
    "preset": "ulyanov",
    "features": {"num_filters": 8},
    "num_iterations": 4,
    "optimiser": {"log_every": 2},
    "phase": {"num_iterations": 2},
}
"""A transfer that compiles quickly and minimises."""


def test_jax_arrays_style_files_and_64_bits_give_the_same(tmp_path):
    expected = style_transfer(CONTENT[0], STYLE, RATE, **GRAM)
    assert expected.shape == CONTENT[0].shape
    again = style_transfer(jnp.asarray(CONTENT[0]), jnp.asarray(STYLE[None]), RATE, **GRAM)
    np.testing.assert_array_equal(again, expected)
    with jax.enable_x64(True):
        again = style_transfer(CONTENT[0].astype(np.float64), STYLE, RATE, **GRAM)
    np.testing.assert_array_equal(again, expected)
    soundfile.write(tmp_path / "style.wav", STYLE, RATE, "FLOAT")
    again = style_transfer(CONTENT[0], tmp_path / "style.wav", RATE, **GRAM)
    np.testing.assert_array_equal(again, expected)


def test_a_second_call_compiles_nothing_and_progress_is_told():
    steps = []

    def call(seed: int, fewer: int = 0) -> None:
        style_transfer(
            CONTENT[0][fewer:],
            STYLE[fewer:],
            RATE,
            seed=seed,
            on_progress=lambda done, total: steps.append((done, total)),
            **GRAM,
        )

    call(0)
    with compilations() as programs:
        call(0)
        call(1, fewer=99)
    assert steps == 3 * [(2, 4), (4, 4)]
    assert programs == []


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"amount": 1.5}, "style_amount is 1.5; give a number from 0 to 1"),
        ({"no": 1}, "config.no is unknown; known keys: checkpoint, "),
        ({"optimiser": {"no": 1}}, "config.optimiser.no is unknown"),
        ({"style.no": 1}, "config.style.no is unknown"),
        ({"optimiser": 3}, "config.optimiser is 3; give it keys of its own"),
        ({"preset": "no"}, "preset is 'no'; give one of default, combined, "),
        ({"sweep": {"style_amount": (0.5, 1)}}, "config.sweep is for run_transfer.py; call once"),
        ({"sweep": {"seed": (1, 2)}}, "config.sweep.seed changes nothing: config.init=reorchestr"),
        ({"style_weight": 2.0}, "config.style_weight is for a loss, and nothing is optimised"),
        ({"style": STYLE, "optimiser.name": "adam"}, "config.optimiser.name is for a loss, and"),
        ({"sample_rate": 10}, "content: the sample rate is 10 Hz; give one from 1000 to 768000"),
        ({"content": CONTENT.T}, r"content: the shape is \(22050, 2\); give \[channels, samples\]"),
        ({"content": CONTENT[None]}, r"content: the shape is \(1, 2, 22050\); give \[samples\]"),
        ({"content": (CONTENT * 9999).astype(np.int16)}, "content: samples are int16; give floats"),
        ({"content": CONTENT[:, :99]}, r"content: it lasts 0.00449 s \(99 samples\); give at"),
        ({"style": 0 * STYLE}, "style: it is digital silence; give audio with sound in it"),
        ({"style": STYLE * np.inf}, "style: .* samples are NaN or infinite; export it anew"),
        ({"style": 9999 * STYLE}, "style: samples are far above full scale, up to "),
        ({"style": "no.wav"}, "no.wav does not exist; give an audio file"),
    ],
)
@pytest.mark.filterwarnings("ignore:invalid value")
def test_what_cannot_be_used_is_refused(changes, message):
    call = {"content": CONTENT, "style": STYLE, "sample_rate": RATE}
    with pytest.raises(InputError, match=message):
        style_transfer(**call | changes)


def test_genres_are_those_of_the_command():
    recording, ensemble = load_waveform(CLIPS / "band.ogg"), load_ensemble("shipped")
    [(_, expected)] = predict_files(ensemble, [CLIPS / "band.ogg"])
    found = genres(recording.samples, recording.sample_rate)
    assert found == expected["probabilities"]
    assert list(found.values()) == sorted(found.values(), reverse=True)
    assert sum(found.values()) == pytest.approx(1)
    with pytest.raises(InputError, match="samples: the shape is"):
        genres(recording.samples.T, recording.sample_rate)


def test_the_package_starts_without_jax_and_names_what_it_has():
    code = "import sys, research; print('jax' in sys.modules, *research.__all__)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT)
    assert done.stdout == "False genres style_transfer\n"
    with pytest.raises(AttributeError, match="no attribute 'transfer_style'"):
        research.transfer_style  # noqa: B018


@pytest.mark.filterwarnings("ignore:.*is deprecated and slated:DeprecationWarning")  # By librosa.
def test_the_lines_of_the_readme(tmp_path, capsys):
    code = re.search(r"```python\n(import librosa.*?)```", (ROOT / "README.md").read_text(), re.S)[
        1
    ]
    for name, samples in (("piano", CONTENT), ("band", STYLE[None])):
        soundfile.write(tmp_path / f"{name}.wav", samples.T, RATE)
        code = code.replace(f"research/clips/{name}.ogg", str(tmp_path / f"{name}.wav"))
    assert "research/clips" not in code
    names = {}
    exec(code, names)
    assert names["output"].shape == CONTENT.shape
    assert ast.literal_eval(capsys.readouterr().out) == genres(names["output"], RATE)


def test_a_loss_that_explodes_is_told():
    with pytest.raises(InputError, match=r"no longer finite at iteration \d+; lower optimiser\."):
        style_transfer(
            CONTENT,
            STYLE,
            RATE,
            preset="texture",
            num_iterations=4,
            optimiser={"name": "adam", "learning_rate": 1e30},
        )
