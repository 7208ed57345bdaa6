"""Reads when words began in a recording: from the authors' proc files, or from the events of the re-host."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from eeg2speech_bench.core.errors import DataError
from eeg2speech_bench.datasets.bids.tables import numbers, read_table
from eeg2speech_bench.datasets.brennan2019.placement import WordTimes

#: samples per second of every recording
SFREQ = 500.0
#: names of the columns of ``trl`` behind begin, end and offset
COLUMNS = ["segment", "tmin", "Order"]


def read_proc(path: Path) -> WordTimes:
    """Read the word times of a proc file.

    Column 0 of ``trl`` is where an *epoch* begins, 0.3 s before its word, and counts samples from 1. A word therefore
    begins (column 0 - column 2 - 1) / 500 seconds after the first sample.

    Parameters
    ----------
    path : Path
        A file ``proc/S01.mat``.

    Raises
    ------
    DataError
        If it is no such file.
    """
    proc = read_struct(path, "proc", "a proc file of the release")
    trl = np.atleast_2d(np.asarray(proc.get("trl", []), dtype=float))
    named = [str(name) for name in np.atleast_1d(proc.get("varnames", []))]
    if named != COLUMNS or trl.shape[1] != 3 + len(COLUMNS):
        raise DataError(
            f"{path} does not say when words began",
            got=f"trl of shape {trl.shape}, varnames {named}",
            expected=f"trl of shape (words, {3 + len(COLUMNS)}), varnames {COLUMNS}",
            then="Download it again.",
        )
    begin, offset, segment, order = (trl[:, column] for column in (0, 2, 3, 5))
    return WordTimes(str(path), order.astype(int), segment.astype(int), (begin - offset - 1) / SFREQ)


def read_bads(path: Path) -> tuple[str, ...]:
    """Read the channels that the authors rejected in a recording; raises as `read_proc`.

    One channel alone is a text in the file and no list, and none is an empty array.
    """
    rejected = read_struct(path, "proc", "a proc file of the release").get("rejections", {})
    return tuple(str(name) for name in np.atleast_1d(rejected.get("badchans", [])))


def read_events(path: Path) -> WordTimes:
    """Read the word times of an ``events.tsv`` of the re-host nm000180.

    It counts the samples of ``trl`` as if they began at 0, so every onset in it is one sample (2 ms) late.

    Parameters
    ----------
    path : Path

    Raises
    ------
    DataError
        If it has no words, or lacks a column.
    """
    table = read_table(path)
    lacking = [name for name in ("onset", "word_index", "segment") if name not in table]
    if lacking or table.empty:
        raise DataError(
            f"{path} does not say when words began",
            got=f"no column {', '.join(lacking)}" if lacking else "no row",
            expected="the columns onset, word_index and segment of nm000180",
            then="Download it again.",
        )
    onset, order, segment = (numbers(table, name, path).to_numpy() for name in ("onset", "word_index", "segment"))
    if not np.isfinite([onset, order, segment]).all():
        raise DataError(f"{path} has a word without its time or number", got="n/a", then="Download it again.")
    return WordTimes(str(path), order.astype(int), segment.astype(int), onset - 1 / SFREQ)


def read_struct(path: Path, name: str, what: str) -> dict[str, Any]:
    """Read a MATLAB structure of version 5 as nested dictionaries.

    Raises
    ------
    DataError
        If the file cannot be read or does not hold it.
    """
    from scipy.io import loadmat

    try:
        found = loadmat(path, variable_names=[name], squeeze_me=True, simplify_cells=True).get(name)
    except Exception as error:  # scipy raises whatever a broken file leads it to
        raise DataError(
            f"{path} cannot be read",
            got=f"{type(error).__name__}: {error}",
            expected=f"{what}, a MATLAB file of version 5",
            then="Download it again.",
        ) from error
    if not isinstance(found, dict):
        raise DataError(f"{path} is not {what}", got=f"no structure '{name}'", then="Download it again.")
    return found
