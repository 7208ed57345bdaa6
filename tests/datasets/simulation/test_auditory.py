"""The bands that a simulated cortex follows: equally spaced for the ear, silent in silence, awake at onsets."""

from __future__ import annotations

import numpy as np
import pytest

from eeg2speech_bench.datasets.simulation.auditory import N_BANDS, band_drives, band_edges_hz, band_envelopes


def test_tone_appears_in_its_band_at_its_time() -> None:
    rate_hz, tone_hz = 16000, 1000.0
    samples = np.zeros(rate_hz, dtype=np.float32)
    samples[8000:] = np.sin(2 * np.pi * tone_hz * np.arange(8000) / rate_hz)
    envelopes = band_envelopes(samples, rate_hz, 128.0)
    assert envelopes.shape == (N_BANDS, 128)
    assert envelopes.mean(1).argmax() == np.searchsorted(band_edges_hz(), tone_hz) - 1
    assert envelopes[:, :60].max() < 1e-3 < envelopes[:, 68:].max()


def test_bands_are_equally_spaced_in_erb_rate() -> None:
    edges = band_edges_hz()
    assert edges[[0, -1]] == pytest.approx([80.0, 7000.0])
    assert np.ptp(np.diff(21.4 * np.log10(1 + 0.00437 * edges))) < 1e-9


def test_drive_is_silent_in_silence_and_rises_at_onsets() -> None:
    envelope = np.zeros((N_BANDS, 100), dtype=np.float32)
    envelope[:, 50:] = np.arange(1, N_BANDS + 1)[:, None] * np.linspace(1, 0.9, 50) ** np.arange(N_BANDS)[:, None]
    drive = band_drives({"story": envelope})["story"]
    assert (drive[:, :50] == 0).all()
    assert (drive.argmax(1) == 50).all()
