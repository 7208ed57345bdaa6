"""Joins the trials of a listener into one recording, with a mark where one ends and the next begins."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import accumulate
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    import mne

MICROVOLT = 1e-6
#: MNE's own mark of a joint: no window and no filter reaches over it
JOINT = "EDGE boundary"


def starts_s(n_samples: Sequence[int], sfreq: float) -> list[float]:
    """Return when each trial begins in the joined recording, in seconds, given the samples of each."""
    return [first / sfreq for first in accumulate(n_samples[:-1], initial=0)]


def joined(
    trials: Sequence[np.ndarray], names: Sequence[str], sfreq: float, places: dict[str, np.ndarray] | str
) -> mne.io.RawArray:
    """Join trials, one after the other.

    Parameters
    ----------
    trials : sequence of array, shape (n_times, n_chans)
        Microvolts.
    names : sequence of str
    sfreq : float
    places : dict of str to array, or str
        Places of channels in metres (right, front, up), empty where none are known; or the name of a cap of MNE.
    """
    import mne

    lengths = [len(trial) for trial in trials]
    samples = np.empty((len(names), sum(lengths)))
    for first, trial in zip(accumulate(lengths[:-1], initial=0), trials, strict=True):
        samples[:, first : first + len(trial)] = trial.T
    samples *= MICROVOLT
    raw = mne.io.RawArray(samples, mne.create_info(list(names), sfreq, "eeg"), copy=None, verbose="ERROR")
    if isinstance(places, str):
        raw.set_montage(mne.channels.make_standard_montage(places), on_missing="ignore", verbose="ERROR")
    elif places:
        raw.set_montage(mne.channels.make_dig_montage(places, coord_frame="head"), on_missing="ignore", verbose="ERROR")
    return raw.set_annotations(mne.Annotations(starts_s(lengths, sfreq)[1:], 0.0, JOINT), verbose="ERROR")
