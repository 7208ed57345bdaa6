"""Every metric on the same real speech: clean, Griffin-Lim round trip, noise at 0 dB, white noise, another utterance.

The bands are those measured on LibriVox and audiobook speech with each metric's own package, widened by the spread
between these two.
"""

from __future__ import annotations

import csv
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from eeg2speech_bench.benchmarks.metrics import (
    cepstral,
    collapse,
    distribution,
    embeddings,
    identification,
    intelligibility,
    perception,
    quality,
    recognition,
    speaker,
)
from eeg2speech_bench.core.segments.clips import CLIP_RATE_HZ, Clips

WINDOW = round(2.88 * CLIP_RATE_HZ)
#: short name of each condition
CLEAN, ROUND, NOISY, NOISE, OTHER = "clean", "griffin-lim", "0 dB", "white noise", "other utterance"


def to_clips(waveforms: list[np.ndarray]) -> Clips:
    import torch

    from eeg2speech_bench.core.generator.mel import MelSpectrogram

    wave = np.stack(waveforms).astype(np.float32)
    return Clips(wave, MelSpectrogram()(torch.from_numpy(wave)).numpy())


def levelled(waveform: np.ndarray) -> np.ndarray:
    centred = waveform - waveform.mean()
    return centred * 10 ** (-26 / 20) / centred.std()


@pytest.fixture(scope="module")
def utterances(realdata: Path) -> dict[str, np.ndarray]:
    """Eight utterances of LJSpeech at 16 kHz by name, as long as they are."""
    import soundfile
    from scipy.signal import resample_poly

    files = sorted((realdata / "speech_audio" / "ljspeech_coqui" / "wavs").glob("*.wav"))[:8]
    return {f.stem: levelled(resample_poly(soundfile.read(f)[0], 320, 441)) for f in files}


@pytest.fixture(scope="module")
def conditions(utterances: dict[str, np.ndarray]) -> dict[str, Clips]:
    """Windows of 2.88 s under every condition."""
    import torch

    from eeg2speech_bench.core.generator.griffin_lim import GriffinLimVocoder

    rng = np.random.default_rng(0)
    cuts = [u[8000 : 8000 + WINDOW] for u in utterances.values() if len(u) > 8000 + WINDOW]
    clean = to_clips([levelled(cut) for cut in cuts])
    noise = [levelled(rng.standard_normal(WINDOW)) for _ in cuts]
    return {
        CLEAN: clean,
        ROUND: to_clips(list(GriffinLimVocoder(16)(torch.from_numpy(clean.mel)).numpy())),
        NOISY: to_clips([c + n for c, n in zip(clean.waveform, noise, strict=True)]),
        NOISE: to_clips(noise),
        OTHER: Clips(np.roll(clean.waveform, 1, 0), np.roll(clean.mel, 1, 0)),
    }


def first(clips: Clips, n: int) -> Clips:
    return Clips(clips.waveform[:n], clips.mel[:n])


def assert_in_bands(
    metric: Callable, conditions: dict[str, Clips], bands: dict[str, tuple[float, float]], n: int = 8
) -> None:
    reference = first(conditions[CLEAN], n)
    values = {name: float(np.mean(metric(first(conditions[name], n), reference))) for name in bands}
    # a copy correlates with itself at 1 but for rounding
    outside = {n: v for n, v in values.items() if not bands[n][0] - 1e-6 <= v <= bands[n][1] + 1e-6}
    assert not outside, f"{metric.__name__}: {values}"


CHEAP = [
    (quality.mel_correlation, {CLEAN: (1, 1), ROUND: (0.97, 1), NOISY: (0.3, 0.5), NOISE: (-0.05, 0.05)}),
    (quality.mel_correlation_over_bands, {CLEAN: (1, 1), ROUND: (0.97, 1), OTHER: (0.3, 0.8)}),
    (quality.mel_correlation_flattened, {CLEAN: (1, 1), ROUND: (0.97, 1), OTHER: (0.1, 0.7)}),
    (
        cepstral.mel_cepstral_distortion,
        {CLEAN: (0, 1e-3), ROUND: (0.4, 1.0), NOISY: (8, 10.5), NOISE: (9.5, 12.5), OTHER: (9, 12)},
    ),
    (
        cepstral.warped_cepstral_distortion,
        {CLEAN: (0, 1e-3), ROUND: (0.4, 1.0), NOISY: (8, 10), NOISE: (9.5, 12.5), OTHER: (6, 8.5)},
    ),
    (quality.log_spectral_distance, {CLEAN: (0, 0), ROUND: (0.8, 2.5), NOISY: (20, 36), NOISE: (20, 36)}),
    (
        intelligibility.estoi,
        {CLEAN: (1, 1), ROUND: (0.8, 0.95), NOISY: (0.4, 0.6), NOISE: (-0.05, 0.05), OTHER: (-0.1, 0.1)},
    ),
    (
        intelligibility.stoi,
        {CLEAN: (1, 1), ROUND: (0.9, 0.97), NOISY: (0.7, 0.83), NOISE: (0.32, 0.44), OTHER: (0.05, 0.25)},
    ),
    (identification.identification, {CLEAN: (1, 1), ROUND: (1, 1), NOISY: (0.9, 1), OTHER: (0, 0)}),
]


@pytest.mark.parametrize(("metric", "bands"), CHEAP, ids=[metric.__name__ for metric, _ in CHEAP])
def test_values_fall_in_the_measured_bands(metric, bands, conditions) -> None:
    assert_in_bands(metric, {k: Clips(v.waveform, v.mel) for k, v in conditions.items()}, bands)


def test_noise_has_a_higher_stoi_than_other_speech_and_so_estoi_is_the_one_to_report(conditions) -> None:
    reference = conditions[CLEAN]
    values = [intelligibility.stoi(conditions[name], reference).mean() for name in (NOISE, OTHER)]
    assert values[0] > values[1] + 0.1


def test_sets_tell_a_round_trip_from_noise(conditions) -> None:
    clean = conditions[CLEAN]
    doubled = {k: Clips(np.tile(v.waveform, (3, 1)), np.tile(v.mel, (3, 1, 1))) for k, v in conditions.items()}
    value = {k: distribution.frechet_cepstral(v, doubled[CLEAN]) for k, v in doubled.items()}
    assert value[ROUND] < value[CLEAN] + 0.1
    assert value[NOISY] > 0.5
    assert value[NOISE] > value[NOISY]
    assert collapse.variance_ratio(conditions[ROUND], clean) == pytest.approx(1, abs=0.1)
    assert collapse.variance_ratio(conditions[NOISE], clean) < 0.1


def test_pesq_falls_in_the_measured_bands(conditions) -> None:
    pytest.importorskip("pesq")
    bands = {CLEAN: (4.6, 4.65), ROUND: (2.0, 3.3), NOISY: (1.0, 1.1), NOISE: (1.0, 1.12), OTHER: (1.0, 1.25)}
    assert_in_bands(perception.pesq, conditions, bands, n=4)


def test_voices_fall_in_the_measured_bands(conditions) -> None:
    if reason := speaker.available():
        pytest.skip(reason)
    bands = {CLEAN: (1, 1.001), ROUND: (0.88, 0.97), NOISY: (0.5, 0.68), NOISE: (0.42, 0.58), OTHER: (0.78, 0.95)}
    assert_in_bands(speaker.speaker_similarity, conditions, bands, n=4)


@pytest.mark.slow
def test_opinions_fall_in_the_measured_bands(conditions) -> None:
    if reason := perception.dnsmos_available() or perception.distillmos_available():
        pytest.skip(reason)
    overall = {CLEAN: (2.7, 3.6), ROUND: (1.9, 2.7), NOISY: (1.1, 1.9), NOISE: (1.0, 1.25)}
    assert_in_bands(perception.dnsmos_overall, conditions, overall, n=3)
    p808 = {CLEAN: (3.4, 4.1), ROUND: (2.8, 3.5), NOISY: (2.0, 2.6), NOISE: (1.9, 2.3)}
    assert_in_bands(perception.dnsmos_p808, conditions, p808, n=3)
    distillmos = {CLEAN: (3.8, 4.6), ROUND: (2.3, 3.3), NOISY: (1.3, 1.8), NOISE: (1.1, 1.7)}
    assert_in_bands(perception.distillmos, conditions, distillmos, n=3)


@pytest.mark.slow
def test_wakeword_embeddings_identify_speech_through_noise_and_not_noise(conditions) -> None:
    if reason := embeddings.wakeword_available():
        pytest.skip(reason)
    bands = {CLEAN: (1, 1), ROUND: (0.9, 1), NOISY: (0.9, 1), NOISE: (0, 0.5), OTHER: (0, 0)}
    assert_in_bands(identification.wakeword_identification, conditions, bands)


# --- recogniser


@pytest.fixture(scope="module")
def whisper(realdata: Path) -> str:
    """Folder of Whisper tiny.en."""
    model = str(realdata / "weights" / "whisper-tiny.en-ct2")
    if reason := recognition.available(model):
        pytest.skip(reason)
    return model


@pytest.fixture(scope="module")
def texts(realdata: Path) -> dict[str, str]:
    with (realdata / "speech_audio" / "ljspeech_coqui" / "metadata.csv").open(encoding="utf8") as file:
        return {row[0]: row[2] for row in csv.reader(file, delimiter="|", quoting=csv.QUOTE_NONE)}


def padded(utterances: dict[str, np.ndarray]) -> Clips:
    length = 10 * CLIP_RATE_HZ
    wave = np.stack([np.pad(u, (0, length))[:length] for u in utterances.values()]).astype(np.float32)
    return Clips(wave, np.zeros((len(wave), 2, 64), np.float32))


def test_error_rates_of_real_speech_are_low_and_of_noise_total(whisper, texts, utterances) -> None:
    speech = padded(utterances)
    said = tuple(texts[name] for name in utterances)
    assert recognition.word_error_rate(speech, speech, said, whisper).mean() < 0.12
    assert recognition.character_error_rate(speech, speech, said, whisper).mean() < 0.06
    assert recognition.word_hits(speech, speech, said, whisper).mean() > 0.9
    noise = np.random.default_rng(0).standard_normal((2, speech.waveform.shape[1]))
    noise = Clips((0.05 * noise).astype(np.float32), speech.mel[:2])
    assert (recognition.word_error_rate(noise, first(speech, 2), said[:2], whisper) >= 0.9).all()


def test_wrong_words_are_errors_and_rates_never_exceed_one(whisper, texts, utterances) -> None:
    speech = first(padded(utterances), 3)
    said = tuple(texts[name] for name in list(utterances)[1:4])
    values = recognition.word_error_rate(speech, speech, said, whisper)
    assert (values <= 1).all() and values.mean() > 0.8


def test_silence_is_not_shown_to_the_recogniser_and_segments_without_words_have_no_value(whisper) -> None:
    nothing = Clips(np.zeros((2, WINDOW), np.float32), np.zeros((2, 4, 64), np.float32))
    assert recognition.transcripts(nothing, whisper) == ("", "")
    values = recognition.word_error_rate(nothing, nothing, ("some words", ""), whisper)
    assert values[0] == 1.0 and np.isnan(values[1])


def test_content_similarity_falls_in_the_measured_bands(whisper, conditions) -> None:
    def content(generated: Clips, reference: Clips) -> np.ndarray:
        return recognition.content_similarity(generated, reference, whisper)

    bands = {CLEAN: (0.999, 1.001), ROUND: (0.93, 0.99), NOISY: (0.6, 0.85), NOISE: (0.15, 0.4), OTHER: (0.15, 0.4)}
    assert_in_bands(content, conditions, bands, n=4)
    identified = recognition.whisper_identification(conditions[ROUND], conditions[CLEAN], whisper)
    assert identified.tolist() == [1.0] * len(identified)
