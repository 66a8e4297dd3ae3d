"""Rows and tables of the benchmark against known truth, with and without the judge."""

import json
import pathlib

import numpy as np
import pytest
from playing import SAMPLE_RATE
from triples import CONTENT, OTHER_TRUTH, STYLE, TRUTH, make_rendered

from research.audio.waveform import Waveform
from research.audio.writing import save_waveform
from research.benchmarks.known_truth import benchmark, judged, pieces
from research.errors import InputError
from research.judge.verdict import Judge
from research.transfer.config import TransferConfig


def test_configs_are_read_by_path_and_preset(tmp_path):
    assert benchmark.load_config("configs/transfer.py:default") == TransferConfig()
    assert benchmark.load_config("configs/transfer.py:ulyanov").variable == "raw_spectrogram"
    for spec, message in (
        ("configs/no.py", "config file configs/no.py does not exist"),
        ("README.md", "config file README.md is not Python"),
        ("configs/transfer.py:no", "configs/transfer.py:no: unknown preset 'no'; known presets: "),
        ("configs/residual.py", "configs/residual.py: config.*is unknown"),
    ):
        with pytest.raises(InputError, match=message):
            benchmark.load_config(spec)


def test_a_sweep_is_refused(tmp_path):
    path = tmp_path / "swept.py"
    path.write_text(
        "from configs import transfer\n"
        "def get_config(preset='default'):\n"
        "    config = transfer.get_config()\n"
        "    config.sweep.style_weight = (2.0,)\n"
        "    return config\n"
    )
    with pytest.raises(InputError, match=r"swept.py: config.sweep is not for this"):
        benchmark.load_config(str(path))


def test_names_of_rows(tmp_path, monkeypatch):
    specs = ["configs/transfer.py", "configs/transfer.py:ulyanov"]
    monkeypatch.chdir(tmp_path)
    presets, own = benchmark.name_rows(specs, [tmp_path / "mine", pathlib.Path()])
    assert presets == ["transfer_default", "transfer_ulyanov"]
    assert own == ["mine", tmp_path.name]
    for folders in (["a/mine", "b/mine"], ["content"], ["late"], ["transfer_ulyanov"]):
        with pytest.raises(InputError, match="two rows would be called"):
            benchmark.name_rows(specs, [pathlib.Path(folder) for folder in folders])


def test_rows_of_presets_and_folders(monkeypatch, tmp_path):
    triple, rendered = pieces.TRIPLES[0], make_rendered()

    class Result:
        output = Waveform(np.stack([TRUTH, 0.5 * TRUTH]), SAMPLE_RATE)

    monkeypatch.setattr(benchmark, "transfer", lambda content, style, config: Result)
    mine = tmp_path / "mine"
    mine.mkdir()
    save_waveform(mine / f"{triple.name}.wav", Waveform(CONTENT[None], SAMPLE_RATE))
    configs = {"transfer_default": TransferConfig()}
    folders = {"mine": mine, "none": tmp_path / "none"}
    with pytest.warns(UserWarning, match=f"none/{triple.name}.wav does not exist"):
        rows = benchmark.measure_triple(
            triple, rendered, configs, folders, tmp_path, with_anchors=False
        )
    assert rows.keys() == {"transfer_default", "mine"}
    assert rows["transfer_default"]["TRUTH"] == pytest.approx(1, abs=1e-3)
    assert rows["mine"]["closer"] == pytest.approx(0, abs=1e-3)
    assert (tmp_path / "outputs" / "transfer_default" / f"{triple.name}.wav").is_file()
    assert benchmark.table("piano", rows).count("\n") == 2
    assert json.loads(json.dumps(benchmark.as_json(rows)))["mine"]["closer"] == 0


def test_rows_with_the_judge():
    triple, rendered = pieces.TRIPLES[0], make_rendered()
    rows = benchmark.measure_triple(
        triple, rendered, {}, {}, pathlib.Path(), with_cheats=True, with_judge=True
    )
    verdict = Judge(CONTENT, STYLE, SAMPLE_RATE)(OTHER_TRUTH)
    assert rows["other_soundfont"]["score"] == pytest.approx(verdict.score, abs=1e-6)
    assert rows["other_soundfont"]["naturalness"] == pytest.approx(verdict.naturalness, abs=1e-6)
    # The truth is another sound; two equalisers make crossfades from the inputs.
    assert rows["truth"]["magnitudes"] < 0.9 < 0.95 < rows["crossfade"]["magnitudes"]
    assert all(rows["silence"][name] == 0 for name in judged.JUDGED)
    title, content, *_ = benchmark.table("piano", rows).splitlines()
    assert title.split() == ["piano", *benchmark.COLUMNS, *judged.JUDGED]
    assert content.split()[-4:] == ["1.000", "0.000", "1.000", "1.000"]
    assert len(title) == len(content)
    assert benchmark.summarise([rows, rows])["truth"]["magnitudes"]["triples"] == 2


def test_rank_correlations_by_hand():
    def row(score, closer):
        return dict.fromkeys(judged.TRUTHS, 0.5) | {"score": score, "closer": closer}

    # Ranks 1 2 3 4 and 2 1 3 4: 1 - 6 * 2 / (4 * 15).
    rows = {"a": row(0.1, 0.3), "b": row(0.2, 0.1), "c": row(0.3, 0.4), "d": row(0.9, 0.9)}
    known = {"truth": row(0.0, 1.0)}
    few = {name: rows[name] for name in "ab"}
    found = judged.correlations([rows | known, few | known])
    assert found == {"closer": [pytest.approx(0.8)], "timbre": [], "notes150": [], "TRUTH": []}


def test_means_and_standard_errors_by_hand():
    values = dict.fromkeys(benchmark.COLUMNS, 0.0)
    one, two, three = (values | {"closer": x} for x in (0.1, 0.2, 0.6))
    summary = benchmark.summarise([{"a": one, "b": one}, {"a": two}, {"a": three}])
    # Deviations of -0.2, -0.1 and 0.3: variance 0.07, over 3 triples.
    expected = {"mean": 0.3, "error": round((0.07 / 3) ** 0.5, 4), "triples": 3}
    assert summary["a"]["closer"] == pytest.approx(expected)
    assert summary["b"]["closer"] == {"mean": 0.1, "error": None, "triples": 1}
    text = benchmark.summary_table("mean", summary)
    assert "0.300 ± 0.153" in text.splitlines()[1]
    assert "±" not in text.splitlines()[2]
