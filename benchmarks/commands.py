"""The verbs ``run`` and ``env``. Nothing heavy is imported before a cell runs."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Any

from eeg2speech_bench.core.errors import BenchError, UsageError
from eeg2speech_bench.core.presets.config import load_config, preset_names
from eeg2speech_bench.core.registry.registry import Registry
from eeg2speech_bench.core.terminal.cli import default_cache, run_verb
from eeg2speech_bench.core.terminal.progress import make_console


def configure_nothing(parser: argparse.ArgumentParser) -> None:
    """Add no options."""


def configure_run(parser: argparse.ArgumentParser) -> None:
    """Add the options of ``run``."""
    parser.add_argument(
        "--encoder",
        action="append",
        required=True,
        metavar="NAME",
        help="encoder, 'all' or 'baselines'; may be repeated",
    )
    parser.add_argument(
        "--dataset", default="simulated", metavar="NAME|FOLDER", help="data set or BIDS folder (default: simulated)"
    )
    parser.add_argument("--preset", default="quick", help=f"{', '.join(preset_names())} (default: quick)")
    parser.add_argument("--config", type=Path, metavar="FILE", help="TOML file over the preset")
    parser.add_argument("--set", action="append", default=[], metavar="A.B=V", help="set one configuration key")
    parser.add_argument("--seeds", default="1", metavar="N|LIST", help="how many seeds, or a list such as 0,1,2")
    parser.add_argument("--target", metavar="NAME", help="audio target to align to (default: the preset's)")
    parser.add_argument("--scores", choices=("all", "retrieval"), help="retrieval stops after alignment")
    parser.add_argument("--tune", type=int, metavar="N", help="try N settings per encoder by the same random search")
    parser.add_argument(
        "--controls", choices=("test", "full"), default="test", help="full adds twins trained on surrogate EEG"
    )
    add_folders(parser)
    parser.add_argument("--device", default="auto", help="auto, cpu, cuda or cuda:N (default: auto)")
    parser.add_argument("--dry-run", action="store_true", help="print the plan and the configuration, run nothing")


def add_folders(parser: argparse.ArgumentParser) -> None:
    """Add ``--results`` and ``--cache``."""
    parser.add_argument("--results", type=Path, default=Path("results"), metavar="DIR", help="default: ./results")
    parser.add_argument("--cache", type=Path, default=default_cache(), metavar="DIR", help="default: %(default)s")


def run(arguments: argparse.Namespace, registry: Registry) -> int:
    """Plan and run the cells; return 0 if all are done, 1 if some failed."""
    from eeg2speech_bench.benchmarks.pipeline import Pipeline
    from eeg2speech_bench.benchmarks.plan import find_dataset, make_cells, parse_seeds, print_plan
    from eeg2speech_bench.core.machine.environment import choose_device, choose_precision
    from eeg2speech_bench.core.stages.stage_store import StageStore

    console = make_console()
    config = load_config(arguments.preset, arguments.config, [*arguments.set, *_shorthands(arguments)])
    spec, argument = find_dataset(arguments.dataset, registry)
    make_cells(
        arguments.encoder, arguments.dataset, "", [0], config, registry, revision=""
    )  # refuses unknown names at once
    seeds = parse_seeds(arguments.seeds)
    device = choose_device(arguments.device)
    dataset = spec.load()(argument, arguments.cache, lambda line: console.print(line, markup=False, highlight=False))
    twins = arguments.controls == "full"
    chosen = arguments.encoder, arguments.dataset, dataset.name, seeds, config, registry
    cells = make_cells(*chosen, revision=dataset.revision, with_twins=twins)
    precision = choose_precision(config.precision, device)
    stages = StageStore(arguments.cache / "stages")
    pipelines = [Pipeline(cell, dataset, registry, stages, device, precision) for cell in cells]
    print_plan(pipelines, dataset, arguments.results, console)
    if arguments.dry_run:
        console.print_json(config.model_dump_json())
        return 0
    for pipeline in pipelines:
        _refuse_wrong_options(pipeline)
    if registry.broken:
        said = f"{len(registry.broken)} plugin(s) are broken and left out: see 'eeg2speech-bench encoders --broken'."
        console.print(said, markup=False, highlight=False)
    return _run_all(pipelines, arguments, registry)


def _refuse_wrong_options(pipeline: Any) -> None:
    """Refuse what the user typed wrong before anything runs; a plugin that is broken fails in its own cell."""
    try:
        pipeline.check_options()
    except UsageError:
        raise
    except BenchError:
        return


def _shorthands(arguments: argparse.Namespace) -> list[str]:
    """Return the options that have a name of their own as ``section.key=value``."""
    keys = {"target": "target.name", "scores": "scores.which", "tune": "alignment.n_trials"}
    given = {key: getattr(arguments, name) for name, key in keys.items()}
    return [f"{key}={value}" for key, value in given.items() if value is not None]


def _run_all(pipelines: list, arguments: argparse.Namespace, registry: Registry) -> int:  # type: ignore[type-arg]
    from eeg2speech_bench.benchmarks.runner import Runner, results_are_writable, stoppable
    from eeg2speech_bench.core.records.record_store import RecordStore
    from eeg2speech_bench.core.terminal.quiet import silence_libraries

    console = make_console()
    results_are_writable(arguments.results)
    silence_libraries()
    runner = Runner(registry, pipelines[0].store, RecordStore(arguments.results), console)
    records = []
    try:
        with stoppable():
            for number, pipeline in enumerate(pipelines, 1):
                cell = pipeline.cell
                title = f"[{number}/{len(pipelines)}] {cell.label} on {cell.dataset_name}, seed {cell.seed}"
                console.print(title, markup=False, highlight=False)
                records.append(runner.run(pipeline))
    except KeyboardInterrupt:
        print("Interrupted. Finished stages are kept; type the same command to go on.", file=sys.stderr)
        return 130
    done = [record.cell["id"] for record in records if record.status == "done"]
    if done:
        shown = [option for cell in done for option in ("--cell", cell)]
        drawn = ["--pictures"] if console.is_terminal else []  # a log stays short
        run_verb(registry, ["leaderboard", "show", "--results", str(arguments.results), "--controls", *drawn, *shown])
    _say_where(arguments.results, records)
    return 0 if len(done) == len(records) else 1


def _say_where(results: Path, records: list) -> None:  # type: ignore[type-arg]
    console = make_console()
    for record in records:
        cell = record.cell["id"]
        console.print(f"Record: {results / 'records' / cell}.json", markup=False, highlight=False)
        if "audio" in record.files:
            console.print(f"Audio:  {results / record.files['audio']}", markup=False, highlight=False)
        if "report" in record.files:
            console.print(f"Report: {results / record.files['report']} (pictures)", markup=False, highlight=False)
        if "report" in record.skipped:
            console.print(f"Report: not drawn, {record.skipped['report']}", markup=False, highlight=False)
        if record.error:
            console.print(
                f"Failed in {record.error['phase']}: {record.error['message']}", markup=False, highlight=False
            )
    console.print(
        f"Next: 'eeg2speech-bench leaderboard --results {results}' shows all its records; "
        "'eeg2speech-bench run --encoder NAME' adds another encoder.",
        markup=False,
        highlight=False,
    )


def env(arguments: argparse.Namespace, registry: Registry) -> int:
    """Show versions, hardware and folders."""
    from eeg2speech_bench.core.machine import environment

    console = make_console()
    for name, version in environment.package_versions().items():
        console.print(f"{name:<18} {version}", markup=False, highlight=False)
    for name, value in environment.hardware().items():
        if name != "gpus":  # known only once torch is loaded, which takes seconds
            console.print(f"{name:<18} {value}", markup=False, highlight=False)
    git = environment.git_state()
    console.print(f"{'git commit':<18} {git['commit']}{' (changed)' if git['dirty'] else ''}", markup=False)
    console.print(f"{'cache':<18} {default_cache()}", markup=False, highlight=False)
    return 0
