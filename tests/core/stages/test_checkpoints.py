"""Checkpoints: whole or not there, never trusted blindly, gone with the stage or with time."""

from __future__ import annotations

import errno
import io
import os
import pickle
import time

import pytest
import torch
from rich.console import Console

from eeg2speech_bench.core.stages import checkpoints as module
from eeg2speech_bench.core.stages.checkpoints import FOLDER, StageCheckpoints
from eeg2speech_bench.core.stages.json_files import read_json
from eeg2speech_bench.core.stages.keys import KeyParts
from eeg2speech_bench.core.stages.stage_store import Stage, StageStore
from eeg2speech_bench.core.stages.usage import kept_stages
from eeg2speech_bench.core.terminal.progress import StageProgress

STATE = {"weights": torch.arange(1000.0), "step": 7, "names": ["a", "b"]}
DAY_S = 24 * 3600.0


class Kept:
    """A folder of checkpoints, as each attempt sees it anew, and what was told."""

    def __init__(self, folder):
        self.folder, self.told = folder, []

    def attempt(self, key="key") -> StageCheckpoints:
        return StageCheckpoints(self.folder, {"name": "align", "key": key, "subject": {}}, self.told.append)

    def file(self):
        return self.attempt().file("trial 1")


@pytest.fixture
def kept(tmp_path):
    return Kept(tmp_path / FOLDER / "align-key")


class Training:
    """A stage that trains: it fails after writing a checkpoint, and ends the next time."""

    def __init__(self, folder):
        self.store, self.said = StageStore(folder), io.StringIO()
        self.stage = Stage("toy", KeyParts({}, {}, {}, {}, {}), self.run, (), {"dataset": "made-up"}, trains=True)

    def run(self, out, progress, checkpoints):
        file = checkpoints.file("net")
        state = file.read()
        if state is None:
            time.sleep(0.2)
            file.write(STATE)
            raise RuntimeError("out of luck")
        file.goes_on(state["step"])

    def ensure(self):
        return self.store.ensure(self.stage, StageProgress(Console(file=self.said, width=500)))

    def fail(self):
        with pytest.raises(RuntimeError, match="out of luck"):
            self.ensure()


@pytest.fixture
def training(tmp_path):
    return Training(tmp_path / "stages")


def test_a_state_is_read_as_it_was_written(kept):
    kept.file().write(STATE)
    read = kept.file().read()
    assert torch.equal(read.pop("weights"), STATE["weights"])
    assert read == {"step": 7, "names": ["a", "b"]}


def test_where_nothing_was_written_nothing_is_read_or_told(kept):
    assert kept.file().read() is None
    assert kept.told == []


def test_one_flipped_bit_is_found(kept):
    kept.file().write(STATE)
    content = bytearray(kept.file().path.read_bytes())
    content[content.index(STATE["weights"].numpy().tobytes()) + 100] ^= 1
    kept.file().path.write_bytes(content)
    assert kept.file().read() is None
    (line,) = kept.told
    assert "Training starts from the beginning" in line


def test_an_empty_file_is_not_used(kept):
    kept.file().write(STATE)
    kept.file().path.write_bytes(b"")
    assert kept.file().read() is None
    assert len(kept.told) == 1


def test_no_code_of_a_foreign_file_runs(kept, tmp_path):
    class Intruder:
        def __reduce__(self):
            return os.mkdir, (str(tmp_path / "intruded"),)

    kept.folder.mkdir(parents=True)
    torch.save({"key": "key", "seconds": 0, "state": Intruder()}, kept.file().path, pickle_module=pickle)
    assert kept.file().read() is None
    assert not (tmp_path / "intruded").exists()


def test_a_write_that_fails_leaves_the_state_before_and_is_told_once(kept, monkeypatch):
    kept.file().write(STATE)

    def full(descriptor):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(module.os, "fsync", full)
    file = kept.file()
    for step in (8, 9):
        file.write(STATE | {"step": step})
    assert kept.file().read()["step"] == 7
    assert [line.count("No space left on device") for line in kept.told] == [1]
    assert [path.suffix for path in kept.folder.iterdir() if path.name.startswith(".")] == []


def test_a_state_that_cannot_be_written_is_told_and_no_error(kept):
    kept.file().write({"state": lambda: None})
    assert [line.count("Training goes on") for line in kept.told] == [1]


def test_a_stage_that_fails_keeps_its_checkpoints_and_a_finished_one_does_not(training):
    training.fail()
    (folder,) = (training.store.root / FOLDER).iterdir()
    assert sorted(file.name for file in folder.iterdir()) == ["about.json", "net.pt"]
    training.ensure()
    assert not folder.exists()


def test_a_finished_stage_says_where_it_went_on(training):
    training.fail()
    result = training.ensure()
    assert read_json(result.path / "stage.json")["resumed_from_steps"] == [7]
    assert "Stage toy: net goes on from step 7." in training.said.getvalue()


def test_seconds_are_those_of_all_attempts(training):
    training.fail()
    assert training.ensure().seconds >= 0.2


def test_the_energy_of_a_part_is_not_taken_for_the_whole(training, monkeypatch):
    monkeypatch.setattr("eeg2speech_bench.core.machine.energy.EnergyMeter.energy_wh", 1.0)
    training.fail()
    assert training.ensure().energy_wh is None


def test_seconds_of_two_trainings_of_one_stage_count_once(kept, monkeypatch):
    for name, seconds in (("trial 1", 100.0), ("trial 2", 150.0)):
        with monkeypatch.context() as patched:
            patched.setattr(StageCheckpoints, "seconds", seconds)
            kept.attempt().file(name).write(STATE)
    again = kept.attempt()
    for name in ("trial 1", "trial 2"):
        file = again.file(name)
        file.read()
        file.goes_on(7)
    assert again.seconds == pytest.approx(150.0, abs=5.0)


def test_unfinished_stages_are_listed_among_those_that_are_kept(training):
    training.fail()
    (stage,) = kept_stages(training.store)
    assert (stage.name, stage.dataset) == ("toy (unfinished)", "made-up")
    assert stage.n_bytes > STATE["weights"].nbytes
    assert stage.path.name == training.store.place(training.stage).name  # marks of use name it so


def test_what_was_given_up_for_two_weeks_is_swept_and_what_is_younger_is_not(training):
    training.fail()
    kept = training.store.root / FOLDER
    for name, days in (("old-1", 15), ("young-1", 13)):
        (kept / name).mkdir()
        os.utime(kept / name, (time.time() - days * DAY_S,) * 2)
    training.ensure()
    assert [folder.name for folder in kept.iterdir()] == ["young-1"]
