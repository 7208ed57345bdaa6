"""Measures mel-cepstral distortion between two clips, frame by frame or after warping of time."""

from __future__ import annotations

import numpy as np

from eeg2speech_bench.core.segments.clips import CLIP_MEL_BANDS, Clips

#: coefficients 1 to 13 enter; the level, coefficient 0, does not
N_COEFFICIENTS = 13
#: mel values this far below the loudest of their clip are raised to that level: silence has no spectrum
FLOOR_DB = 60
#: frames of the reference this far below its loudest frame hold no speech
ACTIVE_DB = 40
#: clips that are warped together
_N_TOGETHER = 16
_DB_PER_NEPER = 20 / np.log(10)
#: turns the norm of a difference of cepstra into decibels
_SCALE = 10 / np.log(10) * np.sqrt(2)


def mel_cepstral_distortion(generated: Clips, reference: Clips) -> np.ndarray:
    """Return the mel-cepstral distortion of frames at the same time, in decibels.

    ``10 / ln(10) * sqrt(2 * sum over d = 1..13 of (c_d - c'_d)**2)``, averaged over the frames in which the reference
    is active; `cepstra` says what c is. It is the root mean square over bands of the difference of the smoothed
    spectra. Values depend on the analysis: compare those of this suite only. A gain does not change them as long
    as nothing meets the mel's floor.

    Parameters
    ----------
    generated, reference : Clips
        n clips of the same segments.

    Returns
    -------
    array of float, shape (n,)
        0 is best. NaN where the reference is silent.

    Raises
    ------
    ContractError
        If the clips differ in number or length.

    Notes
    -----
    Source: Kubichek (1993), *Proc. IEEE Pacific Rim Conference on Communications*, 125.
    """
    generated.check_matches(reference)
    active, sounding = _active_frames(reference.mel)
    distance = _SCALE * np.linalg.norm(cepstra(generated.mel) - cepstra(reference.mel), axis=2)
    mean = np.einsum("nt,nt->n", distance, active) / np.maximum(active.sum(axis=1), 1)
    return np.where(sounding, mean, np.nan)


def warped_cepstral_distortion(generated: Clips, reference: Clips) -> np.ndarray:
    """Return the mel-cepstral distortion along the best alignment in time (dynamic time warping), in decibels.

    The frames in which the reference is active are taken from both clips and aligned; the mean runs over the steps
    of the path. It forgives shifts and other tempi, and also finds something alike in unrelated speech: read it
    beside `mel_cepstral_distortion`. Parameters, values and errors as there.
    """
    generated.check_matches(reference)
    active, sounding = _active_frames(reference.mel)
    lengths = active.sum(axis=1)
    order = np.argsort(~active, axis=1, kind="stable")[:, : lengths.max(initial=0), None]  # active frames first
    ours, theirs = (np.take_along_axis(cepstra(clips.mel), order, axis=1) for clips in (generated, reference))
    values = np.full(len(ours), np.nan)
    for rows in np.split(np.flatnonzero(sounding), range(_N_TOGETHER, sounding.sum(), _N_TOGETHER)):
        values[rows] = _warped_distance(_distances(theirs[rows], ours[rows]), lengths[rows])
    return values


def cepstra(mel: np.ndarray) -> np.ndarray:
    """Return cepstral coefficients 1 to 13 of log-mel above its floor.

    Parameters
    ----------
    mel : array of float, shape (n, n_frames, 64)
        Natural logarithm of magnitudes.

    Returns
    -------
    array of float64, shape (n, n_frames, 13)
        Coefficients of the cosine series of the log-mel over its bands, ``2 / 64 * sum of mel * cos``.
    """
    from scipy.fft import dct

    floor = mel.max(axis=(1, 2), keepdims=True) - FLOOR_DB / _DB_PER_NEPER
    return dct(np.maximum(mel, floor).astype(np.float64), axis=2)[:, :, 1 : N_COEFFICIENTS + 1] / CLIP_MEL_BANDS


def _active_frames(mel: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Frames that hold speech, bool (n, n_frames), and the clips that are no digital silence, bool (n,)."""
    level_db = _DB_PER_NEPER / 2 * np.log(np.sum(np.exp(2.0 * mel), axis=2))
    sounding = np.ptp(mel, axis=(1, 2)) > 0
    return (level_db > level_db.max(axis=1, keepdims=True) - ACTIVE_DB) & sounding[:, None], sounding


def _distances(left: np.ndarray, right: np.ndarray) -> np.ndarray:
    """Distortion of every frame of ``left`` with every frame of ``right``, shape (n, n_left, n_right)."""
    squares = np.square(left).sum(axis=2)[:, :, None] + np.square(right).sum(axis=2)[:, None, :]
    return _SCALE * np.sqrt(np.maximum(squares - 2 * left @ right.transpose(0, 2, 1), 0.0))


def _warped_distance(distance: np.ndarray, lengths: np.ndarray) -> np.ndarray:
    """Mean distance on the cheapest path from the first to the last frames of each pair, shape (n,).

    The table is filled along its anti-diagonals, all pairs at once. Beside the cost it carries the number of steps,
    so that no path need be traced back.

    Parameters
    ----------
    distance : array, shape (n, size, size)
        Of all frames; those from ``lengths`` on are padding.
    lengths : array of int, shape (n,)
    """
    n, size, _ = distance.shape
    values = np.empty(n)
    # Diagonal d lies in buffer d % 3, reference frame i at index i + 1; index 0 is the border.
    cost, steps = np.full((3, n, size + 1), np.inf), np.zeros((3, n, size + 1))
    cost[-2 % 3, :, 0] = 0.0
    for diagonal in range(2 * size - 1):
        first, stop = max(0, diagonal - size + 1), min(size, diagonal + 1)
        here, next_ = slice(first, stop), slice(first + 1, stop + 1)
        now, last, before = diagonal % 3, (diagonal - 1) % 3, (diagonal - 2) % 3
        both, down, along = cost[before][:, here], cost[last][:, here], cost[last][:, next_]
        cheapest = np.minimum(np.minimum(both, down), along)
        n_steps = np.where(down == cheapest, steps[last][:, here], steps[last][:, next_])
        n_steps = np.where(both == cheapest, steps[before][:, here], n_steps) + 1
        cost[now] = np.inf
        i = np.arange(first, stop)
        cost[now][:, next_], steps[now][:, next_] = cheapest + distance[:, i, diagonal - i], n_steps
        ended = np.flatnonzero(2 * (lengths - 1) == diagonal)
        values[ended] = cost[now, ended, lengths[ended]] / steps[now, ended, lengths[ended]]
    return values
