"""Shares out the budget of a search by successive halving."""

from __future__ import annotations

import math

#: training budgets that the search may cost, beside that of the training itself
SEARCH_BUDGETS = 2.0
#: no candidate gets more than this share of a budget before it is chosen
LONGEST_SHARE = 0.5


def rungs(n_candidates: int) -> list[tuple[int, float]]:
    """Return how many candidates train in each round of the search, and for which share of a budget.

    Each round keeps the better half, and all cost the same: `SEARCH_BUDGETS` together at most.
    """
    n_rounds = max(1, math.ceil(math.log2(n_candidates)))
    sizes = [math.ceil(n_candidates / 2**r) for r in range(n_rounds)]
    return [(n, min(LONGEST_SHARE, SEARCH_BUDGETS / n_rounds / n)) for n in sizes]
