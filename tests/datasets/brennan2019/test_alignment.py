"""From each container to prepared windows, what was planted in the EEG meets its sound within a millisecond."""

from __future__ import annotations

from collections import defaultdict

import numpy as np
import pytest

from eeg2speech_bench.core.presets.config import DataConfig
from eeg2speech_bench.core.segments.segment_store import SegmentStore
from eeg2speech_bench.datasets.brennan2019.options import Options
from eeg2speech_bench.datasets.preparation.prepare import prepare

#: windows begin at samples: at this rate and at odd times, that moves them by 1 ms at most, and in both directions
SETTINGS = DataConfig(sfreq=500.0, stride_s=1.9377)


def bump_s(values, near_s):
    """Seconds of the middle of a bump near a time."""
    time = np.arange(len(values)) / SETTINGS.sfreq
    near = np.abs(time - near_s) < 0.06
    weights = np.clip(values[near] - np.median(values), 0.0, None) ** 2
    return float(np.sum(weights * time[near]) / weights.sum())


def measured(store, plants):
    """Return by listener how many seconds later bumps are in their windows than the clicks in the sound of these."""
    late_s = defaultdict(list)
    numbers = {s.name.removesuffix(".wav")[-1]: i for i, s in enumerate(store.meta.stimuli)}
    inside_s = defaultdict(list)
    for plant in (p for p in plants if p.listener in store.meta.subjects):
        inside_s[numbers[str(plant.segment)]].append((plant.listener, plant.inside_s))
    for row, segment in store.segments.iterrows():
        window, listener = store.windows.iloc[segment["window"]], store.meta.subjects[segment["subject"]]
        for heard_by, at_s in inside_s[window["stimulus"]]:
            place_s = at_s - window["start_s"]
            if heard_by != listener or not 0.2 < place_s < store.window_s - 0.2:
                continue
            first = int(window["sound_start"]) + round((place_s - 0.01) * store.sound_rate_hz)
            sound = np.abs(store.sound[first : first + round(0.02 * store.sound_rate_hz)])
            click_s = place_s - 0.01 + int(np.argmax(sound)) / store.sound_rate_hz
            eeg = store.gather_eeg(np.array([row]))[0, 0]
            late_s[listener].append(bump_s(eeg, click_s) - click_s)
    return {listener: np.array(values) for listener, values in late_s.items()}


@pytest.mark.parametrize(("kind", "listeners"), [("v1", "26"), ("v2", "1+26"), ("nm000180", "1")])
def test_eeg_and_sound_meet_within_a_millisecond(kind, listeners, opened, alice, tmp_path):
    options = Options(listeners=listeners)
    prepare(opened(kind, options), SETTINGS, tmp_path)
    late_s = measured(SegmentStore(tmp_path), alice.plants)
    assert tuple(late_s) == options.chosen
    for values in late_s.values():
        assert len(values) > 40
        assert abs(values.mean()) < 0.5e-3
        assert np.quantile(np.abs(values), 0.95) < 2.5e-3  # a word, and a window, lie on the grid of 2 ms


@pytest.mark.parametrize("kind", ["v1", "v2", "nm000180"])
@pytest.mark.slow
def test_the_command_of_its_page_runs_to_a_record(kind, releases, typed):
    ran = typed(f"brennan2019:{releases(kind)}")
    assert ran.record.dataset.name == "brennan2019"
