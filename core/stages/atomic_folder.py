"""Writes a folder so that it is there whole or not at all."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def atomic_folder(out: Path) -> Iterator[Path]:
    """Give an empty folder to write into, which takes the place of ``out`` at the end of the block.

    After an error the new files are removed, and ``out`` is what it was before. Nobody else may write the same
    folder at the same time.

    Parameters
    ----------
    out : Path
        May be there already; its parent is made if need be.

    Yields
    ------
    Path
        A hidden folder beside ``out``, on the same disk.
    """
    working = out.with_name(f".partial-{out.name}")
    shutil.rmtree(working, ignore_errors=True)  # left by a run that was killed
    working.mkdir(parents=True)
    try:
        yield working
        shutil.rmtree(out, ignore_errors=True)
        working.rename(out)
    finally:
        shutil.rmtree(working, ignore_errors=True)
