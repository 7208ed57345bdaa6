"""Fetches a data set or checkpoints into a folder that is whole and verified, or says what is wrong."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

from eeg2speech_bench.core.errors import DataError, StorageError
from eeg2speech_bench.core.stages.file_hashes import FileHashes
from eeg2speech_bench.core.stages.file_lock import file_lock
from eeg2speech_bench.core.terminal.interruption import uninterrupted
from eeg2speech_bench.core.terminal.progress import Progress
from eeg2speech_bench.datasets.fetching.archives import archives_among, check_room, unpack
from eeg2speech_bench.datasets.fetching.download import Downloads
from eeg2speech_bench.datasets.fetching.hub import RemoteFile, Snapshot, explained_hub, open_snapshot
from eeg2speech_bench.datasets.fetching.manifest import FILE, Manifest, PlacedFile
from eeg2speech_bench.datasets.fetching.sources import Source

#: share of the progress that the download takes; unpacking takes the rest
DOWNLOAD_SHARE = 0.9
_SOUNDS = (".wav", ".flac")


def default_folder(cache: Path, name: str) -> Path:
    """Return where something is fetched to unless another folder is named."""
    return cache / "fetched" / name


def working_folder(folder: Path) -> Path:
    """Return where files wait until all of them are there; it is beside the folder, on the same disk."""
    return folder.with_name(f".fetching-{folder.name}")


def fetch(
    source: Source,
    folder: Path,
    hashes: FileHashes,
    progress: Progress,
    report: Callable[[str], None],
    revision: str = "main",
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
    revision : str
        Commit or branch of the repository.

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
    """
    working = working_folder(folder)
    folder.parent.mkdir(parents=True, exist_ok=True)
    waits = partial(report, f"Another process fetches into {folder}: waiting for it")
    with file_lock(folder.with_name(f".{folder.name}.lock"), waits):
        known = _whole(source, folder, hashes, report, revision)
        if known is not None:
            shutil.rmtree(working, ignore_errors=True)
            return known
        snapshot = open_snapshot(source.repository, revision)
        downloads = working / "downloads"
        downloads.mkdir(parents=True, exist_ok=True)
        arrived = _download(source, snapshot, downloads, progress)
        manifest = _unpack(source, snapshot, arrived, working, progress)
        with uninterrupted():
            _place(manifest, working / "content", folder)
        shutil.rmtree(working, ignore_errors=True)
        return manifest


def _whole(
    source: Source, folder: Path, hashes: FileHashes, report: Callable[[str], None], revision: str
) -> Manifest | None:
    """Return the manifest of a folder that is whole and of the asked revision."""
    known = Manifest.read(folder)
    if known is None:
        if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
            then = "Move them away, or choose another folder with --out."
            raise StorageError(f"Folder {folder} holds files that were not fetched", then=then)
        return None
    if known.name != source.name:
        then = "Choose another folder with --out."
        raise StorageError(f"Folder {folder} holds '{known.name}'", expected=f"'{source.name}'", then=then)
    if revision not in ("main", known.revision):
        report(f"{folder} holds revision {known.revision[:12]}: it is replaced by {revision}")
        return None
    damaged = known.damaged(folder, hashes)
    if damaged:
        report(f"{len(damaged)} of {len(known.files)} files are missing or damaged ({damaged[0]}): fetched again")
        return None
    return known


def _download(
    source: Source, snapshot: Snapshot, folder: Path, progress: Progress
) -> list[tuple[PlacedFile, RemoteFile, Path]]:
    """Download all files of a snapshot; return what each is, and where it lies."""
    files = _needed(snapshot)
    total = max(1, sum(file.size for file in files))
    state = {"bytes": 0}

    def arrived(n_bytes: int) -> None:
        state["bytes"] += n_bytes
        progress(f"{state['bytes'] / 1e6:,.1f} of {total / 1e6:,.1f} MB", DOWNLOAD_SHARE * state["bytes"] / total)

    downloads = Downloads(folder, snapshot.stream, arrived)
    downloads.forget_others(files)
    missing = downloads.missing_bytes(files)
    state["bytes"] = total - missing
    packed = sum(size for size in _archive_sizes(files))
    check_room(folder, missing + packed, f"{source.name}, downloaded and unpacked")
    with explained_hub(source.address):
        placed = downloads.fetch(files)
    return [(one, file, downloads.place_of(file)) for one, file in zip(placed, files, strict=True)]


def _needed(snapshot: Snapshot) -> list[RemoteFile]:
    for file in snapshot.files:
        path = Path(file.path)
        if path.is_absolute() or ".." in path.parts or file.path == FILE or not file.key.isalnum():
            raise DataError(f"Repository {snapshot.repository} names a file that would not lie in its folder: {path}")
    return list(snapshot.files)


def _archive_sizes(files: Sequence[RemoteFile]) -> list[int]:
    sizes = {file.path: file.size for file in files}
    return [sizes[part] for parts in archives_among(sizes).values() for part in parts]


def _unpack(
    source: Source,
    snapshot: Snapshot,
    arrived: Sequence[tuple[PlacedFile, RemoteFile, Path]],
    working: Path,
    progress: Progress,
) -> Manifest:
    """Make the content of the folder anew, of archives and single files; return its manifest, which is in it."""
    content = working / "content"
    shutil.rmtree(content, ignore_errors=True)  # left by a fetch that was stopped
    content.mkdir()
    places = {one.path: path for one, _, path in arrived}
    archives = archives_among(places)
    parts = {part for own in archives.values() for part in own}
    files = []
    for number, (archive, own) in enumerate(archives.items()):
        done = DOWNLOAD_SHARE + (1 - DOWNLOAD_SHARE) * number / len(archives)
        files += unpack(
            archive,
            [places[part] for part in own],
            content,
            lambda share, done=done, archive=archive: progress(  # type: ignore[misc]
                f"unpacking {archive}", done + (1 - DOWNLOAD_SHARE) * share / len(archives)
            ),
        )
    for one, _, path in arrived:
        if one.path not in parts:
            (content / one.path).parent.mkdir(parents=True, exist_ok=True)
            _link(path, content / one.path)
            files.append(one)
    manifest = Manifest(
        name=source.name,
        source=source.address,
        revision=snapshot.revision,
        downloaded=[one for one, _, _ in arrived],
        files=files,
        sound_s=_sound_s(content, files),
    )
    manifest.write(content)
    return manifest


def _link(path: Path, place: Path) -> None:
    """Give a file a second name, or copy it where the disk has no such names."""
    try:
        place.hardlink_to(path)
    except OSError:
        shutil.copyfile(path, place)


def _sound_s(folder: Path, files: Sequence[PlacedFile]) -> float:
    """Add up the lengths that the headers of sound files say; files that are none add nothing."""
    import soundfile

    total = 0.0
    for file in files:
        if file.path.lower().endswith(_SOUNDS):
            try:
                total += soundfile.info(str(folder / file.path)).duration
            except soundfile.SoundFileError:
                continue  # whoever reads the data set says what is wrong with it
    return round(total, 3)


def _place(manifest: Manifest, content: Path, folder: Path) -> None:
    """Move a finished folder to its place; into one that is there, file by file and the manifest last."""
    if not folder.exists() or not any(folder.iterdir()):
        if folder.exists():
            folder.rmdir()
        content.rename(folder)
        return
    before = Manifest.read(folder)
    for file in manifest.files:
        place = folder / file.path
        place.parent.mkdir(parents=True, exist_ok=True)
        (content / file.path).replace(place)
    (content / FILE).replace(folder / FILE)
    gone = {file.path for file in before.files} - {file.path for file in manifest.files} if before else set()
    for path in gone:
        (folder / path).unlink(missing_ok=True)
