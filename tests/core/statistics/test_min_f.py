"""The test over listeners and audio at once: against the published formula, and where it must not decide."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from eeg2speech_bench.core.statistics.min_f import crossed_p, pairwise_p

LISTENER, BLOCK = (a.ravel() for a in np.indices((6, 5)))


def differences(mean: float) -> np.ndarray:
    rng = np.random.default_rng(4)
    return mean + rng.standard_normal(6)[LISTENER] + rng.standard_normal(5)[BLOCK] + 0.3 * rng.standard_normal(30)


def test_it_is_min_f_of_the_two_f_ratios():
    values = differences(1.5)
    f1 = stats.ttest_1samp(values.reshape(6, 5).mean(1), 0).statistic ** 2
    f2 = stats.ttest_1samp(values.reshape(6, 5).mean(0), 0).statistic ** 2
    j = (f1 + f2) ** 2 / (f1**2 / 4 + f2**2 / 5)  # degrees of freedom of F2 below F1, as Clark has them
    assert crossed_p(values, LISTENER, BLOCK) == pytest.approx(stats.f.sf(f1 * f2 / (f1 + f2), 1, j))


def test_direction_makes_no_difference_and_a_large_one_is_certain():
    values = differences(1.5)
    assert crossed_p(-values, LISTENER, BLOCK) == crossed_p(values, LISTENER, BLOCK)
    assert crossed_p(100 + values, LISTENER, BLOCK) < 1e-6


@pytest.mark.parametrize("kept", [LISTENER < 2, BLOCK < 2])
def test_two_listeners_or_two_blocks_decide_nothing(kept):
    assert crossed_p(differences(100.0)[kept], LISTENER[kept], BLOCK[kept]) == 1.0


def test_no_difference_is_none():
    assert crossed_p(np.zeros(30), LISTENER, BLOCK) == 1.0


def test_pairs_of_columns_are_tested_as_by_one() -> None:
    values = np.stack([differences(m) for m in (0.0, 0.5, 2.0)], axis=1) * [1, 2, 3]
    p = pairwise_p(values, LISTENER, BLOCK)
    one_by_one = [[crossed_p(values[:, i] - values[:, j], LISTENER, BLOCK) for j in range(3)] for i in range(3)]
    np.testing.assert_allclose(p, one_by_one)
    assert (np.diag(p) == 1).all()


def test_blocks_of_unequal_size_weigh_the_same_among_blocks():
    kept = (LISTENER % 2 == 0) | (BLOCK < 3)  # two blocks were heard by half of the listeners
    values, listener, block = differences(1.5)[kept], LISTENER[kept], BLOCK[kept]
    by_unit = [[values[unit == u].mean() for u in np.unique(unit)] for unit in (listener, block)]
    f1, f2 = (stats.ttest_1samp(means, 0).statistic ** 2 for means in by_unit)
    j = (f1 + f2) ** 2 / (f1**2 / 4 + f2**2 / 5)
    assert crossed_p(values, listener, block) == pytest.approx(stats.f.sf(f1 * f2 / (f1 + f2), 1, j))
