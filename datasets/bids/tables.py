"""Reads tables as BIDS writes them, cell by cell, or refuses them by table, row and value."""

from __future__ import annotations

import csv
import re
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from eeg2speech_bench.core.errors import DataError
from eeg2speech_bench.datasets.sounds.sound_files import is_pointer

if TYPE_CHECKING:
    import pandas as pd

#: how tables write that a cell has no value, in lower case; words of a transcript are compared with "n/a" alone
MISSING = ("", "n/a", "na", "nan")

#: characters of a row that a message shows
SHOWN = 80

_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?")
_DECIMAL_COMMA = re.compile(r"[+-]?\d+,\d+")

#: other characters between cells, as messages call them
_SEPARATORS = {";": "semicolons", ",": "commas", " ": "blanks"}


def read_table(path: Path, note: Callable[[str], None] = lambda line: None) -> pd.DataFrame:
    """Read a table; all cells are text.

    A ``.tsv`` is separated by tabs and has no rule for quotation marks or comments, as in BIDS: marks stay, and a
    row is a line. A ``.csv`` is separated by commas and may quote. Blanks around cells and empty lines are dropped.

    Parameters
    ----------
    path : Path
    note : callable, optional
        Receives a line where the table was read in a way that should be known (its encoding).

    Returns
    -------
    DataFrame
        One column per named column; the index holds the number of the row in the file, where the header is row 1.

    Raises
    ------
    DataError
        If the file is absent or was not downloaded, has another separator, a column twice, or a row with another number
        of cells than the header.
    """
    import pandas as pd

    rows = _rows(path, read_text(path, note))
    if not rows:
        raise DataError(f"Table {path} is empty", expected="a header and rows", then="Write it again, or delete it.")
    header = rows.pop(min(rows))
    while not header[-1]:
        header.pop()
    _check_header(path, header)
    cells = {number: _filled(path, number, row, header) for number, row in rows.items()}
    table = pd.DataFrame.from_dict(cells, orient="index", columns=range(len(header)), dtype=object)
    table.columns = pd.Index(header, dtype=object)
    # Spreadsheets write a column of row numbers without a name: nobody can ask for it.
    return table.loc[:, [bool(name) for name in header]]


def read_text(path: Path, note: Callable[[str], None] = lambda line: None) -> str:
    """Read a text in UTF-8 or UTF-16 (by its byte order mark), or else in Windows' Latin-1, which is noted.

    Raises
    ------
    DataError
        If the file cannot be read, was not downloaded, or is no text.
    """
    if is_pointer(path):
        raise DataError(
            f"Table {path} was not downloaded",
            got="a git-annex or Git LFS pointer instead of text",
            then=f"Run: datalad get {path}",
        )
    try:
        content = path.read_bytes()
    except OSError as error:
        raise DataError(f"Table {path} cannot be read", got=error.strerror, then="Check its name.") from None
    text = _decoded(path, content, note)
    if "\0" in text:
        raise DataError(
            f"Table {path} is no text",
            got="zero bytes",
            expected="UTF-8, or UTF-16 with a byte order mark",
            then="Save it as UTF-8.",
        )
    return text


def _decoded(path: Path, content: bytes, note: Callable[[str], None]) -> str:
    if content.startswith((b"\xff\xfe", b"\xfe\xff")):
        return content.decode("utf-16", errors="replace")
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        note(f"{path.name} is not UTF-8 (byte {error.start}: 0x{content[error.start]:02x}); read as Latin-1")
    try:
        return content.decode("cp1252")  # Latin-1 with the quotation marks that Windows adds
    except UnicodeDecodeError:
        return content.decode("latin-1")


def _rows(path: Path, text: str) -> dict[int, list[str]]:
    """Return the cells of each line that has any, by its number."""
    # Not `str.splitlines`, which also breaks lines at characters that are part of a word's cell.
    lines = re.split(r"\r\n|\n|\r", text)
    if path.suffix.lower() == ".csv":
        reader = csv.reader(lines)
        found = dict((reader.line_num, row) for row in reader)  # noqa: C402  the number is that of each row
    else:
        found = {number: line.split("\t") for number, line in enumerate(lines, start=1)}
    stripped = {number: [cell.strip() for cell in row] for number, row in found.items()}
    return {number: row for number, row in stripped.items() if any(row)}


def _check_header(path: Path, header: list[str]) -> None:
    twice = [name for name, count in Counter(header).items() if name and count > 1]
    if twice:
        raise DataError(
            f"Table {path} has a column twice",
            got=", ".join(twice),
            expected="one column of each name",
            then="Rename or delete one of them.",
        )
    wanted = "commas" if path.suffix.lower() == ".csv" else "tabs"
    used = next((name for mark, name in _SEPARATORS.items() if len(header) == 1 and mark in header[0]), None)
    if used and used != wanted:
        raise DataError(
            f"Table {path} is separated by {used}",
            got=f"the header {header[0][:SHOWN]!r}",
            expected=f"{wanted} between cells",
            then=f"Save it as {'comma' if wanted == 'commas' else 'tab'}-separated values.",
        )


def _filled(path: Path, number: int, row: list[str], header: list[str]) -> list[str]:
    """Return the cells of a row; empty cells beyond the last column do not count."""
    extra = row[len(header) :]
    if len(row) >= len(header) and not any(extra):
        return row[: len(header)]
    raise DataError(
        f"Row {number} of table {path} has {len(row)} cells",
        got=repr(" | ".join(row)[:SHOWN]),
        expected=f"{len(header)}, one for each of: {', '.join(header)}"[: 3 * SHOWN],
        then="Write n/a into cells without a value (row 1 is the header).",
    )


def is_missing(cell: str) -> bool:
    """Whether a cell of a column of numbers or of file names has no value."""
    return cell.lower() in MISSING


def numbers(table: pd.DataFrame, column: str, path: Path) -> pd.Series:
    """Return a column as numbers, NaN where a cell has no value.

    Raises
    ------
    DataError
        If a cell is neither a finite number with a decimal point nor missing.
    """
    import pandas as pd

    values = [_number(path, number, column, cell) for number, cell in table[column].items()]
    return pd.Series(values, index=table.index, dtype=float)


def _number(path: Path, row: object, column: str, cell: str) -> float:
    if is_missing(cell):
        return float("nan")
    if _NUMBER.fullmatch(cell):
        return float(cell)
    comma = bool(_DECIMAL_COMMA.fullmatch(cell))
    raise DataError(
        f"Row {row} of table {path} has no number in column '{column}'",
        got=repr(cell[:SHOWN]),
        expected="a number with a decimal point, or n/a",
        then=f"Write {cell.replace(',', '.')} (row 1 is the header)." if comma else "Correct it (row 1 is the header).",
    )
