"""Encodes EEG by time-lagged ridge regression: the linear floor under every deep encoder."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import torch
from torch import Tensor

from eeg2speech_bench.core.conditioning import Conditioning, Encoder, pool_tokens
from eeg2speech_bench.core.errors import DataError
from eeg2speech_bench.core.segments.segment_store import Batch, SignalInfo, TargetInfo
from eeg2speech_bench.plugins.encoders.lagged_eeg import LaggedEeg, TokenCorrelation

#: penalties that validation chooses from, relative to the mean eigenvalue of the lagged EEG's second moments
PENALTIES = (1e-4, 1e-3, 1e-2, 1e-1, 1.0, 10.0, 100.0)


class Ridge(Encoder):
    """Estimates the target by a backward model (mTRF), one per listener and a pooled one for others.

    Each token is a weighted sum of all channels at all lags around it (Crosse et al. 2016, Frontiers in Human
    Neuroscience 10:604). EEG and target are first averaged down to a low token rate: speech is followed below
    about 10 Hz, and the fit becomes small.

    Parameters
    ----------
    signal : SignalInfo
    target : TargetInfo
    token_rate_hz : float
        Tokens per second of the estimate; never more than the target has.
    lags_s : tuple of float
        First and last lag of the EEG, in seconds. The EEG of a segment already starts 150 ms after its audio
        (``data.shift_s``), so the default spans 0 to 300 ms after the sound.
    per_subject : bool
        False: the pooled weights serve everybody.
    """

    closed_form = True
    new_listeners = "the weights that are fitted to all known listeners together"

    def __init__(
        self,
        signal: SignalInfo,
        target: TargetInfo,
        *,
        token_rate_hz: float = 30.0,
        lags_s: tuple[float, float] = (-0.15, 0.15),
        per_subject: bool = True,
    ) -> None:
        super().__init__()
        self.eeg = LaggedEeg(signal, target, token_rate_hz, lags_s)
        self.n_tokens, self.lags = self.eeg.n_tokens, self.eeg.lags
        self.per_subject = per_subject
        self.pooled_row = signal.n_subjects
        n_features = self.eeg.n_features + 1
        self.weights: Tensor
        self.register_buffer("weights", torch.zeros(signal.n_subjects + 1, n_features, target.dim))

    def forward(self, batch: Batch) -> Conditioning:
        """Encode a batch to tokens of shape (batch, n_tokens, dim)."""
        lagged = self._lagged(batch.eeg)
        return Conditioning.from_tokens(_apply(self.weights, lagged, self._rows(batch.subject)))

    def _rows(self, subject: Tensor) -> Tensor:
        known = (subject >= 0) & (subject < self.pooled_row) & self.per_subject
        return torch.where(known, subject, self.pooled_row)

    def _lagged(self, eeg: Tensor, dtype: torch.dtype = torch.float32) -> Tensor:
        """Turn EEG (batch, n_chans, n_times) into features (batch, n_tokens, n_lags * n_chans + 1); the last is 1."""
        lagged = self.eeg.rows(eeg, dtype)
        return torch.cat([lagged, torch.ones_like(lagged[..., :1])], -1)

    def fit(self, train: Iterable[tuple[Batch, Tensor]], valid: Iterable[tuple[Batch, Tensor]]) -> dict[str, float]:
        """Fit all weights; the penalty is the one with the best mean correlation on ``valid``.

        Returns
        -------
        dict of str to float
            ``penalty``, relative to the mean eigenvalue of the features' second moments, and ``valid_r``, the
            correlation of estimate and target within segments, averaged over dimensions.

        Raises
        ------
        DataError
            If ``train`` or ``valid`` is empty.
        """
        gram, cross = self._moments(train)
        fits = torch.stack([_solve(gram, cross, penalty) for penalty in PENALTIES]).to(self.weights)
        scores = self._correlations(fits, valid)
        best = int(scores.argmax())
        self.weights.copy_(fits[best])
        return {"penalty": PENALTIES[best], "valid_r": float(scores[best])}

    def _moments(self, train: Iterable[tuple[Batch, Tensor]]) -> tuple[Tensor, Tensor]:
        """Sum the second moments of features with features and with targets, per subject and (last) over all."""
        n_rows, n_features, dim = self.weights.shape
        gram = torch.zeros(n_rows, n_features, n_features, dtype=torch.float64, device=self.weights.device)
        cross = torch.zeros(n_rows, n_features, dim, dtype=torch.float64, device=self.weights.device)
        for row, features, target in self._by_subject(train):
            gram[row] += features.T @ features
            cross[row] += features.T @ target
        gram[-1], cross[-1] = gram.sum(0), cross.sum(0)
        if not gram[-1].any():
            raise DataError("Encoder 'ridge' has no training segments", then="Check the split of the data set.")
        # A listener without training segments is one never seen.
        empty = gram[:, -1, -1] == 0
        gram[empty], cross[empty] = gram[-1].clone(), cross[-1].clone()
        return gram, cross

    def _by_subject(self, segments: Iterable[tuple[Batch, Tensor]]) -> Iterator[tuple[int, Tensor, Tensor]]:
        for batch, target in segments:
            tokens = pool_tokens(target, self.n_tokens)
            for row in batch.subject.unique().tolist():
                mine = batch.subject == row
                lagged = self._lagged(batch.eeg[mine], torch.float64)
                yield row, lagged.flatten(0, 1), tokens[mine].double().flatten(0, 1)

    def _correlations(self, fits: Tensor, valid: Iterable[tuple[Batch, Tensor]]) -> Tensor:
        """Correlate estimates with targets for weights ``fits`` (n_penalties, n_rows, n_features, dim)."""
        found = [TokenCorrelation() for _ in fits]
        for batch, target in valid:
            truth = pool_tokens(target.to(fits), self.n_tokens)
            lagged, rows = self._lagged(batch.eeg), self._rows(batch.subject)
            for correlation, weights in zip(found, fits, strict=True):
                correlation.add(_apply(weights, lagged, rows), truth)
        if not found[0].n_segments:
            raise DataError("Encoder 'ridge' has no validation segments", then="Check the split of the data set.")
        return torch.tensor([correlation.mean() for correlation in found])


def _solve(gram: Tensor, cross: Tensor, penalty: float) -> Tensor:
    """Solve ridge regressions (n, f, f), (n, f, dim) with a penalty relative to each mean eigenvalue."""
    n_features = gram.shape[-1] - 1
    mean_eigenvalue = gram.diagonal(dim1=1, dim2=2)[:, :-1].mean(1)
    weight = torch.ones(n_features + 1, dtype=gram.dtype, device=gram.device)
    weight[-1] = 0.0  # the intercept is free
    # The floor keeps a silent signal (the no-signal controls) solvable; its weights are zero.
    ridge = (penalty * mean_eigenvalue).clamp(min=1e-9)[:, None] * weight
    return torch.cholesky_solve(cross, torch.linalg.cholesky(gram + torch.diag_embed(ridge)))


def _apply(weights: Tensor, lagged: Tensor, rows: Tensor) -> Tensor:
    """Multiply features (batch, n_tokens, f) with each segment's own row of weights (n_rows, f, dim)."""
    out = lagged.new_empty(*lagged.shape[:2], weights.shape[-1])
    for row in rows.unique().tolist():
        out[rows == row] = lagged[rows == row] @ weights[row]
    return out
