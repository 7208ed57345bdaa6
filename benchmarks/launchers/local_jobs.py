"""Runs cells of a plan in processes of this machine, several at once."""

from __future__ import annotations

import os
import platform
from collections.abc import Mapping
from contextlib import closing
from functools import partial
from pathlib import Path

from rich.console import Console

from eeg2speech_bench.benchmarks.launchers.cell_end import give_up_planned, settle_end
from eeg2speech_bench.benchmarks.launchers.cell_states import RecordEnd
from eeg2speech_bench.benchmarks.launchers.job_store import Ended, JobStore
from eeg2speech_bench.benchmarks.launchers.plan_file import PlanFile
from eeg2speech_bench.benchmarks.launchers.workers import Limits, Workers
from eeg2speech_bench.core.records.provenance import ErrorReport
from eeg2speech_bench.core.records.record_store import RecordStore
from eeg2speech_bench.core.terminal.interruption import stoppable
from eeg2speech_bench.core.terminal.progress import say


class LocalJobs:
    """Runs cells of one plan side by side.

    Parameters
    ----------
    path : Path
        Of the plan.
    stage_keys : mapping of int to mapping of str to str
        Keys of the stages of each cell by their names, so that a shared stage that fails is tried once.
    console : Console
    """

    def __init__(self, path: Path, stage_keys: Mapping[int, Mapping[str, str]], console: Console) -> None:
        self.path, self.stage_keys, self.console = path, stage_keys, console
        self.plan = PlanFile.read(path)
        self.store = JobStore(self.plan.results)
        self._job = f"local-{platform.node()[:60]}-{os.getpid()}"
        self._starts: dict[int, Path] = {}
        self._failed: dict[str, ErrorReport] = {}

    def run(self, numbers: list[int], at_once: int) -> dict[int, Ended]:
        """Run cells and return how each ended.

        Raises
        ------
        KeyboardInterrupt
            If the user stopped it; records say so, and the same command goes on where it was.
        """
        ends: dict[int, Ended] = {}
        try:
            with (
                stoppable(),
                Workers(Limits(), at_once) as workers,
                closing(workers.run(self.path, numbers, self._failed, self._begin)) as ended,
            ):
                for number, end in ended:
                    cell, give_up = (
                        self.plan.cells[number].id,
                        partial(give_up_planned, self.plan, number, self.console),
                    )
                    ends[number] = settle_end(RecordStore(self.plan.results), cell, end, give_up)
                    self._end(number, ends[number])
        except KeyboardInterrupt:
            for path in self._starts.values():
                self.store.end(path, "interrupted")
            raise
        return ends

    def _begin(self, number: int) -> Path:
        self._starts[number] = self.store.begin(self.plan.cells[number].id, self._job)
        say(self.console, f"begins  {self._title(number)}")
        self.store.log_folder.mkdir(parents=True, exist_ok=True)
        return self.store.log_folder / f"{self.plan.cells[number].id}.log"

    def _end(self, number: int, ended: Ended) -> None:
        self.store.end(self._starts.pop(number), ended)
        if ended == "interrupted":
            raise KeyboardInterrupt
        record = RecordEnd.of(RecordStore(self.plan.results), self.plan.cells[number].id)
        error = record.error if record else None
        say(self.console, f"{ended:<7} {self._title(number)}" + (f": {error.phase}: {error.message}" if error else ""))
        keys = self.stage_keys.get(number, {})
        if error is not None and error.phase in keys:
            self._failed[keys[error.phase]] = error

    def _title(self, number: int) -> str:
        cell = self.plan.cell(number)
        return f"[{number + 1}/{len(self.plan.cells)}] {cell.label} on {cell.dataset_name}, seed {cell.seed}"
