"""Random-effects means against hand arithmetic and a published meta-analysis."""

from __future__ import annotations

import numpy as np
import pytest

from eeg2speech_bench.core.errors import DataError
from eeg2speech_bench.core.statistics.random_effects import random_effects

#: log risk ratios and variances of the 13 BCG trials (Colditz et al. 1994), as every textbook of the method has them
BCG = [
    -0.8893,
    -1.5854,
    -1.3481,
    -1.4416,
    -0.2175,
    -0.7861,
    -1.6209,
    0.0120,
    -0.4694,
    -1.3713,
    -0.3394,
    0.4459,
    -0.0173,
]
BCG_VARIANCES = [
    0.3256, 0.1946, 0.4154, 0.0200, 0.0512, 0.0069, 0.2230, 0.0040, 0.0564, 0.0730, 0.0124, 0.5325, 0.0714
]  # fmt: skip


def test_three_data_sets_give_what_the_formulas_give_by_hand() -> None:
    # weights 1: mean 2, Q = 4 + 0 + 4 = 8, tau2 = (8 - 2) / (3 - 3/3) = 3, I2 = 6/8; weights 1/4 each after that:
    # Hartung-Knapp 8/4/2 = 1, so variance 1 / (3/4) = 4/3; t(2) = 4.3027, t(1) = 12.7062
    pooled = random_effects(np.array([0.0, 2.0, 4.0]), np.ones(3))
    assert (pooled.mean, pooled.q, pooled.tau2, pooled.i2) == pytest.approx((2, 8, 3, 0.75))
    assert pooled.interval.high - 2 == pytest.approx(4.302653 * (4 / 3) ** 0.5, rel=1e-6)
    assert pooled.prediction is not None
    assert 2 - pooled.prediction.low == pytest.approx(12.706205 * (3 + 4 / 3) ** 0.5, rel=1e-6)


def test_unequal_errors_weigh_by_their_precision() -> None:
    # weights 4 and 1; Q = 4 x 0.02^2 + 0.08^2 = 0.008 < 1, so tau2 = 0 and the mean is (4 x 0.1 + 0.2) / 5
    pooled = random_effects(np.array([0.1, 0.2]), np.array([0.5, 1.0]))
    assert (pooled.mean, pooled.tau2, pooled.i2, pooled.q) == pytest.approx((0.12, 0, 0, 0.008))


def test_the_bcg_trials_give_the_published_numbers() -> None:
    pooled = random_effects(np.array(BCG), np.sqrt(BCG_VARIANCES))
    assert pooled.q == pytest.approx(152.23, abs=0.7)  # of variances rounded to four digits
    assert (pooled.mean, pooled.tau2, pooled.i2) == pytest.approx((-0.7141, 0.3088, 0.9212), abs=2e-3)


def test_data_sets_that_agree_by_chance_still_have_an_interval() -> None:
    pooled = random_effects(np.array([0.1, 0.1]), np.array([0.02, 0.02]))
    assert pooled.interval.high - 0.1 == pytest.approx(12.706205 * 0.02 / 2**0.5, rel=1e-6)
    assert pooled.prediction is None


def test_the_interval_covers_the_mean_of_few_and_unlike_data_sets() -> None:
    rng, inside = np.random.default_rng(0), 0
    for _ in range(400):
        errors = rng.uniform(0.5, 1.5, 4)
        pooled = random_effects(rng.normal(0, 1, 4) + errors * rng.standard_normal(4), errors)
        inside += pooled.interval.low <= 0 <= pooled.interval.high
    assert 0.92 <= inside / 400 <= 0.985


@pytest.mark.parametrize(
    ("effects", "errors", "says"),
    [
        ([0.1], [0.1], "two or more data sets"),
        ([0.1, 0.2], [0.1], "two or more data sets"),
        ([0.1, 0.2], [0.1, 0.0], "errors above 0"),
        ([0.1, np.nan], [0.1, 0.1], "finite effects"),
    ],
)
def test_what_cannot_be_pooled_is_refused(effects: list[float], errors: list[float], says: str) -> None:
    with pytest.raises(DataError, match=says):
        random_effects(np.array(effects), np.array(errors))
