"""Ranks come with intervals and ties, against simulated encoders whose order is known."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from eeg2speech_bench.core.errors import DataError
from eeg2speech_bench.core.records import read_record
from eeg2speech_bench.leaderboard.ranking import Rank, rank, rank_intervals, tie_groups

LISTENER, WINDOW = (a.ravel() for a in np.indices((8, 40)))
BLOCK = WINDOW // 5


def noise(seed: int, n_encoders: int) -> np.ndarray:
    rng = np.random.default_rng(seed)
    shared = rng.standard_normal((8, 1))[LISTENER] + rng.standard_normal((8, 1))[BLOCK]
    return shared + 0.5 * rng.standard_normal((len(LISTENER), n_encoders))


def test_encoders_that_are_far_apart_have_one_rank_and_groups_of_their_own() -> None:
    values = np.add(noise(0, 3), [0.0, 2.0, 1.0])
    assert rank_intervals(values, LISTENER, BLOCK, seed=0).tolist() == [[3, 3], [1, 1], [2, 2]]
    assert tie_groups(values, LISTENER, BLOCK, seed=0) == [3, 1, 2]


def test_what_listeners_and_audio_share_does_not_blur_the_ranks() -> None:
    # the difference is a fifth of the spread between listeners, yet the same for every one of them
    values = np.add(noise(1, 2), [0.2, 0.0])
    assert rank_intervals(values, LISTENER, BLOCK, seed=0).tolist() == [[1, 1], [2, 2]]


def test_equal_encoders_share_all_ranks_and_one_group() -> None:
    values = np.repeat(noise(2, 1), 3, axis=1)
    assert rank_intervals(values, LISTENER, BLOCK, seed=0).tolist() == [[1, 3]] * 3
    assert tie_groups(values, LISTENER, BLOCK, seed=0) == [1, 1, 1]


def test_two_close_encoders_tie_above_a_third() -> None:
    values = np.add(noise(3, 3), [1.0, 1.0, 0.0])
    assert tie_groups(values, LISTENER, BLOCK, seed=0) == [1, 1, 2]
    assert rank_intervals(values, LISTENER, BLOCK, seed=0).tolist() == [[1, 2], [1, 2], [3, 3]]


def test_a_listener_weighs_the_same_however_many_segments_were_kept() -> None:
    # A is better for seven listeners with few segments, B for one with many
    keep = (LISTENER == 0) | (WINDOW % 10 == 0)
    values = np.where(LISTENER[:, None] == 0, [0.0, 1.0], [1.0, 0.0])[keep]
    assert values[:, 1].mean() > 0.5 > values[:, 0].mean()
    assert rank_intervals(values, LISTENER[keep], BLOCK[keep], seed=0)[0].tolist() == [1, 1]


def segments(place, metric: str, values: np.ndarray) -> None:
    columns = {"metric": metric, "condition": "eeg", "subject": LISTENER.astype(str), "recording": LISTENER}
    columns |= {"stimulus": 0, "start_s": WINDOW * 2.88, "block": BLOCK, "value": values}
    pd.DataFrame(columns).to_parquet(place)


@pytest.fixture
def board(tmp_path, cell):
    """Write cells of named encoders and return them as ``rank`` takes them."""

    def write(metric: str, **means: float):
        found = []
        for i, (name, mean) in enumerate(means.items()):
            path = cell(tmp_path, name)
            segments(tmp_path / "cells" / path.stem / "segments.parquet", metric, noise(i, 1)[:, 0] * 0.1 + mean)
            found.append((path, read_record(path)))
        return found

    return write


def test_ranks_go_by_label_best_first(board) -> None:
    assert rank(board("top1", low=0.0, high=1.0), "top1") == {"high": Rank(1, 1, 1), "low": Rank(2, 2, 2)}


def test_a_metric_in_which_small_is_good_ranks_the_smallest_first(board) -> None:
    assert list(rank(board("median_rank", low=0.0, high=1.0), "median_rank")) == ["low", "high"]


def test_baselines_and_ceilings_have_no_rank(board) -> None:
    cells = board("top1", net=0.5, floor=0.0, top=1.0)
    cells[1][1].encoder["baseline"] = True
    cells[2][1].encoder["ceiling"] = True
    assert rank(cells, "top1") == {"net": Rank(1, 1, 1)}
    assert rank(cells[1:], "top1") == {}


def test_cells_of_two_splits_have_no_common_rank(board) -> None:
    cells = board("top1", a=0.5, b=0.0)
    cells[1][1].split["hash"] = "0" * 64
    with pytest.raises(DataError, match=r"one data set, preset and split.*simulated quick 000000"):
        rank(cells, "top1")


def test_encoders_without_a_common_segment_have_no_rank(board, tmp_path) -> None:
    cells = board("top1", a=0.5, b=0.0)
    segments(tmp_path / "cells" / cells[1][0].stem / "segments.parquet", "mrr", noise(0, 1)[:, 0])
    with pytest.raises(DataError, match="No segment with 'top1' is common to the encoders: got a, b"):
        rank(cells, "top1")
