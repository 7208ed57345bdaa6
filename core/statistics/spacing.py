"""Chooses evenly spaced items of a sequence."""

from __future__ import annotations

import numpy as np


def evenly_spaced(n: int, k: int) -> np.ndarray:
    """Return the places of ``k`` evenly spaced items among ``n``, the first and the last among them.

    Parameters
    ----------
    n : int
        Items to choose from.
    k : int
        Items to choose; all of them where there are no more.

    Returns
    -------
    array of int, shape (min(n, k),)
        Rising, each place once.
    """
    return np.linspace(0, n - 1, min(n, k)).round().astype(int)
