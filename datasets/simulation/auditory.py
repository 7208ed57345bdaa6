"""Simulates an auditory cortex that follows speech: spectral bands, their kernels in time, and dipoles."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import fft
from scipy.signal import oaconvolve

from eeg2speech_bench.datasets.simulation.head import SphericalHead

#: bands of the cochlear stage, equally spaced in equivalent rectangular bandwidths between these edges
N_BANDS = 8
BAND_EDGES_HZ = (80.0, 7000.0)
#: exponent of the amplitude envelope: the ear's compression
COMPRESSION = 0.5
#: how much of the mean over bands is taken from each band: bands inhibit each other on the way to the cortex, which
#: sharpens spectral contrast (Yang, Wang and Shamma 1992)
LATERAL_INHIBITION = 0.8
#: share of onsets beside envelopes in what drives a band's dipoles
ONSET_SHARE = 0.6


@dataclass(frozen=True)
class Deflection:
    """One peak of the response: when, how strong, and from where in the right hemisphere.

    ``amplitude`` times ``width_s`` sums to zero over the three deflections, so that steady sound leaves no offset.
    """

    latency_s: float
    width_s: float
    amplitude: float
    position_m: tuple[float, float, float]
    orientation: tuple[float, float, float]


#: P1, N1 and P2 (latencies: Crosse et al. 2016; places around Heschl's gyrus, N1 also lateral, P2 anterior: review
#: in Naatanen and Picton 1987). Upward dipoles give the deflections their sign at the vertex.
DEFLECTIONS = (
    Deflection(0.055, 0.012, 0.5, (0.046, -0.016, 0.012), (0.1, 0.3, 0.9)),
    Deflection(0.110, 0.018, -1.0, (0.053, -0.012, 0.009), (0.5, 0.2, 0.8)),
    Deflection(0.190, 0.030, 0.4, (0.048, -0.002, 0.008), (0.0, 0.6, 0.7)),
)


def band_envelopes(samples: np.ndarray, rate_hz: int, sfreq: float) -> np.ndarray:
    """Compute the compressed envelope of each spectral band.

    Parameters
    ----------
    samples : array, shape (n_samples,)
        Mono sound.
    rate_hz : int
        Its sampling rate.
    sfreq : float
        Sampling rate of the result, Hz.

    Returns
    -------
    array of float32, shape (N_BANDS, n_times)
        Amplitude to the power `COMPRESSION`, from Hann windows of 32 ms centred on each sample.
    """
    n_window = int(0.032 * rate_hz)
    padded = np.pad(samples, n_window // 2)
    starts = np.round(np.arange(int(len(samples) / rate_hz * sfreq)) * rate_hz / sfreq).astype(int)
    windows = np.lib.stride_tricks.sliding_window_view(padded, n_window)[starts] * np.hanning(n_window)
    power = np.abs(fft.rfft(windows.astype(np.float32), axis=1)) ** 2  # (n_times, n_bins)
    bands = np.digitize(fft.rfftfreq(n_window, 1 / rate_hz), band_edges_hz()) - 1
    return np.stack([power[:, bands == band].sum(1) ** (COMPRESSION / 2) for band in range(N_BANDS)])


def band_edges_hz() -> np.ndarray:
    """Edges of the bands, shape (N_BANDS + 1,): equal steps on the ERB-rate scale (Glasberg and Moore 1990)."""
    low, high = (21.4 * np.log10(1 + 0.00437 * edge) for edge in BAND_EDGES_HZ)
    return (10 ** (np.linspace(low, high, N_BANDS + 1) / 21.4) - 1) / 0.00437


def band_drives(envelopes: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Mix spectral contrast with its onsets, each at unit variance over all stories.

    Parameters
    ----------
    envelopes : dict of str to array, shape (N_BANDS, n_times)
        Per story, from `band_envelopes`.

    Returns
    -------
    dict of str to array of float32, shape (N_BANDS, n_times)
        What drives the dipoles of each band. Onsets are the half-wave rectified rise.
    """
    level = _spread(envelopes)
    contrast = {name: e / level - LATERAL_INHIBITION * (e / level).mean(0) for name, e in envelopes.items()}
    onset = {name: np.maximum(np.diff(c, axis=1, prepend=0), 0) for name, c in contrast.items()}
    sustained, transient = (1 - ONSET_SHARE) / _spread(contrast), ONSET_SHARE / _spread(onset)
    return {name: (sustained * contrast[name] + transient * onset[name]).astype(np.float32) for name in envelopes}


def _spread(stories: dict[str, np.ndarray]) -> np.ndarray:
    """Standard deviation of each band over all stories, shape (N_BANDS, 1)."""
    return np.concatenate([*stories.values()], axis=1).std(axis=1, keepdims=True)


class AuditoryCortex:
    """One listener's dipoles: two hemispheres x three deflections x `N_BANDS` bands.

    Bands differ in place, direction, latency and side, so that what was said can be told from the EEG and not only
    how loud it was: high frequencies lie deeper and more posterior (Pantev et al. 1995), answer earlier (Roberts and
    Poeppel 1996) and weigh more on the left. Listeners differ by +-10 ms, 4 mm, 15 degrees and 20 % per deflection.

    Parameters
    ----------
    rng : Generator
        Draws the listener.
    """

    def __init__(self, rng: np.random.Generator) -> None:
        shape = (2, len(DEFLECTIONS), N_BANDS)
        side = np.array([-1.0, 1.0]).reshape(2, 1, 1)  # left, right
        pitch = np.linspace(-1, 1, N_BANDS)
        field = {name: np.array([getattr(d, name) for d in DEFLECTIONS]) for name in Deflection.__dataclass_fields__}
        self.widths_s = np.broadcast_to(field["width_s"][:, None], shape)
        jitter_s = rng.uniform(-0.010, 0.010) + rng.normal(0, 0.003, (2, len(DEFLECTIONS), 1))
        self.latencies_s = field["latency_s"][:, None] * (1 - 0.10 * pitch) + jitter_s
        gains = np.exp(rng.normal(0, 0.2, (2, len(DEFLECTIONS), 1)) + rng.normal(0, 0.15, (1, 1, N_BANDS)))
        self.amplitudes = field["amplitude"][:, None] * gains * (1 - 0.4 * side * pitch)
        mirror = np.stack([side, np.ones_like(side), np.ones_like(side)], -1)
        shift_m = np.multiply.outer(pitch, [-0.007, -0.007, 0.003])
        moved_m = rng.normal(0, 0.004, (2, 1, 1, 3))
        self.positions_m = (field["position_m"][:, None] + shift_m) * mirror + moved_m
        turn = np.multiply.outer(pitch, [-0.6, 1.0, -0.4])
        turned = rng.normal(0, 0.26, (2, len(DEFLECTIONS), 1, 3))
        self.orientations = (field["orientation"][:, None] + turn) * mirror + turned

    def kernels(self, sfreq: float) -> np.ndarray:
        """Sample the kernels of all dipoles over 0 to 500 ms, shape (2, n_deflections, N_BANDS, n_lags)."""
        lags = np.arange(int(0.5 * sfreq)) / sfreq
        peaks = np.exp(-0.5 * ((lags - self.latencies_s[..., None]) / self.widths_s[..., None]) ** 2)
        return (self.amplitudes[..., None] * peaks).astype(np.float32)

    def respond(self, head: SphericalHead, drive: np.ndarray) -> np.ndarray:
        """Compute the EEG response to sound.

        Parameters
        ----------
        head : SphericalHead
        drive : array, shape (N_BANDS, n_times)
            From `band_drives`, on the recording's clock.

        Returns
        -------
        array of float32, shape (n_chans, n_times)
            In arbitrary units; the caller sets the power.
        """
        n_times = drive.shape[1]
        gain = head.gain(self.positions_m.reshape(-1, 3), self.orientations.reshape(-1, 3)).reshape(-1, 6, N_BANDS)
        kernels = self.kernels(head.info["sfreq"]).reshape(6, N_BANDS, -1)
        response = np.zeros((len(gain), n_times), dtype=np.float32)
        for band in range(N_BANDS):  # one at a time: all dipoles' signals at once would take gigabytes
            moments = oaconvolve(drive[None, band], kernels[:, band], axes=1)[:, :n_times]
            response += gain[..., band] @ moments
        return response
