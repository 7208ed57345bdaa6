"""Original AudioLDM weights in diffusers' and transformers' modules, against outputs of the original networks."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from transformers import SpeechT5HifiGan

from eeg2speech_bench.core.errors import BenchError
from eeg2speech_bench.core.generator.autoencoder import build_autoencoder
from eeg2speech_bench.core.generator.checkpoints import (
    load_original_unet,
    load_original_vae,
    load_original_vocoder,
)
from eeg2speech_bench.core.generator.denoiser import build_unet
from eeg2speech_bench.core.generator.vocoder import audioldm_vocoder_config
from eeg2speech_bench.core.presets.config import AutoencoderConfig, DenoiserConfig

State = dict[str, torch.Tensor]


class Golden:
    """One golden file: its arrays, and the weights that made them, under the original checkpoint's keys."""

    def __init__(self, path: Path) -> None:
        self.arrays = np.load(path)
        shapes, prefix = json.loads(str(self.arrays["shapes"])), str(self.arrays["prefix"])
        rng, scale = np.random.default_rng(0), float(self.arrays["scale"])
        self.state: State = {}
        for key in sorted(key.removeprefix(prefix) for key in shapes):
            values = (rng.standard_normal(shapes[prefix + key]) * scale).astype("float32")
            self.state[prefix + key] = torch.from_numpy(values)

    def __getitem__(self, key: str) -> torch.Tensor:
        return torch.from_numpy(self.arrays[key])


@pytest.fixture(scope="module")
def unet_golden(realdata: Path) -> Golden:
    return Golden(realdata / "golden/audioldm_unet_small.npz")


@pytest.fixture(scope="module")
def vae_golden(realdata: Path) -> Golden:
    return Golden(realdata / "golden/audioldm_vae_small.npz")


@pytest.fixture(scope="module")
def vocoder_golden(realdata: Path) -> Golden:
    return Golden(realdata / "golden/hifigan_16k_64bins_small.npz")


def small_unet(dim: int = 24, condition_by: str = "film") -> torch.nn.Module:
    config = DenoiserConfig(channels=(32, 64, 96, 160), condition_by=(condition_by,))
    return build_unet(config, latent_channels=8, condition_dim=dim).eval()


def small_vae() -> torch.nn.Module:
    return build_autoencoder(AutoencoderConfig(channels=(32, 64, 128))).eval()


def small_vocoder() -> torch.nn.Module:
    return SpeechT5HifiGan(audioldm_vocoder_config(width=64)).eval()


def relative_error(found: torch.Tensor, expected: torch.Tensor) -> float:
    return ((found - expected).norm() / expected.norm()).item()


@torch.no_grad()
def unet_error(unet: torch.nn.Module, golden: Golden) -> float:
    found = unet(golden["latent"], golden["timestep"], None, class_labels=golden["film"]).sample
    return relative_error(found, golden["output"])


@torch.no_grad()
def test_the_unet_reproduces_the_original_network(unet_golden: Golden) -> None:
    unet = small_unet()
    load_original_unet(unet, unet_golden.state)
    assert unet_error(unet, unet_golden) <= 1e-4


def test_the_moving_average_is_found_under_names_without_dots(unet_golden: Golden) -> None:
    averaged = {f"model_ema.{key.removeprefix('model.').replace('.', '')}": v for key, v in unet_golden.state.items()}
    # the ordinary weights hold something else, so that only the average can give the right answer
    state = {key: torch.zeros_like(v) for key, v in unet_golden.state.items()}
    unet = small_unet()
    load_original_unet(unet, state | averaged | {"model_ema.decay": torch.tensor(0.9999)}, ema=True)
    assert unet_error(unet, unet_golden) <= 1e-4


def test_a_missing_moving_average_is_refused(unet_golden: Golden) -> None:
    with pytest.raises(BenchError, match=r"no complete moving average.*Load it with ema=False"):
        load_original_unet(small_unet(), unet_golden.state, ema=True)


@torch.no_grad()
def test_the_autoencoder_reproduces_the_original_network(vae_golden: Golden) -> None:
    vae = small_vae()
    load_original_vae(vae, vae_golden.state)
    moments = vae.encode(vae_golden["mel"]).latent_dist.parameters
    assert relative_error(moments, vae_golden["moments"]) <= 1e-4
    assert relative_error(vae.decode(moments[:, :8]).sample, vae_golden["output"]) <= 1e-4


def test_parts_that_only_training_needs_are_listed_and_ignored(vae_golden: Golden) -> None:
    state = {key.removeprefix("first_stage_model."): value for key, value in vae_golden.state.items()}
    extra = {"loss.logvar": torch.zeros(1), "vocoder.conv_pre.bias": torch.zeros(3)}
    assert load_original_vae(small_vae(), state | extra) == ["loss.logvar", "vocoder.conv_pre.bias"]


@torch.no_grad()
def test_the_vocoder_reproduces_the_original_network(vocoder_golden: Golden) -> None:
    vocoder = small_vocoder()
    load_original_vocoder(vocoder, vocoder_golden.state)
    found = vocoder(vocoder_golden["mel"].transpose(1, 2))
    assert relative_error(found, vocoder_golden["output"][:, 0]) <= 1e-4


@torch.no_grad()
def test_weight_norm_is_folded_into_the_weights(vocoder_golden: Golden) -> None:
    state: State = {}
    for key, value in vocoder_golden.state.items():
        key = key.removeprefix("first_stage_model.vocoder.")
        if key.endswith(".weight"):  # weight = g * v / |v|, whatever the length of v
            state[f"{key}_g"] = value.flatten(1).norm(dim=1).reshape(-1, 1, 1)
            state[f"{key}_v"] = 3 * value
        else:
            state[key] = value
    vocoder = small_vocoder()
    load_original_vocoder(vocoder, state)
    found = vocoder(vocoder_golden["mel"].transpose(1, 2))
    assert relative_error(found, vocoder_golden["output"][:, 0]) <= 1e-4


def test_every_network_finds_its_part_of_a_whole_checkpoint(
    unet_golden: Golden, vae_golden: Golden, vocoder_golden: Golden
) -> None:
    whole = unet_golden.state | vae_golden.state | vocoder_golden.state | {"scale_factor": torch.tensor(0.9)}
    assert "scale_factor" in load_original_unet(small_unet(), whole)
    assert "scale_factor" in load_original_vae(small_vae(), whole)
    assert "scale_factor" in load_original_vocoder(small_vocoder(), whole)


def test_a_film_of_another_width_is_refused_with_what_to_do(unet_golden: Golden) -> None:
    with pytest.raises(BenchError, match=r"film_emb of a.ckpt.*got 24, expected 32.*target whose embeddings have 24"):
        load_original_unet(small_unet(dim=32), unet_golden.state, source="a.ckpt")


def test_a_unet_without_film_is_refused_with_what_to_do(unet_golden: Golden) -> None:
    with pytest.raises(BenchError, match=r'trained with a film condition.*condition_by=\["film"\]'):
        load_original_unet(small_unet(condition_by="frames"), unet_golden.state)


def test_a_missing_weight_is_refused(vae_golden: Golden) -> None:
    state = dict(vae_golden.state)
    del state["first_stage_model.encoder.conv_in.weight"]
    with pytest.raises(
        BenchError, match=r"is incomplete: got no encoder\.conv_in\.weight \(1 missing and 0 unexpected"
    ):
        load_original_vae(small_vae(), state)


def test_a_weight_that_fits_nowhere_is_refused(vae_golden: Golden) -> None:
    state = vae_golden.state | {"first_stage_model.encoder.more": torch.zeros(1)}
    with pytest.raises(BenchError, match=r"also encoder\.more \(0 missing and 1 unexpected"):
        load_original_vae(small_vae(), state)


def test_weights_of_another_size_are_refused(vae_golden: Golden) -> None:
    vae = build_autoencoder(AutoencoderConfig(channels=(32, 64, 96)))
    with pytest.raises(BenchError, match="AutoencoderKL of another size"):
        load_original_vae(vae, vae_golden.state)


def test_a_foreign_checkpoint_is_refused() -> None:
    with pytest.raises(BenchError, match=r"rnn.pt is not a checkpoint of this AutoencoderKL"):
        load_original_vae(small_vae(), {"rnn.weight": torch.zeros(2)}, source="rnn.pt")
