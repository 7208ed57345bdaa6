"""Reads labels out of embeddings by linear models, fitted and tested on different audio."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from eeg2speech_bench.benchmarks.probes.labels import Labels
from eeg2speech_bench.core.statistics.spacing import evenly_spaced

N_FOLDS = 5
#: items that a model is fitted on at most; neighbouring tokens say much the same
MAX_FITTED = 10_000
#: penalties that ridge regression chooses among, for standardised embeddings
PENALTIES = np.logspace(0, 6, 7)
#: inverse penalty of logistic regression
INVERSE_PENALTY = 0.01
#: differences of probabilities that are ties
_TIE = 1e-9


def read_out(embeddings: np.ndarray, labels: Labels) -> np.ndarray:
    """Read labels out of embeddings, segment by segment.

    Parameters
    ----------
    embeddings : array of float32, shape (n, n_tokens, dim)
    labels : Labels

    Returns
    -------
    array of float, shape (n,)
        Of numbers: by how much the squared error is less than that of the mean of the training folds, as a share of
        the variance; the mean over segments is R2. Of classes: hits, each item weighted by how rare its class is; the
        mean is the balanced accuracy. NaN for a segment without labels.
    """
    features = _features(embeddings, labels)
    read = _numbers if labels.n_classes == 0 else _classes
    values = read(features, labels)
    counts = np.bincount(labels.segment, minlength=len(embeddings))
    with np.errstate(invalid="ignore"):
        return np.bincount(labels.segment, weights=values, minlength=len(embeddings)) / counts


def _features(embeddings: np.ndarray, labels: Labels) -> np.ndarray:
    """Return the mean embedding of the tokens of each item, float32 (n_items, dim)."""
    if (labels.stop - labels.start == 1).all():
        return embeddings[labels.segment, labels.start]
    sums = np.pad(np.cumsum(embeddings, axis=1, dtype=np.float64), ((0, 0), (1, 0), (0, 0)))
    total = sums[labels.segment, labels.stop] - sums[labels.segment, labels.start]
    return (total / (labels.stop - labels.start)[:, None]).astype(np.float32)


def _folds(labels: Labels) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Yield the items to fit and to test on; no group is on both sides."""
    from sklearn.model_selection import GroupKFold

    groups = labels.group
    n_folds = min(N_FOLDS, len(np.unique(groups)))
    for fitted, tested in GroupKFold(n_folds).split(groups, groups=groups):
        yield fitted[evenly_spaced(len(fitted), MAX_FITTED)], tested


def _is_constant(features: np.ndarray) -> bool:
    return bool((features == features[:1]).all())


def _numbers(features: np.ndarray, labels: Labels) -> np.ndarray:
    from sklearn.linear_model import RidgeCV
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    constant, true = _is_constant(features), labels.value
    usual, error = np.empty(len(true)), np.empty(len(true))
    for fitted, tested in _folds(labels):
        usual[tested] = true[tested] - true[fitted].mean()
        if constant:  # nothing to be learnt, and no rounding that would look like it
            error[tested] = usual[tested]
            continue
        model = make_pipeline(StandardScaler(), RidgeCV(PENALTIES)).fit(features[fitted], true[fitted])
        error[tested] = true[tested] - model.predict(features[tested])
    return (usual**2 - error**2) / np.mean(usual**2)


def _classes(features: np.ndarray, labels: Labels) -> np.ndarray:
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    true = labels.value.astype(np.int64)
    counts = np.bincount(true, minlength=labels.n_classes)
    rarity = len(true) / (labels.n_classes * counts[true])
    if _is_constant(features):  # what guessing reaches
        return rarity / labels.n_classes
    hits = np.empty(len(true))
    for fitted, tested in _folds(labels):
        regression = LogisticRegression(C=INVERSE_PENALTY, class_weight="balanced", max_iter=1000)
        model = make_pipeline(StandardScaler(), regression).fit(features[fitted], true[fitted])
        probable = np.zeros((len(tested), labels.n_classes))
        probable[:, model.classes_] = model.predict_proba(features[tested])
        first = probable >= probable.max(axis=1, keepdims=True) - _TIE
        hits[tested] = first[np.arange(len(tested)), true[tested]] / first.sum(axis=1)
    return hits * rarity
