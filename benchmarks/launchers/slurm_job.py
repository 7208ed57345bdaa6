"""Runs one cell, or stages that several share, in a job of Slurm, and queues the job again when it is stopped."""

from __future__ import annotations

import os
import re
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from eeg2speech_bench.benchmarks.launchers.cell_end import give_up_planned, settle_end
from eeg2speech_bench.benchmarks.launchers.cell_states import RecordEnd
from eeg2speech_bench.benchmarks.launchers.job_store import Ended, JobStore
from eeg2speech_bench.benchmarks.launchers.plan_file import PlanFile
from eeg2speech_bench.benchmarks.launchers.worker import open_pipeline
from eeg2speech_bench.benchmarks.launchers.workers import Limits, Workers
from eeg2speech_bench.benchmarks.runner import Runner
from eeg2speech_bench.core.records.record_store import RecordStore
from eeg2speech_bench.core.registry.registry import load_registry
from eeg2speech_bench.core.terminal.progress import make_console, say
from eeg2speech_bench.core.terminal.quiet import silence_libraries

#: what asks a job to stop: the polite end, and the signal before a time limit or a preemption
STOPS = (signal.SIGTERM, signal.SIGINT, signal.SIGUSR2)
#: seconds to wait for an answer of Slurm
ANSWER_S = 60


@dataclass(frozen=True)
class CellJob:
    """Runs one cell of a plan in a process beside this one, which outlives whatever happens to it.

    A stop is answered here and not by `checkpoint`, which submitit calls from a signal handler and ends with
    ``sys.exit`` in the middle of whatever runs: this way SIGTERM, which submitit leaves unheard, is as good.

    Attributes
    ----------
    plan : Path
    number : int
        Place of the cell in the plan.
    tries : int
        How often the cell may be tried in all.
    """

    plan: Path
    number: int
    tries: int

    def __call__(self) -> Ended:
        """Run the cell and return how it ended; its record says the rest."""
        plan, job = PlanFile.read(self.plan), job_id()
        store, cell = JobStore(plan.results), plan.cells[self.number].id
        start = store.begin(cell, job)
        ended = self._run(plan) if store.count_tries(cell) <= self.tries else "interrupted"  # Slurm may not keep count
        if ended == "interrupted" and store.count_tries(cell) < self.tries:
            store.end(start, "requeued")  # first, since Slurm ends a job that is queued again
            ended = "requeued" if queue_again(job) else "interrupted"
        store.end(start, ended)
        return ended

    def _run(self, plan: PlanFile) -> Ended:
        console, records = make_console(), RecordStore(plan.results)
        try:
            with stopped_by_signals():
                record = RecordEnd.of(records, plan.cells[self.number].id)
                if record is not None and record.status == "done":
                    say(console, "The record of this cell is there already.")
                    return "done"
                with Workers(Limits(), preload="nothing") as workers:
                    ((_, end),) = workers.run(self.plan, [self.number], {})
                give_up = partial(give_up_planned, plan, self.number, console)
                return settle_end(records, plan.cells[self.number].id, end, give_up)
        except KeyboardInterrupt:
            return "interrupted"


@dataclass(frozen=True)
class SharedStagesJob:
    """Runs stages that several cells read; where it fails, each cell runs them itself.

    Attributes
    ----------
    plan : Path
    number : int
        Place of a cell in the plan that needs them.
    stages : tuple of str
    tries : int
    """

    plan: Path
    number: int
    stages: tuple[str, ...]
    tries: int

    def __call__(self) -> Ended:
        """Run the stages that are not there yet and return how it ended."""
        try:
            with stopped_by_signals():
                self._run()
        except KeyboardInterrupt:
            return "requeued" if 1 + _n_restarts() < self.tries and queue_again(job_id()) else "interrupted"
        return "done"

    def _run(self) -> None:
        plan, console = PlanFile.read(self.plan), make_console()
        registry = load_registry(plan.plugins)
        silence_libraries()
        pipeline = open_pipeline(plan, self.number, registry, console)
        runner = Runner(registry, pipeline.store, RecordStore(plan.results), console)
        for stage in pipeline.stages():
            if stage.name in self.stages:
                runner.run_stage(stage)


@contextmanager
def stopped_by_signals() -> Iterator[None]:
    """Let the first signal that asks to stop raise `KeyboardInterrupt`, and hear no other from then on.

    What follows a stop must come to its end, and Slurm ends a job that takes too long for good.
    """

    def stop(*_: object) -> None:
        for number in STOPS:
            signal.signal(number, signal.SIG_IGN)
        raise KeyboardInterrupt

    for number in STOPS:
        signal.signal(number, stop)
    yield


def job_id() -> str:
    """Return the id of this job: ``12``, or ``12_3`` in an array."""
    array, task = os.environ.get("SLURM_ARRAY_JOB_ID"), os.environ.get("SLURM_ARRAY_TASK_ID")
    return f"{array}_{task}" if array else os.environ["SLURM_JOB_ID"]


def queue_again(job: str) -> bool:
    """Let Slurm run a job again, unless a person cancelled it; return whether it will.

    Slurm does so by itself only if it ended the job, not if the job ended in order when it was asked to. A job that it
    is ending is there as COMPLETING; if that is to run it again, it has counted the restart already, and if the job was
    cancelled, to queue it again would undo that.
    """
    shown = _ask_slurm("show", "job", "-o", job).stdout
    restarts, state = re.search(r"\bRestarts=(\d+)", shown), re.search(r"\bJobState=(\w+)", shown)
    if restarts is not None and int(restarts.group(1)) > _n_restarts():
        return True
    if state is not None and state.group(1) not in ("RUNNING", "PREEMPTED"):
        return False
    asked = _ask_slurm("requeue", job)
    if asked.returncode:
        print(f"Slurm does not queue job {job} again: {asked.stderr.strip()}")
    return asked.returncode == 0


def _n_restarts() -> int:
    return int(os.environ.get("SLURM_RESTART_COUNT", "0"))


def _ask_slurm(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = ["scontrol", *arguments]
    try:
        return subprocess.run(command, capture_output=True, text=True, timeout=ANSWER_S, check=False)
    except (OSError, subprocess.TimeoutExpired) as error:
        return subprocess.CompletedProcess(command, 1, "", str(error))
