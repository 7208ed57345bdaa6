"""Keeps the last samples of a stream where they belong in time, and gives them as a recording."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from eeg2speech_bench.benchmarks.live.sample_clock import SampleClock
from eeg2speech_bench.core.errors import DataError

if TYPE_CHECKING:
    import mne

#: MNE's mark of samples that were filled in
FILLED = "BAD_ACQ_SKIP"


@dataclass(frozen=True)
class Gap:
    """Samples that are missing: the first of them, and the one behind the last, counted from the stream's first."""

    first: int
    stop: int


class StreamBuffer:
    """The last samples of a stream; those that were lost have their place and hold zeros.

    Samples are counted from the first that was received, lost ones included: time goes on where some are missing.

    Parameters
    ----------
    info : mne.Info
        Channels and rate.

    Attributes
    ----------
    n_samples : int
        Samples that have their place, lost ones included.
    gaps : list of Gap
    first_stamp, last_stamp : float
        Of the samples that were received, in seconds of the stream's clock; None and NaN before the first.
    """

    def __init__(self, info: mne.Info) -> None:
        self.info = info
        self.sfreq = float(info["sfreq"])
        self.clock = SampleClock(self.sfreq)
        self.n_samples = 0
        self.gaps: list[Gap] = []
        self.first_stamp: float | None = None
        self.last_stamp = float("nan")
        self._first = 0
        self._held, self._held_stamps = np.zeros((0, len(info.ch_names))), np.zeros(0)
        self._parts = [(self._held, self._held_stamps)]

    @property
    def n_received(self) -> int:
        """Samples that were received, also those whose place is not certain yet."""
        return self.clock.n_received

    @property
    def n_lost(self) -> int:
        """Samples that were lost."""
        return sum(gap.stop - gap.first for gap in self.gaps)

    def add(self, samples: np.ndarray, stamps: np.ndarray) -> list[Gap]:
        """Take the next samples; return the gaps that were found.

        Parameters
        ----------
        samples : array, shape (n_samples, n_chans)
            Volts.
        stamps : array, shape (n_samples,)
            When they were taken, in seconds of any clock.

        Raises
        ------
        DataError
            If the stamps jump.
        """
        if len(stamps):
            self.first_stamp = float(stamps[0]) if self.first_stamp is None else self.first_stamp
            self.last_stamp = float(stamps[-1])
        placed = self.clock.n_settled
        losses = self.clock.add(stamps)
        held = np.concatenate([self._held, samples])
        held_stamps = np.concatenate([self._held_stamps, stamps])
        n_before, done = len(self.gaps), 0
        for loss in losses:
            self._place(held[done : loss.before - placed], held_stamps[done : loss.before - placed])
            done = loss.before - placed
            self._place(np.zeros((loss.n_samples, held.shape[1])), np.full(loss.n_samples, np.nan))
            self.gaps.append(Gap(self.n_samples - loss.n_samples, self.n_samples))
        stop = self.clock.n_settled - placed
        self._place(held[done:stop], held_stamps[done:stop])
        self._held, self._held_stamps = held[stop:], held_stamps[stop:]
        return self.gaps[n_before:]

    def _place(self, samples: np.ndarray, stamps: np.ndarray) -> None:
        self._parts.append((samples, stamps))
        self.n_samples += len(samples)

    def _kept(self) -> tuple[np.ndarray, np.ndarray]:
        """Return the samples that are kept, and their stamps; parts are joined when somebody asks for them."""
        if len(self._parts) > 1:
            samples, stamps = zip(*self._parts, strict=True)
            self._parts = [(np.concatenate(samples), np.concatenate(stamps))]
        return self._parts[0]

    def recording(self, first: int, stop: int) -> mne.io.BaseRaw:
        """Return samples ``first`` to ``stop``, or to the last one that is there, with what was lost marked as such.

        Raises
        ------
        DataError
            If they were given away.
        """
        import mne

        if first < self._first:
            got = f"{first / self.sfreq:.2f} s"
            expected = f"{self._first / self.sfreq:.2f} s or later"
            raise DataError("Samples of the stream are no longer kept", got=got, expected=expected)
        stop = min(stop, self.n_samples)
        part = self._kept()[0][first - self._first : stop - self._first]
        raw = mne.io.RawArray(part.T.copy(), self.info.copy(), verbose="ERROR")
        met = [
            (max(gap.first, first), min(gap.stop, stop)) for gap in self.gaps if gap.first < stop and gap.stop > first
        ]
        onsets_s = [(start - first) / self.sfreq for start, _ in met]
        lengths_s = [(end - start) / self.sfreq for start, end in met]
        raw.set_annotations(mne.Annotations(onsets_s, lengths_s, [FILLED] * len(met)), verbose="ERROR")
        return raw

    def stamp(self, sample: int) -> float:
        """Return the time stamp of a sample that was received and is kept, in seconds of the stream's clock."""
        return float(self._kept()[1][sample - self._first])

    def second_of(self, stamp: float) -> float:
        """Return the second of the stream, counted from its first sample, at which its clock shows a stamp."""
        stamps = self._kept()[1]
        known = int(np.flatnonzero(np.isfinite(stamps))[-1])
        return (self._first + known) / self.sfreq + stamp - float(stamps[known])

    def forget(self, before: int) -> None:
        """Give away the samples before one, all but the last."""
        n = min(before, self.n_samples - 1) - self._first
        if n > 0:
            samples, stamps = self._kept()
            self._parts = [(samples[n:].copy(), stamps[n:].copy())]
            self._first += n
