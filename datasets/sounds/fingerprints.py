"""Describes every 10 ms of a sound by 32 bits that survive another level, coding, sampling rate and some noise."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

#: seconds between two frames of a waveform's fingerprint, and about those of an envelope's
FRAME_S = 0.01
#: bits per frame
N_BITS = 32
#: the bands of speech that telephones and lossy coding keep (33 of them give 32 differences)
BANDS_HZ = np.geomspace(300.0, 3400.0, N_BITS + 2)
#: seconds of the spectra, of their smoothing and of the difference in time (Haitsma & Kalker 2002 smooth over 0.37 s)
SPECTRUM_S, SMOOTHING_S, DIFFERENCE_S = 0.032, 0.15, 0.06
#: frames below this share of a loud frame's power hold a pause, which noise may fill; a frame is loud that only this
#: share of the frames with any sound surpasses
PAUSE, LOUD = 1e-3, 0.1
#: seconds between the slopes of an envelope whose signs are its bits: 32 of them span 2 s
SLOPE_S = 0.0625
#: frames whose spectra are computed at a time: they fit into the processor's cache
CHUNK = 500


@dataclass(frozen=True)
class Fingerprint:
    """The bits of a sound.

    Attributes
    ----------
    bits : array of uint32, shape (n_frames,)
        Frame ``k`` describes the sound from ``k * frame_s`` on.
    sounding : array of bool, shape (n_frames,)
        False where there is silence.
    frame_s, span_s : float
        Seconds between frames, and that a frame looks ahead.
    """

    bits: np.ndarray = field(repr=False)
    sounding: np.ndarray = field(repr=False)
    frame_s: float = FRAME_S
    span_s: float = 0.0


def fingerprint(values: np.ndarray, rate_hz: float, kind: str = "waveform") -> Fingerprint:
    """Compute the fingerprint of a sound (Haitsma & Kalker 2002, ISMIR).

    A bit says whether the difference of two neighbouring bands grows. For an envelope, which has one band, the 32 bits
    are the signs of its slopes in 2 s.

    Parameters
    ----------
    values : array of float, shape (n_samples,)
    rate_hz : float
        Samples per second.
    kind : str
        ``"waveform"`` or ``"envelope"``.
    """
    return _of_waveform(values, rate_hz) if kind == "waveform" else _of_envelope(values, rate_hz)


def _of_waveform(values: np.ndarray, rate_hz: float) -> Fingerprint:
    energy = _band_energies(values, rate_hz)
    if not len(energy):
        return Fingerprint(np.zeros(0, np.uint32), np.zeros(0, bool))
    power = energy.sum(1)
    loud = float(np.quantile(power[power >= 1e-7 * power.max()], 1 - LOUD))
    sounding = power > PAUSE * loud
    level = np.log(_smoothed(energy, round(SMOOTHING_S / FRAME_S)) + 1e-9 * loud + 1e-30)
    lag = round(DIFFERENCE_S / FRAME_S / 2)
    padded = np.pad(level, ((lag, lag), (0, 0)), mode="edge")
    grows = np.diff(padded[2 * lag :] - padded[: -2 * lag], axis=1) > 0
    return Fingerprint(_packed(grows), sounding)


def _band_energies(values: np.ndarray, rate_hz: float) -> np.ndarray:
    """Return the power in each band around each frame, shape (n_frames, N_BITS + 1)."""
    n = round(SPECTRUM_S * rate_hz)
    hop = FRAME_S * rate_hz
    n_frames = int(len(values) // hop)
    starts = np.round(np.arange(n_frames) * hop).astype(np.int64)
    padded = np.pad(np.asarray(values, dtype=np.float32), (n // 2, n))
    edges = np.searchsorted(np.fft.rfftfreq(2 * n, 1 / rate_hz), BANDS_HZ)
    window = np.hanning(n).astype(np.float32)
    energies = np.zeros((n_frames, N_BITS + 1), dtype=np.float32)
    for first in range(0, n_frames, CHUNK):
        rows = padded[starts[first : first + CHUNK, None] + np.arange(n)] * window
        spectra = np.fft.rfft(rows, 2 * n)
        power = spectra.real**2 + spectra.imag**2
        energies[first : first + CHUNK] = np.add.reduceat(power, edges, axis=1)[:, :-1]
    return energies


def _smoothed(frames: np.ndarray, width: int) -> np.ndarray:
    from scipy.ndimage import convolve1d

    window = np.hanning(width + 2)[1:-1]
    return np.asarray(convolve1d(frames, window / window.sum(), axis=0, mode="nearest"))


def _of_envelope(values: np.ndarray, rate_hz: float) -> Fingerprint:
    step, lag = max(1, round(FRAME_S * rate_hz)), max(1, round(SLOPE_S * rate_hz))
    span = N_BITS * lag
    starts = np.arange(0, max(0, len(values) - span), step)
    slopes = np.diff(np.asarray(values)[starts[:, None] + lag * np.arange(N_BITS + 1)], axis=1)
    return Fingerprint(_packed(slopes > 0), np.ptp(slopes, axis=1) > 0, step / rate_hz, span / rate_hz)


def _packed(bits: np.ndarray) -> np.ndarray:
    return np.packbits(bits, axis=1, bitorder="little").view("<u4")[:, 0]
