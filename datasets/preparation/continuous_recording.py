"""Reads one recording a part at a time, cleaned by the code that cleans the recordings of a data set."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from eeg2speech_bench.core.presets.config import DataConfig
from eeg2speech_bench.core.segments.recordings import Recording
from eeg2speech_bench.core.statistics.spacing import evenly_spaced
from eeg2speech_bench.datasets.preparation.cut_markers import find_cuts
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
from eeg2speech_bench.datasets.preparation.recording_parts import RecordingParts, in_memory

#: values that are read of a file at once
BLOCK_VALUES = 4_000_000


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
        cuts = find_cuts(self._raw)
        self.cuts_s = tuple(cut.at_s for cut in cuts)
        self.notes = recording.notes
        self._parts = RecordingParts(self._raw, cuts, settings)
        self.n_rows = self._parts.n_rows
        self._check()

    def _check(self) -> None:
        """Check the signal as `load_eeg` does: all of it for NaN, and its levels on as many samples."""
        raw = self._raw
        step = max(1, raw.n_times // SCALE_SAMPLES)
        thinned = []
        for first, stop in self._blocks():
            part = in_memory(raw.get_data(start=first, stop=stop), raw.info)
            check_finite(self.recording, part, first / self.recorded_sfreq)
            thinned.append(part.get_data()[:, -first % step :: step])
        few = in_memory(np.concatenate(thinned, axis=1), raw.info)
        check_not_flat(self.recording, few)
        check_unit(self.recording, few)

    def _blocks(self) -> Iterator[tuple[int, int]]:
        n = max(1, BLOCK_VALUES // len(self._raw.ch_names))
        for first in range(0, self._raw.n_times, n):
            yield first, min(first + n, self._raw.n_times)

    def read(self, first: int, stop: int) -> np.ndarray:
        """Return rows ``first`` to ``stop``, float32 (n_rows, n_chans), in microvolts."""
        part = self._parts.part(first, stop)
        return clean(self.recording, part.raw, part.stretches, self.settings)[part.rows]

    def span(self, first: int, stop: int) -> tuple[int, int, int]:
        """Return a row, its sample, and the sample behind the last that rows ``first`` to ``stop`` depend on."""
        return self._parts.span(first, stop)

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
