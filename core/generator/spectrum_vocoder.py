"""Turns log-mel spectrograms into waveforms by a network that finds magnitudes, and phases that follow their peaks."""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.nn import functional as F

from eeg2speech_bench.core.generator.griffin_lim import GriffinLimVocoder
from eeg2speech_bench.core.generator.mel import HOP, N_FFT
from eeg2speech_bench.core.generator.spectrum_network import N_BINS, SpectrumNetwork


class SpectrumVocoder(GriffinLimVocoder):
    """Lets a network find magnitudes, begins with the phases of their peaks, and corrects them by Griffin-Lim.

    Parameters
    ----------
    n_iter : int
        Iterations of fast Griffin-Lim.
    """

    def __init__(self, n_iter: int = 6) -> None:
        super().__init__(n_iter)
        self.network = SpectrumNetwork()

    def _reconstruct(self, mel: Tensor) -> Tensor:
        edged = F.pad(mel.transpose(1, 2), (1, 1), mode="replicate").transpose(1, 2)
        magnitude = self.network(edged)[0]
        spectrum = torch.polar(magnitude, peak_phases(magnitude))
        wave = self._with_phases(magnitude, spectrum)
        return wave[:, HOP // 2 : HOP // 2 + HOP * mel.shape[1]]


def peak_phases(magnitude: Tensor) -> Tensor:
    """Return phases (batch, n_frames, 513) of sinusoids, one for every peak of magnitudes of the same shape.

    Single-pass inversion (Beauregard, Harish and Wyse 2015): a peak's frequency is read off the parabola through its
    three bins; its phase goes on from where the frame before had it, and the bins nearest to it follow, pi apart,
    as in the lobe of a symmetric window.
    """
    log = torch.log(magnitude + 1e-8)
    before, here, after = log[..., :-2], log[..., 1:-1], log[..., 2:]
    peaks = F.pad((here > before) & (here >= after), (1, 1), value=False)
    shift = (0.5 * (before - after) / (before - 2 * here + after - 1e-9)).clamp(-0.5, 0.5)
    bins = torch.arange(N_BINS, device=magnitude.device).expand_as(magnitude)
    left = torch.where(peaks, bins, -N_BINS).cummax(-1).values
    right = torch.where(peaks, bins, 3 * N_BINS).flip(-1).cummin(-1).values.flip(-1)
    owner = torch.where(bins - left <= right - bins, left, right)
    owner = torch.where((owner >= 0) & (owner < N_BINS), owner, bins)  # a frame without a peak
    steps = (2 * math.pi * HOP / N_FFT) * (bins + F.pad(shift, (1, 1))).gather(-1, owner).double()
    phase = torch.zeros_like(steps[:, 0])
    frames = []
    for step, own in zip(steps.unbind(1), owner.unbind(1), strict=True):
        phase = phase.gather(1, own) + step
        frames.append(phase)
    return (torch.stack(frames, 1) + math.pi * bins).remainder(2 * math.pi).to(magnitude)
