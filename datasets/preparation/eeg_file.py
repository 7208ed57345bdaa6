"""Writes the EEG of all recordings into one array on disk, from several processes, and keeps which are complete."""

from __future__ import annotations

import multiprocessing
import os
import shutil
import time
import zlib
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
from pydantic import BaseModel, ConfigDict, ValidationError

from eeg2speech_bench.core.segments.recordings import Presentation
from eeg2speech_bench.core.stages.json_files import write_json
from eeg2speech_bench.datasets.preparation.growing_array import npy_header
from eeg2speech_bench.datasets.preparation.preprocessing import StreamedEeg

FILE = "eeg.npy"
#: seconds between two looks at whether the recordings before are open
WAIT_S = 0.002
#: bytes that are checked at a time
CHECK_BYTES = 1 << 24


class WrittenRecording(BaseModel):
    """A recording whose rows are in the array, with what is needed of it besides.

    ``start`` is the first of its ``n_rows`` rows, ``checksum`` the CRC-32 of their bytes, ``seconds`` those that had
    passed when it was complete; the others are as in `LoadedEeg`.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    start: int
    n_rows: int
    checksum: int
    chs_info: list[dict[str, Any]]
    presentations: tuple[Presentation, ...]
    notes: tuple[str, ...]
    recorded_sfreq: float
    seconds: float


class EegFile:
    """The array ``eeg.npy`` while it is written: recordings end to end, in their order.

    Each recording is written by a process of its own, from where those before it end, which is known as soon as they
    are open. A file beside the array says of each that it is complete; those of an earlier run are found again.

    Parameters
    ----------
    folder : Path
        Of the array; what an earlier run has left in it is of the same recordings and settings.
    n_recordings : int
    clock : callable
        Returns the seconds of this run and of those that it goes on from.

    Attributes
    ----------
    n_found : int
        Recordings that an earlier run says are complete.
    earlier_s : float
        Seconds that had passed at the last of them.
    """

    def __init__(self, folder: Path, n_recordings: int, clock: Callable[[], float]) -> None:
        self.folder, self.path, self._clock = folder, folder / FILE, clock
        self.path.touch()
        # shared with the processes that are started from now on
        self._lengths = multiprocessing.RawArray("q", [-1] * n_recordings)
        found = {number: known for number in range(n_recordings) if (known := self._marked(number))}
        for number, known in found.items():
            self._lengths[number] = known.n_rows
        self.n_found, self.earlier_s = len(found), max((known.seconds for known in found.values()), default=0.0)

    def known(self, number: int) -> WrittenRecording | None:
        """Return a recording that an earlier run has written, if its rows are what that run wrote."""
        marked = self._marked(number)
        if marked is None or marked.start != self._start(number):
            return None
        checksum, left = 0, marked.n_rows * len(marked.chs_info) * 4
        with self.path.open("rb") as file:
            file.seek(_place(marked.start, len(marked.chs_info)))
            while left and (values := file.read(min(left, CHECK_BYTES))):
                checksum, left = zlib.crc32(values, checksum), left - len(values)
        return marked if not left and checksum == marked.checksum else None

    def write(self, number: int, streamed: StreamedEeg) -> WrittenRecording:
        """Write a recording to its place; errors as in `StreamedEeg.rows`."""
        self._marker(number).unlink(missing_ok=True)
        self._lengths[number] = streamed.n_rows
        start, checksum = self._start(number), 0
        with self.path.open("r+b") as file:
            file.seek(_place(start, len(streamed.chs_info)))
            for rows in streamed.rows():
                values = np.ascontiguousarray(rows, dtype="<f4").data
                file.write(values)
                checksum = zlib.crc32(values, checksum)
        written = WrittenRecording(
            start=start,
            n_rows=streamed.n_rows,
            checksum=checksum,
            chs_info=streamed.chs_info,
            presentations=streamed.presentations,
            notes=streamed.notes,
            recorded_sfreq=streamed.recorded_sfreq,
            seconds=self._clock(),
        )
        write_json(self._marker(number), written.model_dump(mode="json"))
        return written

    def rows(self, written: WrittenRecording) -> np.ndarray:
        """Return the rows of a recording, float32 (n_rows, n_chans), which stay on the disk until they are read."""
        n_chans = len(written.chs_info)
        shape = (written.n_rows, n_chans)
        return np.asarray(np.memmap(self.path, "<f4", "r", offset=_place(written.start, n_chans), shape=shape))

    def complete(self, last: WrittenRecording, copy: Path) -> None:
        """Give the array its header, once all recordings are written, and put it at another path as well."""
        n_rows, n_chans = last.start + last.n_rows, len(last.chs_info)
        with self.path.open("r+b") as file:
            file.write(npy_header((n_rows, n_chans)))
            file.truncate(_place(n_rows, n_chans))
        try:
            os.link(self.path, copy)
        except OSError:  # a disk whose files have one name each
            shutil.copyfile(self.path, copy)

    def _start(self, number: int) -> int:
        """Return where a recording starts; waits until those before it are open."""
        while min(self._lengths[:number], default=0) < 0:
            time.sleep(WAIT_S)
        return sum(self._lengths[:number])

    def _marker(self, number: int) -> Path:
        return self.folder / f"recording-{number}.json"

    def _marked(self, number: int) -> WrittenRecording | None:
        with suppress(OSError, ValidationError):
            return WrittenRecording.model_validate_json(self._marker(number).read_bytes())
        return None


def _place(row: int, n_chans: int) -> int:
    """Return the byte of the file that a row begins at."""
    return len(npy_header((0, n_chans))) + row * n_chans * 4
