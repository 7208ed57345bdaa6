"""The tiny data that encoders are checked on."""

from __future__ import annotations

import numpy as np
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


def test_tiny_channels_have_positions_also_the_extra_one():
    signal = tiny_signal(33)
    assert signal.has_positions
    assert signal.chs_info[32]["ch_name"] == "FCz"
    assert 0.07 < np.linalg.norm(signal.chs_info[32]["loc"][:3]) < 0.14


def test_picked_segments_keep_all_their_fields():
    picked = select_segments(tiny_batch(with_sound=True), [5, 2])
    assert picked.window.tolist() == [5, 2]
    assert picked.text == (
        "what was that",
        "she had never seen a house so large, nor so quiet, in all the years of her life",
    )
    assert picked.sound.shape == (2, 46_080)
