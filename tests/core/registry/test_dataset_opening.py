"""Data sets are found and opened by what is typed."""

from __future__ import annotations

from pathlib import Path

import pytest

from eeg2speech_bench.core.errors import ContractError, UnknownNameError
from eeg2speech_bench.core.registry.dataset_opening import find_dataset, open_dataset, revision_of
from eeg2speech_bench.core.registry.registry import load_registry
from eeg2speech_bench.core.specs import DatasetSpec


def test_a_data_set_is_a_name_a_name_with_argument_or_a_folder(tmp_path):
    registry = load_registry()
    assert find_dataset("simulated", registry)[1] is None
    assert find_dataset("simulated:null", registry)[1] == "null"
    spec, argument = find_dataset(str(tmp_path), registry)
    assert (spec.name, argument) == ("bids", str(tmp_path))
    with pytest.raises(UnknownNameError, match="Did you mean 'simulated'"):
        find_dataset("simulatd", registry)


class Opened:
    """A data set as a plugin may write it."""

    name, about, is_null, sound_kind, split_fractions = "mine", "", False, "waveform", None
    stimuli = recordings = ()
    revision: object = "1"


def opened(monkeypatch, made: object):
    monkeypatch.setattr(DatasetSpec, "load", lambda spec: lambda argument, cache, report: made)
    return open_dataset(DatasetSpec("mine", "m:open"), None, Path(), lambda line: None)


def test_what_has_all_that_a_data_set_needs_is_opened(monkeypatch):
    made = Opened()
    assert opened(monkeypatch, made) is made
    assert revision_of(made) == "1"


@pytest.mark.parametrize("made", [None, {}, type("Half", (), {"name": "half", "recordings": ()})()])
def test_what_is_no_data_set_is_refused_with_what_it_lacks(monkeypatch, made):
    with pytest.raises(ContractError, match=r"'mine' opened as something else: got \w+ without .*stimuli"):
        opened(monkeypatch, made)


@pytest.mark.parametrize(
    ("revision", "words"),
    [
        (property(lambda dataset: 1 / 0), "Data set 'mine' failed: got ZeroDivisionError"),
        (None, "Data set 'mine' has no revision: got None"),
        ("\x1b[31m", "Data set 'mine' has no revision"),
    ],
)
def test_a_revision_that_cannot_be_had_is_the_data_sets_fault(monkeypatch, revision, words):
    monkeypatch.setattr(Opened, "revision", revision)
    with pytest.raises(ContractError, match=words):
        revision_of(Opened())
