"""Blind listening: two sounds in random order, three questions, and the votes in a file."""

import dataclasses
import datetime
import pathlib
import secrets
import threading
from typing import Any

from research.app.jobs import Job, Jobs
from research.app.sounds import Sounds, harmless
from research.audio.waveform import load_waveform
from research.audio.writing import save_waveform
from research.errors import InputError
from research.judge.fixed_equaliser import equalise
from research.transfer.votes import ANSWERS, QUESTIONS, Vote, add_vote

EQUALISER = "equaliser"
"""What a take can be compared with besides other takes: its content, fixed, to the style."""
_LETTERS = {"a": "first", "b": "second", "same": "same"}


@dataclasses.dataclass(frozen=True)
class _Trial:
    """Two sounds that a listener compares.

    Attributes:
      content: name of the content.
      style: names of the styles.
      paths: of the sounds A and B.
      labels: what they are.
    """

    content: str
    style: str
    paths: tuple[pathlib.Path, pathlib.Path]
    labels: tuple[str, str]


class Blind:
    """The trials of a page, by id, and the votes in its folder."""

    def __init__(self, folder: pathlib.Path, jobs: Jobs, sounds: Sounds):
        self._folder, self._jobs, self._sounds = folder, jobs, sounds
        self._trials: dict[str, _Trial] = {}
        self._lock = threading.Lock()  # Of the file of votes, and of trials that end.

    def start(self, asked: dict[str, Any]) -> dict[str, Any]:
        """Begin a trial; its id, and the ids of its content and styles.

        Args:
          asked: id of a `take`, and `against`: the id of another one or `EQUALISER`.

        Raises:
          InputError: a take is not finished, or there is nothing to compare it with.
        """
        job, against = self._jobs.finished(str(asked.get("take"))), asked.get("against")
        path, label = self._jobs.path(job.id, "output.wav"), _label(job)
        if against == EQUALISER:
            other = self._equalised(job), EQUALISER
        else:
            second = self._jobs.finished(str(against))
            if (second.content, second.styles) != (job.content, job.styles):
                raise InputError("choose two takes of the same content and style")
            if _label(second) == label:
                raise InputError(f"both takes are {label}; choose two that differ")
            other = self._jobs.path(second.id, "output.wav"), _label(second)
        both = [(path, label), other]
        if secrets.randbelow(2):
            both.reverse()
        names = [self._sounds[id].name for id in (job.content, *job.styles)]
        id = secrets.token_hex(6)
        paths, labels = zip(*both, strict=True)
        self._trials[id] = _Trial(names[0], ", ".join(names[1:]), paths, labels)
        return {"id": id, "content": job.content, "styles": job.styles}

    def path(self, id: str, letter: str) -> pathlib.Path:
        """The file of the sound `a` or `b` of a trial.

        Raises:
          InputError: there is none.
        """
        if letter not in ("a", "b"):
            raise InputError(f"there is no sound {letter!r}; reload the page")
        return self._find(id).paths["ab".index(letter)]

    def vote(self, id: str, given: dict[str, Any]) -> dict[str, Any]:
        """Keep a vote and end the trial; what A and B were, and the number of votes so far.

        Args:
          id: of the trial.
          given: `a`, `b` or `same` by question, and `listener`, a key that a browser keeps.

        Raises:
          InputError: there is no such trial, an answer is missing, or the votes cannot be written.
        """
        answers = {question: _LETTERS.get(str(given.get(question)), "") for question in QUESTIONS}
        if not set(answers.values()) <= set(ANSWERS):
            raise InputError("answer all three questions")
        now = datetime.datetime.now().astimezone().isoformat(timespec="seconds")
        key = given.get("listener")
        listener = harmless(key)[:32] if isinstance(key, str) and key else ""
        with self._lock:
            trial = self._find(id)
            vote = Vote(now, trial.content, trial.style, *trial.labels, answers, listener)
            number = add_vote(self._folder, vote)
            del self._trials[id]
        return {"a": trial.labels[0], "b": trial.labels[1], "votes": number}

    def _find(self, id: str) -> _Trial:
        if id not in self._trials:
            raise InputError("this comparison is over; start another one")
        return self._trials[id]

    def _equalised(self, job: Job) -> pathlib.Path:
        if len(job.styles) > 1:
            raise InputError("the equaliser is for takes of one style; choose another take")
        path = self._jobs.path(job.id, f"{EQUALISER}.wav")
        if not path.exists():
            content, style = (
                load_waveform(self._sounds[id].path) for id in (job.content, *job.styles)
            )
            save_waveform(path, equalise(content, style))
        return path


def _label(job: Job) -> str:
    """The preset and the choices of a take, such as `default, style_amount=0.5`; not its seed."""
    usual = {"style_amount": 1, "keep_rests": True, "dynamics": 1}
    changes = (
        f"{key}={value}"
        for key, value in sorted(job.changes.items())
        if key != "seed" and usual.get(key) != value
    )
    return ", ".join([job.preset, *changes])
