"""Regresses on canonical directions; apart, since it imports scikit-learn when it is loaded."""

from __future__ import annotations

from typing import Self

import numpy as np
from sklearn.base import BaseEstimator, RegressorMixin
from sklearn.cross_decomposition import CCA
from sklearn.linear_model import LinearRegression
from sklearn.utils import Tags


class CanonicalRegression(RegressorMixin, BaseEstimator):
    """Regresses the target on the canonical directions of the features.

    ``CCA.predict`` gives each direction the spread that it has in the target, however weakly the two correlate, and so
    as much noise as signal; a regression gives it the part that the features explain.

    Parameters
    ----------
    n_components : int
        Pairs of directions.
    """

    def __init__(self, n_components: int = 10) -> None:
        self.n_components = n_components

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()
        tags.target_tags.multi_output = True
        return tags

    def fit(self, X: np.ndarray, y: np.ndarray) -> Self:
        """Find the directions, and regress on them."""
        self.directions_ = CCA(self.n_components).fit(X, y)
        self.regression_ = LinearRegression().fit(self.directions_.transform(X), y)
        return self

    def predict(self, X: np.ndarray) -> np.ndarray:
        """Return estimates of the target, shape (n_rows, dim)."""
        estimate: np.ndarray = self.regression_.predict(self.directions_.transform(X))
        return estimate
