from __future__ import annotations

import json

import pytest

from eeg2speech_bench.core.errors import DataError
from eeg2speech_bench.datasets.bids.bids_dataset import open_bids
from eeg2speech_bench.datasets.bids.sidecars import read_json, sidecars

RECORDING = "sub-01/ses-1/eeg/sub-01_ses-1_task-x_run-2_eeg.edf"


def found(root, *names, suffix="channels.tsv"):
    for name in (RECORDING, *names):
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).touch()
    return [str(path.relative_to(root)) for path in sidecars(root / RECORDING, root, suffix)]


# The inheritance principle


@pytest.mark.parametrize(
    "name",
    [
        "channels.tsv",
        "task-x_channels.tsv",
        "sub-01/sub-01_task-x_channels.tsv",
        "sub-01/ses-1/sub-01_ses-1_channels.tsv",
        "sub-01/ses-1/eeg/sub-01_ses-1_task-x_channels.tsv",
    ],
)
def test_a_table_above_applies_to_the_recordings_below(tmp_path, name):
    assert found(tmp_path, name) == [name]


@pytest.mark.parametrize(
    "name",
    [
        "task-y_channels.tsv",
        "sub-02/eeg/sub-02_task-x_channels.tsv",
        "sub-01/ses-1/eeg/sub-01_ses-1_task-x_run-1_channels.tsv",
        "sub-01/ses-1/eeg/sub-01_ses-1_task-x_electrodes.tsv",
        "sub-01/ses-1/eeg/sub-01_ses-1_task-x_acq-a_channels.tsv",
    ],
)
def test_a_table_of_another_recording_does_not_apply(tmp_path, name):
    assert found(tmp_path, name) == []


def test_the_nearest_table_comes_first(tmp_path):
    near, above, far = "sub-01/ses-1/eeg/sub-01_channels.tsv", "sub-01/sub-01_channels.tsv", "task-x_channels.tsv"
    assert found(tmp_path, far, above, near) == [near, above, far]


def test_in_one_folder_the_table_that_says_more_comes_first(tmp_path):
    folder = "sub-01/ses-1/eeg/"
    less, more = folder + "sub-01_ses-1_channels.tsv", folder + "sub-01_ses-1_task-x_run-2_channels.tsv"
    assert found(tmp_path, less, more) == [more, less]


def test_nothing_above_the_data_set_applies(tmp_path):
    assert found(tmp_path / "data", "../task-x_channels.tsv") == []


def test_a_space_belongs_to_the_table_and_not_to_the_recording(tmp_path):
    name = "sub-01/ses-1/eeg/sub-01_ses-1_space-CapTrak_electrodes.tsv"
    assert found(tmp_path, name, suffix="electrodes.tsv") == [name]


@pytest.mark.parametrize(("text", "message"), [("{", "cannot be read"), ("[1]", "got list, expected a JSON object")])
def test_a_sidecar_that_is_no_object_is_named(tmp_path, text, message):
    (tmp_path / "x.json").write_text(text)
    with pytest.raises(DataError, match=message):
        read_json(tmp_path / "x.json")


# Tables that nothing here needs


def change_json(root, **changes):
    for path in root.rglob("*_eeg.json"):
        path.write_text(json.dumps(json.loads(path.read_text()) | changes))


def rewrite(root, pattern, text):
    for path in root.rglob(pattern):
        path.write_text(text)


ODD = {
    "participants without sub-": lambda root: rewrite(root, "participants.tsv", "participant_id\tage\n01\t30\n"),
    "participants without an id": lambda root: rewrite(root, "participants.tsv", "age\n30\n"),
    "participants.json that is none": lambda root: rewrite(root, "participants.json", "{"),
    "scans of another file": lambda root: rewrite(root, "*_scans.tsv", "filename\tacq_time\neeg/other_eeg.vhdr\tn/a\n"),
    "scans with a wrong date": lambda root: rewrite(root, "*_scans.tsv", "filename\tacq_time\nx\tyesterday\n"),
    "line frequency in words": lambda root: change_json(root, PowerLineFrequency="50 Hz"),
    "line frequency of the recording": lambda root: change_json(root, PowerLineFrequency=[50, 60]),
    "another rate in words": lambda root: change_json(root, SamplingFrequency="n/a"),
    "eeg.json that is none": lambda root: rewrite(root, "*_eeg.json", "no json"),
}


@pytest.mark.parametrize("change", ODD.values(), ids=ODD.keys())
def test_a_side_table_that_is_not_needed_stops_nothing(bids_root, change):
    change(bids_root)
    recordings = open_bids(bids_root).recordings
    assert [r.load().n_times for r in recordings] == [9216, 9216]


@pytest.mark.parametrize("trial_type", ["n/a", ""])
def test_events_without_a_trial_type_stop_nothing(bids_root, events_of, trial_type):
    events_of("01", f"onset|duration|trial_type|stim_file\n2|12|{trial_type}|a.wav\n")
    assert open_bids(bids_root).recordings[0].load().n_times == 9216


def test_one_table_at_the_root_serves_all_recordings(bids_root):
    tables = list(bids_root.rglob("*_channels.tsv"))
    text = tables[0].read_text(encoding="utf-8-sig").replace("Cz\tEEG", "Cz\tMISC")
    for path in tables:
        path.unlink()
    (bids_root / "task-listening_channels.tsv").write_text(text)
    assert ["Cz" in r.channels for r in open_bids(bids_root).recordings] == [False, False]
