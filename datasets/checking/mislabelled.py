"""Finds presentations of which the EEG follows another sound than the tables name."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import combinations

import numpy as np
from scipy.stats import norm

from eeg2speech_bench.datasets.checking.heard import Heard, standardised
from eeg2speech_bench.datasets.checking.report import Finding

CHECK = "labels"
MAX_SHIFT = 3
ALARM_P = 0.01
#: data sets of many short sounds have too many pairs to look at
MAX_PRESENTATIONS = 300


def findings_of_labels(
    heard: Heard, estimate: np.ndarray, envelopes: Mapping[str, np.ndarray], n_recordings: int
) -> Iterator[Finding]:
    """Tell if labels are off by some presentations throughout, or if those of two presentations are swapped.

    The envelope that is reconstructed from the EEG of each presentation is compared with every sound of the recording.

    Parameters
    ----------
    heard : Heard
    estimate : array, shape (n_times,)
        Envelope as reconstructed from the EEG.
    envelopes : mapping of str to array
        Of the stimuli, by id.
    n_recordings : int
        That are looked at: one false alarm in a hundred data sets is allowed.
    """
    ids = heard.stimulus_ids
    if not 2 < len(ids) <= MAX_PRESENTATIONS:
        return
    alike = _likeness(heard, estimate, envelopes)
    other = np.array([[a != b for b in ids] for a in ids])
    if other.sum() < len(ids):
        return
    alike = alike / (alike[other].std() or 1.0)
    own = np.diag(alike)
    shift = _shift_of_all(alike, own, n_recordings)
    if shift:
        found = (
            f"the EEG follows the sound {abs(shift)} presentation(s) {'later' if shift > 0 else 'earlier'} than named"
        )
        yield _finding(heard, f"{found}, throughout: labels are off by {shift:+d}")
        return
    limit = norm.isf(ALARM_P / (n_recordings * len(ids) * (len(ids) - 1) / 2))
    for a, b in combinations(range(len(ids)), 2):
        swapped, named = alike[a, b] + alike[b, a], own[a] + own[b]
        if other[a, b] and swapped / np.sqrt(2) > limit and swapped > 2 * named:
            first, second = (np.flatnonzero(heard.presentation == k)[0] / heard.rate_hz for k in (a, b))
            yield _finding(
                heard, f"the EEG of the presentations at {first:.1f} s and {second:.1f} s follows each other's sound"
            )


def _likeness(heard: Heard, estimate: np.ndarray, envelopes: Mapping[str, np.ndarray]) -> np.ndarray:
    """Correlate each presentation with the sound of each, times the root of their length: (n, n)."""
    n = len(heard.stimulus_ids)
    alike = np.zeros((n, n))
    sounds = [envelopes[stimulus] for stimulus in heard.stimulus_ids]
    for k in range(n):
        said = estimate[heard.presentation == k]
        for j, sound in enumerate(sounds):
            length = min(len(said), len(sound))
            if length:
                alike[k, j] = standardised(said[:length]) @ standardised(sound[:length]) / np.sqrt(length)
    return alike


def _shift_of_all(alike: np.ndarray, own: np.ndarray, n_recordings: int) -> int | None:
    limit = norm.isf(ALARM_P / (n_recordings * 2 * MAX_SHIFT))
    for shift in sorted(range(-MAX_SHIFT, MAX_SHIFT + 1), key=abs):
        moved = np.diag(alike, shift)
        named = own[: len(moved)] if shift > 0 else own[-len(moved) :] if len(moved) else own
        if shift and len(moved) > 1 and moved.sum() / np.sqrt(len(moved)) > limit and moved.sum() > 2 * named.sum():
            return shift
    return None


def _finding(heard: Heard, found: str) -> Finding:
    then = "Correct stim_file in the events of this recording."
    return Finding(check=CHECK, severity="wrong", recording=heard.recording, found=found, then=then)
