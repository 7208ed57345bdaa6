"""Decides which channels of a recording are EEG, from channels.tsv, the file's own types, names and positions."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from eeg2speech_bench.core.errors import DataError
from eeg2speech_bench.datasets.bids.electrode_names import (
    EARS,
    electrode_names,
    is_biosemi_cap,
    is_other_name,
    joined_by_name,
)
from eeg2speech_bench.datasets.bids.inheritance import nearest_file
from eeg2speech_bench.datasets.bids.tables import is_missing, read_table

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True)
class ChannelTable:
    """What a channels.tsv says of each channel, by the table's own names.

    Attributes
    ----------
    path : Path
    types : dict of str to str
        Upper case; "" where the table gives none.
    bads : frozenset of str
    """

    path: Path
    types: dict[str, str]
    bads: frozenset[str]


@dataclass(frozen=True)
class ChannelChoice:
    """Which channels of a file are EEG.

    Attributes
    ----------
    electrodes : dict of str to str
        Name in the file to name of the electrode, in the file's order.
    left_out : dict of str to str
        Name in the file to the reason.
    bads : tuple of str
        EEG channels that are marked bad, by their names in the file.
    notes : tuple of str
    """

    electrodes: dict[str, str]
    left_out: dict[str, str]
    bads: tuple[str, ...]
    notes: tuple[str, ...] = field(default=())


def read_channel_table(recording: Path, root: Path) -> ChannelTable | None:
    """Read the nearest channels.tsv that applies to a recording; None where there is none.

    Raises
    ------
    DataError
        If it has no column ``name``, or two rows that contradict each other.
    """
    path = nearest_file(root, recording, "channels.tsv")
    if path is None:
        return None
    table = read_table(path)
    if "name" not in table:
        raise DataError(
            f"{path} has no column name",
            got=", ".join(table.columns),
            expected="the columns name, type, units",
            then="Call the column with the channels' names 'name'.",
        )
    said = {column: _said(table, column) for column in ("type", "status")}
    rows = dict.fromkeys(zip(table["name"], said["type"], said["status"], strict=True))
    twice = [name for name, count in Counter(name for name, _, _ in rows).items() if count > 1]
    if twice:
        raise DataError(f"{path} has rows that contradict each other", got=", ".join(twice), then="Leave one of each.")
    bads = frozenset(name for name, _, status in rows if status == "BAD")
    return ChannelTable(path, {name: kind for name, kind, _ in rows}, bads)


def _said(table: pd.DataFrame, column: str) -> list[str]:
    """Return the cells of a column in upper case, empty where they or the whole column say nothing."""
    cells = table[column] if column in table else [""] * len(table)
    return ["" if is_missing(cell) else cell.upper() for cell in cells]


def choose_eeg(
    source: Path, kinds: Mapping[str, str], table: ChannelTable | None, located: Collection[str]
) -> ChannelChoice:
    """Choose the channels that are EEG.

    A channel is EEG if channels.tsv says so (or, where it says nothing, the file) *and* it bears an electrode's
    name or has a position. Exporters call everything EEG, and an amplifier that also recorded the sound would
    give it to the encoders.

    Parameters
    ----------
    source : Path
        The EEG file, for messages.
    kinds : mapping of str to str
        Channel names of the file, in its order, with MNE's types of them.
    table : ChannelTable, optional
    located : collection of str
        Channels of the file that have a position.

    Raises
    ------
    DataError
        If a channel may or may not be EEG, the table lacks an electrode of the file, or nothing is EEG.
    """
    names = list(kinds)
    rows = joined_by_name(list(table.types), names) if table else {}
    types = {name: table.types[row] for row, name in rows.items()} if table else {}
    electrodes = electrode_names(names, [name for name, kind in types.items() if kind == "EEG"])
    if table:
        _check_listed(source, table, [n for n in names if n not in types], list(electrodes), rows)
    left_out: dict[str, str] = {}
    unclear: list[str] = []
    for name, kind in kinds.items():
        reason = _why_not(name, kind, types.get(name) if table else "", electrodes.get(name), names)
        if reason:
            left_out[name] = reason
        elif name not in electrodes and name not in located:
            unclear.append(name)
    if unclear:
        raise _unclear(source, unclear, table)
    chosen = {name: electrodes.get(name, name) for name in names if name not in left_out}
    if not chosen:
        raise _nothing_is_eeg(source, left_out)
    bads = {name for row, name in rows.items() if table and row in table.bads}
    notes = (_used(chosen, left_out), *_absent(table, rows))
    return ChannelChoice(chosen, left_out, tuple(name for name in chosen if name in bads), notes)


def _why_not(name: str, kind: str, listed_as: str | None, electrode: str | None, names: list[str]) -> str:
    """Return why a channel is certainly no EEG, empty if that is not certain; ``listed_as`` is None if unlisted."""
    if listed_as not in ("EEG", "", None):
        return f"type {listed_as} in channels.tsv"
    if listed_as != "EEG" and kind != "eeg":
        return f"type {kind} in the file"
    if electrode is None and is_other_name(name):
        return "no electrode of that name"
    if listed_as is None:
        return "not in channels.tsv"
    if electrode in EARS and listed_as != "EEG" and not is_biosemi_cap(names):
        return "an ear or mastoid that channels.tsv does not call EEG"
    return ""


def _check_listed(
    source: Path, table: ChannelTable, unlisted: list[str], electrodes: list[str], rows: dict[str, str]
) -> None:
    """Refuse a recording of which an electrode is not in its table: one of the two names is wrong."""
    lacking = [name for name in unlisted if name in electrodes]
    if not lacking:
        return
    others = [row for row in table.types if row not in rows]
    got = f"only in the recording: {', '.join(lacking)}"
    raise DataError(
        f"{table.path.name} and {source} name different channels",
        got=got + (f"; only in the table: {', '.join(others)}" if others else ""),
        expected="a row for every channel of the recording",
        then=f"Correct the column name of {table.path}, or add rows (type EEG, or MISC to leave a channel out).",
    )


def _unclear(source: Path, names: list[str], table: ChannelTable | None) -> DataError:
    where = table.path if table else source.with_name(source.stem.removesuffix("_eeg") + "_channels.tsv")
    return DataError(
        f"Channels of {source} may or may not be EEG",
        got=f"{', '.join(names)}: no electrode of that name, and no position",
        expected="names of the 10-05 system or of a numbered cap, or positions in electrodes.tsv",
        then=f"Give them the type MISC in {where} to leave them out, or add their positions in electrodes.tsv.",
    )


def _nothing_is_eeg(source: Path, left_out: dict[str, str]) -> DataError:
    return DataError(
        f"{source} has no EEG channel",
        got=_in_words(left_out),
        expected="channels of type EEG that bear the names of electrodes",
        then="Give the EEG channels the type EEG in channels.tsv.",
    )


def _used(chosen: dict[str, str], left_out: dict[str, str]) -> str:
    used = f"{len(chosen)} EEG channels: {' '.join(chosen.values())}"
    return used + (f"; left out: {_in_words(left_out)}" if left_out else "")


def _in_words(left_out: dict[str, str]) -> str:
    reasons = dict.fromkeys(left_out.values())
    return ", ".join(f"{' '.join(n for n, r in left_out.items() if r == reason)} ({reason})" for reason in reasons)


def _absent(table: ChannelTable | None, rows: dict[str, str]) -> list[str]:
    absent = [row for row, kind in table.types.items() if kind == "EEG" and row not in rows] if table else []
    return [f"channels.tsv also lists {', '.join(absent)}, which the recording does not hold"] if absent else []
