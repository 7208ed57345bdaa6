"""Exact binomial intervals against arithmetic by hand and the closed form of Clopper and Pearson."""

from __future__ import annotations

import pytest
from scipy.stats import beta

from eeg2speech_bench.core.errors import DataError
from eeg2speech_bench.core.statistics.proportions import guessing_band, proportion_interval


def test_a_share_without_a_hit_has_the_interval_of_an_all_miss_binomial() -> None:
    assert proportion_interval(0, 78, 0.95) == pytest.approx((0.0, 1 - 0.025 ** (1 / 78)), abs=1e-9)


def test_a_share_of_hits_alone_has_the_mirrored_interval() -> None:
    assert proportion_interval(78, 78, 0.95) == pytest.approx((0.025 ** (1 / 78), 1.0), abs=1e-9)


@pytest.mark.parametrize(("hits", "n", "confidence"), [(7, 20, 0.9), (1, 5000, 0.95), (623, 624, 0.99)])
def test_a_share_has_the_interval_of_the_beta_quantiles(hits: int, n: int, confidence: float) -> None:
    tail = (1 - confidence) / 2
    expected = beta.ppf(tail, hits, n - hits + 1), beta.ppf(1 - tail, hits + 1, n - hits)
    assert proportion_interval(hits, n, confidence) == pytest.approx(expected, abs=1e-9)


@pytest.mark.parametrize(("hits", "n"), [(0, 0), (-1, 5), (6, 5)])
def test_hits_that_are_no_share_have_no_interval(hits: int, n: int) -> None:
    with pytest.raises(DataError, match="No interval of a share"):
        proportion_interval(hits, n, 0.95)


@pytest.mark.parametrize(
    ("n", "chance", "band"),
    [
        (10, 0.5, (0.2, 0.8)),  # P(X <= 1) = 11 / 1024 < 0.025 < 56 / 1024 = P(X <= 2), and the same from above
        (10, 0.25, (0.0, 0.5)),  # P(X = 0) = 0.0563, P(X <= 4) = 0.9219, P(X <= 5) = 0.9803
        (10, 1 / 78, (0.0, 0.1)),  # P(X <= 1) = 0.9928
    ],
)
def test_guessers_stay_between_the_binomial_quantiles(n: int, chance: float, band: tuple[float, float]) -> None:
    assert guessing_band(n, chance) == band


@pytest.mark.parametrize(("n", "chance"), [(0, 0.5), (10, 1.5)])
def test_a_band_of_no_trials_or_no_probability_is_refused(n: int, chance: float) -> None:
    with pytest.raises(DataError, match="n of at least 1"):
        guessing_band(n, chance)
