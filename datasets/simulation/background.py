"""Simulates the rest of the EEG: 1/f sources, alpha bursts, blinks, drift, mains hum and sensor noise."""

from __future__ import annotations

import numpy as np
from scipy import fft

from eeg2speech_bench.datasets.simulation.head import SphericalHead

#: root mean square over channels, microvolts
CORTEX_UV, ALPHA_UV, DRIFT_UV, LINE_UV, SENSOR_UV = 9.0, 5.0, 4.0, 1.0, 0.7
N_CORTICAL_SOURCES = 150
BLINKS_PER_MINUTE = (12.0, 18.0)
BLINK_PEAK_UV = (100.0, 200.0)


class Background:
    """One listener's EEG without any response to sound.

    Parameters
    ----------
    head : SphericalHead
    n_times : int
        Samples of the recording.
    rng : Generator
        Draws the listener and the recording.

    Attributes
    ----------
    ongoing : array of float32, shape (n_chans, n_times)
        Activity of the cortex, 1/f and alpha, microvolts: what the signal-to-noise ratio is measured against.
    """

    def __init__(self, head: SphericalHead, n_times: int, rng: np.random.Generator) -> None:
        self._head, self._n_times, self._rng = head, n_times, rng
        self._sfreq = float(head.info["sfreq"])
        self.ongoing = self._cortex() + self._alpha()

    def total(self) -> np.ndarray:
        """Ongoing activity plus blinks, drift, hum and sensor noise, shape (n_chans, n_times), microvolts."""
        return self.ongoing + self._blinks() + self._drift() + self._line() + self._sensors()

    def _noise(self, amplitude: np.ndarray) -> np.ndarray:
        """Gaussian noise with the given amplitude spectra, shape (n_rows, n_frequencies), at unit variance per row."""
        amplitude = np.where(np.arange(amplitude.shape[1]) == 0, 0, amplitude)  # no offset
        shape = (*amplitude.shape, 2)
        spectrum = self._rng.standard_normal(shape, dtype=np.float32).view(np.complex64)[..., 0]
        noise = fft.irfft(spectrum * amplitude.astype(np.float32), self._n_fft)[:, : self._n_times]
        return noise / noise.std(axis=1, keepdims=True)

    @property
    def _n_fft(self) -> int:
        return fft.next_fast_len(self._n_times, real=True)

    @property
    def _frequencies_hz(self) -> np.ndarray:
        return fft.rfftfreq(self._n_fft, 1 / self._sfreq)

    def _cortex(self) -> np.ndarray:
        """Many dipoles anywhere in the upper brain; few enough that neighbouring electrodes correlate."""
        rng, n_sources = self._rng, N_CORTICAL_SOURCES
        direction = rng.standard_normal((n_sources, 3))
        direction[:, 2] = np.abs(direction[:, 2]) - 0.3
        direction /= np.linalg.norm(direction, axis=1, keepdims=True)
        radius = rng.uniform(0.5, 0.85, (n_sources, 1)) * self._head.brain_radius_m
        gain = self._head.gain(direction * radius, direction + rng.standard_normal((n_sources, 3)))
        exponent = rng.uniform(0.9, 1.5, (n_sources, 1))  # of the power spectrum (Donoghue et al. 2020)
        amplitude = np.maximum(self._frequencies_hz, 0.5) ** (-exponent / 2)
        return _at_rms(gain @ self._noise(amplitude), CORTEX_UV)

    def _alpha(self) -> np.ndarray:
        """Occipital and parietal dipoles near 10 Hz that wax and wane over seconds."""
        rng, n_sources = self._rng, 8
        place = np.array([0.0, -0.060, 0.025]) + rng.normal(0, 1, (n_sources, 3)) * [0.022, 0.008, 0.014]
        gain = self._head.gain(place, np.array([0, -1.0, 0.5]) + rng.normal(0, 0.5, (n_sources, 3)))
        peak_hz = rng.uniform(9.0, 11.0)
        carrier = self._noise(np.tile(np.exp(-0.5 * ((self._frequencies_hz - peak_hz) / 0.8) ** 2), (n_sources, 1)))
        waxing = np.exp(1.2 * self._noise(np.tile(self._frequencies_hz < 0.3, (n_sources, 1)))).clip(max=6)
        return _at_rms(gain @ (carrier * waxing), ALPHA_UV)

    def _blinks(self) -> np.ndarray:
        """Lids over both eyes: fast closing, slower opening, strongest at the frontal pole."""
        rng, duration_s = self._rng, self._n_times / self._sfreq
        eyes = np.array([[-0.030, 0.070, -0.030], [0.030, 0.070, -0.030]])
        topography = self._head.gain(eyes, np.array([[0, 0.9, 0.5], [0, 0.9, 0.5]])).sum(1)
        # The lid must open before it can close again: intervals have a shortest length.
        mean_s, shortest_s = 60 / rng.uniform(*BLINKS_PER_MINUTE), 0.8
        waits_s = shortest_s + rng.exponential(mean_s - shortest_s, int(duration_s / shortest_s) + 1)
        times_s = np.cumsum(waits_s)
        times_s = times_s[times_s < duration_s]
        train = np.zeros(self._n_times, dtype=np.float32)
        train[(times_s * self._sfreq).astype(int)] = rng.uniform(*BLINK_PEAK_UV, len(times_s))
        time_s = np.arange(int(0.5 * self._sfreq)) / self._sfreq - 0.15
        lid = np.exp(-0.5 * (time_s / np.where(time_s < 0, 0.04, 0.09)) ** 2)
        return np.outer(topography / topography.max(), np.convolve(train, lid)[: self._n_times]).astype(np.float32)

    def _drift(self) -> np.ndarray:
        """Each electrode's own slow change below 0.3 Hz."""
        frequency_hz = np.maximum(self._frequencies_hz, 0.01)
        amplitude = np.where(frequency_hz < 0.3, 1 / frequency_hz, 0)
        return _at_rms(self._noise(np.tile(amplitude, (self._n_chans, 1))), DRIFT_UV)

    def _line(self) -> np.ndarray:
        """Mains hum and the harmonics below Nyquist, of other strength at every electrode."""
        time_s = np.arange(self._n_times) / self._sfreq
        line_hz = self._head.info["line_freq"]
        harmonics = np.arange(line_hz, self._sfreq / 2, line_hz)
        phases = 2 * np.pi * (np.outer(harmonics, time_s) + self._rng.uniform(0, 1, (len(harmonics), 1)))
        hum = (np.sin(phases) / np.arange(1, len(harmonics) + 1)[:, None] ** 2).sum(0)
        strength = np.exp(self._rng.normal(0, 0.5, (self._n_chans, 1)))
        return _at_rms((strength * hum).astype(np.float32), LINE_UV)

    def _sensors(self) -> np.ndarray:
        return SENSOR_UV * self._rng.standard_normal((self._n_chans, self._n_times), dtype=np.float32)

    @property
    def _n_chans(self) -> int:
        return len(self._head.info["ch_names"])


def _at_rms(eeg: np.ndarray, rms_uv: float) -> np.ndarray:
    """Scale all channels together to a root mean square."""
    return (eeg * (rms_uv / np.sqrt(np.mean(eeg**2, dtype=np.float64)))).astype(np.float32)
