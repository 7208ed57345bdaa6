"""Says which of several sounds was heard in a recording, and when (the verb ``listen``)."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.table import Table
from rich.text import Text

from eeg2speech_bench.benchmarks.commands import absolute
from eeg2speech_bench.benchmarks.generate_command import add_reading_options, reading_choice, say_verdict
from eeg2speech_bench.core.cli import default_cache
from eeg2speech_bench.core.errors import UnknownNameError, UsageError
from eeg2speech_bench.core.registry.registry import Registry
from eeg2speech_bench.core.terminal.progress import make_console, say

if TYPE_CHECKING:
    import pandas as pd
    from rich.console import Console

    from eeg2speech_bench.benchmarks.trained.listening import Candidate
    from eeg2speech_bench.benchmarks.trained.listening_task import ListeningTask
    from eeg2speech_bench.benchmarks.trained.trained_cell import TrainedCell


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the options of ``listen``."""
    add_reading_options(parser)
    parser.add_argument("--candidates", type=Path, metavar="FOLDER", help="sounds that may have been heard")
    parser.add_argument("--onset", type=float, default=0.0, metavar="S", help="second at which all of them begin")
    parser.add_argument(
        "--dataset", metavar="NAME|FOLDER", help="instead: a data set with FILE among its recordings, and its sounds"
    )
    parser.add_argument("--out", type=absolute, required=True, metavar="DIR", help="new folder for what is found")
    parser.add_argument("--cache", type=absolute, default=default_cache(), metavar="DIR", help="default: %(default)s")


def run(arguments: argparse.Namespace, registry: Registry) -> int:
    """Match candidate sounds with a recording; return 0.

    Raises
    ------
    UsageError
        If neither or both kinds of candidates are given, or the folder is there already.
    BenchError
        If the model, the recording or a sound cannot be used.
    """
    from eeg2speech_bench.benchmarks.trained.listening import listen, summarise
    from eeg2speech_bench.benchmarks.trained.trained_cell import load_cell
    from eeg2speech_bench.core.terminal.quiet import silence_libraries

    if (arguments.candidates is None) == (arguments.dataset is None):
        raise UsageError("Candidate sounds are needed from one place", expected="--candidates or --dataset")
    if arguments.out.exists():
        raise UsageError(f"{arguments.out} is there already", then="Choose another folder with --out.")
    console = make_console()
    silence_libraries()
    cell = load_cell(arguments.record, device=arguments.device, anyway=arguments.anyway, registry=registry)
    say_verdict(cell, console)
    task = _task(arguments, cell, registry, console)
    windows = cell.open(task.source, listener=arguments.listener, reading=reading_choice(arguments))
    task = task.within(windows.last_start_s)
    for note in windows.notes:
        say(console, f"Read: {note}")
    if str(arguments.file) in [recording.recording_id for recording in cell.description.recordings]:
        say(console, "This recording was part of the training: windows of the test alone say how good the model is.")
    estimates = cell.estimate(windows, windows.rows(task.windows.starts_s), arguments.listener)
    table = listen(estimates, task.windows, cell.candidates(task.sounds))
    found = summarise(table, windows.settings.window_s)
    known = task.known_share(table, estimates, cell)
    _write(arguments, cell, table, found, known)
    _show(found, known, console)
    say(console, f"Table: {arguments.out / 'matches.csv'}; picture: {arguments.out / 'matches.png'}")
    return 0


def _task(arguments: argparse.Namespace, cell: TrainedCell, registry: Registry, console: Console) -> ListeningTask:
    from eeg2speech_bench.benchmarks.trained.listening_task import task_of_dataset, task_of_folder
    from eeg2speech_bench.core.registry.dataset_opening import find_dataset, open_dataset

    if arguments.dataset is None:
        return task_of_folder(arguments.file, arguments.candidates, arguments.onset, cell.description)
    opened = find_dataset(arguments.dataset, registry)
    dataset = open_dataset(*opened, arguments.cache, lambda line: say(console, line))
    recordings = {recording.recording_id: recording for recording in dataset.recordings}
    named = str(arguments.file)
    if named not in recordings:
        raise UnknownNameError("recording of the data set", named, recordings)
    return task_of_dataset(dataset, recordings[named], cell.description)


def _show(found: list[Candidate], known: dict[str, Any], console: Console) -> None:
    table = Table("candidate", "match", "best in", "p", "above guessing for", box=None, pad_edge=False)
    for one in found:
        heard_s = sum(stop - start for start, stop in one.heard_s)
        p = "< 0.005" if one.p < 0.005 else f"{one.p:.3f}"
        table.add_row(Text(one.name), f"{one.mean_match:+.2f} sd", f"{one.first_share:.0%}", p, f"{heard_s:.0f} s")
    console.print(table)
    say(console, "match: mean score in standard deviations of scores at wrong times; p: share of wrong times as good")
    if known.get("n_windows"):
        right, chance = known["right"], known["chance"]
        say(console, f"Right in {right:.1%} of {known['n_windows']} windows; guessing: {chance:.1%}")
    if known.get("n_pool"):
        top1, n_pool = known["top1"], known["n_pool"]
        say(console, f"Among all {n_pool} windows of this recording: top-1 {top1:.3f}; guessing: {1 / n_pool:.3f}")


def _write(
    arguments: argparse.Namespace, cell: TrainedCell, table: pd.DataFrame, found: list[Candidate], known: dict[str, Any]
) -> None:
    from dataclasses import asdict

    from eeg2speech_bench.benchmarks.trained.match_picture import draw_matches
    from eeg2speech_bench.core.stages.atomic_folder import atomic_folder
    from eeg2speech_bench.core.stages.disk_trouble import explained
    from eeg2speech_bench.core.stages.json_files import write_json

    about = {
        "cell": cell.description.cell.id,
        "verdict": {name: verdict.model_dump() for name, verdict in cell.verdict.items()},
        "recording": str(arguments.file),
        "listener": arguments.listener,
        "candidates": [asdict(one) for one in found],
        "known": known,
    }
    with explained(arguments.out), atomic_folder(arguments.out) as working:
        table.to_csv(working / "matches.csv", index=False)
        draw_matches(working / "matches.png", table, [one.name for one in found])
        write_json(working / "listen.json", about)
