"""Transfers that were asked for: a queue, one worker process, and what has become of each."""

import contextlib
import dataclasses
import json
import pathlib
import shutil
import signal
import subprocess
import sys
import threading
import time
from typing import Any

from research.api import configure
from research.app.sounds import Sounds
from research.errors import InputError
from research.workdir import load_dict, save_json

_ROOT = pathlib.Path(__file__).parents[2]
# Keys of a config that the page may set.
KEYS = "style_amount", "keep_rests", "dynamics", "seed"
_UNFINISHED = "queued", "running"


@dataclasses.dataclass
class Job:
    """A transfer.

    Attributes:
      id: its key and the name of its folder.
      content: id of the recording.
      styles: ids of the recordings; several are a mix of equal weights.
      preset: of the config.
      changes: values of `KEYS`.
      status: queued, running, done, failed or cancelled.
      stage: what is done while it is running.
      done: number of iterations so far.
      total: number of iterations; 0 if nothing is optimised.
      reason: why it failed, else empty.
      genre: of the output, once it is known.
      previews: how often there was something better to listen to.
      has_output: whether there is an output.
    """

    id: str
    content: str
    styles: list[str]
    preset: str
    changes: dict[str, Any]
    status: str = "queued"
    stage: str = ""
    done: int = 0
    total: int = 0
    reason: str = ""
    genre: str | None = None
    previews: int = 0
    has_output: bool = False


class Jobs:
    """All transfers of a folder, made one at a time in the order in which they were asked for.

    Those that were not finished when the last server ended are made again.
    """

    def __init__(self, folder: pathlib.Path, sounds: Sounds):
        self.folder, self._sounds = folder, sounds
        self._changed = threading.Condition()
        self._jobs: dict[str, Job] = {}
        self._worker: _Worker | None = None
        self._clock: tuple[float, int] | None = None
        self._closed = False
        folder.mkdir(exist_ok=True)
        # Those of removed takes and of damaged folders are not used again.
        numbers = [int(one.name) for one in folder.iterdir() if one.name.isdecimal()]
        self._last = max(numbers, default=0)
        for path in sorted(folder.glob("*/job.json")):
            with contextlib.suppress(InputError, TypeError):
                job = Job(**load_dict(path))
                if job.status in _UNFINISHED:
                    job.status = "queued"
                self._jobs[job.id] = job
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def add(self, asked: dict[str, Any]) -> str:
        """Queue a transfer; its id.

        Args:
          asked: `content`, `styles`, `preset`, and `changes` of the config by key.

        Raises:
          InputError: a recording or a preset is unknown, or a value is not allowed.
        """
        content, styles = asked.get("content"), asked.get("styles")
        preset, changes = asked.get("preset", "default"), asked.get("changes", {})
        if not isinstance(content, str) or not styles or not isinstance(styles, list):
            raise InputError("choose a content and a style")
        if not (isinstance(preset, str) and isinstance(changes, dict)):
            raise InputError("preset is no name or changes have no keys; reload the page")
        for id in (content, *styles):
            self._sounds[str(id)]
        unknown = sorted(set(changes) - set(KEYS))
        if unknown:
            raise InputError(f"{unknown[0]} cannot be set here; {', '.join(KEYS)} can")
        configure(preset, changes)
        with self._changed:
            self._last += 1
            job = Job(f"{self._last:04d}", content, styles, preset, changes)
            (self.folder / job.id).mkdir()
            try:
                self._keep(job)
            except InputError:
                shutil.rmtree(self.folder / job.id, ignore_errors=True)
                raise
            self._jobs[job.id] = job
            self._changed.notify_all()
        return job.id

    def remove(self, id: str, was: str | None = None) -> None:
        """Cancel a transfer that is not finished, or remove one that is, with its files.

        Args:
          id: of the transfer.
          was: its status as the one who asks has seen it. What was to be cancelled and is finished
            by now stays.

        Raises:
          InputError: there is none of this id.
        """
        with self._changed:
            job = self._find(id)
            if job.status in _UNFINISHED:
                was_running, job.status = job.status == "running", "cancelled"
                if was_running:
                    self._end_worker()
                self._keep(job)
                return
            if was in _UNFINISHED:
                return
            del self._jobs[id]
        shutil.rmtree(self.folder / id, ignore_errors=True)

    def summary(self) -> list[dict[str, Any]]:
        """What the page shows of all, the newest first."""
        with self._changed:
            return [
                dataclasses.asdict(job) | {"seconds_left": self._seconds_left(job)}
                for job in reversed(self._jobs.values())
            ]

    def path(self, id: str, name: str) -> pathlib.Path:
        """A file of a transfer, which need not exist.

        Raises:
          InputError: there is no transfer of this id.
        """
        with self._changed:
            return self.folder / self._find(id).id / name

    def finished(self, id: str) -> Job:
        """A transfer that is done.

        Raises:
          InputError: there is none of this id, or it is not done.
        """
        with self._changed:
            job = self._find(id)
            if job.status != "done":
                raise InputError("the take is not finished; choose another one")
            return job

    def title(self, id: str) -> str:
        """Content and styles of a transfer in words."""
        with self._changed:
            job = self._find(id)
        content, *styles = (
            pathlib.PurePath(self._sounds[one].name).stem for one in (job.content, *job.styles)
        )
        return f"{content} as {' and '.join(styles)}"

    def close(self) -> None:
        """End the worker. What is not finished stays queued."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()
            self._end_worker()
        self._thread.join(5)

    def _find(self, id: str) -> Job:
        if id not in self._jobs:
            raise InputError(f"there is no take {id!r}; reload the page")
        return self._jobs[id]

    def _keep(self, job: Job) -> None:
        save_json(self.folder / job.id / "job.json", dataclasses.asdict(job))

    def _seconds_left(self, job: Job) -> float | None:
        if job.status != "running" or self._clock is None or job.done <= self._clock[1]:
            return None
        since, first = self._clock
        return (time.monotonic() - since) / (job.done - first) * (job.total - job.done)

    def _run(self) -> None:
        while (job := self._await()) is not None:
            try:
                event = self._make(job)
            except (InputError, OSError) as error:  # A recording is gone, or the disk is full.
                event = {"event": "failed", "reason": str(error)}
            except Exception as error:  # A defect must not end the queue.
                with self._changed:
                    self._end_worker()  # It may be busy with this transfer.
                event = {"event": "failed", "reason": repr(error)}
            self._finish(job, event)

    def _await(self) -> Job | None:
        """The next transfer, once there is one; None once the queue is closed."""
        with self._changed:
            while not self._closed:
                # Before there is a job, so that it has started. If it cannot, the job will tell.
                with contextlib.suppress(OSError):
                    self._ready_worker()
                job = self._next()
                if job is not None:
                    job.status, job.stage, self._clock = "running", "transferring", None
                    return job
                self._changed.wait()
        return None

    def _ready_worker(self) -> "_Worker":
        if self._worker is None or not self._worker.is_alive:
            self._worker = _Worker(self.folder)
        return self._worker

    def _end_worker(self) -> None:
        if self._worker is not None:
            self._worker.kill()

    def _next(self) -> Job | None:
        return next((job for job in self._jobs.values() if job.status == "queued"), None)

    def _make(self, job: Job) -> dict[str, Any]:
        """Have a transfer made; its last event."""
        with self._changed:
            if self._closed or job.status != "running":
                return {"event": "cancelled"}
            worker = self._ready_worker()
        event = worker.send(
            {
                "folder": str(self.folder / job.id),
                "content": str(self._sounds[job.content].path),
                "style": ",".join(str(self._sounds[id].path) for id in job.styles),
                "preset": job.preset,
                "changes": job.changes,
            }
        )
        while event is not None and event["event"] not in ("done", "failed"):
            self._note(job, event)
            event = worker.read()
        if event is None:
            worker.kill()
            event = {"event": "failed", "reason": worker.last_words()}
        return event

    def _finish(self, job: Job, event: dict[str, Any]) -> None:
        with self._changed:
            if self._closed or job.status != "running":
                return
            job.status, job.stage = event["event"], ""
            job.reason, job.genre = event.get("reason", ""), event.get("genre")
            for id in (job.content, *job.styles):
                with contextlib.suppress(InputError):
                    sound = self._sounds[id]
                    job.reason = job.reason.replace(str(sound.path), sound.name)
            job.has_output = (self.folder / job.id / "output.wav").exists()
            with contextlib.suppress(InputError):
                self._keep(job)

    def _note(self, job: Job, event: dict[str, Any]) -> None:
        with self._changed:
            if event["event"] == "preview":
                job.previews, job.stage = job.previews + 1, "optimising"
            elif event["event"] == "progress":
                job.stage, job.done, job.total = "optimising", event["done"], event["total"]
                self._clock = self._clock or (time.monotonic(), job.done)
            elif event["event"] == "output":
                job.has_output, job.stage = True, "making its page"


class _Worker:
    """The process that makes transfers."""

    def __init__(self, folder: pathlib.Path):
        self._errors = folder / "worker.log"
        with self._errors.open("w") as errors:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "research.app.worker"],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=errors,
                text=True,
                cwd=_ROOT,
                start_new_session=True,  # Ctrl-C is for the server, which ends the worker.
            )

    @property
    def is_alive(self) -> bool:
        return self._process.poll() is None

    def send(self, task: dict[str, Any]) -> dict[str, Any] | None:
        """Ask for a transfer; its first event, None if the process has ended."""
        assert self._process.stdin is not None
        try:
            self._process.stdin.write(json.dumps(task) + "\n")
            self._process.stdin.flush()
        except OSError:
            return None
        return self.read()

    def read(self) -> dict[str, Any] | None:
        """The next event, None if the process has ended."""
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        return json.loads(line) if line.endswith("\n") else None

    def kill(self) -> None:
        """End the process at once."""
        self._process.kill()
        self._process.wait()

    def last_words(self) -> str:
        """Why the process has ended, in one line."""
        text = ""
        with contextlib.suppress(OSError):
            text = self._errors.read_text(errors="replace")
        lines = text.replace("\r", "\n").split("\n")
        told = [line.strip() for line in lines if line.startswith("worker.py: ")]
        if told:
            return told[-1].removeprefix("worker.py: ")
        code = self._process.returncode
        name = signal.Signals(-code).name if code < 0 else f"status {code}"
        return f"the process of the transfer has ended ({name}); give shorter recordings"
