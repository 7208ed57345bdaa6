"""Defines CLAP's two towers: small ones for training from scratch, and pretrained ones that stay frozen."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn.functional import interpolate, normalize
from transformers import (
    ClapAudioConfig,
    ClapAudioModel,
    ClapModel,
    ClapTextConfig,
    ClapTextModel,
)

from eeg2speech_bench.core.errors import UsageError
from eeg2speech_bench.plugins.clap.front_end import N_MELS, MelScale, fill_clip, mel_scale_of
from eeg2speech_bench.plugins.clap.tokenizer import N_BYTE_TOKENS, PADDING, Tokenize, byte_tokens

#: the small HTSAT sees 256 frames x 64 bands as an image of 128 x 128, in patches of 16 bands x 8 frames
SPEC_SIZE, PATCH, ATTENTION_WINDOW = 128, (16, 8), 4
N_SPEC_FRAMES = SPEC_SIZE * SPEC_SIZE // N_MELS
SMALL_HEADS = (2, 4)
TEXT_HEADS = 4
#: bytes that the small text tower reads; speech has some 15 letters a second
MAX_BYTES = 256


class SmallAudioTower(nn.Module):
    """Embeds frames of short windows by two stages of HTSAT, trained from scratch.

    Parameters
    ----------
    dim : int
        Width of the embedding.
    hidden : int
        Width of the first stage; the second has twice that.
    mel_scale : str
        Filter bank of the frames.
    """

    def __init__(self, dim: int, hidden: int, mel_scale: MelScale = "slaney") -> None:
        super().__init__()
        _check_width(hidden, SMALL_HEADS[0])
        self.dim, self.mel_scale = dim, mel_scale
        config = ClapAudioConfig(
            spec_size=SPEC_SIZE,
            patch_size=PATCH,
            patch_stride=PATCH,
            window_size=ATTENTION_WINDOW,
            patch_embeds_hidden_size=hidden,
            depths=[2, 2],
            num_attention_heads=list(SMALL_HEADS),
            hidden_size=2 * hidden,
            hidden_dropout_prob=0.0,
        )
        self.network = ClapAudioModel(config)
        self.projection = _projection(2 * hidden, dim)

    def forward(self, frames: Tensor) -> Tensor:
        """Map frames (batch, n_frames, 64) in dB to embeddings (batch, dim)."""
        image = interpolate(frames[:, None], size=(N_SPEC_FRAMES, N_MELS), mode="bilinear", antialias=True)
        return self.projection(self.network(input_features=image).pooler_output)


class SmallTextTower(nn.Module):
    """Embeds bytes of text by a RoBERTa-like tower, trained from scratch.

    The mean over all tokens is projected, and not the first token as in CLAP: in the few steps of a small data set
    that token does not learn to look at the others.

    Parameters
    ----------
    dim : int
        Width of the embedding.
    hidden, depth : int
        Width and number of layers.
    """

    def __init__(self, dim: int, hidden: int, depth: int) -> None:
        super().__init__()
        _check_width(hidden, TEXT_HEADS)
        self.dim = dim
        config = ClapTextConfig(
            vocab_size=N_BYTE_TOKENS,
            hidden_size=hidden,
            num_hidden_layers=depth,
            num_attention_heads=TEXT_HEADS,
            intermediate_size=4 * hidden,
            max_position_embeddings=MAX_BYTES + PADDING + 1,  # RoBERTa counts positions from behind the padding's
        )
        self.network = ClapTextModel(config, add_pooling_layer=False)
        self.projection = _projection(hidden, dim)

    def forward(self, texts: Sequence[str], device: torch.device) -> Tensor:
        """Map texts to embeddings (batch, dim)."""
        tokens = {name: ids.to(device) for name, ids in byte_tokens(texts, MAX_BYTES).items()}
        real = tokens["attention_mask"][..., None]
        hidden = self.network(**tokens).last_hidden_state
        return self.projection((hidden * real).sum(1) / real.sum(1))


def _projection(n_inputs: int, dim: int) -> nn.Sequential:
    """CLAP's projection behind a batch norm.

    Means over a window of speech are nearly equal for all windows; without the norm the loss spends the few steps of a
    small data set on undoing that.
    """
    return nn.Sequential(
        nn.BatchNorm1d(n_inputs, affine=False), nn.Linear(n_inputs, dim), nn.ReLU(), nn.Linear(dim, dim)
    )


def _check_width(hidden: int, n_heads: int) -> None:
    if hidden < n_heads or hidden % n_heads:
        raise UsageError("Option hidden of CLAP is impossible", got=hidden, expected=f"a multiple of {n_heads}")


class FrozenAudioTower:
    """Embeds sound by a pretrained tower.

    Deliberately no module, so that no cell stores it and no optimiser sees it.

    Parameters
    ----------
    clap : ClapModel
    mel_scale : str
        ``"auto"``, or the filter bank to use against what the network was trained with.
    """

    def __init__(self, clap: ClapModel, mel_scale: str = "auto") -> None:
        self.clap = clap
        self.dim = int(clap.config.projection_dim)
        self.mel_scale = mel_scale_of(clap.config.audio_config.enable_fusion, mel_scale)

    @torch.no_grad()
    def __call__(self, frames: Tensor) -> Tensor:
        """Map frames (batch, n_frames, 64) in dB to embeddings of unit length (batch, dim)."""
        clap = self.clap.to(frames.device)
        # A window is shorter than 10 s, so that a fusing network has nothing to fuse.
        longer = torch.zeros(len(frames), 1, dtype=torch.bool, device=frames.device)
        hidden = clap.audio_model(input_features=fill_clip(frames)[:, None], is_longer=longer).pooler_output
        return normalize(clap.audio_projection(hidden), dim=-1)


class FrozenTextTower:
    """Embeds text by a pretrained tower.

    Deliberately no module, see `FrozenAudioTower`.

    Parameters
    ----------
    clap : ClapModel
    tokenize : callable
        See `tokenizer.load_tokenizer`.
    """

    def __init__(self, clap: ClapModel, tokenize: Tokenize) -> None:
        self.clap, self.tokenize = clap, tokenize
        self.dim = int(clap.config.projection_dim)

    @torch.no_grad()
    def __call__(self, texts: Sequence[str], device: torch.device) -> Tensor:
        """Map texts to embeddings of unit length (batch, dim); equal texts are read once."""
        unique = sorted(set(texts))
        clap = self.clap.to(device)
        tokens = {name: ids.to(device) for name, ids in self.tokenize(unique).items()}
        embeddings = normalize(clap.text_projection(clap.text_model(**tokens).pooler_output), dim=-1)
        return embeddings[[unique.index(text) for text in texts]]
