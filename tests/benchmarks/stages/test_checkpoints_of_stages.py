"""Stages that train go on after whatever stopped them, and end with the numbers of an undisturbed run."""

from __future__ import annotations

import multiprocessing
import os
import random
import signal
from itertools import count
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch

from eeg2speech_bench.benchmarks.stage_runs import run_stage
from eeg2speech_bench.core.stages.checkpoints import StageCheckpoints
from eeg2speech_bench.core.stages.json_files import read_json
from eeg2speech_bench.core.training import step_checkpoints

#: training steps of the tiny stages; the alignment may end earlier
N_STEPS = {"align": 12, "autoencoder": 9, "diffuse": 60}
#: ten moments, spread over the stages
MOMENTS = [
    (name, step)
    for name, n in (("align", 4), ("autoencoder", 3), ("diffuse", 3))
    for step in sorted(random.Random(7).sample(range(2, N_STEPS[name]), n))
]


class StoppedRun(Exception):  # noqa: N818  what an exception stands for here is no fault of the stage
    """Ends a run between two steps."""


class Runs:
    """Runs one stage, again and again, into folders of their own."""

    def __init__(self, inputs, folder: Path) -> None:
        self.inputs, self.folder, self.told = inputs, folder, []
        self._numbers = count()

    def run(self, name: str, *, stop_at: int | None = None, stop=None, checkpoints="kept", key="1") -> Path:
        """Run a stage, stop it after some steps, and return the folder of its results."""
        out = self.folder / f"{name}-{next(self._numbers)}"
        out.mkdir(parents=True)
        steps = count(1)

        def progress(note, share):
            if note.rpartition("step")[2] and next(steps) == stop_at:
                stop()

        kept = StageCheckpoints(self.folder / checkpoints, {"name": name, "key": key}, self.told.append)
        run_stage(self.inputs[name], out, progress, kept)
        return out

    def undisturbed(self, name: str) -> Path:
        return self.run(name, checkpoints="none")


def stop_here():
    raise StoppedRun


def contents(out: Path) -> dict:
    """Return all numbers that a stage has written."""
    found = {f.name: torch.load(f, weights_only=True) for f in out.glob("*.pt")}
    return found | {f.name: read_json(f) for f in out.glob("*.json")} | {f.name: f.read_bytes() for f in out.glob("*.npy")}


def assert_same(one, other):
    """Compare values and tensors bit for bit."""
    if isinstance(one, dict):
        assert list(one) == list(other)
        for name in one:
            assert_same(one[name], other[name])
    elif isinstance(one, torch.Tensor):
        assert torch.equal(one, other)
    else:
        assert one == other


@pytest.fixture
def runs(ready, tmp_path, monkeypatch):
    """Return the runs of tiny stages whose clock is the number of their steps: a checkpoint every third step."""
    ticks = count()
    monkeypatch.setattr(step_checkpoints, "EVERY_S", 3)
    monkeypatch.setattr(step_checkpoints, "time", SimpleNamespace(monotonic=lambda: next(ticks)))
    return Runs(ready, tmp_path / "runs")


@pytest.mark.parametrize(("name", "step"), MOMENTS)
def test_a_stage_that_was_stopped_ends_with_the_numbers_of_an_undisturbed_run(runs, name, step):
    with pytest.raises(StoppedRun):
        runs.run(name, stop_at=step, stop=stop_here)
    gone_on = runs.run(name)
    assert_same(contents(gone_on), contents(runs.undisturbed(name)))


@pytest.mark.parametrize("name", N_STEPS)
def test_a_stage_goes_on_after_kill_9(runs, name):
    def run_and_die():
        runs.run(name, stop_at=7, stop=lambda: os.kill(os.getpid(), signal.SIGKILL))

    killed = multiprocessing.get_context("fork").Process(target=run_and_die)
    killed.start()
    killed.join()
    assert killed.exitcode == -signal.SIGKILL
    gone_on = runs.run(name)
    assert [line.partition(" goes on from step ")[1] for line in runs.told[:1]] == [" goes on from step "]
    assert_same(contents(gone_on), contents(runs.undisturbed(name)))
