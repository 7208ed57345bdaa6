"""Sharpens mel spectrograms into magnitudes of 513 FFT bins, by a small network that knows what harmonics look like."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from eeg2speech_bench.core.generator.convnext import convnext_stack
from eeg2speech_bench.core.generator.mel import N_FFT, N_MELS, SAMPLE_RATE_HZ, MelSpectrogram

N_BINS = N_FFT // 2 + 1
WIDTH, HIDDEN, N_BLOCKS = 192, 448, 6
#: fundamental frequencies that the network tells apart: 192 from 60 Hz to 450 Hz, 1.06 % apart
N_PITCHES, LOWEST_HZ, HIGHEST_HZ = 192, 60.0, 450.0
#: bands in which harmonics may stand out more or less
N_DEPTHS = 16
#: log-mel of speech, for an input of about zero mean and unit deviation
MEL_MEAN, MEL_STD = -5.0, 2.5
#: mel filters leave the lowest and highest FFT bins out or nearly so
TINY = 1e-8


def pitches_hz() -> Tensor:
    """Return the fundamental frequencies of the network's classes, shape (192,)."""
    return torch.logspace(math.log10(LOWEST_HZ), math.log10(HIGHEST_HZ), N_PITCHES)


def harmonic_combs() -> Tensor:
    """Return the log-magnitude, centred, of steady harmonics as a Hann window of 1024 shows them, shape (192, 513)."""
    bins_hz = torch.arange(N_BINS) * (SAMPLE_RATE_HZ / N_FFT)
    pitch = pitches_hz()[:, None]
    off = (bins_hz / pitch - (bins_hz / pitch).round().clamp(min=1)).abs() * pitch  # Hz from the nearest harmonic
    lobe = torch.cos(math.pi / 2 * (off / (2 * SAMPLE_RATE_HZ / N_FFT)).clamp(max=1)).square()
    comb = torch.log(lobe.clamp(min=0.05))
    # Where harmonics are closer than the window resolves, neighbours fill the valley; a local mean takes care of it.
    return comb - comb.mean(1, keepdim=True)


class SpectrumNetwork(nn.Module):
    """Estimates magnitudes of FFT bins from log-mel: an envelope, and harmonics of a pitch that is classified.

    The mel spectrogram of what it returns is nearly the one that it was given: the last layers are
    multiplicative updates towards it.
    """

    filters: Tensor
    spread: Tensor
    widen: Tensor

    def __init__(self) -> None:
        super().__init__()
        filters = MelSpectrogram().filters.clone()  # (513, 64)
        self.register_buffer("filters", filters, persistent=False)
        self.register_buffer("spread", filters / filters.sum(1, keepdim=True).clamp(min=TINY), persistent=False)
        widen = F.interpolate(torch.eye(N_DEPTHS)[None], N_BINS, mode="linear", align_corners=True)[0]
        self.register_buffer("widen", widen, persistent=False)
        self.embed = nn.Conv1d(N_MELS, WIDTH, 7, padding=3)
        self.blocks = convnext_stack(N_BLOCKS, WIDTH, HIDDEN)
        self.norm = nn.LayerNorm(WIDTH)
        self.pitch = nn.Linear(WIDTH, N_PITCHES)
        self.depth = nn.Linear(WIDTH, N_DEPTHS)
        self.combs = nn.Parameter(harmonic_combs())
        self.detail = nn.Linear(WIDTH, N_BINS)
        nn.init.zeros_(self.detail.weight)
        nn.init.zeros_(self.detail.bias)

    def forward(self, mel: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Estimate a spectrum.

        Parameters
        ----------
        mel : Tensor, shape (batch, n_frames, 64)

        Returns
        -------
        magnitude : Tensor, shape (batch, n_frames, 513)
        pitch : Tensor, shape (batch, n_frames, 192)
            Scores of the fundamental frequencies in `pitches_hz`, before the softmax.
        depth : Tensor, shape (batch, n_frames, 16)
            How far harmonics stand out, from 0 to 1, from low to high frequencies.
        """
        x = self.embed(((mel - MEL_MEAN) / MEL_STD).transpose(1, 2)).transpose(1, 2)
        x = self.norm(self.blocks(x))
        pitch, depth = self.pitch(x), torch.sigmoid(self.depth(x) - 1)
        comb = pitch.softmax(-1) @ self.combs
        amplitude = mel.exp()
        smooth = torch.log(amplitude / self.filters.sum(0) @ self.spread.T + TINY)
        log = smooth + comb * (depth @ self.widen) + self.detail(x)
        return self._fitted(log.clamp(-20, 10).exp(), amplitude), pitch, depth

    def _fitted(self, magnitude: Tensor, amplitude: Tensor) -> Tensor:
        for _ in range(2):
            ratio = amplitude / (magnitude @ self.filters).clamp(min=TINY)
            magnitude = magnitude * (ratio @ self.spread.T).clamp(1e-3, 1e3)
        return magnitude
