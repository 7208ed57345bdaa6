"""Remembers what was written into a folder, and finds out later whether it is still there as it was."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Mapping
from pathlib import Path

from eeg2speech_bench.core.stages.disk_trouble import does_not_answer

#: files up to this size are checked in full, larger ones at both ends, so that a check stays quick on hours of EEG
FULL_CHECK_BYTES = 1 << 24

#: by name below the folder: size in bytes and digest
WrittenFiles = dict[str, tuple[int, str]]


def written_files(folder: Path) -> WrittenFiles:
    """Return size and digest of every file below a folder."""
    files = sorted(f for f in folder.rglob("*") if f.is_file())
    return {f.relative_to(folder).as_posix(): (f.stat().st_size, _digest(f)) for f in files}


def damage_of(folder: Path, written: Mapping[str, tuple[int, str]]) -> str:
    """Say what is not as it was written; empty if nothing is. Files beside those that were written do not matter.

    Raises
    ------
    OSError
        If the disk does not answer: what it keeps may be whole.
    """
    for name, (size, digest) in written.items():
        try:
            found = (folder / name).stat().st_size
            if found != size:
                return f"{name} has {found} bytes instead of {size}"
            if _digest(folder / name) != digest:
                return f"{name} has changed since it was written"
        except FileNotFoundError:
            return f"{name} is missing"
        except OSError as error:
            if does_not_answer(error):
                raise
            return f"{name} cannot be read ({error.strerror})"
    return ""


def _digest(file: Path) -> str:
    digest = hashlib.sha256()
    size = file.stat().st_size
    with file.open("rb") as stream:
        if size <= FULL_CHECK_BYTES:
            digest.update(stream.read())
        else:
            digest.update(stream.read(FULL_CHECK_BYTES // 2))
            stream.seek(-FULL_CHECK_BYTES // 2, os.SEEK_END)
            digest.update(stream.read())
    return digest.hexdigest()[:16]
