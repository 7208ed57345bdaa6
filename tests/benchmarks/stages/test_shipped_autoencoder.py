"""The shipped autoencoder is used as it is for speech, and trained further, with a word, for other sounds."""

from __future__ import annotations

import shutil
from importlib import resources
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch

from eeg2speech_bench.benchmarks.stage_inputs import AutoencoderInputs
from eeg2speech_bench.benchmarks.stage_runs import run_stage
from eeg2speech_bench.benchmarks.stages.autoencoder import MOST_ERROR
from eeg2speech_bench.core.errors import UsageError
from eeg2speech_bench.core.generator.pretrained import AUTOENCODER, load_pretrained_autoencoder, weights_hash
from eeg2speech_bench.core.presets.config import AutoencoderConfig, load_config
from eeg2speech_bench.core.stages.checkpoints import StageCheckpoints
from eeg2speech_bench.core.stages.json_files import read_json

N_SAMPLES = 24 * 16_000
SHIPPED = AutoencoderConfig(train=False, channels=(8, 8, 8), patch=2, batch_size=2, max_steps=2)


def run(prepared: Path, out: Path) -> dict:
    out.mkdir()
    none = StageCheckpoints(out.parent / "none", {"name": "autoencoder", "key": "", "subject": {}}, print)
    inputs = AutoencoderInputs(prepared, SHIPPED, device="cpu", precision="float32")
    run_stage(inputs, out, lambda note, share: None, none)
    return read_json(out / "training.json")


def learned(out: Path) -> dict[str, torch.Tensor]:
    """Return the weights that a stage left, but for the scale, which is every data set's own."""
    weights = torch.load(out / "weights.pt", weights_only=True)
    return {name: value for name, value in weights.items() if name != "scale_factor"}


def with_sound(prepared: Path, folder: Path, wave: np.ndarray) -> Path:
    """Copy the tiny data set with another sound."""
    shutil.copytree(prepared, folder)
    np.save(folder / "sound.npy", wave.astype(np.float32))
    return folder


def test_speech_is_encoded_by_the_weights_as_they_are_shipped(prepared, tmp_path):
    story = str(resources.files("eeg2speech_bench.datasets.speech") / "01_the_lighthouse.ogg")
    wave, rate = soundfile.read(story, frames=N_SAMPLES)
    assert (rate, len(wave)) == (16_000, N_SAMPLES)
    facts = run(with_sound(prepared, tmp_path / "spoken", wave), tmp_path / "out")
    assert facts["adaptations"] == {"autoencoder": f"shipped weights {weights_hash(AUTOENCODER)[:12]}"}
    assert facts["valid_mel_error"] < MOST_ERROR
    shipped = load_pretrained_autoencoder().state_dict()
    assert all(torch.equal(value, shipped[name]) for name, value in learned(tmp_path / "out").items())


def test_sounds_that_it_does_not_know_train_it_further_and_are_told(prepared, tmp_path, capsys):
    clicks = np.random.default_rng(0).random(N_SAMPLES) < 1e-3
    facts = run(with_sound(prepared, tmp_path / "struck", clicks), tmp_path / "out")
    assert "trained further: they leave" in facts["adaptations"]["autoencoder"]
    assert "trained further: they leave" in capsys.readouterr().out
    shipped = load_pretrained_autoencoder().state_dict()
    assert not all(torch.equal(value, shipped[name]) for name, value in learned(tmp_path / "out").items())


def test_another_shape_than_that_of_the_shipped_weights_is_refused():
    with pytest.raises(UsageError, match=r"factor 8 and 8 latent channels, not 4 and 8: set autoencoder\.train=true"):
        load_config("quick", overrides=["autoencoder.patch=1"])
