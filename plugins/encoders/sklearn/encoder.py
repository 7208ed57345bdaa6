"""Encodes time-lagged EEG by an estimator that follows scikit-learn's conventions."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor

from eeg2speech_bench.core.conditioning import Conditioning, Encoder, pool_tokens
from eeg2speech_bench.core.errors import ContractError, UsageError
from eeg2speech_bench.core.segments.segment_store import Batch, SignalInfo, TargetInfo
from eeg2speech_bench.plugins.encoders.lagged_eeg import LaggedEeg, TokenCorrelation
from eeg2speech_bench.plugins.encoders.sklearn import fitted_state
from eeg2speech_bench.plugins.encoders.sklearn.choice import check_estimator, choose_estimator, seed_estimator
from eeg2speech_bench.plugins.encoders.sklearn.fitting import (
    can_stream,
    fit_in_chunks,
    fit_whole,
    needed_bytes,
    require_memory,
)
from eeg2speech_bench.plugins.encoders.sklearn.training_rows import POOLED, TrainingRows


class SklearnEncoder(Encoder):
    """Fits a regression from time-lagged EEG to the target, one per listener and a pooled one for others.

    A row is a token, a column a channel at a lag, as in `ridge`. Estimators are cloned and see training windows alone;
    one with ``partial_fit`` sees all rows in chunks, in as many passes as validate best.

    Parameters
    ----------
    signal : SignalInfo
    target : TargetInfo
    parameters : mapping of str to object, optional
        Of the estimator, as ``set_params`` takes them (``"ridge__alpha"`` for a step of a pipeline).
    token_rate_hz : float
        Tokens per second of the estimate; never more than the target has.
    lags_s : tuple of float
        First and last lag of the EEG, in seconds; see `ridge`.
    per_subject : bool
        False: one estimator serves everybody.
    max_rows : int
        Rows that an estimator is given at once: a random choice of them, or chunks of that length where it has
        ``partial_fit``.
    """

    closed_form = True
    new_listeners = "the estimator that is fitted to all known listeners together"

    def __init__(
        self,
        signal: SignalInfo,
        target: TargetInfo,
        *,
        parameters: Mapping[str, Any] | None = None,
        token_rate_hz: float = 30.0,
        lags_s: tuple[float, float] = (-0.15, 0.15),
        per_subject: bool = True,
        max_rows: int = 30_000,
    ) -> None:
        super().__init__()
        self.eeg = LaggedEeg(signal, target, token_rate_hz, lags_s)
        self.dim, self.per_subject, self.max_rows = target.dim, per_subject, max_rows
        self.seed = int(torch.randint(2**31 - 1, ()))
        self.estimators: dict[int, Any] = {}
        self.chosen = dict(parameters or {})
        self._make(max_rows)  # parameters that it does not have are refused before anything runs

    def estimator(self, n_rows: int) -> Any:
        """Return a new estimator for a number of rows, before its parameters are set."""
        raise ContractError(f"Encoder '{type(self).__name__}' has no estimator", then="Define estimator(n_rows).")

    def _make(self, n_rows: int) -> Any:
        made = self.estimator(n_rows)
        try:
            made.set_params(**self.chosen)
        except ValueError as error:
            raise UsageError(f"Estimator '{type(made).__name__}' refuses its parameters", got=str(error)) from None
        return seed_estimator(check_estimator(made), self.seed)

    def forward(self, batch: Batch) -> Conditioning:
        """Encode a batch to tokens of shape (batch, n_tokens, dim); the estimators compute on the CPU.

        Raises
        ------
        ContractError
            If nothing was fitted, or an estimator returns another shape.
        """
        return Conditioning.from_tokens(self._predict(batch, self.estimators).to(batch.eeg.device))

    def _predict(self, batch: Batch, estimators: Mapping[int, Any]) -> Tensor:
        if POOLED not in estimators:
            raise ContractError(f"Encoder '{type(self).__name__}' was not fitted", then="Call fit, or load its state.")
        lagged = self.eeg.rows(batch.eeg).cpu().numpy()
        listeners = np.asarray([row if row in estimators else POOLED for row in batch.subject.tolist()])
        tokens = np.empty((len(batch), self.eeg.n_tokens, self.dim), dtype=np.float32)
        for row in np.unique(listeners).tolist():
            mine = listeners == row
            estimate = estimators[row].predict(lagged[mine].reshape(-1, self.eeg.n_features))
            tokens[mine] = estimate.reshape(mine.sum(), self.eeg.n_tokens, self.dim)
        return torch.from_numpy(tokens)

    def fit(self, train: Iterable[tuple[Batch, Tensor]], valid: Iterable[tuple[Batch, Tensor]]) -> dict[str, float]:
        """Fit clones of the estimator, after it was said how much memory that needs.

        Returns
        -------
        dict of str to float
            ``n_rows`` of the largest fit, ``memory_gb`` that was expected, ``valid_r``, the correlation of estimate and
            target within segments, averaged over dimensions; ``passes`` of ``partial_fit``, or ``not_converged``, the
            number of fits that ended before they converged.

        Raises
        ------
        DataError
            If ``train`` or ``valid`` is empty, or the rows do not fit into memory.
        ContractError
            If the estimator fails, or only pickle could keep what was fitted.
        """
        rng = np.random.default_rng(self.seed)
        rows = TrainingRows(self.eeg, self.dim, train, per_subject=self.per_subject)
        needed = self._announce(rows)

        def validate(estimators: Mapping[int, Any]) -> float:
            return self._valid_r(estimators, valid)

        if can_stream(self._make(self.max_rows)):
            self.estimators, passes = fit_in_chunks(self._make, rows, self.max_rows, rng, validate)
            facts = {"n_rows": rows.counts[POOLED], "passes": passes}
        else:
            self.estimators, n_open = fit_whole(self._make, rows, self.max_rows, rng)
            facts = {"n_rows": min(rows.counts[POOLED], self.max_rows), "not_converged": n_open}
        self.get_extra_state()  # what cannot be kept is told here, and not when it is stored
        return {**facts, "memory_gb": round(needed / 1e9, 3), "valid_r": validate(self.estimators)}

    def _announce(self, rows: TrainingRows) -> int:
        needed = needed_bytes(rows, self.max_rows)
        n_rows = min(rows.counts[POOLED], self.max_rows)
        self.report(
            f"{len(rows.counts)} fits of at most {n_rows:,} rows at once, {self.eeg.n_features:,} columns: "
            f"{needed / 1e9:.2f} GB of memory"
        )
        require_memory(needed)
        return needed

    def _valid_r(self, estimators: Mapping[int, Any], valid: Iterable[tuple[Batch, Tensor]]) -> float:
        found = TokenCorrelation()
        for batch, target in valid:
            found.add(self._predict(batch, estimators), pool_tokens(target, self.eeg.n_tokens))
        return found.mean()

    def get_extra_state(self) -> Tensor:
        """Return what was fitted as bytes without pickle; part of the state."""
        return fitted_state.keep(self.estimators)

    def set_extra_state(self, state: Tensor) -> None:
        """Take over what `get_extra_state` returned."""
        made = self._make(self.max_rows)
        parts = [made, *(part for part in made.get_params().values() if hasattr(part, "get_params"))]
        self.estimators = fitted_state.restore(state, {type(part).__module__.partition(".")[0] for part in parts})


class NamedEstimator(SklearnEncoder):
    """Encodes by any estimator, named by its class or given from Python.

    Parameters
    ----------
    signal : SignalInfo
    target : TargetInfo
    estimator : str
        ``"package.module:Class"``, made without arguments; ``parameters`` are set afterwards.
    parameters, token_rate_hz, lags_s, per_subject, max_rows
        See `SklearnEncoder`.
    """

    def __init__(
        self,
        signal: SignalInfo,
        target: TargetInfo,
        *,
        estimator: str = "",
        parameters: Mapping[str, Any] | None = None,
        token_rate_hz: float = 30.0,
        lags_s: tuple[float, float] = (-0.15, 0.15),
        per_subject: bool = True,
        max_rows: int = 30_000,
    ) -> None:
        self.named = estimator
        super().__init__(
            signal,
            target,
            parameters=parameters,
            token_rate_hz=token_rate_hz,
            lags_s=lags_s,
            per_subject=per_subject,
            max_rows=max_rows,
        )

    def estimator(self, n_rows: int) -> Any:
        """Return a new estimator of the class that is named."""
        return choose_estimator(self.named)

    @staticmethod
    def around(given: Any) -> type[SklearnEncoder]:
        """Return a class of encoders that fit clones of an estimator which was given from Python.

        Raises
        ------
        ContractError
            If it is no regressor.
        """
        from sklearn.base import clone

        check_estimator(given)

        class GivenEstimator(SklearnEncoder):
            """Encodes by clones of an estimator that was given."""

            def estimator(self, n_rows: int) -> Any:
                return clone(given)

        return GivenEstimator
