"""Measures retrieval of the word that a window starts with, for windows cut at word onsets."""

from __future__ import annotations

import re
from collections.abc import Callable

import numpy as np

from eeg2speech_bench.core.errors import ContractError

#: one value per segment from scores (n, m), true columns (n,) and the word of each candidate (m,)
WordMetric = Callable[[np.ndarray, np.ndarray, np.ndarray], np.ndarray]


def identity(word: str) -> str:
    """Return the spelling under which words are the same: lower case, without punctuation around it."""
    return re.sub(r"^[\W_]+|[\W_]+$", "", word.lower())


def word_top_1(scores: np.ndarray, true: np.ndarray, words: np.ndarray) -> np.ndarray:
    """Return the credit for the true word as the most probable one. See `word_hits`."""
    return word_hits(scores, true, words, 1)


def word_top_10(scores: np.ndarray, true: np.ndarray, words: np.ndarray) -> np.ndarray:
    """Return the credit for the true word among the ten most probable ones. See `word_hits`."""
    return word_hits(scores, true, words, 10)


def word_hits(scores: np.ndarray, true: np.ndarray, words: np.ndarray, k: int) -> np.ndarray:
    """Return the expected credit for the true word among the ``k`` most probable ones, with ties broken at random.

    The probability of a word is the sum of the softmax over all candidates that start with it (Defossez et al.
    2023). Candidates that score the same therefore give the words their frequency in the pool: that is the chance
    level of an encoder that knows how often words come and nothing else, and it is far above `uniform_chance`.

    Parameters
    ----------
    scores : array of float, shape (n, m)
        CLIP scores: the norm of the estimate is its inverse temperature.
    true : array of int, shape (n,)
        Column of each row's own candidate.
    words : array of str, shape (m,)
        `identity` of each candidate's word; empty where unknown.
    k : int

    Returns
    -------
    array of float, shape (n,)
        NaN where the true word is unknown, or where there are no more than ``k`` words.

    Raises
    ------
    ContractError
        If the scores are not finite.
    """
    if not np.isfinite(scores).all():
        raise ContractError("Retrieval scores are not finite", then="Check the encoder's embeddings.")
    known = words != ""
    vocabulary, place = np.unique(words[known], return_inverse=True)
    credit = np.full(len(scores), np.nan)
    rows = known[true]
    if len(vocabulary) <= k or not rows.any():
        return credit
    probability = _word_probability(scores[rows][:, known], place, len(vocabulary))
    word = np.searchsorted(vocabulary, words[true[rows]])
    own = probability[np.arange(len(word)), word][:, None]
    # Sums of the same terms in another order differ in the last bits; such words tie.
    level = np.isclose(probability, own, rtol=1e-9, atol=0.0)
    better, ties = ((probability > own) & ~level).sum(axis=1), level.sum(axis=1) - 1
    credit[rows] = np.clip((k - better) / (ties + 1), 0.0, 1.0)
    return credit


def uniform_chance(metric: WordMetric, true: np.ndarray, words: np.ndarray) -> np.ndarray:
    """Return the level per segment (n,) of a guess among all words of the vocabulary, whatever their frequency."""
    _, place, counts = np.unique(words, return_inverse=True, return_counts=True)
    equal = np.tile(-np.log(counts)[place], (len(true), 1))  # the softmax of these sums to the same for every word
    return metric(equal, true, words)


def frequency_chance(metric: WordMetric, true: np.ndarray, words: np.ndarray) -> np.ndarray:
    """Return the level per segment (n,) of a guess that always names the most frequent words of the pool."""
    return metric(np.zeros((len(true), len(words))), true, words)


def _word_probability(scores: np.ndarray, place: np.ndarray, n_words: int) -> np.ndarray:
    shifted = scores.astype(np.float64) - scores.max(axis=1, keepdims=True)
    weight = np.exp(shifted)
    of_word = np.eye(n_words)[place]  # (m, n_words)
    return weight @ of_word / weight.sum(axis=1, keepdims=True)
