"""Makes candidate pools of retrieval: the windows that the true one has to be told from."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pandas as pd

from eeg2speech_bench.core.errors import DataError, UnknownNameError

#: candidates of the pool that makes data sets comparable
FIXED_POOL = 50
#: smallest group of windows that are matched in loudness and speech; the largest is one less than twice as large
N_MATCHED = 8


def candidates(name: str, windows: pd.DataFrame, true: np.ndarray, recording: np.ndarray) -> np.ndarray:
    """Return the candidates of every segment in a declared pool.

    Parameters
    ----------
    name : str
        One of `POOLS`.
    windows : DataFrame
        One row per column of the score matrix: ``stimulus``, and what `NEEDS` asks for.
    true : array of int, shape (n,)
        Row of ``windows`` that each segment belongs to.
    recording : array, shape (n,)
        Recording of each segment.

    Returns
    -------
    array of bool, shape (n, len(windows))
        ``pool`` of the metrics in `retrieval`; the true window is always in it.

    Raises
    ------
    UnknownNameError
        If there is no such pool.
    DataError
        If ``windows`` lacks a column that the pool needs.
    """
    if name not in POOLS:
        raise UnknownNameError("candidate pool", name, POOLS)
    reason = why_impossible(name, windows)
    if reason:
        raise DataError(reason)
    return POOLS[name](windows, true, recording)


def why_impossible(name: str, windows: pd.DataFrame) -> str | None:
    """Say why a pool cannot be made of these windows, or None if it can."""
    if name not in POOLS:
        return f"There is no pool '{name}'; there are {', '.join(POOLS)}"
    if windows.empty:
        return f"Pool '{name}' has no window"
    for column in NEEDS.get(name, ()):
        if column not in windows or windows[column].isna().all():
            return f"Pool '{name}' needs the column '{column}' of the window table, which this data set does not give"
    if len(windows) < SIZES.get(name, 0):
        return f"Pool '{name}' needs {SIZES[name]} windows, and there are {len(windows)}"
    return None


def sound_profile(sound: np.ndarray, rate_hz: float) -> pd.DataFrame:
    """Measure loudness and length of the speech of windows, for the pool ``matched``.

    Parameters
    ----------
    sound : array of float, shape (n_windows, n_samples)
        Waveforms or envelopes.
    rate_hz : float

    Returns
    -------
    DataFrame
        ``level_db``: root mean square in decibels re full scale; ``speech_s``: seconds in frames of 20 ms that are
        within 40 dB of the loudest frame of all windows.
    """
    n_frame = max(1, round(0.02 * rate_hz))
    n_frames = sound.shape[1] // n_frame
    frames = sound[:, : n_frames * n_frame].reshape(len(sound), n_frames, n_frame).astype(np.float64)
    power = np.mean(frames**2, axis=2)  # (n_windows, n_frames)
    sounding = (power > 1e-4 * power.max(initial=0)).sum(axis=1) * n_frame / rate_hz
    return pd.DataFrame({"level_db": 10 * np.log10(power.mean(axis=1) + 1e-12), "speech_s": sounding})


def matched_groups(profile: np.ndarray, size: int = N_MATCHED) -> np.ndarray:
    """Group windows that are alike.

    Halves them at the median of the widest-spread measure until groups would be too small.

    Being in one group goes both ways, so every window is as often impostor as true.

    Parameters
    ----------
    profile : array of float, shape (m, n_measures)
        Scaled to unit variance inside.
    size : int
        Smallest group.

    Returns
    -------
    array of int, shape (m,)
        Group of each window, of ``size`` to ``2 * size - 1`` windows (fewer if there are fewer in all).
    """
    spread = profile.std(axis=0)
    scaled = profile / np.where(spread > 0, spread, 1.0)
    group = np.zeros(len(profile), dtype=np.int64)
    waiting = [np.arange(len(profile))]
    n_groups = 0
    while waiting:
        rows = waiting.pop()
        if len(rows) < 2 * size:
            group[rows] = n_groups
            n_groups += 1
            continue
        measure = np.argmax(np.ptp(scaled[rows], axis=0))
        rows = rows[np.argsort(scaled[rows, measure], kind="stable")]
        waiting += [rows[: len(rows) // 2], rows[len(rows) // 2 :]]
    return group


def _all_windows(windows: pd.DataFrame, true: np.ndarray, recording: np.ndarray) -> np.ndarray:
    return np.ones((len(true), len(windows)), dtype=bool)


def _same_recording(windows: pd.DataFrame, true: np.ndarray, recording: np.ndarray) -> np.ndarray:
    """Windows that the listener heard in the same recording."""
    _, place = np.unique(recording, return_inverse=True)
    heard = np.zeros((place.max(initial=-1) + 1, len(windows)), dtype=bool)
    heard[place, true] = True
    return heard[place]


def _same_sentence(windows: pd.DataFrame, true: np.ndarray, recording: np.ndarray) -> np.ndarray:
    """Other windows of the sentence: what is left when the topic and the sentence's loudness tell nothing."""
    return _same_group(_group_numbers(windows, ("stimulus", "sentence")), true)


def _other_sentences(windows: pd.DataFrame, true: np.ndarray, recording: np.ndarray) -> np.ndarray:
    """All windows but those that share the true one's sentence."""
    label = _group_numbers(windows, ("stimulus", "sentence"))
    return ~_same_group(label, true) | (np.arange(len(windows)) == true[:, None])


def _matched(windows: pd.DataFrame, true: np.ndarray, recording: np.ndarray) -> np.ndarray:
    """Windows with as much speech of the same loudness: what is left when these two tell nothing."""
    return _same_group(matched_groups(windows[["level_db", "speech_s"]].to_numpy(dtype=np.float64)), true)


def _group_numbers(windows: pd.DataFrame, columns: tuple[str, ...]) -> np.ndarray:
    return windows.groupby(list(columns), sort=False).ngroup().to_numpy()


def _same_group(label: np.ndarray, true: np.ndarray) -> np.ndarray:
    """Windows of the true one's label; one without a label (below 0) is alone."""
    own = label[true][:, None]
    return ((label == own) & (own >= 0)) | (np.arange(len(label)) == true[:, None])


#: columns that a pool needs beyond ``stimulus``
NEEDS: dict[str, tuple[str, ...]] = {
    "word-onset": ("word",),
    "same-sentence": ("sentence",),
    "other-sentences": ("sentence",),
    "matched": ("level_db", "speech_s"),
}
#: candidates of a segment in pools that are random subsets of all: the metric itself takes the expectation over them
SIZES: dict[str, int] = {"fixed-50": FIXED_POOL}
#: name of each pool and the function that makes it
POOLS: dict[str, Callable[[pd.DataFrame, np.ndarray, np.ndarray], np.ndarray]] = {
    "fixed-50": _all_windows,
    "word-onset": _all_windows,
    "same-recording": _same_recording,
    "same-sentence": _same_sentence,
    "other-sentences": _other_sentences,
    "matched": _matched,
}
