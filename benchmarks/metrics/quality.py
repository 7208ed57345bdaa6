"""Measures how alike the spectra of generated and reference speech are, on AudioLDM's log-mel."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from eeg2speech_bench.core.segments.clips import Clips

ClipMetric = Callable[[Clips, Clips], np.ndarray]

#: a series that varies less than this (s.d., nepers) is constant: silence at the mel's floor
CONSTANT_BAND = 1e-4
#: decibels per unit of the natural logarithm of a magnitude
DB_PER_NEPER = 20 / np.log(10)


def standardise_bands(frames: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Centre each band of each clip over time and scale it to unit norm; constant bands become zero.

    Parameters
    ----------
    frames : array of float32, shape (n, n_frames, n_bands)
        Log-mel, or any other sequence of vectors.

    Returns
    -------
    bands : array of float64, shape (n, n_frames, n_bands)
        The sum over frames of the product of two of them is Pearson's r.
    varies : array of bool, shape (n, n_bands)
        False for constant bands.
    """
    centred = frames - frames.mean(axis=1, keepdims=True, dtype=np.float64)
    norm = np.sqrt(np.einsum("ntb,ntb->nb", centred, centred))
    varies = norm > CONSTANT_BAND * np.sqrt(frames.shape[1])
    return centred * (varies / np.where(varies, norm, 1.0))[:, None, :], varies


def mel_correlation(generated: Clips, reference: Clips) -> np.ndarray:
    """Return the Pearson correlation over time of each log-mel band, averaged over bands.

    The convention to report: time is kept and the mean spectrum is removed, so that speech-coloured noise gets 0. A
    gain does not change the value as long as nothing meets the mel's floor.

    Parameters
    ----------
    generated, reference : Clips
        n clips of the same segments.

    Returns
    -------
    array of float, shape (n,)
        From -1 to 1, chance 0. Bands that are constant in the reference are left out; a band that is constant in
        the generated clip alone counts 0, so silence gets 0. NaN where every band of the reference is constant:
        undefined whatever is generated.

    Raises
    ------
    ContractError
        If the clips differ in number or length.
    """
    generated.check_matches(reference)
    return _mean_correlation(generated.mel, reference.mel)


def mel_correlation_over_bands(generated: Clips, reference: Clips) -> np.ndarray:
    """Return the Pearson correlation over bands of each log-mel frame, averaged over frames.

    For comparison with work that reports it. A spectrum that never changes already scores high: read it beside
    `mean_spectrum_level`.

    Parameters, values and errors as `mel_correlation`, with frames in place of bands.
    """
    generated.check_matches(reference)
    return _mean_correlation(generated.mel.transpose(0, 2, 1), reference.mel.transpose(0, 2, 1))


def mel_correlation_flattened(generated: Clips, reference: Clips) -> np.ndarray:
    """Return the Pearson correlation of the whole log-mel, all frames and bands as one series.

    For comparison with work that reports it. A spectrum that never changes already scores high: read it beside
    `mean_spectrum_level`.

    Parameters, values and errors as `mel_correlation`, with one series in place of bands.
    """
    generated.check_matches(reference)
    n = len(reference)
    return _mean_correlation(generated.mel.reshape(n, -1, 1), reference.mel.reshape(n, -1, 1))


def mean_spectrum(reference: Clips) -> Clips:
    """Make clips that know the mean spectrum of the *other* references and nothing else.

    Parameters
    ----------
    reference : Clips
        At least two clips.

    Returns
    -------
    Clips
        Mel constant over time, waveform silent: for metrics of the mel alone.
    """
    own = reference.mel.mean(axis=1, dtype=np.float64)  # (n, n_bands)
    others = (own.sum(axis=0) - own) / (len(own) - 1)
    mel = np.broadcast_to(others[:, None, :], reference.mel.shape).astype(np.float32)
    return Clips(np.zeros_like(reference.waveform), mel)


def mean_spectrum_level(metric: ClipMetric, reference: Clips) -> float | None:
    """Return the value that `mean_spectrum` reaches on a metric of the mel; None for a single clip.

    It is the level to beat.
    """
    if len(reference) < 2:
        return None
    values = metric(mean_spectrum(reference), reference)
    return float(np.nanmean(values)) if np.isfinite(values).any() else None


def log_spectral_distance(generated: Clips, reference: Clips) -> np.ndarray:
    """Return the log-spectral distance on the mel bands, in decibels.

    The mean over frames of the root mean square over bands of 20 / ln(10) * (generated - reference), both natural
    logarithms of mel magnitudes. Sensitive to level: a gain of x dB alone gives x. It favours blurred estimates, so
    read it beside `mel_correlation`.

    Parameters
    ----------
    generated, reference : Clips
        n clips of the same segments.

    Returns
    -------
    array of float, shape (n,)
        0 is best; lower is better. Finite for silence, because the mel has a floor.

    Raises
    ------
    ContractError
        If the clips differ in number or length.
    """
    generated.check_matches(reference)
    difference_db = DB_PER_NEPER * (generated.mel.astype(np.float64) - reference.mel)
    return np.sqrt(np.mean(difference_db**2, axis=2)).mean(axis=1)


def _mean_correlation(generated: np.ndarray, reference: np.ndarray) -> np.ndarray:
    """Mean over the last axis of the correlation along the second, (n,); see `mel_correlation` for constants."""
    ours, _ = standardise_bands(generated)
    theirs, varies = standardise_bands(reference)
    n_series = varies.sum(axis=1)
    total = np.einsum("ntb,ntb->n", ours, theirs)
    return np.where(n_series > 0, total / np.maximum(n_series, 1), np.nan)
