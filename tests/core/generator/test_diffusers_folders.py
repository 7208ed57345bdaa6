"""Autoencoder and UNet from folders of diffusers and from files of trainers, in the layouts that people have."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from torch import nn

from eeg2speech_bench.core.errors import BenchError
from eeg2speech_bench.core.generator.autoencoder import build_autoencoder
from eeg2speech_bench.core.generator.checkpoints import load_original_unet, load_original_vae
from eeg2speech_bench.core.generator.denoiser import build_unet
from eeg2speech_bench.core.presets.config import AutoencoderConfig, DenoiserConfig
from eeg2speech_bench.core.weights.checkpoint_file import read_checkpoint

State = dict[str, torch.Tensor]


def tiny_vae() -> nn.Module:
    return build_autoencoder(AutoencoderConfig(channels=(8, 16), norm_groups=4)).eval()


def tiny_unet() -> nn.Module:
    config = DenoiserConfig(
        channels=(8, 16), attention=(False, True), attention_heads=(2, 2), norm_groups=4, condition_by=("film",)
    )
    return build_unet(config, latent_channels=4, condition_dim=6).eval()


@torch.no_grad()
def vae_output(vae: nn.Module) -> torch.Tensor:
    return vae(torch.linspace(-1, 1, 1024).reshape(1, 1, 32, 32)).sample


@torch.no_grad()
def unet_output(unet: nn.Module) -> torch.Tensor:
    latent = torch.linspace(-1, 1, 256).reshape(1, 4, 8, 8)
    return unet(latent, torch.tensor([3]), None, class_labels=torch.ones(1, 6)).sample


NETWORKS = [
    (tiny_vae, load_original_vae, vae_output, "autoencoder.checkpoint", "autoencoder.channels"),
    (tiny_unet, load_original_unet, unet_output, "denoiser.checkpoint", "denoiser.channels"),
]
Build = Callable[[], nn.Module]


@pytest.mark.parametrize(("build", "load", "output"), [network[:3] for network in NETWORKS])
@pytest.mark.parametrize("half", [True, False])
def test_a_folder_of_diffusers_is_loaded_twice_alike(
    tmp_path: Path, build: Build, load: Callable, output: Callable, half: bool
) -> None:
    saved, one, other = build(), build(), build()
    (saved.half() if half else saved).save_pretrained(tmp_path)
    load(one, read_checkpoint(tmp_path))
    load(other, read_checkpoint(tmp_path))
    assert torch.equal(output(one), output(saved.float()))
    assert torch.equal(output(one), output(other))


@pytest.mark.parametrize(("build", "load", "output"), [network[:3] for network in NETWORKS])
@pytest.mark.parametrize("prefix", ["module.", "model.", "model.module."])
def test_a_file_of_a_trainer_is_loaded(
    tmp_path: Path, build: Build, load: Callable, output: Callable, prefix: str
) -> None:
    saved, found = build(), build()
    state = {prefix + key: value for key, value in saved.state_dict().items()}
    average = {f"ema_{prefix}{key}": torch.zeros_like(value) for key, value in saved.state_dict().items()}
    torch.save({"state_dict": state | average, "epoch": 3}, tmp_path / "x.ckpt")
    load(found, read_checkpoint(tmp_path / "x.ckpt"))
    assert torch.equal(output(found), output(saved))


@pytest.mark.parametrize(("build", "load", "output", "option", "sizes"), NETWORKS)
def test_a_missing_weight_is_named_with_the_file_and_the_settings(
    build: Build, load: Callable, output: Callable, option: str, sizes: str
) -> None:
    state = build().state_dict()
    del state["conv_out.weight" if "conv_out.weight" in state else "decoder.conv_out.weight"]
    said = rf"a\.ckpt is incomplete: got no .*conv_out\.weight \(1 missing.*Set {option} to .*, or set {sizes} as"
    with pytest.raises(BenchError, match=said):
        load(build(), state, source="a.ckpt")


def test_first_names_of_attention_in_diffusers_are_known() -> None:
    saved, found = tiny_vae(), tiny_vae()
    state: State = {}
    for key, value in saved.state_dict().items():
        for new, old in (("to_q", "query"), ("to_k", "key"), ("to_v", "value"), ("to_out.0", "proj_attn")):
            key = key.replace(f".{new}.", f".{old}.")
        state[key] = value
    load_original_vae(found, state)
    assert torch.equal(vae_output(found), vae_output(saved))


def test_weights_of_our_own_stage_are_not_taken_for_the_network_alone() -> None:
    # They come with the mean and deviation of their input, which the network alone would not get.
    state = {f"vae.{key}": value for key, value in tiny_vae().state_dict().items()} | {"mean": torch.zeros(())}
    with pytest.raises(BenchError, match="is not a checkpoint of this AutoencoderKL"):
        load_original_vae(tiny_vae(), state)
