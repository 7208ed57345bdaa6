"""What is found live is kept row by row, and summed up."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import torch

from eeg2speech_bench.benchmarks.live.live_results import LiveResults, rank
from eeg2speech_bench.benchmarks.live.stream_decoder import DecodedWindow

NAN = float("nan")


def window(number: int, scores: list[float], matches: list[float]) -> DecodedWindow:
    estimate = torch.zeros(1, 2, 3)
    return DecodedWindow(number, 2.0 * number, np.array(scores), np.array(matches), estimate, 0.0)


def test_the_highest_score_is_first_and_a_sound_that_has_ended_has_no_rank():
    np.testing.assert_array_equal(rank(np.array([0.1, 0.4, NAN, 0.4, -1.0])), [3, 1.5, NAN, 1.5, 4])


def test_every_sound_that_is_reached_has_a_row(tmp_path):
    results = LiveResults(tmp_path, ["a", "b"])
    results.add(window(0, [0.5, 0.7], [1.0, 2.0]), 0.8)
    results.add(window(1, [0.9, NAN], [NAN, NAN]), 0.6)
    table = pd.read_csv(tmp_path / "matches.csv")
    assert table[["start_s", "candidate", "rank"]].to_numpy().tolist() == [[0, "a", 2], [0, "b", 1], [2, "a", 1]]
    assert results.delays() == {"median_s": pytest.approx(0.7), "worst_s": 0.8}
    assert results.candidates() == [
        {"name": "b", "n_windows": 1, "first_share": 1.0, "mean_match": 2.0},
        {"name": "a", "n_windows": 2, "first_share": 0.5, "mean_match": 1.0},
    ]


def test_without_sounds_a_window_has_its_delay(tmp_path):
    results = LiveResults(tmp_path, [])
    results.add(window(0, [], []), 0.8)
    assert pd.read_csv(tmp_path / "matches.csv")[["start_s", "delay_s"]].to_numpy().tolist() == [[0.0, 0.8]]
    assert results.candidates() == []
