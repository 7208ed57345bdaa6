"""Cuts random crops out of the training sounds and changes how they sound: level, equalisation, noise, room."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import soundfile
import torch
from torch import Tensor
from torch.nn import functional as F

from eeg2speech_bench.core.generator.mel import SAMPLE_RATE_HZ

#: how often a crop comes from each kind of sound; recordings are few, and what counts
SHARES = {"recorded": 0.4, "hibari": 0.15, "flite": 0.2, "festival": 0.15, "espeak": 0.1}
#: chance that a crop is heard in a room, and with noise
ROOM, NOISE = 0.12, 0.3
#: length of a room's answer
ROOM_S = 0.4


class Crops:
    """Draws batches of crops without end; the same seed and number of batches give the same crops."""

    def __init__(self, sounds: list[Path], batch_size: int, n_samples: int, seed: int, device: str) -> None:
        self.rng = np.random.default_rng(seed)
        self.generator = torch.Generator().manual_seed(seed)
        self.batch_size, self.n_samples, self.device = batch_size, n_samples, device
        self.waves = {kind: [_read(p) for p in sounds if p.name.startswith(kind)] for kind in SHARES}
        self.lengths = {kind: np.array([len(w) for w in waves], float) for kind, waves in self.waves.items()}

    def next(self) -> Tensor:
        """Return waveforms, shape (batch_size, n_samples)."""
        kinds = self.rng.choice(list(SHARES), self.batch_size, p=list(SHARES.values()))
        wave = torch.from_numpy(np.stack([self._crop(kind) for kind in kinds])).float() / 32768
        n_padded = self.n_samples + round(ROOM_S * SAMPLE_RATE_HZ)
        spectrum = torch.fft.rfft(wave, n_padded) * self._colours(n_padded // 2 + 1, 6.0)
        spectrum = torch.where(self._chosen(ROOM), spectrum * self._rooms(n_padded), spectrum)
        wave = torch.fft.irfft(spectrum, n_padded)[:, : self.n_samples]
        wave = wave + torch.where(self._chosen(NOISE), self._noise(wave), torch.zeros(()))
        peak = 0.5 * 10 ** (-(self._uniform(0, 1) ** 2))  # from 0.5, AudioLDM's level, down to 0.05
        return (wave * peak / wave.abs().amax(1, keepdim=True).clamp(min=1e-4)).to(self.device)

    def _crop(self, kind: str) -> np.ndarray:
        lengths = self.lengths[kind]
        wave = self.waves[kind][self.rng.choice(len(lengths), p=lengths / lengths.sum())]
        first = self.rng.integers(max(len(wave) - self.n_samples, 0) + 1)
        crop = wave[first : first + self.n_samples]
        return np.pad(crop, (0, self.n_samples - len(crop)))

    def _uniform(self, low: float, high: float) -> Tensor:
        return low + (high - low) * torch.rand(self.batch_size, 1, generator=self.generator)

    def _chosen(self, chance: float) -> Tensor:
        return self._uniform(0, 1) < chance

    def _colours(self, n_bins: int, spread_db: float) -> Tensor:
        """Return smooth random gains (batch_size, n_bins)."""
        gains = spread_db * torch.randn(self.batch_size, 1, 8, generator=self.generator) / 2
        return 10 ** (F.interpolate(gains, n_bins, mode="linear", align_corners=True)[:, 0] / 20)

    def _rooms(self, n_padded: int) -> Tensor:
        """Return transfer functions of rooms: a direct sound and decaying noise."""
        n = round(ROOM_S * SAMPLE_RATE_HZ)
        decay = torch.exp(-6.9 * torch.arange(n) / SAMPLE_RATE_HZ / self._uniform(0.1, 0.5))
        answer = decay * torch.randn(self.batch_size, n, generator=self.generator) * self._uniform(0.01, 0.05)
        answer[:, 0] = 1
        return torch.fft.rfft(answer, n_padded)

    def _noise(self, wave: Tensor) -> Tensor:
        n = wave.shape[1]
        white = torch.fft.rfft(torch.randn(wave.shape, generator=self.generator))
        noise = torch.fft.irfft(white * self._colours(white.shape[1], 12.0), n)
        level = wave.square().mean(1, keepdim=True).sqrt() * 10 ** (-self._uniform(15, 45) / 20)
        return noise * level / noise.square().mean(1, keepdim=True).sqrt()


def _read(path: Path) -> np.ndarray:
    wave: np.ndarray = soundfile.read(path, dtype="int16")[0]
    return wave
