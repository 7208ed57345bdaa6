"""Declared pools, match/mismatch, pools of 50, chance and its band, and words: on scores whose answer is known."""

from __future__ import annotations

from math import comb

import numpy as np
import pandas as pd
import pytest

from eeg2speech_bench.benchmarks.metrics import pools, retrieval
from eeg2speech_bench.benchmarks.metrics import word_retrieval as words
from eeg2speech_bench.core.errors import ContractError, DataError, UnknownNameError

METRICS = [retrieval.top_1, retrieval.reciprocal_rank, retrieval.relative_rank, retrieval.match_mismatch]
RNG = np.random.default_rng(0)


def windows(n: int, step_s: float = 2.0, **columns) -> pd.DataFrame:
    start = np.arange(n) * step_s
    return pd.DataFrame({"stimulus": "a", "start_s": start, "stop_s": start + 2.0, **columns})


# --- restricted pools


@pytest.mark.parametrize("metric", METRICS)
def test_metric_in_a_pool_is_the_metric_of_its_columns_alone(metric) -> None:
    scores, true = RNG.standard_normal((6, 9)), np.array([0, 2, 4, 0, 2, 4])
    columns = np.array([0, 2, 4, 7])
    pool = np.zeros((6, 9), bool)
    pool[:, columns] = True
    expected = metric(scores[:, columns], np.searchsorted(columns, true))
    np.testing.assert_allclose(metric(scores, true, pool), expected)


@pytest.mark.parametrize("metric", METRICS)
def test_pool_of_all_columns_changes_nothing(metric) -> None:
    scores, true = RNG.integers(0, 3, (5, 7)).astype(float), np.arange(5)
    np.testing.assert_array_equal(metric(scores, true, np.ones((5, 7), bool)), metric(scores, true))


def test_pools_may_differ_from_row_to_row_and_so_does_chance() -> None:
    pool = np.array([[1, 1, 0, 0], [1, 1, 1, 1]], bool)
    assert retrieval.top_1(np.zeros((2, 4)), np.array([0, 0]), pool).tolist() == [0.5, 0.25]


def test_pool_of_one_leaves_the_metric_undefined_there_alone() -> None:
    pool = np.array([[1, 0, 0], [1, 1, 1]], bool)
    for metric in METRICS[:1] + METRICS[2:]:
        values = metric(np.eye(3)[:2], np.array([0, 1]), pool)
        assert np.isnan(values).tolist() == [True, False]


@pytest.mark.parametrize("pool", [np.ones((2, 4), bool), np.ones((2, 3), int), np.eye(3, dtype=bool)[[1, 0]]])
def test_pool_that_does_not_hold_the_true_candidate_is_refused(pool) -> None:
    with pytest.raises(ContractError, match="every true candidate is one"):
        retrieval.top_1(np.zeros((2, 3)), np.array([0, 1]), pool)


# --- two-way, fixed size, chance


def test_match_mismatch_is_the_share_of_impostors_that_are_beaten() -> None:
    scores = np.array([[3.0, 1, 3, 5, 0]])
    assert retrieval.match_mismatch(scores, np.array([0])).tolist() == [(2 + 0.5) / 4]


def test_match_mismatch_of_an_encoder_that_prefers_some_audio_is_at_chance_in_a_balanced_pool() -> None:
    favourite = np.tile(RNG.standard_normal(8), (8, 1))
    assert retrieval.match_mismatch(favourite, np.arange(8)).mean() == pytest.approx(0.5)


def test_hits_in_a_random_pool_are_the_mean_over_all_pools() -> None:
    scores, m, n = RNG.integers(0, 4, (1, 6)).astype(float), 6, 3
    subsets = [(0, a, b) for a in range(1, m) for b in range(a + 1, m)]
    assert len(subsets) == comb(m - 1, n - 1)
    expected = np.mean([retrieval.hits(scores[:, list(s)], np.array([0]), 1) for s in subsets])
    assert retrieval.hits_of_random_pool(scores, np.array([0]), 1, n)[0] == pytest.approx(expected)


def test_hits_in_a_random_pool_of_full_size_are_the_hits() -> None:
    scores, true = RNG.integers(0, 5, (20, 50)).astype(float), np.arange(20)
    np.testing.assert_allclose(retrieval.top_10_of_50(scores, true), retrieval.top_10(scores, true))


@pytest.mark.parametrize("m", [50, 78, 190])
def test_chance_in_pools_of_fifty_does_not_depend_on_the_data_set(m: int) -> None:
    assert retrieval.chance(retrieval.top_1_of_50, m) == pytest.approx(1 / 50)
    assert retrieval.chance(retrieval.top_10_of_50, m) == pytest.approx(10 / 50)


def test_pools_smaller_than_fifty_have_no_value() -> None:
    assert np.isnan(retrieval.top_1_of_50(np.eye(49), np.arange(49))).all()


def test_chance_band_of_top_k_is_the_binomial_one() -> None:
    from scipy.stats import binom

    low, high = retrieval.chance_band(retrieval.top_10, np.full(200, 100), confidence=0.95)
    expected = binom.ppf([0.025, 0.975], 200, 0.1) / 200
    assert [low, high] == pytest.approx(expected, abs=0.011)


def test_chance_band_of_the_median_rank_surrounds_one_half_and_narrows_with_segments() -> None:
    def width(n: int) -> float:
        band = retrieval.chance_band(retrieval.relative_rank, np.full(n, 50), confidence=0.95, aggregate="median")
        assert band[0] < 0.5 < band[1]
        return band[1] - band[0]

    assert width(400) < 0.7 * width(100)


def test_chance_band_covers_guessing_as_often_as_it_says() -> None:
    low, high = retrieval.chance_band(retrieval.reciprocal_rank, np.full(60, 20), confidence=0.9)
    rng = np.random.default_rng(1)
    true = np.zeros(60, int)
    values = [retrieval.reciprocal_rank(rng.standard_normal((60, 20)), true).mean() for _ in range(400)]
    assert np.mean([low <= v <= high for v in values]) == pytest.approx(0.9, abs=0.05)


def test_chance_band_without_a_defined_value_is_nan() -> None:
    assert np.isnan(retrieval.chance_band(retrieval.top_10, np.full(5, 8), confidence=0.95)).all()


# --- declared pools


def test_word_onset_pool_is_all_windows_and_needs_words() -> None:
    table = windows(6, step_s=0.4)
    with pytest.raises(DataError, match="'word-onset' needs the column 'word'"):
        pools.candidates("word-onset", table, np.array([0]), np.zeros(1))
    assert pools.candidates("word-onset", table.assign(word="so"), np.array([0]), np.zeros(1)).all()


def test_same_sentence_and_other_sentences_share_the_true_window_alone() -> None:
    table = windows(5, sentence=[0, 0, 1, 1, 1])
    true = np.array([0, 3])
    same = pools.candidates("same-sentence", table, true, np.zeros(2))
    others = pools.candidates("other-sentences", table, true, np.zeros(2))
    assert same.astype(int).tolist() == [[1, 1, 0, 0, 0], [0, 0, 1, 1, 1]]
    assert (same & others).astype(int).tolist() == [[1, 0, 0, 0, 0], [0, 0, 0, 1, 0]]
    assert (same | others).all()


def test_sentences_of_two_stimuli_are_never_the_same() -> None:
    table = windows(2, sentence=[0, 0]).assign(stimulus=["a", "b"])
    assert pools.candidates("same-sentence", table, np.array([0]), np.zeros(1)).tolist() == [[True, False]]


def test_window_without_a_sentence_is_alone() -> None:
    table = windows(3, sentence=[None, None, 1.0])
    assert pools.candidates("same-sentence", table, np.array([0]), np.zeros(1)).tolist() == [[True, False, False]]


def test_same_recording_pool_is_what_was_heard_there() -> None:
    pool = pools.candidates("same-recording", windows(4), np.array([0, 2, 1]), np.array(["x", "x", "y"]))
    assert pool.astype(int).tolist() == [[1, 0, 1, 0], [1, 0, 1, 0], [0, 1, 0, 0]]


def test_matched_candidates_are_alike_in_loudness_and_go_both_ways() -> None:
    level = RNG.permutation(np.repeat([-40.0, -20.0], 10))
    table = windows(20, level_db=level, speech_s=1.0)
    true = np.arange(20)
    pool = pools.candidates("matched", table, true, np.zeros(20))
    assert (pool == pool.T).all()
    assert set(pool.sum(axis=1)) <= set(range(pools.N_MATCHED, 2 * pools.N_MATCHED))
    for row, own in zip(pool, level, strict=True):
        assert (level[row] == own).all()


def test_few_windows_are_one_matched_group() -> None:
    assert set(pools.matched_groups(RNG.standard_normal((5, 2)))) == {0}


def test_sound_profile_measures_level_and_length_of_speech() -> None:
    sound = np.full((3, 1000), 0.5)
    sound[1, 500:] = 0
    sound[2] *= 0.1
    profile = pools.sound_profile(sound, rate_hz=1000.0)
    assert profile["level_db"].tolist() == pytest.approx([-6.02, -9.03, -26.02], abs=0.01)
    assert profile["speech_s"].tolist() == pytest.approx([1.0, 0.5, 1.0])


def test_pool_of_fifty_says_when_there_are_fewer_windows() -> None:
    assert pools.why_impossible("fixed-50", windows(49)) == "Pool 'fixed-50' needs 50 windows, and there are 49"
    assert pools.why_impossible("fixed-50", windows(50)) is None
    assert pools.candidates("fixed-50", windows(50), np.array([0]), np.zeros(1)).all()


def test_no_pool_is_made_of_no_windows() -> None:
    assert pools.why_impossible("word-onset", windows(0, word="")) == "Pool 'word-onset' has no window"


def test_unknown_pool_suggests_the_nearest() -> None:
    with pytest.raises(UnknownNameError, match="Did you mean 'same-sentence'"):
        pools.candidates("same_sentence", windows(2), np.array([0]), np.zeros(1))


# --- words


def test_word_is_found_by_the_sum_over_its_windows() -> None:
    names = np.array(["cat", "dog", "dog", "owl"])
    scores = np.log(np.array([[0.4, 0.3, 0.25, 0.05]]))
    assert words.word_top_1(scores, np.array([1]), names).tolist() == [1.0]
    assert words.word_top_1(scores, np.array([0]), names).tolist() == [0.0]


def test_equal_scores_give_words_their_frequency() -> None:
    names = np.array(["the"] * 6 + ["cat", "dog"])
    true = np.arange(8)
    np.testing.assert_allclose(words.frequency_chance(words.word_top_1, true, names), [1.0] * 6 + [0.0] * 2)
    np.testing.assert_allclose(words.word_hits(np.zeros((8, 8)), true, names, 2), [1.0] * 6 + [0.5] * 2)
    np.testing.assert_allclose(words.uniform_chance(words.word_top_1, true, names), [1 / 3] * 8)


def test_frequency_makes_chance_far_higher_than_the_vocabulary_does() -> None:
    names = np.array(["the"] * 40 + [f"w{i}" for i in range(60)])
    # 40 windows name the commonest word; the 60 others share the nine places that are left.
    frequent = words.frequency_chance(words.word_top_10, np.arange(100), names)
    assert frequent.mean() == pytest.approx((40 + 60 * 9 / 60) / 100)
    assert words.uniform_chance(words.word_top_10, np.arange(100), names).mean() == pytest.approx(10 / 61)


def test_windows_without_a_word_take_no_part_in_chance() -> None:
    names, true = np.array(["", "", "a", "b", "b"]), np.arange(5)
    np.testing.assert_allclose(words.uniform_chance(words.word_top_1, true, names), [np.nan] * 2 + [0.5] * 3)


def test_windows_without_a_word_are_no_candidates_and_have_no_value() -> None:
    values = words.word_top_1(np.array([[9.0, 1, 0], [9, 0, 1]]), np.array([0, 2]), np.array(["", "a", "b"]))
    assert np.isnan(values[0])
    assert values[1] == 1.0


def test_word_metric_of_a_vocabulary_no_larger_than_k_is_undefined() -> None:
    assert np.isnan(words.word_top_10(np.eye(4), np.arange(4), np.array(list("abcd")))).all()


@pytest.mark.parametrize(("word", "expected"), [("Rabbit-Hole,", "rabbit-hole"), ('"Oh!"', "oh"), ("don't", "don't")])
def test_spelling_decides_the_identity_of_a_word(word: str, expected: str) -> None:
    assert words.identity(word) == expected
