"""Metrics of clips, and of sets of them, that need no further package: identity, shuffle, silence, noise."""

from __future__ import annotations

import numpy as np
import pytest

from eeg2speech_bench.benchmarks.metrics import audioset, cepstral, collapse, distribution, embeddings, quality
from eeg2speech_bench.benchmarks.metrics.identification import two_way_identification
from eeg2speech_bench.core.errors import ContractError
from eeg2speech_bench.core.segments.clips import Clips

FLOOR = np.float32(np.log(1e-5))
N_CLIPS, N_FRAMES = 24, 40
WARPED, PLAIN = cepstral.warped_cepstral_distortion, cepstral.mel_cepstral_distortion


def clips(seed: int, n: int = N_CLIPS) -> Clips:
    """Mels that vary smoothly over time and bands around one mean spectrum."""
    rng = np.random.default_rng(seed)
    smooth = np.cumsum(rng.standard_normal((n, N_FRAMES, 64)), axis=1) / 10
    mel = -4 - np.arange(64) / 16 + smooth - smooth.mean(axis=1, keepdims=True)
    return Clips(np.zeros((n, 160 * N_FRAMES), np.float32), mel.astype(np.float32))


def with_mel(mel: np.ndarray) -> Clips:
    return Clips(np.zeros((len(mel), 160 * N_FRAMES), np.float32), np.asarray(mel, np.float32))


SPEECH, NOISE = clips(0), clips(1)
SILENCE = with_mel(np.full(SPEECH.mel.shape, FLOOR))
SHUFFLED = with_mel(np.roll(SPEECH.mel, 1, axis=0))


# --- mel correlation: three conventions


def test_conventions_are_pearson_over_bands_and_over_everything() -> None:
    ours, theirs = NOISE.mel[2], SPEECH.mel[2]
    by_frame = np.mean([np.corrcoef(a, b)[0, 1] for a, b in zip(ours, theirs, strict=True)])
    assert quality.mel_correlation_over_bands(NOISE, SPEECH)[2] == pytest.approx(by_frame, abs=1e-6)
    flat = np.corrcoef(ours.ravel(), theirs.ravel())[0, 1]
    assert quality.mel_correlation_flattened(NOISE, SPEECH)[2] == pytest.approx(flat, abs=1e-6)


@pytest.mark.parametrize("metric", [quality.mel_correlation_over_bands, quality.mel_correlation_flattened])
def test_other_conventions_are_inflated_by_the_mean_spectrum_and_the_level_says_so(metric) -> None:
    level = quality.mean_spectrum_level(metric, SPEECH)
    assert level is not None and level > 0.4
    assert metric(NOISE, SPEECH).mean() > 0.2
    assert quality.mean_spectrum_level(quality.mel_correlation, SPEECH) == 0.0


def test_mean_spectrum_does_not_know_the_clip_it_stands_for() -> None:
    mel = SPEECH.mel.copy()
    mel[3] += 5
    moved = quality.mean_spectrum(with_mel(mel)).mel
    np.testing.assert_array_equal(moved[3], quality.mean_spectrum(SPEECH).mel[3])


def test_single_clip_has_no_mean_spectrum_level() -> None:
    assert quality.mean_spectrum_level(quality.mel_correlation_flattened, clips(0, n=1)) is None


# --- mel-cepstral distortion


@pytest.mark.parametrize("metric", [PLAIN, WARPED])
def test_copy_has_no_distortion_and_neither_has_a_quieter_one(metric) -> None:
    assert metric(SPEECH, SPEECH) == pytest.approx(np.zeros(N_CLIPS), abs=1e-4)
    assert metric(with_mel(SPEECH.mel - 2), SPEECH) == pytest.approx(np.zeros(N_CLIPS), abs=1e-4)


def test_distortion_of_one_cosine_is_its_root_mean_square_in_decibels() -> None:
    wave = np.cos(np.pi * 3 * (np.arange(64) + 0.5) / 64)
    mel = np.zeros((1, N_FRAMES, 64)) + np.linspace(0, 1e-3, N_FRAMES)[:, None]
    # 1 neper of amplitude at the third cosine: 20 / ln 10 dB at its crest, over the root of two.
    expected = 20 / np.log(10) / np.sqrt(2)
    assert PLAIN(with_mel(mel + wave), with_mel(mel)) == pytest.approx([expected], rel=1e-3)


def test_detail_beyond_the_thirteenth_coefficient_is_not_heard() -> None:
    ripple = np.cos(np.pi * 20 * (np.arange(64) + 0.5) / 64)
    assert PLAIN(with_mel(SPEECH.mel + ripple), SPEECH).max() < 1e-3


@pytest.mark.parametrize("metric", [PLAIN, WARPED])
def test_distortion_is_finite_for_silence_and_undefined_without_a_reference(metric) -> None:
    assert np.isfinite(metric(SILENCE, SPEECH)).all()
    assert (metric(SILENCE, SPEECH) > 0).all()
    assert np.isnan(metric(SPEECH, SILENCE)).all()


def test_pauses_of_the_reference_do_not_count() -> None:
    reference, generated = SPEECH.mel.copy(), SPEECH.mel.copy()
    reference[:, :10] = FLOOR
    generated[:, :10] = NOISE.mel[:, :10]
    for metric in (PLAIN, WARPED):
        assert metric(with_mel(generated), with_mel(reference)) == pytest.approx(np.zeros(N_CLIPS), abs=1e-4)


def test_warping_forgives_a_delay_that_plain_distortion_does_not() -> None:
    late = SPEECH.mel[:, np.maximum(np.arange(N_FRAMES) - 3, 0)]
    assert PLAIN(with_mel(late), SPEECH).mean() > 2 * WARPED(with_mel(late), SPEECH).mean()
    assert (WARPED(NOISE, SPEECH) <= PLAIN(NOISE, SPEECH) + 1e-9).all()


def test_warped_distance_is_that_of_the_cheapest_path() -> None:
    rng = np.random.default_rng(0)
    distance, lengths = rng.random((3, 7, 7)), np.array([7, 4, 1])
    expected = [_cheapest(d[:n, :n]) for d, n in zip(distance, lengths, strict=True)]
    assert cepstral._warped_distance(distance, lengths) == pytest.approx(expected)


def _cheapest(distance: np.ndarray) -> float:
    """Dynamic time warping written cell by cell: cost and steps of the cheapest path."""
    size = len(distance)
    best = {(0, 0): (distance[0, 0], 1)}
    for i in range(size):
        for j in range(size):
            if (i, j) != (0, 0):
                before = [best[c] for c in ((i - 1, j - 1), (i - 1, j), (i, j - 1)) if c in best]
                cost, steps = min(before)
                best[i, j] = (cost + distance[i, j], steps + 1)
    cost, steps = best[size - 1, size - 1]
    return cost / steps


# --- identification, two-way


def test_two_way_identification_runs_from_copies_over_chance_to_silence() -> None:
    assert two_way_identification(SPEECH, SPEECH).tolist() == [1.0] * N_CLIPS
    assert two_way_identification(SILENCE, SPEECH) == pytest.approx(np.full(N_CLIPS, 0.5))
    assert two_way_identification(NOISE, SPEECH).mean() == pytest.approx(0.5, abs=0.2)


# --- Frechet distance


def test_frechet_distance_of_gaussians_is_the_formula() -> None:
    rng = np.random.default_rng(0)
    left = rng.standard_normal((4000, 3)) * [1, 2, 3]
    right = rng.standard_normal((4000, 3)) * [2, 2, 1] + [1, 0, 0]
    # For diagonal covariances: squared distance of the means plus that of the standard deviations.
    assert distribution.frechet_distance(left, right) == pytest.approx(1 + 1 + 0 + 4, rel=0.05)


def test_frechet_distance_of_copies_is_zero_even_with_fewer_vectors_than_dimensions() -> None:
    few = np.random.default_rng(0).standard_normal((5, 30))
    assert distribution.frechet_distance(few, few) == pytest.approx(0, abs=1e-6)


def test_extrapolation_removes_most_of_the_bias_of_small_sets() -> None:
    rng = np.random.default_rng(0)
    left, right = rng.standard_normal((2, 60, 10, 8))
    raw = distribution.frechet_distance(left.reshape(-1, 8), right.reshape(-1, 8)) / 8
    assert raw > 0.005
    assert abs(distribution.frechet_at_infinity(left, right)) < raw / 2


def test_frechet_of_the_references_is_the_floor_whatever_their_order() -> None:
    same = distribution.frechet_cepstral(SPEECH, SPEECH)
    assert abs(same) < 0.15
    assert abs(distribution.frechet_cepstral(SHUFFLED, SPEECH)) < 0.15
    tilted = with_mel(SPEECH.mel + np.linspace(-2, 2, 64, dtype=np.float32))
    assert distribution.frechet_cepstral(tilted, SPEECH) > 1


def test_frechet_repeats_and_is_undefined_for_few_or_silent_references() -> None:
    assert distribution.frechet_cepstral(NOISE, SPEECH) == distribution.frechet_cepstral(NOISE, SPEECH)
    assert np.isnan(distribution.frechet_cepstral(clips(1, n=8), clips(0, n=8)))
    assert np.isnan(distribution.frechet_cepstral(SPEECH, SILENCE))


def test_frechet_of_sets_of_different_size_is_refused() -> None:
    with pytest.raises(ContractError, match="equal numbers"):
        distribution.frechet_at_infinity(np.zeros((20, 3, 4)), np.zeros((21, 3, 4)))


def test_cepstral_embedding_is_blind_to_level() -> None:
    np.testing.assert_allclose(embeddings.cepstral(with_mel(SPEECH.mel - 1)), embeddings.cepstral(SPEECH), atol=1e-5)


# --- collapse


def test_one_clip_for_every_segment_has_collapsed() -> None:
    same = with_mel(np.broadcast_to(NOISE.mel[:1], SPEECH.mel.shape))
    assert collapse.variance_ratio(same, SPEECH) == pytest.approx(0, abs=1e-9)
    own = collapse.pairwise_similarity(SHUFFLED, SPEECH)
    assert own == pytest.approx(0, abs=1e-6)
    assert collapse.pairwise_similarity(same, SPEECH) > 0.9


def test_clips_as_varied_as_speech_have_not_collapsed() -> None:
    assert collapse.variance_ratio(SHUFFLED, SPEECH) == pytest.approx(1)
    assert collapse.variance_ratio(with_mel(2 * SPEECH.mel), SPEECH) == pytest.approx(4, rel=1e-5)
    assert abs(collapse.pairwise_similarity(NOISE, SPEECH)) < 0.05


def test_silence_has_no_variance_and_silent_references_no_ratio() -> None:
    assert collapse.variance_ratio(SILENCE, SPEECH) == 0
    assert np.isnan(collapse.variance_ratio(SPEECH, SILENCE))
    assert np.isnan(collapse.pairwise_similarity(clips(0, n=1), clips(1, n=1)))


def test_pairwise_similarity_is_the_mean_over_all_pairs() -> None:
    few = clips(3, n=4)
    pairs = [(i, j) for i in range(4) for j in range(4) if i != j]
    expected = np.mean([quality.mel_correlation(with_mel(few.mel[[i]]), with_mel(few.mel[[j]]))[0] for i, j in pairs])
    silent = with_mel(np.full(few.mel.shape, FLOOR))
    assert collapse.pairwise_similarity(few, silent) == pytest.approx(expected, abs=1e-9)


# --- tags


def test_inception_score_runs_from_one_tag_for_all_to_one_tag_each() -> None:
    assert audioset.inception_score_of(np.full((40, 5), 0.2)) == pytest.approx(1)
    one_each = np.tile(np.eye(4), (10, 1))
    assert audioset.inception_score_of(one_each, n_splits=1) == pytest.approx(4)
    assert np.isnan(audioset.inception_score_of(np.eye(19)))
