"""Spectral likeness of generated and reference speech on AudioLDM's log-mel."""

from __future__ import annotations

import numpy as np

from eeg2speech_bench.core.clips import Clips

#: a band that varies less than this over a clip (s.d., nepers) is constant: silence at the mel's floor
CONSTANT_BAND = 1e-4
#: decibels per unit of the natural logarithm of a magnitude
DB_PER_NEPER = 20 / np.log(10)


def standardise_bands(mel: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Centre each band of each clip over time and scale it to unit norm; constant bands become zero.

    Parameters
    ----------
    mel : array of float32, shape (n, n_frames, n_bands)

    Returns
    -------
    bands : array of float64, shape (n, n_frames, n_bands)
        The sum over frames of the product of two of them is Pearson's r.
    varies : array of bool, shape (n, n_bands)
        False for constant bands.
    """
    centred = mel - mel.mean(axis=1, keepdims=True, dtype=np.float64)
    norm = np.sqrt(np.einsum("ntb,ntb->nb", centred, centred))
    varies = norm > CONSTANT_BAND * np.sqrt(mel.shape[1])
    return centred * (varies / np.where(varies, norm, 1.0))[:, None, :], varies


def mel_correlation(generated: Clips, reference: Clips) -> np.ndarray:
    """Pearson correlation over time of each log-mel band, averaged over bands.

    Time is kept and the mean spectrum is removed, so that speech-coloured noise gets 0. The conventions that
    correlate over bands, or over the flattened mel, are not offered: the mean spectrum alone scores high on them.
    A gain does not change the value as long as nothing meets the mel's floor.

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
    ours, _ = standardise_bands(generated.mel)
    theirs, varies = standardise_bands(reference.mel)
    n_bands = varies.sum(axis=1)
    total = np.einsum("ntb,ntb->n", ours, theirs)
    return np.where(n_bands > 0, total / np.maximum(n_bands, 1), np.nan)


def log_spectral_distance(generated: Clips, reference: Clips) -> np.ndarray:
    """Log-spectral distance on the mel bands, in decibels.

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
