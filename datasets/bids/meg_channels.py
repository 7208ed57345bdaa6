"""Decides which channels of an MEG recording are used, from the file's own types and channels.tsv."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from eeg2speech_bench.core.errors import DataError
from eeg2speech_bench.core.segments.channel_types import CHANNEL_TYPES, sensor_name
from eeg2speech_bench.datasets.bids.channels import ChannelTable

#: what channels.tsv may call a channel of each of MNE's types; axial gradiometers give tesla and are MNE's ``mag``
LISTED_AS = {
    "mag": ("MEGMAG", "MEGGRADAXIAL", "MEG", "MEGOTHER"),
    "grad": ("MEGGRADPLANAR", "MEG", "MEGOTHER"),
    "eeg": ("EEG",),
}


@dataclass(frozen=True)
class MegChoice:
    """Which channels of a file are used.

    Attributes
    ----------
    names : dict of str to str
        Name in the file to the name of the sensor, in the file's order.
    left_out : dict of str to str
        Channels that would be used if the table did not say otherwise, and why they are not.
    bads : tuple of str
        Used channels that are marked bad, by their names in the file.
    notes : tuple of str
    """

    names: dict[str, str]
    left_out: dict[str, str]
    bads: tuple[str, ...]
    notes: tuple[str, ...]


def choose_meg(source: Path, kinds: Mapping[str, str], table: ChannelTable | None) -> MegChoice:
    """Choose the sensors of an MEG file, and the electrodes beside them.

    The file's own types hold: they come from the geometry of the coils. channels.tsv takes channels out, by another
    type, and marks bad ones.

    Parameters
    ----------
    source : Path
        The file, for messages.
    kinds : mapping of str to str
        Channel names of the file, in its order, with MNE's types of them.
    table : ChannelTable, optional

    Raises
    ------
    DataError
        If the file has no sensor, or the table names none of them.
    """
    sensors = {name: kind for name, kind in kinds.items() if kind in CHANNEL_TYPES}
    rows = {name: _row_of(name, table) for name in sensors} if table else dict.fromkeys(sensors)
    if table and sensors and not any(rows.values()):
        raise DataError(
            f"{table.path} names no sensor of {source.name}",
            got=", ".join(list(table.types)[:5]),
            expected=f"names such as {', '.join(list(sensors)[:5])}",
            then="Correct its column name, or delete it: the types are in the file as well.",
        )
    left_out = {name: f"type {listed} in channels.tsv" for name, listed in _other_types(sensors, rows, table)}
    names = {name: sensor_name(name) for name in sensors if name not in left_out}
    if not names:
        raise DataError(
            f"{source} has no MEG channel",
            got=", ".join(f"{n} of type {kind}" for kind, n in Counter(kinds.values()).items()),
            expected="magnetometers or gradiometers",
            then="Check the types in channels.tsv." if left_out else "Check that the file is MEG.",
        )
    bads = tuple(name for name in names if table and rows[name] in table.bads)
    return MegChoice(names, left_out, bads, tuple(_notes(kinds, names, left_out, rows if table else {})))


def _row_of(name: str, table: ChannelTable | None) -> str | None:
    return next((row for row in (name, sensor_name(name)) if table and row in table.types), None)


def _other_types(
    sensors: Mapping[str, str], rows: Mapping[str, str | None], table: ChannelTable | None
) -> list[tuple[str, str]]:
    listed = {name: table.types[row] for name, row in rows.items() if table and row}
    return [(name, kind) for name, kind in listed.items() if kind and kind not in LISTED_AS[sensors[name]]]


def _notes(
    kinds: Mapping[str, str], names: Mapping[str, str], left_out: Mapping[str, str], rows: Mapping[str, str | None]
) -> list[str]:
    used = Counter(kinds[name] for name in names)
    notes = ["channels: " + ", ".join(f"{n} of type {kind}" for kind, n in used.items())]
    others = Counter(f"type {kind} in the file" for kind in kinds.values() if kind not in CHANNEL_TYPES)
    others.update(left_out.values())
    if others:
        notes[0] += "; left out: " + ", ".join(f"{n} ({reason})" for reason, n in others.items())
    unlisted = [name for name, row in rows.items() if row is None and name in names]
    return notes + ([f"not in channels.tsv, and used: {' '.join(unlisted)}"] if unlisted else [])
