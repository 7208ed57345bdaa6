"""Plots: who is on the front, the band of guessing listeners, the ticks of an axis."""

from __future__ import annotations

import pytest

from eeg2speech_bench.leaderboard.page.pareto import ParetoPoint, cost_quality, front
from eeg2speech_bench.leaderboard.page.plots import PixelScale


def point(name, cost, quality, kind="encoder", *, real=True):
    return ParetoPoint(name, cost, quality, quality, quality, f"{name}.html", kind, real)


def test_the_front_holds_who_is_not_beaten_at_lower_cost_and_no_ceiling():
    points = [point("a", 1, 0.3), point("b", 2, 0.2), point("c", 3, 0.5), point("d", 0.5, 0.9, "ceiling")]
    assert [p.name for p in front(points)] == ["a", "c"]


def test_the_front_leads_through_nobody_who_is_not_told_from_no_signal():
    points = [point("luck", 0.1, 0.4, real=False), point("a", 1, 0.3), point("b", 2, 0.6)]
    assert [p.name for p in front(points)] == ["a", "b"]
    assert front(points[:1]) == []


def test_marks_are_links_that_say_what_they_show_and_the_caption_names_who_has_no_place():
    drawn = cost_quality(
        [point("a", 1, 0.3), point("<b>", 2, 0.6)], "minutes", "top-1", None, left_out=["<ridge>", "mean"]
    )
    assert 'role="group" aria-label="top-1 over minutes"' in drawn
    assert '<a href="a.html" class="mark signal" aria-label="a (encoder): 0.300 [0.30, 0.30] at 1">' in drawn
    assert drawn.endswith("<figcaption>Not drawn, with 0 or unknown minutes: &lt;ridge&gt;, mean.</figcaption>")
    assert "<b>" not in drawn


def test_a_mark_has_its_name_beside_it_always_or_while_it_has_the_focus():
    drawn = cost_quality([point(f"n{i}", 1 + i, 0.5) for i in range(4)], "minutes", "top-1", None)
    always, told = drawn.count('class="name"'), drawn.count('class="name told"')
    assert (always, told) == (1, 3)  # the others would be written over the first


@pytest.mark.parametrize(
    ("values", "log"), [([0.0, 1.0], False), ([8.1, 12.3], True), ([3.0, 3.0], False), ([1, 1e6], True)]
)
def test_an_axis_has_two_to_twelve_ticks_inside_its_range(values, log):
    scale = PixelScale(values, (0, 100), log=log)
    ticks = scale.ticks()
    assert 2 <= len(ticks) <= 12
    assert all(0 <= scale(tick) <= 100 for tick in ticks)
