"""Writes a table as Markdown, CSV, a picture, or lines in a terminal."""

from __future__ import annotations

import csv
import io
import re
import sys
from collections.abc import Iterable
from dataclasses import replace

import rich.box
import rich.table
from rich.cells import cell_len
from rich.console import Console
from rich.text import Text

from eeg2speech_bench.core.terminal.progress import make_console, say
from eeg2speech_bench.leaderboard.tables.table import Table

#: of a file or a picture
LEAST_WIDTH = 80
#: an interval behind a value
INTERVAL = re.compile(r" \[-?\d[^\]]*\]")
#: what spreadsheets take for the start of a formula, and cells that start so and are numbers with words of ours
FORMULA = ("=", "+", "-", "@")
NUMBERS = re.compile(r"[+-]?\d(?:[\w.,;:<=>()\[\] ±%–-]|(?<=[\[ ])\+(?=\d))*")
#: stands in tables for what there is not
NOTHING = "-"
#: columns that no table exceeds
_ENDLESS = 10_000


def show(style: str, tables: Iterable[Table]) -> None:
    """Print tables as ``table``, ``markdown``, ``csv`` or ``svg``."""
    written = {"markdown": to_markdown, "csv": to_csv, "svg": to_svg}
    for table in tables:
        if style == "table":
            print_table(table, make_console())
        else:
            # what the encoding lacks is a reference in a picture, and a question mark in text
            errors, encoding = "xmlcharrefreplace" if style == "svg" else "replace", sys.stdout.encoding or "utf-8"
            sys.stdout.write((written[style](table) + "\n").encode(encoding, errors).decode(encoding))


def to_markdown(table: Table) -> str:
    """Return a Markdown table with its notes; cell text cannot break the table."""
    rows = [table.columns, ["---"] * len(table.columns), *table.rows]
    lines = ["| " + " | ".join(_escaped(cell) for cell in row) + " |" for row in rows]
    return "\n".join([f"**{_escaped(table.title)}**", "", *lines, "", *(_escaped(note) + "  " for note in table.notes)])


def to_csv(table: Table) -> str:
    """Return comma-separated values with a header; a cell that a spreadsheet would run begins with an apostrophe."""
    stream = io.StringIO()
    rows = ([_inert(cell) for cell in row] for row in [table.columns, *table.rows])
    csv.writer(stream, lineterminator="\n").writerows(rows)
    return stream.getvalue()


def _inert(cell: str) -> str:
    plain = "".join(c if c.isprintable() else " " for c in cell)  # a lone carriage return ends a line, unquoted
    runs = plain.lstrip().startswith(FORMULA) and cell != NOTHING and not NUMBERS.fullmatch(cell)
    return f"'{plain}" if runs else plain


def print_table(table: Table, console: Console) -> None:
    """Print a table with its notes.

    A file or pipe is as wide as the table. In a terminal that is too narrow, what all rows share is said below the
    table instead of in columns; then columns are left out that are optional, then intervals; if that does not do, every
    row is a list.
    """
    table = _printable(table, console)
    if not console.is_terminal:
        console.width = max(console.width, _width(table), LEAST_WIDTH)
    shown = _narrowed(table, console.width)
    if _width(shown) <= console.width:
        console.print(_laid_out(shown))
    else:
        _print_stacked(table, console)
        shown = table
    for note in shown.notes:
        say(console, note)


def _print_stacked(table: Table, console: Console) -> None:
    """Print a table row by row, a line for each cell: what is left where no table fits."""
    console.print(Text(table.title))
    room = max(map(len, table.columns))
    for row in table.rows:
        console.print()
        console.print(Text(row[0], style="bold"))
        for column, cell in zip(table.columns[1:], row[1:], strict=True):
            if cell:
                console.print(Text(f"  {column:<{room}}  {cell}"))
    console.print()


def printable(text: str, console: Console) -> str:
    """Return text without control characters, and with ``?`` for what the console's encoding lacks."""
    plain = "".join(c if c.isprintable() else " " for c in text)
    return plain.encode(console.encoding, "replace").decode(console.encoding)


def _narrowed(table: Table, width: int) -> Table:
    """Return what of a table fits into some columns."""
    shown, left_out = table, list[str]()
    if _width(shown) > width:
        shown = _without_shared(shown)
    for name in table.optional:
        if _width(shown) > width and name in shown.columns:
            shown, left_out = _without(shown, name), [*left_out, name]
    if _width(shown) > width and any(INTERVAL.search(cell) for row in shown.rows for cell in row):
        rows = [[INTERVAL.sub("", cell) for cell in row] for row in shown.rows]
        shown, left_out = replace(shown, rows=rows), [*left_out, "intervals"]
    if not left_out:
        return shown
    said = f"Too narrow for: {'; '.join(left_out)}. A wider terminal has them, and --format csv."
    return replace(shown, notes=[said, *shown.notes])


def _without(table: Table, column: str) -> Table:
    place = table.columns.index(column)
    rows = [row[:place] + row[place + 1 :] for row in table.rows]
    return replace(table, columns=table.columns[:place] + table.columns[place + 1 :], rows=rows)


def _without_shared(table: Table) -> Table:
    """Return the table without the columns that say the same in every row, and with a note of what they say."""
    columns = list(zip(*table.rows, strict=True))
    shared = [i for i, cells in enumerate(columns) if i and len(cells) > 1 and len(set(cells)) == 1]
    if not shared:
        return table
    said = ", ".join(f"{table.columns[i]} {columns[i][0]}" for i in shared)
    kept = [i for i in range(len(columns)) if i not in shared]
    rows = [[row[i] for i in kept] for row in table.rows]
    notes = [f"All rows: {said}.", *table.notes]
    return replace(table, columns=[table.columns[i] for i in kept], rows=rows, notes=notes)


def _printable(table: Table, console: Console) -> Table:
    rows = [[printable(cell, console) for cell in row] for row in table.rows]
    columns, notes = ([printable(text, console) for text in texts] for texts in (table.columns, table.notes))
    return replace(table, title=printable(table.title, console), columns=columns, rows=rows, notes=notes)


def to_svg(table: Table) -> str:
    """Return a picture of the table as it looks in a terminal."""
    console = Console(record=True, file=io.StringIO(), width=max(_width(table), LEAST_WIDTH))
    print_table(table, console)
    picture = console.export_svg(title=f"eeg2speech-bench: {table.title}")
    return re.sub(r"@font-face \{.*?\}", "", picture, flags=re.DOTALL)  # no request to anybody's server


def _laid_out(table: Table) -> rich.table.Table:
    made = rich.table.Table(title=Text(table.title), title_justify="left", box=rich.box.SIMPLE_HEAD, pad_edge=False)
    for number, column in enumerate(table.columns):
        made.add_column(column, justify="left" if number == 0 else "right", no_wrap=True)
    for row in table.rows:
        made.add_row(*(Text(cell) for cell in row))  # Text: names from plugins are not markup
    return made


def _width(table: Table) -> int:
    """Return how many columns it takes to keep every cell on one line."""
    # one row of the widest cells is as wide as all rows, and is measured in no time
    cells = [max(column, key=cell_len) for column in zip(*table.rows, strict=True)]
    console = Console(file=io.StringIO(), width=_ENDLESS)
    return console.measure(_laid_out(replace(table, rows=[cells] if cells else []))).maximum


def _escaped(text: str) -> str:
    """Return text that makes no column, no line, no code and no link in Markdown."""
    line = "".join(c if c.isprintable() else " " for c in text)
    marked = re.sub(r"([\\|`]|\](?=[(\[:]))", r"\\\1", line.replace("<", "&lt;"))
    return re.sub(r"(?i)(?<=\bwww)\.|(?<=:)//", lambda found: f"\\{found[0][0]}{found[0][1:]}", marked)
