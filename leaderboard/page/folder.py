"""Builds the static folder: the board, a page per row, a page to listen per data set, and the records themselves."""

from __future__ import annotations

import gc
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import psutil
from markupsafe import Markup

from eeg2speech_bench.core.conditions import brain_signals, condition_label
from eeg2speech_bench.core.errors import StorageError, UsageError
from eeg2speech_bench.core.stages.disk_trouble import explained
from eeg2speech_bench.leaderboard.labels import p_text
from eeg2speech_bench.leaderboard.page.boards import write_standings
from eeg2speech_bench.leaderboard.page.cell_summary import CellSummary
from eeg2speech_bench.leaderboard.page.listening import render_listening
from eeg2speech_bench.leaderboard.page.markup import STATIC, render, script_json
from eeg2speech_bench.leaderboard.page.over_datasets import PooledTable, over_datasets
from eeg2speech_bench.leaderboard.page.portions import COLLECT_RARELY, BoardRows, make_pages
from eeg2speech_bench.leaderboard.page.questions import DatasetSummary, summarise_dataset
from eeg2speech_bench.leaderboard.page.rows import Row, headline_names, metric_names
from eeg2speech_bench.leaderboard.page.sources import find_sources, from_results
from eeg2speech_bench.leaderboard.page.table_data import table_columns, table_rows
from eeg2speech_bench.leaderboard.results.validation import Refusal
from eeg2speech_bench.leaderboard.standings.identity import dataset_titles
from eeg2speech_bench.leaderboard.standings.standings import find_standings
from eeg2speech_bench.leaderboard.tables.coverage import CoveredCell, cell_coverage
from eeg2speech_bench.leaderboard.tables.listeners import listeners_table

#: marks a folder that this module made and may replace
MARKER = "board.json"
#: what a board is made of; the rest of the folder is somebody else's
OWN = (MARKER, "index.html", "assets", "records", "segments", "rows", "listen", "audio")
#: folders whose files the next board takes over where they stay the same
SHARED = ("records", "segments", "rows")
#: style sheets and licences that every board carries; scripts stand inside the pages
ASSETS = ("board.css", "tabulator.min.css", "tabulator.LICENSE", "icon.svg")


@dataclass(frozen=True)
class BuildReport:
    """What was built.

    Attributes
    ----------
    index : Path
        The page to open.
    n_cells, n_rows : int
    refused : list of Refusal
    """

    index: Path
    n_cells: int
    n_rows: int
    refused: list[Refusal]


def build(results: list[Path], out: Path) -> BuildReport:
    """Write the board of all records in ``results`` into the folder ``out``, replacing a board that is there.

    The folder appears whole or not at all; records that cannot be used are listed on the board and in the report.

    Raises
    ------
    UsageError
        If there is no record, or ``out`` holds something that is no board.
    StorageError
        If the folder cannot be written.
    """
    sources, refused = find_sources(results)
    out = out.resolve()
    _refuse_foreign_folder(out)
    working = out.with_name(f".partial-{out.name}-{os.getpid()}")
    with explained(out), _collecting_rarely():
        _sweep(out)
        try:
            _start(working)
            _share_last_board(out, working)
            made = make_pages(sources, working)
            _refuse_empty(out, made)
            _drop_stale(working, made)
            refused += made.refused
            _write_board(working, made.rows, [from_results(one) for one in refused])
            _replace(out, working)
        finally:
            shutil.rmtree(working, ignore_errors=True)
    return BuildReport(out / "index.html", len(made.cells), len(made.rows), refused)


def _refuse_foreign_folder(out: Path) -> None:
    if out.is_dir() and (any(out.iterdir()) and not (out / MARKER).is_file()):
        then = "Choose another folder with --out."
        raise UsageError(f"Folder {out} holds something else", expected="no folder, an empty one or a board", then=then)
    if out.exists() and not out.is_dir():
        raise UsageError(f"{out} is a file", expected="a folder", then="Choose another one with --out.")


def _refuse_empty(out: Path, made: BoardRows) -> None:
    """Keep a board that is there rather than replace it with nothing."""
    if made.refused and not made.rows and (out / MARKER).is_file():
        first = made.refused[0]
        raise StorageError(
            f"None of {len(made.refused)} record(s) can be used, so {out} was left as it is",
            got=f"{first.path.name}: {first.reason}",
        )


def _sweep(out: Path) -> None:
    """Remove what builds that were killed have left beside the board."""
    for left in out.parent.glob(f".partial-{out.name}-*"):
        pid = left.name.rpartition("-")[2]
        if pid.isdigit() and not psutil.pid_exists(int(pid)):
            shutil.rmtree(left, ignore_errors=True)


def _start(working: Path) -> None:
    shutil.rmtree(working, ignore_errors=True)
    for name in ("assets", "records", "segments", "rows", "listen"):
        (working / name).mkdir(parents=True)
    for name in ASSETS:
        shutil.copyfile(STATIC / name, working / "assets" / name)


def _share_last_board(out: Path, working: Path) -> None:
    """Give the new board the files of the last one, of which most say the same; who writes compares (see `making`)."""
    for name in SHARED:
        if not (out / name).is_dir():
            continue
        for entry in os.scandir(out / name):
            try:
                if entry.is_file(follow_symlinks=False):
                    os.link(entry.path, working / name / entry.name)
            except OSError:  # a disk without links; all is written anew
                return


def _drop_stale(working: Path, made: BoardRows) -> None:
    names = {f"{cell.name}.json" for cell in made.cells} | {f"{row.name}.html" for row in made.rows}
    names |= {f"{cell.name}.parquet" for cell in made.cells if cell.segments}
    for folder in SHARED:
        for path in list((working / folder).iterdir()):
            if path.name not in names:
                path.unlink()


@contextmanager
def _collecting_rarely() -> Iterator[None]:
    before = gc.get_threshold()
    gc.set_threshold(*COLLECT_RARELY)
    try:
        yield
    finally:
        gc.set_threshold(*before)


def _write_board(out: Path, rows: list[Row], refused: list[Refusal]) -> None:
    cells = [cell for row in rows for cell in row.cells]
    datasets = dataset_titles(row.data for row in rows)
    metrics, headlines = metric_names(rows), headline_names(rows)
    standings = find_standings(cell.competitor for cell in cells if cell.competitor is not None)
    write_standings(out, rows, headlines, standings)
    summaries = []
    for number, (data, name) in enumerate(datasets.items()):
        own = [row for row in rows if row.data == data]
        listen = _write_listening(out, name, f"{number + 1}", own)
        summaries.append(summarise_dataset(name, f"data-{number + 1}", own, headlines, listen, standings))
    columns = table_columns(metrics, headlines, rows)
    data_rows = table_rows(rows, list(datasets), metrics, headlines, standings)
    table = script_json({"datasets": list(datasets.values()), "columns": columns, "rows": data_rows})
    built = datetime.now(UTC).isoformat(timespec="seconds")
    _write_index(out, rows, summaries, over_datasets(rows, headlines), columns, table, refused, built)
    beside = {
        "built": built,
        "records": [_files(cell) for cell in cells],
        "left_out": [{"file": str(r.path), "reason": r.reason} for r in refused],
    }
    # the table is the page's own text: writing it twice takes its time on a large board
    (out / MARKER).write_text(f"{script_json(beside)[:-1]},{table[1:]}", encoding="utf8")


def _files(cell: CellSummary) -> dict[str, str]:
    files = {"cell": cell.id, "file": f"records/{cell.name}.json", "sha256": cell.digest}
    return files | (
        {"segments": f"segments/{cell.name}.parquet", "segments_sha256": cell.segments} if cell.segments else {}
    )


def _write_listening(out: Path, dataset: str, name: str, rows: list[Row]) -> str:
    page = render_listening(dataset, rows)
    if page:
        (out / "listen" / f"{name}.html").write_text(page, encoding="utf8")
    return f"listen/{name}.html" if page else ""


def _write_index(
    out: Path,
    rows: list[Row],
    summaries: list[DatasetSummary],
    pooled: list[PooledTable],
    columns: list[dict[str, object]],
    table: Markup,
    refused: list[Refusal],
    built: str,
) -> None:
    cells = [cell for row in rows for cell in row.cells]
    titles = dataset_titles(row.data for row in rows)
    page = render(
        "index.html", summaries=summaries, pooled=pooled, table=table, columns=columns, refused=refused,
        by_listeners=listeners_table(cell.listeners for cell in cells if cell.listeners is not None),
        n_cells=len(cells), n_rows=len(rows), built=built, condition_label=condition_label, p_text=p_text,
        brain=brain_signals(cell.modality for cell in cells),
        coverage=cell_coverage(
            CoveredCell(c.method, titles[row.data], c.seed, c.status == "done", c.generated)
            for row in rows
            for c in row.cells
        ),
        methods={row.first.method: row for row in rows},
    )  # fmt: skip
    (out / "index.html").write_text(page, encoding="utf8")


def _replace(out: Path, working: Path) -> None:
    """Put the finished folder in its place; the old board is there until then.

    What somebody put beside its files (.git, CNAME) goes with it.
    """
    out.parent.mkdir(parents=True, exist_ok=True)
    old = out.with_name(f".old-{out.name}-{os.getpid()}")
    if out.exists():
        out.rename(old)
    working.rename(out)
    for entry in old.iterdir() if old.exists() else ():
        if entry.name not in OWN:
            entry.rename(out / entry.name)
    shutil.rmtree(old, ignore_errors=True)
