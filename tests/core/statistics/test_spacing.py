"""Evenly spaced places, by hand."""

from __future__ import annotations

import pytest

from eeg2speech_bench.core.statistics.spacing import evenly_spaced


@pytest.mark.parametrize(
    ("n", "k", "places"),
    [(9, 3, [0, 4, 8]), (10, 4, [0, 3, 6, 9]), (3, 5, [0, 1, 2]), (5, 1, [0]), (0, 4, [])],
)
def test_the_places_are_spread_from_the_first_to_the_last(n: int, k: int, places: list[int]) -> None:
    assert evenly_spaced(n, k).tolist() == places


def test_no_place_comes_twice() -> None:
    assert all(len(set(evenly_spaced(n, k))) == min(n, k) for n in range(1, 40) for k in range(1, 50))
