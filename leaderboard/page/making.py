"""Makes the pages of rows, in processes of their own where there are many records."""

from __future__ import annotations

import gc
import multiprocessing
import os
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from itertools import groupby
from pathlib import Path

from jinja2 import UndefinedError

from eeg2speech_bench.core.errors import BenchError
from eeg2speech_bench.core.records import Record
from eeg2speech_bench.leaderboard.page.cell import Cell, summarise
from eeg2speech_bench.leaderboard.page.clips import collect_clips
from eeg2speech_bench.leaderboard.page.reading import Source, digest, read_source, reason
from eeg2speech_bench.leaderboard.page.row_page import render_row
from eeg2speech_bench.leaderboard.page.rows import Row, make_rows
from eeg2speech_bench.leaderboard.validation import Refusal

#: from this many records on, they are shared out over processes
MANY = 200
#: processes at most; each needs some 100 MB
MAX_PROCESSES = 4
#: rows that one process takes at a time
PORTION = 10
#: thresholds of the garbage collector: records are trees without cycles, and it would walk them in vain
COLLECT_RARELY = (100_000, 20, 100)
#: what records of foreign make can raise while their page is made; anything else is our own fault
UNUSABLE = (
    BenchError, LookupError, TypeError, ValueError, AttributeError, ArithmeticError, RecursionError, UndefinedError
)  # fmt: skip


@dataclass
class Made:
    """What became of the records.

    Attributes
    ----------
    cells : list of Cell
    rows : list of Row
        All cells, in the order of the board.
    refused : list of Refusal
    """

    cells: list[Cell] = field(default_factory=list)
    rows: list[Row] = field(default_factory=list)
    refused: list[Refusal] = field(default_factory=list)


def make_pages(sources: Sequence[Source], out: Path) -> Made:
    """Write a page per row and copy the records; what cannot be used is refused and nothing else."""
    made, pages = Made(), dict[str, list[str]]()
    for cells, refused in _each_portion(sources, out):
        made.cells += cells
        made.refused += refused
        pages |= {row.name: _ids(row) for row in make_rows(cells)}
    by_id = {source.path.stem: source for source in sources}
    for row in make_rows(made.cells):
        if pages.get(row.name) != _ids(row):  # its cells were dealt to several processes
            kept, refused = make_portion([by_id[cell.id] for cell in row.cells], out)
            made.refused += refused
            made.rows += make_rows(kept)
        else:
            made.rows.append(row)
    made.cells = [cell for row in made.rows for cell in row.cells]
    return made


def make_portion(sources: Iterable[Source], out: Path) -> tuple[list[Cell], list[Refusal]]:
    """Read some records and write the pages of their rows; return the cells and what was refused."""
    records: dict[str, Record] = {}
    cells, refused = [], []
    for source in sources:
        try:
            record, content = read_source(source)
            cell = summarise(record, str(source.path), digest(content))
            cell.clips = collect_clips(record, source.results, out / "audio")
        except UNUSABLE as error:
            refused.append(Refusal(source.path, reason(error)))
            continue
        put(out / "records" / f"{cell.name}.json", content)
        records[cell.id] = record
        cells.append(cell)
    kept = []
    for row in make_rows(cells):
        bad = _write_row(row, records, out)
        refused += [Refusal(Path(cell.source), why) for cell, why in bad]
        kept += [cell for cell in row.cells if cell not in [b for b, _ in bad]]
    return kept, refused


def _write_row(row: Row, records: dict[str, Record], out: Path) -> list[tuple[Cell, str]]:
    """Write the page of a row; cells that cannot be drawn are returned with the reason, and are not in it."""
    bad: list[tuple[Cell, str]] = []
    try:
        page = render_row(row, [records[cell.id] for cell in row.cells])
    except UNUSABLE as error:
        bad = [(c, why) for c in row.cells if (why := _undrawable(c, records))] or [
            (c, reason(error)) for c in row.cells
        ]
        for cell, _ in bad:
            (out / "records" / f"{cell.name}.json").unlink()
        good = [cell for cell in row.cells if cell not in [b for b, _ in bad]]
        return bad + (_write_row(Row(good), records, out) if good else [])
    put(out / "rows" / f"{row.name}.html", page.encode())
    return bad


def put(path: Path, content: bytes) -> None:
    """Write a file, or leave the one of the last board that says the same: some disks need minutes to replace all.

    That one is shared with the last board (see `folder`), so another content is another file.
    """
    try:
        if path.read_bytes() == content:
            return
        path.unlink()
    except FileNotFoundError:
        pass
    path.write_bytes(content)


def _undrawable(cell: Cell, records: dict[str, Record]) -> str:
    try:
        render_row(Row([cell]), [records[cell.id]])
    except UNUSABLE as error:
        return reason(error)
    return ""


def _each_portion(sources: Sequence[Source], out: Path) -> Iterator[tuple[list[Cell], list[Refusal]]]:
    make = partial(make_portion, out=out)
    # row by row, whose seeds have names that begin alike: what a process holds stays small, and in its cache
    portions = [list(alike) for _, alike in groupby(sources, key=lambda s: s.path.stem.partition("__seed")[0])]
    n_processes = min(os.cpu_count() or 1, MAX_PROCESSES)
    if len(sources) < MANY or n_processes == 1:
        yield from map(make, portions)
        return
    # spawn: the calling process may hold threads (of torch, in tests) that do not survive a fork
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(n_processes, context, gc.set_threshold, COLLECT_RARELY) as pool:
        yield from pool.map(make, portions, chunksize=PORTION)


def _ids(row: Row) -> list[str]:
    return [cell.id for cell in row.cells]
