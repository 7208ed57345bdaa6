"""Decides which channels of a sound file listeners heard as speech."""

from __future__ import annotations

from itertools import combinations
from pathlib import Path

import numpy as np

from eeg2speech_bench.core.errors import DataError
from eeg2speech_bench.datasets.sounds.decoding import Samples

#: a channel whose power is below this share of the loudest one's is silent (-70 dB)
SILENT = 1e-7
#: seconds of a frame in which loudness is compared
FRAME_S = 0.05
#: correlation of loudness from which two channels carry one sound; two talkers reach 0.3 in some tens of seconds
SAME_SOUND = 0.5
#: standard deviation of loudness over its mean from which it is more than steady noise
MODULATED = 0.3
#: pulses: level (of the peak) from which a sample is in one, share of those that stay level or differ little from the
#: sample before
IN_PULSE, LEVEL_STEP, LEVEL_SHARE = 0.2, 0.01, 0.8
#: clicks: seconds of a frame, level (of the loudest frame) that counts, longest typical click in seconds, and the share
#: of time that they take up at most
CLICK_FRAME_S, CLICK_LEVEL, CLICK_S, CLICK_SHARE = 0.005, 0.05, 0.04, 0.2


def mixed(samples: Samples, path: Path, channel: int | None = None) -> tuple[np.ndarray, tuple[str, ...]]:
    """Mix the channels that carry speech into one.

    Silent channels, and channels of pulses or clicks that mark times, are left out.

    Parameters
    ----------
    samples : Samples
    path : Path
        For messages.
    channel : int, optional
        The one to take, counted from 1 (the left one).

    Returns
    -------
    values : array of float32, shape (n_frames,)
    notes : tuple of str
        What was left out.

    Raises
    ------
    DataError
        If the channels carry different sounds and none was chosen, or there is no such channel.
    """
    values = samples.values
    n_channels = values.shape[1]
    if channel is not None:
        return _chosen(values, path, channel)
    if n_channels == 1:
        return values[:, 0], ()
    kept, notes = _sounding(values)
    if len(kept) > 1 and not all(_is_one_sound(values[:, [a, b]], samples.rate_hz) for a, b in combinations(kept, 2)):
        pulses = [k for k in kept if is_pulses(values[:, k], samples.rate_hz)]
        if len(pulses) < len(kept):
            kept = [k for k in kept if k not in pulses]
            notes += [f"channel {k + 1} of {n_channels} holds pulses and was left out" for k in pulses]
    for a, b in combinations(kept, 2):
        if not _is_one_sound(values[:, [a, b]], samples.rate_hz):
            raise _different(path, a, b)
    return values[:, kept].mean(1, dtype=np.float64).astype(np.float32), tuple(notes)


def is_pulses(values: np.ndarray, rate_hz: float) -> bool:
    """Tell whether a channel holds pulses, square waves or clicks, as they mark times for an amplifier.

    Parameters
    ----------
    values : array, shape (n_frames,)
    rate_hz : float
    """
    values = np.asarray(values) - np.median(values)
    peak = float(np.abs(values).max(initial=0.0))
    if not peak:
        return False
    high = np.abs(values[1:]) > IN_PULSE * peak
    level = np.abs(np.diff(values)) < LEVEL_STEP * peak
    return bool(np.mean(level[high]) > LEVEL_SHARE) or _is_clicks(values, rate_hz)


def _is_clicks(values: np.ndarray, rate_hz: float) -> bool:
    loud = _loudness(values, rate_hz, CLICK_FRAME_S)
    on = loud > CLICK_LEVEL * loud.max(initial=0.0)
    edges = np.flatnonzero(np.diff(np.concatenate(([0], on.astype(np.int8), [0]))))
    lengths_s = np.diff(edges.reshape(-1, 2), axis=1) * CLICK_FRAME_S
    return bool(len(lengths_s) and np.median(lengths_s) <= CLICK_S and on.mean() <= CLICK_SHARE)


def _chosen(values: np.ndarray, path: Path, channel: int) -> tuple[np.ndarray, tuple[str, ...]]:
    n_channels = values.shape[1]
    if not 1 <= channel <= n_channels:
        expected = f"a number from 1 to {n_channels}"
        raise DataError(f"Sound file {path} has no channel {channel}", got=channel, expected=expected)
    note = f"channel {channel} of {n_channels} was chosen"
    return np.ascontiguousarray(values[:, channel - 1]), (note,) if n_channels > 1 else ()


def _sounding(values: np.ndarray) -> tuple[list[int], list[str]]:
    """Return the channels that are not silent, and a note on each of the others."""
    power = np.array([float(np.var(values[:, k], dtype=np.float64)) for k in range(values.shape[1])])
    silent = np.flatnonzero(power < SILENT * power.max())
    kept = [k for k in range(len(power)) if k not in silent]
    return kept, [f"channel {k + 1} of {len(power)} is silent and was left out" for k in silent]


def _is_one_sound(pair: np.ndarray, rate_hz: float) -> bool:
    one, other = (_loudness(pair[:, k], rate_hz, FRAME_S) for k in (0, 1))
    if max(one.std() / (one.mean() + 1e-12), other.std() / (other.mean() + 1e-12)) < MODULATED:
        return True  # steady noise in both ears
    return bool(np.corrcoef(one, other)[0, 1] > SAME_SOUND)


def _loudness(values: np.ndarray, rate_hz: float, frame_s: float) -> np.ndarray:
    n = max(1, round(frame_s * rate_hz))
    frames = values[: max(1, len(values) // n) * n].reshape(max(1, len(values) // n), -1)
    return np.sqrt(np.mean(np.square(frames, dtype=np.float64), axis=1))


def _different(path: Path, one: int, other: int) -> DataError:
    return DataError(
        f"Sound file {path} has different sounds in channels {one + 1} and {other + 1}",
        got="channels whose loudness goes up and down at different times, as of two talkers",
        expected="one sound, or a choice of the channel that the listener attended to",
        then="Write [audio] and channel = 1 (the left one) into eeg2speech-bench.toml in the data set's root, or write "
        "that channel to a file of its own.",
    )
