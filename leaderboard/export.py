"""A table as Markdown, CSV, a picture, or lines in a terminal."""

from __future__ import annotations

import csv
import io
import re

import rich.box
import rich.table
from rich.console import Console
from rich.text import Text

from eeg2speech_bench.leaderboard.table import Table

#: from this width on, cells are kept on one line; a narrower terminal breaks them
ROOMY_COLUMNS = 190


def to_markdown(table: Table) -> str:
    """Return a Markdown table with its notes; cell text cannot break the table."""
    rows = [table.columns, ["---"] * len(table.columns), *table.rows]
    lines = ["| " + " | ".join(_escaped(cell) for cell in row) + " |" for row in rows]
    return "\n".join([f"**{_escaped(table.title)}**", "", *lines, "", *(_escaped(note) + "  " for note in table.notes)])


def to_csv(table: Table) -> str:
    """Return comma-separated values with a header."""
    stream = io.StringIO()
    csv.writer(stream, lineterminator="\n").writerows([table.columns, *table.rows])
    return stream.getvalue()


def print_table(table: Table, console: Console) -> None:
    """Print a table with its notes."""
    made = rich.table.Table(title=Text(table.title), title_justify="left", box=rich.box.SIMPLE_HEAD, pad_edge=False)
    roomy = console.width >= ROOMY_COLUMNS
    for number, column in enumerate(table.columns):
        made.add_column(column, justify="left" if number == 0 else "right", no_wrap=roomy or number == 0)
    for row in table.rows:
        made.add_row(*(Text(cell) for cell in row))  # Text: names from plugins are not markup
    console.print(made)
    for note in table.notes:
        console.print(note, markup=False, highlight=False)


def to_svg(table: Table) -> str:
    """Return a picture of the table as it looks in a terminal."""
    console = Console(record=True, file=io.StringIO(), width=250)
    print_table(table, console)
    picture = console.export_svg(title=f"eeg2speech-bench: {table.title}")
    return re.sub(r"@font-face \{.*?\}", "", picture, flags=re.DOTALL)  # no request to anybody's server


def _escaped(text: str) -> str:
    return text.replace("\\", "\\\\").replace("|", "\\|").replace("<", "&lt;").replace("\n", " ")
