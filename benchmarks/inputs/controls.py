"""Makes the controls: the same test segments with the signal destroyed or replaced, each to answer one doubt."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import torch

from eeg2speech_bench.core.errors import DataError
from eeg2speech_bench.core.segments.segment_store import Batch, SegmentStore
from eeg2speech_bench.core.segments.surrogates import turn_phases
from eeg2speech_bench.core.training.seeding import derive_seed

#: windows between a segment and the wrong time it is given, beyond the autocorrelation of speech
FAR = 3


class ControlSource:
    """Gathers test segments under every condition; deterministic by seed.

    Only the signal that the encoder declares to read is destroyed; all else stays true. An encoder that peeks at
    anything else then scores under the controls what it scores without, and is not distinguishable from no signal.

    Parameters
    ----------
    store : SegmentStore
    rows : array of int, shape (n,)
        Test segments.
    seed : int
    modality : str
        ``"eeg"``, ``"text"`` or ``"audio"``.
    """

    def __init__(self, store: SegmentStore, rows: np.ndarray, seed: int, modality: str = "eeg") -> None:
        self.store, self.rows, self.seed, self.modality = store, rows, seed, modality
        self._window = store.segments["window"].to_numpy(dtype=np.int64)
        self._shuffled = rows[_other_segments(self._window[rows], np.random.default_rng(derive_seed(seed, "shuffle")))]
        if modality == "eeg":
            self._shifted = self._shifted_starts()
        else:
            self._far = self._far_rows()

    def gather(self, condition: str, places: np.ndarray) -> Batch:
        """Return ``rows[places]`` under one of `core.conditions.ENCODED`."""
        makers: dict[str, Callable[[np.ndarray], Batch]] = {
            "eeg": self._own,
            "shuffle": lambda p: self._with_signal_of(p, self._shuffled[p]),
            "shift": self._shift,
            "phase": self._phase,
        }
        return makers[condition](places)

    def _own(self, places: np.ndarray) -> Batch:
        return self.store.gather(self.rows[places], with_sound=self.modality == "audio")

    def _with_signal_of(self, places: np.ndarray, rows: np.ndarray) -> Batch:
        """Return segments that are told the signal of other ones; the listener goes along with EEG."""
        own = self._own(places)
        if self.modality == "text":
            return replace(own, text=self.store.text(self._window[rows]))
        if self.modality == "audio":
            return replace(own, sound=torch.from_numpy(self.store.gather_sound(self._window[rows])))
        eeg, subject = self.store.gather_eeg(rows), self.store.told(rows)
        return replace(own, eeg=torch.from_numpy(eeg), subject=torch.from_numpy(subject))

    def _shift(self, places: np.ndarray) -> Batch:
        if self.modality != "eeg":
            return self._with_signal_of(places, self._far[places])
        eeg = self.store.gather_eeg(self.rows[places], self._shifted[places])
        return replace(self._own(places), eeg=torch.from_numpy(eeg))

    def _phase(self, places: np.ndarray) -> Batch:
        own = self._own(places)
        signal = own.eeg if own.sound is None else own.sound[:, None]
        n_frequencies = signal.shape[-1] // 2 + 1
        seeds = [derive_seed(self.seed, "phase", int(place)) for place in places]
        turns = np.stack([np.random.default_rng(seed).random(n_frequencies) for seed in seeds])
        surrogate = turn_phases(signal, torch.from_numpy(turns).float())
        return replace(own, eeg=surrogate) if own.sound is None else replace(own, sound=surrogate[:, 0])

    def _far_rows(self) -> np.ndarray:
        """Return for each segment a random one of the same recording, at least `FAR` windows away."""
        table = self.store.segments
        recording, start = (table[c].to_numpy(dtype=np.int64) for c in ("recording", "eeg_start"))
        rng = np.random.default_rng(derive_seed(self.seed, "shift"))
        distance = FAR * self.store.signal.n_times
        far = np.empty_like(self.rows)
        for number in np.unique(recording[self.rows]):
            of_recording = np.flatnonzero(recording == number)
            of_recording = of_recording[np.argsort(start[of_recording], kind="stable")]
            starts = start[of_recording]
            here = np.flatnonzero(recording[self.rows] == number)
            before = np.searchsorted(starts, start[self.rows[here]] - distance, side="right")
            after = np.searchsorted(starts, start[self.rows[here]] + distance, side="left")
            n_far = before + len(starts) - after
            if n_far.min() < 1:
                raise _too_short(number, "no segment far enough away")
            drawn = rng.integers(n_far)
            far[here] = of_recording[np.where(drawn < before, drawn, drawn - before + after)]
        return far

    def _shifted_starts(self) -> np.ndarray:
        """Shift all segments of a recording by one random amount, circularly within that recording.

        The shift is at least three windows either way, beyond the window and the autocorrelation of speech.
        """
        table = self.store.segments.iloc[self.rows]
        n_times = self.store.signal.n_times
        bounds = [(r.start, r.stop) for r in self.store.meta.recordings]
        rng = np.random.default_rng(derive_seed(self.seed, "shift"))
        starts = table["eeg_start"].to_numpy(dtype=np.int64)
        recordings = table["recording"].to_numpy()
        shifted = np.empty_like(starts)
        for recording in np.unique(recordings):
            first, stop = bounds[recording]
            room = stop - first - n_times  # last admissible start, relative to the recording
            if room < (2 * FAR + 1) * n_times:
                raise _too_short(recording, f"{(stop - first) / self.store.signal.sfreq:.1f} s")
            here = recordings == recording
            shift = rng.integers(FAR * n_times, room - FAR * n_times)
            shifted[here] = first + (starts[here] - first + shift) % room
        return shifted


def _too_short(recording: int, got: str) -> DataError:
    return DataError(
        f"Recording {recording} is too short for the wrong-time control",
        got=got,
        expected=f"at least {2 * FAR + 2} windows",
        then="Use longer recordings or a shorter data.window_s.",
    )


def _other_segments(windows: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Return for each segment another one whose stimulus window differs; a random cyclic order guarantees it.

    Segments are ordered by a random order of the windows; stepping by the size of the largest window's group
    then never lands on the same window.
    """
    unique, group = np.unique(windows, return_inverse=True)
    counts = np.bincount(group)
    if len(unique) < 2 or counts.max() > len(windows) // 2:
        raise DataError(
            "The shuffle control needs test segments of at least two stimulus windows",
            got=len(unique),
            then="Use more stimulus time for the test split (data.fractions).",
        )
    place = np.argsort(rng.permutation(len(unique))[group] * len(windows) + rng.permutation(len(windows)))
    step = int(rng.integers(counts.max(), len(windows) - counts.max() + 1))
    other = np.empty(len(windows), dtype=np.int64)
    other[place] = np.roll(place, step)
    return other
