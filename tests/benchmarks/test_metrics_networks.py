"""Metrics that need a package or weights: skipped with the reason where these are absent, sane on known inputs."""

from __future__ import annotations

import builtins
import importlib
import re
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from eeg2speech_bench.benchmarks.metrics import (
    audioset,
    availability,
    embeddings,
    identification,
    perception,
    recognition,
    speaker,
)
from eeg2speech_bench.core.segments.clips import CLIP_RATE_HZ, Clips

AVAILABLE = [
    embeddings.wakeword_available,
    perception.pesq_available,
    perception.dnsmos_available,
    perception.distillmos_available,
    recognition.available,
    speaker.available,
]


def tones(n: int = 2) -> Clips:
    """Bursts of harmonics at a syllable's pace: enough like a voice for networks that only must not fail."""
    times = np.arange(CLIP_RATE_HZ) / CLIP_RATE_HZ
    pitch = 120 + 20 * np.arange(n)[:, None, None]
    harmonics = np.sin(2 * np.pi * pitch * np.arange(1, 20)[None, :, None] * times).sum(axis=1) / 20
    rng = np.random.default_rng(0)
    wave = harmonics * np.abs(np.sin(2 * np.pi * 2 * times)) + 1e-3 * rng.standard_normal((n, len(times)))
    return Clips(wave.astype(np.float32), rng.standard_normal((n, 100, 64)).astype(np.float32))


def silent(clips: Clips) -> Clips:
    return Clips(np.zeros_like(clips.waveform), np.full_like(clips.mel, np.log(1e-5)))


VOICE = tones()


def test_absent_package_is_named_with_what_to_type() -> None:
    reason = availability.why_unavailable(("numpy", "no_such_package_here"), "pip install it")
    assert reason == "package no_such_package_here is not installed; type: pip install it"
    assert availability.why_unavailable(("numpy",), "pip install it") is None


@pytest.mark.parametrize("available", AVAILABLE, ids=lambda f: f.__module__.split(".")[-1] + "." + f.__name__)
def test_metric_without_its_package_says_what_to_type(available, monkeypatch) -> None:
    monkeypatch.setattr(availability, "find_spec", lambda name: None)
    assert re.fullmatch(r"package .* is not installed; type: pip install .*", available("anything"))


@pytest.mark.parametrize("module", [audioset, embeddings, perception, recognition, speaker])
def test_metrics_load_without_their_packages(module, monkeypatch) -> None:
    def note(name, *rest, **more):
        asked.add(name.split(".")[0])
        return real(name, *rest, **more)

    asked: set[str] = set()
    real = builtins.__import__
    monkeypatch.setattr(builtins, "__import__", note)
    importlib.reload(module)
    assert asked - set(sys.stdlib_module_names) <= {"eeg2speech_bench", "numpy"}


def test_recogniser_that_is_not_named_or_not_there_is_a_reason(tmp_path) -> None:
    pytest.importorskip("faster_whisper")
    assert "--set scores.models.whisper=" in recognition.available(None)
    assert "no model.bin" in recognition.available(str(tmp_path))
    assert "recogniser nobody/nothing is not there" in recognition.available("nobody/nothing")


def test_tagger_that_is_not_named_or_not_there_is_a_reason(tmp_path) -> None:
    assert "--set scores.models.tagger=" in audioset.available(None)
    assert "is not there" in audioset.available(str(tmp_path))


# --- known inputs


def test_pesq_of_a_copy_is_its_maximum_and_of_silence_the_worst() -> None:
    pytest.importorskip("pesq")
    assert perception.pesq(VOICE, VOICE) == pytest.approx([4.64, 4.64], abs=0.01)
    assert perception.pesq(silent(VOICE), VOICE).tolist() == [perception.WORST] * 2
    assert np.isnan(perception.pesq(VOICE, silent(VOICE))).all()


def test_pesq_of_a_clip_that_is_too_short_is_undefined() -> None:
    pytest.importorskip("pesq")
    short = Clips(VOICE.waveform[:, :3000], VOICE.mel)
    assert np.isnan(perception.pesq(short, short)).all()


def test_voice_is_that_of_a_copy_at_any_level_and_silence_has_none() -> None:
    if reason := speaker.available():
        pytest.skip(reason)
    quiet = Clips(VOICE.waveform * np.float32(0.05), VOICE.mel)
    assert speaker.speaker_similarity(quiet, VOICE) == pytest.approx([1, 1], abs=1e-3)
    assert speaker.speaker_similarity(silent(VOICE), VOICE).tolist() == [0, 0]
    assert np.isnan(speaker.speaker_similarity(VOICE, silent(VOICE))).all()


def test_opinion_of_silence_is_the_worst() -> None:
    if reason := perception.dnsmos_available():
        pytest.skip(reason)
    assert perception.dnsmos_overall(silent(VOICE), VOICE).tolist() == [perception.WORST] * 2
    assert perception.dnsmos_p808(silent(VOICE), VOICE).tolist() == [perception.WORST] * 2


def test_wakeword_embeddings_do_not_remember_the_clip_before() -> None:
    if reason := embeddings.wakeword_available():
        pytest.skip(reason)
    both, second = tones(2), Clips(VOICE.waveform[1:], VOICE.mel[1:])
    assert embeddings.wakeword(both).shape[2] == 96
    np.testing.assert_array_equal(embeddings.wakeword(both)[1], embeddings.wakeword(second)[0])


def test_copy_is_identified_by_wakeword_embeddings() -> None:
    if reason := embeddings.wakeword_available():
        pytest.skip(reason)
    copy = Clips(VOICE.waveform.copy(), VOICE.mel)
    assert identification.wakeword_identification(copy, VOICE).tolist() == [1, 1]
    assert identification.wakeword_two_way(copy, VOICE).tolist() == [1, 1]


@pytest.fixture
def tagger(tmp_path: Path) -> str:
    """Folder of a tiny audio spectrogram transformer with random weights."""
    import torch
    from transformers import ASTConfig, ASTFeatureExtractor, ASTForAudioClassification

    torch.manual_seed(0)
    sizes = {"hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 16}
    config = ASTConfig(**sizes, num_mel_bins=16, max_length=32, num_labels=7)
    ASTForAudioClassification(config).save_pretrained(tmp_path)
    ASTFeatureExtractor(num_mel_bins=16, max_length=32).save_pretrained(tmp_path)
    return str(tmp_path)


def test_tags_of_a_copy_do_not_diverge_and_all_tags_sum_to_one(tagger: str) -> None:
    assert audioset.available(tagger) is None
    assert audioset.tags(VOICE, tagger).sum(axis=1) == pytest.approx([1, 1])
    assert audioset.divergence(VOICE, VOICE, tagger) == pytest.approx([0, 0], abs=1e-4)
    unlike = audioset.divergence(tones(2), silent(VOICE), tagger)
    assert audioset.mean_divergence(tones(2), silent(VOICE), tagger) == pytest.approx((unlike[0] + unlike[1]) / 2)
    many = tones(20)
    assert 1 <= audioset.inception_score(many, many, tagger) < 2


def change_weights(tagger: str, change: Callable[[dict[str, Any]], dict[str, Any]]) -> None:
    """Write a folder's weights anew, as another kind of file."""
    import torch
    from safetensors.torch import load_file

    path = Path(tagger) / "model.safetensors"
    state = {key: value.clone() for key, value in load_file(path).items()}
    path.unlink()
    torch.save(change(state), Path(tagger) / "pytorch_model.bin")


@pytest.mark.parametrize(
    "change",
    [
        lambda state: {f"module.{key}": value for key, value in state.items()},
        lambda state: {"state_dict": {f"model.{key}": value for key, value in state.items()}, "rate": np.float64(1)},
        lambda state: {key: value.half() for key, value in state.items()},
    ],
)
def test_a_tagger_in_another_form_gives_the_same_tags(tagger: str, change: Any) -> None:
    before = audioset.tags(VOICE, tagger)
    change_weights(tagger, change)
    audioset.tags.cache_clear()
    audioset._tagger.cache_clear()
    np.testing.assert_allclose(audioset.tags(VOICE, tagger), before, atol=1e-3)


def test_a_tagger_without_its_classifier_is_not_available(tagger: str) -> None:
    change_weights(tagger, lambda state: {key: value for key, value in state.items() if "classifier" not in key})
    said = audioset.available(tagger)
    assert said is not None
    assert re.search(r"is incomplete: got no classifier\..*Set scores\.models\.tagger to", said)
