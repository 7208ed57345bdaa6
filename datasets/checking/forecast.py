"""Says how a data set would be split, and what preparing it takes on disk and in time."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from eeg2speech_bench.core.presets.config import DataConfig
from eeg2speech_bench.core.segments.recordings import Presentation, Stimulus
from eeg2speech_bench.core.segments.segment_store import SPLITS
from eeg2speech_bench.datasets.checking.report import Forecast
from eeg2speech_bench.datasets.preparation.sound_track import SoundTrack
from eeg2speech_bench.datasets.preparation.splits.plan import SplitPlan
from eeg2speech_bench.datasets.preparation.windows import segment_table, window_table, zone_table
from eeg2speech_bench.datasets.sounds.sound_files import RATE_HZ

FLOAT_BYTES, HEADER_BYTES = 4, 128
#: of a row of a table as it is compressed, and of a table without rows
ROW_BYTES, TABLE_BYTES, N_TABLES = 10, 5000, 4


class PreparationForecast:
    """Adds up what preparing a data set will write.

    Parameters
    ----------
    plan : SplitPlan
    stimuli : list of Stimulus
    sound_kind : str
    settings : DataConfig
    """

    def __init__(self, plan: SplitPlan, stimuli: list[Stimulus], sound_kind: str, settings: DataConfig) -> None:
        self._settings = settings
        self._ids = [s.stimulus_id for s in stimuli]
        # An envelope has a rate of its own, which is that of few samples: any will do.
        rate_hz = float(RATE_HZ) if sound_kind == "waveform" else settings.sfreq
        starts = np.cumsum([0, *(math.ceil(s.duration_s * rate_hz) for s in stimuli)])
        track = SoundTrack(Path(), tuple(self._ids), sound_kind, rate_hz, starts)
        self._windows = window_table(zone_table(plan, stimuli, track), stimuli, settings, track)
        self._bytes = int(starts[-1]) * FLOAT_BYTES + 3 * HEADER_BYTES + N_TABLES * TABLE_BYTES
        self._n_segments = dict.fromkeys(SPLITS, 0)

    def add(self, presentations: Sequence[Presentation], n_samples: int, n_chans: int) -> None:
        """Add a recording of ``n_samples`` at ``settings.sfreq``."""
        segments = segment_table(presentations, self._windows, self._ids, self._settings, n_samples)
        for split, number in segments["split"].value_counts().items():
            self._n_segments[str(split)] += int(number)
        self._bytes += (n_samples + 1) * n_chans * FLOAT_BYTES + len(segments) * ROW_BYTES

    def result(self, seconds: float) -> Forecast:
        """Return the forecast; ``seconds`` is what reading EEG and sounds took just now."""
        return Forecast(disk_bytes=self._bytes, seconds=round(seconds, 1), n_segments=self._n_segments)
