"""A plan of three cells and a results folder in which it stands as a test wants it."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from eeg2speech_bench.benchmarks.cells import Cell
from eeg2speech_bench.benchmarks.launchers.cell_states import CellState, read_states
from eeg2speech_bench.benchmarks.launchers.job_store import JobStore, Sending, Start
from eeg2speech_bench.benchmarks.launchers.plan_file import PlanFile
from eeg2speech_bench.core.presets.config import load_config
from eeg2speech_bench.core.records.running import RunningCell
from eeg2speech_bench.core.registry.discovery import PluginChoice

#: no process has it
NO_PID = 2**22 + 1


def ago(seconds: float) -> str:
    """Return a time some seconds ago, as files hold it."""
    return (datetime.now(UTC) - timedelta(seconds=seconds)).isoformat(timespec="milliseconds")


@dataclass(frozen=True)
class Room:
    """A results folder with a plan."""

    results: Path
    plan: PlanFile

    @property
    def jobs(self) -> JobStore:
        return JobStore(self.results)

    def send(self, job: str, *numbers: int, seconds_ago: float = 100.0) -> None:
        """Send cells in the tasks of one job."""
        sent = {self.plan.cells[number].id: f"{job}_{task}" for task, number in enumerate(numbers)}
        self.jobs.keep_sending(Sending(time=ago(seconds_ago), user="ada", plan=self.plan.name, jobs=sent))

    def start(self, number: int, job: str, ended: str, *, host: str = "node7", seconds_ago: float = 50.0) -> None:
        """Let a cell start in a job."""
        cell = self.plan.cells[number].id
        path = self.jobs.begin(cell, job)
        start = Start(cell=cell, job=job, host=host, pid=NO_PID, time=ago(seconds_ago), ended=ended)
        path.write_text(start.model_dump_json())

    def record(self, number: int, status: str, phase: str = "align", message: str = "it rains") -> None:
        """Write as much of a record as says how it ended."""
        error = None if status == "done" else {"phase": phase, "type": "ValueError", "message": message}
        path = self.results / "records" / f"{self.plan.cells[number].id}.json"
        path.parent.mkdir(exist_ok=True)
        path.write_text(json.dumps({"status": status, "error": error}))

    def sign(self, number: int, host: str = "node7") -> Path:
        """Leave a sign of life."""
        path = self.results / "running" / f"{self.plan.cells[number].id}.{host}.{NO_PID}.json"
        RunningCell(host=host, pid=NO_PID, started=ago(40), phase="embed").write(path)
        return path

    def state(self, number: int = 0) -> CellState:
        """Return how a cell stands."""
        return read_states(self.results)[number]


@pytest.fixture
def room(tmp_path: Path) -> Room:
    """A plan of three cells that was kept and of which nothing was sent."""
    cells = [Cell("ridge", "bids:/data/x", "x", "r1", seed, load_config("quick")) for seed in range(3)]
    plan = PlanFile.of(cells, tmp_path / "results", tmp_path / "cache", "cpu", PluginChoice())
    JobStore(plan.results).keep_plan(plan)
    return Room(plan.results, plan)
