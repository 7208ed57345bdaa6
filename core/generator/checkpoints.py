"""Brings weights in AudioLDM's original layout into the modules of diffusers and transformers."""

from __future__ import annotations

import re
from collections.abc import Callable

import torch
from diffusers import AutoencoderKL, UNet2DConditionModel
from torch import nn
from transformers import SpeechT5HifiGan

from eeg2speech_bench.core.errors import BenchError
from eeg2speech_bench.core.training.weights import State

UNET_PREFIX, EMA_PREFIX = "model.diffusion_model.", "model_ema."
VAE_PREFIX, VOCODER_PREFIX = "first_stage_model.", "first_stage_model.vocoder."
#: parts of an autoencoder's checkpoint that only its training needs, or that are another network
VAE_IGNORED = ("loss.", "vocoder.")


def load_original_vae(module: AutoencoderKL, state: State, source: str = "the checkpoint") -> list[str]:
    """Fill an autoencoder from ``vae_mel_16k_64bins.ckpt`` or from a whole AudioLDM checkpoint.

    Parameters
    ----------
    module : AutoencoderKL
        In the shape of the checkpoint (see `build_autoencoder`).
    state : dict of str to Tensor
        What `core.training.weights.read_checkpoint` returned.
    source : str
        What error messages call the checkpoint.

    Returns
    -------
    list of str
        Keys that were ignored: the discriminator's and LPIPS's (``loss.``), the vocoder's, and in a whole AudioLDM
        checkpoint everything outside ``first_stage_model.``.

    Raises
    ------
    BenchError
        If a parameter is not filled, has another shape, or the checkpoint has weights that fit nowhere.
    """
    inner, ignored = _under(state, VAE_PREFIX)
    n_levels = len(module.config.block_out_channels)
    renamed = {_vae_key(k, n_levels): v for k, v in inner.items() if not k.startswith(VAE_IGNORED)}
    for key, value in renamed.items():
        if ".attentions.0." in key and value.ndim == 4:
            renamed[key] = value.flatten(1)  # 1 x 1 convolutions became linear layers
    _fill(module, renamed, source)
    return ignored + [key for key in inner if key.startswith(VAE_IGNORED)]


def load_original_unet(
    module: UNet2DConditionModel, state: State, ema: bool = False, source: str = "the checkpoint"
) -> list[str]:
    """Fill a UNet from an AudioLDM checkpoint.

    Parameters
    ----------
    module : UNet2DConditionModel
        In the shape of the checkpoint (see `build_unet` with ``condition_by=("film",)``).
    state : dict of str to Tensor
        What `read_checkpoint` returned.
    ema : bool
        Take the moving average of the weights instead of the last ones.
    source : str
        What error messages call the checkpoint.

    Returns
    -------
    list of str
        Keys that were ignored: everything outside ``model.diffusion_model.``.

    Raises
    ------
    BenchError
        If a parameter is not filled, has another shape (``film_emb`` most often, for a condition of another
        width), or the checkpoint has weights that fit nowhere.
    """
    inner, ignored = _under(state, UNET_PREFIX)
    if ema:
        inner = _averaged(inner, state, source)
    per_level = module.config.layers_per_block + 1
    renamed = {_unet_key(key, per_level): value for key, value in inner.items()}
    _check_film(module, renamed, source)
    _fill(module, renamed, source)
    return ignored


def load_original_vocoder(module: SpeechT5HifiGan, state: State, source: str = "the checkpoint") -> list[str]:
    """Fill a vocoder from ``hifigan_16k_64bins.ckpt`` (weight norm is folded) or a whole AudioLDM checkpoint.

    Parameters, return value and errors are those of `load_original_unet`.
    """
    inner, ignored = _under(state, VOCODER_PREFIX)
    renamed = {re.sub(r"^ups\.", "upsampler.", key): value for key, value in _fold_weight_norm(inner).items()}
    _fill(module, renamed, source)
    return ignored


def _under(state: State, prefix: str) -> tuple[State, list[str]]:
    """Entries under ``prefix`` without it, and the other keys; all entries where nothing has that prefix."""
    inner = {key.removeprefix(prefix): value for key, value in state.items() if key.startswith(prefix)}
    if not inner:
        return state, []
    return inner, [key for key in state if not key.startswith(prefix)]


def _averaged(inner: State, state: State, source: str) -> State:
    """Look up the moving average of each weight, stored under the weight's name without its dots."""
    stored = {key: EMA_PREFIX + f"diffusion_model.{key}".replace(".", "") for key in inner}
    missing = [name for name in stored.values() if name not in state]
    if missing:
        raise BenchError(
            f"{source} has no complete moving average of the UNet",
            got=f"no {missing[0]}",
            expected=f"{len(stored)} keys under {EMA_PREFIX}",
            then="Load it with ema=False.",
        )
    return {key: state[name] for key, name in stored.items()}


def _fold_weight_norm(state: State) -> State:
    """Multiply out weight_g * weight_v / |weight_v| (Salimans and Kingma 2016), the norm over all but axis 0."""
    folded = {key: value for key, value in state.items() if not key.endswith((".weight_g", ".weight_v"))}
    for key in state:
        if key.endswith(".weight_v"):
            stem = key.removesuffix("_v")
            folded[stem] = torch._weight_norm(state[key], state[f"{stem}_g"], 0)
    return folded


def _rename(key: str, rules: list[tuple[str, str | Callable[[re.Match[str]], str]]]) -> str:
    for pattern, replacement in rules:
        key = re.sub(pattern, replacement, key)
    return key


def _vae_key(key: str, n_levels: int) -> str:
    """Diffusers' name of an autoencoder weight; the original numbers the decoder's levels from the output."""
    return _rename(
        key,
        [
            (r"^encoder\.down\.", "encoder.down_blocks."),
            (r"^decoder\.up\.(\d+)", lambda m: f"decoder.up_blocks.{n_levels - 1 - int(m[1])}"),
            (r"\.block\.(\d+)", r".resnets.\1"),
            (r"\.(down|up)sample\.conv", r".\1samplers.0.conv"),
            (r"\.mid\.block_([12])", lambda m: f".mid_block.resnets.{int(m[1]) - 1}"),
            (r"\.mid\.attn_1\.norm", ".mid_block.attentions.0.group_norm"),
            (r"\.mid\.attn_1\.proj_out", ".mid_block.attentions.0.to_out.0"),
            (r"\.mid\.attn_1\.([qkv])\.", r".mid_block.attentions.0.to_\1."),
            (r"\.nin_shortcut", ".conv_shortcut"),
            (r"\.norm_out", ".conv_norm_out"),
        ],
    )


def _unet_key(key: str, per_level: int) -> str:
    """Diffusers' name of a UNet weight; the original counts blocks through all levels, ``per_level`` in each."""

    def down(m: re.Match[str]) -> str:
        level, place = divmod(int(m[1]) - 1, per_level)
        part = f"downsamplers.{place - per_level + 1}.conv" if m[3] else f"{_PARTS[m[2]]}.{place}"
        return f"down_blocks.{level}.{part}."

    def up(m: re.Match[str]) -> str:
        level, place = divmod(int(m[1]), per_level)
        part = "upsamplers.0.conv" if m[3] else f"{_PARTS[m[2]]}.{place}"
        return f"up_blocks.{level}.{part}."

    return _rename(
        key,
        [
            (r"^time_embed\.([02])\.", lambda m: f"time_embedding.linear_{int(m[1]) // 2 + 1}."),
            (r"^film_emb\.", "class_embedding."),
            (r"^input_blocks\.0\.0\.", "conv_in."),
            (r"^input_blocks\.(\d+)\.(\d)\.(op\.)?", down),
            (r"^output_blocks\.(\d+)\.(\d)\.(conv\.)?", up),
            (r"^middle_block\.([02])\.", lambda m: f"mid_block.resnets.{int(m[1]) // 2}."),
            (r"^middle_block\.1\.", "mid_block.attentions.0."),
            (r"^out\.0\.", "conv_norm_out."),
            (r"^out\.2\.", "conv_out."),
            (r"\.in_layers\.0\.", ".norm1."),
            (r"\.in_layers\.2\.", ".conv1."),
            (r"\.out_layers\.0\.", ".norm2."),
            (r"\.out_layers\.3\.", ".conv2."),
            (r"\.emb_layers\.1\.", ".time_emb_proj."),
            (r"\.skip_connection\.", ".conv_shortcut."),
        ],
    )


#: second number of an original block: the residual layer, then the transformer
_PARTS = {"0": "resnets", "1": "attentions"}


def _check_film(module: UNet2DConditionModel, state: State, source: str) -> None:
    found = state.get("class_embedding.weight")
    if found is None:
        return
    if module.class_embedding is None:
        raise BenchError(
            f"{source} was trained with a film condition",
            got="a UNet without one",
            then='Set denoiser.condition_by=["film"], or denoiser.checkpoint=null to train from scratch.',
        )
    width = module.class_embedding.weight.shape[1]
    if found.shape[1] != width:
        raise BenchError(
            f"film_emb of {source} reads conditions of another width",
            got=found.shape[1],
            expected=width,
            then=f"Choose an audio target whose embeddings have {found.shape[1]} values, "
            "or set denoiser.checkpoint=null to train from scratch.",
        )


def _fill(module: nn.Module, state: State, source: str) -> None:
    """Copy ``state`` into ``module``; every parameter must be filled and every weight must be used."""
    wanted = {name: parameter.shape for name, parameter in module.named_parameters()}
    missing = sorted(wanted.keys() - state.keys())
    unexpected = sorted(state.keys() - wanted.keys())
    wrong = [name for name in wanted.keys() & state.keys() if state[name].shape != wanted[name]]
    kind = type(module).__name__
    if missing or unexpected:
        raise BenchError(
            f"{source} is not a checkpoint of this {kind}",
            got=f"{len(missing)} missing and {len(unexpected)} unexpected keys, such as {(missing + unexpected)[0]}",
            expected=f"{len(wanted)} weights",
            then="Choose the file of this network, or configure the network as the file's was.",
        )
    if wrong:
        raise BenchError(
            f"{source} was made by a {kind} of another size",
            got=f"{wrong[0]} of shape {tuple(state[wrong[0]].shape)}",
            expected=tuple(wanted[wrong[0]]),
            then="Configure the network as the file's was.",
        )
    module.load_state_dict(state, strict=False)  # buffers keep their values
