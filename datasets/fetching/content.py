"""Makes the content of a fetched folder of what was downloaded, and puts it in its place."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from eeg2speech_bench.core.terminal.progress import Progress
from eeg2speech_bench.datasets.fetching.archives import archives_among, unpack
from eeg2speech_bench.datasets.fetching.manifest import FILE, Manifest, PlacedFile

_SOUNDS = (".wav", ".flac")


@dataclass(frozen=True)
class Content:
    """Files of a folder, and the length of all sounds among them in seconds."""

    files: list[PlacedFile]
    sound_s: float


def make_content(
    arrived: Sequence[tuple[PlacedFile, Path]], out: Path, progress: Progress, *, unpacks: bool
) -> Content:
    """Unpack archives and give other files their names.

    Parameters
    ----------
    arrived : sequence of (PlacedFile, Path)
        What was downloaded, and where it lies.
    out : Path
        Made anew.
    progress : callable
    unpacks : bool
        Whether archives are unpacked, or files like others.

    Raises
    ------
    DataError, StorageError
        As in `unpack`.
    """
    shutil.rmtree(out, ignore_errors=True)  # left by a fetch that was stopped
    out.mkdir()
    places = {one.path: path for one, path in arrived}
    archives = archives_among(places) if unpacks else {}
    parts = {part for own in archives.values() for part in own}
    files: list[PlacedFile] = []
    for number, (archive, own) in enumerate(archives.items()):

        def tell(share: float, number: int = number, archive: str = archive) -> None:
            progress(f"unpacking {archive}", (number + share) / len(archives))

        files += unpack(archive, [places[part] for part in own], out, tell)
    linked: set[Path] = set()
    for one, path in arrived:
        if one.path not in parts:
            place = out / one.path
            place.parent.mkdir(parents=True, exist_ok=True)
            if path in linked:  # two names of one file would change together
                shutil.copyfile(path, place)
            else:
                link_or_copy(path, place)
                linked.add(path)
            files.append(one)
    return Content(files, _sound_s(out, files))


def place_content(manifest: Manifest, before: Manifest | None, content: Path, folder: Path) -> None:
    """Move a finished folder to its place; into one that is there, file by file and the manifest last."""
    if before is None:
        if folder.exists():
            folder.rmdir()  # it is empty
        content.rename(folder)
        return
    for file in manifest.files:
        place = folder / file.path
        place.parent.mkdir(parents=True, exist_ok=True)
        (content / file.path).replace(place)
    (content / FILE).replace(folder / FILE)
    for path in {file.path for file in before.files} - {file.path for file in manifest.files}:
        (folder / path).unlink(missing_ok=True)


def link_or_copy(path: Path, place: Path) -> None:
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
