"""Of several sounds, the one that was heard goes best with the EEG, and at no wrong time as well."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from eeg2speech_bench.benchmarks.inputs.controls import FAR
from eeg2speech_bench.benchmarks.trained.listening import (
    HeardWindows,
    listen,
    share_right,
    summarise,
    wrong_times,
)
from eeg2speech_bench.core.errors import DataError

N, WINDOW_S = 120, 2.0


class Sound:
    """A candidate whose embeddings are given, one per window."""

    def __init__(self, name: str, embeddings: torch.Tensor, n_reached: int = N) -> None:
        self.name, self.window_s, self.n_reached = name, WINDOW_S, n_reached
        self._embeddings = embeddings

    def reaches(self, moments_s: np.ndarray) -> np.ndarray:
        return moments_s < self.n_reached * WINDOW_S

    def embed(self, moments_s: np.ndarray) -> torch.Tensor:
        return self._embeddings[torch.from_numpy((moments_s / WINDOW_S).astype(int))]


def noise(seed: int) -> torch.Tensor:
    return torch.randn(N, 3, 8, generator=torch.Generator().manual_seed(seed))


TRUE, OTHER = noise(0), noise(1)
WINDOWS = HeardWindows(5.0 + WINDOW_S * np.arange(N), WINDOW_S * np.arange(N), ("true",) * N)


@pytest.fixture
def table():
    """The first half of the EEG knows what was heard; the second is noise."""
    estimates = noise(2)
    estimates[: N // 2] += TRUE[: N // 2]
    return listen(estimates, WINDOWS, [Sound("other", OTHER), Sound("true", TRUE)])


def test_there_is_a_row_for_each_window_and_sound(table):
    assert len(table) == 2 * N
    assert set(table.groupby("start_s")["rank"].sum()) == {3.0}


def test_the_sound_that_was_heard_is_found_when_it_was(table):
    best, other = summarise(table, WINDOW_S)
    assert (best.name, other.name) == ("true", "other")
    assert best.p < 0.05 < other.p
    inside = sum(min(stop, 5 + N) - start for start, stop in best.heard_s if start < 5 + N)
    assert inside > 0.8 * N


def test_a_match_at_wrong_times_has_mean_0_and_deviation_1(table):
    own = table[(table["candidate"] == "other")]
    assert abs(own["match"].mean()) < 0.3
    assert 0.8 < own["match"].std() < 1.2


def test_the_band_holds_what_guessing_gives(table):
    own = table[table["candidate"] == "other"]
    assert ((own["low"] <= own["smoothed"]) & (own["smoothed"] <= own["high"])).mean() > 0.8


def test_how_often_it_is_right_stands_beside_guessing(table):
    right, chance, n = share_right(table)
    assert (chance, n) == (0.5, N)
    assert right > 0.65


def test_a_sound_that_ends_early_is_matched_where_it_is():
    table = listen(noise(2), WINDOWS, [Sound("short", TRUE, 40), Sound("long", OTHER)])
    assert len(table[table["candidate"] == "short"]) == 40
    assert table[table["candidate"] == "long"]["rank"].iloc[-1] == 1


def test_a_sound_of_a_few_windows_cannot_be_told_from_guessing():
    with pytest.raises(DataError, match=r"'short' reaches too few windows .*: got 10, expected at least 14"):
        listen(noise(2), WINDOWS, [Sound("short", TRUE, 10)])


@pytest.mark.parametrize("n", [4, 30, 5000])
def test_wrong_times_are_far_from_the_right_one_either_way(n):
    shifts = wrong_times(n)
    assert all(FAR <= shift <= n - FAR for shift in shifts)
    assert len(set(shifts.tolist())) == len(shifts) == max(0, min(200, n - 2 * FAR + 1))
