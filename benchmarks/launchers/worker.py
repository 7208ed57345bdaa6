"""Runs one cell of a plan in this process: the same for a local process and for a job on a cluster."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path

from rich.console import Console

from eeg2speech_bench.benchmarks.launchers.environment_check import check_environment
from eeg2speech_bench.benchmarks.launchers.plan_file import PlanFile
from eeg2speech_bench.benchmarks.pipeline import Pipeline
from eeg2speech_bench.benchmarks.runner import Runner, describe_error
from eeg2speech_bench.core.errors import DataError
from eeg2speech_bench.core.machine.environment import choose_precision
from eeg2speech_bench.core.records.provenance import ErrorReport
from eeg2speech_bench.core.records.record_store import RecordStore
from eeg2speech_bench.core.records.running import RunningCell, remove_dead_signs
from eeg2speech_bench.core.registry.dataset_opening import find_dataset, open_dataset, revision_of
from eeg2speech_bench.core.registry.registry import Registry, load_registry
from eeg2speech_bench.core.stages.stage_store import StageStore
from eeg2speech_bench.core.stages.usage import marked_in_use
from eeg2speech_bench.core.terminal.interruption import stoppable
from eeg2speech_bench.core.terminal.progress import OutputClosed, make_console, say
from eeg2speech_bench.core.terminal.quiet import silence_libraries

#: how a worker ends: its cell is done, failed with a record, never began, was stopped, or nobody reads what it says
DONE, FAILED, NEVER_BEGAN, STOPPED, UNHEARD = 0, 1, 3, 130, 141


def work(plan: Path, number: int, failed: Mapping[str, object]) -> int:
    """Run one cell of a plan, write its record, and say on standard output how far it is.

    A plugin that calls ``sys.exit`` while it is loaded, or anything else that keeps the cell from beginning, is a
    failure with a reason.

    Parameters
    ----------
    plan : Path
    number : int
        Place of the cell in the plan.
    failed : mapping of str to dict
        Error reports of stages, by their key, that failed for another cell and are not tried again.

    Returns
    -------
    int
        `DONE`, `FAILED`, `NEVER_BEGAN`, `STOPPED` or `UNHEARD`; the record says the rest.
    """
    planned = PlanFile.read(plan)
    sys.argv[:] = planned.command  # the record says what was typed
    sign, cell = RunningCell.here(), planned.cells[number].id
    path = RecordStore(planned.results).running_path(cell, sign.pid)
    remove_dead_signs(planned.results, cell)
    try:
        with sign.renewed(path), stoppable():
            reports = {key: ErrorReport.model_validate(report) for key, report in failed.items()}
            code = run_planned_cell(planned, number, reports, make_console(), sign)
    except KeyboardInterrupt:
        code = STOPPED
    except OutputClosed:
        code = UNHEARD
    except BaseException as error:
        sign.model_copy(update={"error": describe_error("start", error)}).write(path)
        return NEVER_BEGAN
    path.unlink(missing_ok=True)
    return code


def run_planned_cell(
    plan: PlanFile, number: int, failed: Mapping[str, ErrorReport], console: Console, sign: RunningCell
) -> int:
    """Run one cell of a plan in this process, and leave signs of how far it is.

    Raises
    ------
    BenchError
        If the data set cannot be opened or is not what it was; anything that a plugin raises while it is loaded.
    """
    registry = load_registry(plan.plugins)
    if plan.suite:
        check_environment(plan, number, registry)
    silence_libraries()
    pipeline = open_pipeline(plan, number, registry, console)
    records = RecordStore(plan.results)
    path = records.running_path(pipeline.cell.id, sign.pid)
    runner = Runner(registry, pipeline.store, records, console, dict(failed))
    runner.keeps_models, runner.keeps_usage = plan.keeps_models, plan.keeps_usage
    runner.begins = lambda phase: sign.model_copy(update={"phase": phase}).write(path)
    places = {pipeline.place(stage) for stage in pipeline.known_stages()}
    with marked_in_use(pipeline.store, places):
        record = runner.run(pipeline)
    return DONE if record.status == "done" else FAILED


def open_pipeline(plan: PlanFile, number: int, registry: Registry, console: Console) -> Pipeline:
    """Open the data set of a plan and make the stages of one of its cells.

    Raises
    ------
    DataError
        If the data set is not what it was when the plan was made.
    BenchError
        If it cannot be opened.
    """
    dataset = open_dataset(*find_dataset(plan.dataset, registry), plan.cache, lambda line: say(console, line))
    revision = revision_of(dataset)
    if revision != plan.revision:
        raise DataError(
            f"Data set '{plan.dataset}' has changed since the plan was made",
            got=f"revision {revision}",
            expected=plan.revision,
            then="Type the command again.",
        )
    cell = plan.cell(number)
    precision = choose_precision(cell.config.precision, plan.device)
    return Pipeline(cell, dataset, registry, StageStore(plan.cache / "stages"), plan.device, precision)
