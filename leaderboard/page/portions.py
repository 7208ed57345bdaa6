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
from typing import NamedTuple

from eeg2speech_bench.core.errors import BenchError
from eeg2speech_bench.core.records.record import Record
from eeg2speech_bench.leaderboard.page.cell_summary import CellSummary, Score, summarise
from eeg2speech_bench.leaderboard.page.listening_items import collect_clips, segment_content
from eeg2speech_bench.leaderboard.page.row_page import render_row
from eeg2speech_bench.leaderboard.page.rows import Row, cells_by_row, in_order, make_row
from eeg2speech_bench.leaderboard.page.sources import RecordSource, digest, read_source
from eeg2speech_bench.leaderboard.results.validation import Refusal

#: from this many records on, they are shared out over processes
MANY = 200
#: processes at most; each needs some 100 MB
MAX_PROCESSES = 4
#: rows that one process takes at a time
PORTION = 10
#: thresholds of the garbage collector: records are trees without cycles, and it would walk them in vain
COLLECT_RARELY = (100_000, 20, 100)


@dataclass
class BoardRows:
    """The rows of a board, and the records that were refused.

    Attributes
    ----------
    rows : list of Row
        In the order of the board.
    refused : list of Refusal
    """

    rows: list[Row] = field(default_factory=list)
    refused: list[Refusal] = field(default_factory=list)

    @property
    def cells(self) -> list[CellSummary]:
        """The cells of all rows."""
        return [cell for row in self.rows for cell in row.cells]


class LoadedCell(NamedTuple):
    """A cell with its record and scores, until its row is written."""

    cell: CellSummary
    record: Record
    scores: dict[str, Score]


def make_pages(sources: Sequence[RecordSource], out: Path) -> BoardRows:
    """Write a page per row and copy the records; what cannot be used is refused and nothing else."""
    made, rows = BoardRows(), dict[tuple[str, ...], Row]()
    for portion in _each_portion(sources, out):
        made.refused += portion.refused
        rows |= {_ids(row.cells): row for row in portion.rows}
    by_id = {source.path.stem: source for source in sources}
    for cells in cells_by_row(cell for row in rows.values() for cell in row.cells):
        if (row := rows.get(_ids(cells))) is not None:
            made.rows.append(row)
        else:  # they were dealt to several processes
            again = make_portion([by_id[cell.id] for cell in cells], out)
            made.refused += again.refused
            made.rows += again.rows
    made.rows = in_order(made.rows)
    return made


def make_portion(sources: Iterable[RecordSource], out: Path) -> BoardRows:
    """Read some records and write the pages of their rows."""
    parts, made = dict[str, LoadedCell](), BoardRows()
    for source in sources:
        try:
            record, content = read_source(source)
            cell, scores = summarise(record, str(source.path), digest(content))
            cell.clips = collect_clips(record, source.results, out / "audio")
            segments = segment_content(record, source.results)
        except BenchError as error:
            made.refused.append(Refusal(source.path, str(error)))
            continue
        write_if_changed(out / "records" / f"{cell.name}.json", content)
        if segments is not None:
            cell.segments = digest(segments)
            write_if_changed(out / "segments" / f"{cell.name}.parquet", segments)
        parts[cell.id] = LoadedCell(cell, record, scores)
    for cells in cells_by_row(part.cell for part in parts.values()):
        made.rows.append(_write_row([parts[cell.id] for cell in cells], out))
    return made


def _write_row(parts: list[LoadedCell], out: Path) -> Row:
    row = make_row([part.cell for part in parts], {part.cell.id: part.scores for part in parts})
    write_if_changed(out / "rows" / f"{row.name}.html", render_row(row, [part.record for part in parts]).encode())
    return row


def write_if_changed(path: Path, content: bytes) -> None:
    """Write a file unless the last board's says the same, since some disks need minutes to replace all.

    That one is shared with the last board (see `folder`), so another content is another file.
    """
    try:
        if path.read_bytes() == content:
            return
        path.unlink()
    except FileNotFoundError:
        pass
    path.write_bytes(content)


def _each_portion(sources: Sequence[RecordSource], out: Path) -> Iterator[BoardRows]:
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


def _ids(cells: Iterable[CellSummary]) -> tuple[str, ...]:
    return tuple(cell.id for cell in cells)
