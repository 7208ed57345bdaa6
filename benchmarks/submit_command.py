"""Runs the verb ``submit``, which sends the cells of ``run`` to a cluster or to processes of this machine."""

from __future__ import annotations

import argparse
from dataclasses import replace
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING

from eeg2speech_bench.benchmarks.commands import add_cell_options, count, read_request
from eeg2speech_bench.core.errors import UsageError
from eeg2speech_bench.core.registry.discovery import OURS, PluginChoice
from eeg2speech_bench.core.registry.registry import Registry
from eeg2speech_bench.core.terminal.progress import make_console, say

if TYPE_CHECKING:
    from rich.console import Console

    from eeg2speech_bench.benchmarks.launchers.plan_file import PlanFile
    from eeg2speech_bench.benchmarks.launchers.slurm import SlurmOptions
    from eeg2speech_bench.benchmarks.launchers.submission import Choice
    from eeg2speech_bench.benchmarks.pipeline import Pipeline
    from eeg2speech_bench.benchmarks.session import RunRequest


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the options of ``submit``."""
    add_cell_options(parser)
    parser.add_argument("--tries", type=count, default=3, metavar="N", help="how often to try a cell (default: 3)")
    parser.add_argument("--local", type=count, metavar="N", help="run N cells at once here instead of on a cluster")
    parser.add_argument("--dry-run", action="store_true", help="print what would be sent, send nothing")
    slurm = parser.add_argument_group("options of Slurm (default: what the cluster gives by itself)")
    slurm.add_argument("--partition", metavar="NAME", help="where jobs run")
    slurm.add_argument("--account", metavar="NAME", help="who is charged")
    slurm.add_argument("--gpus", type=count, metavar="N", help="GPUs of a job")
    slurm.add_argument("--cpus", type=count, metavar="N", help="CPU cores of a job")
    slurm.add_argument("--memory", type=float, metavar="GB", help="memory of a job")
    slurm.add_argument("--time", type=count, metavar="MIN", help="time limit of a job; it goes on in a next one")
    slurm.add_argument("--at-once", type=count, metavar="N", help="cells that run at the same time at most")
    slurm.add_argument("--module", action="append", default=[], metavar="NAME", help="module to load; may be repeated")
    slurm.add_argument("--setup", action="append", default=[], metavar="LINE", help="line of shell after the modules")


def run(arguments: argparse.Namespace, registry: Registry) -> int:
    """Send the cells that are missing or failed; return 0 if all were sent, with --local if all are done."""
    from eeg2speech_bench.benchmarks.launchers.cell_states import read_states
    from eeg2speech_bench.benchmarks.launchers.job_store import JobStore
    from eeg2speech_bench.benchmarks.launchers.slurm import queued_jobs
    from eeg2speech_bench.benchmarks.launchers.submission import choose_cells
    from eeg2speech_bench.benchmarks.session import plan_cells, require_runnable

    console = make_console()
    request = read_request(arguments)
    options = _slurm_options(arguments)
    device = _device(arguments, request.device)
    pipelines = plan_cells(replace(request, device="auto") if device != request.device else request, registry, console)
    if not arguments.dry_run:
        require_runnable(pipelines, request, registry, console)
    plan = _plan(pipelines, request, registry, device or pipelines[0].device)
    users = {sending.user for sending in JobStore(request.results).sendings()}
    queue = queued_jobs(users)
    if queue is None:
        say(console, "Slurm does not say which jobs it has (squeue); signs of life decide what still runs.")
    choice = choose_cells(plan, read_states(request.results), queue, arguments.tries)
    say(console, f"Cells: {choice.summary}.")
    for state in choice.used_up:
        then = f"--tries {state.tries + 1} allows one more"
        say(console, f"Not sent: {state.label}, seed {state.seed}, after {state.tries} tries: {state.detail} ({then}).")
    if arguments.dry_run:
        _say_options(arguments, options, console)
        return 0
    if not choice.send:
        _say_next(request.results, console)
        return 1 if choice.used_up else 0
    send = _run_here if arguments.local else _send
    return send(arguments, plan, choice, pipelines, options, console)


def _slurm_options(arguments: argparse.Namespace) -> SlurmOptions:
    from eeg2speech_bench.benchmarks.launchers.slurm import SlurmOptions

    given = {
        "--partition": arguments.partition,
        "--account": arguments.account,
        "--gpus": arguments.gpus,
        "--cpus": arguments.cpus,
        "--memory": arguments.memory,
        "--time": arguments.time,
        "--at-once": arguments.at_once,
        "--module": arguments.module,
        "--setup": arguments.setup,
    }
    if arguments.local and (asked := [name for name, value in given.items() if value]):
        raise UsageError("--local runs cells here, where Slurm's options mean nothing", got=", ".join(asked))
    return SlurmOptions(
        partition=arguments.partition,
        account=arguments.account,
        gpus=arguments.gpus,
        cpus=arguments.cpus,
        memory_gb=arguments.memory,
        time_min=arguments.time,
        setup=(*(f"module load {name}" for name in arguments.module), *arguments.setup),
        at_once=arguments.at_once,
    )


def _device(arguments: argparse.Namespace, asked: str) -> str:
    """Return the device of the jobs, which a machine that only sends them need not have; empty for this machine's."""
    if arguments.local:
        return "" if asked == "auto" else asked
    asked = ("cuda" if arguments.gpus else "cpu") if asked == "auto" else asked
    n_gpus = arguments.devices or 1
    if asked.startswith("cuda") and (arguments.gpus or 0) < n_gpus:
        raise UsageError(f"Device '{asked}' needs GPUs that no job asks for", then=f"Add --gpus {n_gpus}.")
    return asked


def _plan(pipelines: list[Pipeline], request: RunRequest, registry: Registry, device: str) -> PlanFile:
    from eeg2speech_bench.benchmarks.launchers.environment_check import origin_of
    from eeg2speech_bench.benchmarks.launchers.plan_file import PlanFile

    choice: PluginChoice = replace(registry.choice, files=tuple(path.absolute() for path in registry.choice.files))
    plan = PlanFile.of([one.cell for one in pipelines], request.results, request.cache, device, choice)
    encoders = dict.fromkeys(run.encoder for run in plan.cells)
    origins = {name: origin_of(name, registry) for name in encoders}
    known = {"suite": metadata.version(OURS), "origins": origins}
    return plan.model_copy(update=known | request.kept)


def _say_options(arguments: argparse.Namespace, options: SlurmOptions, console: Console) -> None:
    if arguments.local:
        say(console, f"Would run {arguments.local} at once here.")
        return
    for name, value in options.parameters().items():
        if value is not None:
            say(console, f"Slurm: {name} = {value}")


def _run_here(
    arguments: argparse.Namespace,
    plan: PlanFile,
    choice: Choice,
    pipelines: list[Pipeline],
    _: SlurmOptions,
    console: Console,
) -> int:
    from eeg2speech_bench.benchmarks.launchers.job_store import JobStore
    from eeg2speech_bench.benchmarks.launchers.local_jobs import LocalJobs

    path = JobStore(plan.results).keep_plan(plan)
    keys = {number: {stage.name: stage.key for stage in pipelines[number].known_stages()} for number in choice.send}
    ends = LocalJobs(path, keys, console).run(list(choice.send), arguments.local)
    _say_next(plan.results, console)
    return 0 if set(ends.values()) <= {"done"} and not choice.used_up else 1


def _send(
    arguments: argparse.Namespace,
    plan: PlanFile,
    choice: Choice,
    pipelines: list[Pipeline],
    options: SlurmOptions,
    console: Console,
) -> int:
    from eeg2speech_bench.benchmarks.launchers.job_store import JobStore, Sending
    from eeg2speech_bench.benchmarks.launchers.slurm import send_jobs
    from eeg2speech_bench.benchmarks.launchers.submission import shared_stages

    store = JobStore(plan.results)
    path = store.keep_plan(plan)
    shared = shared_stages({number: pipelines[number] for number in choice.send})
    sent = send_jobs(path, plan, choice.send, shared, options, arguments.tries)
    store.keep_sending(Sending.now(plan.name, {plan.cells[number].id: job for number, job in sent.cells.items()}))
    if sent.shared:
        names = ", ".join(dict.fromkeys(name for stages in shared.values() for name in stages))
        say(console, f"Sent: {names} as job {', '.join(sent.shared)}; the cells wait for it.")
    jobs = list(sent.cells.values())
    named = f"{len(jobs)} cells as jobs {jobs[0]} to {jobs[-1]}" if len(jobs) > 1 else f"1 cell as job {jobs[0]}"
    say(console, f"Sent: {named}; logs are in {store.log_folder}.")
    _say_next(plan.results, console)
    return 0


def _say_next(results: Path, console: Console) -> None:
    say(console, f"Next: eeg2speech-bench status --results {results}")
