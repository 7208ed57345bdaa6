"""A run asks for channels of one type: which recordings of a data set stay, and what is said of the others."""

from __future__ import annotations

from dataclasses import replace

import pytest

from eeg2speech_bench.core.errors import DataError
from eeg2speech_bench.datasets.preparation.channel_picks import picked


@pytest.fixture
def mixed(make_dataset):
    """One listener with EEG, one with MEG and EEG in the same file."""
    dataset = make_dataset([30.0])
    eeg, both = dataset.recordings
    dataset.recordings = (
        replace(eeg, channels=("Cz",), channel_types=("eeg",)),
        replace(both, channels=("MEG0111", "MEG0112", "EEG001"), channel_types=("mag", "grad", "eeg")),
    )
    return dataset


def test_a_recording_keeps_the_channels_of_the_type_alone(mixed):
    assert [r.channels for r in picked(mixed, "eeg").recordings] == [("Cz",), ("EEG001",)]


def test_a_recording_without_the_type_is_left_out_with_the_reason(mixed):
    meg = picked(mixed, "meg")
    assert [r.channels for r in meg.recordings] == [("MEG0111", "MEG0112")]
    assert meg.skipped == (("rec-L0", "no channel of type mag or grad"),)


def test_a_data_set_without_the_type_is_refused_with_what_to_type(mixed):
    mixed.recordings = mixed.recordings[:1]
    with pytest.raises(DataError, match=r"'arrays' has no channel of type mag.*--picks eeg"):
        picked(mixed, "mag")


def test_recordings_that_do_not_say_their_types_stay(make_dataset):
    dataset = make_dataset([30.0])
    assert picked(dataset, "mag") is dataset
