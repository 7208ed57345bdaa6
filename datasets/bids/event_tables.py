"""Finds the table of a recording's events, and adds the columns that another table has for its rows."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from eeg2speech_bench.core.errors import DataError
from eeg2speech_bench.datasets.bids.description import FILE, MARKERS, EventsDescription, LookupDescription, fill
from eeg2speech_bench.datasets.bids.inheritance import entities, nearest_file
from eeg2speech_bench.datasets.bids.tables import read_table
from eeg2speech_bench.datasets.sounds.sound_files import is_pointer

if TYPE_CHECKING:
    import mne
    import pandas as pd


class NothingHeardError(Exception):
    """A recording is left out; the text is the reason."""


def table_path(root: Path, recording: Path, said: EventsDescription) -> Path | None:
    """Return the table of a recording; None where its own markers are the rows."""
    if said.table == MARKERS:
        return None
    if said.table is None:
        path = nearest_file(root, recording, "events.tsv")
        if path is None:
            own = recording.name.rpartition("_")[0]
            raise NothingHeardError(f"no {own}_events.tsv")
    else:
        path = _below(root, fill(said.table, entities(recording.name), recording.name), "events.table")
        if not path.is_file() and not is_pointer(path):
            raise NothingHeardError(f"no {path.relative_to(root)}")
    if is_pointer(path):
        raise NothingHeardError(f"{path.name} was not downloaded (git-annex pointer); run: datalad get {path}")
    return path


def _below(root: Path, name: str, key: str) -> Path:
    if Path(name).is_absolute() or ".." in Path(name).parts:
        raise DataError(f"{key} in {FILE} leads out of {root}", got=repr(name), then="Give a path below that folder.")
    return root / name


def markers(recording: Path) -> pd.DataFrame:
    """Return the markers in a recording as rows, their text as ``value``; they last a sample, which says nothing."""
    import pandas as pd

    marks = open_recording(recording).annotations
    cells = [(str(onset), str(text)) for onset, text in zip(marks.onset, marks.description, strict=True)]
    table = pd.DataFrame(cells, columns=["onset", "value"], dtype=object)
    return table.set_index(np.arange(1, len(table) + 1))


def open_recording(recording: Path) -> mne.io.BaseRaw:
    """Open a recording without its samples, for its markers and its sampling rate."""
    import mne

    try:
        return mne.io.read_raw(recording, preload=False, verbose="ERROR")
    except Exception as error:  # MNE's readers raise whatever a broken file leads them to
        raise DataError(f"Recording {recording} cannot be read", got=f"{type(error).__name__}: {error}") from error


def looked_up(
    table: pd.DataFrame, lookup: LookupDescription, root: Path, source: str, notes: list[str]
) -> tuple[pd.DataFrame, Path]:
    """Add the columns that another table has for the rows; return that table's path as well."""
    path = _below(root, lookup.table, "lookup.table")
    other = read_table(path, notes.append)
    need(other, [*lookup.match.values(), *lookup.take.values()], str(path))
    need(table, list(lookup.match), source)
    keys = _keys(other, list(lookup.match.values()))
    number_of: dict[tuple[str, ...], object] = {}
    for key, number in zip(keys, other.index, strict=True):
        if key in number_of:
            raise DataError(
                f"Rows {number_of[key]} and {number} of table {path} have the same key",
                got=", ".join(key),
                expected="one row for each",
                then=f"Add a column to lookup.match in {FILE} that tells them apart.",
            )
        number_of[key] = number
    found = [number_of.get(key) for key in _keys(table, list(lookup.match))]
    taken = table.copy()
    for name, column in lookup.take.items():
        cells = other[column].to_dict()
        taken[name] = [cells.get(number, "n/a") for number in found]
    return taken, path


def _keys(table: pd.DataFrame, columns: list[str]) -> list[tuple[str, ...]]:
    return [tuple(key_of(cell) for cell in row) for row in table[columns].itertuples(index=False)]


def key_of(cell: str) -> str:
    """Return a cell as it is compared: ``1.0`` equals ``1``."""
    try:
        return f"{float(cell):.12g}"
    except ValueError:
        return cell


def need(table: pd.DataFrame, columns: list[str], source: str) -> None:
    """Refuse a table without the columns that a description names."""
    missing = [name for name in columns if name not in table]
    if missing:
        raise DataError(
            f"{source} has no column '{missing[0]}'",
            got=", ".join(table.columns),
            expected=f"the columns that {FILE} names",
            then="Correct the name there.",
        )
