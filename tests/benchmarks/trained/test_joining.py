"""Windows that overlap become one track: what they agree on stays as it is, and no join is heard."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from eeg2speech_bench.benchmarks.trained.joining import OverlapGrid, PieceJoiner, TrackWriter, quietest_place


@pytest.mark.parametrize("grid", [OverlapGrid(36, 18), OverlapGrid.halved(9), OverlapGrid(8, 8)])
def test_windows_of_one_track_stay_as_they_are(grid):
    track = torch.randn(3, grid.length(5), 4)
    windows = grid.cut(track, 5)
    torch.testing.assert_close(grid.agree(windows), windows)


def test_windows_that_differ_are_one_track_afterwards():
    grid = OverlapGrid(10, 5)
    agreed = grid.agree(torch.randn(4, 2, 10, 3))
    torch.testing.assert_close(agreed[:-1, :, 5:], agreed[1:, :, :5])


def test_frames_without_sound_are_not_joined():
    windows = torch.randn(3, 2, 12, 3)
    agreed = OverlapGrid(8, 4).agree(windows)
    assert torch.equal(agreed[:, :, 8:], windows[:, :, 8:])


@pytest.mark.parametrize("n_window", [10, 9])
@pytest.mark.parametrize("spans", [(7,), (3, 4), (1, 1, 5)])
def test_a_track_that_is_written_in_spans_is_the_track(n_window, spans):
    grid = OverlapGrid.halved(n_window)
    track = torch.randn(1, grid.length(sum(spans)), 6)
    windows = grid.cut(track, sum(spans))[:, 0]
    writer = TrackWriter(grid, 6)
    parts = [writer.add(part) for part in windows.split(list(spans))]
    assert [len(part) for part in parts] == [n * grid.hop for n in spans]
    torch.testing.assert_close(torch.cat([*parts, writer.end()]), track[0])


def test_pieces_of_one_sound_are_that_sound():
    sound = np.random.default_rng(0).standard_normal(9000).astype(np.float32)
    joiner = PieceJoiner(1000, 100)
    parts = [joiner.add(sound[:3000]), joiner.add(sound[2000:6000]), joiner.add(sound[5000:]), joiner.end()]
    np.testing.assert_allclose(np.concatenate(parts), sound, atol=1e-6)


def test_joins_lie_where_pieces_are_said_to_be_joined():
    one, other = np.zeros(3000, np.float32), np.ones(3000, np.float32)
    joiner = PieceJoiner(1000, 100)
    joined = np.concatenate([joiner.add(one), joiner.add(other), joiner.end()])
    (place,) = joiner.joins
    assert joined[place - 80] == 0 and joined[place + 80] == 1
    assert np.all(np.diff(joined) >= 0)


def test_a_join_is_placed_where_the_pieces_are_most_alike():
    difference = np.ones(2000)
    difference[700:900] = 0
    assert 700 <= quietest_place(difference, 100) <= 740


def test_a_sound_shorter_than_what_is_shared_comes_out_whole():
    joiner = PieceJoiner(1000, 100)
    assert len(joiner.add(np.ones(300, np.float32))) == 0
    assert len(joiner.end()) == 300
