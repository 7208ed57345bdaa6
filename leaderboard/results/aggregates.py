"""Checks that a record's aggregates are those of its per-segment values, to find corruption and tampering."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from eeg2speech_bench.core.errors import StorageError
from eeg2speech_bench.core.records.metrics import Metric
from eeg2speech_bench.core.records.record import Record
from eeg2speech_bench.core.statistics import resampling as statistics

if TYPE_CHECKING:
    import pyarrow
    import pyarrow.parquet

#: limits on what is read at all; a hundred listeners to an hour of speech stay below a tenth of them
MAX_SEGMENTS_BYTES = 200_000_000
MAX_ROWS = 20_000_000
#: relative difference that another order of summation explains
RELATIVE, ABSOLUTE = 1e-6, 1e-9

LABELS = ("metric", "condition", "subject")


def check_segments(path: Path, record: Record, more: Sequence[str] = ()) -> pyarrow.Table:
    """Recompute every metric from ``segments.parquet`` and compare it with the record.

    Parameters
    ----------
    path : Path
        Columns metric, condition, subject (text) and value (float), one row per segment, metric and condition.
    record : Record
    more : sequence of str
        Columns that are read as well where the file has them.

    Returns
    -------
    Table
        What was read and checked.

    Raises
    ------
    StorageError
        If the file is not such a table, or an aggregate, a listener's value or a count differs.
    """
    entries = {(entry.name, entry.condition): entry for entry in record.metrics}
    table, found = _read(path, more), set()
    for key, subjects, values in _groups(table):
        if key not in entries:
            raise StorageError(f"{path.name} has values of {_shown(key)}, which the record does not have")
        _check_entry(entries[key], subjects, values)
        found.add(key)
    for key in entries.keys() - found:
        raise StorageError(f"{path.name} has no values of {_shown(key)}, which the record has")
    return table


def _check_entry(entry: Metric, subjects: np.ndarray, values: np.ndarray) -> None:
    name = _shown((entry.name, entry.condition))
    if len(values) != entry.n:
        raise StorageError(f"{name} does not agree with its segments", got=f"n = {entry.n}", expected=len(values))
    listeners = np.unique(subjects).tolist()
    if set(listeners) != entry.per_subject.keys():
        raise StorageError(f"{name} names other listeners than its segments", expected=", ".join(listeners)[:200])
    # older entries do not say how they were aggregated, so they have to agree in full with one of the two ways
    recorded = [entry.value, *(entry.per_subject[listener] for listener in listeners)]
    of_listener = [values[subjects == listener] for listener in listeners]
    means = [statistics.estimate(values, subjects, "mean"), *(float(np.mean(own)) for own in of_listener)]
    medians = [statistics.estimate(values, subjects, "median"), *(float(np.median(own)) for own in of_listener)]
    if any(np.allclose(recorded, computed, rtol=RELATIVE, atol=ABSOLUTE) for computed in (means, medians)):
        return
    expected = f"a mean of {means[0]:.6g} or a median of {medians[0]:.6g}, and its listeners' values"
    raise StorageError(f"{name} does not agree with its segments", got=f"{entry.value:.6g}", expected=expected)


def _groups(table: pyarrow.Table) -> Iterator[tuple[tuple[str, str], np.ndarray, np.ndarray]]:
    """Yield the listeners and values of every metric and condition."""
    columns = {name: _codes(table[name]) for name in LABELS}
    values = table["value"].to_numpy().astype(np.float64)
    codes = columns["metric"][0] * len(columns["condition"][1]) + columns["condition"][0]
    order = np.argsort(codes, kind="stable")
    starts = np.flatnonzero(np.diff(codes[order], prepend=-1))
    for rows in np.split(order, starts[1:]) if len(order) else []:
        metric, condition = (columns[name][1][columns[name][0][rows[0]]] for name in ("metric", "condition"))
        numbers, names = columns["subject"]
        yield (metric, condition), np.asarray(names)[numbers[rows]], values[rows]


def _read(path: Path, more: Sequence[str]) -> pyarrow.Table:
    """Return the columns of a file, text as codes of a dictionary; nothing but plain columns is ever decoded."""
    import pyarrow
    import pyarrow.parquet

    if path.stat().st_size > MAX_SEGMENTS_BYTES:
        raise StorageError(f"{path.name} is too large", got=path.stat().st_size, expected=f"<= {MAX_SEGMENTS_BYTES}")
    try:
        # dictionary columns: a text that is repeated a million times is held once
        with pyarrow.parquet.ParquetFile(path, read_dictionary=list(LABELS)) as file:
            _check_columns(file)
            there = [name for name in more if name in file.schema_arrow.names]
            table = file.read(columns=[*LABELS, "value", *there]).unify_dictionaries().combine_chunks()
            table.validate(full=True)  # codes that point outside their dictionary
            for name in LABELS:
                _codes(table[name])  # a label that is missing
            finite = bool(np.isfinite(table["value"].to_numpy()).all())
    except (pyarrow.ArrowException, OSError, ValueError, KeyError, MemoryError) as error:
        raise StorageError(f"{path.name} cannot be read", got=f"{type(error).__name__}: {error!s:.200}") from error
    if not finite:
        raise StorageError(f"{path.name} has values that are not finite")
    return table


def _check_columns(file: pyarrow.parquet.ParquetFile) -> None:
    import pyarrow.types as types

    if file.metadata.num_rows > MAX_ROWS:
        raise ValueError(f"{file.metadata.num_rows} rows are more than {MAX_ROWS}")
    for name in LABELS:
        kind = file.schema_arrow.field(name).type
        text = kind.value_type if types.is_dictionary(kind) else kind
        if text == kind or not (types.is_string(text) or types.is_large_string(text)):
            raise ValueError(f"column '{name}' is {kind} and not text")
    if not types.is_floating(file.schema_arrow.field("value").type):
        raise ValueError("column 'value' is not floating point")


def _codes(column: Any) -> tuple[np.ndarray, list[str]]:
    if column.null_count:
        raise ValueError("a label is missing")
    if not len(column):
        return np.zeros(0, np.int64), []
    chunk = column.chunk(0)
    return chunk.indices.to_numpy().astype(np.int64), chunk.dictionary.to_pylist()


def _shown(key: tuple[str, str]) -> str:
    return f"{key[0]!a:.60} ({key[1]!a:.60})"
