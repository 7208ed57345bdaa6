"""Tells before many files are read for the first time, which may take long."""

from __future__ import annotations

from collections.abc import Callable, Collection
from pathlib import Path

from eeg2speech_bench.core.stages.file_hashes import FileHashes

GIGABYTE = 1e9


def tell_of_first_reading(
    files: Collection[Path],
    root: Path,
    hashes: FileHashes,
    report: Callable[[str], None],
    purpose: str = "to tell later whether it changes",
) -> None:
    """Tell how much is read, if that is more than a gigabyte that is not remembered.

    Parameters
    ----------
    files : collection of Path
    root : Path
        Their folder, for the message.
    hashes : FileHashes
        Remembers what was read before.
    report : callable
        Receives a line of text.
    purpose : str
        What it is read for.
    """
    n_bytes = hashes.bytes_to_read(files)
    if n_bytes > GIGABYTE:
        report(f"Reading {n_bytes / GIGABYTE:.0f} GB of {root} once, {purpose}.")


def tell_of_matlab_files(
    files: Collection[Path], root: Path, hashes: FileHashes, report: Callable[[str], None]
) -> None:
    """Tell that MATLAB files are read, which takes long at any size; parameters as in `tell_of_first_reading`."""
    if hashes.bytes_to_read(files):
        report(f"Reading {len(files)} MATLAB files of {root} once.")
