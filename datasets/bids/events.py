"""Reads the rows that say which sound was heard when in a recording."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from eeg2speech_bench.core.errors import DataError
from eeg2speech_bench.datasets.bids.description import FILE, Description, EventsDescription, fill, is_template
from eeg2speech_bench.datasets.bids.event_tables import (
    NothingHeardError,
    key_of,
    looked_up,
    markers,
    need,
    open_recording,
    table_path,
)
from eeg2speech_bench.datasets.bids.inheritance import entities, read_sidecar
from eeg2speech_bench.datasets.bids.media import other_than_sound
from eeg2speech_bench.datasets.bids.recorded_sounds import COLUMN, recorded_beside
from eeg2speech_bench.datasets.bids.tables import is_missing, numbers, read_table

if TYPE_CHECKING:
    import pandas as pd

#: columns that say where inside the sound file a row lies, in seconds, where no description names one
IN_FILE_COLUMNS = ("stim_onset", "start", COLUMN)

#: how sidecars write units, in lower case, and their seconds
_UNITS = {"ms": 1e-3, "msec": 1e-3, "millisecond": 1e-3, "milliseconds": 1e-3}

#: values of a column that a message lists
SHOWN = 8


@dataclass(frozen=True)
class StimulusRows:
    """The rows of a recording that name a sound.

    Attributes
    ----------
    table : DataFrame
        Sorted by onset, with the number of a row in the file as index. Columns onset, duration (seconds, NaN where
        nothing says it), stim_file, in_file (seconds inside the file, NaN where the row is its start), word, sentence.
    meaning : str
        ``"starts"``, ``"inside"``, ``"periodic"`` or ``"recording"``, as in `EventsDescription`.
    is_described : bool
        Whether a description says so, or it follows from the columns.
    period_s : float
        Seconds of sound between two rows, where they are periodic.
    source : str
        The table, for messages.
    files : frozenset of Path
        What was read.
    notes : tuple of str
    """

    table: pd.DataFrame
    meaning: str
    is_described: bool
    period_s: float
    source: str
    files: frozenset[Path]
    notes: tuple[str, ...]


def read_stimulus_rows(
    root: Path,
    recording: Path,
    description: Description,
    rewritten: Callable[[pd.DataFrame, str], pd.DataFrame] = lambda table, source: table,
) -> StimulusRows:
    """Read the rows of a recording's events that name a sound.

    Parameters
    ----------
    root : Path
        Folder of the data set.
    recording : Path
        The EEG file.
    description : Description
        What the rows mean.
    rewritten : callable, optional
        Returns the rows of a table, given its name for messages, in columns that the description can name.

    Raises
    ------
    NothingHeardError
        If nothing places a sound in the recording.
    DataError
        If a table contradicts itself or its description; by table, row and value.
    """
    said = description.events
    names = entities(recording.name)
    if said.rows == "recording":
        return _whole_recording(fill(said.sound, names, recording.name), said)
    notes: list[str] = []
    path = table_path(root, recording, said)
    source = str(path or f"markers of {recording.name}")
    table = rewritten(read_table(path, notes.append) if path else markers(recording), source)
    files = {path} if path else set()
    if description.lookup:
        table, looked_in = looked_up(table, description.lookup, root, source, notes)
        files.add(looked_in)
    table = _selected(table, said, source)
    if said.sound not in table and COLUMN in table and (beside := recorded_beside(root, recording)):
        table = table.assign(**{said.sound: beside})
    stim_file = _sounds(table, description, names, source, notes)
    table = table.loc[stim_file.index]
    left_out = {name: kind for name in stim_file.unique() if (kind := other_than_sound(root / "stimuli" / name))}
    notes += _left_out_notes(stim_file, left_out, source)
    kept = ~stim_file.isin(list(left_out))
    sidecar = _sidecar(root, recording, notes) if said.table is None else {}
    rows = _timed(table[kept], stim_file[kept], said, _Units.of(sidecar, recording, said, source))
    meaning = said.rows or ("inside" if _in_file_column(said, table) else "starts")
    return StimulusRows(rows, meaning, bool(said.rows), said.period_s, source, frozenset(files), tuple(notes))


def _whole_recording(stim_file: str, said: EventsDescription) -> StimulusRows:
    import pandas as pd

    row = {"onset": said.offset_s, "duration": np.nan, "stim_file": stim_file, "in_file": np.nan}
    table = pd.DataFrame([row | {"word": "n/a", "sentence": "n/a"}])
    return StimulusRows(table, "recording", True, said.period_s, FILE, frozenset(), ())


def _in_file_column(said: EventsDescription, table: pd.DataFrame) -> str | None:
    if said.rows in ("starts", "periodic"):
        return None
    return said.inside or next((name for name in IN_FILE_COLUMNS if name in table), None)


# Which rows name which sound


def _selected(table: pd.DataFrame, said: EventsDescription, source: str) -> pd.DataFrame:
    """Return the rows that have the values which the description asks for."""
    need(table, list(said.where), source)
    for column, values in said.where.items():
        there = table[column]
        table = table[there.map(key_of).isin([key_of(str(value)) for value in values])]
        if table.empty:
            found = ", ".join(sorted(there.unique())[:SHOWN])
            raise NothingHeardError(f"no row of {Path(source).name} has {column} = {values}; it has {found}")
    return table


def _sounds(
    table: pd.DataFrame, description: Description, names: Mapping[str, str], source: str, notes: list[str]
) -> pd.Series:
    """Return the file that each row names, without the rows that name none."""
    import pandas as pd

    sound, codes = description.events.sound, description.sounds
    name = Path(source).name
    if is_template(sound):
        cells = zip(table.index, table.itertuples(index=False, name=None), strict=True)
        filled = [
            fill(sound, {**names, **dict(zip(table.columns, row, strict=True))}, f"row {number} of {source}")
            for number, row in cells
        ]
        stim_file = pd.Series(filled, index=table.index, dtype=object)
    elif sound not in table:
        raise NothingHeardError(f"{name} has no column {sound}")
    else:
        stim_file = table[sound]
    if codes:
        unknown = stim_file[~stim_file.isin(list(codes))]
        listed = ", ".join(sorted(unknown.unique())[:SHOWN])
        if len(unknown):
            notes.append(f"left out rows of {name} whose code has no sound in {FILE}: {len(unknown)} ({listed})")
        stim_file = stim_file.drop(unknown.index).map(codes)
        return _named(stim_file, f"no row of {name} has a code of [sounds]; they have {listed}")
    stim_file = stim_file[~stim_file.map(is_missing)]
    if sound != "stim_file":  # columns of its own need not follow BIDS' rule for stim_file
        stim_file = stim_file.map(lambda cell: cell.removeprefix("stimuli/"))
    return _named(stim_file, f"no row of {name} names a {sound}")


def _named(stim_file: pd.Series, reason: str) -> pd.Series:
    if stim_file.empty:
        raise NothingHeardError(reason)
    return stim_file


def _left_out_notes(stim_file: pd.Series, left_out: Mapping[str, str], source: str) -> list[str]:
    """Say how many rows name something else than a sound."""
    rows = stim_file[stim_file.isin(list(left_out))]
    if rows.empty:
        return []
    kinds = Counter(left_out[name] for name in rows)
    counted = ", ".join(f"{n} {kind}{'s' if n > 1 else ''}" for kind, n in kinds.items())
    what = f"rows of {Path(source).name} that name no sound: {counted} (as {rows.iloc[0]})"
    if len(rows) == len(stim_file):
        raise NothingHeardError(f"it has only {what}; sounds are WAV, FLAC, Ogg or MP3")
    return [f"left out {what}"]


# When they are


@dataclass(frozen=True)
class _Units:
    """Seconds of a unit of each column of times."""

    onset: float
    inside: float
    duration: float
    source: Path

    @classmethod
    def of(cls, sidecar: Mapping[str, Any], recording: Path, said: EventsDescription, source: str) -> _Units:
        """Take the units from the description, and where it says nothing from the sidecar of the events."""
        described = {column: _unit(sidecar, column) for column in (said.onset, said.duration)}
        wrong = next((column for column, unit in described.items() if unit != 1.0), None)
        if wrong and "onset_unit" not in said.model_fields_set:
            raise DataError(
                f"The sidecar of {source} gives '{wrong}' in another unit than BIDS",
                got=repr(sidecar[wrong]["Units"]),
                expected="'s'",
                then=f'Correct it, or say what holds: onset_unit = "ms" (or "s") under [events] in {FILE}.',
            )
        unit = {"s": 1.0, "ms": 1e-3}.get(said.onset_unit) or 1.0 / open_recording(recording).info["sfreq"]
        inside = 1e-3 if said.inside_unit == "ms" else 1.0
        if said.inside and "inside_unit" not in said.model_fields_set:
            inside = _unit(sidecar, said.inside)
        return cls(unit, inside, unit, Path(source))


def _sidecar(root: Path, recording: Path, notes: list[str]) -> dict[str, Any]:
    try:
        return read_sidecar(root, recording, "events.json")
    except DataError as error:  # BIDS gives times in seconds, so that only another unit would be lost
        notes.append(f"{error.problem}; times of events are taken as seconds")
        return {}


def _unit(sidecar: Mapping[str, Any], column: str) -> float:
    described = sidecar.get(column)
    units = described.get("Units") if isinstance(described, dict) else None
    return _UNITS.get(str(units).strip().lower(), 1.0)


def _timed(table: pd.DataFrame, stim_file: pd.Series, said: EventsDescription, units: _Units) -> pd.DataFrame:
    import pandas as pd

    wanted = [said.onset, *filter(None, [said.inside, said.word, said.sentence])]
    need(table, wanted, str(units.source))
    rows = pd.DataFrame({"stim_file": stim_file, "onset": numbers(table, said.onset, units.source) * units.onset})
    rows["onset"] += said.offset_s
    rows["duration"] = np.nan
    if said.duration in table:
        rows["duration"] = numbers(table, said.duration, units.source) * units.duration
    column = _in_file_column(said, table)
    if said.rows == "inside":
        need(table, [column or IN_FILE_COLUMNS[0]], str(units.source))
    rows["in_file"] = numbers(table, column, units.source) * units.inside if column else np.nan
    for name, own in (("word", said.word), ("sentence", said.sentence)):
        rows[name] = table[own] if own else "n/a"
    _check_onsets(rows, table, said, units.source)
    return rows.sort_values("onset", kind="stable")


def _check_onsets(rows: pd.DataFrame, table: pd.DataFrame, said: EventsDescription, source: Path) -> None:
    wrong = rows.index[rows["onset"].isna()]
    if len(wrong):
        stim_file, onset = str(rows["stim_file"][wrong[0]]), str(table[said.onset][wrong[0]])
        raise DataError(
            f"Row {wrong[0]} of {source} names '{stim_file}' but has no onset",
            got=repr(onset),
            expected="a number",
            then="Write when it sounded, or set stim_file to n/a in that row (row 1 is the header).",
        )
    negative = rows.index[rows["duration"] < 0]
    if len(negative):
        raise DataError(
            f"Row {negative[0]} of {source} has a negative duration",
            got=rows["duration"][negative[0]],
            expected="seconds, 0 or n/a",
            then="Correct it (row 1 is the header).",
        )
