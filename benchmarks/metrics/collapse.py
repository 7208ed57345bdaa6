"""Measures whether the generator says different things to different EEG, or the same to all."""

from __future__ import annotations

import numpy as np

from eeg2speech_bench.benchmarks.metrics.quality import standardise_bands
from eeg2speech_bench.core.segments.clips import Clips


def variance_ratio(generated: Clips, reference: Clips) -> float:
    """Return the variance of the log-mel from clip to clip, as a share of the references' own.

    The variance over clips is taken in every cell of frame and band, and averaged over cells on either side before
    the division. Level is part of it.

    Parameters
    ----------
    generated, reference : Clips
        At least two clips.

    Returns
    -------
    float
        1: as varied as speech. 0: the same clip for every segment. Above 1: more varied than speech, as noise at
        random levels. NaN if the references do not vary.
    """
    generated.check_matches(reference)
    ours, theirs = (clips.mel.var(axis=0, dtype=np.float64).mean() for clips in (generated, reference))
    return float(ours / theirs) if theirs > 0 else np.nan


def pairwise_similarity(generated: Clips, reference: Clips) -> float:
    """Return how much more alike two generated clips are than two references: mean correlation of log-mels.

    Correlation as in `quality.mel_correlation`: over time, per band, averaged over bands.

    Parameters
    ----------
    generated, reference : Clips
        At least two clips.

    Returns
    -------
    float
        0: outputs are as unlike each other as speech is. Near 1: one clip for every segment. NaN if there are fewer
        than two references that are not silent.
    """
    generated.check_matches(reference)
    return _mean_similarity(generated.mel) - _mean_similarity(reference.mel)


def _mean_similarity(mel: np.ndarray) -> float:
    """Mean correlation over all pairs of different clips; a silent clip is like no other."""
    bands, varies = standardise_bands(mel)
    n, n_bands = varies.shape
    if n < 2:
        return np.nan
    # The sum over pairs is the square of the sum less the squares, which spares the n x n table.
    total = bands.sum(axis=0)
    pairs = np.square(total).sum() - np.square(bands).sum()
    return float(pairs / (n * (n - 1) * n_bands))
