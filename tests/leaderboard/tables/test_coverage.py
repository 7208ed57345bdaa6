"""What a board covers, and that pairs without scores are named."""

from __future__ import annotations

from eeg2speech_bench.leaderboard.tables.coverage import CoveredCell, cell_coverage


def test_seeds_are_counted_once_by_how_far_they_went():
    found = cell_coverage(
        [
            CoveredCell("net", "a", 0, done=True, generated=True),
            CoveredCell("net", "a", 0, done=True, generated=False),  # the same seed, for retrieval alone
            CoveredCell("net", "a", 1, done=True, generated=False),
            CoveredCell("net", "a", 2, done=False, generated=False),
        ]
    )
    assert found.text("net", "a") == "2 of 3, 1 with speech"


def test_pairs_without_scores_are_missing_whether_they_failed_or_were_never_run():
    found = cell_coverage(
        [
            CoveredCell("net", "a", 0, done=True, generated=False),
            CoveredCell("net", "b", 0, done=False, generated=False),
            CoveredCell("ridge", "b", 0, done=True, generated=False),
        ]
    )
    assert (found.encoders, found.datasets) == (["net", "ridge"], ["a", "b"])
    assert found.missing == [("net", "b"), ("ridge", "a")]
    assert [found.text("net", "b"), found.text("ridge", "a")] == ["0 of 1", "–"]


def test_no_cells_cover_nothing():
    assert cell_coverage([]).missing == []
