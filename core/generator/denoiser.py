"""Builds the latent diffusion UNet, and lets a condition enter it in three ways."""

from __future__ import annotations

import torch
from diffusers import UNet2DConditionModel
from diffusers.models.embeddings import get_1d_sincos_pos_embed_from_grid
from torch import Tensor, nn
from torch.nn import functional as F

from eeg2speech_bench.core.conditioning import Conditioning
from eeg2speech_bench.core.errors import ContractError, UsageError
from eeg2speech_bench.core.generator.mel import FRAME_RATE_HZ, N_MELS
from eeg2speech_bench.core.presets.config import AutoencoderConfig, DenoiserConfig

#: width between the two layers that project tokens onto the latent map
PROJECTION_WIDTH = 256
#: tokens that each latent frame is given
TOKENS_PER_FRAME = 4


def build_unet(config: DenoiserConfig, latent_channels: int, condition_dim: int) -> UNet2DConditionModel:
    """Make the untrained UNet.

    With ``condition_by=("film",)`` this is AudioLDM's network: at dim 1024 S, M and L have 185 298 696, 416 347 784
    and 739 663 368 parameters. Without ``tokens`` the second attention of each block is a self-attention too.

    Parameters
    ----------
    config : DenoiserConfig
        ``attention_heads`` counts heads per level (diffusers calls that argument ``attention_head_dim``).
    latent_channels : int
    condition_dim : int
        Width of the embeddings.
    """
    by_film = "film" in config.condition_by
    return UNet2DConditionModel(
        in_channels=latent_channels + (config.frame_channels if "frames" in config.condition_by else 0),
        out_channels=latent_channels,
        down_block_types=tuple("CrossAttnDownBlock2D" if a else "DownBlock2D" for a in config.attention),
        up_block_types=tuple("CrossAttnUpBlock2D" if a else "UpBlock2D" for a in reversed(config.attention)),
        block_out_channels=config.channels,
        layers_per_block=config.layers_per_block,
        cross_attention_dim=condition_dim if "tokens" in config.condition_by else config.channels,
        attention_head_dim=config.attention_heads,
        norm_num_groups=config.norm_groups,
        class_embed_type="simple_projection" if by_film else None,
        projection_class_embeddings_input_dim=condition_dim if by_film else None,
        class_embeddings_concat=by_film,
    )


def latent_shape(window_s: float, autoencoder: AutoencoderConfig, denoiser: DenoiserConfig) -> tuple[int, int, int]:
    """Return the shape (latent_channels, n_latent_frames, n_latent_bands) of a window's latent.

    Raises
    ------
    UsageError
        If the window does not halve evenly at every level of autoencoder and UNet.
    """
    factor = autoencoder.factor
    multiple = 2 ** (len(denoiser.channels) - 1)
    n_frames = round(window_s * FRAME_RATE_HZ)
    step_s = factor * multiple / FRAME_RATE_HZ
    if n_frames % (factor * multiple):
        raise UsageError(
            f"A window of {window_s} s does not halve evenly at every level of the generator",
            got=f"{n_frames} mel frames",
            expected=f"a multiple of {factor * multiple} frames ({step_s} s)",
            then=f"Set data.window_s to {n_frames // (factor * multiple) * step_s or step_s:g}, "
            "or use fewer levels in denoiser.channels.",
        )
    if N_MELS % (factor * multiple):
        raise UsageError(
            "The generator has more levels than the mel bands can be halved",
            got=f"a factor of {factor} x {multiple}",
            expected=f"a divisor of {N_MELS}",
            then="Use fewer levels in autoencoder.channels or denoiser.channels.",
        )
    return autoencoder.latent_channels, n_frames // factor, N_MELS // factor


def resample_tokens(embeddings: Tensor, n_frames: int) -> Tensor:
    """Bring tokens (batch, n_tokens, dim) to (batch, n_frames, dim) over the same span of time.

    More tokens than frames are averaged, fewer are interpolated. A token stands for an equal part of the window, so
    the ends of the spans are aligned and not the centres of the first and last token.
    """
    if embeddings.shape[1] == n_frames:
        return embeddings
    channels_first = embeddings.transpose(1, 2)
    if embeddings.shape[1] > n_frames:
        return F.adaptive_avg_pool1d(channels_first, n_frames).transpose(1, 2)
    return F.interpolate(channels_first, size=n_frames, mode="linear", align_corners=False).transpose(1, 2)


class FrameProjection(nn.Module):
    """Projects tokens to a map that joins the latent, with weights of its own for every latent band.

    A latent frame sees the `TOKENS_PER_FRAME` tokens of its span side by side: their mean would lose what is faster
    than the latent's frame rate, and brain signals follow speech up to about 8 Hz.
    """

    def __init__(self, condition_dim: int, n_channels: int, n_bands: int) -> None:
        super().__init__()
        self.n_bands = n_bands
        self.squeeze = nn.Linear(TOKENS_PER_FRAME * condition_dim, PROJECTION_WIDTH)
        self.spread = nn.Conv1d(PROJECTION_WIDTH, n_channels * n_bands, kernel_size=3, padding=1)

    def forward(self, embeddings: Tensor, n_frames: int) -> Tensor:
        """Map (batch, n_tokens, dim) to (batch, n_channels, n_frames, n_bands)."""
        tokens = resample_tokens(embeddings, TOKENS_PER_FRAME * n_frames)
        hidden = F.silu(self.squeeze(tokens.unflatten(1, (n_frames, -1)).flatten(2)))
        rows = self.spread(hidden.transpose(1, 2))  # (batch, n_channels * n_bands, n_frames)
        return rows.unflatten(1, (-1, self.n_bands)).transpose(2, 3)


class ConditionedDenoiser(nn.Module):
    """Predicts noise (or v, or the latent) from a noisy latent, a timestep and a `Conditioning`.

    Parameters
    ----------
    config : DenoiserConfig
    latent_channels : int
    latent_bands : int
        Frequency size of the latent.
    condition_dim : int
        Width of the embeddings.

    Attributes
    ----------
    unet : UNet2DConditionModel
    null : Parameter, shape (condition_dim,)
        Learnt token that stands for every token, and for ``pooled``, of an item without condition; the same one
        in training and in sampling.
    """

    def __init__(self, config: DenoiserConfig, latent_channels: int, latent_bands: int, condition_dim: int) -> None:
        super().__init__()
        self.condition_by = config.condition_by
        self.multiple = 2 ** (len(config.channels) - 1)
        self.unet = build_unet(config, latent_channels, condition_dim)
        self.null = nn.Parameter(torch.zeros(condition_dim))
        if "frames" in self.condition_by:
            self.frames = FrameProjection(condition_dim, config.frame_channels, latent_bands)

    def forward(
        self, latent: Tensor, timestep: Tensor, conditioning: Conditioning, drop: Tensor | None = None
    ) -> Tensor:
        """Predict what the scheduler asks for.

        Parameters
        ----------
        latent : Tensor, shape (batch, latent_channels, n_frames, n_bands)
        timestep : LongTensor, shape (batch,) or ()
        conditioning : Conditioning
            Any number of tokens. Masked tokens count as absent.
        drop : BoolTensor, shape (batch,), optional
            True for items that are predicted without condition.

        Returns
        -------
        Tensor, shape (batch, latent_channels, n_frames, n_bands)

        Raises
        ------
        ContractError
            If the latent cannot be halved evenly between the UNet's levels.
        """
        self._check(latent)
        embeddings, pooled = self._without_dropped(conditioning, drop)
        if "frames" in self.condition_by:
            latent = torch.cat([latent, self.frames(embeddings, latent.shape[2])], 1)
        tokens = embeddings + _positions(embeddings) if "tokens" in self.condition_by else None
        film = pooled if "film" in self.condition_by else None
        prediction: Tensor = self.unet(latent, timestep, tokens, class_labels=film).sample
        return prediction

    def _without_dropped(self, conditioning: Conditioning, drop: Tensor | None) -> tuple[Tensor, Tensor]:
        """Put the null token in place of masked tokens and of everything that belongs to dropped items."""
        keep, pooled = conditioning.mask, conditioning.pooled
        if drop is not None:
            keep = keep & ~drop[:, None]
            pooled = torch.where(drop[:, None], self.null, pooled)
        return torch.where(keep[..., None], conditioning.embeddings, self.null), pooled

    def _check(self, latent: Tensor) -> None:
        n_frames, n_bands = latent.shape[2:]
        if n_frames % self.multiple or n_bands % self.multiple:
            raise ContractError(
                "The denoiser cannot halve this latent evenly",
                got=f"{n_frames} frames x {n_bands} bands",
                expected=f"multiples of {self.multiple}",
                then="Choose data.window_s so that its latent frames are such a multiple (see latent_shape).",
            )


def _positions(tokens: Tensor) -> Tensor:
    """Sinusoids (n_tokens, dim) that tell cross-attention when in the window a token lies, whatever their count."""
    n_tokens, dim = tokens.shape[1:]
    # In hundreds, the range that the sinusoids' usual base of 10 000 resolves.
    place = (torch.arange(n_tokens, device=tokens.device, dtype=torch.float64) + 0.5) * (100 / n_tokens)
    return get_1d_sincos_pos_embed_from_grid(dim, place, output_type="pt").to(tokens)
