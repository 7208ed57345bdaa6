"""Merges results folders: equal cells once, contradicting cells never."""

from __future__ import annotations

import argparse
import shutil
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

from eeg2speech_bench.core.errors import StorageError, UsageError
from eeg2speech_bench.core.records.record import Record
from eeg2speech_bench.core.records.record_store import RecordStore
from eeg2speech_bench.leaderboard.results.validation import (
    Refusal,
    disagreeing_splits,
    files_of,
    printable,
    read_results,
    report_refusals,
    validate_record,
)


@dataclass
class MergePlan:
    """What is to be done to take cells into a results folder.

    Attributes
    ----------
    new : dict of Path to Record
        Records to copy, by where they lie.
    same : list of Path
        Records that are there already, or add nothing to what is there.
    collisions : list of Refusal
        Records that contradict one that is there, or another one of the new ones.
    """

    new: dict[Path, Record] = field(default_factory=dict)
    same: list[Path] = field(default_factory=list)
    collisions: list[Refusal] = field(default_factory=list)


def plan_merge(records: Iterable[tuple[Path, Record]], results: Path) -> MergePlan:
    """Compare records with those of a results folder and with each other; nothing is written.

    Parameters
    ----------
    records : iterable of (Path, Record)
        Valid records with where they lie.
    results : Path
        Folder that takes them in; it need not exist.

    Returns
    -------
    MergePlan
        One cell under equal numbers is one cell. A finished cell takes the place of a failed or interrupted one; two
        finished ones with other numbers collide. What does not share the folder's split collides too.
    """
    merge = MergePlan()
    store = RecordStore(results)
    there: dict[str, tuple[Path, Record]] = {}
    for path, record in records:
        cell = record.cell.id
        if cell not in there and store.path(cell).exists():
            there[cell] = store.path(cell), _own(store.path(cell))
        other = there.get(cell)
        if other is None or (other[1].status != "done" and record.status == "done"):
            if other is not None:
                merge.new.pop(other[0], None)
            merge.new[path], there[cell] = record, (path, record)
        elif record.status != "done" or record.semantic() == other[1].semantic():
            merge.same.append(path)
        else:
            reason = f"cell '{cell}' has other numbers than in {other[0]} ({_difference(record, other[1])})"
            merge.collisions.append(Refusal(path, reason))
    _refuse_other_splits(merge, results)
    return merge


def _own(path: Path) -> Record:
    try:
        return validate_record(path)
    except StorageError as error:
        raise StorageError(f"Record {path} is there and not valid", got=str(error), then="Remove it.") from error


def _refuse_other_splits(merge: MergePlan, results: Path) -> None:
    own, _ = read_results(results)
    store = RecordStore(results)
    trusted = {store.path(record.cell.id): record for record in own}
    for refusal in disagreeing_splits(merge.new, trusted):
        del merge.new[refusal.path]
        merge.collisions.append(refusal)


def _difference(record: Record, other: Record) -> str:
    revisions = record.dataset.revision, other.dataset.revision
    if revisions[0] != revisions[1]:
        return "it is of other data: revision {}, and {} there".format(*revisions)
    one, two = record.semantic(), other.semantic()
    return "they differ in " + ", ".join(sorted(key for key in one if one[key] != two[key]))


def copy_cell(path: Path, record: Record, results: Path) -> None:
    """Copy a valid record and its files into a results folder; a reader sees all of it or nothing.

    Parameters
    ----------
    path : Path
        Where the record lies, ``<source>/records/<cell id>.json``.
    record : Record
        What was validated there, and is what is written.
    results : Path

    Raises
    ------
    StorageError
        If the folder cannot be written: full disk, no permission.
    """
    source = path.parent.parent
    store = RecordStore(results)
    files = files_of(source, record)
    if not files:
        with store.lock(record.cell.id):
            store.write(record)
        return
    with store.draft(record.cell.id) as folder:
        for file in files:
            copy = folder / file.relative_to(source / "cells" / record.cell.id)
            copy.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(file, copy, follow_symlinks=False)
        store.publish(record, folder)


def configure_merge(parser: argparse.ArgumentParser) -> None:
    """Add the options of ``leaderboard merge``."""
    parser.add_argument("folders", nargs="+", type=Path, metavar="DIR", help="results folders to take cells from")
    parser.add_argument("--results", type=Path, default=argparse.SUPPRESS, metavar="DIR", help="default: ./results")
    parser.add_argument("--dry-run", action="store_true", help="say what would be copied, copy nothing")


def run_merge(arguments: argparse.Namespace) -> int:
    """Take the cells of other folders into one; return 1 if records were refused.

    Raises
    ------
    StorageError
        If cells collide; then nothing is copied.
    """
    found: list[tuple[Path, Record]] = []
    refusals: list[Refusal] = []
    for folder in arguments.folders:
        if not (folder / "records").is_dir():
            raise UsageError(f"Folder {folder} has no records", expected="a folder with records/<cell>.json in it")
        records, refused = read_results(folder)
        found += [(RecordStore(folder).path(record.cell.id), record) for record in records]
        refusals += refused
    merge = plan_merge(found, arguments.results)
    if merge.collisions:
        raise StorageError(
            f"{len(merge.collisions)} cells collide: " + "; ".join(map(str, merge.collisions)),
            then="Remove the one that is wrong, or merge into another folder with --results. Nothing was copied.",
        )
    take_in(merge, arguments.results, dry_run=arguments.dry_run)
    report_refusals(refusals)
    return 1 if refusals else 0


def take_in(merge: MergePlan, results: Path, *, dry_run: bool = False) -> None:
    """Copy what is new and say so, cell by cell."""
    for path, record in merge.new.items():
        if not dry_run:
            copy_cell(path, record, results)
        print(f"{'would add' if dry_run else 'added'}: {record.cell.id} ({record.status})")
    print(f"{len(merge.new)} new, {len(merge.same)} there already. Results: {printable(str(results))}")
