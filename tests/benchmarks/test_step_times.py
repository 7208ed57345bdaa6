"""Steps are timed once per machine, and plans say minutes and go from cheap to dear by them."""

from __future__ import annotations

import io
from dataclasses import replace
from types import SimpleNamespace

import pytest
import torch
from rich.console import Console
from torch import nn

from eeg2speech_bench.benchmarks import step_times
from eeg2speech_bench.benchmarks.given_encoders import register_encoder
from eeg2speech_bench.benchmarks.models.pair import Pair
from eeg2speech_bench.benchmarks.plan import PlannedCell, _say_steps, cheap_first, training_seconds
from eeg2speech_bench.benchmarks.stage_inputs import AlignInputs, FeaturesInputs
from eeg2speech_bench.benchmarks.stage_runs import run_stage
from eeg2speech_bench.benchmarks.step_times import StepTime, StepTimes, measure, time_step
from eeg2speech_bench.core.presets.config import AlignmentConfig
from eeg2speech_bench.core.registry.registry import load_registry

TARGET_OPTIONS = {"n_bands": 8, "token_rate_hz": 5.0, "hidden": 8, "depth": 2, "dim": 4}
ALIGNMENT = AlignmentConfig(batch_size=4, steps_per_epoch=4, max_epochs=3)
N_OUT = 10 * TARGET_OPTIONS["dim"]
STEP = StepTime(seconds=2.0, gflop=10.0, gflop_per_s=50.0, core_share=1.0, n_steps=30, n_valid_batches=9)


@pytest.fixture(scope="module")
def inputs(prepared, tmp_path_factory):
    """What a linear encoder is trained with on a tiny data set."""
    folder, registry = tmp_path_factory.mktemp("features"), load_registry()
    torch.manual_seed(0)
    network = nn.Sequential(nn.Flatten(), nn.Linear(3 * 40, N_OUT))
    encoder = registry.get("encoder", register_encoder(network, registry))
    target = registry.get("target", "deep_mel")
    run_stage(FeaturesInputs(prepared, target, TARGET_OPTIONS), folder, lambda note, share: None)
    pair = Pair(encoder, {}, target, TARGET_OPTIONS)
    return AlignInputs(prepared, folder, pair, ALIGNMENT, 0, device="cpu", precision="float32")


def test_a_step_is_counted_forward_and_backward_and_timed(inputs):
    made = time_step(inputs, gflop_per_s=100.0, core_share=1.0)
    linear = 2 * 4 * 3 * 40 * N_OUT / 1e9  # the encoder's product; it has one more in the backward pass
    assert made.gflop > 2 * linear
    assert made.seconds > 0
    assert (made.n_steps, made.n_valid_batches) == (12, 3 * 2)


def test_what_was_timed_is_known_later_for_the_same_data_and_batch_alone(inputs, tmp_path):
    StepTimes(tmp_path).keep(inputs, STEP)
    other = AlignInputs(**{**vars(inputs), "alignment": ALIGNMENT.model_copy(update={"batch_size": 2})})
    assert StepTimes(tmp_path).find(inputs) == STEP
    assert StepTimes(tmp_path).find(other) is None


def test_an_encoder_that_cannot_be_timed_costs_itself(inputs, monkeypatch):
    class Elsewhere:
        """Stands for the other process, which ends as the first encoder is built."""

        def send(self, inputs: AlignInputs) -> None:
            raise BrokenPipeError("gone")

    process = SimpleNamespace(is_alive=lambda: True, terminate=lambda: None, join=lambda: None)
    monkeypatch.setattr(step_times, "_start", lambda: (process, Elsewhere()))
    assert [told for _, told in measure([inputs, inputs], lambda note, share: None)] == ["BrokenPipeError: gone"] * 2


def test_a_budget_counts_steps_and_validations_and_a_search_two_budgets():
    assert STEP.budget_s == pytest.approx(66.0)
    tuned = ALIGNMENT.model_copy(update={"n_trials": 4})
    assert training_seconds(tuned, STEP) == {"tune": pytest.approx(132.0), "align": pytest.approx(66.0)}


def test_a_budget_of_minutes_is_those_minutes_whatever_a_step_takes():
    timed = ALIGNMENT.model_copy(update={"budget_minutes": 3.0})
    assert training_seconds(timed, STEP)["align"] == 180.0


def test_cells_go_from_cheap_to_dear_and_unknown_ones_last():
    cells = [SimpleNamespace(cell=SimpleNamespace(id=name)) for name in ("unknown", "dear", "cheap", "other")]
    steps = {"dear": STEP, "cheap": StepTime(0.0, 0.0, 50.0, 1.0, 0, 0)}
    assert [one.cell.id for one in cheap_first(cells, steps)] == ["cheap", "dear", "unknown", "other"]


def test_a_plan_says_minutes_and_share_of_the_peak():
    cell = PlannedCell(
        "net, seed 0", "mel", missing={"align": ["new"]}, seconds={"tune": 132.0, "align": 66.0}, step=STEP
    )
    assert cell.training_text == "1.1 min (10.0 GFLOP a step, 10% of peak)"


def test_a_plan_without_timed_steps_says_how_to_time_them():
    console = Console(file=io.StringIO(), width=200)
    _say_steps([PlannedCell("a, seed 0", "mel"), PlannedCell("b, seed 0", "mel")], console)
    assert "--estimate" in console.file.getvalue()


def test_a_plan_says_that_other_programs_disturbed_the_clock():
    console = Console(file=io.StringIO(), width=200)
    _say_steps([PlannedCell("a, seed 0", "mel", step=replace(STEP, core_share=0.5))], console)
    assert "other programs used the machine" in console.file.getvalue()
