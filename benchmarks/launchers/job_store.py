"""Keeps what was planned, sent and started of a results folder: one small file each, every one with one writer."""

from __future__ import annotations

import getpass
import os
import platform
import secrets
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal, Self

from pydantic import BaseModel, ConfigDict, ValidationError

from eeg2speech_bench.benchmarks.launchers.plan_file import PlanFile
from eeg2speech_bench.core.errors import StorageError
from eeg2speech_bench.core.machine.processes import is_process_alive
from eeg2speech_bench.core.records.running import ALIVE_S
from eeg2speech_bench.core.stages.disk_trouble import explained
from eeg2speech_bench.core.stages.json_files import write_atomically

#: how a start of a cell ended; empty while it runs, or if its process died without a word
Ended = Literal["", "done", "failed", "interrupted", "requeued"]


class _JobFile(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    @classmethod
    def read(cls, path: Path) -> Self | None:
        """Return what a file holds; None if it cannot be read."""
        try:
            return cls.model_validate_json(path.read_bytes())
        except (OSError, ValidationError):
            return None


class Sending(_JobFile):
    """Jobs that were sent to a cluster together.

    Attributes
    ----------
    time : str
    user : str
        Who sent them, whom the queue is asked about.
    plan : str
        Name of the plan.
    jobs : dict of str to str
        Job of each cell that was sent.
    """

    time: str
    user: str
    plan: str
    jobs: dict[str, str]

    @classmethod
    def now(cls, plan: str, jobs: dict[str, str]) -> Self:
        """Return what is sent at this moment."""
        return cls(time=_now(), user=getpass.getuser(), plan=plan, jobs=jobs)


class Start(_JobFile):
    """One start of a cell in a job.

    Attributes
    ----------
    cell, job : str
    host : str
    pid : int
    time : str
    ended : str
    """

    cell: str
    job: str
    host: str
    pid: int
    time: str
    ended: Ended = ""

    def is_alive(self, *, age_s: float) -> bool:
        """Whether it may still run, ``age_s`` seconds after it started and with no sign of life of its cell."""
        if self.ended:
            return False
        return is_process_alive(self.pid) if self.host == platform.node() else age_s < ALIVE_S


class JobStore:
    """Writes and reads ``plans/`` and ``jobs/`` of a results folder.

    Parameters
    ----------
    results : Path
    """

    def __init__(self, results: Path) -> None:
        self.plan_folder = results / "plans"
        self.sending_folder = results / "jobs" / "sent"
        self.start_folder = results / "jobs" / "started"
        self.log_folder = results / "jobs" / "logs"

    def keep_plan(self, plan: PlanFile) -> Path:
        """Write a plan under its own name and return where it lies."""
        path = self.plan_folder / f"{plan.name}.json"
        with explained(path.parent):
            path.parent.mkdir(parents=True, exist_ok=True)
            plan.write(path)
        return path

    def plans(self) -> Iterator[PlanFile]:
        """Yield the plans, that which was sent last first; one of another version is left out."""
        for path in sorted(self.plan_folder.glob("*.json"), key=_changed, reverse=True):
            try:
                yield PlanFile.read(path)
            except StorageError:
                continue

    def keep_sending(self, sending: Sending) -> None:
        """Write down what was sent."""
        self.sending_folder.mkdir(parents=True, exist_ok=True)
        name = f"{sending.time.replace(':', '')[:17]}-{secrets.token_hex(2)}.json"
        write_atomically(self.sending_folder / name, sending.model_dump_json(indent=1).encode())

    def sendings(self) -> list[Sending]:
        """Return all that was sent, in the order of time."""
        found = map(Sending.read, sorted(self.sending_folder.glob("*.json")))
        return sorted((one for one in found if one is not None), key=lambda one: one.time)

    def begin(self, cell: str, job: str) -> Path:
        """Write down that a cell starts in this process, and return where."""
        start = Start(cell=cell, job=job, host=platform.node(), pid=os.getpid(), time=_now())
        path = self.start_folder / cell / f"{job}.{secrets.token_hex(4)}.json"
        with explained(self.start_folder):
            path.parent.mkdir(parents=True, exist_ok=True)
            write_atomically(path, start.model_dump_json().encode())
        return path

    def end(self, path: Path, ended: Ended) -> None:
        """Write down how a start ended."""
        start = Start.read(path)
        if start is not None:
            write_atomically(path, start.model_copy(update={"ended": ended}).model_dump_json().encode())

    def starts(self, cell: str) -> list[Start]:
        """Return the starts of a cell in the order of time."""
        found = map(Start.read, (self.start_folder / cell).glob("*.json"))
        return sorted((one for one in found if one is not None), key=lambda one: one.time)

    def count_tries(self, cell: str) -> int:
        """Count how often a cell was tried so far."""
        jobs = [sending.jobs[cell] for sending in self.sendings() if cell in sending.jobs]
        return count_tries(jobs, self.starts(cell))


def count_tries(jobs: Iterable[str], starts: list[Start]) -> int:
    """Count how often a cell was tried: every start, and every job that ended before one."""
    started = {start.job for start in starts}
    return len(starts) + sum(job not in started for job in jobs)


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="milliseconds")


def _changed(path: Path) -> float:
    return path.stat().st_mtime
