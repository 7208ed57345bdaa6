"""Sends records to a shared place and takes them from it; what comes in is checked, and never run."""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from eeg2speech_bench.core.errors import BenchError, StorageError, UsageError
from eeg2speech_bench.core.records.record import MAX_RECORD_BYTES, Record
from eeg2speech_bench.core.records.record_store import RecordStore
from eeg2speech_bench.core.stages.disk_trouble import explained
from eeg2speech_bench.leaderboard.results.aggregates import MAX_SEGMENTS_BYTES
from eeg2speech_bench.leaderboard.results.merging import plan_merge, take_in
from eeg2speech_bench.leaderboard.results.remotes import Remote, open_remote, wanted
from eeg2speech_bench.leaderboard.results.validation import (
    MAX_CLIP_BYTES,
    Refusal,
    cell_of,
    files_of,
    printable,
    read_results,
    report_refusals,
)

#: names of foreign files that are shown
MAX_SHOWN = 20
_LIMITS = {".json": MAX_RECORD_BYTES, ".parquet": MAX_SEGMENTS_BYTES, ".flac": MAX_CLIP_BYTES}


@contextmanager
def _quarantine(results: Path) -> Iterator[Path]:
    """Give an empty folder on the disk of the results, that is gone afterwards."""
    with explained(results):
        results.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=".incoming-", dir=results) as folder:
            yield Path(folder)


def push(remote: Remote, results: Path, *, dry_run: bool = False) -> list[Refusal]:
    """Send the valid records of a folder, with values and audio, that the other side does not have yet.

    Parameters
    ----------
    remote : Remote
    results : Path
    dry_run : bool
        Only say what would be sent.

    Returns
    -------
    list of Refusal
        Records that are not valid, and were not sent.

    Raises
    ------
    StorageError
        If the other side has one of these cells with other numbers; then nothing is sent.
    """
    records, refusals = read_results(results)
    new = _not_there_yet(remote, results, records)
    store = RecordStore(results)
    files: dict[str, Path] = {}
    for record in new:
        paths = [*files_of(results, record), store.path(record.cell.id)]
        files |= {path.relative_to(results).as_posix(): path for path in paths}
        print(f"{'would send' if dry_run else 'sending'}: {record.cell.id} ({record.status}, {len(paths)} files)")
    if files and not dry_run:
        seen_at = remote.send(files, f"Add {len(new)} record(s) of eeg2speech-bench")
        print(f"Sent {len(new)} record(s), {_megabytes(files)}: {printable(seen_at)}")
    print(f"{len(new)} new, {len(records) - len(new)} there already, {len(refusals)} refused.")
    return refusals


def _megabytes(files: Mapping[str, Path]) -> str:
    return f"{sum(path.stat().st_size for path in files.values()) / 1e6:.1f} MB"


def _not_there_yet(remote: Remote, results: Path, records: list[Record]) -> list[Record]:
    own = {f"records/{record.cell.id}.json": record for record in records}
    common = [name for name, size in remote.sizes().items() if name in own and size <= MAX_RECORD_BYTES]
    same, collisions = set(), []
    with _quarantine(results) as folder:
        _fetch(remote, common, folder)
        for name in common:
            problem = _contradiction(own[name], folder / name)
            if problem:
                collisions.append(f"{name} {problem}")
            elif problem is not None:
                same.add(name)
    if collisions:
        then = "Pull it, and remove the one that is wrong. Nothing was sent."
        raise StorageError(f"{remote.name} and {results} collide: " + "; ".join(collisions), then=then)
    return [record for name, record in own.items() if name not in same]


def _contradiction(record: Record, path: Path) -> str | None:
    """Say why a record cannot stand for the one at ``path``; empty if they are the same, None if it replaces it."""
    try:
        other = Record.read(path)
    except BenchError:
        return "is not a valid record there"
    if other.status != "done" and record.status == "done":
        return None
    return "" if record.status != "done" or record.semantic() == other.semantic() else "has other numbers there"


def _fetch(remote: Remote, names: list[str], folder: Path) -> None:
    if names:
        remote.fetch(names, folder)


def pull(remote: Remote, results: Path, *, dry_run: bool = False) -> list[Refusal]:
    """Take in records from elsewhere: they are checked one by one aside, and only the good ones are copied.

    Parameters
    ----------
    remote : Remote
    results : Path
        Folder that takes them in; it need not exist.
    dry_run : bool
        Only say what would be taken in.

    Returns
    -------
    list of Refusal
        Records that were refused, by their names there: invalid, or in contradiction to one that is here.

    Raises
    ------
    StorageError
        If the other side or the disk fails.
    UsageError
        If there is no record at all.
    """
    sizes = remote.sizes()
    kept, ignored = wanted(sizes)
    if not kept:
        raise UsageError(f"{remote.name} has no records", got=f"{len(sizes)} other files", expected="records/*.json")
    _name_ignored(ignored)
    too_large = [name for name, size in kept.items() if size > _LIMITS[Path(name).suffix]]
    refusals = [Refusal(Path(name), f"it is too large: {kept.pop(name)} bytes") for name in too_large]
    with _quarantine(results) as folder:
        names = [name for name in kept if name.startswith("records/")]
        _fetch(remote, names, folder)
        fresh = [name for name in names if not _is_there(folder / name, results)]
        cells = {cell_of(name) for name in fresh}
        beside = [name for name in kept if cell_of(name) in cells and name not in names]
        size_mb = sum(kept[name] for name in beside) / 1e6
        there = len(names) - len(fresh)
        print(f"{len(names)} record(s), {there} here already; {len(beside)} file(s), {size_mb:.1f} MB, to fetch")
        _fetch(remote, beside, folder)
        records, refused = read_results(folder, sorted(cell for cell in cells if cell))
        merge = plan_merge([(RecordStore(folder).path(r.cell.id), r) for r in records], results)
        merge.same += [folder / name for name in names if name not in fresh]
        take_in(merge, results, dry_run=dry_run)
        found = [*refused, *merge.collisions]
        refusals += [Refusal(r.path.relative_to(folder), r.reason.replace(str(folder), remote.name)) for r in found]
    return refusals


def _is_there(path: Path, results: Path) -> bool:
    try:
        return Record.read(path).semantic() == Record.read(RecordStore(results).path(path.stem)).semantic()
    except BenchError:
        return False  # what is wrong with it is said when it is checked


def _name_ignored(names: list[str]) -> None:
    if names:
        shown = ", ".join(printable(name) for name in names[:MAX_SHOWN])
        more = f" and {len(names) - MAX_SHOWN} more" if len(names) > MAX_SHOWN else ""
        print(f"ignored, not of a results folder: {shown}{more}", file=sys.stderr)


def configure_push(parser: argparse.ArgumentParser) -> None:
    """Add the options of ``leaderboard push``."""
    _configure(parser)
    parser.add_argument("--direct", action="store_true", help="commit to the main branch instead of a pull request")


def configure_pull(parser: argparse.ArgumentParser) -> None:
    """Add the options of ``leaderboard pull``."""
    _configure(parser)


def _configure(parser: argparse.ArgumentParser) -> None:
    place = "OWNER/NAME, a data set repository of the Hugging Face hub, or a URL (s3://, gs://, file://)"
    parser.add_argument("place", metavar="REPO|URL", help=place)
    parser.add_argument("--results", type=Path, default=argparse.SUPPRESS, metavar="DIR", help="default: ./results")
    parser.add_argument("--dry-run", action="store_true", help="say what would be done, change nothing")


def run_push(arguments: argparse.Namespace) -> int:
    """Send records; return 1 if some were refused."""
    if not (arguments.results / "records").is_dir():
        raise UsageError(f"Folder {arguments.results} has no records", then="Give --results.")
    remote = open_remote(arguments.place, direct=arguments.direct)
    refusals = push(remote, arguments.results, dry_run=arguments.dry_run)
    report_refusals(refusals)
    return 1 if refusals else 0


def run_pull(arguments: argparse.Namespace) -> int:
    """Take records in; return 1 if some were refused."""
    remote = open_remote(arguments.place)
    refusals = pull(remote, arguments.results, dry_run=arguments.dry_run)
    report_refusals(refusals, f"{remote.name}/")
    return 1 if refusals else 0
