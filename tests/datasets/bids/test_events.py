"""Events are found by inheritance and joined to sounds for as long as they were heard."""

from __future__ import annotations

import json
import shutil

import numpy as np
import pytest

from eeg2speech_bench.core.errors import DataError
from eeg2speech_bench.core.presets.config import DataConfig
from eeg2speech_bench.datasets.bids.bids_dataset import open_bids
from eeg2speech_bench.datasets.bids.inheritance import applicable_files, read_sidecar
from eeg2speech_bench.datasets.preparation.windows import segment_table

HEADER = "onset|duration|stim_file\n"
PNG = b"\x89PNG\r\n\x1a\n" + bytes(40)


def heard(dataset, recording=0):
    names = {s.stimulus_id: s.name for s in dataset.stimuli}
    return [(names[p.stimulus_id], p.onset_s, p.duration_s) for p in dataset.recordings[recording].presentations]


def events(subject):
    return f"sub-{subject}/eeg/sub-{subject}_task-listening_events.tsv"


# Inheritance


@pytest.mark.parametrize("name", ["events.tsv", "task-listening_events.tsv", "sub-01/sub-01_task-listening_events.tsv"])
def test_a_table_above_a_recording_holds_for_it(bids_root, name):
    before = heard(open_bids(bids_root))
    (bids_root / events("01")).rename(bids_root / name)
    assert heard(open_bids(bids_root)) == before


def test_one_table_holds_for_all_listeners(bids_root, events_of):
    events_of("01", None)
    events_of("02", None)
    (bids_root / "task-listening_events.tsv").write_text("onset\tduration\tstim_file\n2\t12\ta.wav\n")
    assert [heard(open_bids(bids_root), k) for k in (0, 1)] == 2 * [[("a.wav", 2.0, 12.0)]]


def test_the_nearest_table_wins(bids_root):
    before = heard(open_bids(bids_root))
    (bids_root / "task-listening_events.tsv").write_text("onset\tduration\tstim_file\n9\t12\ta.wav\n")
    (bids_root / "sub-01" / "sub-01_events.tsv").write_text("onset\tduration\tstim_file\n8\t12\ta.wav\n")
    assert heard(open_bids(bids_root)) == before


@pytest.mark.parametrize("name", ["task-rest_events.tsv", "sub-01/sub-01_task-listening_run-2_events.tsv"])
def test_a_table_of_another_recording_does_not_hold(bids_root, events_of, name):
    events_of("01", None)
    (bids_root / name).write_text("onset\tduration\tstim_file\n9\t12\ta.wav\n")
    assert open_bids(bids_root).skipped == (("sub-01_task-listening_eeg", "no sub-01_task-listening_events.tsv"),)


def test_two_tables_that_hold_equally_are_refused(bids_root, events_of):
    events_of("01", None)
    for name in ("sub-01_events.tsv", "task-listening_events.tsv"):
        (bids_root / "sub-01" / name).write_text("onset\tduration\tstim_file\n9\t12\ta.wav\n")
    with pytest.raises(DataError, match=r"Two tables apply to sub-01_task-listening_eeg\.vhdr equally"):
        open_bids(bids_root)


def test_tables_of_a_session_and_of_its_runs_hold_for_theirs(tmp_path):
    folder = tmp_path / "sub-01" / "ses-a" / "eeg"
    folder.mkdir(parents=True)
    names = ["sub-01/ses-a/sub-01_ses-a_events.tsv", "sub-01/ses-a/eeg/sub-01_ses-a_task-x_run-1_events.tsv"]
    for name in names:
        (tmp_path / name).write_text("onset\n")
    found = {
        run: [
            path.name
            for path in applicable_files(tmp_path, folder / f"sub-01_ses-a_task-x_run-{run}_eeg.edf", "events.tsv")
        ]
        for run in (1, 2)
    }
    assert found == {
        1: ["sub-01_ses-a_task-x_run-1_events.tsv", "sub-01_ses-a_events.tsv"],
        2: ["sub-01_ses-a_events.tsv"],
    }


def test_sidecars_are_merged_and_the_nearest_wins(bids_root):
    (bids_root / "task-listening_events.json").write_text(json.dumps({"start": {"Units": "ms"}, "word": {}}))
    (bids_root / "sub-01" / "sub-01_events.json").write_text(json.dumps({"start": {"Units": "s"}}))
    recording = bids_root / "sub-01" / "eeg" / "sub-01_task-listening_eeg.vhdr"
    assert read_sidecar(bids_root, recording, "events.json") == {"start": {"Units": "s"}, "word": {}}


@pytest.mark.parametrize(
    "pointer", ["/annex/objects/SHA256E-s1--0.tsv\n", "version https://git-lfs.github.com/spec/v1\n"]
)
def test_a_pointer_in_place_of_events_is_not_downloaded(bids_root, pointer):
    (bids_root / events("01")).write_text(pointer)
    ((name, reason),) = open_bids(bids_root).skipped
    assert name == "sub-01_task-listening_eeg"
    assert "events.tsv was not downloaded (git-annex pointer); run: datalad get" in reason


def test_a_dangling_link_above_is_not_downloaded(bids_root, events_of):
    events_of("01", None)
    (bids_root / "task-listening_events.tsv").symlink_to(".git/annex/objects/F9/7M/x.tsv")
    assert "was not downloaded" in open_bids(bids_root).skipped[0][1]


def test_the_revision_follows_a_table_that_is_inherited(bids_root):
    (bids_root / events("01")).rename(bids_root / "sub-01" / "sub-01_events.tsv")
    before = open_bids(bids_root).revision
    path = bids_root / "sub-01" / "sub-01_events.tsv"
    path.write_text(path.read_text(encoding="utf-8-sig").replace("2.0\t", "2.1\t"))
    assert open_bids(bids_root).revision != before


# Durations


def test_only_what_a_duration_says_was_heard(bids_root, events_of):
    events_of("01", HEADER + "2|7.5|a.wav\n16|14.5|b.wav\n")
    dataset = open_bids(bids_root)
    assert heard(dataset) == [("a.wav", 2.0, 7.5), ("b.wav", 16.0, 14.5)]
    assert dataset.recordings[0].notes[1:] == (
        "heard in part, by their rows: 1 of 2 (a.wav from 0.0 to 7.5 of 12.0 s)",
    )


def test_sounds_that_are_arrays_in_all_rows_say_what_to_convert(bids_root, events_of):
    (bids_root / "stimuli" / "a.npz.gz").write_bytes(b"\x1f\x8b\x08" + bytes(99))
    for subject in ("01", "02"):
        events_of(subject, HEADER + "2|12|a.npz.gz\n")
    with pytest.raises(DataError, match=r"name no sound: 1 NumPy array \(as a\.npz\.gz\).*Convert .* to WAV or FLAC"):
        open_bids(bids_root)


@pytest.mark.parametrize("duration", ["0", "n/a", "", "12.04", "11.95"])
def test_without_a_duration_or_with_that_of_the_file_all_of_it_was_heard(bids_root, events_of, duration):
    events_of("01", f"{HEADER}2|{duration}|a.wav\n")
    assert heard(open_bids(bids_root)) == [("a.wav", 2.0, 12.0)]


@pytest.mark.parametrize("duration", ["13", "0.002", "0.3", "12000"])
def test_a_duration_that_is_not_that_of_the_sound_is_refused_by_row(bids_root, events_of, duration):
    events_of("01", f"{HEADER}1|0|n/a\n2|{duration}|a.wav\n")
    with pytest.raises(
        DataError, match=rf"Row 3 of .*gives 'a\.wav' a duration .*got {duration} s, expected 1 to 12\.00"
    ):
        open_bids(bids_root)


def test_a_negative_duration_is_refused_by_row(bids_root, events_of):
    events_of("01", HEADER + "2|-3|a.wav\n")
    with pytest.raises(DataError, match=r"Row 2 of .* has a negative duration: got -3"):
        open_bids(bids_root)


def test_durations_of_words_are_not_those_of_the_file(bids_root, events_of):
    events_of("01", "onset|duration|stim_file|stim_onset\n3.5|.3|a.wav|0.5\n3.9|.4|a.wav|0.9\n")
    assert heard(open_bids(bids_root)) == [("a.wav", pytest.approx(3.0), 12.0)]


def test_playback_that_stopped_leaves_room_for_the_next_sound(bids_root, events_of):
    events_of("01", HEADER + "2|4|a.wav\n7|16|c.flac\n")
    assert heard(open_bids(bids_root)) == [("a.wav", 2.0, 4.0), ("c.flac", 7.0, 16.0)]


# Onsets


@pytest.mark.parametrize("onset", ["n/a", "NaN", ""])
def test_a_row_that_names_a_sound_needs_an_onset(bids_root, events_of, onset):
    events_of("01", f"{HEADER}2|12|a.wav\n{onset}|0|b.wav\n")
    with pytest.raises(DataError, match=r"Row 3 of .* names 'b\.wav' but has no onset"):
        open_bids(bids_root)


def test_rows_that_name_no_sound_may_hold_anything(bids_root, events_of):
    events_of("01", HEADER + "n/a|n/a|n/a\nNaN|soon|n/a\n||\n2|12|a.wav\n")
    assert heard(open_bids(bids_root)) == [("a.wav", 2.0, 12.0)]


def test_an_onset_in_milliseconds_by_its_sidecar_is_refused(bids_root, events_of):
    events_of("01", HEADER + "2000|12000|a.wav\n")
    (bids_root / "events.json").write_text(json.dumps({"onset": {"Units": "ms"}}))
    with pytest.raises(DataError, match=r"gives 'onset' in another unit than BIDS: got 'ms'.*onset_unit = \"ms\""):
        open_bids(bids_root)


@pytest.mark.parametrize("content", ["{", "[1]", "/annex/objects/SHA256E-s1--0.json\n"])
def test_a_sidecar_that_cannot_be_read_is_noted_and_times_are_seconds(bids_root, content):
    before = heard(open_bids(bids_root))
    (bids_root / "events.json").write_text(content)
    dataset = open_bids(bids_root)
    assert heard(dataset) == before
    _, note = dataset.recordings[0].notes
    assert note.endswith("; times of events are taken as seconds")


# What is heard of a recording whose clock drifts


def test_windows_follow_the_clock_of_the_recording(bids_root, events_of):
    ratio, inside = 1.0015, np.arange(0.25, 18, 0.25)
    rows = "".join(f"{2 + second * ratio:.5f}|.2|d.wav|{second}\n" for second in inside)
    events_of("01", "onset|duration|stim_file|stim_onset\n" + rows)
    dataset = open_bids(bids_root)
    (p,) = dataset.recordings[0].presentations
    assert (p.onset_s, p.duration_s, p.clock_ratio) == pytest.approx((2.0, 18.0, ratio), abs=1e-5)
    assert dataset.recordings[0].notes[1:] == ("the recording's clock runs 1500 ppm fast against the sound: corrected",)
    import pandas as pd

    windows = pd.DataFrame({"stimulus": [0, 0], "start_s": [0.0, 14.0], "split": "train"})
    table = segment_table([p], windows, [p.stimulus_id], DataConfig(sfreq=1000.0), 72_000)
    assert table["eeg_start"].tolist() == [2150, 2150 + round(14_000 * ratio)]


def test_a_pause_within_a_file_is_left_out(bids_root, events_of):
    inside = np.arange(0.5, 18, 0.5)
    rows = "".join(f"{2 + s + (7 if s > 9 else 0):.3f}|.25|d.wav|{s}\n" for s in inside)
    events_of("01", "onset|duration|stim_file|stim_onset\n" + rows)
    heard = [(p.onset_s, p.start_s, p.duration_s) for p in open_bids(bids_root).recordings[0].presentations]
    assert heard == [pytest.approx((2.0, 0.0, 9.25)), pytest.approx((18.5, 9.5, 8.5))]


def test_rows_that_are_inexact_are_noted(bids_root, events_of):
    rows = "".join(f"{2 + s + 0.008 * (s % 1):.3f}|.25|d.wav|{s}\n" for s in np.arange(0.5, 18, 0.5))
    events_of("01", "onset|duration|stim_file|stim_onset\n" + rows)
    assert open_bids(bids_root).recordings[0].notes[1:] == ("rows agree within 4 ms on when their sound started",)


@pytest.mark.parametrize(
    ("low", "high", "expected"), [(0, 9, (0.0, 8.95)), (9, 18, (9.0, 18.0)), (6, 12, (6.0, 11.95))]
)
def test_a_stretch_of_a_file_without_rows_was_not_heard(bids_root, events_of, low, high, expected):
    rows = "".join(f"{20 + s:.2f}|.2|d.wav|{s}\n" for s in np.arange(low, high, 0.25))
    events_of("01", "onset|duration|stim_file|stim_onset\n" + rows)
    recording = open_bids(bids_root).recordings[0]
    (p,) = recording.presentations
    assert (p.start_s, p.start_s + p.duration_s) == pytest.approx(expected)
    assert p.onset_s == pytest.approx(20 + expected[0])
    said = f"d.wav from {expected[0]:.1f} to {expected[1]:.1f} of 18.0 s"
    assert recording.notes[1:] == (f"heard in part, by their rows: 1 of 1 ({said})",)


# Rows that name no sound


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("q.png", PNG, "1 picture"),
        ("q.JPG", b"\xff\xd8\xff" + bytes(9), "1 picture"),
        ("film.mp4", b"\0\0\0\x1cftypisom" + bytes(99), "1 film"),
        ("film.avi", b"RIFF\0\0\0\0AVI LIST", "1 film"),
        ("apr.npz.gz", b"\x1f\x8b\x08" + bytes(99), "1 NumPy array"),
        ("sound.npy", b"\x93NUMPY\x01", "1 NumPy array"),
        ("q.wav", PNG, "1 picture"),
        ("text.txt", b"Where was she?", "1 text"),
        ("absent.png", None, "1 picture"),
    ],
)
def test_a_row_that_names_no_sound_is_left_out_and_counted(bids_root, events_of, name, content, said):
    if content is not None:
        (bids_root / "stimuli" / name).write_bytes(content)
    events_of("01", f"{HEADER}2|12|a.wav\n15|1|{name}\n")
    dataset = open_bids(bids_root)
    assert heard(dataset) == [("a.wav", 2.0, 12.0)]
    _, note = dataset.recordings[0].notes
    assert note == f"left out rows of sub-01_task-listening_events.tsv that name no sound: {said} (as {name})"


def test_a_recording_whose_rows_all_name_pictures_is_skipped_with_the_reason(bids_root, events_of):
    (bids_root / "stimuli" / "q.png").write_bytes(PNG)
    events_of("01", HEADER + "2|1|q.png\n5|1|q.png\n")
    ((name, reason),) = open_bids(bids_root).skipped
    assert name == "sub-01_task-listening_eeg"
    assert "only rows of sub-01_task-listening_events.tsv that name no sound: 2 pictures (as q.png)" in reason


# Listeners, sessions, runs


def test_listeners_may_have_heard_different_stories(bids_root, events_of):
    events_of("01", HEADER + "2|12|a.wav\n")
    events_of("02", HEADER + "2|14.5|b.wav\n20|18|d.wav\n")
    dataset = open_bids(bids_root)
    assert [[name for name, *_ in heard(dataset, k)] for k in (0, 1)] == [["a.wav"], ["b.wav", "d.wav"]]
    assert [s.name for s in dataset.stimuli] == ["a.wav", "b.wav", "d.wav"]


def test_sessions_and_runs_of_a_listener_are_recordings_of_their_own(bids_root):
    source = bids_root / "sub-01" / "eeg"
    for session, run in (("a", "1"), ("a", "2"), ("b", "1")):
        folder = bids_root / "sub-01" / f"ses-{session}" / "eeg"
        folder.mkdir(parents=True, exist_ok=True)
        for path in source.glob("sub-01_task-listening_*"):
            own = path.name.replace("sub-01_task-listening", f"sub-01_ses-{session}_task-listening_run-{run}")
            content = path.read_bytes()
            if path.suffix in (".vhdr", ".vmrk"):
                content = content.replace(b"sub-01_task-listening_eeg", own.rpartition(".")[0].encode())
            (folder / own).write_bytes(content)
    shutil.rmtree(source)
    second = bids_root / "sub-01" / "ses-a" / "eeg" / "sub-01_ses-a_task-listening_run-2_events.tsv"
    second.write_text("onset\tduration\tstim_file\n3\t12\ta.wav\n")
    dataset = open_bids(bids_root)
    assert [(r.recording_id, r.subject, len(r.presentations)) for r in dataset.recordings] == [
        ("sub-01_ses-a_task-listening_run-1_eeg", "01", 4),
        ("sub-01_ses-a_task-listening_run-2_eeg", "01", 1),
        ("sub-01_ses-b_task-listening_run-1_eeg", "01", 4),
        ("sub-02_task-listening_eeg", "02", 4),
    ]
