"""Decodes a stream window by window: which windows are due, and what the model says of each."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from torch import Tensor

from eeg2speech_bench.benchmarks.live.known_sounds import KnownSounds
from eeg2speech_bench.benchmarks.live.stream_windows import StreamWindows
from eeg2speech_bench.benchmarks.trained.trained_cell import TrainedCell, window_batch
from eeg2speech_bench.core.errors import DataError

#: difference in seconds below which two times are one
SAME_TIME_S = 1e-6


@dataclass(frozen=True)
class DecodedWindow:
    """What is found in one window.

    Attributes
    ----------
    number : int
        Counted from the start of the sounds.
    start_s : float
        Second of the stream at which its sound starts.
    scores, matches : array, shape (n_candidates,)
        See `KnownSounds.score`.
    estimate : Tensor, shape (1, n_tokens, dim)
        What the encoder says of it.
    newest_stamp : float
        Time stamp of the last sample of its EEG.
    """

    number: int
    start_s: float
    scores: np.ndarray
    matches: np.ndarray
    estimate: Tensor
    newest_stamp: float


@dataclass(frozen=True)
class DroppedWindow:
    """A window that could not be decoded, and why."""

    start_s: float
    why: str


class StreamDecoder:
    """Decodes windows side by side from the start of the sounds on, once the scale of the channels is known.

    Parameters
    ----------
    windows : StreamWindows
    cell : TrainedCell
    sounds : KnownSounds
        Without any, windows go on until the stream ends.
    """

    def __init__(self, windows: StreamWindows, cell: TrainedCell, sounds: KnownSounds) -> None:
        self.windows, self.cell, self.sounds = windows, cell, sounds
        self.subject = cell.subject(windows.listener)
        self.window_s = windows.settings.window_s
        self._onsets: deque[float] = deque()
        self._number = 0
        silence = np.zeros((1, cell.signal.n_chans, cell.signal.n_times), np.float32)
        cell.estimate_batch(window_batch(silence, np.zeros(1), self.subject, cell.signal.sfreq))  # the first is slow

    def begin(self, onset_s: float) -> None:
        """Take note that the sounds begin, for the first time or again, at a second of the stream."""
        self._onsets.append(onset_s)

    @property
    def is_over(self) -> bool:
        """Whether every sound that has begun has come to its end."""
        n = self.sounds.n_windows
        return bool(n) and len(self._onsets) == 1 and self._number >= n

    def due(self) -> Iterator[DecodedWindow | DroppedWindow]:
        """Yield the windows whose samples have come since the last call.

        Raises
        ------
        DataError
            If the scale of the channels cannot be fitted.
        """
        while self.windows.is_calibrated():
            if not self._onsets or self.is_over:
                self.windows.forget_before(None)
                return
            start_s = self._onsets[0] + self._number * self.window_s
            if len(self._onsets) > 1 and start_s + self.window_s > self._onsets[1] + SAME_TIME_S:
                self._onsets.popleft()
                self._number = 0
                continue
            row = self.windows.first_row(start_s)
            self.windows.forget_before(row)
            if self.windows.buffer.n_samples < self.windows.needed(row):
                return
            self._number += 1
            if start_s >= self.windows.calibrated_s - SAME_TIME_S and row >= 0:
                yield self._decoded(self._number - 1, start_s, row)

    def _decoded(self, number: int, start_s: float, row: int) -> DecodedWindow | DroppedWindow:
        try:
            eeg = self.windows.read(row)
        except DataError as error:
            return DroppedWindow(start_s, str(error))
        batch = window_batch(eeg, np.array([row]), self.subject, self.cell.signal.sfreq)
        estimate = self.cell.estimate_batch(batch).cpu()
        scores, matches = self.sounds.score(estimate, number)
        newest = self.windows.buffer.stamp(self.windows.newest_sample(row))
        return DecodedWindow(number, start_s, scores, matches, estimate, newest)
