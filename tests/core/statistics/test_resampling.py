"""Intervals and tests against hand arithmetic, and against simulated listeners whose truth is known."""

from __future__ import annotations

import numpy as np
import pytest

from eeg2speech_bench.core.errors import DataError
from eeg2speech_bench.core.statistics.proportions import guessing_band
from eeg2speech_bench.core.statistics.resampling import (
    Interval,
    estimate,
    hierarchical_bootstrap,
    holm,
    paired_sign_flip,
)

N_SUBJECTS, N_BLOCKS, N_SEGMENTS = 12, 6, 5
SUBJECT = np.repeat(np.arange(N_SUBJECTS), N_BLOCKS * N_SEGMENTS)
BLOCK = np.tile(np.repeat(np.arange(N_BLOCKS), N_SEGMENTS), N_SUBJECTS)


def simulate(rng: np.random.Generator, subject: float, block: float, audio: float = 0.0) -> np.ndarray:
    """Segments of 12 listeners x 6 blocks around a true mean of 0, with effects of the given standard deviations."""
    values = subject * rng.standard_normal((N_SUBJECTS, 1, 1)) + audio * rng.standard_normal((1, N_BLOCKS, 1))
    values = values + block * rng.standard_normal((N_SUBJECTS, N_BLOCKS, 1))
    return (values + rng.standard_normal((N_SUBJECTS, N_BLOCKS, N_SEGMENTS))).ravel()


def coverage(subject: float, block: float, audio: float) -> float:
    rng, inside = np.random.default_rng(0), 0
    for seed in range(200):
        interval = hierarchical_bootstrap(
            simulate(rng, subject, block, audio), SUBJECT, BLOCK, n_resamples=300, confidence=0.9, seed=seed
        )
        inside += interval.low <= 0 <= interval.high
    return inside / 200


def bootstrap(values: list[float], subject: list[int], block: list[int], **options: object) -> Interval:
    return hierarchical_bootstrap(
        np.array(values), np.array(subject), np.array(block), n_resamples=2000, confidence=0.95, seed=0, **options
    )


def test_estimate_gives_every_subject_the_same_weight() -> None:
    assert estimate(np.array([1.0, 1, 1, 0]), np.array(["a", "a", "a", "b"])) == pytest.approx(0.5)


def test_median_estimate_of_balanced_subjects_is_the_median() -> None:
    values = np.random.default_rng(0).standard_normal(40)
    assert estimate(values, np.repeat(np.arange(4), 10), "median") == pytest.approx(np.median(values))


def test_median_estimate_gives_every_subject_the_same_weight() -> None:
    # Half the weight lies on subject b, so the median is halfway between its 9 and the largest value of a.
    assert estimate(np.array([1.0, 2, 3, 9]), np.array([0, 0, 0, 1]), "median") == 6


@pytest.mark.parametrize("audio", [0.0, 0.4])
def test_bootstrap_covers_the_truth_when_listeners_their_blocks_and_the_audio_differ(audio: float) -> None:
    assert 0.82 <= coverage(subject=0.5, block=0.5, audio=audio) <= 0.96


def test_bootstrap_covers_the_truth_when_only_the_audio_is_easy_or_hard() -> None:
    assert coverage(subject=0.0, block=0.0, audio=0.5) > 0.7


def test_trainings_that_differ_are_drawn_too() -> None:
    """Eight trainings with effects of 0.5: without their labels the interval takes their mean for the truth."""
    rng, n_runs, inside = np.random.default_rng(0), 8, {True: 0, False: 0}
    labels = [np.tile(label, n_runs) for label in (SUBJECT, BLOCK)]
    run = np.repeat(np.arange(n_runs), len(SUBJECT))
    for seed in range(100):
        effects = np.repeat(0.5 * rng.standard_normal(n_runs), len(SUBJECT))
        values = np.tile(simulate(rng, 0.1, 0.1), n_runs) + effects
        for known in inside:
            interval = hierarchical_bootstrap(
                values, *labels, n_resamples=300, confidence=0.9, seed=seed, run=run if known else None
            )
            inside[known] += interval.low <= 0 <= interval.high
    assert inside[False] < 60 < 78 <= inside[True]


def test_one_training_changes_nothing() -> None:
    values = simulate(np.random.default_rng(1), 0.5, 0.5)
    found = [
        hierarchical_bootstrap(values, SUBJECT, BLOCK, n_resamples=100, confidence=0.9, seed=5, run=run)
        for run in (None, np.full(len(values), 3))
    ]
    assert found[0] == found[1]


def test_interval_of_two_subjects_with_one_block_each_is_between_their_means() -> None:
    # Four equally likely draws: (0, 0), (0, 1), (1, 0), (1, 1).
    assert bootstrap([0, 0, 1, 1], [0, 0, 1, 1], [0, 0, 0, 0]) == Interval(0.0, 1.0)


def test_single_subject_is_resampled_by_block() -> None:
    assert bootstrap([0, 0, 1, 1], [7, 7, 7, 7], [0, 0, 1, 1]) == Interval(0.0, 1.0)


def test_segments_of_a_block_stay_together() -> None:
    # Every block has mean 0.5, so no draw of whole blocks can move the mean.
    assert bootstrap([0, 1, 0, 1, 1, 0], [0, 0, 0, 0, 1, 1], [0, 0, 1, 1, 0, 0]) == Interval(0.5, 0.5)


def test_bootstrap_spread_agrees_with_a_plain_loop() -> None:
    rng = np.random.default_rng(3)
    subject, block = np.array([0] * 5 + [1] * 4 + [2] * 6), np.array([0, 0, 1, 1, 1, 0, 0, 1, 1, 0, 0, 1, 1, 2, 2])
    subject, block, run = np.tile(subject, 3), np.tile(block, 3), np.repeat(["a", "b", "c"], 15)
    values = rng.standard_normal(45)
    means = [plain_draw(values, subject, block, run, rng) for _ in range(1500)]
    expected = np.nanquantile(means, [0.1, 0.9])
    found = hierarchical_bootstrap(values, subject, block, n_resamples=20_000, confidence=0.8, seed=1, run=run)
    np.testing.assert_allclose([found.low, found.high], expected, atol=0.05)


def plain_draw(
    values: np.ndarray, subject: np.ndarray, block: np.ndarray, run: np.ndarray, rng: np.random.Generator
) -> float:
    subjects, blocks, runs = (rng.choice(np.unique(label), len(np.unique(label))) for label in (subject, block, run))
    means = []
    for s in subjects:
        parts = [values[(subject == s) & (block == b) & (run == r)] for b in blocks for r in runs]
        means += [np.concatenate(parts).mean()] if np.concatenate(parts).size else []
    return float(np.mean(means)) if means else np.nan


def test_median_interval_lies_within_the_values_and_around_the_estimate() -> None:
    values = simulate(np.random.default_rng(1), 0.5, 0.5)
    interval = hierarchical_bootstrap(
        values, SUBJECT, BLOCK, n_resamples=500, confidence=0.9, seed=0, aggregate="median"
    )
    assert values.min() < interval.low < estimate(values, SUBJECT, "median") < interval.high < values.max()


def test_bootstrap_is_the_same_for_the_same_seed() -> None:
    values = simulate(np.random.default_rng(1), 0.5, 0.5)
    first, again = (
        hierarchical_bootstrap(values, SUBJECT, BLOCK, n_resamples=100, confidence=0.9, seed=5) for _ in range(2)
    )
    assert first == again


def test_one_block_of_one_subject_has_no_interval() -> None:
    with pytest.raises(DataError, match=r"something to resample: got one subject with one block.*Lower scores.block_s"):
        bootstrap([0, 1], [0, 0], [0, 0])


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_values_that_are_not_finite_are_refused(bad: float) -> None:
    with pytest.raises(DataError, match="1 of 2 NaN or infinite"):
        bootstrap([0, bad], [0, 1], [0, 0])
    with pytest.raises(DataError, match="1 of 2 NaN or infinite"):
        paired_sign_flip(np.array([0, bad]), np.array([0, 1]), n_permutations=10, seed=0)


def test_empty_values_are_refused() -> None:
    with pytest.raises(DataError, match=r"shape \(0,\), expected \(n,\) with n > 0"):
        bootstrap([], [], [])
    with pytest.raises(DataError, match=r"shape \(0,\)"):
        paired_sign_flip(np.array([]), np.array([]), n_permutations=10, seed=0)


def test_labels_of_another_length_are_refused() -> None:
    with pytest.raises(DataError, match="Labels do not fit"):
        estimate(np.zeros(3), np.zeros(2))


# Sums under the 8 flips of (1, 2, 3): 6, 4, 2, 0, 0, -2, -4, -6.
@pytest.mark.parametrize(
    ("differences", "alternative", "p"),
    [
        ([1, 2, 3], "greater", 1 / 8),
        ([1, 2, 3], "two-sided", 2 / 8),
        ([1, 2, 3], "less", 8 / 8),
        ([-1, 2, 3], "greater", 2 / 8),
        ([1, 2, -3], "greater", 5 / 8),
        ([0, 2, 3], "greater", 2 / 8),
        ([0, 0, 0], "greater", 8 / 8),
        ([0.1, 0.2, -0.3], "greater", 5 / 8),
    ],
)
def test_p_of_three_units_equals_the_enumeration_by_hand(differences: list[float], alternative: str, p: float) -> None:
    test = paired_sign_flip(np.array(differences), np.arange(3), n_permutations=10, seed=0, alternative=alternative)
    assert (test.p, test.n_units, test.exact) == (p, 3, True)


def test_differences_are_averaged_inside_units() -> None:
    test = paired_sign_flip(np.array([1.0, 3, 4, 6]), np.array(["a", "a", "b", "c"]), n_permutations=10, seed=0)
    # Units 2, 4, 6: mean 4, standard deviation 2.
    assert (test.n_units, test.effect, test.dz) == (3, pytest.approx(4), pytest.approx(2))


@pytest.mark.parametrize("differences", [[1.0], [0.3, 0.3, 0.3]])
def test_effect_size_is_absent_where_units_do_not_differ(differences: list[float]) -> None:
    assert paired_sign_flip(np.array(differences), np.arange(len(differences)), n_permutations=9, seed=0).dz is None


def test_random_flips_agree_with_the_exact_test() -> None:
    values = np.random.default_rng(2).standard_normal(13) + 0.4
    exact = paired_sign_flip(values, np.arange(13), n_permutations=10, seed=0)
    # A fourteenth unit of zero leaves the distribution as it is and goes past the exact limit.
    drawn = paired_sign_flip(np.append(values, 0), np.arange(14), n_permutations=20_000, seed=0)
    assert exact.exact and not drawn.exact
    assert drawn.p == pytest.approx(exact.p, abs=0.01)


def test_random_flips_never_give_p_zero() -> None:
    assert paired_sign_flip(np.ones(40), np.arange(40), n_permutations=99, seed=0).p == 1 / 100


@pytest.mark.parametrize("n_units", [8, 30])
def test_sign_flip_keeps_its_level_without_an_effect(n_units: int) -> None:
    rng, n = np.random.default_rng(0), 3000
    units = np.arange(n_units)
    tests = [paired_sign_flip(rng.standard_normal(n_units), units, n_permutations=199, seed=i) for i in range(n)]
    expected = guessing_band(n, 0.05, 0.999)
    assert expected.low <= np.mean([t.p <= 0.05 for t in tests]) <= expected.high


def test_sign_flip_finds_a_planted_effect() -> None:
    rng = np.random.default_rng(0)
    found = [
        paired_sign_flip(rng.standard_normal(30) + 0.8, np.arange(30), n_permutations=199, seed=i).p <= 0.05
        for i in range(100)
    ]
    assert np.mean(found) > 0.95


def test_larger_p_over_listeners_and_over_blocks_keeps_the_level_when_both_have_effects() -> None:
    rng = np.random.default_rng(0)
    rejected = {"cell": 0, "larger": 0}
    for seed in range(200):
        values = simulate(rng, subject=0.5, block=0.5, audio=0.3)
        p = [paired_sign_flip(values, u, n_permutations=1, seed=seed).p for u in (SUBJECT, BLOCK)]
        rejected["larger"] += max(p) <= 0.05
        cell = paired_sign_flip(values, SUBJECT * N_BLOCKS + BLOCK, n_permutations=199, seed=seed)
        rejected["cell"] += cell.p <= 0.05
    assert rejected["larger"] / 200 <= 0.09 < rejected["cell"] / 200


def test_holm_matches_hand_values_in_the_given_order() -> None:
    # Sorted 0.005, 0.01, 0.03, 0.04 times 4, 3, 2, 1, never falling.
    np.testing.assert_allclose(holm(np.array([0.01, 0.04, 0.03, 0.005])), [0.03, 0.06, 0.06, 0.02])


def test_holm_stops_at_one() -> None:
    np.testing.assert_allclose(holm(np.array([0.6, 0.9])), [1, 1])


def test_holm_of_no_tests_is_empty() -> None:
    assert holm(np.array([])).shape == (0,)


@pytest.mark.parametrize("bad", [np.nan, -0.1, 1.1])
def test_holm_refuses_what_is_no_p_value(bad: float) -> None:
    with pytest.raises(DataError, match="expected numbers from 0 to 1"):
        holm(np.array([0.1, bad]))
