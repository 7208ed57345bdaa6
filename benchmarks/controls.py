"""Controls: the same segments with the signal destroyed or replaced, each answering one doubt."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from eeg2speech_bench.core.errors import DataError
from eeg2speech_bench.core.seeding import derive_seed
from eeg2speech_bench.core.segments import SegmentStore

#: conditions that carry no knowledge of the true audio; a claim must beat every one of them
NO_SIGNAL = ("shift", "phase", "shuffle", "mean", "none")
#: order in which conditions are run and shown; "audio" is the ceiling
CONDITIONS = ("eeg", *NO_SIGNAL, "audio")
#: the ones that are EEG, and pass through the encoder
EEG_CONDITIONS = ("eeg", "shift", "phase", "shuffle")

DESCRIPTIONS = {
    "eeg": "the EEG of the segment",
    "shift": "EEG of the right listener at a wrong time (circular shift)",
    "phase": "the segment's EEG with randomised phases (same spectrum and channel covariance)",
    "shuffle": "EEG of another segment",
    "mean": "the mean condition of training segments",
    "none": "no condition",
    "audio": "the true audio embedding (ceiling)",
}


@dataclass(frozen=True)
class ControlledEeg:
    """EEG of a control: ``eeg`` float32 (batch, n_chans, n_times) and the listener it is told to be from."""

    eeg: np.ndarray
    subject: np.ndarray


class ControlSource:
    """Gathers the test EEG of every condition; deterministic by seed.

    Parameters
    ----------
    store : SegmentStore
    rows : array of int, shape (n,)
        Test segments.
    seed : int
    """

    def __init__(self, store: SegmentStore, rows: np.ndarray, seed: int) -> None:
        self.store, self.rows, self.seed = store, rows, seed
        self._subject = store.segments["subject"].to_numpy(dtype=np.int64)
        self._shuffled = _other_segments(
            store.segments["window"].to_numpy()[rows], np.random.default_rng(derive_seed(seed, "shuffle"))
        )
        self._shifted = self._shifted_starts()

    def gather(self, condition: str, places: np.ndarray) -> ControlledEeg:
        """Return the EEG of ``rows[places]`` under one of `EEG_CONDITIONS`."""
        makers: dict[str, Callable[[np.ndarray], ControlledEeg]] = {
            "eeg": lambda p: self._own(self.rows[p]),
            "shuffle": lambda p: self._own(self.rows[self._shuffled[p]]),
            "shift": self._shift,
            "phase": self._phase,
        }
        return makers[condition](places)

    def _own(self, rows: np.ndarray) -> ControlledEeg:
        return ControlledEeg(self.store.gather_eeg(rows), self._subject[rows])

    def _shift(self, places: np.ndarray) -> ControlledEeg:
        rows = self.rows[places]
        return ControlledEeg(self.store.gather_eeg(rows, self._shifted[places]), self._subject[rows])

    def _phase(self, places: np.ndarray) -> ControlledEeg:
        own = self._own(self.rows[places])
        eeg = np.empty_like(own.eeg)
        for i, place in enumerate(places):
            eeg[i] = randomise_phases(own.eeg[i], np.random.default_rng(derive_seed(self.seed, "phase", int(place))))
        return ControlledEeg(eeg, own.subject)

    def _shifted_starts(self) -> np.ndarray:
        """Shift all segments of a recording by one random amount, circularly within that recording.

        The shift is at least three windows either way, beyond the window and the autocorrelation of speech.
        """
        table = self.store.segments.iloc[self.rows]
        n_times = self.store.signal.n_times
        bounds = [(r["start"], r["stop"]) for r in self.store.meta["recordings"]]
        rng = np.random.default_rng(derive_seed(self.seed, "shift"))
        starts = table["eeg_start"].to_numpy(dtype=np.int64)
        recordings = table["recording"].to_numpy()
        shifted = np.empty_like(starts)
        for recording in np.unique(recordings):
            first, stop = bounds[recording]
            room = stop - first - n_times  # last admissible start, relative to the recording
            if room < 7 * n_times:
                raise DataError(
                    f"Recording {recording} is too short for the wrong-time control",
                    got=f"{(stop - first) / self.store.signal.sfreq:.1f} s",
                    expected=f"at least {8 * n_times / self.store.signal.sfreq:.1f} s",
                    then="Use longer recordings or a shorter data.window_s.",
                )
            here = recordings == recording
            shift = rng.integers(3 * n_times, room - 3 * n_times)
            shifted[here] = first + (starts[here] - first + shift) % room
        return shifted


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


def randomise_phases(eeg: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Return a surrogate with the same power spectra and cross-spectra, and random phases.

    One random phase per frequency is added to all channels, which keeps the covariance between channels
    (Prichard & Theiler 1994, Phys. Rev. Lett. 73:951).

    Parameters
    ----------
    eeg : array, shape (n_chans, n_times)
    """
    spectrum = np.fft.rfft(eeg, axis=-1)
    turn = np.exp(2j * np.pi * rng.random(spectrum.shape[-1]))
    turn[0] = 1.0
    if eeg.shape[-1] % 2 == 0:
        turn[-1] = 1.0  # the Nyquist bin of an even length is real
    return np.fft.irfft(spectrum * turn, n=eeg.shape[-1], axis=-1).astype(np.float32)
