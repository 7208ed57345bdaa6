from __future__ import annotations

from pathlib import Path

import pytest

from eeg2speech_bench.core.errors import DataError
from eeg2speech_bench.datasets.bids.channels import ChannelTable, choose_eeg, read_channel_table
from eeg2speech_bench.datasets.bids.electrode_names import bare_names, electrode_names, is_other_name, joined_by_name

SOURCE = Path("sub-01_task-x_eeg.vhdr")
CAP = ["Fp1", "Fp2", "F3", "F4", "C3", "C4", "O1", "O2"]
NO_ELECTRODE = [
    *("AUD", "Audio", "Aux5", "Mic", "StimTrak", "VEOG", "HEOGL", "EOG left", "ECG", "EMG1", "GSR", "Resp. belt"),
    *("Status", "TRIG", "STI 014", "Photodiode", "EXG1", "EXG8", "ACC_X", "x_dir", "EEG AUD", "EEG ECG-Ref", "LO1"),
]


def choose(names, table=None, located=(), bads=(), kinds=None):
    kinds = dict.fromkeys(names, "eeg") | (kinds or {})
    listed = ChannelTable(Path("channels.tsv"), table, frozenset(bads)) if table is not None else None
    return choose_eeg(SOURCE, kinds, listed, located)


def as_eeg(*names):
    return dict.fromkeys(names, "EEG")


# Which channels are EEG


@pytest.mark.parametrize("name", NO_ELECTRODE)
@pytest.mark.parametrize("table", [None, as_eeg(*CAP), "all"], ids=["no table", "not listed", "called EEG"])
def test_a_channel_named_after_something_else_is_left_out_whatever_the_table_says(name, table):
    choice = choose([*CAP, name], as_eeg(*CAP, name) if table == "all" else table)
    assert list(choice.electrodes.values()) == CAP
    assert f"left out: {name} (no electrode of that name)" in choice.notes[0]


def test_the_notes_say_which_channels_are_used_and_why_others_are_not():
    choice = choose([*CAP, "AUD", "Cz", "Pz"], {**as_eeg(*CAP, "AUD"), "Cz": "MISC", "Pz": "REF"})
    assert choice.notes == (
        "8 EEG channels: Fp1 Fp2 F3 F4 C3 C4 O1 O2; left out: AUD (no electrode of that name), "
        "Cz (type MISC in channels.tsv), Pz (type REF in channels.tsv)",
    )


def test_a_channel_that_the_table_does_not_call_eeg_is_left_out_under_any_name():
    choice = choose(CAP, {**as_eeg(*CAP), "O2": "MISC"})
    assert "O2" not in choice.electrodes


def test_the_table_may_call_eeg_what_the_file_calls_something_else():
    assert "O2" in choose(CAP, as_eeg(*CAP), kinds={"O2": "misc"}).electrodes


def test_without_a_type_in_the_table_the_files_own_type_counts():
    choice = choose(CAP, {**as_eeg(*CAP), "O1": "", "O2": ""}, kinds={"O2": "misc"})
    assert "O1" in choice.electrodes
    assert choice.left_out == {"O2": "type misc in the file"}


@pytest.mark.parametrize("table", [None, as_eeg(*CAP, "Weird")], ids=["no table", "called EEG"])
def test_a_name_that_says_nothing_is_refused_with_what_to_write(table):
    with pytest.raises(DataError, match=r"may or may not be EEG: got Weird: no electrode .*Give them the type MISC in"):
        choose([*CAP, "Weird"], table)


def test_a_name_that_says_nothing_is_eeg_if_it_has_a_position():
    assert "Weird" in choose([*CAP, "Weird"], located=["Weird"]).electrodes


def test_a_position_does_not_make_eeg_of_an_eye_channel():
    assert "VEOG" in choose([*CAP, "VEOG"], as_eeg(*CAP, "VEOG"), located=["VEOG"]).left_out


@pytest.mark.parametrize("ear", ["M1", "M2", "A1", "A2"])
def test_ears_are_eeg_only_if_the_table_calls_them_so(ear):
    assert ear in choose([*CAP, ear]).left_out
    assert ear in choose([*CAP, ear], as_eeg(*CAP, ear)).electrodes


def test_a_recording_without_any_eeg_channel_is_refused():
    with pytest.raises(DataError, match=r"has no EEG channel: got AUD \(no electrode of that name\)"):
        choose(["AUD"])


# Names that mean electrodes


@pytest.mark.parametrize(
    "names",
    [
        [f"{letter}{k}" for letter in "ABCD" for k in range(1, 33)],
        [f"E{k}" for k in range(1, 129)],
        [f"EEG {k:03d}" for k in range(1, 61)],
        [str(k) for k in range(1, 62) if k != 29],
        ["Fp1h", "AFF5h", "TPP10h", "T3", "Iz", "FT9", "CPz", "POO1"],
    ],
    ids=["biosemi", "egi", "mne", "easycap", "10-05"],
)
def test_published_caps_are_eeg_without_a_table(names):
    assert list(choose([*names, "AUD"]).electrodes.values()) == names


@pytest.mark.parametrize("names", [["E1", "E2"], ["1"], [f"Ch{k}" for k in range(1, 33)]])
def test_numbers_that_are_no_cap_need_a_table(names):
    with pytest.raises(DataError, match="may or may not be EEG"):
        choose([*CAP, *names])
    assert list(choose([*CAP, *names], as_eeg(*CAP, *names)).electrodes) == [*CAP, *names]


@pytest.mark.parametrize(
    "pattern", ["EEG {}-CPz", "EEG {}-Ref", "{}-LE", "EEG {}", "{}.", "{}..", "EEG {}-A1", "{}_M2"]
)
def test_labels_with_the_reference_are_their_electrodes(pattern):
    choice = choose([pattern.format(name.upper()) for name in CAP])
    assert list(choice.electrodes.values()) == CAP


@pytest.mark.parametrize("pairs", [["Fp1-F7", "F7-T3"], ["T7-F7"]])
def test_pairs_of_electrodes_are_no_electrode(pairs):
    with pytest.raises(DataError, match=f"may or may not be EEG: got {', '.join(pairs)}: no electrode"):
        choose([*pairs, *CAP])


def test_two_channels_of_one_electrode_are_none():
    assert electrode_names(["Fp1", "EEG Fp1-Ref", "Fz"]) == {"Fz": "Fz"}


def test_a_doubled_label_of_edf_is_no_electrode():
    assert electrode_names(["Cz-0", "Cz-1"]) == {}


def test_electrodes_are_no_other_names():
    names = ["Fp1", "C3", "A1", "E5", "T7", "EEG 001", "M1", "P10h"]
    assert [name for name in names if is_other_name(name)] == []


# Tables and recordings are joined by name


def test_rows_are_joined_by_name_in_any_order_and_case():
    assert joined_by_name(["FZ", "cz", "Fp1"], ["Fp1", "Cz", "Fz"]) == {"FZ": "Fz", "cz": "Cz", "Fp1": "Fp1"}


def test_an_equal_name_comes_before_one_of_another_case():
    assert joined_by_name(["Fp1", "FP1"], ["FP1", "Fp1"]) == {"Fp1": "Fp1", "FP1": "FP1"}


def test_a_name_with_two_partners_has_none():
    assert joined_by_name(["FZ"], ["Fz", "fz"]) == {}


def test_a_table_without_references_describes_a_recording_with_them():
    assert joined_by_name(["Fp1", "Cz"], ["EEG Cz-CPz", "EEG Fp1-CPz"]) == {"Fp1": "EEG Fp1-CPz", "Cz": "EEG Cz-CPz"}
    assert bare_names(["EEG Cz-CPz", "EEG Fp1-CPz"])["EEG Cz-CPz"] == "cz"


def test_bad_channels_are_found_under_the_tables_spelling():
    assert choose(["EEG Fp1-Ref", "EEG Cz-Ref"], as_eeg("FP1", "CZ"), bads=["CZ"]).bads == ("EEG Cz-Ref",)


def test_an_electrode_that_the_table_lacks_is_named_with_the_row_it_may_be():
    with pytest.raises(
        DataError, match=r"only in the recording: O2; only in the table: PO2, .*a row for every channel"
    ):
        choose(CAP, as_eeg(*CAP[:-1], "PO2"))


def test_a_row_without_a_channel_is_said():
    assert choose(CAP, as_eeg(*CAP, "FCz")).notes[1] == "channels.tsv also lists FCz, which the recording does not hold"


# The table


def table_at(root, text, name="sub-01/eeg/sub-01_task-x_channels.tsv"):
    path = root / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text.replace("|", "\t"), encoding="utf-8-sig")
    return path


def recording_in(root):
    folder = root / "sub-01" / "eeg"
    folder.mkdir(parents=True, exist_ok=True)
    return folder / "sub-01_task-x_run-2_eeg.edf"


def test_types_and_status_are_read_in_any_case(tmp_path):
    table_at(tmp_path, "name|type|status\nFz|eeg|Bad\nCz|EEG|good\nA|misc|n/a\nB|n/a|bad\n")
    table = read_channel_table(recording_in(tmp_path), tmp_path)
    assert table.types == {"Fz": "EEG", "Cz": "EEG", "A": "MISC", "B": ""}
    assert table.bads == {"Fz", "B"}


def test_a_table_needs_names_alone(tmp_path):
    table_at(tmp_path, "name\nFz\n")
    assert read_channel_table(recording_in(tmp_path), tmp_path).types == {"Fz": ""}


def test_a_table_without_names_is_refused(tmp_path):
    table_at(tmp_path, "channel|type\nFz|EEG\n")
    with pytest.raises(DataError, match=r"channels\.tsv has no column name: got channel, type"):
        read_channel_table(recording_in(tmp_path), tmp_path)


def test_rows_that_contradict_each_other_are_refused_and_repeated_ones_are_not(tmp_path):
    table_at(tmp_path, "name|type\nFz|EEG\nFz|EEG\nCz|EEG\nCz|MISC\n")
    with pytest.raises(DataError, match=r"rows that contradict each other: got Cz\."):
        read_channel_table(recording_in(tmp_path), tmp_path)


# Published tables


def test_published_tables_give_their_caps_without_sound_and_eyes(realdata):
    tables = sorted((realdata / "brennan2019_nm000180").rglob("*_channels.tsv"))
    for path in tables:
        table = read_channel_table(path.with_name(path.name.replace("channels.tsv", "eeg.vhdr")), path.parents[2])
        choice = choose(list(table.types), table.types)
        assert list(choice.electrodes.values()) == [str(k) for k in range(1, 62) if k != 29]
        assert "VEOG" in choice.left_out
    assert len(tables) > 30


def test_the_published_biosemi_cap_is_128_electrodes(realdata):
    path = next((realdata / "bids_skeletons" / "ds004408").rglob("*_channels.tsv"))
    table = read_channel_table(path.with_name(path.name.replace("channels.tsv", "eeg.vhdr")), path.parents[2])
    assert len(choose(list(table.types), table.types).electrodes) == 128
