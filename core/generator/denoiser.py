"""Builds the latent diffusion UNet, and lets a condition enter it in three ways."""

from __future__ import annotations

import torch
from diffusers import UNet2DConditionModel
from diffusers.models.embeddings import get_1d_sincos_pos_embed_from_grid
from torch import Tensor, nn

from eeg2speech_bench.core.conditioning import Conditioning
from eeg2speech_bench.core.errors import ContractError, UsageError
from eeg2speech_bench.core.generator.frames import FrameProjection
from eeg2speech_bench.core.generator.latent_prior import LatentPrior
from eeg2speech_bench.core.generator.mel import FRAME_RATE_HZ, N_MELS
from eeg2speech_bench.core.presets.config import AutoencoderConfig, DenoiserConfig, DiffusionConfig


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
    beside = config.frame_channels if "frames" in config.condition_by else 0
    guessed = latent_channels if config.prior == "linear" else 0
    return UNet2DConditionModel(
        in_channels=latent_channels + beside + guessed,
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
    diffusion : DiffusionConfig
        Schedule of the noise, and what is predicted.

    Attributes
    ----------
    prior : LatentPrior, optional
        Where the configuration has one; it is fitted before the rest is trained.
    unet : UNet2DConditionModel
    null : Parameter, shape (condition_dim,)
        Learnt token that stands for every token, and for ``pooled``, of an item without condition; the same one
        in training and in sampling.
    """

    def __init__(
        self,
        config: DenoiserConfig,
        latent_channels: int,
        latent_bands: int,
        condition_dim: int,
        diffusion: DiffusionConfig,
    ) -> None:
        super().__init__()
        self.condition_by = config.condition_by
        self.multiple = 2 ** (len(config.channels) - 1)
        self.unet = build_unet(config, latent_channels, condition_dim)
        self.null = nn.Parameter(torch.zeros(condition_dim))
        if "frames" in self.condition_by:
            self.frames = FrameProjection(condition_dim, config.frame_channels, latent_bands)
        self.prior: LatentPrior | None = None
        if config.prior == "linear":
            self.prior = LatentPrior(condition_dim, latent_channels, latent_bands, diffusion)
            for weights in self.unet.conv_out.parameters():  # at first nothing is added to the guess
                nn.init.zeros_(weights)

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
        seen = [latent]
        if "frames" in self.condition_by:
            seen.append(self.frames(embeddings, latent.shape[2]))
        if self.prior is not None:
            guess = self.prior.guess(embeddings, latent.shape[2], drop)
            seen.append(guess[0])
        tokens = embeddings + _positions(embeddings) if "tokens" in self.condition_by else None
        film = pooled if "film" in self.condition_by else None
        prediction: Tensor = self.unet(torch.cat(seen, 1), timestep, tokens, class_labels=film).sample
        return prediction if self.prior is None else self.prior.prediction(latent, timestep, guess, prediction)

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
