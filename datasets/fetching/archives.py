"""Unpacks zip archives, also those that were cut into parts, and lets no member leave its folder."""

from __future__ import annotations

import hashlib
import io
import re
import shutil
import stat
import zipfile
import zlib
from bisect import bisect_right
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from itertools import accumulate
from pathlib import Path, PurePosixPath

from eeg2speech_bench.core.errors import DataError, StorageError
from eeg2speech_bench.datasets.fetching.manifest import FILE, PlacedFile

#: a part of an archive: ``checkpoints.zip.part2``, ``checkpoints.zip.partab``, ``checkpoints.zip.002``
_PART = re.compile(r"(?P<whole>.+\.zip)\.(?:part[-_.]?(?=\w)|(?=\d))(?P<part>\w+)", re.IGNORECASE)
#: what macOS adds to archives
_LITTER = ("__MACOSX", ".DS_Store")
#: what is left free on the disk
SPARE_BYTES = 64_000_000
_CHUNK_BYTES = 1 << 20
#: what the library raises of an archive that is cut or changed, or packed in a way that it does not know
_DAMAGED = (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError)


def natural_order(name: str) -> list[tuple[int, int | str]]:
    """Return a key that sorts ``part2`` before ``part10``."""
    pieces = re.split(r"(\d+)", name)
    return [(0, int(piece)) if piece.isdecimal() else (1, piece) for piece in pieces if piece]


def archives_among(names: Iterable[str]) -> dict[str, list[str]]:
    """Return the archives among files, by name, each with its parts in order; a whole one is its own part.

    Raises
    ------
    DataError
        If a number is missing between two parts.
    """
    found: dict[str, list[str]] = {}
    for name in sorted(names, key=natural_order):
        if match := _PART.fullmatch(name):
            found.setdefault(match["whole"], []).append(name)
        elif name.lower().endswith(".zip"):
            found[name] = [name]
    for archive, parts in found.items():
        _check_no_gap(archive, parts)
    return found


def _check_no_gap(archive: str, parts: Sequence[str]) -> None:
    ends = [match["part"] for part in parts if (match := _PART.fullmatch(part))]
    if not ends or not all(end.isdecimal() for end in ends):
        return
    numbers = [int(end) for end in ends]
    missing = sorted(set(range(min(numbers), max(numbers))) - set(numbers))
    if missing or min(numbers) > 1:
        got = f"no part {missing[0]}" if missing else f"part {min(numbers)} as the first"
        raise DataError(f"Archive {archive} lacks a part", got=got, expected=f"all parts up to {max(numbers)}")


class JoinedParts(io.RawIOBase):
    """Reads several files as if they were one, so that an archive in parts needs no second copy."""

    def __init__(self, parts: Sequence[Path]) -> None:
        self._files = [part.open("rb") for part in parts]
        self._ends = list(accumulate(part.stat().st_size for part in parts))
        self._at = 0

    def readable(self) -> bool:
        """Say that it can be read."""
        return True

    def seekable(self) -> bool:
        """Say that it can be read anywhere."""
        return True

    def tell(self) -> int:
        """Return the place that is read next."""
        return self._at

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        """Go to a place."""
        base = {io.SEEK_SET: 0, io.SEEK_CUR: self._at, io.SEEK_END: self._ends[-1]}[whence]
        self._at = max(0, base + offset)
        return self._at

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]
        """Read what the part at this place holds, or less."""
        number = bisect_right(self._ends, self._at)
        if number == len(self._ends):
            return 0
        file = self._files[number]
        file.seek(self._at - (self._ends[number - 1] if number else 0))
        n = file.readinto(memoryview(buffer)[: self._ends[number] - self._at])  # type: ignore[attr-defined]
        self._at += n
        return int(n)

    def close(self) -> None:
        """Close all parts."""
        for file in self._files:
            file.close()
        super().close()


def unpack(name: str, parts: Sequence[Path], out: Path, progress: Callable[[float], None]) -> list[PlacedFile]:
    """Unpack an archive into a folder, and return its files.

    Parameters
    ----------
    name : str
        What messages call it.
    parts : sequence of Path
        In order.
    out : Path
    progress : callable
        Told the share that is done.

    Raises
    ------
    DataError
        If it is damaged or encrypted, or a member would lie outside the folder, is a link, or is there twice.
    StorageError
        If the disk has too little room for what is in it.
    """
    with _open(name, parts) as archive:
        members = [member for member in archive.infolist() if not member.is_dir() and not _is_litter(member.filename)]
        paths = [_checked_path(name, member) for member in members]
        twice = next((path for path in paths if paths.count(path) > 1), None) if len(set(paths)) < len(paths) else None
        if twice is not None:
            raise DataError(f"Archive {name} holds a file twice", got=str(twice))
        total = sum(member.file_size for member in members)
        check_room(out, total, f"what is in {name}")
        placed, done = [], 0
        for member, path in zip(members, paths, strict=True):
            placed.append(_extract(archive, member, path, out))
            done += member.file_size
            progress(done / max(total, 1))
        return placed


def check_room(folder: Path, n_bytes: int, what: str) -> None:
    """Refuse to begin what the disk has no room for (`StorageError`)."""
    free = shutil.disk_usage(folder).free
    if free < n_bytes + SPARE_BYTES:
        raise StorageError(
            f"The disk of {folder} has too little room for {what}",
            got=f"{free / 1e9:.2f} GB free",
            expected=f"{(n_bytes + SPARE_BYTES) / 1e9:.2f} GB",
            then="Free some space, or choose another disk with --cache or --out; what has arrived is kept.",
        )


@contextmanager
def _open(name: str, parts: Sequence[Path]) -> Iterator[zipfile.ZipFile]:
    with io.BufferedReader(JoinedParts(parts), _CHUNK_BYTES) as joined:
        try:
            with zipfile.ZipFile(joined) as archive:
                yield archive
        except (*_DAMAGED, FileExistsError, NotADirectoryError) as error:
            raise DataError(f"Archive {name} cannot be unpacked", got=f"{type(error).__name__}: {error}") from error


def _is_litter(path: str) -> bool:
    return any(part in _LITTER for part in PurePosixPath(path).parts)


def _checked_path(name: str, member: zipfile.ZipInfo) -> PurePosixPath:
    said = member.orig_filename.replace("\\", "/")
    path = PurePosixPath(said)
    if path.is_absolute() or ".." in path.parts or ":" in said or "\0" in said or not path.parts or said == FILE:
        raise DataError(f"Archive {name} holds a file that would not lie in its folder", got=repr(member.orig_filename))
    if stat.S_ISLNK(member.external_attr >> 16):
        raise DataError(f"Archive {name} holds a link", got=repr(said), expected="files and folders alone")
    if member.flag_bits & 0x1:
        raise DataError(f"Archive {name} is encrypted", got=repr(said))
    return path


def _extract(archive: zipfile.ZipFile, member: zipfile.ZipInfo, path: PurePosixPath, out: Path) -> PlacedFile:
    place = out / path
    place.parent.mkdir(parents=True, exist_ok=True)
    digest = hashlib.sha256()
    with archive.open(member) as content, place.open("xb") as file:
        while chunk := content.read(_CHUNK_BYTES):
            digest.update(chunk)
            file.write(chunk)
    return PlacedFile(path=path.as_posix(), size=member.file_size, sha256=digest.hexdigest())
