"""Times between sounds, over listeners: whose tables are off shows without any EEG."""

from __future__ import annotations

import numpy as np

from eeg2speech_bench.datasets.checking.sound_order import (
    Timetable,
    findings_of_order,
    read_timetables,
)

LENGTHS_S = np.array([57.6, 60.9, 63.3, 70.0, 66.3, 63.8])
NAMES = tuple(f"part{k}.wav" for k in range(1, 7))
#: sub-024 has no EEG and no table in this copy of the data set
SHIFTED = ["002", "026", "027", "030", "032", "034", "035", "036"]


def heard_at(begin_s, names=NAMES, lengths_s=LENGTHS_S):
    starts_s = begin_s + np.cumsum([0.0, *lengths_s[:-1]])[: len(names)]
    return Timetable(names, starts_s)


def four_listeners():
    return {f"sub-{k}": heard_at(float(k)) for k in range(4)}


def test_listeners_who_heard_the_same_at_the_same_pace_are_not_named():
    assert list(findings_of_order(four_listeners())) == []


def test_labels_that_are_off_by_one_are_named_with_what_was_heard_instead():
    tables = {**four_listeners(), "sub-9": heard_at(56.0, NAMES[:-1], LENGTHS_S[1:])}
    (finding,) = findings_of_order(tables)
    assert (finding.recording, finding.severity) == ("sub-9", "wrong")
    assert "labels are off by +1: times match if what is named part3.wav is part4.wav" in finding.found


def test_one_start_that_is_off_is_named_without_a_guess_at_labels():
    tables = four_listeners()
    tables["sub-2"].starts_s[3] += 2.0
    (finding,) = findings_of_order(tables)
    assert (finding.recording, "2.00 s" in finding.found, "labels" in finding.found) == ("sub-2", True, False)


def test_listeners_who_start_each_sound_themselves_are_not_compared():
    rng = np.random.default_rng(0)
    tables = {f"sub-{k}": heard_at(0.0, lengths_s=LENGTHS_S + rng.uniform(1, 8, 6)) for k in range(6)}
    assert list(findings_of_order(tables)) == []


def test_two_listeners_are_too_few_to_say_who_is_off():
    tables = {"sub-1": heard_at(0.0), "sub-2": heard_at(0.0, lengths_s=LENGTHS_S + 3)}
    assert list(findings_of_order(tables)) == []


def test_word_rows_give_one_start_per_presentation(tmp_path):
    folder = tmp_path / "sub-01" / "eeg"
    folder.mkdir(parents=True)
    rows = ["onset\tduration\tstim_file", "2.0\t0.3\ta.wav", "2.5\t0.3\ta.wav", "60\t0.2\ta.wav", "31\t25\tb.wav"]
    (folder / "sub-01_task-t_eeg.vhdr").touch()
    (folder / "sub-01_task-t_events.tsv").write_text("\n".join(rows) + "\n", encoding="utf8")
    (table,) = read_timetables(tmp_path).values()
    assert (table.names, table.starts_s.tolist()) == (("a.wav", "b.wav", "a.wav"), [2.0, 31.0, 60.0])


def test_the_published_tables_whose_labels_are_off_by_one_are_named(realdata):
    found = list(findings_of_order(read_timetables(realdata / "brennan2019_nm000180")))
    assert [f.recording[4:7] for f in found] == SHIFTED
    assert all("labels are off by +1" in f.found for f in found)
