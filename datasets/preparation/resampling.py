"""Resamples recordings so that every row has an exact time, whatever the two rates and the length."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from functools import cached_property, lru_cache

import numpy as np

#: the stop band begins at the lower of the two Nyquist frequencies, the pass band ends at this share of it
PASS_BAND = 0.95
#: attenuation in the stop band; length and shape of the Kaiser window for it (Kaiser 1974)
STOP_DB = 70.0
KAISER_BETA = 0.1102 * (STOP_DB - 8.7)
#: half of the impulse response, in samples of the lower rate
HALF_LENGTH = (STOP_DB - 7.95) / (2.285 * np.pi * (1 - PASS_BAND)) / 2

#: points of the tabulated impulse response per sample of the lower rate; a line between two of them errs by 1e-6
TABLE_STEPS = 1024

#: weights that are kept: those of a whole period, where it has no more
KEPT_WEIGHTS = 4_000_000
#: rows that are computed from one copy of their samples
SPAN_ROWS = 1200

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
    lowpass = _lowpass(ratio.numerator, ratio.denominator)
    rows = np.zeros((lowpass.first_row(data.shape[1]), len(data)), dtype=np.float32)
    for first, stop in stretches:
        end = lowpass.first_row(stop)
        for start in range(lowpass.first_row(first), end, SPAN_ROWS):
            lowpass.fill(rows, start, min(start + SPAN_ROWS, end), data[:, first:stop], first)
    return rows


def rate_ratio(sfreq: float, new_sfreq: float) -> Fraction:
    """Return the samples at one rate that pass in one sample at the other; rates in Hz."""
    return _fraction(sfreq) / _fraction(new_sfreq)


def _fraction(rate_hz: float) -> Fraction:
    return Fraction(rate_hz).limit_denominator(MAX_DENOMINATOR)


@lru_cache(maxsize=4)
def _lowpass(down: int, up: int) -> _Lowpass:
    return _Lowpass(down, up)


@dataclass(frozen=True)
class _Lowpass:
    """The filter of a ratio of rates: row k lies at sample k * down / up."""

    down: int
    up: int
    _kept: dict[int, np.ndarray] = field(default_factory=dict, repr=False, compare=False)

    def first_row(self, sample: int) -> int:
        """Return the first row that lies at this sample or behind it."""
        return max(0, -((-sample * self.up) // self.down))

    def fill(self, rows: np.ndarray, start: int, stop: int, stretch: np.ndarray, first: int) -> None:
        """Compute rows ``start`` to ``stop`` from a stretch that begins at sample ``first``.

        In double precision: a window that is read alone has the values that it has in the whole recording.
        """
        from_sample, to_sample = self._sample(start) + int(self._taps[0]), self._sample(stop - 1) + int(self._taps[-1])
        samples = _extended(stretch, from_sample - first, to_sample + 1 - first)
        for row, until, weights in self._blocks(start, stop):
            column = self._sample(row) + int(self._taps[0]) - from_sample
            rows[row:until] = weights @ samples[:, column : column + weights.shape[1]].T

    def _sample(self, row: int) -> int:
        return row * self.down // self.up

    @cached_property
    def _block(self) -> int:
        """Rows that share a matrix of weights: few, so that it holds few zeros, and whole periods where these fit."""
        n = max(1, round(len(self._taps) * self.up / self.down / 4))
        return n if self.up > n else n // self.up * self.up

    def _blocks(self, start: int, stop: int) -> Iterator[tuple[int, int, np.ndarray]]:
        """Yield first row, the row behind the last, and the weights (n_rows, n_samples) of each block."""
        # weights return after `up` rows, and blocks begin anew with every period
        period = max(self.up, self._block)
        row = start
        while row < stop:
            begin = row - row % period
            begin += (row - begin) // self._block * self._block
            end = min(begin + self._block, begin - begin % period + period)
            until = min(end, stop)
            weights = self._weights_of(begin % self.up, end - begin)
            yield row, until, self._part(weights, begin, row, until)
            row = until

    def _part(self, weights: np.ndarray, begin: int, row: int, until: int) -> np.ndarray:
        """Cut what some rows of a block need."""
        column, stop = self._sample(row) - self._sample(begin), self._sample(until - 1) - self._sample(begin)
        return weights[row - begin : until - begin, column : stop + len(self._taps)]

    def _weights_of(self, phase: int, n_rows: int) -> np.ndarray:
        if phase in self._kept:
            return self._kept[phase]
        weights = self._weights(np.arange(phase, phase + n_rows, dtype=np.int64))
        if self.up * weights.shape[1] <= KEPT_WEIGHTS:
            self._kept[phase] = weights
        return weights

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

    def _weights(self, rows: np.ndarray) -> np.ndarray:
        whole, rest = np.divmod(rows * self.down, self.up)
        distinct = rest[: self.up]
        values = self._response(np.abs(self._taps - distinct[:, None] / self.up) / self._stretch)
        # An offset of millivolts is kept exactly, and does not ripple with the place between two samples.
        values /= values.sum(1, keepdims=True)
        columns = (whole - whole[0])[:, None] + np.arange(len(self._taps))
        weights = np.zeros((len(rows), int(columns[-1, -1]) + 1))
        np.put_along_axis(weights, columns, values[np.arange(len(rows)) % len(distinct)], axis=1)
        return weights


def _extended(stretch: np.ndarray, first: int, stop: int) -> np.ndarray:
    """Return samples ``first`` to ``stop`` of a stretch, of which some may lie beyond its ends."""
    n_samples = stretch.shape[1]
    inside = stretch[:, max(0, first) : min(stop, n_samples)]
    beyond = (max(0, -first), max(0, stop - n_samples))
    return np.pad(inside, ((0, 0), beyond), mode="reflect", reflect_type="odd") if any(beyond) else inside
