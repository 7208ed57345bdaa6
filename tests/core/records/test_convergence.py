"""A training curve says whether its budget was long enough."""

from __future__ import annotations

import numpy as np
import pytest

from eeg2speech_bench.core.records.convergence import improving_seeds, judge
from eeg2speech_bench.core.records.training import UNTRAINED, Training


def curve(values, name: str = "valid_mrr") -> Training:
    rows = [{"step": i + 1, "epoch": i, "train_loss": 1.0, name: float(value)} for i, value in enumerate(values)]
    return Training(method="gradient", history=rows)


def test_a_curve_that_rises_to_the_end_is_still_improving():
    assert judge(curve([0.1, 0.2, 0.3, 0.4])) == "still improving"


def test_a_curve_that_rose_and_then_jumps_about_has_levelled_off():
    rise = 0.5 * (1 - np.exp(-np.arange(30) / 3)) + 0.01 * (-1) ** np.arange(30)
    assert judge(curve(rise)) == "levelled off"


def test_a_steady_rise_of_less_than_two_percent_is_no_matter_of_budget():
    assert judge(curve(0.5 + 1e-4 * np.arange(30))) == "levelled off"


def test_a_training_that_ended_before_its_budget_is_not_still_improving():
    assert judge(curve([0.1, 0.3, 0.4, 0.5, 0.6, 0.55, 0.58]), patience=2) == "stopped early"


def test_three_points_are_too_few_to_judge():
    assert judge(curve([0.1, 0.2, 0.3]), patience=3) == "not judged"


def test_without_validation_the_loss_is_judged_which_has_to_fall():
    falling = Training(history=[{"step": i, "train_loss": 1.0 / i} for i in range(1, 9)])
    assert judge(falling) == "still improving"
    assert judge(Training(history=[{"step": i, "train_loss": float(i)} for i in range(1, 9)])) == "levelled off"


def test_what_was_not_trained_by_steps_has_no_curve():
    assert judge(UNTRAINED) == ""


@pytest.mark.parametrize(
    ("seeds", "expected"),
    [
        (["still improving", "levelled off"], True),
        (["still improving", "levelled off", "stopped early"], False),
        (["still improving", "not judged"], True),
        (["not judged", ""], False),
    ],
)
def test_a_run_is_still_improving_if_half_of_its_judged_seeds_are(seeds, expected):
    assert improving_seeds(seeds) == expected
