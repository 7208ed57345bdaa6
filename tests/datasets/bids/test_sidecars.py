from __future__ import annotations

import json

import pytest

from eeg2speech_bench.datasets.bids.bids_dataset import open_bids

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
