"""Lays windows of EEG out for a regression: one row per token, one column per channel and lag."""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.nn.functional import adaptive_avg_pool1d, pad

from eeg2speech_bench.core.errors import DataError
from eeg2speech_bench.core.segments.segment_store import SignalInfo, TargetInfo


class LaggedEeg:
    """Averages EEG down to a low token rate and puts the channels of all lags beside each token.

    Speech is followed below about 10 Hz, so little is lost, and a fit becomes small.

    Parameters
    ----------
    signal : SignalInfo
    target : TargetInfo
    token_rate_hz : float
        Tokens per second; never more than the target or the signal has.
    lags_s : tuple of float
        First and last lag of the EEG, in seconds.

    Attributes
    ----------
    n_tokens : int
        Rows of a window.
    lags : range
        In tokens.
    n_features : int
        Columns.

    Raises
    ------
    DataError
        If no lag lies between the two.
    """

    def __init__(
        self, signal: SignalInfo, target: TargetInfo, token_rate_hz: float, lags_s: tuple[float, float]
    ) -> None:
        window_s = signal.n_times / signal.sfreq
        self.n_tokens = max(1, min(target.n_tokens, signal.n_times, round(window_s * token_rate_hz)))
        rate_hz = self.n_tokens / window_s
        # The tolerance keeps a lag that lies on the grid but for rounding (0.15 s at 20 Hz).
        self.lags = range(math.ceil(lags_s[0] * rate_hz - 1e-6), math.floor(lags_s[1] * rate_hz + 1e-6) + 1)
        if not self.lags:
            got = f"{lags_s[0]:g} to {lags_s[1]:g} s at {rate_hz:g} tokens per second"
            raise DataError("No lag of the EEG lies in lags_s", got=got, then="Give a first and a last lag in seconds.")
        self.n_features = signal.n_chans * len(self.lags)

    def rows(self, eeg: Tensor, dtype: torch.dtype = torch.float32) -> Tensor:
        """Turn EEG (batch, n_chans, n_times) into features (batch, n_tokens, n_features).

        The mean of a window is taken out; beyond its ends the EEG is zero. Columns are the channels of the first lag,
        then those of the next.
        """
        slow = adaptive_avg_pool1d(eeg, self.n_tokens).to(dtype)
        slow = slow - slow.mean(-1, keepdim=True)
        before, after = max(0, -self.lags.start), max(0, self.lags.stop - 1)
        padded = pad(slow, (before, after)).transpose(1, 2)
        return torch.cat([padded[:, before + lag : before + lag + self.n_tokens] for lag in self.lags], -1)


class TokenCorrelation:
    """Correlates estimates with targets within segments, batch by batch, and averages over dimensions."""

    def __init__(self) -> None:
        self.n_segments = 0
        self._sums: Tensor | None = None

    def add(self, estimate: Tensor, truth: Tensor) -> None:
        """Add segments, both of shape (batch, n_tokens, dim)."""
        estimate, truth = (tokens - tokens.mean(1, keepdim=True) for tokens in (estimate, truth))
        products = (estimate * truth, estimate.square(), truth.square())
        sums = torch.stack([product.double().sum((0, 1)) for product in products])
        self._sums = sums if self._sums is None else self._sums + sums
        self.n_segments += len(truth)

    def mean(self) -> float:
        """Return the correlation, averaged over dimensions.

        Raises
        ------
        DataError
            If nothing was added.
        """
        if self._sums is None:
            raise DataError("There are no segments to validate on", then="Check the split of the data set.")
        product, of_estimate, of_truth = self._sums
        return float((product / (of_estimate * of_truth).sqrt().clamp(min=1e-12)).mean())
