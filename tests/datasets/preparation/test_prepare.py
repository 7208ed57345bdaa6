from __future__ import annotations

import dataclasses
from types import SimpleNamespace

import numpy as np
import psutil
import pytest

from eeg2speech_bench.core.errors import DataError, LeakageError
from eeg2speech_bench.core.machine import forks
from eeg2speech_bench.core.presets.config import DataConfig
from eeg2speech_bench.core.segments.prepared import Prepared
from eeg2speech_bench.core.segments.recordings import Presentation, Sound
from eeg2speech_bench.core.segments.segment_store import SegmentStore
from eeg2speech_bench.datasets.bids.bids_dataset import open_bids
from eeg2speech_bench.datasets.preparation.prepare import _fill_scales, _fitting_at_once, prepare

STORIES = [20.0, 21.0, 22.0, 20.0, 21.0, 20.0, 22.0, 20.0, 20.0, 20.0, 21.0]
#: the recordings in memory are at this rate already, so that values can be compared sample by sample
SETTINGS = DataConfig(sfreq=120.0)


@pytest.fixture(scope="module")
def bids_store(bids_original, tmp_path_factory):
    out = tmp_path_factory.mktemp("prepared")
    prepare(open_bids(bids_original), DataConfig(fractions=(0.5, 0.2, 0.3)), out)
    return SegmentStore(out)


@pytest.fixture
def stored(make_dataset, tmp_path):
    dataset = make_dataset(STORIES)
    prepare(dataset, SETTINGS, tmp_path / "out")
    return dataset, SegmentStore(tmp_path / "out")


def replaced(dataset, listener, change):
    """The same data set, with a listener's EEG changed in place by ``change``."""
    eeg = dataset.eeg[listener].copy()
    change(eeg._data)
    recordings = tuple(
        dataclasses.replace(r, load=eeg.copy) if r.subject == listener else r for r in dataset.recordings
    )
    return dataclasses.replace(dataset, recordings=recordings)


def bump_sample(eeg):
    """Sample at which the bump of 30 ms fits best; half a sample is rounded here, half in the store."""
    return np.argmax(np.correlate(eeg, np.exp(-0.5 * (np.arange(-12, 13) / 3.6) ** 2), mode="same"))


# Timing


def test_a_bump_at_a_stimulus_time_lands_at_the_sample_150_ms_later(bids_store):
    name_of = [s.name for s in bids_store.meta.stimuli]
    found = 0
    for row in range(len(bids_store.segments)):
        window = bids_store.windows.loc[bids_store.segments.loc[row, "window"]]
        into_s = 5.3 - window["start_s"]
        if name_of[window["stimulus"]] == "c.flac" and 0.6 < into_s < 2.8:
            eeg = bids_store.gather_eeg(np.array([row]))[0, 0]
            assert abs(bump_sample(eeg) - into_s * 120) < 1.01
            assert eeg.max() > 5
            found += 1
    assert found >= 2


def test_without_shift_the_bump_is_where_the_recording_has_it(bids_original, tmp_path):
    prepare(open_bids(bids_original), DataConfig(fractions=(0.5, 0.2, 0.3), shift_s=0.0), tmp_path)
    store = SegmentStore(tmp_path)
    names = [s.name for s in store.meta.stimuli]
    rows = [
        (row, 5.45 - store.windows.loc[w, "start_s"])
        for row, w in enumerate(store.segments["window"])
        if names[store.windows.loc[w, "stimulus"]] == "c.flac" and 0.6 < 5.45 - store.windows.loc[w, "start_s"] < 2.8
    ]
    assert rows
    for row, into_s in rows:
        assert abs(bump_sample(store.gather_eeg(np.array([row]))[0, 0]) - into_s * 120) < 1.01


def test_words_lie_whole_within_a_stretch_of_their_own_split(stored, bids_store):
    _, store = stored
    assert set(bids_store.words["text"]) <= {"down", "the", "hole"}
    assert list(store.words.columns) == ["stimulus", "start_s", "stop_s", "text", "sentence", "split"]
    assert len(store.words) > 0 and (store.words["sentence"] == -1).all()
    for word in store.words.itertuples():
        inside = (store.zones["stimulus"] == word.stimulus) & (store.zones["split"] == word.split)
        inside &= (store.zones["start_s"] <= word.start_s) & (word.stop_s <= store.zones["stop_s"])
        assert inside.any()


def test_the_sound_of_a_window_is_the_stimulus_at_that_time(stored):
    dataset, store = stored
    sounds = [s.load().values for s in dataset.stimuli]
    for k in (0, len(store.windows) // 2, len(store.windows) - 1):
        window = store.windows.loc[k]
        first = round(window["start_s"] * 64)
        np.testing.assert_array_equal(store.gather_sound(np.array([k]))[0], sounds[window["stimulus"]][first:][:184])


def test_a_presentation_from_within_a_stimulus_is_aligned(make_dataset, tmp_path):
    dataset = make_dataset(STORIES, listeners=1)
    first, *others = dataset.recordings[0].presentations
    late = Presentation(first.stimulus_id, first.onset_s + 5.0, first.duration_s - 5.0, start_s=5.0)
    changed = dataclasses.replace(dataset.recordings[0], presentations=(late, *others))
    for name, recording in (("whole", dataset.recordings[0]), ("late", changed)):
        prepare(dataclasses.replace(dataset, recordings=(recording,)), SETTINGS, tmp_path / name)
    tables = [SegmentStore(tmp_path / name) for name in ("whole", "late")]
    starts = [
        dict(zip(t.windows.loc[t.segments["window"], "sound_start"], t.segments["eeg_start"], strict=True))
        for t in tables
    ]
    assert len(starts[1]) < len(starts[0])
    assert all(starts[0][key] == start for key, start in starts[1].items())


# Scaling


def test_gathered_eeg_is_baseline_corrected_scaled_and_clamped(stored):
    dataset, store = stored
    segments = store.segments
    listener = segments["recording"] == 1
    own = dataset.eeg["L1"].get_data().T * 1e6
    offset = dataset.eeg["L0"].n_times
    starts = segments.loc[listener & (segments["split"] == "train"), "eeg_start"].to_numpy() - offset
    windows = np.stack([own[s : s + 346] for s in starts])
    windows = windows - windows[:, :60].mean(1, keepdims=True)
    few = windows[np.unique(np.linspace(0, len(windows) - 1, 200).round().astype(int))]
    quartiles = np.quantile(few.reshape(-1, 8), [0.25, 0.75], axis=0)
    np.testing.assert_allclose(store.scale[1], quartiles[1] - quartiles[0], rtol=1e-5)
    row = int(np.flatnonzero(listener)[7])
    start = segments.loc[row, "eeg_start"] - offset
    expected = own[start : start + 346] - own[start : start + 60].mean(0)
    expected = np.clip(expected / (quartiles[1] - quartiles[0]), -20, 20).T
    np.testing.assert_allclose(store.gather_eeg(np.array([row]))[0], expected, atol=1e-4)


def test_the_scale_does_not_see_validation_and_test_windows(stored, tmp_path):
    dataset, store = stored
    unseen = np.ones(dataset.eeg["L0"].n_times, dtype=bool)
    train = store.segments[(store.segments["recording"] == 0) & (store.segments["split"] == "train")]
    unseen[train["eeg_start"].to_numpy()[:, None] + np.arange(346)] = False

    def louder(data):
        data[:, unseen] *= 50

    prepare(replaced(dataset, "L0", louder), SETTINGS, tmp_path / "louder")
    np.testing.assert_array_equal(SegmentStore(tmp_path / "louder").scale, store.scale)


def test_a_channel_without_variation_in_training_windows_is_refused(make_dataset, tmp_path):
    def silence(data):
        data[3, 100:] = 0

    dataset = replaced(make_dataset(STORIES), "L1", silence)
    with pytest.raises(DataError, match=r"Channel 'Oz' of L1\.vhdr does not vary in the training windows"):
        prepare(dataset, SETTINGS, tmp_path)


def test_a_recording_of_test_stories_only_takes_its_listeners_other_scale(make_dataset, tmp_path):
    dataset = make_dataset(STORIES)
    one = dataset.recordings[0]
    runs = tuple(
        dataclasses.replace(one, recording_id=f"run-{i}", presentations=(p,)) for i, p in enumerate(one.presentations)
    )
    prepare(dataclasses.replace(dataset, recordings=(*runs, dataset.recordings[1])), SETTINGS, tmp_path)
    store, origins = SegmentStore(tmp_path), [r.scale_from for r in Prepared.read(tmp_path).recordings]
    own = [i for i, origin in enumerate(origins[:-1]) if origin == "recording"]
    assert set(origins) == {"recording", "subject"}
    borrowed = origins.index("subject")
    np.testing.assert_allclose(store.scale[borrowed], np.median(store.scale[own], axis=0), rtol=1e-6)


def test_a_scale_is_of_the_recording_else_of_its_listener_else_of_all():
    of_recordings = [np.array([1.0]), np.array([3.0]), np.array([8.0]), None, None]
    scales, origins = _fill_scales(of_recordings, ["L0", "L0", "L1", "L0", "L2"])
    assert origins == ["recording", "recording", "recording", "subject", "all"]
    np.testing.assert_allclose(scales[:, 0], [1.0, 3.0, 8.0, 2.0, 3.0])


# Windows


def test_every_window_lies_within_one_zone_of_its_split(stored):
    _, store = stored
    for window in store.windows.itertuples():
        zones = store.zones[(store.zones["stimulus"] == window.stimulus) & (store.zones["split"] == window.split)]
        assert ((zones["start_s"] <= window.start_s) & (window.start_s + 2.88 <= zones["stop_s"] + 1e-6)).any()


def test_training_windows_step_by_the_stride_and_test_windows_do_not_overlap(stored):
    _, store = stored
    for split, step_s in (("train", 0.5), ("valid", 2.88), ("test", 2.88)):
        own = store.windows[store.windows["split"] == split]
        np.testing.assert_allclose(own.groupby("stimulus")["start_s"].diff().dropna(), step_s)


def test_listeners_share_windows_but_not_segments(stored):
    _, store = stored
    by_listener = [set(store.segments.loc[store.segments["subject"] == k, "window"]) for k in (0, 1)]
    assert by_listener[0] == by_listener[1] == set(range(len(store.windows)))
    assert not store.segments.duplicated(["recording", "eeg_start"]).any()


def test_the_split_is_the_same_for_listeners_in_another_order(bids_store):
    table = bids_store.segments.merge(bids_store.windows, left_on="window", right_index=True, suffixes=("", "_window"))
    assert (table["split"] == table["split_window"]).all()
    assert table.groupby("split")["subject"].nunique().tolist() == [2, 2, 2]


def test_text_holds_the_words_whose_middle_is_in_the_window(bids_store):
    stimulus = [s.name for s in bids_store.meta.stimuli].index("c.flac")
    for window in bids_store.windows[bids_store.windows["stimulus"] == stimulus].itertuples():
        words = {"down": 5.2, "the": 5.6, "hole": 9.5}
        expected = [w for w, middle in words.items() if window.start_s <= middle < window.start_s + 2.88]
        assert window.text == " ".join(expected)


# The folder


def test_the_folder_keeps_every_sample_of_every_recording(stored):
    dataset, store = stored
    both = np.concatenate([raw.get_data().T for raw in dataset.eeg.values()]) * 1e6
    assert store.eeg.dtype == np.float32
    np.testing.assert_allclose(store.eeg, both, rtol=1e-5, atol=1e-4)
    assert store.sound.shape == (sum(round(s * 64) for s in STORIES),)


def test_the_meta_data_say_which_rows_are_whose_recording(stored):
    dataset, store = stored
    n = dataset.eeg["L0"].n_times
    bounds = [(r.recording_id, r.start, r.stop) for r in store.meta.recordings]
    assert bounds == [("rec-L0", 0, n), ("rec-L1", n, 2 * n)]


def test_the_meta_data_name_signal_subjects_split_and_counts(stored):
    _, store = stored
    meta = store.meta
    assert (store.signal.n_chans, store.signal.n_times, store.signal.n_subjects) == (8, 346, 2)
    assert store.signal.has_positions
    assert meta.split.evidence.shared_s == {"train-valid": 0.0, "train-test": 0.0, "valid-test": 0.0}
    assert meta.split.evidence.eeg_gap_s >= 0
    assert meta.n_segments["test"] == len(store.indices("test"))
    assert meta.has_transcripts is True


def test_two_preparations_are_the_same_byte_for_byte(make_dataset, tmp_path):
    for name in ("one", "two"):
        prepare(make_dataset(STORIES), SETTINGS, tmp_path / name)
    for path in (tmp_path / "one").iterdir():
        assert path.read_bytes() == (tmp_path / "two" / path.name).read_bytes()


def test_skipped_recordings_are_kept_in_the_meta_data(make_dataset, tmp_path, read_meta):
    dataset = make_dataset(STORIES)
    dataset.skipped = (("rec-9", "no events.tsv"),)
    prepare(dataset, SETTINGS, tmp_path)
    assert read_meta(tmp_path)["dataset"]["skipped"] == [{"recording": "rec-9", "reason": "no events.tsv"}]


def test_progress_ends_at_one(make_dataset, tmp_path):
    shares = []
    prepare(make_dataset(STORIES), SETTINGS, tmp_path, lambda text, share: shares.append(share))
    assert shares == sorted(shares)
    assert shares[-1] == 1.0


# Data sets that cannot be prepared


def test_channels_in_another_order_are_put_in_the_first_recordings_order(make_dataset, tmp_path):
    dataset = make_dataset(STORIES)
    raw = dataset.eeg["L1"].copy().reorder_channels(dataset.eeg["L1"].ch_names[::-1])
    mixed = (dataset.recordings[0], dataclasses.replace(dataset.recordings[1], load=raw.copy))
    prepare(dataset, SETTINGS, tmp_path / "plain")
    prepare(dataclasses.replace(dataset, recordings=mixed), SETTINGS, tmp_path / "mixed")
    np.testing.assert_array_equal(SegmentStore(tmp_path / "plain").eeg, SegmentStore(tmp_path / "mixed").eeg)


def test_other_channels_are_refused(make_dataset, tmp_path):
    dataset = make_dataset(STORIES)
    raw = dataset.eeg["L1"].copy().drop_channels(["Pz"])
    fewer = (dataset.recordings[0], dataclasses.replace(dataset.recordings[1], load=raw.copy))
    with pytest.raises(DataError, match=r"L1\.vhdr has other channels .*missing \['Pz'\], extra \[\]"):
        prepare(dataclasses.replace(dataset, recordings=fewer), SETTINGS, tmp_path)


def test_sounds_of_two_kinds_are_refused(make_dataset, tmp_path):
    dataset = make_dataset(STORIES)
    wave = Sound("waveform", np.zeros(round(STORIES[1] * 16000), np.float32), 16000.0)
    stimuli = (dataset.stimuli[0], dataclasses.replace(dataset.stimuli[1], load=lambda: wave), *dataset.stimuli[2:])
    with pytest.raises(DataError, match=r"'story 1' is of another kind .*got waveform at 16000 Hz, expected envelope"):
        prepare(dataclasses.replace(dataset, stimuli=stimuli), SETTINGS, tmp_path)


def test_a_sound_shorter_than_declared_is_refused(make_dataset, tmp_path):
    dataset = make_dataset(STORIES)
    stimuli = (dataclasses.replace(dataset.stimuli[0], duration_s=25.0), *dataset.stimuli[1:])
    with pytest.raises(DataError, match=r"'story 0' has another length than it declares: got 20\.000 s, expected 25"):
        prepare(dataclasses.replace(dataset, stimuli=stimuli), SETTINGS, tmp_path)


def test_a_split_that_no_recording_covers_is_refused(make_dataset, tmp_path):
    dataset = make_dataset([40.0], listeners=1)
    p = dataset.recordings[0].presentations[0]
    heard = (Presentation(p.stimulus_id, p.onset_s, 18.0), Presentation(p.stimulus_id, p.onset_s + 30.0, 10.0, 30.0))
    part = dataclasses.replace(dataset.recordings[0], presentations=heard)
    with pytest.raises(DataError, match=r"A split has no segment: got train: \d+, valid: 0, test: \d+"):
        settings = DataConfig(fractions=(0.5, 0.2, 0.3))
        prepare(dataclasses.replace(dataset, recordings=(part,)), settings, tmp_path)


def test_stimuli_that_sound_at_once_share_eeg_and_are_refused(make_dataset, tmp_path):
    dataset = make_dataset(STORIES, listeners=1)
    one = dataset.recordings[0]
    at_once = tuple(dataclasses.replace(p, onset_s=1.0) for p in one.presentations)
    with pytest.raises(LeakageError, match="Windows of different splits share recorded samples"):
        recordings = (dataclasses.replace(one, presentations=at_once),)
        prepare(dataclasses.replace(dataset, recordings=recordings), SETTINGS, tmp_path)


def test_listeners_of_the_same_stories_cannot_be_the_split(make_dataset, tmp_path):
    with pytest.raises(LeakageError, match=r"Split 'subject' shares"):
        prepare(make_dataset(STORIES, listeners=4), DataConfig(split="subject"), tmp_path)


# Recordings side by side


def test_recordings_read_side_by_side_are_those_read_in_turn(make_dataset, tmp_path, monkeypatch):
    for name, cores in (("in-turn", 1), ("side-by-side", 2)):
        monkeypatch.setattr(forks, "count_cores", lambda cores=cores: cores)
        prepare(make_dataset(STORIES), SETTINGS, tmp_path / name)
    files = sorted(path.name for path in (tmp_path / "in-turn").iterdir())
    assert "eeg.npy" in files and "scale.npy" in files
    for file in files:
        assert (tmp_path / "side-by-side" / file).read_bytes() == (tmp_path / "in-turn" / file).read_bytes(), file


@pytest.mark.parametrize(("n_fit", "n"), [(0.5, 1), (1, 1), (20, 20)])
def test_as_many_recordings_are_read_at_once_as_fit_into_half_of_the_free_memory(make_dataset, monkeypatch, n_fit, n):
    recording = make_dataset(STORIES).recordings[0]
    raw = recording.load()
    of_one = 3 * 8 * raw.n_times * len(raw.ch_names)
    monkeypatch.setattr(psutil, "virtual_memory", lambda: SimpleNamespace(available=round(2 * n_fit * of_one)))
    assert _fitting_at_once(recording) == n
