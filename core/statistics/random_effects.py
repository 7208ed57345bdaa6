"""Pools an effect over data sets, and measures how far it differs between them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from eeg2speech_bench.core.errors import DataError
from eeg2speech_bench.core.statistics.resampling import Interval


@dataclass(frozen=True)
class PooledEffect:
    """Holds the result of `random_effects`, in the unit of the effects.

    Attributes
    ----------
    mean : float
        Mean of the distribution that the data sets' true effects come from.
    interval : Interval
        Hartung-Knapp confidence interval of the mean.
    prediction : Interval or None
        Where the true effect of one further data set is expected; None for two data sets, which cannot say.
    tau2 : float
        Variance of the true effects between data sets (DerSimonian-Laird), unit squared.
    i2 : float
        Share of the observed variance that is not sampling error, 0 to 1.
    q : float
        Cochran's Q; chi-squared with n_datasets - 1 degrees of freedom where all true effects are equal.
    n_datasets : int
    """

    mean: float
    interval: Interval
    prediction: Interval | None
    tau2: float
    i2: float
    q: float
    n_datasets: int


def random_effects(effects: np.ndarray, standard_errors: np.ndarray, *, confidence: float = 0.95) -> PooledEffect:
    """Pool one effect per data set, where the data sets may have different true effects.

    Parameters
    ----------
    effects : array of float, shape (n_datasets,)
        Such as encoder minus encoder on each data set, in the same unit.
    standard_errors : array of float, shape (n_datasets,)
        Their sampling errors, above 0.
    confidence : float
        Of both intervals.

    Raises
    ------
    DataError
        If there are fewer than two data sets, or a number is not finite or an error not above 0.

    Notes
    -----
    Sources: tau^2, DerSimonian and Laird (1986), *Controlled Clinical Trials* 7:177; interval, Hartung and Knapp
    (2001), *Statistics in Medicine* 20:3875, with its variance kept from falling below that of the weights (Röver,
    Knapp and Friede 2015, *BMC Medical Research Methodology* 15:99: without it two data sets that agree by chance
    have no interval at all); I^2 and prediction, Higgins, Thompson and Spiegelhalter (2009), *Journal of the Royal
    Statistical Society A* 172:137.
    """
    y, variances = _check_effects(effects, standard_errors)
    n = len(y)
    tau2, q = _between_variance(y, 1 / variances)
    weights = 1 / (variances + tau2)
    mean = float(weights @ y / weights.sum())
    inflation = max(1.0, float(weights @ (y - mean) ** 2) / (n - 1))
    variance = inflation / float(weights.sum())
    return PooledEffect(
        mean=mean,
        interval=_interval_around(mean, variance, n - 1, confidence),
        prediction=_interval_around(mean, variance + tau2, n - 2, confidence) if n > 2 else None,
        tau2=tau2,
        i2=max(0.0, 1 - (n - 1) / q) if q > 0 else 0.0,
        q=q,
        n_datasets=n,
    )


def _check_effects(effects: np.ndarray, standard_errors: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    y, errors = np.asarray(effects, dtype=np.float64), np.asarray(standard_errors, dtype=np.float64)
    if y.ndim != 1 or y.shape != errors.shape or len(y) < 2:
        got, expected = f"shapes {y.shape} and {errors.shape}", "one effect and one error of two or more data sets"
        raise DataError("Nothing to pool", got=got, expected=expected)
    # a square that underflows to 0 would weigh infinitely
    if not (np.isfinite(y).all() and np.isfinite(errors).all() and (errors > 0).all() and (errors**2 > 0).all()):
        got = f"effects {y.tolist()}, errors {errors.tolist()}"
        raise DataError("Effects cannot be pooled", got=got, expected="finite effects and finite errors above 0")
    return y, errors**2


def _between_variance(y: np.ndarray, weights: np.ndarray) -> tuple[float, float]:
    """Return tau^2 by the method of moments, and Cochran's Q that it comes from."""
    total = weights.sum()
    q = float(weights @ (y - weights @ y / total) ** 2)
    scale = total - (weights**2).sum() / total
    return max(0.0, float((q - (len(y) - 1)) / scale)), q


def _interval_around(mean: float, variance: float, n_freedom: int, confidence: float) -> Interval:
    from scipy.special import stdtrit  # scipy.stats takes three times as long to import

    half = float(stdtrit(n_freedom, (1 + confidence) / 2)) * variance**0.5
    return Interval(mean - half, mean + half)
