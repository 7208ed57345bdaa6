"""The attention corpus of KU Leuven: MATLAB's cells of trials beside the sounds of both talkers."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.io
import soundfile
from planted import LATER_S, bumps, late_in_recordings_s, late_in_windows_s, prepared

from eeg2speech_bench.core.errors import DataError
from eeg2speech_bench.datasets.kul import open_kul

SFREQ, RATE_HZ = 128, 8000
#: seconds of the parts, by which the EEG ends before its sound, and of a repetition
PARTS_S, SHORTER_S, REPEATED_S = 15.0, 0.5, 8.0
#: seconds into each track at which it clicks; the tracks of a part do not click together
CLICKS_S = {1: np.arange(1.337, 14, 1.7113), 2: np.arange(2.1, 14, 1.7113)}


def trial(number, part, attended, ear, condition="dry", repetition=False):
    """Make a trial in which an ear heard the attended track; the file names are those of what was played."""
    prefix, seconds = ("rep_", REPEATED_S) if repetition else ("", PARTS_S - SHORTER_S)
    n = round(seconds * SFREQ)
    eeg = np.random.default_rng(number).standard_normal((n, 64))
    eeg[:, 0] = 0.1 * eeg[:, 0] + bumps(n, SFREQ, CLICKS_S[attended] + LATER_S, 40.0)
    tracks = (attended, 3 - attended) if ear == "L" else (3 - attended, attended)
    return {
        "RawData": {"Channels": np.arange(1.0, 65.0), "EegData": eeg},
        "FileHeader": {"SampleRate": float(SFREQ), "ChannelCount": 64.0},
        "TrialID": float(number),
        "attended_ear": ear,
        "stimuli": cells([f"{prefix}part{part}_track{t}_{condition.lower()}.wav" for t in tracks]),
        "condition": condition,
        "experiment": 3.0 if repetition else float(attended),
        "part": float(part),
        "attended_track": float(attended),
        "repetition": repetition,
        "subject": "S1",
    }


def cells(values):
    array = np.empty((len(values), 1), dtype=object)
    array[:, 0] = values
    return array


def write_listener(root, trials, name="S1"):
    scipy.io.savemat(root / f"{name}.mat", {"trials": cells(trials).T})


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    root = tmp_path_factory.mktemp("kul")
    (root / "stimuli").mkdir()
    for part in range(1, 5):
        for track, clicks_s in CLICKS_S.items():
            samples = 1e-2 * np.random.default_rng(10 * part + track).standard_normal(round(PARTS_S * RATE_HZ))
            samples[np.round(clicks_s * RATE_HZ).astype(int)] += 0.7
            for kind in ("dry", "hrtf"):
                level = 1.0 if kind == "dry" else 0.5
                soundfile.write(root / "stimuli" / f"part{part}_track{track}_{kind}.wav", level * samples, RATE_HZ)
            repeated = samples[: round(REPEATED_S * RATE_HZ)]
            soundfile.write(root / "stimuli" / f"rep_part{part}_track{track}_dry.wav", repeated, RATE_HZ)
    trials = [trial(k, part, 1, "LR"[k % 2], ("dry", "HRTF")[k % 2]) for k, part in enumerate(range(1, 5), start=1)]
    trials += [trial(k, part, 2, "LR"[k % 2], ("HRTF", "dry")[k % 2]) for k, part in enumerate(range(1, 5), start=5)]
    write_listener(root, [*trials, trial(9, 1, 1, "L", repetition=True)])
    return root


@pytest.fixture(scope="module")
def dataset(root):
    return open_kul(root)


@pytest.fixture(scope="module")
def store(dataset, tmp_path_factory):
    return prepared(dataset, tmp_path_factory.mktemp("prepared"), SFREQ, split="story")


@pytest.fixture
def planted_s(dataset):
    return {s.name: CLICKS_S[int(s.name.partition("track")[2][0])] for s in dataset.stimuli}


@pytest.fixture
def written(root, tmp_path):
    """Write one listener with the trials of a test beside the sounds."""

    def write(*trials):
        (tmp_path / "stimuli").symlink_to(root / "stimuli")
        write_listener(tmp_path, list(trials))
        return tmp_path

    return write


def test_clicks_of_the_attended_talker_meet_their_answers(dataset, planted_s):
    late_s = late_in_recordings_s(dataset, planted_s)
    assert len(late_s) > 60
    assert np.abs(late_s).max() < 1e-3


def test_eeg_and_sound_meet_in_prepared_windows(store, planted_s):
    late_s = late_in_windows_s(store, planted_s)
    assert len(late_s) > 30
    assert abs(late_s.mean()) < 1e-3


def test_a_split_by_story_keeps_both_talkers_of_a_part_together(store):
    names = np.array([stimulus.name for stimulus in store.meta.stimuli])[store.windows["stimulus"]]
    parts = {}
    for name, split in zip(names, store.windows["split"], strict=True):
        parts.setdefault(name.removeprefix("rep_").partition("_")[0], set()).add(split)
    assert {len(splits) for splits in parts.values()} == {1}
    assert set().union(*parts.values()) == {"train", "valid", "test"}


def test_the_dry_sound_is_the_stimulus_and_ends_with_the_eeg(dataset):
    names = {s.stimulus_id: s.name for s in dataset.stimuli}
    (recording,) = dataset.recordings
    heard = [names[p.stimulus_id] for p in recording.presentations]
    assert heard[:2] == ["part1_track1_dry.wav", "part2_track1_dry.wav"]
    assert heard[4:6] == ["part1_track2_dry.wav", "part2_track2_dry.wav"]
    assert [p.duration_s for p in recording.presentations][-2:] == [14.5, 8.0]
    assert dataset.sound_kind == "waveform"


def test_channels_are_those_of_the_cap_in_volts(dataset):
    raw = dataset.recordings[0].load()
    assert (raw.ch_names[47], raw.info["sfreq"], len(raw.annotations)) == ("Cz", 128.0, 8)
    assert raw.get_data(picks=["Cz"]).std() == pytest.approx(1e-6, rel=0.05)


def test_a_trial_that_contradicts_itself_is_left_out_with_the_reason(written):
    wrong = trial(2, 2, 1, "L") | {"attended_track": 2.0}
    (recording,) = open_kul(written(trial(1, 1, 1, "L"), wrong)).recordings
    assert len(recording.presentations) == 1
    assert "left out trial 2: the attended ear 'L' heard track 1, and attended_track is 2" in recording.notes


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (
            {"stimuli": cells(["a.wav", "b.wav"])},
            r"has no trial that can be used: got attended_ear 'L' and stimuli a\.wav",
        ),
        (
            {"RawData": {"EegData": np.zeros((64, 2000))}},
            r"got EegData of shape \(64, 2000\), expected samples by chan",
        ),
        ({"RawData": {"EegData": np.ones((2000, 63))}}, r"another number of channels than BioSemi's caps: got 63"),
        ({"FileHeader": {"SampleRate": 0.0}}, r"are not of one recording: got rates \[0\.0\], \[64\] channels"),
        ({"FileHeader": {}}, r"no field FileHeader\.SampleRate|no field FileHeader"),
    ],
)
def test_files_that_are_no_such_listener_are_named(written, changes, message):
    with pytest.raises(DataError, match=message):
        open_kul(written(trial(1, 1, 1, "L") | changes))


def test_a_missing_sound_is_named(root, tmp_path):
    (tmp_path / "stimuli").mkdir()
    soundfile.write(tmp_path / "stimuli" / "part2_track1_dry.wav", np.ones(100), RATE_HZ)
    write_listener(tmp_path, [trial(1, 1, 1, "L")])
    with pytest.raises(DataError, match=r"does not exist: got 'part1_track1_dry\.wav'"):
        open_kul(tmp_path)


@pytest.mark.parametrize(("name", "message"), [("x", "got no S1.mat"), ("S1", "lacks the sounds")])
def test_a_folder_that_lacks_a_part_is_refused(tmp_path, name, message):
    (tmp_path / f"{name}.mat").write_bytes(b"")
    with pytest.raises(DataError, match=message):
        open_kul(tmp_path)


@pytest.mark.slow
def test_the_command_of_its_page_runs_to_a_record(root, typed):
    ran = typed(f"kul:{root}", "--set", "data.split=story")
    assert ran.record.dataset.name == "kul"
