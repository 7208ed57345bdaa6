"""Builds, loads and applies the parts of the generator: autoencoder, denoiser and vocoder."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import numpy as np
import torch
from torch import Tensor

from eeg2speech_bench.core.errors import ContractError
from eeg2speech_bench.core.generator.autoencoder import MelAutoencoder
from eeg2speech_bench.core.generator.denoiser import ConditionedDenoiser, latent_shape
from eeg2speech_bench.core.generator.latent_autoencoder import LatentAutoencoder
from eeg2speech_bench.core.generator.mel import MelSpectrogram, normalise_waveform
from eeg2speech_bench.core.generator.mel_codec import MelCodec
from eeg2speech_bench.core.machine.threads import count_cores
from eeg2speech_bench.core.presets.config import AutoencoderConfig, DenoiserConfig, DiffusionConfig
from eeg2speech_bench.core.segments.segment_store import SegmentStore

Network = TypeVar("Network", bound=torch.nn.Module)

#: clips at once: what is made between two layers stays within a CPU's cache
DECODE_BATCH = 16


@dataclass(frozen=True)
class GeneratorConfig:
    """Holds the parts of the configuration that shape the denoiser."""

    autoencoder: AutoencoderConfig
    denoiser: DenoiserConfig
    diffusion: DiffusionConfig

    def shape(self, store: SegmentStore) -> tuple[int, int, int]:
        """Return (latent_channels, n_latent_frames, n_latent_bands) of a window."""
        return latent_shape(self.autoencoder.clip_s or store.window_s, self.autoencoder, self.denoiser)

    def build(self, store: SegmentStore, condition_dim: int) -> ConditionedDenoiser:
        """Build the untrained denoiser for windows of ``store``."""
        channels, _, bands = self.shape(store)
        return ConditionedDenoiser(self.denoiser, channels, bands, condition_dim, self.diffusion)

    def load(self, store: SegmentStore, path: Path) -> ConditionedDenoiser:
        """Load the trained denoiser of a finished stage."""
        weights = torch.load(path / "weights.pt", map_location="cpu", weights_only=True)
        denoiser = self.build(store, len(weights["null"]))
        denoiser.load_state_dict(weights)
        return for_inference(denoiser)


def for_inference(network: Network) -> Network:
    """Bring a network to evaluation mode and to the layout in which convolutions read faster.

    Not where a gradient is wanted, since GroupNorm's backward loses by it. It is done once, when weights are loaded:
    threads that use a network together must find its weights where they are.
    """
    return network.eval().to(memory_format=torch.channels_last)  # type: ignore[call-overload, no-any-return]


def empty_autoencoder(config: AutoencoderConfig) -> LatentAutoencoder:
    """Build the autoencoder that a configuration names, for weights to be loaded."""
    return MelAutoencoder(config) if config.train or config.checkpoint else MelCodec()


def load_autoencoder(path: Path, config: AutoencoderConfig) -> LatentAutoencoder:
    """Load the autoencoder of a finished stage."""
    autoencoder = empty_autoencoder(config)
    autoencoder.load_state_dict(torch.load(path / "weights.pt", map_location="cpu", weights_only=True))
    return for_inference(autoencoder)


def window_mels(store: SegmentStore, windows: np.ndarray, clip_s: float | None) -> Tensor:
    """Return the log-mel spectrograms of stimulus windows, zero-padded to ``clip_s``, shape (batch, n_frames, 64)."""
    wave = normalise_waveform(torch.from_numpy(store.gather_sound(windows)))
    missing = round(clip_s * store.sound_rate_hz) - wave.shape[1] if clip_s else 0
    return MelSpectrogram()(torch.nn.functional.pad(wave, (0, missing)))


def shares_of_cores(n: int, device: str) -> list[slice]:
    """Share ``n`` clips out: to each core as many, or all to a GPU."""
    size = -(-n // count_cores()) if device == "cpu" else n
    return [slice(first, first + size) for first in range(0, n, size)]


@torch.no_grad()
def decode(autoencoder: LatentAutoencoder, latent: Tensor) -> Tensor:
    """Decode scaled latents (n, channels, n_frames, n_bands) to log-mel (n, n_mel_frames, 64), a few at a time."""
    return torch.cat([autoencoder.decode(part) for part in latent.split(DECODE_BATCH)])


@torch.no_grad()
def vocode(voice: torch.nn.Module, mel: Tensor, name: str, n_samples: int) -> Tensor:
    """Turn log-mel (n, n_mel_frames, 64) into waveforms (n, n_samples) of equal loudness on the CPU.

    Raises
    ------
    ContractError
        If the vocoder made values that are not finite.
    """
    wave = torch.cat([voice(part).float().cpu() for part in mel.split(64)])
    if not bool(torch.isfinite(wave).all()):
        raise ContractError(f"The vocoder made values that are not finite under condition '{name}'")
    return normalise_waveform(wave[:, :n_samples])  # beyond the segment there is padding only
