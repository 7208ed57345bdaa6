"""Finds out from files alone how the cells of all plans of a results folder stand."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, ValidationError

from eeg2speech_bench.benchmarks.launchers.job_store import JobStore, Sending, Start, count_tries
from eeg2speech_bench.core.records.provenance import ErrorReport
from eeg2speech_bench.core.records.record import Status
from eeg2speech_bench.core.records.record_store import RecordStore
from eeg2speech_bench.core.records.running import RunningCell, living_signs

State = Literal["done", "failed", "running", "interrupted", "waiting", "lost"]


class RecordEnd(BaseModel):
    """How a record ends, without its numbers."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    status: Status
    error: ErrorReport | None = None

    @classmethod
    def of(cls, records: RecordStore, cell: str) -> RecordEnd | None:
        """Read the end of a cell's record; of its latest attempt while it is not done. None if there is none."""
        ends = [_read_end(path) for path in (records.path(cell), records.attempt_path(cell))]
        done = [end for end in ends if end and end.status == "done"]
        return next(iter(done), ends[1] or ends[0])


def _read_end(path: Path) -> RecordEnd | None:
    try:
        return RecordEnd.model_validate_json(path.read_bytes())
    except (OSError, ValidationError):
        return None


@dataclass(frozen=True)
class CellState:
    """How one cell stands.

    Attributes
    ----------
    cell : str
    label : str
        Its encoder.
    dataset : str
    seed : int
    state : str
        ``done``, ``failed``, ``running``, ``interrupted``, ``waiting`` (for its job, or to be sent), or ``lost`` (its
        job gave no more sign and left no record).
    detail : str
        Where and since when, or why.
    tries : int
        How often it was sent or started.
    job : str
        In which it waits, runs, or was lost; empty if none is left.
    is_sent : bool
        Whether that job is one of a cluster.
    """

    cell: str
    label: str
    dataset: str
    seed: int
    state: State
    detail: str
    tries: int
    job: str = ""
    is_sent: bool = False


def read_states(results: Path) -> list[CellState]:
    """Return how all cells of the plans of a results folder stand, each once, those that were sent last first."""
    jobs, records = JobStore(results), RecordStore(results)
    sendings, signs = jobs.sendings(), dict(living_signs(results))
    states: dict[str, CellState] = {}
    for plan in jobs.plans():
        for number, run in enumerate(plan.cells):
            if run.id not in states:
                cell = plan.cell(number)
                seen = _Seen(
                    RecordEnd.of(records, run.id),
                    signs.get(run.id),
                    jobs.starts(run.id),
                    [sending for sending in sendings if run.id in sending.jobs],
                    run.id,
                )
                names = (cell.label, cell.dataset_name, cell.seed)
                states[run.id] = CellState(run.id, *names, *seen.state(), seen.tries, seen.job, seen.job in seen.jobs)
    return list(states.values())


@dataclass(frozen=True)
class _Seen:
    """All that files say of one cell."""

    record: RecordEnd | None
    sign: RunningCell | None
    starts: list[Start]
    sendings: list[Sending]
    cell: str

    @property
    def jobs(self) -> tuple[str, ...]:
        return tuple(sending.jobs[self.cell] for sending in self.sendings)

    @property
    def waits(self) -> bool:
        """Whether the job that was sent last has not started, and no other has since."""
        if not self.sendings or self.jobs[-1] in {start.job for start in self.starts}:
            return False
        return not self.starts or self.starts[-1].time < self.sendings[-1].time

    @property
    def tries(self) -> int:
        return count_tries(self.jobs, self.starts)

    @property
    def job(self) -> str:
        if self.waits:
            return self.jobs[-1]
        last = self.starts[-1] if self.starts else None
        is_over = last is None or last.ended not in ("", "requeued")
        is_elsewhere = last is not None and self.sign is not None and self.sign.host != last.host
        return "" if last is None or is_over or is_elsewhere else last.job

    def state(self) -> tuple[State, str]:
        if self.record is not None and self.record.status == "done":
            return "done", ""
        if self.sign is not None:
            return "running", f"on {self.sign.host} since {_local(self.sign.started)}, in {self.sign.phase}"
        return self._without_sign()

    def _without_sign(self) -> tuple[State, str]:
        last = self.starts[-1] if self.starts else None
        if self.waits:
            return "waiting", f"in job {self.jobs[-1]}, sent {_local(self.sendings[-1].time)}"
        if last is not None and last.ended == "requeued":
            return "waiting", f"in job {last.job}, stopped on {last.host} and queued again"
        if last is not None and last.is_alive(age_s=_age_s(last.time)):
            return "running", f"on {last.host} since {_local(last.time)}, it begins"
        if last is not None and not last.ended:
            return "lost", f"job {last.job} on {last.host}, begun {_local(last.time)}, ended without a word"
        if self.record is None:
            return ("lost", f"job {last.job} left no record") if last else ("waiting", "in no job yet")
        status: State = "failed" if self.record.status == "failed" else "interrupted"
        error = self.record.error
        return status, f"{error.phase}: {error.message}" if error else ""


def _local(time: str) -> str:
    return datetime.fromisoformat(time).astimezone().strftime("%d %b %H:%M")


def _age_s(time: str) -> float:
    return (datetime.now(UTC) - datetime.fromisoformat(time)).total_seconds()
