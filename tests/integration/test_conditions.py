"""What a condition holds is told from the stages of a finished cell."""

from __future__ import annotations

import re

import numpy as np
import pytest
import torch

from eeg2speech_bench.benchmarks.pretraining import conditions
from eeg2speech_bench.core.records.record import Record


@pytest.fixture(scope="module")
def cell(finished_run):
    (path,) = (finished_run.folder / "results" / "records").glob("brainmagick__*.json")
    return conditions.FinishedCell(Record.read(path), finished_run.folder / "cache")


@torch.no_grad()
def test_latents_told_in_full_sound_as_the_ceiling_of_the_cell(cell, monkeypatch, capsys):
    monkeypatch.setattr(conditions, "word_error_rate", lambda clips, *_: np.zeros(len(clips.waveform)))
    monkeypatch.setattr(conditions, "FRONT_ENDS", ((8, 12.5),))
    conditions.print_conditions(cell, "no model")
    rows = [line.strip("| ").split(" | ") for line in capsys.readouterr().out.splitlines()[2:]]
    heard = {name: float(value) for name, *_, value, _ in rows}
    assert list(heard) == [
        "embedding of the target, standardised",
        "8 mel bands at 12.5 Hz, standardised",
        "8 mel bands at 12.5 Hz",
        "the latents themselves",
    ]
    assert heard["the latents themselves"] == pytest.approx(cell.record.metric("estoi", "autoencoder").value, abs=0.02)


@torch.no_grad()
def test_every_bridge_is_judged_on_validation_windows(cell, capsys):
    conditions.print_bridges(cell)
    printed = capsys.readouterr().out
    rows = re.findall(r"^\| [\d.]+ s \| (.*) \|$", printed, re.MULTILINE)
    values = np.array([[float(value) for value in row.split(" | ")] for row in rows])
    assert values.shape == (len(conditions.REACHES_S), len(conditions.PENALTIES))
    assert ((values >= 0) & (values <= 1)).all()
    n = len(cell.store.indices("valid"))
    assert np.abs(values * n - np.round(values * n)).max() < 0.001 * n
