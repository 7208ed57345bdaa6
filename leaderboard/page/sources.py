"""Finds and reads the records of results folders; an unusable one is refused with the reason."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path

from eeg2speech_bench.core.errors import BenchError, DataError, StorageError, UsageError
from eeg2speech_bench.core.records.record import Record, record_bytes
from eeg2speech_bench.leaderboard.results.validation import Refusal


@dataclass(frozen=True)
class RecordSource:
    """Where a record lies: ``path`` in ``results/records``."""

    results: Path
    path: Path


def find_sources(folders: list[Path]) -> tuple[list[RecordSource], list[Refusal]]:
    """Return the records of all folders; if a cell is in several, the one that was finished last.

    Raises
    ------
    UsageError
        If no folder has a record.
    """
    by_name: dict[str, list[RecordSource]] = {}
    for folder in {folder.resolve(): folder for folder in folders}.values():
        for path in (folder / "records").glob("[!.]*.json"):
            by_name.setdefault(path.stem, []).append(RecordSource(folder, path))
    if not by_name:
        then = "Run 'eeg2speech-bench run --encoder brainmagick' first, or give --results."
        raise UsageError(f"No records in {', '.join(map(str, folders))}", then=then)
    kept, refused = [], []
    for name in sorted(by_name):
        newest, *others = sorted(by_name[name], key=_finished, reverse=True) if by_name[name][1:] else by_name[name]
        kept.append(newest)
        later = f"A later record of this cell is in folder '{newest.results.resolve().name}'."
        refused += [Refusal(s.path, later) for s in others]
    return kept, refused


def read_source(source: RecordSource) -> tuple[Record, bytes]:
    """Return a record and the bytes it was read from.

    Raises
    ------
    BenchError
        If it is a link, no record, or its file is named after another cell.
    """
    path = source.path
    if path.is_symlink() or not path.is_file():
        raise StorageError(f"Record {path} is no regular file", then="Copy the file instead of a link.")
    content = record_bytes(path)
    record = Record.from_json(content, str(path))
    if record.cell.id != path.stem:
        raise DataError(f"Record {path} is of another cell", got=f"{record.cell.id!a:.200}", expected=path.stem)
    return record, content


def from_results(refusal: Refusal) -> Refusal:
    """Return a refusal for publication: its paths begin in the results folder."""
    results, said = refusal.path.parent.parent, refusal.reason
    said = said.replace(f"{results.resolve()}/", "")
    said = said if results == Path() else said.replace(f"{results}/", "")
    return Refusal(refusal.path.relative_to(results), said)


def digest(content: bytes) -> str:
    """Return the SHA-256 of a record's file."""
    return hashlib.sha256(content).hexdigest()


def _finished(source: RecordSource) -> tuple[bool, str, str]:
    """Order records of one cell: done before others, then by when they ended."""
    try:
        record, _ = read_source(source)
        return record.status == "done", record.provenance.finished, str(source.path)
    except BenchError:
        return False, "", str(source.path)
