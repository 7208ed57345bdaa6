"""Embeddings are handed on as they are, or refused."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from eeg2speech_bench.core.errors import DataError
from eeg2speech_bench.core.segments.segment_store import Batch, SignalInfo, TargetInfo
from eeg2speech_bench.plugins.encoders.precomputed import Precomputed

CHANNELS = tuple({"ch_name": f"embedding {k + 1}", "kind": 502, "loc": np.zeros(12)} for k in range(4))
SIGNAL = SignalInfo(4, 12, 120.0, CHANNELS, 1)


def batch() -> Batch:
    eeg = torch.arange(2 * 4 * 12).reshape(2, 4, 12).float()
    return Batch(eeg, torch.zeros(2, dtype=torch.long), torch.arange(2))


def test_tokens_are_the_frames_of_the_embedding():
    tokens = Precomputed(SIGNAL, TargetInfo(4, 12, 120.0))(batch()).embeddings
    assert torch.equal(tokens, batch().eeg.transpose(1, 2))


def test_more_frames_than_tokens_are_averaged_and_their_mean_stays():
    made = Precomputed(SIGNAL, TargetInfo(4, 3, 30.0))(batch())
    assert made.embeddings.shape == (2, 3, 4)
    torch.testing.assert_close(made.pooled, batch().eeg.mean(2))


def test_nothing_is_learned():
    assert list(Precomputed(SIGNAL, TargetInfo(4, 12, 120.0)).parameters()) == []


def test_embeddings_of_another_width_are_refused():
    with pytest.raises(DataError, match=r"another width.*got 4, expected 40.*--preset eeg2speech"):
        Precomputed(SIGNAL, TargetInfo(40, 12, 120.0))


def test_eeg_is_refused():
    channels = tuple({**channel, "kind": 2} for channel in CHANNELS)
    with pytest.raises(DataError, match=r"needs a data set of embeddings.*--dataset audioeeg"):
        Precomputed(SignalInfo(4, 12, 120.0, channels, 1), TargetInfo(4, 12, 120.0))
