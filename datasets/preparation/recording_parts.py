"""Cuts a recording into parts that can be cleaned one by one, as if it were cleaned as a whole."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from eeg2speech_bench.core.presets.config import DataConfig
from eeg2speech_bench.datasets.preparation.cut_markers import mark_cuts
from eeg2speech_bench.datasets.preparation.cuts import Cut, stretches_between
from eeg2speech_bench.datasets.preparation.resampling import HALF_LENGTH, rate_ratio

if TYPE_CHECKING:
    import mne

#: the filter that recordings pass: a Butterworth of this order, in both directions
FILTER_ORDER = 2
#: share of its response that a filter may still have to give where a part ends
FILTER_REST = 1e-9
#: samples that a part has at least for each one that it reads beyond its ends
REACH_SHARE = 4


@dataclass(frozen=True)
class Part:
    """Samples of a recording in memory, and the rows that they are enough for.

    Attributes
    ----------
    raw : mne.io.BaseRaw
        With its cuts marked; cleaning changes it.
    data : array, shape (n_chans, n_samples)
        Its samples in volts, in the same memory.
    stretches : list of (int, int)
        First sample of each stretch without a cut, counted within the part, and the one behind its last.
    first : int
        The recording's sample that the part begins with.
    own : slice
        Samples of the part that lie in no part before.
    rows : slice
        Rows of the cleaned part that are wanted, counted from its first.
    """

    raw: mne.io.BaseRaw
    data: np.ndarray
    stretches: list[tuple[int, int]]
    first: int
    own: slice
    rows: slice


class RecordingParts:
    """The parts of a recording; each reaches as far beyond its rows as filters do.

    Parameters
    ----------
    raw : mne.io.BaseRaw
        Samples may stay on the disk.
    cuts : sequence of Cut
        As `find_cuts` gives them.
    settings : DataConfig
    """

    def __init__(self, raw: mne.io.BaseRaw, cuts: Sequence[Cut], settings: DataConfig) -> None:
        self.raw, self.cuts, self.settings = raw, tuple(cuts), settings
        self.sfreq = float(raw.info["sfreq"])
        self._ratio = rate_ratio(self.sfreq, settings.sfreq)
        self.n_rows = math.ceil(raw.n_times / self._ratio)

    def in_order(self, n_values: int) -> Iterator[Part]:
        """Yield parts of about ``n_values`` samples of all channels together; their rows follow each other."""
        n_rows = int(n_values / len(self.raw.ch_names) / self._ratio)
        if n_rows < self.n_rows:
            n_rows = max(n_rows, REACH_SHARE * self.reach_rows, 1)
        seen = 0
        for row in range(0, self.n_rows, max(n_rows, 1)):
            part = self.part(row, min(row + n_rows, self.n_rows))
            yield replace(part, own=slice(seen - part.first, part.own.stop))
            seen = part.first + part.own.stop

    def part(self, first: int, stop: int) -> Part:
        """Read what rows ``first`` to ``stop`` depend on."""
        from_row, from_sample, to_sample = self.span(first, stop)
        to_sample = min(self.raw.n_times, to_sample)
        data = self.raw.get_data(start=from_sample, stop=to_sample)
        raw = in_memory(data, self.raw.info)
        mark_cuts(raw, list(self._cuts_within(from_sample, to_sample)))
        stretches = list(self._stretches_within(from_sample, to_sample))
        own = slice(0, to_sample - from_sample)
        return Part(raw, data, stretches, from_sample, own, slice(first - from_row, stop - from_row))

    def span(self, first: int, stop: int) -> tuple[int, int, int]:
        """Return a row, its sample, and the sample behind the last that rows ``first`` to ``stop`` depend on."""
        # a part begins at a sample that a row lies on, so that its rows are those of the whole
        period = self._ratio.denominator
        from_row = max(0, first - self.reach_rows) // period * period
        return from_row, int(from_row * self._ratio), math.ceil((stop + self.reach_rows) * self._ratio) + 1

    @cached_property
    def reach_rows(self) -> int:
        """Rows on each side of a part that its values depend on."""
        is_resampled = self.sfreq != self.settings.sfreq
        reach_s = (HALF_LENGTH + 2) / min(self.sfreq, self.settings.sfreq) if is_resampled else 0.0
        return math.ceil((reach_s + self._filter_reach_s()) * self.settings.sfreq)

    def _filter_reach_s(self) -> float:
        """Return the seconds after which the slowest pole of the filter has died away."""
        edges_hz = sorted(edge for edge in (self.settings.highpass_hz, self.settings.lowpass_hz) if edge)
        if not edges_hz or edges_hz[-1] >= self.sfreq / 2:  # cleaning refuses it
            return 0.0
        from scipy.signal import butter

        kind = "bandpass" if len(edges_hz) == 2 else "highpass" if self.settings.highpass_hz else "lowpass"
        wanted = edges_hz if len(edges_hz) == 2 else edges_hz[0]
        _, poles, _ = butter(FILTER_ORDER, wanted, kind, output="zpk", fs=self.sfreq)
        return math.log(FILTER_REST) / math.log(np.abs(poles).max()) / self.sfreq

    def _cuts_within(self, first: int, stop: int) -> Iterator[Cut]:
        start_s, stop_s = first / self.sfreq, stop / self.sfreq
        for cut in self.cuts:
            end_s = cut.at_s + cut.skipped_s
            if cut.at_s < stop_s and (end_s > start_s if cut.skipped_s else cut.at_s >= start_s):
                at_s = max(cut.at_s, start_s)
                yield replace(cut, at_s=at_s - start_s, skipped_s=min(end_s, stop_s) - at_s if cut.skipped_s else 0.0)

    def _stretches_within(self, first: int, stop: int) -> Iterator[tuple[int, int]]:
        for stretch in stretches_between(self.cuts, self.raw.n_times / self.sfreq):
            start, end = max(round(stretch.start_s * self.sfreq), first), min(round(stretch.stop_s * self.sfreq), stop)
            if start < end:
                yield start - first, end - first


def in_memory(data: np.ndarray, info: mne.Info) -> mne.io.BaseRaw:
    """Return samples in volts, shape (n_chans, n_samples), as a recording of these channels; they are not copied."""
    import mne

    return mne.io.RawArray(data, info.copy(), copy="auto", verbose="ERROR")
