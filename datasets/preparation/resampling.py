"""Resamples recordings so that every row has an exact time, whatever the two rates and the length."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property

import numpy as np
from scipy.sparse import csr_array

#: the stop band begins at the lower of the two Nyquist frequencies, the pass band ends at this share of it
PASS_BAND = 0.95
#: attenuation in the stop band; length and shape of the Kaiser window for it (Kaiser 1974)
STOP_DB = 70.0
KAISER_BETA = 0.1102 * (STOP_DB - 8.7)
#: half of the impulse response, in samples of the lower rate
HALF_LENGTH = (STOP_DB - 7.95) / (2.285 * np.pi * (1 - PASS_BAND)) / 2

#: points of the tabulated impulse response per sample of the lower rate; a line between two of them errs by 1e-6
TABLE_STEPS = 1024

#: weights held at a time, which bounds the memory needed beside the recording and the result
BLOCK_WEIGHTS = 2_000_000

#: highest denominator of a rate in Hz: nominal rates have few decimals, 1 / (interval in microseconds) more
MAX_DENOMINATOR = 1_000_000


def resample(data: np.ndarray, sfreq: float, new_sfreq: float, stretches: Sequence[tuple[int, int]]) -> np.ndarray:
    """Read a recording at the times k / ``new_sfreq``, exactly and without delay.

    Each value is a sum over the samples around its own time, weighted by the impulse response of a low-pass filter
    (a sinc under a Kaiser window). No period, length or ratio is rounded to samples, so time neither shifts nor drifts
    as it does in a transform of the whole recording (reference: behaviour, 16). Beyond its ends a stretch is continued
    by reflection through its last point, which keeps offset and slope.

    Parameters
    ----------
    data : array, shape (n_chans, n_samples)
    sfreq, new_sfreq : float
        Rates of the data and of the result, in Hz.
    stretches : sequence of (int, int)
        First sample of each stretch without a cut, and the one behind its last; no value mixes two of them.

    Returns
    -------
    array of float32, shape (n_rows, n_chans)
        Row k is the time k / ``new_sfreq`` after the first sample. At another rate, rows in no stretch are zero.
    """
    if sfreq == new_sfreq:
        return np.ascontiguousarray(data.T, dtype=np.float32)
    ratio = rate_ratio(sfreq, new_sfreq)
    lowpass = _Lowpass(ratio.numerator, ratio.denominator)
    rows = np.zeros((lowpass.first_row(data.shape[1]), len(data)), dtype=np.float32)
    for first, stop in stretches:
        stretch = data[:, first:stop]
        for start, weights, sample in lowpass.blocks(lowpass.first_row(first), lowpass.first_row(stop)):
            samples = _extended(stretch, sample - first, sample - first + weights.shape[1])
            rows[start : start + weights.shape[0]] = weights @ np.ascontiguousarray(samples.T)
    return rows


def rate_ratio(sfreq: float, new_sfreq: float) -> Fraction:
    """Return the samples at one rate that pass in one sample at the other; rates in Hz."""
    return _fraction(sfreq) / _fraction(new_sfreq)


def _fraction(rate_hz: float) -> Fraction:
    return Fraction(rate_hz).limit_denominator(MAX_DENOMINATOR)


@dataclass(frozen=True)
class _Lowpass:
    """The filter of a ratio of rates: row k lies at sample k * down / up."""

    down: int
    up: int

    def first_row(self, sample: int) -> int:
        """Return the first row that lies at this sample or behind it."""
        return max(0, -((-sample * self.up) // self.down))

    def blocks(self, start: int, stop: int) -> Iterator[tuple[int, csr_array, int]]:
        """Yield the first row of each block, the weights of its rows, and the sample of their first column."""
        n_rows = max(1, BLOCK_WEIGHTS // len(self._taps))
        # Weights return after `up` rows, so blocks of whole periods share them.
        periodic = n_rows >= self.up
        n_rows = n_rows // self.up * self.up if periodic else n_rows
        weights = None
        for row in range(start, stop, n_rows):
            n = min(n_rows, stop - row)
            if weights is None or not periodic or weights.shape[0] != n:
                weights = self._weights(np.arange(row, row + n, dtype=np.int64))
            yield row, weights, row * self.down // self.up + int(self._taps[0])

    @cached_property
    def _stretch(self) -> float:
        """Samples of the recording per sample of the lower rate."""
        return max(1.0, self.down / self.up)

    @cached_property
    def _taps(self) -> np.ndarray:
        half = int(np.ceil(HALF_LENGTH * self._stretch))
        return np.arange(-half, half + 2)

    @cached_property
    def _table(self) -> np.ndarray:
        """Impulse response at distances of 1 / `TABLE_STEPS` samples of the lower rate, and zero behind its end."""
        distance = np.arange(int(HALF_LENGTH * TABLE_STEPS)) / TABLE_STEPS
        window = np.i0(KAISER_BETA * np.sqrt(1 - (distance / HALF_LENGTH) ** 2))
        return np.append(np.sinc((1 + PASS_BAND) / 2 * distance) * window, [0.0, 0.0])

    def _response(self, distance: np.ndarray) -> np.ndarray:
        place = np.minimum(distance * TABLE_STEPS, len(self._table) - 2)
        before = place.astype(np.int32)
        return self._table[before] + (place - before) * np.diff(self._table)[before]

    def _weights(self, rows: np.ndarray) -> csr_array:
        whole, rest = np.divmod(rows * self.down, self.up)
        distinct = rest[: self.up]
        values = self._response(np.abs(self._taps - distinct[:, None] / self.up) / self._stretch)
        # An offset of millivolts is kept exactly, and does not ripple with the place between two samples.
        values /= values.sum(1, keepdims=True)
        values = values[np.arange(len(rows)) % len(distinct)]
        columns = (whole - whole[0])[:, None] + np.arange(len(self._taps))
        starts = np.arange(len(rows) + 1) * len(self._taps)
        shape = (len(rows), int(columns[-1, -1]) + 1)
        return csr_array((values.ravel(), columns.ravel(), starts), shape=shape)


def _extended(stretch: np.ndarray, first: int, stop: int) -> np.ndarray:
    """Return samples ``first`` to ``stop`` of a stretch, of which some may lie beyond its ends."""
    n_samples = stretch.shape[1]
    inside = stretch[:, max(0, first) : min(stop, n_samples)]
    beyond = (max(0, -first), max(0, stop - n_samples))
    return np.pad(inside, ((0, 0), beyond), mode="reflect", reflect_type="odd") if any(beyond) else inside
