"""Plants bumps in sounds and in EEG at known times, and measures where a loader puts them."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np

from eeg2speech_bench.core.presets.config import DataConfig
from eeg2speech_bench.core.segments.recordings import SpeechDataset
from eeg2speech_bench.core.segments.segment_store import SegmentStore
from eeg2speech_bench.datasets.preparation.prepare import prepare

#: seconds from a sound to the EEG that answers it, as much as windows are shifted, and the width of a bump
LATER_S, WIDTH_S = 0.15, 0.02
#: seconds between windows: at 64 and 128 Hz, five of them begin evenly between two samples
STRIDE_S = 1.925


def bumps(n_samples: int, sfreq: float, centres_s: Iterable[float], height: float = 1.0) -> np.ndarray:
    """Add up bumps at times that need not be samples."""
    times = np.arange(n_samples) / sfreq
    return height * sum(np.exp(-0.5 * ((times - centre_s) / WIDTH_S) ** 2) for centre_s in centres_s)


def centre_s(values: np.ndarray, sfreq: float, near_s: float) -> float:
    """Return the middle of the bump near a time."""
    first = max(0, round((near_s - 0.07) * sfreq))
    part = values[first : round((near_s + 0.07) * sfreq) + 1]
    weights = np.clip(part - np.median(values), 0.0, None) ** 2
    return float((first + np.sum(weights * np.arange(len(part))) / weights.sum()) / sfreq)


def late_in_recordings_s(dataset: SpeechDataset, planted_s: dict[str, Iterable[float]]) -> np.ndarray:
    """Return how many seconds later than `LATER_S` the first channel answers what is planted in each stimulus."""
    names = {stimulus.stimulus_id: stimulus.name for stimulus in dataset.stimuli}
    late = []
    for recording in dataset.recordings:
        raw = recording.load()
        values, sfreq = raw.get_data(picks=[0])[0], raw.info["sfreq"]
        for p in recording.presentations:
            for inside_s in planted_s[names[p.stimulus_id]]:
                if p.start_s <= inside_s < p.start_s + p.duration_s - LATER_S - 5 * WIDTH_S:
                    due_s = p.onset_s + (inside_s - p.start_s) * p.clock_ratio + LATER_S
                    late.append(centre_s(values, sfreq, due_s) - due_s)
    return np.array(late)


def prepared(dataset: SpeechDataset, out: Path, sfreq: float, **settings: Any) -> SegmentStore:
    """Prepare a data set in windows whose starts lie anywhere between the samples of EEG and sound."""
    prepare(dataset, DataConfig(sfreq=sfreq, stride_s=STRIDE_S, **settings), out)
    return SegmentStore(out)


def late_in_windows_s(store: SegmentStore, planted_s: dict[str, Iterable[float]]) -> np.ndarray:
    """Return how many seconds later the EEG of windows has what is planted in their sound."""
    late = []
    rate_hz = store.sound_rate_hz
    for row, segment in store.segments.iterrows():
        window = store.windows.iloc[segment["window"]]
        for inside_s in planted_s[store.meta.stimuli[window["stimulus"]].name]:
            place_s = inside_s - window["start_s"]
            if 0.2 < place_s < store.window_s - 0.2:
                first = int(window["sound_start"])
                sound = np.abs(store.sound[first : first + round(store.window_s * rate_hz)]).astype(float)
                heard_s = centre_s(sound, rate_hz, place_s)
                eeg = store.gather_eeg(np.array([row]))[0, 0]
                late.append(centre_s(eeg, store.meta.signal.sfreq, heard_s) - heard_s)
    return np.array(late)
