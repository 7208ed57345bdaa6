"""Sees to it that a cell whose worker ended has a record, whatever the worker ended by."""

from __future__ import annotations

import signal
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

from rich.console import Console

from eeg2speech_bench.benchmarks.launchers.cell_states import RecordEnd
from eeg2speech_bench.benchmarks.launchers.job_store import Ended
from eeg2speech_bench.benchmarks.launchers.plan_file import PlanFile
from eeg2speech_bench.benchmarks.launchers.worker import DONE, FAILED, STOPPED, open_pipeline
from eeg2speech_bench.benchmarks.launchers.workers import WorkerEnd
from eeg2speech_bench.benchmarks.runner import Runner
from eeg2speech_bench.core.machine import environment
from eeg2speech_bench.core.records.cell_id import DatasetOrigin, EncoderOrigin, TargetOrigin
from eeg2speech_bench.core.records.provenance import ErrorReport, Provenance
from eeg2speech_bench.core.records.record import Record
from eeg2speech_bench.core.records.record_store import RecordStore
from eeg2speech_bench.core.records.running import RunningCell
from eeg2speech_bench.core.registry.registry import load_registry
from eeg2speech_bench.core.terminal.progress import say


def settle_end(records: RecordStore, cell: str, end: WorkerEnd, give_up: Callable[[ErrorReport], object]) -> Ended:
    """See to it that a cell whose worker ended has a record, and say how it ended.

    Parameters
    ----------
    records : RecordStore
    cell : str
    end : WorkerEnd
    give_up : callable
        Writes the record of a cell that failed; called if the worker left none.
    """
    sign = records.running_path(cell, end.pid)
    left = RunningCell.read(sign)
    if end.code in (STOPPED, -signal.SIGTERM):  # the latter, before it had begun
        sign.unlink(missing_ok=True)
        return "interrupted"
    if left is not None or end.code not in (DONE, FAILED):  # whoever writes a record takes the sign away after it
        give_up((left and left.error) or end.report(left.phase if left else "start"))
        sign.unlink(missing_ok=True)
    record = RecordEnd.of(records, cell)
    return "done" if record is not None and record.status == "done" else "failed"


def give_up_planned(plan: PlanFile, number: int, console: Console, error: ErrorReport) -> None:
    """Write that a cell failed; from the plan alone where not even its data set or its encoder can be opened."""
    records = RecordStore(plan.results)
    try:
        registry = load_registry(plan.plugins)
        pipeline = open_pipeline(plan, number, registry, console)
        Runner(registry, pipeline.store, records, console).give_up(pipeline, error)
    except (Exception, SystemExit):
        say(console, f"FAILED {plan.cells[number].encoder}: {error.phase}: {error.message}")
        with records.lock(plan.cells[number].id):
            records.write(_bare_record(plan, number, error, records.count_attempts(plan.cells[number].id)))


def _bare_record(plan: PlanFile, number: int, error: ErrorReport, attempts: int) -> Record:
    run, cell = plan.cells[number], plan.cell(number)
    now = datetime.now(UTC).isoformat(timespec="seconds")
    distribution, _, version = plan.origins.get(run.encoder, "unknown").partition(" ")
    return Record(
        cell=cell.describe(),
        status="failed",
        config=run.config.model_dump(mode="json"),
        encoder=EncoderOrigin(name=run.encoder, distribution=distribution, version=version, source_hash="unknown"),
        target=TargetOrigin(name=run.config.target.name),
        dataset=DatasetOrigin(name=plan.dataset_name, revision=plan.revision),
        error=error,
        provenance=Provenance(
            started=now,
            finished=now,
            attempts=1 + attempts,
            command=" ".join([Path(plan.command[0]).name, *plan.command[1:]]),
            packages=environment.package_versions(),
            hardware=environment.hardware(),
            device=plan.device,
        ),
    )
