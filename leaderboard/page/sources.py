"""Records from results folders, one by one: what cannot be used is refused with the reason, the rest goes on."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path

import pydantic_core

from eeg2speech_bench.core.errors import BenchError, DataError, StorageError, UsageError
from eeg2speech_bench.core.records.record import MAX_RECORD_BYTES, SCHEMA, Record
from eeg2speech_bench.leaderboard.results.validation import Refusal


@dataclass(frozen=True)
class Source:
    """Where a record lies: ``path`` in ``results/records``."""

    results: Path
    path: Path


def find_sources(folders: list[Path]) -> tuple[list[Source], list[Refusal]]:
    """Return the records of all folders; of a cell that is in several, the one that was finished last.

    Raises
    ------
    UsageError
        If no folder has a record.
    """
    by_name: dict[str, list[Source]] = {}
    for folder in {folder.resolve(): folder for folder in folders}.values():
        for path in (folder / "records").glob("[!.]*.json"):
            by_name.setdefault(path.stem, []).append(Source(folder, path))
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


def read_source(source: Source) -> tuple[Record, bytes]:
    """Return a record and the bytes it was read from.

    `core.records.record.read_record` also finds keys that are there twice and numbers too large for Python, at four
    times the time, which ten thousand records feel; `cell.summarise` looks at the numbers that are drawn.

    Raises
    ------
    BenchError
        If it is a link, no JSON, of another schema, holds NaN, or its file is named after another cell.
    """
    path = source.path
    if path.is_symlink() or not path.is_file():
        raise StorageError(f"Record {path} is no regular file", then="Copy the file instead of a link.")
    size = path.stat().st_size
    if size > MAX_RECORD_BYTES:
        raise StorageError(f"Record {path} is too large", got=f"{size} bytes", expected=f"<= {MAX_RECORD_BYTES}")
    content = path.read_bytes()
    try:
        tree = pydantic_core.from_json(content, allow_inf_nan=False, cache_strings="keys")
    except ValueError as error:
        nan = " (NaN and infinity are no numbers of JSON)" if b"NaN" in content or b"Infinity" in content else ""
        got = f"{error!s:.200}{nan}"
        raise StorageError(f"Record {path} is damaged", got=got, then="Run that cell again.") from error
    schema = tree.get("schema") if isinstance(tree, dict) else None
    if schema != SCHEMA:
        then = "Update eeg2speech-bench, or run that cell again."
        raise StorageError(f"Record {path} has an unknown schema", got=f"{schema!s:.80}", expected=SCHEMA, then=then)
    try:
        record = Record(**tree)
    except TypeError as error:
        raise StorageError(f"Record {path} has unexpected fields", got=f"{error!s:.200}") from error
    if record.cell.get("id") != path.stem:
        raise DataError(f"Record {path} is of another cell", got=f"{record.cell.get('id')!a:.200}", expected=path.stem)
    return record, content


def reason(error: Exception) -> str:
    """Return one line that says why a record was refused."""
    if isinstance(error, BenchError):
        return str(error)
    return f"It lacks what a record holds ({type(error).__name__}: {error!s:.300})."


def from_results(refusal: Refusal) -> Refusal:
    """Return a refusal as others may read it: paths begin in the results folder, and not on the builder's machine."""
    results, said = refusal.path.parent.parent, refusal.reason
    said = said.replace(f"{results.resolve()}/", "")
    said = said if results == Path() else said.replace(f"{results}/", "")
    return Refusal(refusal.path.relative_to(results), said)


def digest(content: bytes) -> str:
    """Return the SHA-256 of a record's file."""
    return hashlib.sha256(content).hexdigest()


def _finished(source: Source) -> tuple[bool, str, str]:
    """Order records of one cell: done before others, then by when they ended."""
    try:
        record, _ = read_source(source)
        return record.status == "done", str(record.provenance.get("finished", "")), str(source.path)
    except (BenchError, OSError, ValueError, TypeError, AttributeError):
        return False, "", str(source.path)
