"""Checks the records of any results folder one by one, and refuses bad ones with the reason."""

from __future__ import annotations

import argparse
import json
import os
import re
import sys
import time
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from eeg2speech_bench.core.errors import BenchError, StorageError, UsageError
from eeg2speech_bench.core.records.cell_id import is_safe_name
from eeg2speech_bench.core.records.groups import GROUPS, segments_name
from eeg2speech_bench.core.records.probes import PROBES
from eeg2speech_bench.core.records.record import Record
from eeg2speech_bench.core.records.record_store import RecordStore

if TYPE_CHECKING:
    import pyarrow

#: limits on a cell's audio; the suite's own clips take 0.1 MB
MAX_CLIPS = 10_000
MAX_CLIP_BYTES = 20_000_000
#: where no cell was put in place for so long, nobody is at it
QUIET_S = 10.0
#: a run takes less time between a cell's files and its record
PAUSE_S = 0.05
VALIDATE_TRIES = 20
#: the files that a results folder consists of, relative to it; everything else is foreign
_RECORD = re.compile(r"records/([^/]+)\.json")
_SEGMENTS = re.compile(rf"cells/([^/]+)/segments(?:-(?:{'|'.join((*GROUPS, PROBES))}))?\.parquet")
_CLIP = re.compile(r"cells/([^/]+)/audio/([^/]+)/([^/]+)\.flac")
#: what a run leaves beside them for its own user: pictures, which are drawn from the rest, and the model
STAYING = ("report", "model")
_STAYS = re.compile(r"cells/[^/]+/(report/[^/]+\.png|model/[^/]+\.(json|safetensors))")


@dataclass(frozen=True)
class Refusal:
    """A file that is not taken in, and why.

    Attributes
    ----------
    path : Path
    reason : str
        What is wrong.
    """

    path: Path
    reason: str

    def __str__(self) -> str:
        return printable(f"{self.path}: {self.reason}")


def printable(text: str) -> str:
    """Return a text on one line, with escapes in place of what a terminal would obey; for names from elsewhere."""
    return text if text.isprintable() else text.encode("unicode_escape").decode()


def cell_of(name: str) -> str | None:
    """Return the cell that a file of a results folder belongs to.

    Parameters
    ----------
    name : str
        Relative to the folder, with forward slashes.

    Returns
    -------
    str or None
        None for a file that no results folder has: another kind, another place, or a name that leads elsewhere.
    """
    for pattern in (_RECORD, _SEGMENTS, _CLIP):
        match = pattern.fullmatch(name)
        if match:
            return match[1] if all(is_safe_name(part) for part in match.groups()) else None
    return None


def files_of(results: Path, record: Record) -> list[Path]:
    """Return the files beside a record: per-segment values and clips.

    Raises
    ------
    StorageError
        If one is missing, lies elsewhere, is a link, is too large or is not what its name says.
    """
    files: list[Path] = []
    for kind, name in record.files.items():
        parts = {f"segments-{part}": segments_name(part) for part in record.parts}
        named = {"segments": "segments.parquet", **parts, **{name: name for name in ("audio", *STAYING)}}
        expected = named.get(kind)
        own = f"cells/{record.cell.id}"
        if expected is None or name != f"{own}/{expected}":
            raise StorageError(f"files.{kind} is not the record's own", got=f"{name!a:.120}", expected=f"{own}/...")
        if kind not in STAYING:
            files += _regular_files(results, results / name)
    clips = [path for path in files if path.suffix == ".flac"]
    if len(clips) > MAX_CLIPS:
        raise StorageError("It has too many clips", got=len(clips), expected=f"<= {MAX_CLIPS}")
    for path in clips:
        _check_clip(path)
    return files


def _regular_files(results: Path, place: Path) -> Iterator[Path]:
    for part in (place.parent.parent, place.parent, place):
        if part.is_symlink():
            raise StorageError(f"{part.name} is a link, and could lead anywhere", then="Copy the files instead.")
    if place.is_file() and place.suffix:
        yield place
        return
    if not place.is_dir() or place.suffix:
        raise StorageError(f"{place.name} is missing", then="Copy it with the record, or run that cell again.")
    for folder, folders, names in os.walk(place):
        inside = [Path(folder, name) for name in sorted((*folders, *names))]
        for path in inside:
            if path.is_symlink():
                raise StorageError(f"{path.name} is a link, and could lead anywhere", then="Copy the files instead.")
        # is_file: opening a pipe would wait for ever
        yield from (p for p in inside if p.is_file() and cell_of(p.relative_to(results).as_posix()))


def _check_clip(path: Path) -> None:
    size = path.stat().st_size
    if size > MAX_CLIP_BYTES:
        raise StorageError(f"{path.name} is too large", got=f"{size} bytes", expected=f"<= {MAX_CLIP_BYTES}")
    with path.open("rb") as stream:
        if stream.read(4) != b"fLaC":
            raise StorageError(f"{path.name} is not FLAC")


def validate_record(path: Path) -> Record:
    """Read a record that came from anywhere, and check it and what lies beside it.

    Parameters
    ----------
    path : Path
        ``<results>/records/<cell id>.json``.

    Raises
    ------
    StorageError
        With what is wrong: not JSON, another schema, a field of the wrong type, a number out of range, a name that
        leads elsewhere, missing files, or aggregates that are not those of the per-segment values.
    """
    path = Path(path)
    _refuse_link(path)  # before it is opened
    record = Record.read(path)
    check_place(path, record)
    return record


def check_place(path: Path, record: Record, more: Sequence[str] = ()) -> pyarrow.Table | None:
    """Check where a record lies and what lies beside it; see `validate_record`.

    Returns
    -------
    Table or None
        Per-segment values of a finished cell, with the columns ``more`` where the file has them.

    Raises
    ------
    StorageError
    """
    from eeg2speech_bench.leaderboard.results.aggregates import check_segments

    _refuse_link(path)
    if path.name != f"{record.cell.id}.json":
        raise StorageError("The record is not that of its file name", got=record.cell.id, expected=path.stem)
    results = path.parent.parent
    files_of(results, record)
    if record.status != "done":
        return None
    for part in record.parts:
        check_segments(results / record.files[f"segments-{part}"], record.of_group(part))
    return check_segments(results / record.files["segments"], record, more)


def _refuse_link(path: Path) -> None:
    if path.is_symlink():
        raise StorageError("The record is a link", then="Copy the file instead.")


def read_segments(
    records: Mapping[Path, Record], columns: Sequence[str]
) -> tuple[dict[Path, pyarrow.Table | None], list[Refusal]]:
    """Read the per-segment values of some records, and check them.

    Parameters
    ----------
    records : mapping of Path to Record
        By their files.
    columns : sequence of str
        Beside metric, condition, subject and value; left out where a file lacks them.

    Returns
    -------
    segments : dict of Path to Table or None
    refusals : list of Refusal
        Records that do not agree with what lies beside them, or with each other.
    """
    segments: dict[Path, pyarrow.Table | None] = {}
    refusals = []
    for path, record in records.items():
        try:
            segments[path] = check_place(path, record, columns)
        except Exception as error:  # as in `read_results`
            refusals.append(_refusal(path, error))
    refused = {refusal.path for refusal in refusals}
    refusals += disagreeing_splits({path: one for path, one in records.items() if path not in refused})
    return segments, refusals


def _refusal(path: Path, error: Exception) -> Refusal:
    reason = str(error) if isinstance(error, BenchError) else f"{type(error).__name__}: {error}"
    return Refusal(path, reason.removeprefix(f"Record {path} "))


def read_results(results: Path, cells: Iterable[str] | None = None) -> tuple[list[Record], list[Refusal]]:
    """Read a results folder; what is wrong with one record costs that record alone.

    Parameters
    ----------
    results : Path
    cells : iterable of str, optional
        Only these cells; all by default.

    Returns
    -------
    records : list of Record
        In the order of file names.
    refusals : list of Refusal
    """
    store = RecordStore(results)
    every = (store.results / "records").glob("[!.]*.json")
    paths = sorted(every) if cells is None else [store.path(cell) for cell in cells]
    records: dict[Path, Record] = {}
    refusals = []
    for path in paths:
        try:
            records[path] = _validate_at_rest(path)
        except Exception as error:  # whatever a file from anywhere can raise, it costs that file alone
            refusals.append(_refusal(path, error))
    for refusal in disagreeing_splits(records):
        del records[refusal.path]
        refusals.append(refusal)
    return list(records.values()), refusals


def _validate_at_rest(path: Path) -> Record:
    """Validate a record; once more where a run was replacing it and its files, which are of two runs for a moment."""
    for _ in range(VALIDATE_TRIES):
        before = _state(path)
        try:
            return validate_record(path)
        except Exception:
            if time.time() - before[0] > QUIET_S:
                raise
            time.sleep(PAUSE_S)
            if _state(path) == before:
                raise
    return validate_record(path)


def _state(path: Path) -> tuple[float, ...]:
    """Return when a cell of the folder was last put in place, and what tells a record and its files from others."""
    cells = path.parent.parent / "cells"
    stats = [place.stat() if place.exists() else None for place in (cells, cells / path.stem, path)]
    return (stats[0].st_mtime if stats[0] else 0.0, *(float(one.st_ino) if one else 0.0 for one in stats[1:]))


def disagreeing_splits(records: Mapping[Path, Record], trusted: Mapping[Path, Record] | None = None) -> list[Refusal]:
    """Refuse cells that were tested on other windows than the cells they would stand beside.

    Cells of one revision of a data set, preset and data configuration must have one split hash; where they do not, the
    ones that differ from ``trusted`` are refused, else those that differ from the most common hash, else all of them.

    Parameters
    ----------
    records : mapping of Path to Record
        The candidates.
    trusted : mapping of Path to Record, optional
        Those that are there already.
    """
    known = {key: (path, split) for key, path, split in _splits(trusted or {})}
    groups: dict[str, list[tuple[Path, str]]] = {}
    for key, path, split in _splits(records):
        groups.setdefault(key, []).append((path, split))
    refusals = []
    for key, members in groups.items():
        right = known.get(key) or _most_common(members)
        for path, split in members:
            other = right or next(member for member in members if member[1] != split)
            if split != other[1]:
                reason = f"split {split[:12]} is not the {other[1][:12]} of {other[0]}: it was tested on other windows"
                refusals.append(Refusal(path, reason))
    return refusals


def _splits(records: Mapping[Path, Record]) -> Iterator[tuple[str, Path, str]]:
    """Yield what has to have one split, the record and its split hash."""
    for path, record in records.items():
        if record.split.hash is not None:
            data = record.settings.data.model_dump(mode="json")
            tested = [record.cell.dataset, record.dataset.revision, record.cell.preset]
            yield json.dumps([*tested, data], sort_keys=True), path, record.split.hash


def _most_common(members: list[tuple[Path, str]]) -> tuple[Path, str] | None:
    counts = Counter(split for _, split in members).most_common(2)
    if len(counts) == 2 and counts[0][1] == counts[1][1]:
        return None  # nothing says which half is right
    return next(member for member in members if member[1] == counts[0][0])


def foreign_files(results: Path) -> list[Refusal]:
    """Return the files in ``records`` and ``cells`` that are neither record, values nor clip; nothing opens them."""
    refusals = []
    for room in ("records", "cells"):
        for folder, folders, names in os.walk(results / room):
            folders[:] = [name for name in folders if not name.startswith(".")]  # what runs are writing
            for name in sorted(names):
                path = Path(folder, name)
                place = path.relative_to(results).as_posix()
                if not name.startswith(".") and cell_of(place) is None and not _STAYS.fullmatch(place):
                    refusals.append(Refusal(path, "a results folder has records, segments.parquet and FLAC only"))
    return refusals


def report_refusals(refusals: Iterable[Refusal], place: str = "") -> None:
    """Name what was not taken in, a line each, on standard error; ``place`` is what their paths are relative to."""
    for refusal in refusals:
        print(f"refused: {printable(place)}{refusal}", file=sys.stderr)


def configure_validate(parser: argparse.ArgumentParser) -> None:
    """Add the options of ``leaderboard validate``."""
    parser.add_argument("folders", nargs="+", type=Path, metavar="DIR", help="results folders")


def run_validate(arguments: argparse.Namespace) -> int:
    """Print one line per refused file; return 1 if there is one."""
    refusals: list[Refusal] = []
    n_valid = 0
    for folder in arguments.folders:
        if not (folder / "records").is_dir():
            raise UsageError(f"Folder {folder} has no records", expected="a folder with records/<cell>.json in it")
        records, refused = read_results(folder)
        n_valid += len(records)
        named = {refusal.path for refusal in refused}
        refusals += [*refused, *(refusal for refusal in foreign_files(folder) if refusal.path not in named)]
    report_refusals(refusals)
    print(f"{n_valid} record(s) valid, {len(refusals)} file(s) refused")
    return 1 if refusals else 0
