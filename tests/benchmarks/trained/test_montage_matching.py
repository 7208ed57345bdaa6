"""A recording is given the channels of a model, or a reason."""

from __future__ import annotations

import mne
import numpy as np
import pytest
from meg_files import ctf_raw, elekta_raw

from eeg2speech_bench.benchmarks.trained.montage_matching import ChannelMap, match_channels
from eeg2speech_bench.core.errors import DataError, UsageError

NAMES = ["Fz", "Cz", "Pz", "Oz", "C3", "C4"]


def raw_of(names: list[str], *, located: bool = True) -> mne.io.RawArray:
    eeg = 1e-5 * np.random.default_rng(0).standard_normal((len(names), 300))
    raw = mne.io.RawArray(eeg, mne.create_info(names, 100.0, "eeg"), verbose="ERROR")
    return raw.set_montage("standard_1020", on_missing="ignore", verbose="ERROR") if located else raw


MODEL = [{"ch_name": c["ch_name"], "loc": c["loc"].tolist()} for c in raw_of(NAMES).info["chs"]]


def match(raw: mne.io.BaseRaw, text: str = "") -> tuple[mne.io.BaseRaw, tuple[str, ...]]:
    return match_channels(raw, MODEL, ChannelMap.read(text), "a.vhdr")


def test_channels_are_put_in_the_order_of_the_model():
    raw = raw_of(NAMES[::-1])
    matched, notes = match(raw)
    assert (matched.ch_names, notes) == (NAMES, ())
    np.testing.assert_array_equal(matched.get_data("Oz"), raw.get_data("Oz"))


def test_the_recording_itself_is_not_changed():
    raw = raw_of([*NAMES, "T7"])
    match(raw)
    assert raw.ch_names == [*NAMES, "T7"]


def test_channels_that_the_model_lacks_are_left_out_and_named():
    matched, notes = match(raw_of([*NAMES, "T7", "T8"]))
    assert matched.ch_names == NAMES
    assert notes == ("left out, since the model has no such channels: T7 T8",)


def test_another_montage_is_refused_with_the_names_it_lacks():
    with pytest.raises(DataError, match=r"a.vhdr has another montage than the model: got 6 .*, without Oz, C3"):
        match(raw_of([*NAMES[:3], "C4", "A1", "A2"]))


def test_names_that_differ_in_case_alone_are_suggested():
    with pytest.raises(DataError, match="--map-channels FZ=Fz,CZ=Cz"):
        match(raw_of(["FZ", "CZ", *NAMES[2:]], located=False))


def test_channels_are_renamed_as_told():
    matched, notes = match(raw_of(["E1", *NAMES[1:]]), "E1=Fz")
    assert matched.ch_names == NAMES
    assert notes == ("renamed: E1 to Fz",)


def test_a_channel_that_is_lacking_is_interpolated_as_told():
    matched, notes = match(raw_of(NAMES[:1] + NAMES[2:]), "interpolate")
    assert matched.ch_names == NAMES
    assert matched.info["bads"] == ["Cz"]
    assert notes == ("interpolated, since the file lacks them: Cz",)


def test_most_of_a_montage_is_not_made_up():
    with pytest.raises(DataError, match="another montage"):
        match(raw_of(NAMES[:2]), "interpolate")


def test_electrodes_of_the_same_names_in_other_places_are_refused():
    raw = raw_of(NAMES)
    for channel in raw.info["chs"]:
        channel["loc"][:3] = -channel["loc"][:3]
    with pytest.raises(DataError, match="electrodes of the same names lie elsewhere"):
        match(raw)


def test_a_recording_without_positions_is_taken_by_its_names():
    assert match(raw_of(NAMES, located=False))[0].ch_names == NAMES


def test_a_model_of_magnetometers_takes_them_from_a_file_of_all_sensors():
    raw = elekta_raw(np.ones((9, 50)), 100.0)
    model = [raw.info["chs"][8], raw.info["chs"][2]]
    matched, notes = match_channels(raw, model, ChannelMap(), "the file")
    assert (matched.ch_names, matched.get_channel_types()) == (["MEG0131", "MEG0111"], ["mag", "mag"])
    assert notes == ("left out, since the model has no such channels: MEG0121",)


def test_sensors_of_ctf_are_known_without_the_number_of_their_electronics():
    raw = ctf_raw(np.ones((3, 50)), 100.0)
    model = [{**channel, "ch_name": channel["ch_name"].partition("-")[0]} for channel in raw.info["chs"]]
    assert match_channels(raw, model, ChannelMap(), "the file")[0].ch_names == ["MLC11", "MLC12", "MLC13"]


def test_a_file_of_eeg_is_no_input_of_a_model_of_sensors():
    sensors = elekta_raw(np.ones((3, 50)), 100.0).info["chs"]
    eeg = mne.io.RawArray(np.ones((1, 50)), mne.create_info(["Cz"], 100.0, "eeg"), verbose="ERROR")
    with pytest.raises(DataError, match="no channel of the model's types: got eeg, expected grad or mag"):
        match_channels(eeg, sensors, ChannelMap(), "the file")


@pytest.mark.parametrize("text", ["Cz", "=Cz", "Cz=", "interpolated"])
def test_what_is_no_map_is_refused(text):
    with pytest.raises(UsageError, match="--map-channels was not understood"):
        ChannelMap.read(text)


@pytest.mark.parametrize(("text", "got"), [("E9=Fz", "'E9', which a.vhdr lacks"), ("Fz=E9", "'E9', which the model")])
def test_a_map_of_channels_that_are_not_there_is_refused(text, got):
    with pytest.raises(UsageError, match=got):
        match(raw_of(NAMES), text)
