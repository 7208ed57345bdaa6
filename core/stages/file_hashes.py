"""Hashes the content of files and folders, and remembers the hashes so that a second run reads nothing again."""

from __future__ import annotations

import hashlib
import json
import os
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path

from filelock import FileLock, Timeout

from eeg2speech_bench.core.errors import StorageError
from eeg2speech_bench.core.stages.json_files import write_atomically

#: the memory's file below the cache folder
MEMORY = "file-hashes.json"
#: a file that changed so recently may change again within one tick of its clock and look the same (git: "racily clean")
RACY_S = 2.0
#: files that are remembered, the latest ones: some 20 MB of memory at most
MAX_REMEMBERED = 100_000
LOCK_TIMEOUT_S = 10.0

#: path -> what `os.stat` said of the file when it was read, and the SHA-256 of its content
_Remembered = dict[str, tuple[list[int], str]]


class FileHashes:
    """SHA-256 of files and folders, read once and remembered by path, size, times and inode.

    Parameters
    ----------
    cache : Path, optional
        Folder that keeps the memory (``file-hashes.json``); several runs may share it. A damaged memory is ignored and
        one that cannot be written is not kept, since a file can always be read again. None: remembered by this object
        alone.

    Attributes
    ----------
    cache : Path or None
        That folder, where others may keep what they learnt of a file's content.

    Examples
    --------
    >>> FileHashes(default_cache()).of(Path("weights"))  # doctest: +SKIP
    '3f6c0d...'
    """

    def __init__(self, cache: Path | None = None) -> None:
        self.cache = None if cache is None else Path(cache)
        self._file = None if cache is None else Path(cache) / MEMORY
        self._new: _Remembered = {}
        self._waits = False

    def of(self, path: Path) -> str:
        """Hash the content of a file, or of all files below a folder with their names.

        Links are followed, as a reader would. The name of the file or folder itself makes no difference.

        Parameters
        ----------
        path : Path

        Returns
        -------
        str
            64 hexadecimal digits; for a file, those that ``sha256sum`` prints.

        Raises
        ------
        StorageError
            If the path does not exist or a file cannot be read.
        """
        path = Path(path)
        if path.is_dir():
            return self.of_files(path, files_below(path))
        digest = self._of_file(path)
        self._save()
        return digest

    def of_files(self, root: Path, files: Iterable[Path]) -> str:
        """Hash the content of several files with their names below ``root``; their order makes no difference.

        Parameters
        ----------
        root : Path
        files : iterable of Path
            Files below ``root``. A link to nothing counts by its target, as what git-annex has not downloaded.

        Returns
        -------
        str
            64 hexadecimal digits.

        Raises
        ------
        StorageError
            If a file does not exist or cannot be read.
        """
        digest = hashlib.sha256()
        for name, file in sorted((file.relative_to(root).as_posix(), file) for file in set(files)):
            absent = file.is_symlink() and not file.exists()
            content = f"link to {file.readlink()}" if absent else self._of_file(file)
            digest.update(os.fsencode(f"{name}\0{content}\0"))
        self._save()
        return digest.hexdigest()

    @contextmanager
    def saved_once(self) -> Iterator[None]:
        """Write the memory at the end of a block alone, where many single files are asked for."""
        self._waits = True
        try:
            yield
        finally:
            self._waits = False
            self._save()

    def bytes_to_read(self, files: Iterable[Path]) -> int:
        """Sum the sizes of those files that are not remembered, so that a long wait can be announced."""
        return sum(file.stat().st_size for file in set(files) if file.is_file() and not self._recall(file))

    def _of_file(self, path: Path) -> str:
        return self._recall(path) or self._read(path)

    def _recall(self, path: Path) -> str:
        """Return the hash of a file that looks as it did when it was read; empty if it does not."""
        key = os.path.realpath(path)
        known = self._new.get(key) or self._old.get(key)
        try:
            return known[1] if known and known[0] == _looks(path.stat()) else ""
        except OSError:
            return ""  # the reader says what is wrong

    def _read(self, path: Path) -> str:
        started = time.time()
        try:
            with path.open("rb") as file:
                before = os.fstat(file.fileno())
                digest = hashlib.file_digest(file, "sha256").hexdigest()
                after = os.fstat(file.fileno())
        except FileNotFoundError:
            raise StorageError(f"{path} does not exist", then="Check the path; nothing was hashed.") from None
        except OSError as error:
            raise StorageError(f"{path} cannot be read", got=error.strerror, then="Check its permissions.") from error
        if _looks(before) == _looks(after) and not _is_racy(after, started):
            self._new[os.path.realpath(path)] = (_looks(after), digest)
        return digest

    @cached_property
    def _old(self) -> _Remembered:
        return _read_memory(self._file) if self._file else {}

    def _save(self) -> None:
        """Add what is new to what other runs have remembered meanwhile."""
        if self._waits or not self._new or self._file is None:
            return
        try:
            self._file.parent.mkdir(parents=True, exist_ok=True)
            with FileLock(f"{self._file}.lock", timeout=LOCK_TIMEOUT_S):
                known = _read_memory(self._file)
                merged = {path: entry for path, entry in known.items() if path not in self._new} | self._new
                self._old = dict(list(merged.items())[-MAX_REMEMBERED:])
                write_atomically(self._file, json.dumps(self._old).encode())
        except (OSError, NotImplementedError, Timeout):
            return  # a memory that cannot be kept costs time alone
        self._new = {}


def files_below(folder: Path) -> Iterator[Path]:
    """Yield the regular files below a folder, and links to nothing; links to folders are followed, circles are not."""
    try:
        yield from _files_below(folder, ())
    except OSError as error:
        raise StorageError(
            f"Folder {folder} cannot be read", got=f"{error.strerror}: {error.filename}", then="Check its permissions."
        ) from error


def _files_below(folder: Path, above: tuple[str, ...]) -> Iterator[Path]:
    here = os.path.realpath(folder)
    if here in above:
        return
    for path in sorted(folder.iterdir()):
        if path.is_dir():
            yield from _files_below(path, (*above, here))
        elif path.is_file() or path.is_symlink():
            yield path


def _looks(status: os.stat_result) -> list[int]:
    """Return what shows that a file is unchanged.

    The time of the last change of its entry (ctime) is in it, since many programs restore the time of the last
    writing. The number of the device is not: that of a network disk is another after each mount.
    """
    return [status.st_size, status.st_mtime_ns, status.st_ctime_ns, status.st_ino]


def _is_racy(status: os.stat_result, read_at: float) -> bool:
    return any(abs(read_at - stamp) < RACY_S for stamp in (status.st_mtime, status.st_ctime))


def _read_memory(file: Path) -> _Remembered:
    """Read what earlier runs remembered; nothing where the file is absent or damaged."""
    try:
        content = json.loads(file.read_bytes())
        return {str(path): ([int(n) for n in looks], str(digest)) for path, (looks, digest) in content.items()}
    except (OSError, ValueError, TypeError, AttributeError):
        return {}
