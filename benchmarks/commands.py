"""Reads the command lines of ``run`` and ``env``; nothing heavy is imported before a cell runs."""

from __future__ import annotations

import argparse
import math
import re
import signal
import sys
from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from eeg2speech_bench.core.cli import default_cache, run_verb
from eeg2speech_bench.core.presets.config import load_config, preset_names
from eeg2speech_bench.core.registry.registry import Registry
from eeg2speech_bench.core.terminal.progress import make_console, say
from eeg2speech_bench.core.weights.strategies import STRATEGIES

if TYPE_CHECKING:
    from rich.console import Console

    from eeg2speech_bench.benchmarks.session import RunRequest
    from eeg2speech_bench.core.records.record import Record

#: the listeners that ``--listeners held-out`` holds out
HELD_OUT_FOLD = "1/3"
#: different notes on the reading of recordings that are shown after a run
MOST_NOTES = 10


def configure_nothing(parser: argparse.ArgumentParser) -> None:
    """Add no options."""


def add_cell_options(parser: argparse.ArgumentParser) -> None:
    """Add the options that say which cells are meant, and where their results go."""
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
    parser.add_argument(
        "--strategy",
        action="append",
        choices=STRATEGIES,
        help="how pretrained weights are used, beside a twin with random ones; may be repeated",
    )
    parser.add_argument("--target", metavar="NAME", help="audio target to align to (default: the preset's)")
    parser.add_argument("--scores", choices=("all", "retrieval"), help="retrieval stops after alignment")
    parser.add_argument("--picks", choices=("eeg", "mag", "grad", "meg"), help="type of the channels (default: eeg)")
    parser.add_argument("--protocol", choices=("own", "brainmagick2023"), help="split and test windows (default: own)")
    parser.add_argument(
        "--listeners",
        type=listeners,
        metavar="all|held-out|K/N",
        help="hold a third of them out of training, or fold K of N; score known and new ones",
    )
    parser.add_argument("--tune", type=int, metavar="N", help="try N settings per encoder, by the same search for all")
    parser.add_argument(
        "--budget", type=float, metavar="MIN", help="train each encoder for so long, not for so many steps"
    )
    parser.add_argument(
        "--controls", choices=("test", "full"), default="test", help="full adds twins trained on surrogate EEG or MEG"
    )
    add_folders(parser)
    parser.add_argument("--device", default="auto", help="auto, cpu, cuda or cuda:N (default: auto)")
    parser.add_argument(
        "--estimate", action="store_true", help="time a step of each encoder first: minutes in the plan"
    )
    parser.add_argument("--no-model", action="store_true", help="keep scores and clips, not what was trained")
    parser.add_argument("--monitor", action="store_true", help="add memory, cores, GPU, disk over time to the report")
    parser.add_argument("--devices", type=count, metavar="N", help="train each cell on N devices together (default: 1)")


def count(text: str) -> int:
    """Read a number from 1 on."""
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError(f"{number} is not a number from 1 on")
    return number


def amount(text: str) -> float:
    """Read a number above 0."""
    number = float(text)
    if not 0 < number < math.inf:
        raise argparse.ArgumentTypeError(f"{text} is not a number above 0")
    return number


def listeners(text: str) -> str:
    """Read who is held out as ``data.held_out_listeners`` has it."""
    chosen = {"all": "0", "held-out": HELD_OUT_FOLD}.get(text, text)
    if chosen != "0" and not re.fullmatch(r"[1-9]\d*/[1-9]\d*", chosen):
        raise argparse.ArgumentTypeError(f"{text!r} is not all, held-out, or a fold such as 2/3")
    return chosen


def configure_run(parser: argparse.ArgumentParser) -> None:
    """Add the options of ``run``."""
    add_cell_options(parser)
    parser.add_argument("--jobs", type=count, default=1, metavar="N", help="run N cells at once (default: 1)")
    parser.add_argument("--time-limit", type=amount, metavar="MIN", help="end a cell that takes longer")
    parser.add_argument("--memory-limit", type=amount, metavar="GB", help="end a cell that uses more memory")
    parser.add_argument("--dry-run", action="store_true", help="print the plan and the configuration, run nothing")


def add_folders(parser: argparse.ArgumentParser) -> None:
    """Add ``--results`` and ``--cache``."""
    # absolute from here on: a plugin may change the working directory
    parser.add_argument("--results", type=absolute, default="results", metavar="DIR", help="default: ./results")
    parser.add_argument(
        "--cache", type=absolute, default=str(default_cache()), metavar="DIR", help="default: %(default)s"
    )


def absolute(folder: str) -> Path:
    """Return a folder that was typed, from the root of the disk on."""
    return Path(folder).absolute()


def run(arguments: argparse.Namespace, registry: Registry) -> int:
    """Plan and run the cells; return 0 if all are done, 1 if some failed, 130 if the user stopped it."""
    from eeg2speech_bench.benchmarks.launchers.workers import Limits
    from eeg2speech_bench.benchmarks.session import plan_cells, run_cells

    console = make_console()
    seconds = None if arguments.time_limit is None else 60 * arguments.time_limit
    request = replace(read_request(arguments), limits=Limits(seconds, arguments.memory_limit), jobs=arguments.jobs)
    if arguments.dry_run:
        plan_cells(request, registry, console)
        console.print_json(request.config.model_dump_json())
        return 0
    try:
        records = run_cells(request, registry, console)
    except KeyboardInterrupt:
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # pressed once more, it would only spoil the end
        print("Interrupted. Finished stages are kept; type the same command to go on.", file=sys.stderr)
        return 130
    done = [record.cell.id for record in records if record.status == "done"]
    if done:
        shown = [option for cell in done for option in ("--cell", cell)]
        drawn = ["--pictures"] if console.is_terminal else []  # a log stays short
        run_verb(registry, ["leaderboard", "show", "--results", str(request.results), "--controls", *drawn, *shown])
    _say_where(request.results, records, console)
    return 0 if len(done) == len(records) else 1


def read_request(arguments: argparse.Namespace) -> RunRequest:
    """Return what was typed as typed fields; names that stand for settings become settings."""
    from eeg2speech_bench.benchmarks.plan import parse_seeds
    from eeg2speech_bench.benchmarks.session import RunRequest

    return RunRequest(
        encoders=tuple(arguments.encoder),
        dataset=arguments.dataset,
        config=load_config(arguments.preset, arguments.config, [*arguments.set, *_shorthands(arguments)]),
        results=arguments.results,
        cache=arguments.cache,
        seeds=tuple(parse_seeds(arguments.seeds)),
        with_twins=arguments.controls == "full",
        strategies=tuple(dict.fromkeys(arguments.strategy or ())),
        device=arguments.device,
        keeps_models=not arguments.no_model,
        keeps_usage=arguments.monitor,
        estimates=arguments.estimate,
    )


def _shorthands(arguments: argparse.Namespace) -> list[str]:
    """Return the options that have a name of their own as ``section.key=value``."""
    keys = {
        "target": "target.name",
        "scores": "scores.which",
        "picks": "data.picks",
        "protocol": "data.protocol",
        "listeners": "data.held_out_listeners",
        "tune": "alignment.n_trials",
        "budget": "alignment.budget_minutes",
        "devices": "n_devices",
    }
    given = {key: getattr(arguments, name) for name, key in keys.items()}
    return [f"{key}={value}" for key, value in given.items() if value is not None]


def _say_where(results: Path, records: list[Record], console: Console) -> None:
    from eeg2speech_bench.core.records.record_store import RecordStore

    store = RecordStore(results)
    lines = _reading_notes(records)
    for record in records:
        cell = record.cell.id
        kept_aside = record.status != "done" and store.attempt_path(cell).exists()
        lines += [f"Record: {store.attempt_path(cell) if kept_aside else store.path(cell)}"]
        lines += [f"Audio:  {results / record.files['audio']}"] if "audio" in record.files else []
        lines += [f"Report: {results / record.files['report']} (pictures)"] if "report" in record.files else []
        lines += [f"Report: not drawn, {record.skipped['report']}"] if "report" in record.skipped else []
        lines += _of_model(results, record)
        lines += [f"Probes: {record.probes.leak}"] if record.probes and record.probes.leak else []
        lines += [f"Failed in {record.error.phase}: {record.error.message}"] if record.error else []
    lines += [
        f"Next: 'eeg2speech-bench leaderboard --results {results}' shows all its records; "
        "'eeg2speech-bench run --encoder NAME' adds another encoder."
    ]
    for line in lines:
        say(console, line)


def _of_model(results: Path, record: Record) -> list[str]:
    """Return where the model of a cell lies and how large it is, or why there is none."""
    from eeg2speech_bench.benchmarks.trained.model_folder import model_bytes

    if "model" in record.skipped:
        return [f"Model:  not kept, {record.skipped['model']}"]
    if "model" not in record.files:
        return []
    folder = results / record.files["model"]
    return [f"Model:  {folder} ({model_bytes(folder) / 1e6:.1f} MB)"]


def _reading_notes(records: list[Record]) -> list[str]:
    """Return what was decided while the recordings were read, each sentence once; the records hold all of it."""
    notes = next((record.dataset.reading_notes for record in records if record.dataset.reading_notes), [])
    counts = Counter(note["note"] for note in notes)
    said = [f"Read: {note}" + (f" ({n} recordings)" if n > 1 else "") for note, n in counts.most_common(MOST_NOTES)]
    return said + ([f"Read: {len(counts) - MOST_NOTES} more notes in the record"] if len(counts) > MOST_NOTES else [])


def env(arguments: argparse.Namespace, registry: Registry) -> int:
    """Show versions, hardware and folders."""
    from eeg2speech_bench.core.machine import environment

    console = make_console()
    for name, version in environment.package_versions().items():
        say(console, f"{name:<18} {version}")
    for name, value in environment.hardware().items():
        if name != "gpus":  # known only once torch is loaded, which takes seconds
            say(console, f"{name:<18} {value}")
    git = environment.git_state()
    say(console, f"{'git commit':<18} {git['commit']}{' (changed)' if git['dirty'] else ''}")
    say(console, f"{'cache':<18} {default_cache()}")
    return 0
