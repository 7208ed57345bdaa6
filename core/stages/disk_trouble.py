"""Calls trouble with a disk by its name: full, out of quota, read-only, gone, or something in the way."""

from __future__ import annotations

import errno
import os
import re
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from eeg2speech_bench.core.errors import BenchError, StorageError

#: a disk with less room is full for what stages write; some file systems keep the last megabytes to themselves
NEARLY_FULL_BYTES = 16_000_000
#: a network disk that went away, a stick that was pulled, a disk that breaks
_GONE = (errno.EIO, errno.ESTALE, errno.EREMOTEIO)
#: the same, where an error names a file; sockets of plugins have these numbers too
_GONE_WITH_NAME = (errno.ENOTCONN, errno.ESHUTDOWN, errno.ENODEV, errno.ENXIO, errno.EHOSTDOWN, errno.ETIMEDOUT)
_REFUSED = (errno.EACCES, errno.EPERM, errno.EROFS, errno.ENOTDIR, errno.EXDEV)
#: what numpy and torch say of a write that ended early: neither passes on the number of the error
_ENDED_EARLY = re.compile(
    r"^\d+ requested and \d+ written$|^problem writing element \d+ to file$"
    r"|inline_container\.cc.*unexpected pos|^basic_ios::clear: iostream error$|PytorchStreamWriter failed writing"
)
#: what libsndfile says then, and also of sound that it cannot read
_MAYBE_ENDED_EARLY = re.compile(r"^(Error opening '(?P<file>.*)': )?System error\.$|initialization of the flac decoder")
#: where numbers of errors stand in texts: of Rust (safetensors), of Python and Arrow
_NUMBER = re.compile(r"\(os error (\d+)\)|\[errno (\d+)\]", re.IGNORECASE)
_ELSEWHERE = "choose another disk with --cache, --results or --out; finished stages are kept."
_OTHER_FOLDER = "Choose another folder with --cache, --results or --out."


@contextmanager
def explained(folder: Path) -> Iterator[None]:
    """Say what is wrong with the disk, and what to type next, where an error in the block comes from it.

    Parameters
    ----------
    folder : Path
        What the block writes into. Another place that an error names, and the folder of temporary files, are told
        apart from it.

    Raises
    ------
    StorageError
        With the error itself as its cause: also where a library hides what the system said, or a plugin's error is
        what we said of it. Every other error passes as it is.
    """
    try:
        yield
    except StorageError:
        raise
    except Exception as error:
        said = _named(error, Path(folder))
        if said is None:
            raise
        raise said from error


def does_not_answer(error: BaseException) -> bool:
    """Whether an error says of a disk that it is out of reach or broken, and nothing of what is on it."""
    number = _number(error)
    return number in _GONE or (number in _GONE_WITH_NAME and bool(_names(error)))


def _named(error: BaseException, folder: Path) -> StorageError | None:
    """Return what an error says of a disk; None if it is about something else. What it came from is asked first."""
    if error.__cause__ is not None and (said := _named(error.__cause__, folder)):
        return said
    if isinstance(error, BenchError):
        return None
    number = _number(error)
    return _ended_early(error, folder) if number is None else _by_number(number, error, folder)


def _number(error: BaseException) -> int | None:
    """Return the number that the system gave an error, from its text where a library left it there."""
    if isinstance(error, OSError) and error.errno:
        return error.errno
    text = str(error)
    if match := _NUMBER.search(text):
        return int(match[1] or match[2])
    return next((number for number in (errno.ENOSPC, errno.EDQUOT) if os.strerror(number) in text), None)


def _by_number(number: int, error: BaseException, folder: Path) -> StorageError | None:
    names = _names(error)
    if number in (errno.ENOSPC, errno.EDQUOT):
        return _full(_place(names, folder), number)
    if number == errno.EFBIG:
        return StorageError(f"A file of {folder} is larger than is allowed here", then="Raise 'ulimit -f'.")
    if does_not_answer(error):
        place = _place(names, folder)
        then = f"See whether it is there ('ls {place}') and type the same command; finished stages are kept."
        return StorageError(f"The disk of {place} does not answer", got=os.strerror(number), then=then)
    if number == errno.ENOENT and "No usable temporary directory" in str(error):
        then = "Set TMPDIR to a folder that can be written."
        return StorageError("There is no folder for temporary files", got=str(error), then=then)
    return _refused(number, names, folder)


def _refused(number: int, names: list[Path], folder: Path) -> StorageError | None:
    """Explain what the system does not let us write, if it is about the folder or about temporary files."""
    if not _are_about(names, folder):
        temporary = Path(tempfile.gettempdir())
        if number in _REFUSED and _are_about(names, temporary):
            then = "Set TMPDIR to a folder that can be written."
            return StorageError(f"Folder {temporary} cannot be written", got=os.strerror(number), then=then)
        return None
    if number == errno.ENAMETOOLONG:
        then = "Give the data set's folder a shorter name, or choose another place with --cache, --results or --out."
        return StorageError(f"A name in folder {folder} is too long for its disk", then=then)
    got = os.strerror(number)
    if number in (errno.EEXIST, errno.ENOTDIR, errno.ELOOP) and (obstacle := _obstacle(names, folder)):
        got = f"{obstacle} is {'a link that leads nowhere' if obstacle.is_symlink() else 'not a folder'}"
    elif number not in _REFUSED:
        return None
    return StorageError(f"Folder {folder} cannot be written", got=got, then=_OTHER_FOLDER)


def _ended_early(error: BaseException, folder: Path) -> StorageError | None:
    """Explain a write that ended early, from the room that is left."""
    text = str(error)
    surely, maybe = _ENDED_EARLY.search(text), _MAYBE_ENDED_EARLY.search(text)
    if not (surely or maybe):
        return None
    place = _place([Path(maybe["file"])] if maybe and maybe["file"] else [], folder)
    if _is_full(place):
        return _full(place, errno.ENOSPC)
    if not surely:
        return None
    then = "Look at the quota ('quota -s'), at 'ulimit -f' and at the disk, and type the same command."
    return StorageError(f"A file of {place} was not written to its end", got=text, then=then)


def _full(place: Path, number: int) -> StorageError:
    if place == Path(tempfile.gettempdir()):
        then = "Free some space or set TMPDIR to a folder on another disk; finished stages are kept."
    else:
        then = f"Free some space or {_ELSEWHERE}"
    if number == errno.EDQUOT:
        got = os.strerror(number)
        return StorageError(
            f"The quota on the disk of {place} is used up", got=got, then=f"'quota -s' shows it. {then}"
        )
    if _has_no_inodes(place):
        then = f"'df -i' shows it. Remove what is made of many files, or {_ELSEWHERE}"
        return StorageError(f"The disk of {place} takes no more files", got="0 inodes free", then=then)
    return StorageError(f"The disk of {place} is full", got=f"{(_free(place) or 0) / 1e6:.0f} MB free", then=then)


def _names(error: BaseException) -> list[Path]:
    """Return the files that an error names, the one that was written first."""
    named = (getattr(error, "filename2", None), getattr(error, "filename", None))
    return [Path(os.fsdecode(name)) for name in named if isinstance(name, (str, bytes)) and name]


def _place(names: list[Path], folder: Path) -> Path:
    """Return the folder whose disk an error is about; without a name it is the one that is full."""
    temporary = Path(tempfile.gettempdir())
    if not names:
        return temporary if _is_full(temporary) and not _is_full(folder) else folder
    if _are_about(names[:1], folder):
        return folder
    return temporary if _are_about(names[:1], temporary) else names[0].parent


def _are_about(names: list[Path], folder: Path) -> bool:
    """Whether an error names something in the folder or above it, or nothing, and not what a plugin does elsewhere."""
    return not names or any(name.is_relative_to(folder) or folder.is_relative_to(name) for name in names)


def _obstacle(names: list[Path], folder: Path) -> Path | None:
    """Return what stands where a folder should be: a file, or a link to nothing."""
    named = next(iter(names[-1:]), folder)
    nearest = next(place for place in (named, *named.parents) if os.path.lexists(place))
    return None if nearest.is_dir() else nearest


def _is_full(folder: Path) -> bool:
    free = _free(folder)
    return free is not None and (free < NEARLY_FULL_BYTES or _has_no_inodes(folder))


def _free(folder: Path) -> int | None:
    """Return the room on a folder's disk in bytes; None if the disk does not answer."""
    try:
        return shutil.disk_usage(_existing(folder)).free
    except OSError:
        return None


def _has_no_inodes(folder: Path) -> bool:
    try:
        counts = os.statvfs(_existing(folder))
    except OSError:
        return False
    return counts.f_files > 0 and counts.f_favail == 0


def _existing(folder: Path) -> Path:
    return next(place for place in (folder, *folder.parents) if place.exists())
