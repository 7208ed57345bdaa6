"""The MATLAB files of Fuglsang et al.: one continuous recording with triggers and a table, or trials at 64 Hz."""

from __future__ import annotations

import matio
import numpy as np
import pandas as pd
import pytest
import soundfile
from planted import LATER_S, bumps, late_in_recordings_s

from eeg2speech_bench.core.errors import DataError
from eeg2speech_bench.datasets.dtu_release.dataset import holds_release, open_release
from eeg2speech_bench.datasets.opening import open_dtu_folder

SFREQ, RATE_HZ = 512, 8000
SOUND_S, GAP_S = 8.0, 2.3
CLICKS_S = np.arange(0.7, 7.5, 0.8113)
#: attended talker (1 male, 2 female), and the sounds of both; the last has one talker alone
TRIALS = [(1, "aske1.wav", "marianne1.wav"), (2, "aske2.wav", "marianne2.wav"), (2, "", "dss.wav")]
#: first sample of each trial, counted from 0
FIRST = [round((1.0 + k * (SOUND_S + GAP_S)) * SFREQ) + 3 for k in range(len(TRIALS))]


def cells(values, shape):
    array = np.empty(shape, dtype=object)
    for place, value in zip(np.ndindex(shape), values, strict=True):
        array[place] = value
    return array


def raw_file(**changes):
    """Make the variables of S1.mat; MATLAB counts samples from 1, and trials have a start and an end."""
    n = FIRST[-1] + round((SOUND_S + GAP_S) * SFREQ)
    eeg = np.random.default_rng(0).standard_normal((n, 73)).astype(np.float32)
    eeg[:, 0] *= 0.1
    for first in FIRST:
        eeg[:, 0] += bumps(n, SFREQ, first / SFREQ + CLICKS_S + LATER_S, 40.0).astype(np.float32)
    samples = [s for first in FIRST for s in (first + 1.0, first + 1.0 + round(SOUND_S * SFREQ))]
    values = [v for k in range(len(TRIALS)) for v in (np.float64(128 + k), np.float64(255))]
    names = [f"{row}{k}" for row in "AB" for k in range(1, 33)] + [f"EXG{k}" for k in range(1, 9)] + ["Status"]
    data = {
        "eeg": cells([eeg], (1, 1)),
        "fsample": {"eeg": float(SFREQ)},
        "dim": {"chan": {"eeg": cells(names, (1, 73))}},
        "event": {"eeg": {"sample": np.array(samples)[:, None], "value": cells(values, (len(values), 1))}},
    }
    table = pd.DataFrame(
        {
            "attend_mf": [float(talker) for talker, _, _ in TRIALS],
            "n_speakers": [2.0, 2.0, 1.0],
            "trigger": [128.0 + k for k in range(len(TRIALS))],
            "wavfile_male": [male for _, male, _ in TRIALS],
            "wavfile_female": [female for _, _, female in TRIALS],
        }
    )
    return {"data": data, "expinfo": table} | changes


def write(path, variables):
    path.parent.mkdir(parents=True, exist_ok=True)
    matio.save_to_mat(str(path), variables, version="v7", do_compression=False)


def write_sounds(folder):
    folder.mkdir()
    for k, name in enumerate(name for _, *names in TRIALS for name in names if name):
        samples = 1e-2 * np.random.default_rng(k).standard_normal(round(SOUND_S * RATE_HZ) + 400)
        samples[np.round(CLICKS_S * RATE_HZ).astype(int)] += 0.7
        soundfile.write(folder / name, samples, RATE_HZ)


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    root = tmp_path_factory.mktemp("dtu")
    write(root / "EEG" / "S1.mat", raw_file())
    write_sounds(root / "AUDIO")
    return root


@pytest.fixture(scope="module")
def dataset(root):
    return open_release(root)


@pytest.fixture
def written(root, tmp_path):
    def write_it(**changes):
        (tmp_path / "AUDIO").symlink_to(root / "AUDIO")
        write(tmp_path / "EEG" / "S1.mat", raw_file(**changes))
        return tmp_path

    return write_it


def test_clicks_of_the_attended_talker_meet_their_answers(dataset):
    late_s = late_in_recordings_s(dataset, {s.name: CLICKS_S for s in dataset.stimuli})
    assert len(late_s) == len(TRIALS) * len(CLICKS_S)
    assert np.abs(late_s).max() < 1e-3


def test_the_attended_talker_of_each_trial_is_the_stimulus(dataset):
    names = {s.stimulus_id: s.name for s in dataset.stimuli}
    (recording,) = dataset.recordings
    assert [names[p.stimulus_id] for p in recording.presentations] == ["aske1.wav", "marianne2.wav", "dss.wav"]
    assert [p.onset_s * SFREQ for p in recording.presentations] == FIRST
    assert {p.duration_s for p in recording.presentations} == {SOUND_S}
    assert "2 of 3 trials have a second talker" in recording.notes


def test_electrodes_are_those_of_the_cap_without_external_ones(dataset):
    raw = dataset.recordings[0].load()
    assert (len(raw.ch_names), raw.ch_names[0], raw.ch_names[47]) == (64, "Fp1", "Cz")


def test_a_struct_of_columns_is_read_as_the_table_is(written):
    table = raw_file()["expinfo"]
    columns = {
        name: cells(list(values), (3, 1)) if values.dtype.kind not in "fi" else values.to_numpy()[:, None]
        for name, values in table.items()
    }
    (recording,) = open_release(written(expinfo=columns)).recordings
    assert len(recording.presentations) == 3


def test_triggers_of_other_trials_are_refused(written):
    table = raw_file()["expinfo"].assign(trigger=[128.0, 130.0, 129.0])
    with pytest.raises(
        DataError, match=r"triggers \[128\.0, 129\.0, 130\.0\] for \[128\.0, 130\.0, 129\.0\] of expinfo"
    ):
        open_release(written(expinfo=table))


def test_a_trial_without_its_sound_is_named(written):
    table = raw_file()["expinfo"].assign(attend_mf=[1.0, 1.0, 1.0])
    with pytest.raises(DataError, match=r"Trial 3 of .*S1\.mat does not say what was attended to: got attend_mf 1"):
        open_release(written(expinfo=table))


def test_a_recording_that_ends_early_is_refused(written):
    data = raw_file()["data"]
    data["eeg"][0, 0] = data["eeg"][0, 0][: FIRST[-1] + 100]
    with pytest.raises(DataError, match="ends before its last trial"):
        open_release(written(data=data))


def test_the_raw_release_needs_its_sounds(tmp_path):
    write(tmp_path / "EEG" / "S1.mat", {"data": {}})
    with pytest.raises(DataError, match="lacks the sounds of the release"):
        open_release(tmp_path)


@pytest.fixture
def preprocessed(tmp_path):
    """Write DATA_preproc: two trials of 66 channels at 64 Hz, and the attended and the other envelope of each."""
    rng = np.random.default_rng(0)
    trials, sounds = [], []
    for _ in range(2):
        eeg = rng.standard_normal((640, 66))
        eeg[:, 0] = 0.1 * eeg[:, 0] + bumps(640, 64.0, CLICKS_S + LATER_S, 40.0)
        trials.append(eeg)
        sounds.append(0.1 * rng.random((632, 1)) + bumps(632, 64.0, CLICKS_S)[:, None])
    data = {"eeg": cells(trials, (1, 2)), "wavA": cells(sounds, (1, 2)), "wavB": cells(sounds[::-1], (1, 2))}
    write(tmp_path / "DATA_preproc" / "S1_data_preproc.mat", {"data": {**data, "fsample": {"eeg": 64.0}}})
    return tmp_path


def test_preprocessed_trials_meet_their_attended_envelope(preprocessed):
    dataset = open_release(preprocessed)
    late_s = late_in_recordings_s(dataset, {s.name: CLICKS_S for s in dataset.stimuli})
    assert len(late_s) == 2 * len(CLICKS_S)
    assert np.abs(late_s).max() < 1e-3
    assert (dataset.sound_kind, dataset.recordings[0].presentations[1].onset_s) == ("envelope", 10.0)
    assert len(dataset.stimuli[0].load().values) == 632


def test_dtu_opens_the_release_that_the_folder_holds(preprocessed, tmp_path):
    assert holds_release(preprocessed)
    dataset = open_dtu_folder(str(preprocessed), tmp_path / "cache", lambda line: None)
    assert [r.recording_id for r in dataset.recordings] == ["S1"]


@pytest.mark.slow
def test_the_command_of_its_page_runs_to_a_record(root, typed):
    ran = typed(f"dtu:{root}")
    assert ran.record.dataset.name == "dtu"
