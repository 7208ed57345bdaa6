"""Recordings are written in parts and side by side, and a preparation that was killed goes on."""

from __future__ import annotations

import dataclasses
import multiprocessing
import os
import signal
from collections import Counter
from functools import partial
from itertools import count

import mne
import numpy as np
import pytest

from eeg2speech_bench.core.errors import DataError
from eeg2speech_bench.core.machine import forks
from eeg2speech_bench.core.presets.config import DataConfig
from eeg2speech_bench.core.segments.recordings import Recording
from eeg2speech_bench.core.stages.checkpoints import StageCheckpoints
from eeg2speech_bench.datasets.preparation import preprocessing
from eeg2speech_bench.datasets.preparation.cut_markers import find_cuts
from eeg2speech_bench.datasets.preparation.prepare import prepare
from eeg2speech_bench.datasets.preparation.preprocessing import StreamedEeg, load_eeg
from eeg2speech_bench.datasets.preparation.recording_parts import RecordingParts

STORIES = [20.0, 21.0, 22.0, 20.0, 21.0, 20.0, 22.0, 20.0, 20.0, 20.0, 21.0]
SETTINGS = DataConfig(sfreq=120.0)
NAMES = ["Fz", "Cz", "Pz", "Oz"]
#: values of a part: recordings of 239 s of 8 channels at 120 Hz have three
PART_VALUES = 80_000


def noise(sfreq: float, seconds: float) -> mne.io.RawArray:
    rng = np.random.default_rng(0)
    eeg = 5e-3 + 1e-5 * rng.standard_normal((len(NAMES), round(seconds * sfreq)))
    return mne.io.RawArray(eeg, mne.create_info(NAMES, sfreq, "eeg"), verbose="ERROR")


def recording_of(raw: mne.io.BaseRaw) -> Recording:
    return Recording("r", "01", "a/r.vhdr", (), raw.copy)


def loads_counted(dataset, loaded: Counter):
    """The same data set, whose recordings name their channels and are counted when they are opened."""

    def load(recording: Recording) -> mne.io.BaseRaw:
        loaded[recording.recording_id] += 1
        return recording.load()

    names = tuple(dataset.eeg["L0"].ch_names)
    recordings = [dataclasses.replace(r, load=partial(load, r), channels=names) for r in dataset.recordings]
    return dataclasses.replace(dataset, recordings=tuple(recordings))


# Parts


@pytest.mark.parametrize(
    ("sfreq", "settings"),
    [
        (500.0, DataConfig()),
        (499.83, DataConfig()),
        (120.0, DataConfig()),
        (250.0, DataConfig(highpass_hz=1.0)),
        (250.0, DataConfig(highpass_hz=8.0, lowpass_hz=10.0)),
    ],
)
def test_a_recording_that_is_read_in_parts_has_no_seam(sfreq, settings, monkeypatch):
    raw = noise(sfreq, 60)
    raw._data[:, round(35.1 * sfreq) :] += 2e-3
    raw.set_annotations(mne.Annotations([35.1], [0.0], ["EDGE boundary"]))
    whole = load_eeg(recording_of(raw), settings).eeg
    monkeypatch.setattr(preprocessing, "PART_VALUES", 8_000)
    parts = list(StreamedEeg(recording_of(raw), settings).rows())
    assert len(parts) > 2
    np.testing.assert_allclose(np.concatenate(parts), whole, rtol=3e-7, atol=5e-5)


def test_a_longer_recording_has_more_parts_and_no_larger_ones():
    sizes = {}
    for seconds in (60, 240):
        raw = noise(250.0, seconds)
        parts = RecordingParts(raw, find_cuts(raw), DataConfig()).in_order(20_000)
        sizes[seconds] = [part.data.size for part in parts]
    assert max(sizes[240]) == max(sizes[60]) < 1.2 * 20_000
    assert len(sizes[240]) == 4 * len(sizes[60])


def test_a_channel_that_dies_in_a_late_part_is_still_found_not_to_be_finite(monkeypatch):
    raw = noise(250.0, 60)
    raw._data[1, -3] = np.nan
    monkeypatch.setattr(preprocessing, "PART_VALUES", 8_000)
    with pytest.raises(DataError, match=r"first in channel 'Cz' at 59\.988 s"):
        load_eeg(recording_of(raw), DataConfig())


# Going on


@pytest.fixture
def killed(make_dataset, tmp_path, monkeypatch):
    """What a preparation has left that was killed in the third of four recordings, and the data set."""
    monkeypatch.setattr(forks, "count_cores", lambda: 1)
    monkeypatch.setattr(preprocessing, "PART_VALUES", PART_VALUES)
    dataset = make_dataset(STORIES, listeners=4)
    checkpoints = StageCheckpoints(tmp_path / "kept", {"name": "prepare", "key": "k"}, lambda line: None)
    clean, part = preprocessing.clean, count(1)

    def clean_until_killed(*arguments):
        if next(part) == 2 * 3 + 2:
            os.kill(os.getpid(), signal.SIGKILL)
        return clean(*arguments)

    with monkeypatch.context() as patch:
        patch.setattr(preprocessing, "clean", clean_until_killed)
        arguments = (dataset, SETTINGS, tmp_path / "half", None, checkpoints)
        process = multiprocessing.get_context("fork").Process(target=prepare, args=arguments)
        process.start()
        process.join()
    assert process.exitcode == -signal.SIGKILL
    return dataset, tmp_path / "kept"


def go_on(dataset, kept, out) -> tuple[list[str], Counter]:
    lines: list[str] = []
    loaded: Counter = Counter()
    checkpoints = StageCheckpoints(kept, {"name": "prepare", "key": "k"}, lines.append)
    prepare(loads_counted(dataset, loaded), SETTINGS, out, None, checkpoints)
    return lines, loaded


def test_a_preparation_that_was_killed_ends_with_the_same_files_and_reads_no_recording_twice(killed, tmp_path):
    dataset, kept = killed
    lines, loaded = go_on(dataset, kept, tmp_path / "out")
    assert lines == ["Stage prepare: EEG goes on from recording 3."]
    # the first is opened to see how large it is
    assert loaded == {"rec-L0": 1, "rec-L2": 1, "rec-L3": 1}
    prepare(dataset, SETTINGS, tmp_path / "whole")
    files = sorted(path.name for path in (tmp_path / "whole").iterdir())
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == files
    for file in files:
        assert (tmp_path / "out" / file).read_bytes() == (tmp_path / "whole" / file).read_bytes(), file


def test_rows_that_were_damaged_meanwhile_are_written_again(killed, tmp_path):
    dataset, kept = killed
    with (kept / "eeg.npy").open("r+b") as file:
        file.seek(5_000)
        file.write(b"\xff" * 8)
    _, loaded = go_on(dataset, kept, tmp_path / "out")
    assert loaded == {"rec-L0": 2, "rec-L2": 1, "rec-L3": 1}
    eeg = np.load(tmp_path / "out" / "eeg.npy")
    raw = dataset.eeg["L0"]
    np.testing.assert_allclose(eeg[: raw.n_times], 1e6 * raw.get_data().T, rtol=1e-5, atol=1e-4)


def test_files_stay_apart_where_the_disk_gives_a_file_one_name(make_dataset, tmp_path, monkeypatch):
    def refuse(*paths):
        raise OSError("Operation not supported")

    monkeypatch.setattr(os, "link", refuse)
    prepare(make_dataset(STORIES), SETTINGS, tmp_path)
    assert not [path for path in tmp_path.iterdir() if path.name.startswith(".")]
    assert np.load(tmp_path / "eeg.npy").shape[1] == 8
