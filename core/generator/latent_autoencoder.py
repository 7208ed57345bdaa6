"""Scales what an autoencoder of log-mel spectrograms makes of them to latents of unit deviation."""

from __future__ import annotations

from abc import ABC, abstractmethod

import torch
from torch import Tensor, nn

from eeg2speech_bench.core.errors import DataError
from eeg2speech_bench.core.generator.mel import FRAME_RATE_HZ, N_MELS


class LatentAutoencoder(nn.Module, ABC):
    """Encodes log-mel spectrograms as scaled latents, and decodes them.

    Attributes
    ----------
    mean, std : Tensor, shape ()
        What standardises the input; 0 and 1 (AudioLDM's raw log-mel) until they are set.
    scale_factor : Tensor, shape ()
        What brings latents to unit standard deviation; 1 until `fit_scale`.
    factor : int
        Mel frames per latent frame, and mel bands per latent band.
    latent_channels : int
    """

    mean: Tensor
    std: Tensor
    scale_factor: Tensor

    def __init__(self, factor: int, latent_channels: int) -> None:
        super().__init__()
        self.factor, self.latent_channels = factor, latent_channels
        self.register_buffer("mean", torch.zeros(()))
        self.register_buffer("std", torch.ones(()))
        self.register_buffer("scale_factor", torch.ones(()))

    @abstractmethod
    def moments_of(self, mel: Tensor) -> tuple[Tensor, Tensor]:
        """Return mean and deviation of the unscaled latent of a standardised spectrogram (batch, n_frames, 64)."""

    @abstractmethod
    def spectrogram_of(self, latent: Tensor) -> Tensor:
        """Return the standardised spectrogram (batch, n_frames, 64) of an unscaled latent."""

    def posterior(self, mel: Tensor) -> tuple[Tensor, Tensor]:
        """Return mean and standard deviation of the unscaled latent of ``mel`` (batch, n_frames, 64)."""
        if mel.shape[1] % self.factor or mel.shape[2] != N_MELS:
            raise DataError(
                "Mel autoencoder cannot halve this spectrogram evenly",
                got=f"{mel.shape[1]} frames of {mel.shape[2]} bands",
                expected=f"a multiple of {self.factor} frames of {N_MELS} bands",
                then=f"Set data.window_s to a multiple of {self.factor / FRAME_RATE_HZ} s.",
            )
        return self.moments_of((mel - self.mean) / self.std)

    def encode(self, mel: Tensor) -> tuple[Tensor, Tensor]:
        """Encode log-mel spectrograms.

        Parameters
        ----------
        mel : Tensor, shape (batch, n_frames, 64)

        Returns
        -------
        mean, std : Tensor, shape (batch, latent_channels, n_frames / factor, 64 / factor)
            Of the scaled latent's Gaussian.
        """
        mean, std = self.posterior(mel)
        return mean * self.scale_factor, std * self.scale_factor

    def decode(self, latent: Tensor) -> Tensor:
        """Decode scaled latents to log-mel spectrograms, shape (batch, n_frames, 64)."""
        return self.spectrogram_of(latent / self.scale_factor) * self.std + self.mean

    @torch.no_grad()
    def fit_scale(self, mean: Tensor, std: Tensor) -> float:
        """Set `scale_factor` so that sampled latents have standard deviation 1 over the whole set.

        AudioLDM takes the deviation of one batch, often of two items, which is off by several per cent.

        Parameters
        ----------
        mean, std : Tensor
            What `encode` returned for all training spectrograms.

        Returns
        -------
        float
            By how much latents that were encoded before must be multiplied.
        """
        # Law of total variance: no draw is needed, so the factor has no sampling noise.
        variance = mean.double().var(correction=0) + std.double().square().mean()
        ratio = float(variance.rsqrt())
        self.scale_factor.mul_(ratio)
        return ratio
