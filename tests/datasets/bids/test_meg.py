"""MEG in a BIDS folder: which sensors are used, in which units, and what is refused."""

from __future__ import annotations

import shutil
import warnings
from pathlib import Path

import mne
import numpy as np
import pytest
import soundfile
from meg_files import ctf_raw, elekta_raw, write_kit

from eeg2speech_bench.core.errors import DataError
from eeg2speech_bench.core.presets.config import DataConfig
from eeg2speech_bench.core.segments.channel_types import type_of
from eeg2speech_bench.datasets.bids.bids_dataset import open_bids
from eeg2speech_bench.datasets.checking.check_dataset import check_dataset
from eeg2speech_bench.datasets.preparation.preprocessing import load_eeg

SFREQ, SECONDS, ONSET_S = 200.0, 24.0, 2.0
N_TRIPLES = 8
STEM = "sub-01_task-listen"


def noise(n_chans: int, scale: float, seed: int = 0) -> np.ndarray:
    return scale * np.random.default_rng(seed).standard_normal((n_chans, round(SECONDS * SFREQ)))


def elekta() -> mne.io.RawArray:
    """Eight triples and an EOG channel; tesla per metre and tesla."""
    data = noise(3 * N_TRIPLES, 1.0) * np.tile([2e-11, 2e-11, 1e-12], N_TRIPLES)[:, None]
    raw = elekta_raw(data, SFREQ)
    eye = mne.io.RawArray(noise(1, 1e-4), mne.create_info(["EOG061"], SFREQ, "eog"), verbose="ERROR")
    return raw.add_channels([eye], force_update_info=True)


def write_folder(root: Path) -> Path:
    """Write a BIDS folder with a sound of 20 s, and return the folder of the recording."""
    folder = root / "sub-01" / "meg"
    folder.mkdir(parents=True)
    (root / "dataset_description.json").write_text('{"Name": "helmets", "BIDSVersion": "1.9.0"}')
    (root / "stimuli").mkdir()
    soundfile.write(root / "stimuli" / "a.wav", 0.1 * np.random.default_rng(1).standard_normal(20 * 16000), 16000)
    (folder / f"{STEM}_events.tsv").write_text(f"onset\tduration\tstim_file\n{ONSET_S}\t20\ta.wav\n")
    return folder


def save(raw: mne.io.RawArray, path: Path) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the name is BIDS' and not MNE's
        raw.save(path, fmt="double", overwrite=True, verbose="ERROR")


@pytest.fixture(scope="module")
def original(tmp_path_factory) -> Path:
    root = tmp_path_factory.mktemp("meg") / "helmets"
    save(elekta(), write_folder(root) / f"{STEM}_meg.fif")
    return root


@pytest.fixture
def folder(original, tmp_path) -> Path:
    """The folder of the recording, in a copy that a test may damage."""
    return Path(shutil.copytree(original, tmp_path / "helmets")) / "sub-01" / "meg"


def write_channels(folder: Path, **changed: str) -> None:
    """Write a channels.tsv in which some channels have another type, or are bad."""
    rows = []
    for name, kind in zip(elekta().ch_names, elekta().get_channel_types(), strict=True):
        listed = {"mag": "MEGMAG", "grad": "MEGGRADPLANAR", "eog": "EOG"}[kind]
        said = changed.get(name, "good")
        rows.append(f"{name}\t{listed if said in ('good', 'bad') else said}\tT\t{'bad' if said == 'bad' else 'good'}")
    text = "name\ttype\tunits\tstatus\n" + "\n".join(rows) + "\n"
    (folder / f"{STEM}_channels.tsv").write_text(text, encoding="utf-8-sig")


def opened(folder: Path):
    (recording,) = open_bids(folder.parents[1]).recordings
    return recording


def test_sensors_have_the_types_of_the_file_and_other_channels_are_left_out(original):
    (recording,) = open_bids(original).recordings
    assert recording.channel_types == ("grad", "grad", "mag") * N_TRIPLES
    assert recording.channels[:3] == ("MEG0112", "MEG0113", "MEG0111")
    assert recording.notes == ("channels: 16 of type grad, 8 of type mag; left out: 1 (type eog in the file)",)


@pytest.mark.parametrize(("picks", "types"), [("mag", ["mag"]), ("grad", ["grad"]), ("meg", ["grad", "grad", "mag"])])
def test_picks_choose_the_channels_of_a_type(original, picks, types):
    loaded = load_eeg(open_bids(original).recordings[0], DataConfig(picks=picks, sfreq=SFREQ))
    assert [type_of(c) for c in loaded.chs_info] == types * (len(loaded.chs_info) // len(types))
    assert loaded.eeg.shape[1] == {"mag": 8, "grad": 16, "meg": 24}[picks]


def test_magnetometers_are_in_femtotesla_and_gradiometers_in_femtotesla_per_centimetre(original):
    loaded = load_eeg(open_bids(original).recordings[0], DataConfig(picks="meg", sfreq=SFREQ))
    assert loaded.eeg.std(0)[:3] == pytest.approx([200, 200, 1000], rel=0.05)


def test_the_default_of_eeg_is_refused_with_what_to_type(original):
    with pytest.raises(DataError, match=r"no channel of type eeg.*--picks mag or grad or meg"):
        load_eeg(open_bids(original).recordings[0], DataConfig())


def test_a_sensor_that_is_marked_bad_is_interpolated(folder):
    write_channels(folder, MEG0121="bad")
    recording = opened(folder)
    before = recording.load().get_data("mag")[1]
    after = load_eeg(recording, DataConfig(picks="mag", sfreq=SFREQ)).eeg[:, 1]
    assert 0 < after.std() < 5000
    assert abs(np.corrcoef(before, after)[0, 1]) < 0.9


def test_channels_tsv_takes_a_channel_out(folder):
    write_channels(folder, MEG0111="MEGREFMAG", MEG0112="MISC")
    recording = opened(folder)
    assert len(recording.channels) == 3 * N_TRIPLES - 2
    assert "1 (type MISC in channels.tsv), 1 (type MEGREFMAG in channels.tsv)" in recording.notes[0]


def test_a_channels_tsv_of_another_machine_is_refused(folder):
    (folder / f"{STEM}_channels.tsv").write_text("name\ttype\nMLC11\tMEGGRADAXIAL\n")
    with pytest.raises(DataError, match="names no sensor of"):
        opened(folder)


def test_values_in_another_unit_are_refused_by_channel_and_likely_unit(folder):
    raw = elekta()
    raw._data *= 1e15
    save(raw, folder / f"{STEM}_meg.fif")
    with pytest.raises(DataError, match=r"scale that MEG cannot have.*femtotesla"):
        load_eeg(opened(folder), DataConfig(picks="mag", sfreq=SFREQ))


def test_a_check_compares_sensors_with_those_of_their_own_type(original):
    settings = DataConfig(picks="meg", sfreq=SFREQ, window_s=1.0, guard_s=0.5)
    report = check_dataset("helmets", lambda: open_bids(original), settings, original).report
    assert {"unit", "bad channel", "reading", "channels"}.isdisjoint(finding.check for finding in report.findings)
    assert len(report.recordings[0].channels) == 24


def test_calibrations_and_later_parts_of_a_file_are_no_recordings(folder):
    for name in ("sub-01_acq-crosstalk_meg.fif", f"{STEM}_split-02_meg.fif"):
        (folder / name).write_bytes(b"no recording")
    (folder / f"{STEM}_meg.fif").rename(folder / f"{STEM}_split-01_meg.fif")
    (folder / f"{STEM}_events.tsv").rename(folder / f"{STEM}_split-01_events.tsv")
    assert opened(folder).recording_id == f"{STEM}_split-01_meg"


def test_a_sensor_of_ctf_loses_the_number_of_its_electronics(folder):
    save(ctf_raw(noise(10, 1e-12), SFREQ), folder / f"{STEM}_meg.fif")
    assert opened(folder).channels[:2] == ("MLC11", "MLC12")


def test_a_file_of_kit_is_read_with_its_sensors_as_magnetometers(folder):
    (folder / f"{STEM}_meg.fif").unlink()
    write_kit(folder / f"{STEM}_meg.con", noise(9, 1e-12), SFREQ)
    recording = opened(folder)
    assert recording.channel_types == ("mag",) * 9
    assert load_eeg(recording, DataConfig(picks="mag", sfreq=SFREQ)).eeg.std() == pytest.approx(1000, rel=0.05)


def test_a_damaged_file_of_kit_is_refused_by_name(folder):
    (folder / f"{STEM}_meg.fif").unlink()
    write_kit(folder / f"{STEM}_meg.con", noise(9, 1e-12), SFREQ)
    whole = (folder / f"{STEM}_meg.con").read_bytes()
    (folder / f"{STEM}_meg.con").write_bytes(whole[:200])
    with pytest.raises(DataError, match=r"_meg\.con cannot be read"):
        opened(folder)
