"""The shipped autoencoder and vocoder: what they are worth, where they come from, what is refused."""

from __future__ import annotations

import json
import re
import tomllib
from fnmatch import fnmatch
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import soundfile
import torch
from safetensors import safe_open
from safetensors.torch import load_file, save_file

from eeg2speech_bench.benchmarks.metrics.intelligibility import estoi
from eeg2speech_bench.benchmarks.pretraining import training
from eeg2speech_bench.benchmarks.pretraining.links import links_table
from eeg2speech_bench.benchmarks.pretraining.sounds import manifest_hash, sentences
from eeg2speech_bench.core.errors import BenchError, DataError
from eeg2speech_bench.core.generator import pretrained
from eeg2speech_bench.core.generator.griffin_lim import GriffinLimVocoder
from eeg2speech_bench.core.generator.mel import MelSpectrogram, normalise_waveform
from eeg2speech_bench.core.generator.pretrained import load_pretrained_autoencoder, load_pretrained_vocoder
from eeg2speech_bench.core.segments.clips import Clips

ROOT = Path(__file__).resolve().parents[2]
WEIGHTS = (pretrained.AUTOENCODER, pretrained.VOCODER)
MEL = MelSpectrogram()


def front_end(path: Path) -> dict[str, str]:
    with safe_open(path, "pt") as file:
        return dict(file.metadata())


@pytest.fixture(scope="module")
def speech() -> torch.Tensor:
    """Three seconds of a story whose words training never heard."""
    wave, _ = soundfile.read(ROOT / "datasets/speech/18_the_bridge.ogg", dtype="float32", stop=48_640)
    return normalise_waveform(torch.from_numpy(wave)[None])


@pytest.fixture(scope="module")
def mel(speech: torch.Tensor) -> torch.Tensor:
    return MEL(speech)


@pytest.fixture(scope="module")
def decoded(mel: torch.Tensor) -> torch.Tensor:
    autoencoder = load_pretrained_autoencoder()
    with torch.no_grad():
        return autoencoder.decode(autoencoder.encode(mel)[0])


def intelligibility(made: torch.Tensor, true: torch.Tensor) -> float:
    return float(estoi(*(Clips(wave.numpy(), MEL(wave).numpy()) for wave in (made, true)))[0])


def test_the_vocoder_is_more_intelligible_than_griffin_lim(speech, mel):
    gain = intelligibility(load_pretrained_vocoder()(mel), speech) - intelligibility(GriffinLimVocoder(32)(mel), speech)
    assert gain > 0.02


def test_speech_can_be_understood_after_the_autoencoder(speech, decoded):
    assert intelligibility(load_pretrained_vocoder()(decoded), speech) > 0.75


def test_a_spectrogram_survives_the_vocoder(mel):
    assert (MEL(load_pretrained_vocoder()(mel)) - mel).abs().median() < 0.15


def test_the_vocoder_says_the_same_of_an_item_alone_and_in_a_batch(mel):
    vocoder, other = load_pretrained_vocoder(), mel.flip(1)
    assert torch.equal(vocoder(torch.cat([other, mel]))[1:], vocoder(mel))


def test_silence_stays_silent():
    floor = torch.full((1, 32, 64), float(np.log(1e-5)))
    assert load_pretrained_vocoder()(floor).abs().max() < 1e-3


def test_latents_have_the_shape_of_quick_and_about_unit_deviation(mel):
    with torch.no_grad():
        mean, std = load_pretrained_autoencoder().encode(mel)
    assert mean.shape == std.shape == (1, 8, mel.shape[1] // 8, 8)
    assert 0.7 < float(mean.std()) < 1.4


def test_frames_that_cannot_be_compressed_evenly_are_refused(mel):
    with pytest.raises(DataError, match="multiple of 8 frames"):
        load_pretrained_autoencoder().encode(mel[:, :30])


@pytest.mark.parametrize("path", WEIGHTS, ids=lambda path: path.stem)
def test_weights_name_the_sounds_that_the_script_makes(path):
    assert front_end(path)["manifest_sha256"] == manifest_hash()


def test_the_card_names_the_sounds_that_the_script_makes():
    assert manifest_hash() in (pretrained.FOLDER / "README.md").read_text(encoding="utf8")


def test_weights_are_small():
    assert sum(path.stat().st_size for path in WEIGHTS) < 10e6


def test_a_wheel_holds_weights_and_card():
    package_data = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf8"))["tool"]["setuptools"][
        "package-data"
    ]
    patterns = package_data["eeg2speech_bench.core.generator.pretrained"]
    names = [path.name for path in (*WEIGHTS, pretrained.FOLDER / "README.md")]
    assert [name for name in names if not any(fnmatch(name, pattern) for pattern in patterns)] == []


def test_a_pickled_file_is_refused(tmp_path):
    torch.save({"weight": torch.zeros(2)}, tmp_path / "weights.safetensors")
    with pytest.raises(BenchError, match="cannot be read"):
        load_pretrained_vocoder(tmp_path / "weights.safetensors")


def test_weights_of_another_network_are_refused_by_name():
    with pytest.raises(
        BenchError, match=r"(?s)autoencoder.safetensors holds weights of another network.*SpectrumNetwork"
    ):
        load_pretrained_vocoder(pretrained.AUTOENCODER)


def test_weights_of_another_shape_are_refused_by_name(tmp_path):
    weights = load_file(pretrained.VOCODER)
    weights["detail.bias"] = weights["detail.bias"][:-1].clone()
    save_file(weights, tmp_path / "weights.safetensors", front_end(pretrained.VOCODER))
    with pytest.raises(BenchError, match=r"detail\.bias"):
        load_pretrained_vocoder(tmp_path / "weights.safetensors")


def test_weights_for_other_spectrograms_are_refused_by_name(tmp_path):
    other = front_end(pretrained.VOCODER)
    other["front_end"] = other["front_end"].replace('"hop": 160', '"hop": 256')
    save_file(load_file(pretrained.VOCODER), tmp_path / "weights.safetensors", other)
    with pytest.raises(BenchError, match=r"(?s)other spectrograms.*hop 256.*hop 160"):
        load_pretrained_vocoder(tmp_path / "weights.safetensors")


def test_the_story_of_these_tests_is_not_spoken_in_training():
    story = json.loads((ROOT / "datasets/speech/18_the_bridge.json").read_text(encoding="utf8"))
    assert not set(sentences()) & set(re.split(r"(?<=\.) ", story["text"]))


def test_a_killed_training_goes_on_where_it_stopped(tmp_path, monkeypatch):
    monkeypatch.setattr(training, "BATCH", {"vocoder": 1, "autoencoder": 1})
    noise = np.random.default_rng(0).normal(0, 0.1, 17_000)
    sounds = [tmp_path / f"{kind}_a.wav" for kind in ("recorded", "hibari", "flite", "festival", "espeak")]
    for path in sounds:
        soundfile.write(path, noise, 16_000)
    steps = []
    for part in ("autoencoder", "vocoder"):  # the second step of the vocoder hears through the autoencoder
        first = training.train(part, sounds, tmp_path, 1e-6, "cpu")
        steps += [first.steps, training.train(part, sounds, tmp_path, first.seconds / 60 + 1e-6, "cpu").steps]
    assert steps == [1, 2, 1, 2]


def test_the_links_of_the_chain_go_from_true_speech_to_no_knowledge():
    values = {"reference": 0.1, "audio": 0.6, "vocoder": 0.2, "autoencoder": 0.3, "eeg": 0.8, "none": 1.0}

    class Cell:
        def metric(self, name: str, condition: str = "eeg") -> SimpleNamespace | None:
            return SimpleNamespace(value=values[condition]) if name == "wer" and condition in values else None

    rows = links_table({"after": Cell()}).splitlines()[2:]
    assert [row.split(" | ")[1] for row in rows] == ["0.10", "0.20", "0.30", "0.60", "0.80", "1.00"]
