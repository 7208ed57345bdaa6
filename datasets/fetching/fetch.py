"""Fetches a data set or checkpoints into a folder that is whole and verified, or says what is wrong."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path, PurePosixPath

from eeg2speech_bench.core.errors import DataError, StorageError, UsageError
from eeg2speech_bench.core.stages.file_hashes import FileHashes
from eeg2speech_bench.core.stages.file_lock import file_lock
from eeg2speech_bench.core.terminal.interruption import uninterrupted
from eeg2speech_bench.core.terminal.progress import Progress
from eeg2speech_bench.datasets.fetching.archives import archives_among, check_room, natural_order
from eeg2speech_bench.datasets.fetching.content import link_or_copy, make_content, place_content
from eeg2speech_bench.datasets.fetching.download import Downloads
from eeg2speech_bench.datasets.fetching.manifest import FILE, Manifest, PlacedFile
from eeg2speech_bench.datasets.fetching.remote_files import RemoteFile, Snapshot
from eeg2speech_bench.datasets.fetching.sources import Source

#: share of the progress that the download takes; unpacking takes the rest
DOWNLOAD_SHARE = 0.9


def default_folder(cache: Path, name: str) -> Path:
    """Return where something is fetched to unless another folder is named."""
    return cache / "fetched" / name


def working_folder(folder: Path) -> Path:
    """Return where files wait until all of them are there; it is beside the folder, on the same disk."""
    return folder.with_name(f".fetching-{folder.name}")


@dataclass(frozen=True)
class Wanted:
    """What of a source is wanted.

    Attributes
    ----------
    revision : str
        Commit, branch or version; empty for the latest, or for what is there already.
    n_listeners : int, optional
        Only files of the first so many listeners of a BIDS data set, and those of none; None for all.
    """

    revision: str = ""
    n_listeners: int | None = None

    def among(self, source: Source, files: Sequence[RemoteFile]) -> list[RemoteFile]:
        """Return the wanted files."""
        if self.n_listeners is None:
            return list(files)
        listeners = sorted({name for file in files if (name := _listener(file.path))}, key=natural_order)
        if not 1 <= self.n_listeners <= len(listeners):
            expected = f"1 to {len(listeners)}" if listeners else "none: it is no BIDS data set"
            raise UsageError(f"'{source.name}' has not so many listeners", got=self.n_listeners, expected=expected)
        kept = {"", *listeners[: self.n_listeners]}
        return [file for file in files if _listener(file.path) in kept]


def _listener(path: str) -> str:
    """Return the first folder of a path that is a listener's, as sub-01; derivatives have them further down."""
    return next((part for part in PurePosixPath(path).parts[:-1] if part.startswith("sub-")), "")


def fetch(
    source: Source,
    folder: Path,
    hashes: FileHashes,
    progress: Progress,
    report: Callable[[str], None],
    wanted: Wanted = Wanted(),
) -> Manifest:
    """Fetch into ``folder``, which is what it was before until everything has arrived and was verified.

    Nothing is asked of the network if the folder is whole. One process at a time writes; another one waits, and
    then finds the folder whole. What had arrived when a fetch was stopped, by whatever, is not downloaded again.

    Parameters
    ----------
    source : Source
    folder : Path
        Made if it is not there. Files that are not part of ``source`` stay in it.
    hashes : FileHashes
        Remembers what was verified.
    progress : callable
    report : callable
        Takes lines of text.
    wanted : Wanted

    Returns
    -------
    Manifest

    Raises
    ------
    StorageError
        If the repository cannot be reached, the disk has too little room, or the folder holds files that were not
        fetched.
    DataError
        If files are not what the repository says they are, or an archive is unsafe or damaged.
    UsageError
        If there is no such revision, or there are not so many listeners.
    """
    working = working_folder(folder)
    folder.parent.mkdir(parents=True, exist_ok=True)
    waits = partial(report, f"Another process fetches into {folder}: waiting for it")
    with file_lock(folder.with_name(f".{folder.name}.lock"), waits):
        before = _manifest_of(source, folder)
        is_named = before is not None and wanted.revision in ("", before.revision)
        snapshot = None if is_named else source.open(wanted.revision)  # a branch may have moved
        is_same = before is not None and (snapshot is None or snapshot.revision == before.revision)
        if before is not None and is_same and _is_whole(before, folder, hashes, report, wanted.n_listeners):
            report("Everything is here already: nothing was fetched")
            manifest = before
        else:
            snapshot = snapshot or source.open(wanted.revision)
            files = wanted.among(source, _safe(snapshot))
            (working / "downloads").mkdir(parents=True, exist_ok=True)
            _reuse(before, folder, files, working / "downloads", hashes)
            manifest = _make(source, snapshot, files, wanted.n_listeners, working, progress)
            with uninterrupted():
                place_content(manifest, before, working / "content", folder)
        shutil.rmtree(working, ignore_errors=True)
        return manifest


def _make(
    source: Source,
    snapshot: Snapshot,
    files: Sequence[RemoteFile],
    n_listeners: int | None,
    working: Path,
    progress: Progress,
) -> Manifest:
    """Download files and make the content of the folder of them, with its manifest."""
    arrived = _download(source, snapshot, files, working / "downloads", progress)
    placed = make_content(
        arrived,
        working / "content",
        lambda note, share: progress(note, DOWNLOAD_SHARE + (1 - DOWNLOAD_SHARE) * share),
        unpacks=source.host == "hub",
    )
    manifest = Manifest(
        name=source.name,
        source=snapshot.address,
        revision=snapshot.revision,
        n_listeners=n_listeners,
        downloaded=[one for one, _ in arrived],
        files=placed.files,
        sound_s=placed.sound_s,
    )
    manifest.write(working / "content")
    return manifest


def _manifest_of(source: Source, folder: Path) -> Manifest | None:
    """Return what was fetched into a folder before; other people's folders are refused."""
    known = Manifest.read(folder)
    if known is None:
        if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
            then = "Move them away, or choose another folder with --out."
            raise StorageError(f"Folder {folder} holds files that were not fetched", then=then)
        return None
    if known.name != source.name:
        then = "Choose another folder with --out."
        raise StorageError(f"Folder {folder} holds '{known.name}'", expected=f"'{source.name}'", then=then)
    return known


def _is_whole(
    known: Manifest, folder: Path, hashes: FileHashes, report: Callable[[str], None], n_listeners: int | None
) -> bool:
    """Whether a folder holds these listeners at least, byte by byte."""
    if known.n_listeners not in (None, n_listeners):
        report(f"{folder} holds {known.n_listeners} listeners: the others are added or removed")
        return False
    damaged = known.damaged(folder, hashes)
    if damaged:
        report(f"{len(damaged)} of {len(known.files)} files are missing or damaged ({damaged[0]}): fetched again")
    return not damaged


def _safe(snapshot: Snapshot) -> tuple[RemoteFile, ...]:
    """Return the files, none of which may lie elsewhere than in the folder."""
    for file in snapshot.files:
        path = PurePosixPath(file.path)
        if path.is_absolute() or ".." in path.parts or "\\" in file.path or not path.parts or file.path == FILE:
            raise DataError(f"{snapshot.address} names a file that would not lie in its folder", got=repr(file.path))
        if not file.digest.isalnum():
            raise DataError(f"{snapshot.address} gives no hash of {file.path}", got=repr(file.digest))
    return snapshot.files


def _reuse(
    before: Manifest | None, folder: Path, files: Sequence[RemoteFile], downloads: Path, hashes: FileHashes
) -> None:
    """Let files that are in the folder already stand for their download, if their content is the wanted one."""
    lacking = set(before.lacking(folder)) if before else set()
    known = {file.sha256: file.path for file in before.files if file.path not in lacking} if before else {}
    for file in files:
        place = downloads / file.digest
        if file.digest in known and not place.exists():
            own = folder / known[file.digest]
            if hashes.of(own) == file.digest:
                link_or_copy(own, place)


def _download(
    source: Source, snapshot: Snapshot, files: Sequence[RemoteFile], folder: Path, progress: Progress
) -> list[tuple[PlacedFile, Path]]:
    """Download files of a snapshot; return what each is, and where it lies."""
    total = sum(file.size for file in files)
    state = {"bytes": 0}

    def arrived(n_bytes: int) -> None:
        state["bytes"] += n_bytes
        share = state["bytes"] / max(total, 1)
        progress(f"{state['bytes'] / 1e6:,.1f} of {total / 1e6:,.1f} MB", DOWNLOAD_SHARE * share)

    downloads = Downloads(folder, snapshot.opens, arrived)
    downloads.forget_others(files)
    missing = downloads.missing_bytes(files)
    state["bytes"] = total - missing
    sizes = {file.path: file.size for file in files}
    archives = archives_among(sizes) if source.host == "hub" else {}
    packed = sum(sizes[part] for parts in archives.values() for part in parts)
    check_room(folder, missing + packed, f"{source.name}, downloaded and unpacked")
    with snapshot.explained(snapshot.address):
        placed = downloads.fetch(files)
    return [(one, downloads.place_of(file)) for one, file in zip(placed, files, strict=True)]
