"""Fits the clock of a recording to that of the sounds, from rows that lie at known times inside their files."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from eeg2speech_bench.core.errors import DataError

#: seconds by which a row may be off the line through the others; rows of published data agree to 1 ms, and those of
#: experiments that wait for a screen to 17 ms
RESIDUAL_S = 0.02

#: seconds between neighbouring rows from which playback was interrupted, rather than a row being inexact
JUMP_S = 0.05

#: rows that a stretch of playback needs, unless the file starts over on either side
MIN_ROWS = 3

#: clocks of amplifiers and sound cards differ by less; a larger share is a wrong sampling rate in a header
MAX_DRIFT = 2e-3

#: seconds of drift over a file, and standard errors, below which the clocks are taken to agree
MIN_DRIFT_S, MIN_ERRORS = 0.002, 4.0

#: rows that tell drift from chance
MIN_ROWS_OF_FIT = 10


@dataclass(frozen=True)
class Playback:
    """A stretch of a file that was played without interruption, and the rows within it.

    Attributes
    ----------
    stim_file : str
    rows : array of int, shape (n,)
        Numbers of the rows in their table.
    inside_s, onset_s : array, shape (n,)
        Times inside the file and in the recording, in seconds.
    begins, ends : bool
        Whether the file was played from its start, and to its end; else playback was interrupted there.
    """

    stim_file: str
    rows: np.ndarray
    inside_s: np.ndarray
    onset_s: np.ndarray
    begins: bool = True
    ends: bool = True

    def origin_s(self, ratio: float) -> float:
        """Return the recording's time at which the file would have started from its first sample."""
        return float(np.median(self.onset_s - ratio * self.inside_s))

    def residuals_s(self, ratio: float) -> np.ndarray:
        """Return by how much each row lies off the line through them."""
        return self.onset_s - ratio * self.inside_s - self.origin_s(ratio)


def playbacks(
    stim_file: str, rows: np.ndarray, inside_s: np.ndarray, onset_s: np.ndarray, source: str
) -> list[Playback]:
    """Split the rows of one file where playback was interrupted or started over.

    Parameters
    ----------
    stim_file : str
    rows : array of int, shape (n,)
    inside_s, onset_s : array, shape (n,)
        Sorted by onset.
    source : str
        The table, for messages.

    Raises
    ------
    DataError
        If rows are off what their neighbours say.
    """
    steps_in, steps_on = np.diff(inside_s), np.diff(onset_s)
    jumps = np.abs(steps_on - steps_in) > JUMP_S + MAX_DRIFT * np.abs(steps_in)
    cuts = np.flatnonzero(jumps) + 1
    restarts = [True, *(steps_in[cuts - 1] <= 0), True]
    parts = np.split(np.arange(len(rows)), cuts)
    found = [
        Playback(stim_file, rows[part], inside_s[part], onset_s[part], bool(begins), bool(ends))
        for part, begins, ends in zip(parts, restarts[:-1], restarts[1:], strict=True)
    ]
    _check_interruptions(found, source)
    return found


def _check_interruptions(found: Sequence[Playback], source: str) -> None:
    """Refuse stretches that are too short to be playback, or that others continue as if they were not there."""
    origins = [playback.origin_s(1.0) for playback in found]
    off: list[tuple[int, int]] = []
    for i, playback in enumerate(found):
        is_whole = playback.begins and playback.ends
        enclosed = 0 < i < len(found) - 1 and abs(origins[i + 1] - origins[i - 1]) < JUMP_S
        if not is_whole and (len(playback.rows) < MIN_ROWS or enclosed):
            off.append((len(playback.rows), i))
    if off:
        _, i = min(off)
        others = [origin for k, origin in enumerate(origins) if k != i]
        gap_s = origins[i] - min(others, key=lambda origin: abs(origin - origins[i]))
        raise _off(found[i], found[i].rows[0], gap_s, source)


def clock_ratio(found: Sequence[Playback], source: str) -> float:
    """Return the recording's seconds per second of sound: 1 where the rows do not show that the clocks differ.

    The clock is the recording's, so that one ratio is fitted to all its rows, by least squares over the rows that lie
    near the line.

    Raises
    ------
    DataError
        If the clocks differ by more than those of devices do.
    """
    ratio, error, n_rows = _fitted(found)
    span_s = max((float(np.ptp(p.inside_s)) for p in found), default=0.0)
    drift_s = abs(ratio - 1.0) * span_s
    if n_rows < MIN_ROWS_OF_FIT or drift_s < max(MIN_DRIFT_S, MIN_ERRORS * error * span_s):
        return 1.0
    if abs(ratio - 1.0) > MAX_DRIFT:
        raise DataError(
            f"The rows of {source} and the sounds differ in speed",
            got=f"{ratio:.5f} s of recording for each second of sound",
            expected=f"within {MAX_DRIFT:.1%} of 1",
            then="Check the sampling rate in the header of the recording, and the unit of the time inside the file.",
        )
    return ratio


def check_residuals(found: Sequence[Playback], ratio: float, source: str) -> float:
    """Return by how many seconds rows lie off their line at most.

    Raises
    ------
    DataError
        If a row lies off by more than 20 ms.
    """
    worst = 0.0
    for playback in found:
        residuals = playback.residuals_s(ratio)
        k = int(np.argmax(np.abs(residuals)))
        if abs(residuals[k]) > RESIDUAL_S:
            raise _off(playback, playback.rows[k], residuals[k], source)
        worst = max(worst, abs(float(residuals[k])))
    return worst


def _fitted(found: Sequence[Playback]) -> tuple[float, float, int]:
    """Return the slope of the trimmed fit, its standard error, and the rows that it rests on."""
    ratio, error, n_rows = 1.0, np.inf, 0
    long = [playback for playback in found if len(playback.rows) >= MIN_ROWS]
    for _ in range(10 if long else 0):
        residuals = np.concatenate([playback.residuals_s(ratio) for playback in long])
        limit = max(4 * 1.4826 * float(np.median(np.abs(residuals))), 0.001)
        x, y = (np.concatenate(values) for values in zip(*(_centred(p, ratio, limit) for p in long), strict=True))
        spread = float(np.sum(x**2))
        n_rows = len(x)
        if spread == 0 or n_rows <= len(long) + 1:
            return 1.0, np.inf, 0
        ratio = float(np.sum(x * y)) / spread
        error = float(np.sqrt(np.sum((y - ratio * x) ** 2) / (n_rows - len(long) - 1) / spread))
    return ratio, error, n_rows


def _centred(playback: Playback, ratio: float, limit_s: float) -> tuple[np.ndarray, np.ndarray]:
    kept = np.abs(playback.residuals_s(ratio)) <= limit_s
    x, y = playback.inside_s[kept], playback.onset_s[kept]
    return x - x.mean() if len(x) else x, y - y.mean() if len(y) else y


def _off(playback: Playback, row: int, seconds: float, source: str) -> DataError:
    return DataError(
        f"Row {row} of {source} disagrees with the other rows on when '{playback.stim_file}' started",
        got=f"{seconds:+.3f} s off",
        expected=f"within {RESIDUAL_S:g} s of the line through them",
        then="Correct the row's time in the recording or inside the file, or delete the row (row 1 is the header).",
    )
