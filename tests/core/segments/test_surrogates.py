"""Surrogates keep what spectra and covariances say, and nothing else."""

from __future__ import annotations

import pytest
import torch

from eeg2speech_bench.core.segments.surrogates import randomise_phases, turn_phases


@pytest.mark.parametrize("n_times", [40, 41])
def test_surrogates_keep_spectra_and_channel_covariance(n_times):
    torch.manual_seed(0)
    eeg = torch.randn(2, 3, n_times)
    surrogate = randomise_phases(eeg)
    assert (surrogate - eeg).abs().max() > 0.5
    spectra = [torch.fft.rfft(x).abs() for x in (eeg, surrogate)]
    torch.testing.assert_close(*spectra, rtol=1e-3, atol=1e-3)
    for own, made in zip(eeg, surrogate, strict=True):
        torch.testing.assert_close(torch.cov(made), torch.cov(own), atol=1e-5, rtol=1e-4)


def test_a_quarter_turn_makes_a_sine_of_a_cosine():
    time = torch.arange(64) / 64
    turned = turn_phases(torch.cos(2 * torch.pi * 4 * time)[None, None], torch.full((1, 33), -0.25))
    torch.testing.assert_close(turned[0, 0], torch.sin(2 * torch.pi * 4 * time), atol=1e-5, rtol=0)
