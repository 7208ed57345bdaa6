"""Reads one recording a part at a time, cleaned by the code that cleans the recordings of a data set."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from eeg2speech_bench.core.presets.config import DataConfig
from eeg2speech_bench.core.segments.recordings import Recording
from eeg2speech_bench.core.statistics.spacing import evenly_spaced
from eeg2speech_bench.datasets.preparation.cut_markers import find_cuts, mark_cuts
from eeg2speech_bench.datasets.preparation.cuts import Cut, stretches_between
from eeg2speech_bench.datasets.preparation.preprocessing import (
    SCALE_SAMPLES,
    SCALE_WINDOWS,
    check_finite,
    check_not_flat,
    check_scale,
    check_unit,
    clean,
    open_eeg,
    robust_scale,
)
from eeg2speech_bench.datasets.preparation.resampling import HALF_LENGTH, rate_ratio

if TYPE_CHECKING:
    import mne

#: values that are read of a file at once
BLOCK_VALUES = 4_000_000
#: periods of a filter's lowest edge after which its response has died away to less than 1e-6
FILTER_PERIODS = 8.0


class ContinuousRecording:
    """A recording that is read, cleaned and resampled in parts; each part reaches as far beyond its ends as filters do.

    Parameters
    ----------
    recording : Recording
    settings : DataConfig

    Raises
    ------
    DataError
        As `load_eeg` does.
    """

    def __init__(self, recording: Recording, settings: DataConfig) -> None:
        self.recording, self.settings = recording, settings
        self._raw = open_eeg(recording, settings.picks)
        self.recorded_sfreq = float(self._raw.info["sfreq"])
        self._cuts = find_cuts(self._raw)
        self.cuts_s = tuple(cut.at_s for cut in self._cuts)
        self.notes = recording.notes
        self._ratio = rate_ratio(self.recorded_sfreq, settings.sfreq)
        self.n_rows = math.ceil(self._raw.n_times / self._ratio)
        self._check()

    def _check(self) -> None:
        """Check the signal as `load_eeg` does: all of it for NaN, and its levels on as many samples."""
        raw = self._raw
        step = max(1, raw.n_times // SCALE_SAMPLES)
        thinned = []
        for first, stop in self._blocks():
            part = self._part(first, stop)
            check_finite(self.recording, part, first / self.recorded_sfreq)
            thinned.append(part.get_data()[:, -first % step :: step])
        few = _in_memory(np.concatenate(thinned, axis=1), raw.info)
        check_not_flat(self.recording, few)
        check_unit(self.recording, few)

    def _blocks(self) -> Iterator[tuple[int, int]]:
        n = max(1, BLOCK_VALUES // len(self._raw.ch_names))
        for first in range(0, self._raw.n_times, n):
            yield first, min(first + n, self._raw.n_times)

    def _part(self, first: int, stop: int) -> mne.io.BaseRaw:
        return _in_memory(self._raw.get_data(start=first, stop=stop), self._raw.info)

    def read(self, first: int, stop: int) -> np.ndarray:
        """Return rows ``first`` to ``stop``, float32 (n_rows, n_chans), in microvolts."""
        from_row, from_sample, to_sample = self.span(first, stop)
        to_sample = min(self._raw.n_times, to_sample)
        part = self._part(from_sample, to_sample)
        mark_cuts(part, list(self._cuts_within(from_sample, to_sample)))
        stretches = list(self._stretches_within(from_sample, to_sample))
        return clean(self.recording, part, stretches, self.settings)[first - from_row : stop - from_row]

    def span(self, first: int, stop: int) -> tuple[int, int, int]:
        """Return a row, its sample, and the sample behind the last that rows ``first`` to ``stop`` depend on."""
        reach = self._reach_rows()
        # a part begins at a sample that a row lies on, so that its rows are those of the whole
        period = self._ratio.denominator
        from_row = max(0, first - reach) // period * period
        return from_row, int(from_row * self._ratio), math.ceil((stop + reach) * self._ratio) + 1

    def _reach_rows(self) -> int:
        """Return the rows on each side of a part that its values depend on."""
        is_resampled = self.recorded_sfreq != self.settings.sfreq
        reach_s = (HALF_LENGTH + 2) / min(self.recorded_sfreq, self.settings.sfreq) if is_resampled else 0.0
        edges = [edge for edge in (self.settings.highpass_hz, self.settings.lowpass_hz) if edge]
        reach_s += FILTER_PERIODS / min(edges) if edges else 0.0
        return math.ceil(reach_s * self.settings.sfreq)

    def _cuts_within(self, first: int, stop: int) -> Iterator[Cut]:
        start_s, stop_s = first / self.recorded_sfreq, stop / self.recorded_sfreq
        for cut in self._cuts:
            end_s = cut.at_s + cut.skipped_s
            if cut.at_s < stop_s and (end_s > start_s if cut.skipped_s else cut.at_s >= start_s):
                at_s = max(cut.at_s, start_s)
                yield replace(cut, at_s=at_s - start_s, skipped_s=min(end_s, stop_s) - at_s if cut.skipped_s else 0.0)

    def _stretches_within(self, first: int, stop: int) -> Iterator[tuple[int, int]]:
        sfreq = self.recorded_sfreq
        for stretch in stretches_between(self._cuts, self._raw.n_times / sfreq):
            start, end = max(round(stretch.start_s * sfreq), first), min(round(stretch.stop_s * sfreq), stop)
            if start < end:
                yield start - first, end - first

    def scale(self, starts: np.ndarray, n_times: int, n_baseline: int) -> np.ndarray:
        """Return the scale of each channel over windows, float32 (n_chans,); see `robust_scale`.

        Raises
        ------
        DataError
            If a channel does not vary in them.
        """
        chosen = starts[evenly_spaced(len(starts), SCALE_WINDOWS)]
        eeg = np.concatenate([self.read(start, start + n_times) for start in chosen.tolist()])
        scale = robust_scale(eeg, n_times * np.arange(len(chosen)), n_times, n_baseline)
        return check_scale(self.recording, scale, self._raw.ch_names)


def open_continuous(recording: Recording, settings: DataConfig) -> ContinuousRecording:
    """Open a recording whose EEG is read in parts; errors as in `ContinuousRecording`."""
    return ContinuousRecording(recording, settings)


def _in_memory(data: np.ndarray, info: mne.Info) -> mne.io.BaseRaw:
    import mne

    return mne.io.RawArray(data, info.copy(), verbose="ERROR")
