from __future__ import annotations

import dataclasses
from functools import partial

import numpy as np
import pytest

from eeg2speech_bench.core.errors import LeakageError
from eeg2speech_bench.core.presets.config import DataConfig
from eeg2speech_bench.core.segments.prepared import Prepared
from eeg2speech_bench.core.segments.recordings import Presentation, Sound, Stimulus
from eeg2speech_bench.core.segments.segment_store import SegmentStore
from eeg2speech_bench.datasets.preparation.originals import find_originals
from eeg2speech_bench.datasets.preparation.prepare import prepare
from eeg2speech_bench.datasets.preparation.sound_track import write_sounds

STORIES = [20.0, 21.0, 22.0, 20.0, 21.0, 20.0, 22.0, 20.0, 20.0, 20.0]
SETTINGS = DataConfig(sfreq=120.0)


def envelope_stimulus(name, values):
    return Stimulus(name, f"{name}.npy", len(values) / 64, lambda: Sound("envelope", values.astype(np.float32), 64.0))


@pytest.fixture
def originals(tmp_path):
    def find(**values):
        stimuli = [envelope_stimulus(name, v) for name, v in values.items()]
        return find_originals(stimuli, write_sounds(stimuli, tmp_path / "sound.npy", lambda text, share: None).sound)

    return find


@pytest.fixture
def noise():
    return np.random.default_rng(1).random


@pytest.fixture
def with_excerpts(make_dataset):
    """A data set whose second listener heard only the seconds 4 to 14 of every story, each a file of its own."""
    dataset = make_dataset(STORIES)
    again = tuple(
        Stimulus(f"again-{s.stimulus_id}", f"again {s.name}", 10.0, partial(_cut, s, 4.0, 14.0))
        for s in dataset.stimuli
    )
    heard = tuple(
        Presentation(copy.stimulus_id, p.onset_s + 4.0, 10.0)
        for copy, p in zip(again, dataset.recordings[0].presentations, strict=True)
    )
    recordings = (
        dataset.recordings[0],
        dataclasses.replace(dataset.recordings[1], presentations=heard),
    )
    return dataclasses.replace(dataset, stimuli=dataset.stimuli + again, recordings=recordings)


def _cut(stimulus, start_s, stop_s):
    sound = stimulus.load()
    return dataclasses.replace(sound, values=sound.values[round(64 * start_s) : round(64 * stop_s)])


def test_an_excerpt_is_a_stretch_of_its_original(originals, noise):
    story = noise(64 * 60)
    found = originals(story=story, part=story[64 * 11 + 3 : 64 * 31], other=noise(64 * 40))
    assert found.excerpts == {"part": ("story", 11 + 3 / 64)}
    assert [s.stimulus_id for s in found.stimuli] == ["story", "other"]
    assert found.shared == []


def test_an_excerpt_of_an_excerpt_is_a_stretch_of_the_longest(originals, noise):
    story = noise(64 * 60)
    found = originals(small=story[64 * 20 : 64 * 28], part=story[64 * 10 : 64 * 40], story=story)
    assert found.excerpts == {"part": ("story", 10.0), "small": ("story", 20.0)}


def test_what_an_excerpt_shares_with_a_third_its_original_shares(originals, noise):
    story, tail = noise(64 * 60), noise(64 * 40)
    mixed = np.concatenate([tail, story[64 * 15 : 64 * 30]])
    found = originals(story=story, part=story[64 * 10 : 64 * 40], mixed=mixed)
    assert found.excerpts == {"part": ("story", 10.0)}
    assert {(s.one, s.other) for s in found.shared} == {("story", "mixed")}
    assert {round(s.start_s - s.other_start_s) for s in found.shared} == {-25}


def test_the_evidence_names_the_stimuli_and_how_each_was_kept(originals, noise):
    story = noise(64 * 60)
    other = np.concatenate([noise(64 * 30), story[: 64 * 9], noise(64 * 30)])
    evidence = originals(story=story, part=story[64 * 20 : 64 * 50], other=other).evidence()
    listed = [(s.one, s.other, s.kept_as) for s in evidence["shared_audio"]]
    assert listed == [("story.npy", "part.npy", "one stimulus"), ("story.npy", "other.npy", "one part")]
    assert [s.duration_s for s in evidence["shared_audio"]] == pytest.approx([30, 9], abs=1.0)
    assert evidence["n_shared_audio"] == 2


def test_excerpts_that_are_heard_train_and_test_with_their_original(with_excerpts, tmp_path):
    prepare(with_excerpts, SETTINGS, tmp_path)
    store, meta = SegmentStore(tmp_path), Prepared.read(tmp_path)
    assert [s.name for s in meta.stimuli] == [f"story {k}" for k in range(len(STORIES))]
    assert len(store.sound) == sum(round(64 * s) for s in STORIES)
    assert meta.split.evidence.n_shared_audio == len(STORIES)
    windows = store.segments.groupby("subject")["window"].agg(set)
    assert windows[1] and windows[1] <= windows[0]


def test_windows_of_an_excerpt_have_the_eeg_of_the_same_moment(with_excerpts, tmp_path):
    prepare(with_excerpts, SETTINGS, tmp_path)
    store = SegmentStore(tmp_path)
    starts = [store.segments[store.segments["subject"] == k].set_index("window")["eeg_start"] for k in (0, 1)]
    n_first = store.meta.recordings[0].stop
    assert set(starts[1] - starts[0].reindex(starts[1].index)) == {n_first}


def test_listeners_of_an_excerpt_and_of_its_original_cannot_be_split(with_excerpts, tmp_path):
    one, two = with_excerpts.recordings
    recordings = tuple(
        dataclasses.replace(r, recording_id=f"{r.recording_id}{k}", subject=f"{r.subject}{k}")
        for r in (one, two)
        for k in range(3)
    )
    with pytest.raises(LeakageError, match="Split 'subject' shares"):
        dataset = dataclasses.replace(with_excerpts, recordings=recordings)
        prepare(dataset, DataConfig(sfreq=120.0, split="subject"), tmp_path)


def test_notes_on_stimuli_are_in_the_meta_data(make_dataset, tmp_path):
    dataset = make_dataset(STORIES)
    noted = dataclasses.replace(dataset.stimuli[2], notes=("channel 2 of 2 is silent and was left out",))
    stimuli = (*dataset.stimuli[:2], noted, *dataset.stimuli[3:])
    prepare(dataclasses.replace(dataset, stimuli=stimuli), SETTINGS, tmp_path)
    notes = [(n.recording, n.note) for n in Prepared.read(tmp_path).dataset.notes]
    assert notes == [("story 2", "channel 2 of 2 is silent and was left out")]
