"""The verb ``leaderboard``."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from eeg2speech_bench.core.errors import StorageError, UsageError
from eeg2speech_bench.core.records import Record, RecordStore, read_record
from eeg2speech_bench.core.registry import Registry


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the options of ``leaderboard``."""
    parser.add_argument("action", nargs="?", choices=["show"], default="show", help="show (default)")
    parser.add_argument("--results", type=Path, default=Path("results"), metavar="DIR", help="default: ./results")
    parser.add_argument("--format", choices=["table", "markdown", "csv", "svg"], default="table")
    parser.add_argument("--controls", action="store_true", help="also one table per cell: EEG beside its controls")
    parser.add_argument("--cell", action="append", default=[], metavar="ID", help="only these cells")


def leaderboard(arguments: argparse.Namespace, registry: Registry) -> int:
    """Show the board; return 1 if a record could not be read."""
    from eeg2speech_bench.core.progress import make_console
    from eeg2speech_bench.leaderboard.export import print_table, to_csv, to_markdown, to_svg
    from eeg2speech_bench.leaderboard.table import board, controls

    records, unreadable = _read(arguments.results, arguments.cell)
    tables = [board(records)]
    if arguments.controls:
        tables = [controls(record) for record in records if record.status == "done"] + tables
    console = make_console()
    export = {"markdown": to_markdown, "csv": to_csv, "svg": to_svg}
    for table in tables:
        if arguments.format == "table":
            print_table(table, console)
        else:
            sys.stdout.write(export[arguments.format](table) + "\n")
    for error in unreadable:
        print(f"left out: {error}", file=sys.stderr)
    return 1 if unreadable else 0


def _read(results: Path, cells: list[str]) -> tuple[list[Record], list[StorageError]]:
    store = RecordStore(results)
    paths = [store.path(cell) for cell in cells] or sorted((results / "records").glob("*.json"))
    if not paths:
        then = "Run 'eeg2speech-bench run --encoder brainmagick' first, or give --results."
        raise UsageError(f"Folder {results} has no records", then=then)
    records, unreadable = [], []
    for path in paths:
        try:
            records.append(read_record(path))
        except StorageError as error:
            unreadable.append(error)
    return records, unreadable
