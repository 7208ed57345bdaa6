"""Plants a bump in recordings, and measures how far from its time it is found after preparation."""

from __future__ import annotations

import numpy as np

from eeg2speech_bench.core.presets.config import DataConfig
from eeg2speech_bench.core.segments.recordings import Recording
from eeg2speech_bench.datasets.preparation.preprocessing import load_eeg

#: seconds: the width of a bump, and how far around its time it is looked for
WIDTH_S, AROUND_S = 0.02, 0.1


def bump(times_s: np.ndarray, centre_s: float) -> np.ndarray:
    """Return a bump of height 1."""
    return np.exp(-0.5 * ((times_s - centre_s) / WIDTH_S) ** 2)


def error_s(recording: Recording, stimulus_id: str, inside_s: float, settings: DataConfig, channel: int = 0) -> float:
    """Return how much later than the time ``inside_s`` of a stimulus, as presentations place it, a bump is found."""
    loaded = load_eeg(recording, settings)
    (heard,) = (
        p
        for p in loaded.presentations
        if p.stimulus_id == stimulus_id and p.start_s <= inside_s <= p.start_s + p.duration_s
    )
    expected_s = heard.onset_s + heard.clock_ratio * (inside_s - heard.start_s)
    times_s = np.arange(len(loaded.eeg)) / settings.sfreq
    near = np.abs(times_s - expected_s) < AROUND_S
    height = np.clip(loaded.eeg[near, channel], 0, None) ** 2
    return float(np.sum(times_s[near] * height) / np.sum(height)) - expected_s
