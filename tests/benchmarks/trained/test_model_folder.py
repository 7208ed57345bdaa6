"""A model comes back as it was written, and says what is wrong where it does not."""

from __future__ import annotations

import json

import pytest
import torch

from eeg2speech_bench.benchmarks.trained.model_folder import (
    FILE,
    GENERATOR,
    PAIR,
    ModelDescription,
    model_bytes,
    read_description,
    read_weights,
    write_model,
)
from eeg2speech_bench.core.errors import StorageError

ORIGIN = {"name": "n", "distribution": "d", "version": "1", "target": "m:C", "source_hash": "ab" * 8}
TREE = {
    "suite": "0.1.0",
    "cell": {"id": "c", "encoder": "n", "dataset": "d", "dataset_argument": "d", "preset": "quick", "seed": 0},
    "dataset": {"name": "d", "revision": "1"},
    "encoder": {**ORIGIN, "options": {"width": 3}},
    "target": ORIGIN,
    "modality": "eeg",
    "signal": {"n_chans": 1, "n_times": 346, "sfreq": 120.0, "chs_info": [{"ch_name": "Cz", "loc": [0.0, 1e-05]}]},
    "sound": {"kind": "waveform", "rate_hz": 16000.0},
    "listeners": ["01"],
    "recordings": [{"recording_id": "r", "listener": "01", "scale_from": "recording", "recorded_sfreq": 500.0}],
    "config": {},
    "verdict": {"top1": {"distinguishable": True, "p": 0.01, "hardest_control": "shift", "alpha": 0.05}},
    "packages": {"torch": "2.11"},
}
DESCRIPTION = ModelDescription.model_validate_json(json.dumps(TREE))


@pytest.fixture
def folder(tmp_path):
    weight = torch.arange(6.0).reshape(2, 3)
    write_model(tmp_path / "model", DESCRIPTION, {PAIR: {"encoder.a": weight, "encoder.tied": weight}})
    return tmp_path / "model"


def test_what_is_written_is_what_is_read(folder):
    read = read_description(folder)
    assert read.model_copy(update={"files": {}}) == DESCRIPTION
    weights = read_weights(folder, read, PAIR)
    assert {name: value.tolist() for name, value in weights.items()} == {
        "encoder.a": [[0, 1, 2], [3, 4, 5]],
        "encoder.tied": [[0, 1, 2], [3, 4, 5]],
    }


def test_a_model_without_a_generator_makes_no_speech(folder):
    assert not read_description(folder).generates


def test_nothing_in_the_folder_is_pickled(folder):
    assert {path.name for path in folder.iterdir()} == {FILE, PAIR}


def test_whoever_may_read_the_description_may_read_the_weights(folder):
    assert (folder / PAIR).stat().st_mode == (folder / FILE).stat().st_mode


def test_its_size_is_that_of_its_files(folder):
    assert model_bytes(folder) == (folder / FILE).stat().st_size + (folder / PAIR).stat().st_size


def test_weights_that_changed_are_refused(folder):
    content = bytearray((folder / PAIR).read_bytes())
    content[-1] ^= 1
    (folder / PAIR).write_bytes(content)
    with pytest.raises(StorageError, match=r"is damaged: got pair.safetensors is not what was written"):
        read_weights(folder, read_description(folder), PAIR)


def test_weights_that_are_missing_are_named(folder):
    with pytest.raises(StorageError, match=rf"is incomplete: got no {GENERATOR}"):
        read_weights(folder, read_description(folder), GENERATOR)


def test_a_folder_without_a_model_is_named(tmp_path):
    with pytest.raises(StorageError, match=r"holds no model: got no model.json"):
        read_description(tmp_path)


def test_another_version_asks_for_an_update(folder):
    change(folder, version=2)
    with pytest.raises(StorageError, match=r"cannot be read: got version.*Update eeg2speech-bench"):
        read_description(folder)


@pytest.mark.parametrize("change_to", [{"code": "import os"}, {"listeners": "01"}, {"modality": "meg"}])
def test_what_a_model_does_not_have_is_refused(folder, change_to):
    change(folder, **change_to)
    with pytest.raises(StorageError, match=f"cannot be read: got {next(iter(change_to))}"):
        read_description(folder)


def change(folder, **values):
    tree = json.loads((folder / FILE).read_text())
    (folder / FILE).write_text(json.dumps(tree | values))
