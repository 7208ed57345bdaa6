from __future__ import annotations

import dataclasses

import mne
import numpy as np
import pytest

from eeg2speech_bench.core.errors import DataError
from eeg2speech_bench.core.presets.config import DataConfig
from eeg2speech_bench.core.segments.segment_store import SegmentStore
from eeg2speech_bench.datasets.preparation.channel_sets import with_equal_channels
from eeg2speech_bench.datasets.preparation.prepare import prepare

CAP = ["Fz", "Cz", "Pz", "Oz", "F3", "F4", "T7", "T8", "C3", "C4", "P3", "P4"]
COMMON, INTERPOLATE = DataConfig(sfreq=120.0), DataConfig(sfreq=120.0, channels="interpolate")
STORIES = [20.0, 21.0, 22.0, 20.0, 21.0, 20.0, 22.0, 20.0, 20.0, 20.0, 21.0]


def smooth_raw(n_times):
    """EEG that changes slowly over the head, so that neighbours tell what an electrode would record."""
    info = mne.create_info(CAP, 120.0, "eeg")
    raw = mne.io.RawArray(np.zeros((len(CAP), n_times)), info, verbose="ERROR").set_montage("colin27_1005")
    sources = np.random.default_rng(0).standard_normal((3, n_times))
    places = np.array([c["loc"][:3] for c in raw.info["chs"]])
    raw._data[:] = 1e-4 * places @ sources
    return raw


@pytest.fixture
def heard_by(make_dataset):
    """A data set whose two recordings hold these channels."""

    def make(*channels):
        dataset = make_dataset(STORIES)
        raws = [smooth_raw(dataset.eeg["L0"].n_times).pick(list(names)) for names in channels]
        recordings = [dataclasses.replace(r, load=raw.copy) for r, raw in zip(dataset.recordings, raws, strict=True)]
        return dataclasses.replace(dataset, recordings=tuple(recordings))

    return make


def loaded(recordings):
    return [r.load().load_data() for r in recordings]


def test_channels_that_not_all_recordings_have_are_left_out_and_said(heard_by):
    dataset = heard_by(CAP[:11], CAP[1:])
    recordings = with_equal_channels(dataset.recordings, COMMON)
    assert [raw.ch_names for raw in loaded(recordings)] == [CAP[1:11]] * 2
    assert recordings[0].notes == ("left out, since not every recording has them: Fz",)
    assert recordings[1].notes == ("left out, since not every recording has them: P4",)


def test_common_channels_are_in_the_order_of_the_first_recording(heard_by):
    dataset = heard_by(CAP, CAP[::-1])
    recordings = with_equal_channels(dataset.recordings, COMMON)
    np.testing.assert_array_equal(*[raw.get_data() for raw in loaded(recordings)])
    assert [r.notes for r in recordings] == [(), ()]


@pytest.mark.parametrize("channels", [(CAP[:8], CAP[1:8]), (CAP[:5], CAP[:4])])
def test_fewer_than_eight_common_channels_are_refused_by_name(heard_by, channels):
    with pytest.raises(DataError, match=r"L1\.vhdr has other channels .*expected 8 common channels"):
        with_equal_channels(heard_by(*channels).recordings, COMMON)


def test_fewer_than_half_of_a_recordings_channels_are_refused(make_dataset):
    dataset = make_dataset(STORIES)
    first, second = dataset.recordings
    names = [f"E{k}" for k in range(1, 40)]
    recordings = [dataclasses.replace(first, channels=tuple(names[:10])), dataclasses.replace(second, channels=names)]
    with pytest.raises(DataError, match=r"L1\.vhdr has other channels .*got 39 channels, missing \[\], extra"):
        with_equal_channels(recordings, COMMON)


def test_seven_channels_are_enough_where_all_recordings_have_them(heard_by):
    dataset = heard_by(CAP[:7], CAP[:7])
    assert [r.notes for r in with_equal_channels(dataset.recordings, COMMON)] == [(), ()]


def test_lacking_channels_are_interpolated_when_asked_and_said(heard_by, tmp_path):
    dataset = heard_by(CAP, [name for name in CAP if name != "Cz"])
    prepare(dataset, INTERPOLATE, tmp_path)
    store = SegmentStore(tmp_path)
    first, second = (np.asarray(store.eeg[r.start : r.stop, CAP.index("Cz")]) for r in store.meta.recordings)
    assert [c["ch_name"] for c in store.meta.signal.chs_info] == CAP
    assert np.corrcoef(first, second)[0, 1] > 0.9
    assert [note.note for note in store.meta.dataset.notes] == ["interpolated, since the recording lacks them: Cz"]


def test_too_few_channels_to_interpolate_from_are_refused(heard_by):
    with pytest.raises(DataError, match=r"at least half of all 12 channels in each to interpolate from"):
        with_equal_channels(heard_by(CAP, CAP[:5]).recordings, INTERPOLATE)


def test_prepared_eeg_holds_the_common_channels_of_all_recordings(heard_by, tmp_path):
    prepare(heard_by(CAP, CAP[:9]), COMMON, tmp_path)
    store = SegmentStore(tmp_path)
    assert store.eeg.shape[1] == store.meta.signal.n_chans == 9
    assert [c["ch_name"] for c in store.meta.signal.chs_info] == CAP[:9]


def test_recordings_that_say_their_channels_are_not_opened_for_them(make_dataset):
    def never():
        raise AssertionError("opened")

    recordings = [dataclasses.replace(r, channels=tuple(CAP), load=never) for r in make_dataset(STORIES).recordings]
    assert len(with_equal_channels(recordings, COMMON)) == 2


def test_channels_that_a_recording_does_not_hold_after_all_are_named(heard_by):
    first, second = heard_by(CAP, CAP[:9]).recordings
    with pytest.raises(DataError, match=r"L1\.vhdr lacks channels that it was said to have: .*also C4, P3, P4"):
        loaded(with_equal_channels([first, dataclasses.replace(second, channels=tuple(CAP))], COMMON))


def test_a_recording_that_cannot_be_opened_is_named(make_dataset):
    def broken():
        raise OSError("no such disk")

    recordings = [dataclasses.replace(r, load=broken) for r in make_dataset(STORIES).recordings]
    with pytest.raises(DataError, match=r"L0\.vhdr cannot be read: got OSError: no such disk"):
        with_equal_channels(recordings, COMMON)
