"""Loads pretrained CLAP from the hub, from a folder, or from LAION's original checkpoint."""

from __future__ import annotations

import math
import re
from pathlib import Path

import torch
from transformers import ClapConfig, ClapModel

from eeg2speech_bench.core.errors import BenchError
from eeg2speech_bench.core.weights.checkpoint_file import State, read_checkpoint
from eeg2speech_bench.core.weights.filling import Origin, fill
from eeg2speech_bench.core.weights.location import first_line
from eeg2speech_bench.core.weights.pretrained import load_config, load_network
from eeg2speech_bench.plugins.clap.front_end import front_end

#: parts of the original that no embedding passes through: the classifier, the projections of a later loss, the
#: spectrogram (compared and then made by our front end), and what is computed anew
UNUSED = (
    r"_transform\.|\.tscam_conv\.|\.head\.|\.spectrogram_extractor\.|\.logmel_extractor\.|\.attn_mask$|^attn_mask$"
    r"|\.position_ids$|\.token_type_ids$|\.relative_position_index$"
)
#: indices that are computed when the network is built
COMPUTED = r"\.(position_ids|token_type_ids|relative_position_index)$"
FILTER_BANK = "audio_branch.logmel_extractor.melW"
AUDIO, TEXT = "audio_model.audio_encoder.", "text_model."
#: a weight that every CLAP has, in LAION's names and in those of transformers; what is before it is a prefix
MARKS = ("audio_branch.patch_embed.proj.weight", f"{AUDIO}patch_embed.proj.weight")
#: relative error of a filter bank that was stored in the coarsest of the half precisions
BFLOAT16_ERROR = 2**-8
#: where AudioLDM keeps the CLAP that it conditions on; its training code keeps a second one for its metrics
CONDITIONER = "cond_stage_model"
#: the network that was loaded last, under the name of its weights: target and encoder of a cell share it
_LOADED: dict[str, ClapModel] = {}


def load_clap(weights: str, option: str = "target.options.clap.weights") -> ClapModel:
    """Load a pretrained CLAP.

    Target and encoder of a cell share the one that was loaded last.

    Parameters
    ----------
    weights : str
        A hub id, pinned if it ends in ``@revision``; a local folder in the format of transformers; or a file in
        LAION's original layout (``630k-audioset-best.pt``), also inside a checkpoint of AudioLDM.
    option : str
        The setting that named them, for messages.

    Returns
    -------
    ClapModel
        Frozen, in evaluation mode, on the CPU. Do not train it.

    Raises
    ------
    BenchError
        If it cannot be found or read, or weights are missing, too many or of another shape.
    """
    if weights not in _LOADED:
        path = Path(weights).expanduser()
        network = _from_original(path, option) if path.is_file() else _from_transformers(weights, option)
        _LOADED.clear()
        _LOADED[weights] = network.eval().requires_grad_(False)
    return _LOADED[weights]


def _origin(source: str, option: str) -> Origin:
    return Origin(source, option, "CLAP with HTSAT and RoBERTa", optional=COMPUTED, leftovers=UNUSED)


def _from_transformers(weights: str, option: str) -> ClapModel:
    origin = _origin(f"CLAP {weights}", option)
    return load_network(ClapModel, load_config(ClapConfig, weights, origin), weights, origin)


def _from_original(path: Path, option: str) -> ClapModel:
    state = _under_prefix(read_checkpoint(path), path)
    _check_filter_bank(state, path)
    renamed = rename_original(state)
    try:
        network = ClapModel(_config(renamed))
    except (KeyError, ValueError, RuntimeError) as error:
        raise BenchError(
            f"{path} is not a checkpoint of CLAP with HTSAT and RoBERTa",
            got=f"no {error.args[0]}" if isinstance(error, KeyError) else first_line(error),
            expected="audio_branch, text_branch and their projections",
            then="Choose a checkpoint of LAION's CLAP, such as 630k-audioset-best.pt.",
        ) from error
    fill(network, renamed, _origin(str(path), option))
    return network


def _under_prefix(state: State, path: Path) -> State:
    """Return the weights of the one CLAP in a file, or of the one that AudioLDM conditions on."""
    found = sorted({key.removesuffix(mark) for key in state for mark in MARKS if key.endswith(mark)})
    chosen = [prefix for prefix in found if prefix.startswith(CONDITIONER)] or found
    if len(chosen) > 1:
        raise BenchError(
            f"{path} holds several CLAPs",
            got=f"weights under {' and under '.join(chosen)}",
            expected="one, or one that AudioLDM conditions on",
            then="Store the right one alone by torch.save.",
        )
    prefix = chosen[0] if chosen else ""
    return {key.removeprefix(prefix): value for key, value in state.items() if key.startswith(prefix)}


def _check_filter_bank(state: State, path: Path) -> None:
    """Compare the filter bank that a network without fusion carries (n_bins, n_mels) with our front end's."""
    bank = state.get(FILTER_BANK)
    if bank is None or _is_fused(state):
        return
    ours = front_end("slaney").mel_scale.fb.cpu()
    if bank.shape != ours.shape or not torch.allclose(bank, ours, rtol=BFLOAT16_ERROR, atol=1e-5):
        raise BenchError(
            f"{path} was trained with another front end",
            got=f"a filter bank of shape {tuple(bank.shape)} that differs from ours",
            expected="64 slaney bands of 50 to 14000 Hz at 48 kHz",
            then="Use a checkpoint of LAION's HTSAT configurations.",
        )


def _is_fused(state: State) -> bool:
    return any(".fusion_model." in key for key in state)


def rename_original(state: State) -> State:
    """Rename the weights of LAION's network as transformers' ClapModel names them.

    What that model does not have is left out.

    Parameters
    ----------
    state : dict of str to Tensor
        In the original layout, without a prefix: ``audio_branch.``, ``text_branch.``, ``audio_projection.``,
        ``text_projection.``, ``logit_scale_a``, ``logit_scale_t``.
    """
    renamed: State = {}
    for key, value in state.items():
        if re.search(UNUSED, key):
            continue
        name = _renamed(key)
        if ".qkv." in name:  # one matrix of queries, keys and values, in this order
            for part, third in zip(("query", "key", "value"), value.chunk(3), strict=True):
                renamed[name.replace("qkv", part)] = third
        else:
            renamed[name] = value
    return renamed


def _renamed(key: str) -> str:
    key = re.sub(r"_projection\.([02])\.", lambda m: f"_projection.linear{int(m[1]) // 2 + 1}.", key)
    if key.startswith("text_branch."):
        return key.replace("text_branch.", TEXT, 1)
    if not key.startswith("audio_branch."):
        return key
    for old, new in (
        ("audio_branch.", AUDIO),
        (".bn0.", ".batch_norm."),
        (".attn.proj.", ".attention.output.dense."),
        (".attn.", ".attention.self."),
        (".mlp.fc1.", ".intermediate.dense."),
        (".mlp.fc2.", ".output.dense."),
        (".norm1.", ".layernorm_before."),
        (".norm2.", ".layernorm_after."),
    ):
        key = key.replace(old, new)
    return key


def _config(state: State) -> ClapConfig:
    """Read the sizes of both towers off the shapes of their weights (names of transformers)."""
    proj = state[f"{AUDIO}patch_embed.proj.weight"]
    depths = _depths(state)
    first = [
        state[f"{AUDIO}layers.{stage}.blocks.0.attention.self.relative_position_bias_table"]
        for stage in range(len(depths))
    ]
    words, positions = (state[f"{TEXT}embeddings.{kind}_embeddings.weight"] for kind in ("word", "position"))
    audio = {
        "patch_embeds_hidden_size": proj.shape[0],
        "patch_size": proj.shape[-1],
        "depths": depths,
        "num_attention_heads": [table.shape[1] for table in first],
        "window_size": (math.isqrt(first[0].shape[0]) + 1) // 2,
        "num_mel_bins": state[f"{AUDIO}batch_norm.weight"].shape[0],
        "hidden_size": state["audio_projection.linear1.weight"].shape[1],
        "enable_fusion": _is_fused(state),
        "fusion_type": "aff_2d" if _is_fused(state) else None,
    }
    text = {
        "vocab_size": words.shape[0],
        "hidden_size": words.shape[1],
        "num_hidden_layers": len({key.split(".")[3] for key in state if key.startswith(f"{TEXT}encoder.layer.")}),
        "num_attention_heads": words.shape[1] // 64,  # RoBERTa's heads have 64 dimensions at every size
        "intermediate_size": state[f"{TEXT}encoder.layer.0.intermediate.dense.weight"].shape[0],
        "max_position_embeddings": positions.shape[0],
        "type_vocab_size": state[f"{TEXT}embeddings.token_type_embeddings.weight"].shape[0],
        "layer_norm_eps": 1e-5,  # RoBERTa's; not the default of transformers' CLAP
    }
    dim = state["audio_projection.linear2.weight"].shape[0]
    return ClapConfig(text_config=text, audio_config=audio, projection_dim=dim)


def _depths(state: State) -> list[int]:
    """Count the blocks of each stage of the audio tower."""
    found = {m.groups() for m in map(re.compile(r".*layers\.(\d+)\.blocks\.(\d+)\.").match, state) if m}
    if not found:
        raise KeyError(f"{AUDIO}layers")
    stages = [int(stage) for stage, _ in found]
    return [stages.count(stage) for stage in range(max(stages) + 1)]
