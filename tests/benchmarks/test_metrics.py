"""Metrics on clips and scores whose values are known: copies, silence, noise, ties."""

from __future__ import annotations

import warnings
from pathlib import Path

import numpy as np
import pytest

from eeg2speech_bench.benchmarks.metrics.identification import identification, identification_rank
from eeg2speech_bench.benchmarks.metrics.intelligibility import estoi, stoi
from eeg2speech_bench.benchmarks.metrics.quality import log_spectral_distance, mel_correlation
from eeg2speech_bench.benchmarks.metrics.retrieval import (
    chance,
    hits,
    ranks,
    reciprocal_rank,
    relative_rank,
    top_1,
    top_5,
    top_10,
)
from eeg2speech_bench.core.errors import ContractError
from eeg2speech_bench.core.segments.clips import CLIP_RATE_HZ, Clips

FLOOR = np.float32(np.log(1e-5))
N_CLIPS, N_FRAMES, N_SAMPLES = 12, 60, CLIP_RATE_HZ


def speechlike(seed: int, n: int = N_CLIPS) -> Clips:
    """Noise with a syllable-like envelope, and an independent mel that varies over time around one mean spectrum."""
    rng = np.random.default_rng(seed)
    times = np.arange(N_SAMPLES) / CLIP_RATE_HZ
    envelope = 0.05 + np.sin(2 * np.pi * (4 * times + rng.random((n, 1)))) ** 2
    waveform = 0.1 * envelope * rng.standard_normal((n, N_SAMPLES))
    mel = -5 + 2 * np.cos(np.arange(64) / 10) + rng.standard_normal((n, N_FRAMES, 64))
    return Clips(waveform.astype(np.float32), mel.astype(np.float32))


def silence(n: int = N_CLIPS) -> Clips:
    return Clips(np.zeros((n, N_SAMPLES), np.float32), np.full((n, N_FRAMES, 64), FLOOR))


def louder(clips: Clips, gain: float) -> Clips:
    return Clips(np.float32(gain) * clips.waveform, clips.mel + np.float32(np.log(gain)))


def moved(clips: Clips, by: int) -> Clips:
    return Clips(np.roll(clips.waveform, by, 0), np.roll(clips.mel, by, 0))


SPEECH = speechlike(0)
NOISE = speechlike(1)
SCORES = np.array([[3.0, 1, 2, 0], [3.0, 1, 2, 0], [1.0, 1, 1, 0]])
TRUE = np.array([0, 2, 1])


# --- retrieval


def test_nan_scores_are_an_error_and_not_a_middle_rank() -> None:
    with pytest.raises(ContractError, match=r"1 of 3 NaN or infinite.*never given a middle rank"):
        ranks(np.array([[0, np.nan, 1]]), np.array([0]))


def test_rank_counts_better_candidates_and_half_of_the_ties() -> None:
    assert ranks(SCORES, TRUE).tolist() == [0, 1, 1]


def test_hit_under_ties_is_the_expected_credit() -> None:
    assert hits(SCORES, TRUE, 1).tolist() == pytest.approx([1, 0, 1 / 3])
    assert hits(SCORES, TRUE, 2).tolist() == pytest.approx([1, 1, 2 / 3])


@pytest.mark.parametrize("k", [1, 3, 7])
def test_constant_scores_give_exactly_k_over_m(k: int) -> None:
    assert hits(np.full((4, 7), 0.3), np.arange(4), k).tolist() == [k / 7] * 4


def test_reciprocal_rank_is_one_over_place_and_averages_ties() -> None:
    assert reciprocal_rank(SCORES, TRUE).tolist() == pytest.approx([1, 1 / 2, (1 + 1 / 2 + 1 / 3) / 3])


def test_relative_rank_runs_from_zero_to_one() -> None:
    assert relative_rank(np.array([[3.0, 2, 1]] * 3), np.arange(3)).tolist() == [0, 0.5, 1]


def test_chance_is_what_guessing_reaches() -> None:
    assert chance(top_10, 190) == pytest.approx(10 / 190)
    assert chance(reciprocal_rank, 3) == pytest.approx((1 + 1 / 2 + 1 / 3) / 3)
    assert chance(relative_rank, 8) == 0.5


def test_random_scores_are_at_chance() -> None:
    scores = np.random.default_rng(0).standard_normal((4000, 20))
    assert top_5(scores, np.zeros(4000, int)).mean() == pytest.approx(5 / 20, abs=0.03)


@pytest.mark.parametrize(("metric", "k"), [(top_1, 1), (top_5, 5), (top_10, 10)])
def test_top_k_of_a_pool_no_larger_than_k_is_undefined(metric, k: int) -> None:
    assert np.isnan(metric(np.eye(k), np.arange(k))).all()
    assert metric(np.eye(k + 1), np.arange(k + 1)).tolist() == [1.0] * (k + 1)


@pytest.mark.parametrize("true", [[0], [0, 3], [-1, 0]])
def test_true_columns_that_do_not_fit_are_refused(true: list[int]) -> None:
    with pytest.raises(ContractError, match="one column number from 0 to 2 for each of 2 rows"):
        hits(np.zeros((2, 3)), np.array(true), 1)


# --- clips


def test_clips_of_a_wrong_shape_are_refused() -> None:
    with pytest.raises(ContractError, match=r"expected waveform \(n, n_samples\), mel \(n, n_frames, 64\)"):
        Clips(np.zeros((2, 5), np.float32), np.zeros((2, 5, 80), np.float32))
    with pytest.raises(ContractError, match="2 waveforms and 3 mels"):
        Clips(np.zeros((2, 5), np.float32), np.zeros((3, 5, 64), np.float32))


def test_clips_with_nan_are_refused() -> None:
    with pytest.raises(ContractError, match="NaN or infinity"):
        Clips(np.full((1, 5), np.nan, np.float32), np.zeros((1, 5, 64), np.float32))


@pytest.mark.parametrize("metric", [mel_correlation, log_spectral_distance, estoi, identification, identification_rank])
def test_clips_of_another_number_are_refused(metric) -> None:
    with pytest.raises(ContractError, match="differ in shape"):
        metric(speechlike(0, n=3), speechlike(0, n=2))


# --- quality


def test_copy_correlates_perfectly_at_distance_zero() -> None:
    assert mel_correlation(SPEECH, SPEECH) == pytest.approx(np.ones(N_CLIPS))
    assert log_spectral_distance(SPEECH, SPEECH).tolist() == [0.0] * N_CLIPS


def test_mel_correlation_is_the_mean_of_pearson_over_bands() -> None:
    by_band = [np.corrcoef(SPEECH.mel[3, :, b], NOISE.mel[3, :, b])[0, 1] for b in range(64)]
    assert mel_correlation(NOISE, SPEECH)[3] == pytest.approx(np.mean(by_band), abs=1e-6)


def test_unrelated_clips_with_the_same_mean_spectrum_do_not_correlate() -> None:
    assert np.corrcoef(SPEECH.mel.ravel(), NOISE.mel.ravel())[0, 1] > 0.5  # the inflated convention
    assert abs(mel_correlation(NOISE, SPEECH).mean()) < 0.02


def test_mean_spectrum_held_still_gets_no_correlation() -> None:
    still = np.broadcast_to(SPEECH.mel.mean(axis=1, keepdims=True), SPEECH.mel.shape)
    assert mel_correlation(Clips(SPEECH.waveform, still), SPEECH).tolist() == [0.0] * N_CLIPS


def test_silence_gets_no_correlation_and_a_finite_distance() -> None:
    assert mel_correlation(silence(), SPEECH).tolist() == [0.0] * N_CLIPS
    assert np.isfinite(log_spectral_distance(silence(), SPEECH)).all()


def test_bands_that_are_constant_in_the_reference_are_left_out() -> None:
    reference = SPEECH.mel.copy()
    reference[:, :, 40:] = FLOOR
    assert mel_correlation(SPEECH, Clips(SPEECH.waveform, reference)) == pytest.approx(np.ones(N_CLIPS))


def test_bands_that_are_constant_in_the_generated_clip_alone_count_zero() -> None:
    generated = SPEECH.mel.copy()
    generated[:, :, 32:] = FLOOR
    assert mel_correlation(Clips(SPEECH.waveform, generated), SPEECH) == pytest.approx(np.full(N_CLIPS, 0.5))


def test_silent_reference_leaves_correlation_undefined_for_any_clip() -> None:
    assert np.isnan(mel_correlation(SPEECH, silence())).all()
    assert np.isnan(mel_correlation(silence(), silence())).all()


def test_gain_changes_no_correlation_and_is_the_distance_in_decibels() -> None:
    assert mel_correlation(louder(SPEECH, 0.5), SPEECH) == pytest.approx(np.ones(N_CLIPS), abs=1e-6)
    assert log_spectral_distance(louder(SPEECH, 10.0), SPEECH) == pytest.approx(np.full(N_CLIPS, 20.0), abs=1e-4)


def test_distance_is_root_mean_square_over_bands_then_mean_over_frames() -> None:
    mel = np.zeros((1, 2, 64), np.float32)
    mel[0, 1, :16] = np.log(10)
    # Frame 0 is 0 dB off; frame 1 is 20 dB off in a quarter of the bands: root mean square 10 dB.
    waveform = np.zeros((1, 4), np.float32)
    assert log_spectral_distance(Clips(waveform, mel), Clips(waveform, 0 * mel)) == pytest.approx([5.0])


# --- intelligibility


def test_copy_is_intelligible_and_so_is_a_quiet_copy() -> None:
    few = speechlike(0, n=2)
    assert estoi(few, few) == pytest.approx([1, 1], abs=1e-6)
    assert estoi(louder(few, 0.01), few) == pytest.approx([1, 1], abs=1e-3)


def test_unrelated_clip_is_near_zero_intelligible() -> None:
    assert abs(estoi(speechlike(1, n=3), speechlike(0, n=3)).mean()) < 0.25


def test_silent_clip_gets_zero_without_a_warning() -> None:
    few, near = speechlike(0, n=2), np.random.default_rng(0).standard_normal((2, N_SAMPLES)) * 1e-6
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert estoi(silence(2), few).tolist() == [0, 0]
        assert estoi(Clips(near.astype(np.float32), few.mel), few).tolist() == [0, 0]


@pytest.mark.parametrize("generated", [speechlike(0, n=2), silence(2)], ids=["speech", "silence"])
def test_reference_with_too_little_speech_is_undefined_for_any_clip(generated: Clips) -> None:
    waveform = speechlike(0, n=2).waveform
    waveform[0, CLIP_RATE_HZ // 4 :] = 0  # a quarter of a second of speech, then silence
    waveform[1] = 0
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert np.isnan(estoi(generated, Clips(waveform, generated.mel))).all()


def test_estoi_of_half_silence_repeats_exactly_and_leaves_the_global_generator_alone() -> None:
    few, halves = speechlike(0, n=2), speechlike(1, n=2).waveform
    halves[:, N_SAMPLES // 2 :] = 0
    state = np.random.get_state()[1].copy()
    first = estoi(Clips(halves, few.mel), few)
    np.testing.assert_array_equal(estoi(Clips(halves, few.mel), few), first)
    np.testing.assert_array_equal(np.random.get_state()[1], state)


@pytest.mark.parametrize(("metric", "extended"), [(estoi, True), (stoi, False)])
def test_intelligibility_equals_that_of_pystoi(metric, extended: bool) -> None:
    from pystoi import stoi as pystoi

    few, other = speechlike(0, n=3), speechlike(1, n=3)
    mixed = Clips((few.waveform + np.float32(0.7) * other.waveform)[:, :15_000], few.mel)
    few = Clips(few.waveform[:, :15_000], few.mel)
    pairs = zip(few.waveform.astype(np.float64), mixed.waveform.astype(np.float64), strict=True)
    expected = [pystoi(clean, noisy, CLIP_RATE_HZ, extended=extended) for clean, noisy in pairs]
    np.testing.assert_allclose(metric(mixed, few), expected, rtol=1e-9)


def test_intelligibility_leaves_out_the_pauses_of_the_reference_as_pystoi_does() -> None:
    from pystoi import stoi as pystoi

    few, other = speechlike(0, n=1), speechlike(1, n=1)
    paused = few.waveform.copy()
    paused[:, 5000:8000] *= 1e-3
    noisy = paused + np.float32(0.3) * other.waveform
    expected = pystoi(paused[0].astype(np.float64), noisy[0].astype(np.float64), CLIP_RATE_HZ, extended=True)
    assert estoi(Clips(noisy, few.mel), Clips(paused, few.mel))[0] == pytest.approx(expected, rel=1e-9)


def test_estoi_of_real_speech_falls_from_noisy_to_unrelated(realdata: Path) -> None:
    import soundfile
    from scipy.signal import resample_poly

    files = sorted((realdata / "speech_audio" / "librispeech_librosa").glob("*[0-9].ogg"))
    speech = [resample_poly(samples, CLIP_RATE_HZ, rate) for samples, rate in map(soundfile.read, files)]
    cuts = np.stack([s[CLIP_RATE_HZ : 5 * CLIP_RATE_HZ] for s in speech]).astype(np.float32)
    clean = Clips(cuts, np.zeros((len(cuts), 2, 64), np.float32))
    noise = np.random.default_rng(0).standard_normal(cuts.shape) * cuts.std(1, keepdims=True)
    noisy = estoi(Clips((cuts + noise).astype(np.float32), clean.mel), clean).mean()
    # The reference table has 0.44 and 0.56 at 0 dB for two corpora, and 0.01 to 0.02 for other utterances.
    assert 0.3 < noisy < 0.7
    assert abs(estoi(moved(clean, 1), clean).mean()) < 0.15


# --- identification


def test_copy_is_identified_at_rank_zero() -> None:
    assert identification(SPEECH, SPEECH).tolist() == [1.0] * N_CLIPS
    assert identification_rank(SPEECH, SPEECH).tolist() == [0.0] * N_CLIPS


def test_likeness_of_a_pair_is_its_mel_correlation() -> None:
    from eeg2speech_bench.benchmarks.metrics.identification import similarity_matrix

    matrix = similarity_matrix(NOISE.mel, SPEECH.mel)
    assert np.diag(matrix) == pytest.approx(mel_correlation(NOISE, SPEECH))
    assert np.diag(np.roll(matrix, -1, 1)) == pytest.approx(mel_correlation(NOISE, moved(SPEECH, -1)))


def test_clips_that_are_copies_of_another_segment_are_not_identified() -> None:
    assert identification(moved(SPEECH, 1), SPEECH).tolist() == [0.0] * N_CLIPS


def test_unrelated_clips_are_identified_at_chance() -> None:
    draws = [speechlike(seed).mel for seed in range(2, 32)]
    found = [identification(Clips(SPEECH.waveform, mel), SPEECH).mean() for mel in draws]
    assert np.mean(found) == pytest.approx(1 / N_CLIPS, abs=0.04)


def test_one_clip_for_every_segment_is_identified_at_chance() -> None:
    same = Clips(SPEECH.waveform, np.broadcast_to(NOISE.mel[:1], SPEECH.mel.shape))
    assert identification(same, SPEECH).mean() == pytest.approx(1 / N_CLIPS)


def test_silence_gets_exactly_chance() -> None:
    assert identification(silence(), SPEECH) == pytest.approx(np.full(N_CLIPS, 1 / N_CLIPS))
    assert identification_rank(silence(), SPEECH) == pytest.approx(np.full(N_CLIPS, 0.5))


def test_level_does_not_matter_for_identification() -> None:
    assert identification(louder(SPEECH, 0.2), SPEECH).tolist() == [1.0] * N_CLIPS


def test_listeners_of_the_same_audio_share_one_candidate() -> None:
    twice = Clips(np.tile(SPEECH.waveform, (2, 1)), np.tile(SPEECH.mel, (2, 1, 1)))
    assert identification(twice, twice).tolist() == [1.0] * 2 * N_CLIPS
    assert identification(silence(2 * N_CLIPS), twice) == pytest.approx(np.full(2 * N_CLIPS, 1 / N_CLIPS))


def test_silent_reference_is_no_candidate_and_has_no_value() -> None:
    mel = SPEECH.mel.copy()
    mel[4] = FLOOR
    values = identification(silence(), Clips(SPEECH.waveform, mel))
    assert np.flatnonzero(np.isnan(values)).tolist() == [4]
    assert np.delete(values, 4) == pytest.approx(np.full(N_CLIPS - 1, 1 / (N_CLIPS - 1)))


@pytest.mark.parametrize("reference", [speechlike(0, n=1), silence(3)], ids=["one clip", "silence"])
def test_identification_without_alternatives_is_undefined(reference: Clips) -> None:
    assert np.isnan(identification(reference, reference)).all()
