"""The folders of takes."""

from research.transfer.takes import find_takes, short_name


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
