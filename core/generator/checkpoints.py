"""Brings weights in AudioLDM's original layout, or in that of diffusers, into the generator's networks."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace

from diffusers import AutoencoderKL, UNet2DConditionModel
from torch import nn
from transformers import SpeechT5HifiGan

from eeg2speech_bench.core.errors import BenchError
from eeg2speech_bench.core.weights.checkpoint_file import State
from eeg2speech_bench.core.weights.filling import COUNTERS, Origin, fill
from eeg2speech_bench.core.weights.key_names import select

UNET_PREFIX, EMA_PREFIX = "model.diffusion_model.", "model_ema."
#: parts of an autoencoder's checkpoint that only its training needs (discriminator, LPIPS), or that are another network
VAE_LEFTOVERS = r"^(loss|vocoder)\."
VAE = Origin(
    "the checkpoint", "autoencoder.checkpoint", "AutoencoderKL", leftovers=VAE_LEFTOVERS, sizes="autoencoder.channels"
)
UNET = Origin("the checkpoint", "denoiser.checkpoint", "UNet2DConditionModel", sizes="denoiser.channels")
#: AudioLDM's vocoder reads spectrograms as they are, so that the mean and the scale of its input are not used
VOCODER = Origin(
    "the checkpoint", "vocoder.checkpoint", "SpeechT5HifiGan", optional="^(mean|scale)$", leftovers=COUNTERS
)


def load_original_vae(module: AutoencoderKL, state: State, source: str = "the checkpoint") -> list[str]:
    """Fill an autoencoder from ``vae_mel_16k_64bins.ckpt``, a whole AudioLDM checkpoint or a folder of diffusers.

    Parameters
    ----------
    module : AutoencoderKL
        In the shape of the checkpoint (see `build_autoencoder`).
    state : dict of str to Tensor
        What `core.weights.checkpoint_file.read_checkpoint` returned.
    source : str
        What error messages call the checkpoint.

    Returns
    -------
    list of str
        Keys that were ignored: the discriminator's and LPIPS's (``loss.``), the vocoder's, and those that do not have
        the prefix under which the autoencoder was found (``first_stage_model.`` in a whole AudioLDM checkpoint).

    Raises
    ------
    DataError
        If a weight is not filled, has another shape, or the checkpoint has weights that fit nowhere.
    """
    n_levels = len(module.config.block_out_channels)

    def convert(inner: State) -> State:
        renamed = {_vae_key(key, n_levels): value for key, value in inner.items()}
        # 1 x 1 convolutions became linear layers
        return {k: v.flatten(1) if ".attentions.0." in k and v.ndim == 4 else v for k, v in renamed.items()}

    return _load(module, state, replace(VAE, source=source), convert)


def load_original_unet(
    module: UNet2DConditionModel, state: State, ema: bool = False, source: str = "the checkpoint"
) -> list[str]:
    """Fill a UNet from an AudioLDM checkpoint, or from a folder of diffusers.

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
        Keys that were ignored: all that do not have the prefix under which the UNet was found
        (``model.diffusion_model.``).

    Raises
    ------
    BenchError
        If a weight is not filled, has another shape (``film_emb`` most often, for a condition of another width), or
        the checkpoint has weights that fit nowhere.
    """
    per_level = module.config.layers_per_block + 1

    def convert(inner: State) -> State:
        return {_unet_key(key, per_level): value for key, value in inner.items()}

    if ema:
        state = _averaged(state, source)
    return _load(module, state, replace(UNET, source=source), convert)


def load_original_vocoder(module: SpeechT5HifiGan, state: State, source: str = "the checkpoint") -> list[str]:
    """Fill a vocoder from ``hifigan_16k_64bins.ckpt`` (weight norm is folded) or a whole AudioLDM checkpoint.

    Parameters, return value and errors are those of `load_original_unet`.
    """

    def convert(inner: State) -> State:
        return {re.sub(r"^ups\.", "upsampler.", key): value for key, value in inner.items()}

    return _load(module, state, replace(VOCODER, source=source), convert)


def _load(module: nn.Module, state: State, origin: Origin, convert: Callable[[State], State]) -> list[str]:
    wanted = module.state_dict()
    chosen = select(state, wanted, origin.source, convert=convert, optional=origin.may_lack)
    if isinstance(module, UNet2DConditionModel):
        _check_film(module, chosen.state, origin.source)
    fill(module, chosen.state, origin)
    return chosen.ignored + [key for key in chosen.state if key not in wanted]


def _averaged(state: State, source: str) -> State:
    """Put the moving average of each weight, stored under the weight's name without its dots, in its place."""
    names = [key for key in state if key.startswith(UNET_PREFIX)]
    stored = {key: EMA_PREFIX + key.removeprefix("model.").replace(".", "") for key in names}
    missing = [name for name in stored.values() if name not in state]
    if missing or not stored:
        raise BenchError(
            f"{source} has no complete moving average of the UNet",
            got=f"no {missing[0] if missing else UNET_PREFIX}",
            expected=f"{len(stored)} keys under {EMA_PREFIX}",
            then="Load it with ema=False.",
        )
    return state | {key: state[name] for key, name in stored.items()}


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
            # names that diffusers itself used at first
            (r"\.attentions\.0\.(query|key|value)\.", lambda m: f".attentions.0.to_{m[1][0]}."),
            (r"\.attentions\.0\.proj_attn\.", ".attentions.0.to_out.0."),
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
