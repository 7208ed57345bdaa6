"""Fits clones of an estimator to rows: at once, or chunk by chunk where it has ``partial_fit``."""

from __future__ import annotations

import copy
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import psutil

from eeg2speech_bench.core.errors import DataError, naming_plugin
from eeg2speech_bench.plugins.encoders.sklearn.training_rows import POOLED, Rows, TrainingRows

#: float64 copies of its rows that an estimator is expected to make
COPIES = 3
#: passes over all rows of an estimator with ``partial_fit``, and how many that do not help end it
MAX_PASSES, PATIENCE = 100, 3

#: from a number of rows to an estimator that is not fitted
Make = Callable[[int], Any]


def steps_of(estimator: Any) -> list[Any]:
    """Return the transformers and, last, the regressor of a pipeline; of anything else itself alone."""
    steps = [step for _, step in estimator.steps] if hasattr(estimator, "steps") else [estimator]
    return [step for step in steps if step not in (None, "passthrough")]


def can_stream(estimator: Any) -> bool:
    """Whether every step takes its rows a chunk at a time."""
    return all(hasattr(step, "partial_fit") for step in steps_of(estimator))


def needed_bytes(rows: TrainingRows, limit: int) -> int:
    """Return the memory that a fit of at most ``limit`` rows at a time needs: the rows, and copies of the largest."""
    largest = 8 * COPIES * min(rows.counts[POOLED], limit) * (rows.eeg.n_features + rows.dim)
    return rows.held_bytes(limit) + largest


def require_memory(n_bytes: int) -> None:
    """Refuse a fit that needs more memory than there is.

    Raises
    ------
    DataError
    """
    free = psutil.virtual_memory().available
    if n_bytes > free:
        raise DataError(
            "The rows of lagged EEG do not fit into memory",
            got=f"{n_bytes / 1e9:.1f} GB",
            expected=f"at most {free / 1e9:.1f} GB, which are free",
            then="Lower the encoder's max_rows or token_rate_hz, or narrow its lags_s.",
        )


def fit_whole(make: Make, rows: TrainingRows, limit: int, rng: np.random.Generator) -> tuple[dict[int, Any], int]:
    """Fit an estimator per listener and one of all.

    Returns
    -------
    dict of int to estimator
        By listener, and under `POOLED`.
    int
        How many fits ended before they converged.
    """
    fitted, n_open = {}, 0
    for row, sample in rows.sample(limit, rng).items():
        with _convergence() as unconverged, naming_plugin(f"Estimator '{type(make(1)).__name__}'"):
            fitted[row] = make(len(sample)).fit(sample.features, sample.target)
        n_open += bool(unconverged)
    return fitted, n_open


def fit_in_chunks(
    make: Make,
    rows: TrainingRows,
    limit: int,
    rng: np.random.Generator,
    validate: Callable[[dict[int, Any]], float],
) -> tuple[dict[int, Any], int]:
    """Fit an estimator per listener and one of all with ``partial_fit``, in passes over all rows.

    Transformers are fitted first, in a pass each. The regressor is the one after the pass that validates best.

    Returns
    -------
    dict of int to estimator
    int
        The number of that pass, from 1.
    """
    fitted = {row: make(n) for row, n in rows.counts.items()}
    n_steps = len(steps_of(fitted[POOLED]))
    best, chosen, kept = -np.inf, 0, fitted
    with _convergence(), naming_plugin(f"Estimator '{type(fitted[POOLED]).__name__}'"):
        for step in range(n_steps - 1):
            _pass(fitted, step, rows.chunks(limit, rng))
        for number in range(1, MAX_PASSES + 1):
            _pass(fitted, n_steps - 1, rows.chunks(limit, rng))
            found = validate(fitted)
            if found > best:
                best, chosen, kept = found, number, copy.deepcopy(fitted)
            elif number - chosen >= PATIENCE:
                break
    return kept, chosen


def _pass(fitted: dict[int, Any], step: int, chunks: Iterator[tuple[int, Rows]]) -> None:
    """Show one step of all estimators every row."""
    for listener, chunk in chunks:
        for row in dict.fromkeys((listener, POOLED)):
            steps = steps_of(fitted[row])
            features = chunk.features
            for before in steps[:step]:
                features = before.transform(features)
            is_last = step == len(steps) - 1
            steps[step].partial_fit(features, *([chunk.target] if is_last else []))


@contextmanager
def _convergence() -> Iterator[list[warnings.WarningMessage]]:
    """Catch the warnings of fits that did not converge; what else is warned of is shown."""
    from sklearn.exceptions import ConvergenceWarning

    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        of_convergence: list[warnings.WarningMessage] = []
        yield of_convergence
    for warning in caught:
        if issubclass(warning.category, ConvergenceWarning):
            of_convergence.append(warning)
        else:
            warnings.warn_explicit(warning.message, warning.category, warning.filename, warning.lineno)
