"""Samples that are missing are told from samples that are stamped late."""

from __future__ import annotations

import numpy as np
import pytest

from eeg2speech_bench.benchmarks.live.sample_clock import Loss, SampleClock
from eeg2speech_bench.core.errors import DataError

SFREQ = 250.0
N = 30 * 250


def stamps_of(n: int, *, rate: float = SFREQ, jitter_s: float = 0.0, chunk: int = 10) -> np.ndarray:
    """Return stamps as devices send them: each chunk as late as its last sample, its others before it."""
    late = jitter_s * np.repeat(np.random.default_rng(0).random(-(-n // chunk)), chunk)[:n]
    return 1000.0 + np.arange(n) / rate + late


def clock_of(stamps: np.ndarray, chunk: int = 10) -> tuple[SampleClock, list[Loss]]:
    clock, losses = SampleClock(SFREQ), []
    for first in range(0, len(stamps), chunk):
        losses += clock.add(stamps[first : first + chunk])
    return clock, losses


def without(stamps: np.ndarray, *gaps: tuple[int, int]) -> np.ndarray:
    return np.delete(stamps, np.concatenate([np.arange(first, first + n) for first, n in gaps]))


@pytest.mark.parametrize("rate", [SFREQ, SFREQ * (1 + 1e-4), SFREQ * (1 - 3e-3)])
def test_a_clock_that_drifts_loses_nothing(rate):
    clock, losses = clock_of(stamps_of(N, rate=rate))
    assert (losses, clock.n_received, clock.n_settled) == ([], N, N)


@pytest.mark.parametrize("n_lost", [1, 2, 50, 2000])
def test_samples_that_are_missing_are_counted_and_placed(n_lost):
    clock, losses = clock_of(without(stamps_of(N), (4000, n_lost)))
    assert losses == [Loss(4000, n_lost)]
    assert clock.n_settled == N - n_lost


def test_two_gaps_within_half_a_second_are_two():
    _, losses = clock_of(without(stamps_of(N), (4000, 3), (4050, 7)))
    assert losses == [Loss(4000, 3), Loss(4047, 7)]


def test_stamps_that_come_late_by_chance_are_no_loss():
    clock, losses = clock_of(stamps_of(N, jitter_s=0.02))
    assert losses == []
    assert clock.tolerance > 5


def test_a_loss_beyond_the_jitter_is_found_beside_it():
    _, losses = clock_of(without(stamps_of(N, jitter_s=0.004), (4000, 100)))
    assert [abs(loss.n_samples - 100) <= 1 for loss in losses] == [True]


def test_one_chunk_that_is_stamped_late_is_no_loss():
    stamps = stamps_of(N)
    stamps[4000:4010] += 0.2
    clock, losses = clock_of(stamps)
    assert (losses, clock.n_settled) == ([], N)


def test_what_is_in_doubt_is_not_settled_for_half_a_second():
    clock, losses = clock_of(without(stamps_of(4050), (4000, 10)))
    assert (losses, clock.n_received, clock.n_settled) == ([], 4040, 4000)


@pytest.mark.parametrize(("jump_s", "said"), [(3600.0, "3600.0 s late"), (-3600.0, "3600.0 s early")])
def test_a_clock_that_was_set_anew_is_refused(jump_s, said):
    stamps = stamps_of(1000)
    stamps[500:] += jump_s
    with pytest.raises(DataError, match=f"time stamps of the stream jumped: got a sample {said}"):
        clock_of(stamps)
