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
    """Compare the largest step from sample to sample at onsets with that of other moments around them.

    Parameters
    ----------
    raw : mne.io.BaseRaw
        EEG channels only.
    presentations : tuple of Presentation

    Returns
    -------
    array, shape (n_chans,)
        Median over onsets of the largest step, divided by the largest such median at the moments within a second;
        zeros where fewer than 4 onsets lie in the recording.
    """
    sfreq = raw.info["sfreq"]
    width, around = max(2, round((PULSE_S[1] - PULSE_S[0]) * sfreq)), round(AROUND_S * sfreq)
    starts = np.array([round((p.onset_s + PULSE_S[0]) * sfreq) for p in presentations], dtype=int)
    starts = starts[(starts >= around) & (starts + around + width < raw.n_times)]
    if len(starts) < FEWEST_ONSETS:
        return np.zeros(len(raw.ch_names))
    steps = np.stack([_steps(raw, s, around, width) for s in starts[evenly_spaced(len(starts), MOST_ONSETS)]])
    typical = np.median(steps, axis=0)  # (n_chans, n_moments)
    far = np.abs(np.arange(-around, around + 1)) > 2 * width
    return typical[:, around] / (typical[:, far].max(1) + 1e-12)


def _steps(raw: mne.io.BaseRaw, start: int, around: int, width: int) -> np.ndarray:
    """List the largest step in ``width`` samples from each moment around ``start`` on."""
    eeg = raw.get_data(start=start - around, stop=start + around + width + 1)
    return sliding_window_view(np.abs(np.diff(eeg)), width, axis=1).max(2)
