"""The trend test is the exact one, and says what a short curve can say."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import kendalltau

from eeg2speech_bench.core.statistics.trend import MIN_POINTS, rising_p


@pytest.mark.parametrize("n", [4, 7, 20, 60])
def test_it_is_the_exact_test_of_kendall(n):
    for seed in range(5):
        values = np.random.default_rng((n, seed)).standard_normal(n) + 0.03 * np.arange(n)
        exact = kendalltau(np.arange(n), values, method="exact", alternative="greater").pvalue
        assert rising_p(values) == pytest.approx(exact, rel=1e-9)


def test_the_fewest_points_that_can_be_told_from_chance_are_four():
    assert rising_p(range(MIN_POINTS)) == pytest.approx(1 / 24)
    assert rising_p(range(MIN_POINTS - 1)) > 0.05


def test_a_flat_series_does_not_rise():
    assert rising_p([0.5] * 8) == pytest.approx(1.0)


def test_noise_is_taken_for_a_rise_at_most_as_often_as_said():
    rng = np.random.default_rng(0)
    rate = np.mean([rising_p(rng.standard_normal(8)) < 0.05 for _ in range(2000)])
    assert rate < 0.06
