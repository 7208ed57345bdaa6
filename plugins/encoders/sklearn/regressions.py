"""Defines regressions made of scikit-learn's parts; apart, since this file imports scikit-learn when it is loaded."""

from __future__ import annotations

from typing import Self

import numpy as np
from sklearn.base import BaseEstimator, RegressorMixin
from sklearn.cross_decomposition import PLSSVD, PLSRegression
from sklearn.decomposition import PCA
from sklearn.linear_model import LinearRegression
from sklearn.utils import Tags

#: share of the target's variance whose components can be made equally large without dividing by zero
KEPT = 1 - 1e-6


class CompressedPls(PLSRegression):
    """Fits partial least squares to few rows that have the second moments of all.

    It knows rows by their second moments alone, and passes through all of them up to 500 times for each component: as
    many rows as there are columns, from a QR decomposition, give the same directions.
    """

    def fit(self, X: np.ndarray, y: np.ndarray) -> Self:
        """Compress the rows, and fit to them."""
        self.x_offset_, self.y_offset_ = X.mean(0, dtype=np.float64), y.mean(0, dtype=np.float64)
        centred = np.column_stack([X - self.x_offset_, y - self.y_offset_])
        one_sign = np.asarray(np.linalg.qr(centred, mode="r"))
        few = np.concatenate([one_sign, -one_sign])  # so that their mean is zero
        super().fit(few[:, : X.shape[1]], few[:, X.shape[1] :])
        return self

    def predict(self, X: np.ndarray, copy: bool = True) -> np.ndarray:
        """Return estimates of the target, shape (n_rows, dim)."""
        estimate: np.ndarray = super().predict(X - self.x_offset_, copy=copy).reshape(len(X), -1) + self.y_offset_
        return estimate


class CanonicalRegression(RegressorMixin, BaseEstimator):
    """Regresses the target on those canonical directions of the features that correlate most with it.

    Of features and target whose components are uncorrelated and of equal size, canonical directions are the singular
    vectors of the cross products, and exact. ``sklearn.cross_decomposition.CCA`` iterates towards them, up to 500 times
    for each pair, and its ``predict`` gives each the spread that it has in the target, however weak the correlation.

    Parameters
    ----------
    n_components : int
        Pairs of directions, where the target has as many.
    """

    def __init__(self, n_components: int = 10) -> None:
        self.n_components = n_components

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()
        tags.target_tags.multi_output = True
        return tags

    def fit(self, X: np.ndarray, y: np.ndarray) -> Self:
        """Find the directions, and regress on them; ``X`` has components that are uncorrelated and of equal size."""
        equal = PCA(KEPT, whiten=True, svd_solver="full").fit_transform(y)
        n_components = min(self.n_components, *X.shape, equal.shape[1])
        self.directions_ = PLSSVD(n_components, scale=False).fit(X, equal)
        self.regression_ = LinearRegression().fit(self.directions_.transform(X), y)
        return self

    def predict(self, X: np.ndarray) -> np.ndarray:
        """Return estimates of the target, shape (n_rows, dim)."""
        estimate: np.ndarray = self.regression_.predict(self.directions_.transform(X))
        return estimate
