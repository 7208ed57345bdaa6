"""Draws units with replacement, and weighs subjects by what they heard of a draw."""

from __future__ import annotations

import numpy as np


def draw_counts(n: int, size: int, rng: np.random.Generator) -> np.ndarray:
    """Return how often each of ``n`` units comes up in ``n`` draws with replacement, int (size, n)."""
    return rng.multinomial(n, np.full(n, 1 / n), size=size)


def weigh_subjects(n_drawn: np.ndarray, n_segments: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Weigh the segments of each subject so that every drawn subject counts the same.

    A subject who heard none of the drawn blocks takes no part.

    Parameters
    ----------
    n_drawn : array, shape (n_resamples, n_subjects)
        How often each subject was drawn.
    n_segments : array, shape (n_resamples, n_subjects)
        Segments of each subject in the drawn blocks.

    Returns
    -------
    weights : array of float, shape (n_resamples, n_subjects)
        Of one segment of the subject, before division by ``n_taking_part``.
    n_taking_part : array, shape (n_resamples, 1)
        Drawn subjects who heard something; a resample with 0 is to be dropped.
    """
    weights = np.where(n_segments > 0, n_drawn / np.maximum(n_segments, 1), 0.0)
    return weights, np.sum(n_drawn * (n_segments > 0), axis=1, keepdims=True)
