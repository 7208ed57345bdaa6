"""Plans cells and runs them one after the other, for the verb ``run`` and for notebooks."""

from __future__ import annotations

import os
import platform
import secrets
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from rich.console import Console

from eeg2speech_bench.benchmarks.launchers.cell_end import settle_end
from eeg2speech_bench.benchmarks.launchers.job_store import JobStore
from eeg2speech_bench.benchmarks.launchers.plan_file import PlanFile
from eeg2speech_bench.benchmarks.launchers.worker import UNHEARD
from eeg2speech_bench.benchmarks.launchers.workers import Limits, Preload, WorkerEnd, Workers
from eeg2speech_bench.benchmarks.pipeline import Pipeline
from eeg2speech_bench.benchmarks.plan import (
    GROUPS,
    cheap_first,
    choose_encoders,
    make_cells,
    print_plan,
    refuse_unknown_names,
)
from eeg2speech_bench.benchmarks.runner import Runner
from eeg2speech_bench.benchmarks.step_times import StepTime, StepTimes, measure
from eeg2speech_bench.core.errors import BenchError, UsageError
from eeg2speech_bench.core.machine.environment import choose_device, choose_precision, require_devices
from eeg2speech_bench.core.presets.config import RunConfig
from eeg2speech_bench.core.records.record import Record
from eeg2speech_bench.core.records.record_store import RecordStore
from eeg2speech_bench.core.registry.dataset_opening import find_dataset, open_dataset, revision_of
from eeg2speech_bench.core.registry.registry import Registry
from eeg2speech_bench.core.stages.disk_trouble import explained
from eeg2speech_bench.core.stages.import_closure import forget_sources
from eeg2speech_bench.core.stages.stage_store import StageStore
from eeg2speech_bench.core.stages.usage import marked_in_use
from eeg2speech_bench.core.terminal.interruption import stoppable
from eeg2speech_bench.core.terminal.progress import OutputClosed, StageProgress, say
from eeg2speech_bench.core.terminal.quiet import silence_libraries

NO_LIMITS = Limits()
#: commands that end at the same time may each remove a folder that this one has just made
WRITE_TRIES = 100


@dataclass(frozen=True)
class RunRequest:
    """Says what is to be run, and where its results go.

    Attributes
    ----------
    encoders : tuple of str
        Names of encoders, ``all`` or ``baselines``.
    dataset : str
        A data set's name, ``name:argument``, or a BIDS folder.
    config : RunConfig
        A preset with the changes to it.
    results, cache : Path
        Folders of records and of stages. They are made absolute, since plugins may change the working directory.
    seeds : tuple of int
    with_twins : bool
        Also train every encoder on surrogate EEG.
    strategies : tuple of str
        Run every encoder with pretrained weights under each of these, beside its twin with random weights.
    device : str
        ``auto``, ``cpu``, ``cuda`` or ``cuda:N``.
    limits : Limits
        What each cell may use.
    jobs : int
        Cells that run at the same time.
    keeps_models : bool
        Whether what was trained is kept beside each record.
    keeps_usage : bool
        Whether each report holds a trace of what the cell used of the machine.
    estimates : bool
        Whether the data set is prepared and a step of each encoder is timed before the plan is made.
    """

    encoders: tuple[str, ...]
    dataset: str
    config: RunConfig
    results: Path
    cache: Path
    seeds: tuple[int, ...] = (0,)
    with_twins: bool = False
    strategies: tuple[str, ...] = ()
    device: str = "auto"
    limits: Limits = NO_LIMITS
    jobs: int = 1
    keeps_models: bool = True
    keeps_usage: bool = False
    estimates: bool = False

    @property
    def kept(self) -> dict[str, bool]:
        """What is kept beside each record, as plan files name it."""
        return {"keeps_models": self.keeps_models, "keeps_usage": self.keeps_usage}

    @property
    def is_single(self) -> bool:
        """Whether it is one cell."""
        named = len(self.encoders) == 1 and self.encoders[0] not in GROUPS
        return named and len(self.seeds) == 1 and not self.with_twins and not self.strategies

    def __post_init__(self) -> None:
        for name in ("results", "cache"):
            object.__setattr__(self, name, Path(getattr(self, name)).absolute())


def plan_cells(request: RunRequest, registry: Registry, console: Console) -> list[Pipeline]:
    """Open the data set, make the cells and print what is to be done for them.

    Raises
    ------
    UsageError
        If an encoder, a target, a data set or a device does not exist.
    DataError
        If the data set cannot be opened.
    StorageError
        If the cache cannot be written.
    """
    forget_sources()  # a notebook may have changed them since its last run
    refuse_unknown_names(request.config, registry)
    encoders = choose_encoders(request.encoders, registry)
    device = choose_device(request.device)
    precision = choose_precision(request.config.precision, device)
    stages = StageStore(request.cache / "stages")
    dataset = open_dataset(*find_dataset(request.dataset, registry), request.cache, lambda line: say(console, line))
    chosen = encoders, request.dataset, dataset.name, request.seeds, request.config, registry
    cells = make_cells(
        *chosen, revision=revision_of(dataset), with_twins=request.with_twins, strategies=request.strategies
    )
    pipelines = [Pipeline(cell, dataset, registry, stages, device, precision) for cell in cells]
    steps = _step_times(pipelines, request, console)
    pipelines = cheap_first(pipelines, steps)
    print_plan(pipelines, dataset, request.results, console, steps)
    return pipelines


def _step_times(pipelines: list[Pipeline], request: RunRequest, console: Console) -> dict[str, StepTime]:
    """Return what a step takes, by id of the cell, of the encoders that were timed on this machine, now or before."""
    store, found = StepTimes(request.cache), {}
    if request.estimates:
        _time_steps(pipelines, store, console)
    if not store.path.exists():
        return {}
    for pipeline in pipelines:
        with suppress(Exception, SystemExit):  # an encoder whose source is not there fails in its own cell
            if (step := store.find(pipeline.align_inputs)) is not None:
                found[pipeline.cell.id] = step
    return found


def _time_steps(pipelines: list[Pipeline], store: StepTimes, console: Console) -> None:
    """Prepare the data, and time a step of each encoder that was not timed before on a machine of its own."""
    unknown: dict[tuple[str, str], Pipeline] = {}
    for pipeline in pipelines:
        with suppress(Exception, SystemExit):
            known = store.find(pipeline.align_inputs)
            if known is None or known.is_disturbed:
                unknown.setdefault((pipeline.cell.encoder, pipeline.target.name), pipeline)
    needed = {stage.key: stage for one in unknown.values() for stage in (one.prepare, one.features)}
    for stage in needed.values():
        progress = StageProgress(console)
        with progress.stage(stage.name):
            pipelines[0].store.ensure(stage, progress)
    progress = StageProgress(console)
    with progress.stage("time steps"):
        for inputs, measured in measure([pipeline.align_inputs for pipeline in unknown.values()], progress):
            if isinstance(measured, StepTime):
                store.keep(inputs, measured)
            else:
                say(console, f"Encoder '{inputs.pair.encoder.name}' was not timed: {measured}.")


def run_cells(request: RunRequest, registry: Registry, console: Console) -> list[Record]:
    """Plan and run cells, each in a process of its own; one that fails costs itself alone.

    Encoders that were given as Python objects run in this process, since they are here.

    Returns
    -------
    list of Record
        One per cell, done or failed.

    Raises
    ------
    BenchError
        As `plan_cells` does; also if options do not exist, or if the results could not be written in the end.
    KeyboardInterrupt
        If the user stopped it; its record says so, and the same request goes on where it was.
    """
    if request.config.alignment.budget_minutes is not None and request.jobs > 1:
        then = "Leave out --jobs, or send cells to machines of their own with 'submit'."
        raise UsageError("Cells that run side by side take each other's time, which --budget shares out", then=then)
    choose_device(request.device)  # before anything is started that needs torch
    # the server of workers imports while the plan is made; for one cell that would only take memory twice
    preload: Preload = "nothing" if request.is_single else "all"
    with Workers(request.limits, request.jobs, preload=preload) as workers:
        pipelines = plan_cells(request, registry, console)
        require_devices(pipelines[0].device, request.config.n_devices)
        require_runnable(pipelines, request, registry, console)
        records = RecordStore(request.results)
        silence_libraries()
        runner = Runner(registry, pipelines[0].store, records, console)
        runner.keeps_models, runner.keeps_usage = request.keeps_models, request.keeps_usage
        places = {pipeline.place(stage) for pipeline in pipelines for stage in pipeline.known_stages()}
        in_use = marked_in_use(pipelines[0].store, places)
        with stoppable(), in_use, _plan_file(request, registry, pipelines) as plan:
            return _run_all(pipelines, plan, workers, runner)


def _run_all(pipelines: list[Pipeline], plan: Callable[[], Path], workers: Workers, runner: Runner) -> list[Record]:
    """Run cells in workers, and then here those whose encoder is a Python object; return their records in order."""
    titles = [
        f"[{number}/{len(pipelines)}] {one.cell.label} on {one.cell.dataset_name}, seed {one.cell.seed}"
        for number, one in enumerate(pipelines, start=1)
    ]
    here = [number for number, one in enumerate(pipelines) if _is_object(one, runner.registry)]
    records: dict[int, Record] = {}

    def begins(number: int) -> Path | None:
        plan()  # which somebody may have removed with the results folder
        if workers.at_once == 1:
            say(runner.console, titles[number])
            return None
        log = JobStore(runner.records.results).log_folder / f"{pipelines[number].cell.id}.log"
        log.parent.mkdir(parents=True, exist_ok=True)
        say(runner.console, f"{titles[number]} begins, see {log}")
        return log

    elsewhere = [number for number in range(len(pipelines)) if number not in here]
    with closing(workers.run(plan(), elsewhere, runner.failed_stages, begins)) as ended:
        for number, end in ended:
            records[number] = _settle(pipelines[number], end, runner)
            if workers.at_once > 1:
                say(runner.console, f"{titles[number]} {records[number].status}")
    for number in here:
        say(runner.console, titles[number])
        records[number] = runner.run(pipelines[number])
    return [records[number] for number in range(len(pipelines))]


def _is_object(pipeline: Pipeline, registry: Registry) -> bool:
    """Whether an encoder was given as a Python object, which is in this process alone."""
    return registry.provenance("encoder", pipeline.cell.encoder).distribution == "python"


def require_runnable(pipelines: list[Pipeline], request: RunRequest, registry: Registry, console: Console) -> None:
    """Find out before anything runs what the user typed wrong and what could not be written.

    Raises
    ------
    UsageError
        If an encoder or a target has no such option.
    StorageError
        If the results could not be written in the end.
    """
    for pipeline in pipelines:
        _refuse_wrong_options(pipeline)
    if registry.broken:
        message = f"{len(registry.broken)} plugin(s) are broken and left out: see 'eeg2speech-bench encoders --broken'."
        say(console, message)
    RecordStore(request.results).require_writable(pipeline.cell.id for pipeline in pipelines)


@contextmanager
def _plan_file(request: RunRequest, registry: Registry, pipelines: list[Pipeline]) -> Iterator[Callable[[], Path]]:
    """Give the plan that workers read, for as long as they need it: written when asked for, if it is not there."""
    cells = [pipeline.cell for pipeline in pipelines]
    plan = PlanFile.of(cells, request.results, request.cache, pipelines[0].device, registry.choice)
    plan = plan.model_copy(update=request.kept)
    path = request.results / "running" / f"plan-{platform.node()}-{os.getpid()}-{secrets.token_hex(4)}.json"

    def needed() -> Path:
        if not path.exists():  # also if somebody has removed the results folder since
            with explained(request.results):
                _write_beside_others(plan, path)
        return path

    try:
        needed()
        yield needed
    finally:
        path.unlink(missing_ok=True)
        with suppress(OSError):  # others may run here
            path.parent.rmdir()


def _write_beside_others(plan: PlanFile, path: Path) -> None:
    """Write a plan into the folder of signs of life, which another command that ends may remove meanwhile."""
    for _ in range(WRITE_TRIES):
        path.parent.mkdir(parents=True, exist_ok=True)
        with suppress(FileNotFoundError):
            return plan.write(path)
    plan.write(path)


def _settle(pipeline: Pipeline, end: WorkerEnd, runner: Runner) -> Record:
    """Return the record of a cell whose worker ended; a stage that failed is not tried again for another cell."""
    if end.code == UNHEARD:
        raise OutputClosed
    cell = pipeline.cell.id
    if settle_end(runner.records, cell, end, partial(runner.give_up, pipeline)) == "interrupted":
        raise KeyboardInterrupt
    record = runner.records.latest(cell)
    failed = {stage.name: stage.key for stage in pipeline.known_stages()}
    if record.error is not None and record.error.phase in failed:
        runner.failed_stages[failed[record.error.phase]] = record.error
    return record


def _refuse_wrong_options(pipeline: Pipeline) -> None:
    """Refuse what the user typed wrong before anything runs; a plugin that is broken fails in its own cell."""
    try:
        pipeline.check_options()
    except UsageError:
        raise
    except BenchError:
        return
