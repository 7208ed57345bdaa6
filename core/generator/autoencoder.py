"""Builds and trains mel autoencoders: diffusers' AutoencoderKL in AudioLDM's shape."""

from __future__ import annotations

import lightning as L
import torch
from diffusers import AutoencoderKL
from lightning.pytorch.utilities.types import OptimizerLRSchedulerConfig
from torch import Tensor
from torch.nn.functional import pixel_shuffle, pixel_unshuffle

from eeg2speech_bench.core.generator.latent_autoencoder import LatentAutoencoder
from eeg2speech_bench.core.presets.config import AutoencoderConfig
from eeg2speech_bench.core.training.learning_rate import rising_and_falling

#: frames of the random crop that a training step sees; a multiple of any autoencoder's factor up to 32
CROP_FRAMES = 96


def build_autoencoder(config: AutoencoderConfig) -> AutoencoderKL:
    """Make the untrained network; time is its height, mel bands are its width.

    Returns
    -------
    AutoencoderKL
        One channel in and out (those of a patch, where patches are asked for), halved in time and frequency between
        levels. With the default configuration this is AudioLDM's autoencoder (55 376 873 parameters, factor 4).
    """
    n_levels = len(config.channels)
    return AutoencoderKL(
        in_channels=config.patch**2,
        out_channels=config.patch**2,
        down_block_types=("DownEncoderBlock2D",) * n_levels,
        up_block_types=("UpDecoderBlock2D",) * n_levels,
        block_out_channels=config.channels,
        layers_per_block=config.layers_per_block,
        latent_channels=config.latent_channels,
        norm_num_groups=config.norm_groups,
        scaling_factor=1.0,  # the factor is fitted on all latents and held by MelAutoencoder
    )


class MelAutoencoder(LatentAutoencoder):
    """Is diffusers' AutoencoderKL, trained on the sounds of a data set.

    Parameters
    ----------
    config : AutoencoderConfig
        Shape of the network.

    Attributes
    ----------
    vae : AutoencoderKL
    """

    def __init__(self, config: AutoencoderConfig) -> None:
        super().__init__(config.factor, config.latent_channels)
        self.vae, self.patch = build_autoencoder(config), config.patch

    def fit_input(self, mel: Tensor) -> None:
        """Standardise the input by the mean and deviation of training spectrograms of any shape."""
        self.mean.fill_(mel.mean())
        self.std.fill_(mel.std())

    def moments_of(self, mel: Tensor) -> tuple[Tensor, Tensor]:
        """Return mean and deviation of the latent."""
        latent = self.vae.encode(pixel_unshuffle(mel.unsqueeze(1), self.patch)).latent_dist
        return latent.mean, latent.std

    def spectrogram_of(self, latent: Tensor) -> Tensor:
        """Return the spectrogram of a latent."""
        return pixel_shuffle(self.vae.decode(latent).sample, self.patch).squeeze(1)


class AutoencoderTraining(L.LightningModule):
    """Trains an autoencoder on batches of log-mel spectrograms (batch, n_frames, 64).

    The loss is AudioLDM's without LPIPS and discriminator: absolute error and ``kl_weight`` times the KL divergence
    from a standard normal, both summed over an item and averaged over the batch. The error is taken in log-mel
    units, so that ``kl_weight`` means the same with and without a standardised input.
    """

    def __init__(self, autoencoder: LatentAutoencoder, config: AutoencoderConfig) -> None:
        super().__init__()
        self.autoencoder = autoencoder
        self.config = config

    def training_step(self, batch: Tensor, batch_idx: int) -> Tensor:
        """Return the loss of a random crop of one batch."""
        # The network is convolutional but for one attention. At equal CPU time, three times as many steps on crops
        # left a held-out error of 0.63 instead of 0.77 (40 s, channels 16-32-64-64, batch 4).
        first = int(torch.randint(max(batch.shape[1] - CROP_FRAMES, 0) + 1, ()))
        mel = batch[:, first : first + CROP_FRAMES]
        loss = self.loss(mel)
        self.log("train_loss", loss.detach(), batch_size=len(batch))
        return loss

    def loss(self, mel: Tensor) -> Tensor:
        """Return the mean loss of some spectrograms, shape ()."""
        mean, std = self.autoencoder.posterior(mel)
        latent = (mean + std * torch.randn_like(std)) * self.autoencoder.scale_factor
        # float32 whatever autocast chose: the sum runs over thousands of values
        error = (self.autoencoder.decode(latent) - mel).float().abs().sum()
        mean, std = mean.float(), std.float()
        kl = 0.5 * (mean.square() + std.square() - 1 - 2 * std.log()).sum()
        return (error + self.config.kl_weight * kl) / len(mel)

    def configure_optimizers(self) -> OptimizerLRSchedulerConfig:
        """Return AdamW at a constant rate, which may rise at the beginning and fall at the end."""
        optimizer = torch.optim.AdamW(self.parameters(), lr=self.config.learning_rate, fused=True)
        return rising_and_falling(optimizer, self.config.max_steps, self.config.warmup_steps, self.config.decay)
