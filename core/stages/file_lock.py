"""Locks files between processes, where their file system can."""

from __future__ import annotations

import errno
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout


@contextmanager
def file_lock(path: Path, waits: Callable[[], None] = lambda: None) -> Iterator[None]:
    """Wait for whoever else has locked a file, and keep it locked for this block.

    Nothing may depend on it: a file system without locks goes on as if the file were free, and many network file
    systems honour locks on one machine only.

    Parameters
    ----------
    path : Path
        Made if it is not there; its folder must be.
    waits : callable
        Called before a wait.

    Raises
    ------
    OSError
        If the file cannot be made.
    """
    lock = FileLock(path)
    try:
        try:
            lock.acquire(timeout=0)
        except Timeout:
            waits()
            lock.acquire()
    except (NotImplementedError, OSError) as error:
        if isinstance(error, OSError) and error.errno not in (errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP):
            raise
        yield
        return
    try:
        yield
    finally:
        lock.release()
