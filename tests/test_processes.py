"""Several processes: what each of them does. `test_devices` runs two."""

import types

import pytest
from hypothesis import given
from hypothesis import strategies as st

from research import processes
from research.errors import InputError


def of(monkeypatch, index: int, count: int) -> None:
    state = types.SimpleNamespace(process_id=index, num_processes=count)
    monkeypatch.setattr(processes, "_state", lambda: state)


@given(st.integers(0, 40), st.integers(1, 9))
def test_items_are_dealt_out_in_order_and_evenly(number, count):
    with pytest.MonkeyPatch.context() as monkeypatch:
        parts = []
        for index in range(count):
            of(monkeypatch, index, count)
            parts.append(processes.own_part(range(number)))
    assert [item for part in parts for item in part] == list(range(number))
    lengths = [len(part) for part in parts]
    assert max(lengths) - min(lengths) <= 1


def test_one_process_does_everything_and_waits_for_nobody(tmp_path):
    assert processes.is_first() and processes.count() == 1
    processes.wait_for_all()
    processes.check_one("anything")
    with processes.first_then_others(), processes.written_by_first(tmp_path) as folder:
        assert folder == tmp_path


def test_another_process_writes_elsewhere(monkeypatch, tmp_path):
    of(monkeypatch, 1, 2)
    with processes.written_by_first(tmp_path) as folder:
        assert folder != tmp_path and folder.is_dir()
    assert not folder.exists()
    with pytest.raises(InputError, match="--mode=app takes one process"):
        processes.check_one("--mode=app")


@pytest.mark.parametrize(
    "place", ["here", "auto", "localhost,2,1", "localhost:1,2,2", "localhost:1,two,1"]
)
def test_a_place_that_cannot_be_is_refused_in_one_line(place):
    with pytest.raises(InputError, match="cannot be joined") as error:
        processes.join(place)
    assert "\n" not in str(error.value)
