"""Measures whether channels hold pulses at the onsets of sounds, as trigger channels do."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from eeg2speech_bench.core.segments.recordings import Presentation
from eeg2speech_bench.core.statistics.spacing import evenly_spaced

if TYPE_CHECKING:
    import mne

#: where a pulse is looked for, seconds after an onset, and how far to both sides it is compared with
PULSE_S, AROUND_S = (-0.012, 0.036), 1.0
#: onsets that are looked at, and fewest that tell a pulse from a blink
MOST_ONSETS, FEWEST_ONSETS = 40, 4


def pulse_ratios(raw: mne.io.BaseRaw, presentations: tuple[Presentation, ...]) -> np.ndarray:
    """Compare steps from sample to sample at onsets with those of other moments around them.

    Pulses go the same way at every onset and stand in few channels; where recordings were joined, all channels step,
    up or down.

    Parameters
    ----------
    raw : mne.io.BaseRaw
        EEG channels only.
    presentations : tuple of Presentation

    Returns
    -------
    array, shape (n_chans,)
        Step that nine in ten onsets exceed, divided by the largest median of steps at the moments within a second, and
        by the ratio of the median channel; zeros where fewer than 4 onsets lie in the recording.
    """
    sfreq = raw.info["sfreq"]
    width, around = max(2, round((PULSE_S[1] - PULSE_S[0]) * sfreq)), round(AROUND_S * sfreq)
    starts = np.array([round((p.onset_s + PULSE_S[0]) * sfreq) for p in presentations], dtype=int)
    starts = starts[(starts >= around) & (starts + around + width < raw.n_times)]
    if len(starts) < FEWEST_ONSETS:
        return np.zeros(len(raw.ch_names))
    far = np.abs(np.arange(-around, around + 1)) > 2 * width
    chosen = starts[evenly_spaced(len(starts), MOST_ONSETS)]
    both = np.stack([_steps(raw, start, around, width) for start in chosen])  # (n_onsets, 2, n_chans, n_moments)
    elsewhere = np.median(both[..., far].max(1), axis=0).max(1) + 1e-12
    at_onsets = np.quantile(both[..., around], 0.1, axis=0).max(0) / elsewhere
    any_way = np.median(both[..., around].max(1), axis=0) / elsewhere
    return at_onsets / max(1.0, float(np.median(any_way)))


def _steps(raw: mne.io.BaseRaw, start: int, around: int, width: int) -> np.ndarray:
    """List the largest step up and down in ``width`` samples from each moment around ``start`` on."""
    steps = np.diff(raw.get_data(start=start - around, stop=start + around + width + 1))
    return sliding_window_view(np.stack([steps, -steps]), width, axis=2).max(3)
