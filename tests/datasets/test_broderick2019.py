"""The Old Man and the Sea: ds004408 (no events, no positions, EEG longer than its stereo sound) and Dryad's files."""

from __future__ import annotations

import numpy as np
import pybv
import pytest
import scipy.io
import soundfile
from planted import LATER_S, bumps, late_in_recordings_s

from eeg2speech_bench.core.errors import DataError
from eeg2speech_bench.datasets.broderick2019 import open_broderick2019

CLICKS_S = np.arange(0.7, 9.5, 0.8113)
SOUND_S, LONGER_S = 10.0, 2.5
NAMES = [f"{row}{k}" for row in "ABCD" for k in range(1, 33)]
GRID = """File type = "ooTextFile"
Object class = "TextGrid"

0
10
<exists>
2
"IntervalTier"
"phones"
0
10
1
0
10
"AH"
"IntervalTier"
"words"
0
10
2
0
2.5
""
2.5
10
"HE"
"""


def eeg(sfreq, seed):
    n = round((SOUND_S + LONGER_S) * sfreq)
    samples = np.random.default_rng(seed).standard_normal((n, 128)) + 7000.0
    samples[:, 0] = 0.1 * samples[:, 0] + bumps(n, sfreq, CLICKS_S + LATER_S, 40.0)
    return samples


@pytest.fixture(scope="module")
def bids(tmp_path_factory):
    root = tmp_path_factory.mktemp("broderick") / "ds004408"
    folder = root / "sub-001" / "eeg"
    folder.mkdir(parents=True)
    (root / "stimuli").mkdir()
    (root / "dataset_description.json").write_text('{"Name": "EEG responses", "BIDSVersion": "1.7.0"}')
    for run in ("01", "02"):
        name = f"sub-001_task-listening_run-{run}"
        pybv.write_brainvision(
            data=eeg(512, int(run)).T * 1e-6, sfreq=512, ch_names=NAMES, fname_base=f"{name}_eeg",
            folder_out=str(folder), fmt="binary_float32", unit="µV",
        )  # fmt: skip
        rows = "".join(f"{channel}\tEEG\tV\tgood\n" for channel in NAMES)
        (folder / f"{name}_channels.tsv").write_text("name\ttype\tunits\tstatus\n" + rows, encoding="utf-8-sig")
        samples = 1e-2 * np.random.default_rng(int(run)).standard_normal(round(SOUND_S * 22_050))
        samples[np.round(CLICKS_S * 22_050).astype(int)] += 0.7
        soundfile.write(root / "stimuli" / f"audio{run}.wav", np.stack([samples, samples], axis=1), 22_050)
        (root / "stimuli" / f"audio{run}.TextGrid").write_text(GRID)
    return root


@pytest.fixture
def dryad(tmp_path):
    sets = tmp_path / "Natural Speech"
    (sets / "EEG" / "Subject1").mkdir(parents=True)
    (sets / "Stimuli" / "Envelopes").mkdir(parents=True)
    for run in (1, 2):
        run_file = {"eegData": eeg(128, run), "mastoids": np.full((1600, 2), -259_464.0), "fs": 128.0}
        scipy.io.savemat(sets / "EEG" / "Subject1" / f"Subject1_Run{run}.mat", run_file)
        env = 0.1 * np.random.default_rng(run).random((1280, 1)) + bumps(1280, 128.0, CLICKS_S)[:, None]
        scipy.io.savemat(sets / "Stimuli" / "Envelopes" / f"audio{run}_128Hz.mat", {"env": env})
    return sets


def planted(dataset):
    return {stimulus.name: CLICKS_S for stimulus in dataset.stimuli}


def test_each_run_of_ds004408_hears_the_sound_of_its_number(bids):
    dataset = open_broderick2019(bids)
    late_s = late_in_recordings_s(dataset, planted(dataset))
    assert len(late_s) == 2 * len(CLICKS_S)
    assert np.abs(late_s).max() < 1e-3
    assert [s.name for s in dataset.stimuli] == ["audio01.wav", "audio02.wav"]
    assert {p.duration_s for r in dataset.recordings for p in r.presentations} == {SOUND_S}
    assert [word.text for word in dataset.stimuli[0].words] == ["HE"]


def test_electrodes_of_ds004408_have_the_places_of_the_cap(bids):
    (first, _) = open_broderick2019(bids).recordings
    raw = first.load()
    places = np.array([channel["loc"][:3] for channel in raw.info["chs"]])
    assert raw.ch_names[int(np.argmax(places[:, 2]))] == "A1"  # the vertex
    assert len(np.unique(places.round(6), axis=0)) == 128
    assert "electrode positions are those of biosemi128" in first.notes
    assert "no electrode positions" not in first.notes


def test_runs_of_dryad_meet_their_envelopes(dryad):
    dataset = open_broderick2019(dryad)
    late_s = late_in_recordings_s(dataset, planted(dataset))
    assert len(late_s) == 2 * len(CLICKS_S)
    assert np.abs(late_s).max() < 1e-3
    assert (dataset.sound_kind, [r.subject for r in dataset.recordings]) == ("envelope", ["S1", "S1"])


def test_a_run_of_dryad_without_its_envelope_is_named(dryad):
    (dryad / "Stimuli" / "Envelopes" / "audio2_128Hz.mat").unlink()
    with pytest.raises(DataError, match=r"Subject1_Run2\.mat has no envelope"):
        open_broderick2019(dryad)


def test_a_run_of_other_channels_is_named(dryad):
    path = dryad / "EEG" / "Subject1" / "Subject1_Run1.mat"
    scipy.io.savemat(path, {"eegData": np.zeros((100, 64)), "fs": 128.0})
    with pytest.raises(DataError, match=r"got eegData of shape \(100, 64\) at 128 Hz"):
        open_broderick2019(dryad)


def test_a_folder_of_neither_is_refused(tmp_path):
    with pytest.raises(DataError, match="is not the Natural Speech data set: got no run"):
        open_broderick2019(tmp_path)


@pytest.mark.slow
def test_the_command_of_its_page_runs_to_a_record(bids, typed):
    ran = typed(f"broderick2019:{bids}")
    assert ran.record.dataset.name == "broderick2019"


@pytest.mark.slow
def test_envelopes_of_dryad_run_to_a_record(dryad, typed):
    ran = typed(f"broderick2019:{dryad}")
    assert ran.record.dataset.name == "broderick2019"
