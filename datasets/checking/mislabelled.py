"""Finds presentations of which the EEG follows another sound than the tables name."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import combinations

import numpy as np
from scipy.stats import t

from eeg2speech_bench.datasets.checking.heard import Heard, standardised
from eeg2speech_bench.datasets.checking.report import Finding

CHECK = "labels"
MAX_SHIFT = 3
#: pairs of presentation and another sound that say what chance gives
MIN_REST = 8
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
    own = np.diag(alike)
    shift = _shift_of_all(alike, other, n_recordings)
    if shift:
        found = f"it follows the sound {abs(shift)} presentation(s) {'later' if shift > 0 else 'earlier'} than named"
        yield _finding(heard, f"{found}, throughout: labels are off by {shift:+d}")
        return
    n_tests = n_recordings * len(ids) * (len(ids) - 1) // 2
    for a, b in combinations(range(len(ids)), 2):
        chosen = np.zeros_like(other)
        chosen[a, b] = chosen[b, a] = other[a, b]
        swapped, named = alike[a, b] + alike[b, a], own[a] + own[b]
        if _stands_out(alike, chosen, other & ~chosen, n_tests) and swapped > 2 * named:
            first, second = (np.flatnonzero(heard.presentation == k)[0] / heard.rate_hz for k in (a, b))
            yield _finding(
                heard,
                f"presentations at {first:.1f} s and {second:.1f} s: the recording follows each other's sound",
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


def _shift_of_all(alike: np.ndarray, other: np.ndarray, n_recordings: int) -> int | None:
    own = np.diag(alike)
    for shift in sorted(range(-MAX_SHIFT, MAX_SHIFT + 1), key=abs):
        chosen = np.eye(len(alike), k=shift, dtype=bool) & other
        stands_out = shift and _stands_out(alike, chosen, other & ~chosen, n_recordings * 2 * MAX_SHIFT)
        if stands_out and alike[chosen].sum() > 2 * own[chosen.any(1)].sum():
            return shift
    return None


def _stands_out(alike: np.ndarray, chosen: np.ndarray, rest: np.ndarray, n_tests: int) -> bool:
    """Whether chosen pairs of presentation and sound are more alike than the rest, which are few: Student's t."""
    if chosen.sum() < 2 or rest.sum() < MIN_REST:
        return False
    size = alike[rest].std(ddof=1) / np.sqrt(chosen.sum())
    return bool(alike[chosen].mean() / size > t.isf(ALARM_P / n_tests, rest.sum() - 1))


def _finding(heard: Heard, found: str) -> Finding:
    then = "Correct stim_file in the events of this recording."
    return Finding(check=CHECK, severity="wrong", recording=heard.recording, found=found, then=then)
