"""Reads the pulses in the status channel of a BioSemi file, compressed or not, without unpacking it to the disk."""

from __future__ import annotations

import gzip
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

import numpy as np

from eeg2speech_bench.core.errors import DataError
from eeg2speech_bench.datasets.remembered_facts import Facts

#: bytes of a sample, and of the header before that of the signals
SAMPLE, HEADER = 3, 256
#: bits of the status that are triggers; those above them tell of the amplifier
TRIGGERS = 0xFFFF
#: bytes for each signal in the header before the number of its samples in a record
BEFORE_SAMPLES = 216


def status_facts(path: Path) -> Facts:
    """Return the rate, the length and the pulses of a BioSemi recording.

    A pulse is where the triggers leave the value that they have most of the time.

    Parameters
    ----------
    path : Path
        A file ``.bdf`` or ``.bdf.gz``.

    Returns
    -------
    dict
        ``sfreq`` in Hz, ``n_samples``, ``labels`` of all channels, and ``pulses``, the samples at which pulses begin.

    Raises
    ------
    DataError
        If it is no complete BioSemi file with a status channel.
    """
    try:
        with opened(path) as file:
            return _facts(file, path)
    except (EOFError, OSError, ValueError) as error:
        raise damaged(path, f"{type(error).__name__}: {error}") from error


@contextmanager
def opened(path: Path) -> Iterator[IO[bytes]]:
    """Open a file for reading as if it were not compressed."""
    opening: Callable[..., Any] = gzip.open if path.suffix == ".gz" else Path.open
    with opening(path, "rb") as file:
        yield file


def damaged(path: Path, got: str) -> DataError:
    """Return the error of a file that is no complete BioSemi recording."""
    return DataError(
        f"Recording {path} cannot be read",
        got=got,
        expected="a complete BioSemi file (BDF, which may be compressed by gzip)",
        then="Download it again.",
    )


def _facts(file: IO[bytes], path: Path) -> Facts:
    head = file.read(HEADER)
    if head[:8] != b"\xffBIOSEMI":
        raise damaged(path, "no header of BioSemi")
    n_records, record_s, n_signals = int(head[236:244]), float(head[244:252]), int(head[252:256])
    signals = file.read(int(head[184:192]) - HEADER)
    labels = [signals[16 * k : 16 * (k + 1)].decode("latin-1").strip() for k in range(n_signals)]
    begin = BEFORE_SAMPLES * n_signals
    lengths = [int(signals[begin + 8 * k : begin + 8 * (k + 1)]) for k in range(n_signals)]
    if "Status" not in labels:
        raise damaged(path, f"no channel Status, but {', '.join(labels[-3:])}")
    at = labels.index("Status")
    before, size = SAMPLE * sum(lengths[:at]), SAMPLE * sum(lengths)
    records: list[np.ndarray] = []
    while record := file.read(size):
        if len(record) < size:
            raise damaged(path, f"a record of {len(record)} bytes instead of {size}, after {len(records)} records")
        records.append(_triggers(record[before : before + SAMPLE * lengths[at]]))
    if len(records) < n_records or not records:
        raise damaged(path, f"{len(records)} records of {n_records}")
    triggers = np.concatenate(records)
    return {
        "sfreq": lengths[at] / record_s,
        "n_samples": len(triggers),
        "labels": labels,
        "pulses": _pulses(triggers),
    }


def _triggers(record: bytes) -> np.ndarray:
    low, middle = np.frombuffer(record, np.uint8).reshape(-1, SAMPLE)[:, :2].T.astype(np.uint16)
    return low | middle << 8


def _pulses(triggers: np.ndarray) -> list[int]:
    values, counts = np.unique(triggers, return_counts=True)
    high = triggers != values[np.argmax(counts)]
    return [int(k) for k in 1 + np.flatnonzero(high[1:] & ~high[:-1])]
