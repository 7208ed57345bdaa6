"""Turns log-mel spectrograms into waveforms without weights."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from eeg2speech_bench.core.generator.mel import HOP, N_FFT, MelSpectrogram

#: multiplicative updates that invert the mel filters; on speech 24 leave 2 % of the mel spectrogram unexplained and
#: 50 leave 1 %, below what phase reconstruction adds
N_INVERSION_UPDATES = 24
#: of fast Griffin-Lim, as torchaudio understands it: the share of the spectrum before that is taken off
MOMENTUM = 0.99 / (1 + 0.99)


class GriffinLimVocoder(nn.Module):
    """Reconstructs the phase by the fast Griffin-Lim algorithm (Perraudin et al. 2013), momentum 0.99.

    Mel bands are first spread over FFT bins by non-negative least squares with multiplicative updates (Lee and Seung
    2001), which leaves a twentieth of the residual of the filters' pseudo-inverse. Phases start at zero: the
    result depends on nothing but the item's own spectrogram.

    Parameters
    ----------
    n_iter : int
        Griffin-Lim iterations; beyond 32 nothing is gained after mel inversion.
    """

    filters: Tensor
    window: Tensor

    def __init__(self, n_iter: int = 32) -> None:
        super().__init__()
        self.n_iter = n_iter
        self.register_buffer("filters", MelSpectrogram().filters.clone(), persistent=False)
        self.register_buffer("window", torch.hann_window(N_FFT), persistent=False)

    def magnitude(self, mel: Tensor) -> Tensor:
        """Estimate magnitudes (batch, n_frames, 513) of 513 FFT bins from log-mel (batch, n_frames, 64)."""
        spread = mel.exp() @ self.filters.T
        bins = torch.ones_like(spread)
        for _ in range(N_INVERSION_UPDATES):
            bins = bins * spread / (bins @ self.filters @ self.filters.T).clamp(min=1e-12)
        return bins

    @torch.no_grad()
    def forward(self, mel: Tensor) -> Tensor:
        """Turn log-mel (batch, n_frames, 64) into waveforms (batch, 160 * n_frames) at 16 kHz."""
        # One item at a time stays within a CPU's cache and is 20 to 50 % faster; a GPU wants all at once.
        n_together = 1 if mel.device.type == "cpu" else len(mel)
        return torch.cat([self._reconstruct(part) for part in mel.float().split(n_together)])

    def _reconstruct(self, mel: Tensor) -> Tensor:
        # Mel frame k is centred on sample 160 k + 80, Griffin-Lim's frame k on sample 160 k. One more frame on
        # each side makes room for the 80 samples before the first centre and after the last.
        magnitude = F.pad(self.magnitude(mel).transpose(1, 2), (1, 1), mode="replicate").transpose(1, 2)
        wave = self._with_phases(magnitude.contiguous())
        return wave[:, HOP // 2 : HOP // 2 + HOP * mel.shape[1]]

    def _with_phases(self, magnitude: Tensor, spectrum: Tensor | None = None) -> Tensor:
        """Return waveforms whose spectra have magnitudes (batch, n_frames, 513), as torchaudio's ``griffinlim`` does.

        Phases begin as those of ``spectrum``, of the same shape, or at zero.

        That one takes four times as long on a CPU: it divides complex numbers, and its spectra lie in memory bin by bin
        where the Fourier transform writes them frame by frame.
        """
        spectrum = magnitude.to(torch.complex64) if spectrum is None else spectrum
        before = torch.zeros_like(spectrum)
        for _ in range(self.n_iter):
            rebuilt = self._spectrum(self._wave(spectrum))
            ahead = torch.sub(rebuilt, before, alpha=MOMENTUM)
            size = ahead.real.square().addcmul_(ahead.imag, ahead.imag).sqrt_().add_(1e-16)
            spectrum, before = ahead * (magnitude / size), rebuilt
        return self._wave(spectrum)

    def _spectrum(self, wave: Tensor) -> Tensor:
        """Transform (batch, n_samples) into (batch, n_frames, 513), with frames centred on multiples of the hop."""
        padded = F.pad(wave[:, None], (N_FFT // 2, N_FFT // 2), mode="reflect")[:, 0]
        return torch.fft.rfft(padded.unfold(1, N_FFT, HOP) * self.window)

    def _wave(self, spectrum: Tensor) -> Tensor:
        """Transform (batch, n_frames, 513) back, by least squares where frames overlap."""
        frames = torch.fft.irfft(spectrum, n=N_FFT) * self.window
        weight = self.window.square().expand(1, spectrum.shape[1], -1)
        wave = _overlapped(frames) / _overlapped(weight).clamp(min=1e-11)
        return wave[:, N_FFT // 2 : N_FFT // 2 + HOP * (spectrum.shape[1] - 1)]


def _overlapped(frames: Tensor) -> Tensor:
    """Add frames (batch, n_frames, 1024) up, each one hop after the one before."""
    n_hops = -(-frames.shape[2] // HOP)
    hops = F.pad(frames, (0, n_hops * HOP - frames.shape[2])).unflatten(2, (n_hops, HOP))
    total = frames.new_zeros(len(frames), frames.shape[1] + n_hops - 1, HOP)
    for k in range(n_hops):
        total[:, k : k + frames.shape[1]] += hops[:, :, k]
    return total.flatten(1)
