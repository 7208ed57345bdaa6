"""Measures how long after the sound the EEG responds, from one recording alone."""

from __future__ import annotations

import numpy as np
from scipy import fft

from eeg2speech_bench.datasets.checking.heard import Heard
from eeg2speech_bench.datasets.checking.lag_curve import LagCurve

#: cortical responses to speech have their peaks here (P1, N1, P2), and in the mean about there
EXPECTED_S, TYPICAL_S = (-0.02, 0.35), 0.15
#: regularisation, in parts of the envelope's power where most of it is (1 to 6 Hz)
PENALTY = 0.1


def response_curve(heard: Heard) -> LagCurve:
    """Return the size of the EEG's response to the envelope at each lag, 1 on average where there is none.

    The impulse response of every channel is found by regularised deconvolution over all circular lags at once, and
    weighed by what channels have in common at all lags, so that its size follows one distribution without response.
    """
    n_times = fft.next_fast_len(len(heard.eeg), real=True)  # zeros behind the end are silence
    envelope = fft.rfft(heard.envelope, n_times)
    power = _smooth(np.abs(envelope) ** 2, max(1, round(0.5 * n_times / heard.rate_hz)))
    frequency = np.arange(len(envelope)) * heard.rate_hz / n_times
    floor = PENALTY * float(power[(frequency > 1) & (frequency < 6)].mean())
    if not floor > 0:
        return LagCurve.of_all_shifts(np.ones(n_times), heard.rate_hz)
    gain = (np.conj(envelope) / (power + floor)).astype(np.complex64)
    impulse = fft.irfft(fft.rfft(heard.eeg, n_times, axis=0) * gain[:, None], n_times, axis=0)
    common = np.linalg.pinv(impulse.T @ impulse / n_times, hermitian=True)
    size = np.einsum("ij,ij->i", impulse @ common, impulse) / impulse.shape[1]
    return LagCurve.of_all_shifts(size.astype(np.float64), heard.rate_hz)


def _smooth(power: np.ndarray, width: int) -> np.ndarray:
    cumulated = np.cumsum(np.pad(power, (width // 2 + 1, width - width // 2 - 1), mode="reflect"))
    return (cumulated[width:] - cumulated[:-width])[: len(power)] / width
