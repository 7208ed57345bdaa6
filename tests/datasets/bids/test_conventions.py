"""A description says what the rows of a data set mean: the conventions of real data sets, each end to end."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest

from eeg2speech_bench.core.errors import DataError
from eeg2speech_bench.datasets.bids.bids_dataset import open_bids
from eeg2speech_bench.datasets.bids.description import Description, EventsDescription


@pytest.fixture
def describe(bids_root):
    def write(text):
        (bids_root / "eeg2speech-bench.toml").write_text(text)
        return bids_root

    return write


def heard(dataset, recording=0):
    names = {s.stimulus_id: s.name for s in dataset.stimuli}
    return [(names[p.stimulus_id], round(p.onset_s, 4)) for p in dataset.recordings[recording].presentations]


# B1: word rows with a time inside the file in a column of their own, as in nm000229


def test_rows_inside_their_file_are_read_by_the_columns_that_are_named(describe, events_of):
    rows = [
        "onset|duration|kind|begin|sound|word|sequence_id",
        "2.0|0|sound|0|stimuli/a_0.0.wav|n/a|n/a",
        "2.5|.3|word|0.5|stimuli/a.wav|Tara|0",
        "2.5|.1|phoneme|0.5|stimuli/a.wav|n/a|0",
        "3.5|.4|word|1.5|stimuli/a.wav|None|1",
    ]
    events_of("01", "\n".join(rows) + "\n")
    root = describe(
        "[events]\nrows = 'inside'\nsound = 'sound'\ninside = 'begin'\nword = 'word'\nsentence = 'sequence_id'\n"
        "where = {kind = ['word']}\n"
    )
    events_of("02", None)
    dataset = open_bids(root)
    assert heard(dataset) == [("a.wav", 2.0)]
    assert [(w.text, w.start_s, w.stop_s, w.sentence) for w in dataset.stimuli[0].words] == [
        ("Tara", 0.5, 0.8, 0),
        ("None", 1.5, 1.9, 1),
    ]


def test_words_beside_a_sound_go_before_those_of_the_rows(describe, events_of):
    events_of("01", "onset|duration|stim_file|begin|word\n2.5|.3|c.flac|0.5|Tara\n")
    events_of("02", None)
    words = open_bids(describe("[events]\ninside = 'begin'\nrows = 'inside'\nword = 'word'\n")).stimuli
    assert [w.text for s in words if s.name == "c.flac" for w in s.words] == ["down", "the", "hole"]


@pytest.mark.parametrize("unit", ["inside_unit = 'ms'\n", ""])
def test_the_unit_of_a_time_inside_the_file_is_the_descriptions_or_the_sidecars(describe, events_of, unit):
    events_of("01", "onset|duration|stim_file|begin\n2.5|.3|a.wav|500\n4|.3|a.wav|2000\n")
    root = describe(f"[events]\nrows = 'inside'\ninside = 'begin'\n{unit}")
    (root / "sub-01" / "sub-01_events.json").write_text("{}" if unit else '{"begin": {"Units": "ms"}}')
    events_of("02", None)
    assert heard(open_bids(root)) == [("a.wav", 2.0)]


# B2: word rows, and the time inside the file in another table, as in nm000180

LOOKUP = """
[events]
rows = 'inside'
inside = 'in_wav'
[lookup]
table = 'sourcedata/words.csv'
match = {word_index = 'Order'}
take = {in_wav = 'onset'}
"""


@pytest.fixture
def words_csv(bids_root):
    (bids_root / "sourcedata").mkdir()
    path = bids_root / "sourcedata" / "words.csv"
    path.write_text('Word,onset,Order\n"Alice",0.5,1\nwas,1.25,2\n')
    return path


def test_times_inside_the_file_come_from_another_table(describe, events_of, words_csv):
    events_of("01", "onset|duration|stim_file|word_index\n2.5|.3|a.wav|1.0\n3.25|.3|a.wav|2\n")
    events_of("02", None)
    assert heard(open_bids(describe(LOOKUP))) == [("a.wav", 2.0)]


def test_the_revision_follows_the_other_table(describe, events_of, words_csv):
    events_of("01", "onset|duration|stim_file|word_index\n2.5|.3|a.wav|1\n")
    events_of("02", None)
    before = open_bids(describe(LOOKUP)).revision
    words_csv.write_text(words_csv.read_text().replace("1.25", "1.26"))
    assert open_bids(describe(LOOKUP)).revision != before


def test_keys_that_are_there_twice_are_refused(describe, events_of, words_csv):
    words_csv.write_text("Order,onset\n1,0.5\n1.0,0.7\n")
    events_of("01", "onset|duration|stim_file|word_index\n2.5|.3|a.wav|1\n")
    with pytest.raises(DataError, match=r"Rows 2 and 3 of table .*words\.csv have the same key: got 1"):
        open_bids(describe(LOOKUP))


def test_rows_that_the_other_table_lacks_are_counted(describe, events_of, words_csv):
    events_of("01", "onset|duration|stim_file|word_index\n2.5|.3|a.wav|1\n2.9|.3|a.wav|77\n")
    events_of("02", None)
    notes = open_bids(describe(LOOKUP)).recordings[0].notes
    assert notes[1:] == ("left out rows of 'a.wav' without a time inside the file: 1",)


def test_a_file_of_which_no_row_has_a_time_is_refused(describe, events_of, words_csv):
    events_of("01", "onset|duration|stim_file|word_index\n2.5|.3|a.wav|77\n")
    with pytest.raises(DataError, match=r"No row of .* says where inside 'a\.wav' it lies: got n/a in 1 rows.*row 2"):
        open_bids(describe(LOOKUP))


def test_another_table_outside_the_folder_is_refused(describe):
    with pytest.raises(DataError, match=r"lookup\.table in eeg2speech-bench\.toml leads out of .*got '/etc/x\.csv'"):
        open_bids(describe(LOOKUP.replace("sourcedata/words.csv", "/etc/x.csv")))


# C: a row every second, as in ds006468


def test_periodic_rows_start_with_the_first_and_fit_the_clock(describe, events_of):
    ticks = "".join(f"{5 + second * 1.000485:.4f}|1|book|d.wav\n" for second in range(18))
    chirps = "".join(f"{1 + 0.3 * k:.1f}|0|chirp|b.wav\n" for k in range(6))
    events_of("01", "onset|duration|trial_type|stim_file\n" + chirps + ticks)
    events_of("02", None)
    dataset = open_bids(describe("[events]\nrows = 'periodic'\nperiod_s = 1.0\nwhere = {trial_type = ['book']}\n"))
    (p,) = dataset.recordings[0].presentations
    assert (p.onset_s, p.duration_s, p.clock_ratio) == pytest.approx((5.0, 18.0, 1.000485), abs=1e-4)


def test_periodic_rows_that_stop_early_were_heard_until_then(describe, events_of):
    events_of("01", "onset|duration|stim_file\n" + "".join(f"{5 + k}|1|d.wav\n" for k in range(9) if k != 4))
    events_of("02", None)
    (p,) = open_bids(describe("[events]\nrows = 'periodic'\n")).recordings[0].presentations
    assert (p.onset_s, p.duration_s) == (5.0, 9.0)


def test_periodic_rows_off_the_period_are_another_start(describe, events_of):
    starts = [2 + k for k in range(12)] + [20.5 + k for k in range(12)]
    events_of("01", "onset|duration|stim_file\n" + "".join(f"{t}|1|a.wav\n" for t in starts))
    events_of("02", None)
    assert heard(open_bids(describe("[events]\nrows = 'periodic'\n"))) == [("a.wav", 2.0), ("a.wav", 20.5)]


# D: one file per recording, as in ds004408


def test_a_recording_may_name_its_file_and_when_it_starts(describe, events_of):
    for subject in ("01", "02"):
        events_of(subject, None)
    root = describe("[events]\nrows = 'recording'\nsound = '{task}{sub}.wav'\noffset_s = 1.5\n")
    (root / "stimuli" / "a.wav").rename(root / "stimuli" / "listening01.wav")
    (root / "stimuli" / "b.wav").rename(root / "stimuli" / "listening02.wav")
    dataset = open_bids(root)
    assert [heard(dataset, k) for k in (0, 1)] == [[("listening01.wav", 1.5)], [("listening02.wav", 1.5)]]


def test_a_file_per_recording_that_is_absent_is_named(describe):
    with pytest.raises(DataError, match=r"A stim_file in eeg2speech-bench\.toml does not exist: got 'listening9\.wav'"):
        open_bids(describe("[events]\nrows = 'recording'\nsound = '{task}9.wav'\n"))


def test_an_entity_that_a_recording_lacks_is_named(describe):
    with pytest.raises(DataError, match=r"'\{run\}\.wav' cannot be filled .*got no 'run', expected one of: sub, task"):
        open_bids(describe("[events]\nrows = 'recording'\nsound = '{run}.wav'\n"))


# E: codes and what was attended, as in ds006434 and ds005345

CODES = "onset|duration|value|attend|chapter\n2|12|1|Female|1\n2.001|0|4|Female|1\n20|14.5|1.0|Male|12\n"


def test_names_of_files_are_made_of_columns(describe, events_of):
    for subject in ("01", "02"):
        events_of(subject, CODES)
    root = describe("[events]\nsound = '{attend}_{chapter:03}.wav'\nwhere = {value = [1]}\n")
    (root / "stimuli" / "a.wav").rename(root / "stimuli" / "Female_001.wav")
    (root / "stimuli" / "b.wav").rename(root / "stimuli" / "Male_012.wav")
    assert heard(open_bids(root)) == [("Female_001.wav", 2.0), ("Male_012.wav", 20.0)]


def test_codes_stand_for_files(describe, events_of):
    for subject in ("01", "02"):
        events_of(subject, "onset|duration|trial_type\n2|0|S  1\n15|0|button\n20|0|S  2\n")
    dataset = open_bids(describe("[events]\nsound = 'trial_type'\n[sounds]\n'S  1' = 'a.wav'\n'S  2' = 'b.wav'\n"))
    assert heard(dataset) == [("a.wav", 2.0), ("b.wav", 20.0)]
    assert dataset.recordings[0].notes[1:] == (
        "left out rows of sub-01_task-listening_events.tsv whose code has no sound in eeg2speech-bench.toml: "
        "1 (button)",
    )


def test_markers_of_the_recording_itself_are_rows(describe, events_of):
    for subject in ("01", "02"):
        events_of(subject, None)
    root = describe("[events]\ntable = 'markers'\nsound = 'value'\n[sounds]\n'Stimulus/S  7' = 'a.wav'\n")
    for marks in root.rglob("*.vmrk"):
        marks.write_text(marks.read_text(encoding="utf8") + "Mk9=Stimulus,S  7,257,1,0\n", encoding="utf8")
    assert heard(open_bids(root)) == [("a.wav", 2.0)]


def test_rows_without_a_known_code_skip_the_recording_and_say_which_there_are(describe, events_of):
    events_of("01", "onset|duration|trial_type\n2|0|go\n15|0|button\n")
    events_of("02", "onset|duration|trial_type\n2|0|S 1\n")
    dataset = open_bids(describe("[events]\nsound = 'trial_type'\n[sounds]\n'S 1' = 'a.wav'\n"))
    assert dataset.skipped[0][1].endswith("has a code of [sounds]; they have button, go")


# Tables elsewhere


@pytest.mark.parametrize(("unit", "factor"), [("samples", 128), ("ms", 1000), ("s", 1)])
def test_a_table_elsewhere_is_read_by_its_own_columns_and_unit(describe, events_of, unit, factor):
    root = describe(
        f"[events]\ntable = 'sourcedata/{{sub}}_log.tsv'\nonset = 'at'\nonset_unit = '{unit}'\nsound = 'file'\n"
        "duration = ''\noffset_s = 0.06\n"
    )
    (root / "sourcedata").mkdir()
    (root / "sourcedata" / "01_log.tsv").write_text(f"file\tat\na.wav\t{2 * factor}\nb.wav\t{20 * factor}\n")
    dataset = open_bids(root)
    assert heard(dataset) == [("a.wav", 2.06), ("b.wav", 20.06)]
    assert dataset.skipped == (("sub-02_task-listening_eeg", "no sourcedata/02_log.tsv"),)


def test_a_table_outside_the_folder_is_refused(describe):
    with pytest.raises(DataError, match=r"events\.table in eeg2speech-bench\.toml leads out of"):
        open_bids(describe("[events]\ntable = '../log.tsv'\n"))


def test_a_column_that_is_not_there_is_named(describe):
    with pytest.raises(DataError, match=r"has no column 'at': got onset, duration, stim_file"):
        open_bids(describe("[events]\nonset = 'at'\n"))


def test_rows_that_are_starts_by_description_may_be_near(describe, events_of):
    for subject in ("01", "02"):
        events_of(subject, "onset|duration|stim_file\n2|4|a.wav\n7|0.5|a.wav\n")
    (first, second) = open_bids(describe("[events]\nrows = 'starts'\n")).recordings[0].presentations
    assert (first.duration_s, second.duration_s) == (4.0, 0.5)


# Recordings that are left out


def test_a_recording_that_is_left_out_is_listed_with_its_reason(describe):
    dataset = open_bids(describe("[leave_out]\nsub-02 = 'fell asleep'\n"))
    assert [r.subject for r in dataset.recordings] == ["01"]
    assert dataset.skipped == (("sub-02_task-listening_eeg", "fell asleep"),)


@pytest.mark.parametrize("name", ["sub-0", "sub-03", "02"])
def test_leaving_out_what_is_not_there_is_refused(describe, name):
    with pytest.raises(DataError, match=rf"\[leave_out\] in .* names no recording: got '{name}'"):
        open_bids(describe(f"[leave_out]\n{name} = 'typed wrong'\n"))


# The file itself


def test_the_description_is_part_of_the_revision(describe):
    before = open_bids(describe("")).revision
    assert open_bids(describe("[events]\noffset_s = 0.01\n")).revision != before


def test_a_description_beside_the_folder_is_that_in_it(describe, bids_root):
    before = open_bids(describe("[events]\noffset_s = 0.5\n"))
    (bids_root / "eeg2speech-bench.toml").rename(bids_root.with_name("tiny.toml"))
    after = open_bids(bids_root)
    assert (heard(after), after.revision) == (heard(before), before.revision)


def test_a_description_beside_the_folder_goes_first(describe, bids_root):
    describe("[events]\noffset_s = 0.5\n")
    bids_root.with_name("tiny.toml").write_text("[events]\noffset_s = 0.25\n")
    assert heard(open_bids(bids_root))[0] == ("a.wav", 2.25)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[event]\n", r"Unknown key 'event' in .*expected events, sounds.*Did you mean 'events'"),
        ("[events]\nonsets = 'a'\n", r"Unknown key 'events\.onsets' in .*Did you mean 'events\.onset'"),
        ("[events]\nrows = 'words'\n", r"'events\.rows' in .* is wrong: got 'words', expected .*'inside'"),
        ("[events]\nperiod_s = -1\n", r"'events\.period_s' in .* is wrong: got -1"),
        ("[events]\nrows = 'recording'\n", "needs sound, for example"),
        ("[events]\nrows = 'starts'\nword = 'word'\n", "word needs rows = 'inside'"),
        ("[lookup]\ntable = 'a.tsv'\n", r"'lookup\.match' in .* is wrong: got nothing, expected Field required"),
        ("[sounds\n", r"eeg2speech-bench\.toml is not TOML"),
    ],
)
def test_what_a_description_cannot_say_is_refused(describe, text, said):
    with pytest.raises(DataError, match=said):
        open_bids(describe(text))


def test_a_folder_without_events_says_what_to_write_into_the_description(bids_root, events_of):
    for subject in ("01", "02"):
        events_of(subject, None)
    with pytest.raises(DataError, match=r"eeg2speech-bench\.toml .*\[events\] sound = 'story\{run\}\.wav' and rows ="):
        open_bids(bids_root)


def test_the_page_on_data_names_all_keys_of_a_description():
    page = (Path(__file__).resolve().parents[3] / "docs" / "data.md").read_text(encoding="utf8")
    example = tomllib.loads(re.search(r"\n(    \[events\]\n.*?)\n\n\w", page, re.DOTALL)[1])
    Description.model_validate(example)
    said = set(example["events"]) | set(re.findall(r"(\w+) = ", page))
    assert set(EventsDescription.model_fields) <= said
    assert set(example) == set(Description.model_fields)
