"""The tiny data that encoders are checked on."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from eeg2speech_bench.core.conformance.fixtures import select_segments, tiny_batch, tiny_signal


def test_tiny_segments_are_repeatable_distinct_and_in_range():
    one, again, other = tiny_batch(), tiny_batch(), tiny_batch(1)
    assert torch.equal(one.eeg, again.eeg)
    assert not torch.equal(one.eeg, other.eeg)
    assert one.eeg.shape == (8, 32, 346)
    assert one.eeg.std(-1).sub(0.7413).abs().max() < 1e-4
    assert len(set(one.text)) == 8
    assert one.subject.tolist() == [0, 1, 2, 0, 1, 2, 0, 1]


@pytest.mark.parametrize("n_chans", [8, 19, 31, 32, 64, 128])
def test_every_tiny_cap_has_its_channels_at_their_places(n_chans):
    signal = tiny_signal(n_chans)
    assert (signal.n_chans, signal.has_positions) == (n_chans, True)
    assert len({channel["ch_name"] for channel in signal.chs_info}) == n_chans
    assert all(0.05 < np.linalg.norm(channel["loc"][:3]) < 0.15 for channel in signal.chs_info)


def test_picked_segments_keep_all_their_fields():
    picked = select_segments(tiny_batch(with_sound=True), [5, 2])
    assert picked.window.tolist() == [5, 2]
    assert picked.text == (
        "what was that",
        "she had never seen a house so large, nor so quiet, in all the years of her life",
    )
    assert picked.sound.shape == (2, 46_080)
