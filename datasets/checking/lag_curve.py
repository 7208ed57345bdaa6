"""Asks at which lag two signals go together, and how far a lag as high is from chance."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy import fft

#: lags that are looked at, to either side, and from where on a shift is another sound
REACH_S, FAR_S = 2.0, 4.0
N_SHIFTS, N_RESAMPLED = 300, 500
#: pieces that are drawn anew for intervals, seconds
PIECE_S = 10.0
EULER = 0.5772156649


@dataclass(frozen=True)
class LagCurve:
    """How strongly two signals go together at each lag, and at lags where they cannot.

    Attributes
    ----------
    rate_hz : float
    near : array, shape (2 * reach + 1,)
        From -`REACH_S` to `REACH_S`.
    far : array, shape (n,)
        At circular shifts of `FAR_S` or more: what chance gives.
    """

    rate_hz: float
    near: np.ndarray
    far: np.ndarray

    @classmethod
    def of_all_shifts(cls, values: np.ndarray, rate_hz: float) -> LagCurve:
        """Take the lags from one value per circular shift, shape (n_times,)."""
        reach, far = round(REACH_S * rate_hz), round(FAR_S * rate_hz)
        return cls(rate_hz, values[np.arange(-reach, reach + 1)], values[far : len(values) - far])

    @property
    def lags_s(self) -> np.ndarray:
        """Seconds, one per value of ``near``."""
        return (np.arange(len(self.near)) - len(self.near) // 2) / self.rate_hz

    def peak_s(self, low_s: float = -REACH_S, high_s: float = REACH_S) -> float:
        """Lag of the highest value between two lags."""
        inside = (self.lags_s >= low_s - 1e-9) & (self.lags_s <= high_s + 1e-9)
        return float(self.lags_s[inside][np.argmax(self.near[inside])])

    def at(self, lag_s: float) -> float:
        """Value at a lag."""
        return float(self.near[np.argmin(np.abs(self.lags_s - lag_s))])

    def null_maxima(self, width_s: float = 2 * REACH_S) -> np.ndarray:
        """Highest values within windows of ``width_s`` around circular shifts, shape (n_shifts,)."""
        width = max(1, min(round(width_s * self.rate_hz) + 1, len(self.far)))
        starts = np.unique(np.linspace(0, len(self.far) - width, N_SHIFTS).astype(int))
        return np.array([self.far[start : start + width].max() for start in starts])

    def p(self, value: float, width_s: float = 2 * REACH_S) -> float:
        """Probability of a value as high anywhere within ``width_s``, were the sound another one."""
        return gumbel_p(value, self.null_maxima(width_s))


def gumbel_p(value: float, maxima: np.ndarray) -> float:
    """Probability of a maximum as high, by a Gumbel distribution with the mean and spread of ``maxima``.

    Counting shifts could never say less than one in their number, and hundreds of recordings are looked at.
    """
    spread = float(maxima.std()) * np.sqrt(6) / np.pi
    if spread == 0:
        return 1.0
    return float(-np.expm1(-np.exp(-(value - (maxima.mean() - EULER * spread)) / spread)))


def correlate(estimate: np.ndarray, envelope: np.ndarray, rate_hz: float) -> LagCurve:
    """Correlate an estimate of the envelope, which may be late, with the envelope; both of shape (n_times,)."""
    n_times = fft.next_fast_len(len(envelope), real=True)  # zeros behind the end are silence
    size = np.sqrt(np.sum(envelope**2) * np.sum(estimate**2 * (envelope != 0)))
    spectrum = fft.rfft(estimate, n_times) * np.conj(fft.rfft(envelope, n_times))
    return LagCurve.of_all_shifts(fft.irfft(spectrum, n_times) / (size or 1.0), rate_hz)


def products_of_pieces(
    estimate: np.ndarray, envelope: np.ndarray, presentation: np.ndarray, rate_hz: float
) -> tuple[np.ndarray, np.ndarray]:
    """Multiply estimate and envelope at each lag, summed over pieces of `PIECE_S` within a presentation.

    Returns
    -------
    products : array, shape (n_pieces, n_lags)
    of : array of int, shape (n_pieces,)
        Presentation of each piece.
    """
    reach, length = round(REACH_S * rate_hz), round(PIECE_S * rate_hz)
    lagged = np.lib.stride_tricks.sliding_window_view(np.pad(estimate, reach), 2 * reach + 1)
    products, of = [], []
    for number in range(int(presentation.max(initial=-1)) + 1):
        rows = np.flatnonzero(presentation == number)
        for piece in np.array_split(rows, max(1, len(rows) // length)) if len(rows) else []:
            products.append(envelope[piece] @ lagged[piece])
            of.append(number)
    return np.array(products).reshape(-1, 2 * reach + 1), np.array(of, dtype=int)


def peak_interval(products: np.ndarray, lags_s: np.ndarray) -> tuple[float, float]:
    """Return the 95 % interval of the best lag over pieces that are drawn anew; all lags if there are few pieces."""
    if len(products) < 3:
        return float(lags_s[0]), float(lags_s[-1])
    rng = np.random.default_rng(0)
    drawn = rng.multinomial(len(products), np.full(len(products), 1 / len(products)), N_RESAMPLED)
    peaks = lags_s[np.argmax(drawn @ products, axis=1)]
    low, high = np.percentile(peaks, [2.5, 97.5])
    return float(low), float(high)


def mean_curve(curves: Sequence[LagCurve]) -> tuple[LagCurve, np.ndarray]:
    """Average curves of one rate over recordings.

    Returns
    -------
    curve : LagCurve
        Its ``far`` is empty: every recording has its own.
    maxima : array, shape (n_shifts,)
        Highest values of averages at random circular shifts, drawn for every recording.
    """
    rng = np.random.default_rng(0)
    n_lags = len(curves[0].near)
    total = np.zeros((N_SHIFTS, n_lags))
    for curve in curves:
        starts = rng.integers(0, max(1, len(curve.far) - n_lags), N_SHIFTS)
        total += np.take(curve.far, starts[:, None] + np.arange(n_lags), mode="wrap")
    near = np.mean([curve.near for curve in curves], axis=0)
    return LagCurve(curves[0].rate_hz, near, np.empty(0)), total.max(1) / len(curves)
