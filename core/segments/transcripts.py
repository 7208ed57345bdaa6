"""Finds the words that are spoken in windows of a stimulus."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np


def words_in_windows(words: Sequence[str], middles_s: np.ndarray, starts_s: np.ndarray, window_s: float) -> list[str]:
    """Return the text of each window: the words whose middle lies in it, so that no word counts on both sides.

    Parameters
    ----------
    words : sequence of str, length n_words
    middles_s : array, shape (n_words,)
        Times half-way between a word's start and its end, in seconds.
    starts_s : array, shape (n_windows,)
        Where windows start; a word in the middle of which one starts belongs to it.
    window_s : float
        Length of a window.
    """
    order = np.argsort(middles_s, kind="stable")
    spans = np.searchsorted(np.asarray(middles_s)[order], [starts_s, starts_s + window_s])
    return [" ".join(words[i] for i in order[first:stop]) for first, stop in spans.T]
