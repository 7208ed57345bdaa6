"""Runs the verb ``leaderboard``, whose actions stand in a table, one line each."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

from eeg2speech_bench.core.errors import BenchError, UsageError
from eeg2speech_bench.core.records.record import Record
from eeg2speech_bench.core.records.record_store import RecordStore
from eeg2speech_bench.core.registry.registry import Registry
from eeg2speech_bench.leaderboard.comparison import configure_compare, run_compare
from eeg2speech_bench.leaderboard.results.merging import configure_merge, run_merge
from eeg2speech_bench.leaderboard.results.sharing import configure_pull, configure_push, run_pull, run_push
from eeg2speech_bench.leaderboard.results.validation import configure_validate, run_validate
from eeg2speech_bench.leaderboard.tables.table import FORMATS

#: cells that are drawn in one go; the pictures of more would hide the tables
PICTURED_CELLS = 3


class Action(NamedTuple):
    """What ``leaderboard NAME`` does: ``configure`` adds its options, ``run`` returns the exit code."""

    summary: str
    configure: Callable[[argparse.ArgumentParser], None]
    run: Callable[[argparse.Namespace], int]


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the options of ``leaderboard``; without an action it shows the table."""
    _configure_show(parser)
    actions = parser.add_subparsers(dest="action", metavar="ACTION", required=False)
    for name, action in ACTIONS.items():
        # an option that is left out must not undo what stands before the action
        left_out = argparse.SUPPRESS if name in ("show", "build") else None
        own = actions.add_parser(name, help=action.summary, description=action.summary, argument_default=left_out)
        action.configure(own)
    filters: dict[str, list[str]] = {"cell": [], "dataset": [], "preset": [], "budget": []}
    parser.set_defaults(
        action="show", results=Path("results"), format="table", controls=False, pictures=False, **filters
    )


def leaderboard(arguments: argparse.Namespace, registry: Registry) -> int:
    """Run the chosen action."""
    return ACTIONS[arguments.action].run(arguments)


def _configure_show(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--results", type=Path, metavar="DIR", help="default: ./results")
    parser.add_argument("--format", choices=FORMATS, help="default: table")
    parser.add_argument(
        "--controls", action="store_true", help="also one table per cell: its signal beside its controls"
    )
    parser.add_argument(
        "--pictures",
        action="store_true",
        help=f"as --controls, with small pictures of the first {PICTURED_CELLS} cells",
    )
    parser.add_argument("--cell", action="append", metavar="ID", help="only these cells")
    parser.add_argument("--dataset", action="append", metavar="NAME", help="only these data sets")
    parser.add_argument("--preset", action="append", metavar="NAME", help="only these presets")
    parser.add_argument(
        "--budget", action="append", metavar="TEXT", help="only these, as the table has them: '320 x 64'"
    )


def _show(arguments: argparse.Namespace) -> int:
    """Show the board; return 1 if a record could not be read."""
    from eeg2speech_bench.leaderboard.standings.identity import identify, without_parts
    from eeg2speech_bench.leaderboard.standings.standings import competitor, find_standings
    from eeg2speech_bench.leaderboard.tables.export import show
    from eeg2speech_bench.leaderboard.tables.listeners import listener_scores, listeners_table
    from eeg2speech_bench.leaderboard.tables.pretraining import pretraining_table
    from eeg2speech_bench.leaderboard.tables.probes import probes_table
    from eeg2speech_bench.leaderboard.tables.table import board, controls

    _refuse_pictures(arguments)
    located, unreadable = _read(arguments.results, arguments.cell)
    found = without_parts((path, record) for path, record in located if _wanted(record, arguments))
    if located and not found:
        then = "'leaderboard' without --dataset, --preset and --budget shows all."
        raise UsageError(f"No record of {arguments.results} is like that", then=then)
    records = [record for _, record in found]
    competitors = [competitor(path, record, identify(record)) for path, record in found]
    standings = find_standings(cell for cell in competitors if cell is not None)
    table, pretraining = board(records, standings), pretraining_table(records, standings)
    done = [record for record in records if record.status == "done"]
    n_drawn = PICTURED_CELLS if arguments.pictures else 0
    drawn, others = done[:n_drawn], done[n_drawn:]
    _show_pictures(drawn, arguments.results)
    if arguments.controls or arguments.pictures:
        show(arguments.format, map(controls, others))
    if drawn and others:
        typed = f"eeg2speech-bench leaderboard show --results {arguments.results} --pictures"
        table.notes.append(f"Pictures of another cell: '{typed} --cell {others[0].cell.id}'.")
    by_listeners = listeners_table(one for path, record in found if (one := listener_scores(path, record)) is not None)
    shown = (by_listeners, table, pretraining, probes_table(records))
    show(arguments.format, [one for one in shown if one is not None])
    for line in left_out(unreadable):
        print(line, file=sys.stderr)
    return 1 if unreadable else 0


def left_out(errors: Iterable[BenchError]) -> Iterator[str]:
    """Yield a line per reason why records cannot be read, with the first of them and how many more there are."""
    by_reason: dict[str, list[BenchError]] = {}
    for error in errors:
        by_reason.setdefault(f"{error.got} {error.expected} {error.then}", []).append(error)
    for first, *more in by_reason.values():
        yield f"left out: {first}" + (f" {len(more)} more for the same reason." if more else "")


def _refuse_pictures(arguments: argparse.Namespace) -> None:
    if arguments.pictures and arguments.format != "table":
        then = "Leave out --format, or type 'eeg2speech-bench leaderboard build' for pages with pictures."
        got = f"--format {arguments.format}"
        raise UsageError("Pictures in the terminal go with its table only", got=got, expected="table", then=then)


def _show_pictures(records: list[Record], results: Path) -> None:
    """Show each cell beside its controls, and its pictures below."""
    if not records:
        return
    from eeg2speech_bench.core.terminal.progress import make_console
    from eeg2speech_bench.leaderboard.tables.export import show
    from eeg2speech_bench.leaderboard.tables.table import controls
    from eeg2speech_bench.leaderboard.terminal.charts import draw

    for record in records:
        show("table", [controls(record)])
        draw(record, results, make_console())


def _wanted(record: Record, arguments: argparse.Namespace) -> bool:
    from eeg2speech_bench.leaderboard.tables.table import budget_text

    own = record.cell.dataset, record.cell.preset, budget_text(record)
    chosen = arguments.dataset, arguments.preset, arguments.budget
    return all(not names or value in names for value, names in zip(own, chosen, strict=True))


def _read(results: Path, cells: list[str]) -> tuple[list[tuple[Path, Record]], list[BenchError]]:
    store = RecordStore(results)
    paths = [store.path(cell) for cell in cells] or sorted((results / "records").glob("*.json"))
    if not paths:
        then = "Run 'eeg2speech-bench run --encoder brainmagick' first, or give --results."
        raise UsageError(f"Folder {results} has no records", then=then)
    found: list[tuple[Path, Record]] = []
    unreadable: list[BenchError] = []
    for path in paths:
        try:
            found.append((path, Record.read(path)))
        except BenchError as error:
            unreadable.append(error)
    return found, unreadable


def _configure_build(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--results", type=Path, action="append", metavar="DIR", help="may be repeated; default: ./results"
    )
    parser.add_argument("--out", type=Path, default=Path("board"), metavar="DIR", help="default: ./board")


def _build(arguments: argparse.Namespace) -> int:
    """Build the page; return 1 if a record could not be used."""
    from eeg2speech_bench.leaderboard.page.folder import build
    from eeg2speech_bench.leaderboard.results.validation import report_refusals

    given = arguments.results  # one folder if it stands before the action, a list if after it
    report = build(given if isinstance(given, list) else [given], arguments.out)
    report_refusals(report.refused)
    print(f"{report.n_rows} row(s) of {report.n_cells} record(s): open {report.index}")
    return 1 if report.refused else 0


ACTIONS = {
    "show": Action("print the table of all records (this is what no action does)", _configure_show, _show),
    "build": Action("write the board as a folder of static pages, with audio", _configure_build, _build),
    "compare": Action("compare two encoders listener by listener", configure_compare, run_compare),
    "merge": Action("take the cells of other results folders into one", configure_merge, run_merge),
    "validate": Action(
        "check every record and file, as one does before accepting them", configure_validate, run_validate
    ),
    "push": Action(
        "share records and audio: a Hugging Face dataset repository, or any fsspec URL", configure_push, run_push
    ),
    "pull": Action("take in shared records, those that are valid", configure_pull, run_pull),
}
