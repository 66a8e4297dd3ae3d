"""The folders of takes."""

from research.audio.waveform import load_waveform
from research.audio.writing import save_waveform
from research.transfer.takes import find_takes, load_pair, load_take, short_name
from research.workdir import save_json


def test_finished_takes_are_found(tmp_path):
    assert find_takes(tmp_path) == find_takes(tmp_path / "none") == []
    (tmp_path / "metrics.json").touch()
    assert find_takes(tmp_path) == [tmp_path]
    for name in ("001", "000", "002"):
        (tmp_path / "takes" / name).mkdir(parents=True)
    assert find_takes(tmp_path) == [tmp_path]
    for name in ("001", "000"):
        (tmp_path / "takes" / name / "metrics.json").touch()
    assert find_takes(tmp_path) == [tmp_path / "takes" / name for name in ("000", "001")]


def test_names_without_folders(tmp_path):
    (tmp_path / "c,d.wav").touch()
    assert short_name(str(tmp_path / "c,d.wav")) == "c,d.wav"
    assert short_name("x/a.npz:0.5, /y/z/b.wav:0.5") == "a.npz:0.5, b.wav:0.5"


def test_of_long_recordings_a_page_has_excerpts_and_says_so(tmp_path, clips):
    save_waveform(tmp_path / "output.wav", load_waveform(clips["piano"]))
    values = {"content": "c", "style": "s", "loss": {"final": None, "rendered": None}}
    values |= {"stopped": "", "num_evaluations": 0, "losses": [], "history": [], "judge": {}}
    save_json(tmp_path / "metrics.json", values)
    take = load_take(tmp_path, "output", 4.0)
    # A single style may have a weight.
    pair = load_pair(str(clips["piano"]), f"{clips['band']}:1", [take], 4.0)
    assert (pair.content_name, pair.style_name) == (
        "piano.ogg (0:03 to 0:07)",
        "band.ogg (0:03 to 0:07)",
    )
    assert [each.seconds for each in (pair.content, pair.style, take.waveform)] == [4.0] * 3
