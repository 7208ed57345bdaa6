"""Plots: who is on the front, the band of guessing listeners, the ticks of an axis."""

from __future__ import annotations

import pytest

from eeg2speech_bench.leaderboard.page.pareto import Point, front
from eeg2speech_bench.leaderboard.page.plots import Scale, guessing_band


def test_the_front_holds_who_is_not_beaten_at_lower_cost_and_no_ceiling():
    def point(name, cost, quality, kind="encoder"):
        return Point(name, cost, quality, quality, quality, "", kind, True)

    points = [point("a", 1, 0.3), point("b", 2, 0.2), point("c", 3, 0.5), point("d", 0.5, 0.9, "ceiling")]
    assert [p.name for p in front(points)] == ["a", "c"]


def test_the_band_of_guessing_listeners_holds_the_binomial_quantiles():
    assert guessing_band(100, 0.5) == (0.4, 0.6)  # scipy.stats.binom.ppf([0.025, 0.975], 100, 0.5) is 40, 60
    assert guessing_band(10, 1 / 78) == (0.0, 0.1)  # P(X <= 1) = 0.9928


@pytest.mark.parametrize(
    ("values", "log"), [([0.0, 1.0], False), ([8.1, 12.3], True), ([3.0, 3.0], False), ([1, 1e6], True)]
)
def test_an_axis_has_two_to_twelve_ticks_inside_its_range(values, log):
    scale = Scale(values, (0, 100), log=log)
    ticks = scale.ticks()
    assert 2 <= len(ticks) <= 12
    assert all(0 <= scale(tick) <= 100 for tick in ticks)
