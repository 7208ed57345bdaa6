"""Makes surrogate EEG: the same spectra and covariance between channels, without knowledge of the sound."""

from __future__ import annotations

import torch
from torch import Tensor


def turn_phases(eeg: Tensor, turns: Tensor) -> Tensor:
    """Turn the phase of every frequency, by the same angle in all channels.

    Spectra and cross-spectra stay as they are, hence also the covariance between channels (Prichard & Theiler 1994,
    Phys. Rev. Lett. 73:951).

    Parameters
    ----------
    eeg : Tensor, shape (batch, n_chans, n_times)
    turns : Tensor, shape (batch, n_times // 2 + 1)
        Angle per frequency in whole turns; those of the mean and, for an even length, of the Nyquist frequency have no
        effect, since both are real.

    Returns
    -------
    Tensor, shape (batch, n_chans, n_times)
    """
    n_times = eeg.shape[-1]
    factor = torch.polar(torch.ones_like(turns), 2 * torch.pi * turns)
    factor[:, 0] = 1.0
    if n_times % 2 == 0:
        factor[:, -1] = 1.0
    return torch.fft.irfft(torch.fft.rfft(eeg) * factor[:, None], n=n_times)


def randomise_phases(eeg: Tensor, generator: torch.Generator | None = None) -> Tensor:
    """Turn all phases at random, from torch's global generator if none is given; shapes as `turn_phases`."""
    turns = torch.rand(len(eeg), eeg.shape[-1] // 2 + 1, device=eeg.device, generator=generator)
    return turn_phases(eeg, turns)
