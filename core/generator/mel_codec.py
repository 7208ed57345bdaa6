"""Compresses log-mel spectrograms eightfold by the network that is shipped with its weights."""

from __future__ import annotations

from torch import Tensor, nn

from eeg2speech_bench.core.generator.convnext import convnext_stack
from eeg2speech_bench.core.generator.latent_autoencoder import LatentAutoencoder
from eeg2speech_bench.core.generator.mel import N_MELS

#: frames and bands of a square of the spectrogram that becomes one place of the latent
FACTOR = 8
CHANNELS = 8
PATCH = FACTOR * N_MELS
PLACES = N_MELS // FACTOR
LATENT = CHANNELS * PLACES
#: widths at 12.5, 50 and 100 frames per second
ENCODER, SLOW, MIDDLE, FAST = 192, 288, 192, 128


class MelCodec(LatentAutoencoder):
    """Encodes log-mel spectrograms as scaled latents, and decodes them, as `MelAutoencoder` does.

    Both ways are the sum of a linear map and a network. The linear maps begin as the principal components of
    squares of 8 frames x 8 bands, so that a latent's bands are in the order of the spectrogram's.
    """

    def __init__(self) -> None:
        super().__init__(FACTOR, CHANNELS)
        self.analyse = nn.Linear(PATCH, LATENT)
        self.enter = nn.Linear(PATCH, ENCODER)
        self.encoder = convnext_stack(3, ENCODER, 2 * ENCODER)
        self.moments = nn.Sequential(nn.LayerNorm(ENCODER), nn.Linear(ENCODER, 2 * LATENT))
        self.synthesise = nn.Linear(LATENT, PATCH)
        self.leave = nn.Linear(LATENT, SLOW)
        self.slow = convnext_stack(3, SLOW, 2 * SLOW)
        self.to_middle = nn.Linear(SLOW, 4 * MIDDLE)
        self.middle = convnext_stack(3, MIDDLE, 2 * MIDDLE)
        self.to_fast = nn.Linear(MIDDLE, 2 * FAST)
        self.mixed = nn.Linear(N_MELS, FAST)
        self.fast = convnext_stack(2, FAST, 2 * FAST)
        self.detail = nn.Sequential(nn.LayerNorm(FAST), nn.Linear(FAST, N_MELS))
        for last in (*self.moments[1].parameters(), *self.detail[1].parameters()):
            nn.init.zeros_(last)

    def moments_of(self, mel: Tensor) -> tuple[Tensor, Tensor]:
        """Return mean and deviation of the latent."""
        patches = mel.unflatten(1, (-1, FACTOR)).flatten(2)
        offset, log_std = self.moments(self.encoder(self.enter(patches))).chunk(2, -1)
        return _as_image(self.analyse(patches) + offset), _as_image(log_std.clamp(-8, 4) - 2).exp()

    def spectrogram_of(self, latent: Tensor) -> Tensor:
        """Return the spectrogram of a latent (batch, 8, n_frames / 8, 8)."""
        values = latent.permute(0, 2, 1, 3).flatten(2)
        linear = self.synthesise(values).unflatten(2, (FACTOR, N_MELS)).flatten(1, 2)
        x = self.slow(self.leave(values))
        x = self.middle(self.to_middle(x).unflatten(2, (4, MIDDLE)).flatten(1, 2))
        x = self.to_fast(x).unflatten(2, (2, FAST)).flatten(1, 2) + self.mixed(linear)
        return linear + self.detail(self.fast(x))


def _as_image(values: Tensor) -> Tensor:
    """Bring (batch, n_frames / 8, 64) into the shape of a latent (batch, 8, n_frames / 8, 8)."""
    return values.unflatten(2, (CHANNELS, PLACES)).permute(0, 2, 1, 3)
