"""Measures short-time objective intelligibility, extended (ESTOI) and original (STOI)."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from eeg2speech_bench.benchmarks.metrics.loudness import is_silent
from eeg2speech_bench.core.segments.clips import CLIP_RATE_HZ, Clips

#: frames of one analysis segment, 384 ms
N_SEGMENT = 30
_RATE_HZ, _FRAME, _HOP, _N_FFT = 10_000, 256, 128, 512
#: a frame of the reference this far below its loudest one holds no speech
_RANGE_DB = 40
#: lower bound on the signal-to-distortion ratio that STOI credits
_BOUND_DB = 15
#: norms below this are those of digital silence
_TINY = 1e-13


def estoi(generated: Clips, reference: Clips) -> np.ndarray:
    """Return the ESTOI of each generated clip against its reference.

    The reference decides which frames hold speech (40 dB below its loudest and they do not) and whether the clip
    is scored at all: a reference that is silent or has under 30 active frames (0.39 s of speech) gives NaN
    whatever was generated, so that the same segments are left out for every condition. A generated clip that is
    silent gets 0, which is also the chance level. Needs alignment: a shift of 50 ms takes a perfect copy to
    about 0.2. A gain does not change the value while the clip stays above `loudness.SILENT_RMS`.

    Parameters
    ----------
    generated, reference : Clips
        n clips of the same segments; resampled from 16 to 10 kHz inside.

    Returns
    -------
    array of float, shape (n,)
        At most 1; chance 0; NaN as said above.

    Raises
    ------
    ContractError
        If the clips differ in number or length.

    Notes
    -----
    Source: Jensen and Taal (2016), *IEEE/ACM Transactions on Audio, Speech, and Language Processing* 24:2009. The
    values are pystoi's, at a quarter of its time: what depends on the reference alone is computed once for all
    conditions, and digital silence counts zero instead of being dithered.
    """
    return _similarities(generated, reference, _extended_similarity)


def stoi(generated: Clips, reference: Clips) -> np.ndarray:
    """Return the STOI of each generated clip against its reference, to compare with work that reports it.

    Unrelated speech gets about 0.2 and white noise 0.4: it has no chance level of its own, so read `estoi` instead.

    Parameters, values (NaN, silence) and errors as `estoi`.

    Notes
    -----
    Source: Taal et al. (2011), *IEEE Transactions on Audio, Speech, and Language Processing* 19:2125.
    """
    return _similarities(generated, reference, _similarity)


class _ReferenceSpeech:
    """Third-octave envelopes of a reference where it holds speech, and what finds the same frames elsewhere."""

    def __init__(self, waveform: np.ndarray) -> None:
        frames = _windowed(_resampled(waveform))
        level_db = 20 * np.log10(np.linalg.norm(frames, axis=1) + np.finfo(float).eps)
        self.active = level_db > level_db.max() - _RANGE_DB
        self.bands = _bands(frames[self.active])
        self.defined = self.bands.shape[1] >= N_SEGMENT and not is_silent(waveform)

    def bands_of(self, waveform: np.ndarray) -> np.ndarray:
        """Envelopes of another clip in the frames where this one holds speech, shape (15, n_frames)."""
        return _bands(_windowed(_resampled(waveform))[self.active])


@lru_cache(maxsize=1)
def _speech(reference: Clips) -> list[_ReferenceSpeech]:
    # One set of references is scored against many conditions.
    return [_ReferenceSpeech(waveform) for waveform in reference.waveform]


def _similarities(
    generated: Clips, reference: Clips, similarity: Callable[[np.ndarray, np.ndarray], float]
) -> np.ndarray:
    generated.check_matches(reference)
    values = np.full(len(reference), np.nan)
    for i, (waveform, speech) in enumerate(zip(generated.waveform, _speech(reference), strict=True)):
        if speech.defined:
            values[i] = 0.0 if is_silent(waveform) else similarity(speech.bands, speech.bands_of(waveform))
    return values


def _extended_similarity(reference: np.ndarray, generated: np.ndarray) -> float:
    """Mean over segments of the correlation of spectra that are normalised over time and then over bands."""
    theirs, ours = (_unit(_unit(_segments(bands), axis=2), axis=1) for bands in (reference, generated))
    return float(np.einsum("sbt,sbt->", theirs, ours) / N_SEGMENT / len(theirs))


def _similarity(reference: np.ndarray, generated: np.ndarray) -> float:
    """Mean over segments and bands of the correlation of envelopes, distortion clipped at -15 dB."""
    theirs, ours = _segments(reference), _segments(generated)
    eps = np.finfo(float).eps
    gain = np.linalg.norm(theirs, axis=2, keepdims=True) / (np.linalg.norm(ours, axis=2, keepdims=True) + eps)
    ours = np.minimum(ours * gain, theirs * (1 + 10 ** (_BOUND_DB / 20)))
    return float(np.einsum("sbt,sbt->", _unit(theirs, axis=2), _unit(ours, axis=2)) / theirs[..., 0].size)


def _segments(bands: np.ndarray) -> np.ndarray:
    """All stretches of 30 frames, shape (n_segments, 15, 30)."""
    return sliding_window_view(bands, N_SEGMENT, axis=1).transpose(1, 0, 2)


def _unit(values: np.ndarray, axis: int) -> np.ndarray:
    """Centre along an axis and scale to unit norm; what does not vary becomes zero."""
    centred = values - values.mean(axis=axis, keepdims=True)
    norm = np.sqrt(np.square(centred).sum(axis=axis, keepdims=True))
    return centred / np.where(norm > _TINY, norm, np.inf)


def _resampled(waveform: np.ndarray) -> np.ndarray:
    from scipy.signal import resample_poly

    up, down = _RATE_HZ // 2000, CLIP_RATE_HZ // 2000
    return resample_poly(waveform.astype(np.float64), up, down, window=_antialiasing(up, down))


@lru_cache(maxsize=1)
def _antialiasing(up: int, down: int) -> np.ndarray:
    """Kaiser-windowed sinc of Octave's ``resample``, 60 dB of rejection: pystoi and the authors' code use it."""
    cutoff = 1 / (2 * max(up, down))
    half = int(np.ceil((60 - 8) / (28.714 * cutoff / 10)))
    taps = np.sinc(2 * cutoff * np.arange(-half, half + 1)) * np.kaiser(2 * half + 1, 0.1102 * (60 - 8.7))
    return taps / taps.sum()


def _windowed(signal: np.ndarray) -> np.ndarray:
    """Overlapping Hann frames, shape (n_frames, 256); the last full frame is left out, as by the authors."""
    n_frames = -(-(len(signal) - _FRAME) // _HOP)
    if n_frames <= 0:
        return np.zeros((1, _FRAME))
    return sliding_window_view(signal, _FRAME)[::_HOP][:n_frames] * _hann()


@lru_cache(maxsize=1)
def _hann() -> np.ndarray:
    return np.hanning(_FRAME + 2)[1:-1]


def _bands(frames: np.ndarray) -> np.ndarray:
    """Third-octave envelopes, shape (15, n_frames), of the signal that neighbouring frames add up to."""
    halves = frames.reshape(len(frames), 2, _HOP)
    joined = np.zeros((len(frames) + 1, _HOP))
    joined[:-1] += halves[:, 0]
    joined[1:] += halves[:, 1]
    spectrum = np.fft.rfft(_windowed(joined.ravel()), n=_N_FFT)  # (n_frames, 257)
    return np.sqrt(_third_octaves() @ (spectrum.real**2 + spectrum.imag**2).T)


@lru_cache(maxsize=1)
def _third_octaves() -> np.ndarray:
    """Bins of the 15 third-octave bands from 150 Hz on, shape (15, 257)."""
    bins_hz = np.arange(_N_FFT // 2 + 1) * _RATE_HZ / _N_FFT
    edges_hz = 150 * 2.0 ** ((2 * np.arange(16) - 1) / 6)
    edges = np.abs(bins_hz[:, None] - edges_hz).argmin(axis=0)
    places = np.arange(len(bins_hz))
    return ((places >= edges[:-1, None]) & (places < edges[1:, None])).astype(np.float64)
