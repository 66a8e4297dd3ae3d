"""The queue of the page, with a worker that does what a test says."""

import json
import queue
import threading

import numpy as np
import pytest
from conftest import CLIPS
from playing import tune
from waiting import wait_until

from research.app import jobs as module
from research.app.blind import Blind
from research.app.jobs import Jobs
from research.app.sounds import Sounds
from research.audio.waveform import load_waveform
from research.audio.writing import save_waveform
from research.errors import InputError
from research.judge.fixed_equaliser import equalise
from research.transfer.votes import load_votes

ASKED = {"content": "piano", "styles": ["band"], "changes": {"style_amount": 0.5}}


class _Fake:
    """Stands for the process: `tasks` are what it was asked for, events are put into `events`."""

    made: list["_Fake"]

    def __init__(self, folder):
        self.is_alive, self.tasks, self.events = True, [], queue.Queue()
        _Fake.made.append(self)

    def send(self, task):
        self.tasks.append(task)
        return self.read()

    def read(self):
        event = self.events.get(timeout=100)
        if event is None:
            self.is_alive = False
        return event

    def tell(self, event, **values):
        self.events.put({"event": event, **values})

    def kill(self):
        self.is_alive = False
        self.events.put(None)

    def last_words(self):
        return "out of memory; give shorter audio"


@pytest.fixture
def start(tmp_path, monkeypatch):
    """Starts a queue in a folder."""
    monkeypatch.setattr(_Fake, "made", [], raising=False)
    monkeypatch.setattr(module, "_Worker", _Fake)
    started = []

    def start() -> Jobs:
        started.append(Jobs(tmp_path / "takes", Sounds(tmp_path / "sounds")))
        return started[-1]

    yield start
    for jobs in started:
        jobs.close()


def status_of(jobs: Jobs) -> dict[str, str]:
    return {job["id"]: job["status"] for job in jobs.summary()}


def test_takes_are_made_one_after_the_other_by_one_worker(start, tmp_path):
    jobs = start()
    assert [jobs.add(ASKED), jobs.add({**ASKED, "styles": ["band", "piano"]})] == ["0001", "0002"]
    wait_until(lambda: status_of(jobs) == {"0001": "running", "0002": "queued"})
    [worker] = _Fake.made
    wait_until(lambda: worker.tasks)
    [task] = worker.tasks
    assert task["folder"] == str(tmp_path / "takes" / "0001")
    assert task["content"].endswith("piano.ogg") and task["style"].endswith("band.ogg")
    assert (task["preset"], task["changes"]) == ("default", {"style_amount": 0.5})
    worker.tell("output")
    wait_until(lambda: jobs.summary()[-1]["has_output"])
    (tmp_path / "takes" / "0001" / "output.wav").write_bytes(b"sound")
    worker.tell("done", genre="jazz")
    wait_until(lambda: status_of(jobs) == {"0001": "done", "0002": "running"})
    assert jobs.summary()[-1]["genre"] == "jazz"
    assert _Fake.made == [worker]
    wait_until(lambda: len(worker.tasks) == 2)
    assert worker.tasks[1]["style"].count("band.ogg,") == 1
    worker.tell("failed", reason=f"{task['content']} is digital silence")
    wait_until(lambda: status_of(jobs)["0002"] == "failed")
    assert jobs.summary()[0]["reason"] == "Piano minuet is digital silence"
    assert jobs.title("0002") == "Piano minuet as Funk-rock band and Piano minuet"


def test_the_time_left_follows_the_iterations(start, monkeypatch):
    now = [100.0]
    monkeypatch.setattr(module.time, "monotonic", lambda: now[0])
    jobs = start()
    jobs.add(ASKED | {"preset": "combined"})
    wait_until(lambda: _Fake.made and _Fake.made[0].tasks)
    worker = _Fake.made[0]
    worker.tell("preview")
    wait_until(lambda: jobs.summary()[0]["previews"] == 1)
    worker.tell("progress", done=10, total=60)
    wait_until(lambda: jobs.summary()[0]["done"] == 10)
    assert jobs.summary()[0]["seconds_left"] is None  # The first iterations are compiled.
    now[0] += 4
    worker.tell("progress", done=30, total=60)
    wait_until(lambda: jobs.summary()[0]["done"] == 30)
    assert jobs.summary()[0]["seconds_left"] == pytest.approx(6.0)


def test_a_take_is_cancelled_and_the_next_one_made_by_another_worker(start, tmp_path):
    jobs = start()
    for _ in range(3):
        jobs.add(ASKED)
    wait_until(lambda: _Fake.made and _Fake.made[0].tasks)
    jobs.remove("0002")
    assert status_of(jobs) == {"0001": "running", "0002": "cancelled", "0003": "queued"}
    jobs.remove("0001")
    wait_until(lambda: status_of(jobs)["0003"] == "running")
    assert status_of(jobs)["0001"] == "cancelled"
    assert len(_Fake.made) == 2 and not _Fake.made[0].is_alive
    jobs.remove("0001")
    assert "0001" not in status_of(jobs) and not (tmp_path / "takes" / "0001").exists()
    with pytest.raises(InputError, match="there is no take '0001'; reload the page"):
        jobs.remove("0001")


def test_a_worker_that_dies_is_told_and_replaced(start):
    jobs = start()
    jobs.add(ASKED)
    wait_until(lambda: _Fake.made and _Fake.made[0].tasks)
    _Fake.made[0].kill()
    wait_until(lambda: status_of(jobs)["0001"] == "failed")
    assert jobs.summary()[0]["reason"] == "out of memory; give shorter audio"
    jobs.add(ASKED)
    wait_until(lambda: len(_Fake.made) == 2 and _Fake.made[1].tasks)


def test_what_a_killed_server_has_left_is_made(start, tmp_path):
    jobs = start()
    first, second = jobs.add(ASKED), jobs.add(ASKED)
    wait_until(lambda: status_of(jobs)[first] == "running")
    jobs.close()
    (tmp_path / "takes" / "damaged").mkdir()
    (tmp_path / "takes" / "damaged" / "job.json").write_text("{")
    kept = json.loads((tmp_path / "takes" / first / "job.json").read_text())
    assert kept["status"] == "queued" and kept["changes"] == {"style_amount": 0.5}
    again = start()
    wait_until(lambda: status_of(again) == {first: "running", second: "queued"})


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"content": None}, "choose a content and a style"),
        ({"styles": []}, "choose a content and a style"),
        ({"styles": ["no"]}, "there is no recording 'no'; reload the page"),
        ({"preset": "no"}, "preset is 'no'; give one of default, combined, "),
        ({"changes": {"checkpoint": "/etc"}}, "checkpoint cannot be set here; style_amount, "),
        ({"changes": {"style_amount": 3}}, "style_amount is 3; give a number from 0 to 1"),
        ({"changes": {"seed": None}}, "config.seed is None; give"),
        ({"changes": {"seed": "1"}}, "config.seed is '1'; give a"),
        ({"changes": None}, "changes have no keys"),
        ({"changes": ["seed"]}, "changes have no keys"),
        ({"preset": []}, "preset is no name"),
        ({"styles": [[]]}, r"there is no recording '\[\]'"),
    ],
)
def test_what_cannot_be_made_is_refused(start, tmp_path, changes, message):
    jobs = start()
    with pytest.raises(InputError, match=message):
        jobs.add(ASKED | changes)
    assert jobs.summary() == [] and not list((tmp_path / "takes").glob("*/"))


def test_takes_are_compared_blind_and_votes_kept(start, tmp_path, monkeypatch):
    jobs = start()
    blind = Blind(tmp_path, jobs, jobs._sounds)
    asked = [ASKED, {**ASKED, "changes": {}}, {**ASKED, "styles": ["piano"]}, ASKED]
    ids = [jobs.add(one) for one in asked]
    for number, id in enumerate(ids):
        wait_until(lambda number=number: len(_Fake.made[0].tasks) == number + 1)
        save_waveform(jobs.path(id, "output.wav"), tune(200 + 50 * number))
        if id != ids[-1]:
            _Fake.made[0].tell("done", genre=None)
    wait_until(lambda: status_of(jobs)[ids[-1]] == "running")
    for against, message in (
        (ids[2], "choose two takes of the same content and style"),
        (ids[3], "the take is not finished"),
        (ids[0], "both takes are default, style_amount=0.5; choose two that differ"),
        ("no", "there is no take 'no'"),
    ):
        with pytest.raises(InputError, match=message):
            blind.start({"take": ids[0], "against": against})
    labels = {"default, style_amount=0.5", "default"}
    files = {id: jobs.path(id, "output.wav").read_bytes() for id in ids[:2]}
    for order in (0, 1):
        monkeypatch.setattr("secrets.randbelow", lambda most, order=order: order)
        trial = blind.start({"take": ids[0], "against": ids[1]})
        assert (trial["content"], trial["styles"]) == ("piano", ["band"])
        heard = [blind.path(trial["id"], letter).read_bytes() for letter in "ab"]
        assert heard == [files[ids[order]], files[ids[1 - order]]]
        with pytest.raises(InputError, match="answer all three questions"):
            blind.vote(trial["id"], {"content": "a"})
        told = blind.vote(trial["id"], {"content": "a", "style": "b", "better": "same"})
        assert {told["a"], told["b"]} == labels and told["votes"] == order + 1
        with pytest.raises(InputError, match="this comparison is over"):
            blind.vote(trial["id"], {"content": "a", "style": "b", "better": "same"})
    first, second = load_votes(tmp_path)
    assert (first.first, second.first) == ("default, style_amount=0.5", "default")
    assert first.answers == {"content": "first", "style": "second", "better": "same"}
    trial = blind.start({"take": ids[1], "against": "equaliser"})
    equalised = load_waveform(blind.path(trial["id"], "a"))
    content, style = (load_waveform(CLIPS / f"{name}.ogg") for name in ("piano", "band"))
    np.testing.assert_allclose(equalised.samples, equalise(content, style).samples, atol=1e-6)


def test_votes_at_once_are_all_kept_and_a_trial_is_voted_on_once(start, tmp_path):
    jobs = start()
    blind = Blind(tmp_path, jobs, jobs._sounds)
    for changes in ({}, {"style_amount": 0.5}):
        id = jobs.add(ASKED | {"changes": changes})
        wait_until(lambda id=id: status_of(jobs)[id] == "running" and _Fake.made[0].tasks)
        save_waveform(jobs.path(id, "output.wav"), tune(200))
        _Fake.made[0].tell("done", genre=None)
        wait_until(lambda id=id: status_of(jobs)[id] == "done")
    trials = [blind.start({"take": "0001", "against": "0002"})["id"] for _ in range(6)]
    answers, refused = {"content": "a", "style": "b", "better": "same"}, []

    def vote(id: str) -> None:
        try:
            blind.vote(id, answers | {"listener": "ann"})
        except InputError as error:
            refused.append(str(error))

    threads = [threading.Thread(target=vote, args=(id,)) for id in 2 * trials]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    votes = load_votes(tmp_path)
    assert len(votes) == len(refused) == len(trials)
    assert {vote.listener for vote in votes} == {"ann"}
    for given in ({}, {"listener": ""}, {"listener": None}):  # A browser that keeps nothing.
        trial = blind.start({"take": "0001", "against": "0002"})["id"]
        blind.vote(trial, answers | given)
    assert [vote.listener for vote in load_votes(tmp_path)][-3:] == ["", "", ""]


def test_a_full_disk_fails_a_take_and_not_the_queue(start, tmp_path, monkeypatch):
    jobs, keep = start(), module.save_json
    full = []

    def save(path, value):
        if full:
            raise InputError(f"{path} cannot be written (No space left on device)")
        keep(path, value)

    monkeypatch.setattr(module, "save_json", save)
    jobs.add(ASKED)
    wait_until(lambda: _Fake.made and _Fake.made[0].tasks)
    full.append(True)
    _Fake.made[0].tell("failed", reason="output.wav cannot be written (No space left on device)")
    wait_until(lambda: status_of(jobs)["0001"] == "failed")
    with pytest.raises(InputError, match="No space left on device"):
        jobs.add(ASKED)
    assert [path.name for path in (tmp_path / "takes").iterdir() if path.is_dir()] == ["0001"]
    full.clear()
    id = jobs.add(ASKED)
    wait_until(lambda: len(_Fake.made[0].tasks) == 2)
    _Fake.made[0].tell("done", genre=None)
    wait_until(lambda: status_of(jobs)[id] == "done")


def test_a_worker_that_cannot_start_fails_the_take_and_not_the_queue(start, monkeypatch):
    def refuse(folder):
        raise OSError(12, "Cannot allocate memory")

    monkeypatch.setattr(module, "_Worker", refuse)
    jobs = start()
    jobs.add(ASKED)
    wait_until(lambda: status_of(jobs)["0001"] == "failed")
    assert "Cannot allocate memory" in jobs.summary()[0]["reason"]
    monkeypatch.setattr(module, "_Worker", _Fake)
    jobs.add(ASKED)
    wait_until(lambda: _Fake.made and _Fake.made[0].tasks)


def test_numbers_of_damaged_and_removed_takes_are_not_used_again(start, tmp_path):
    (tmp_path / "takes" / "0007").mkdir(parents=True)
    (tmp_path / "takes" / "0007" / "job.json").write_text("{")
    jobs = start()
    assert jobs.add(ASKED) == "0008"
    jobs.remove("0008")
    jobs.remove("0008")
    assert jobs.add(ASKED) == "0009"


def test_what_is_finished_is_not_removed_by_a_cancel_that_comes_late(start):
    jobs = start()
    id = jobs.add(ASKED)
    wait_until(lambda: _Fake.made and _Fake.made[0].tasks)
    _Fake.made[0].tell("done", genre=None)
    wait_until(lambda: status_of(jobs)[id] == "done")
    jobs.remove(id, "running")
    assert status_of(jobs) == {id: "done"}
    jobs.remove(id, "done")
    assert status_of(jobs) == {}
