"""The presets for a GPU take their whole way, with every network narrowed and every training cut to a few steps."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from eeg2speech_bench.core.generator.vocoder import audioldm_vocoder_config
from eeg2speech_bench.core.records.record import Record

NARROW = """
[data]
stride_s = 4.0
[target.options.wav2vec2]
model = "{wav2vec2}"
layers = [2, 3]
[encoder.brainmagick]
{encoder}
[alignment]
batch_size = 8
steps_per_epoch = 2
max_epochs = 1
[autoencoder]
channels = [8, 8, 8]
layers_per_block = 1
norm_groups = 4
batch_size = 2
max_steps = 1
[denoiser]
channels = [8, 8, 8, 16]
attention_heads = [2, 2, 2, 2]
layers_per_block = 1
norm_groups = 4
frame_channels = 4
[diffusion]
batch_size = 2
max_steps = 2
[sampling]
n_steps = 2
n_clips = 4
[scores]
n_bootstrap = 50
n_permutations = 100
"""


@pytest.fixture(scope="module")
def small_hifigan(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder with a small HiFi-GAN of random weights, as it comes from the hub."""
    from transformers import SpeechT5HifiGan

    torch.manual_seed(0)
    folder = tmp_path_factory.mktemp("hifigan")
    SpeechT5HifiGan(audioldm_vocoder_config(width=32)).save_pretrained(folder)
    return folder


@pytest.mark.slow
@pytest.mark.parametrize("preset", ["full", "eeg2speech"])
def test_a_preset_for_a_gpu_goes_from_eeg_to_scored_speech(bench, narrow_encoder, tiny_wav2vec2, small_hifigan, preset):
    config = bench.folder / f"{preset}.toml"
    # full leaves the vocoder to the default, which has no weights to load
    vocoder = f'[vocoder]\ncheckpoint = "{small_hifigan}"' if preset == "eeg2speech" else ""
    config.write_text(NARROW.format(wav2vec2=tiny_wav2vec2, encoder=narrow_encoder) + vocoder)
    results = bench.folder / preset
    arguments = ["--encoder", "brainmagick", "--preset", preset, "--config", str(config), "--results", str(results)]
    process = bench.start(*arguments, "--dataset", str(bench.data))
    output, errors = process.communicate(timeout=240)
    assert process.returncode == 0, output + errors
    (path,) = (results / "records").glob("*.json")
    record = Record.read(path)
    assert record.config["preset"] == preset and record.status == "done"
    assert all(name.startswith("metric ") for name in record.skipped)  # pools for which this is too little
    assert record.metric("identification", "audio") is not None
    assert record.target.name == "wav2vec2"
