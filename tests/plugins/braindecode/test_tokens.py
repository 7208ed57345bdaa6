"""Tokens: from slices, from heads that move over time, and from sequences."""

from __future__ import annotations

import math

import pytest
import torch

from eeg2speech_bench.core.errors import UsageError
from eeg2speech_bench.core.segments.segment_store import TargetInfo
from eeg2speech_bench.plugins.encoders.braindecode.adaptation import covering_length
from eeg2speech_bench.plugins.encoders.braindecode.encoder import count_tokens

pytestmark = pytest.mark.filterwarnings("ignore")


@pytest.mark.parametrize(
    ("options", "shape"), [({}, 6), ({"n_tokens": 1}, 1), ({"n_slices": 4}, 4), ({"n_slices": 1}, 6)]
)
def test_tokens_and_slices_decide_the_shape(batch_of, build, options, shape):
    assert build("eegitnet", **options)(batch_of()).embeddings.shape == (4, shape, 4)


@pytest.mark.parametrize(("asked", "n_slices"), [(7, 1), (0, 1), (2, 3), (None, 7), (None, 0)])
def test_impossible_tokens_and_slices_are_refused(target_info, asked, n_slices):
    with pytest.raises(UsageError, match="expected 1 to 6 tokens"):
        count_tokens(asked, n_slices, target_info)


def test_slices_are_encoded_by_the_same_weights_in_the_order_of_time(batch_of, build):
    encoder = build("eegitnet", n_slices=3, slice_s=0.96).eval()
    batch = batch_of(size=2)
    cut = encoder.adaptation(batch.eeg)
    with torch.no_grad():
        whole, last = encoder(batch).embeddings, encoder.network(cut[[2, 5]])
    assert torch.allclose(whole[:, 4:].flatten(1), last, atol=1e-6)


@pytest.mark.parametrize(("name", "n_tokens", "n_steps"), [("eegnet", 86, 11), ("shallow", 86, 24), ("deep4", 86, 9)])
def test_a_head_that_moves_over_time_gives_each_step_the_same_number_of_tokens(
    batch_of, build, name, n_tokens, n_steps
):
    encoder = build(name, target=TargetInfo(4, n_tokens, 30.0))
    assert encoder(batch_of()).embeddings.shape == (4, n_tokens // n_steps * n_steps, 4)
    assert encoder.adaptations["tokens"] == f"{n_steps} steps in time with the same weights"


@pytest.mark.parametrize(("name", "stride"), [("eegnet", 32), ("shallow", 15)])
def test_what_happens_one_stride_later_moves_the_tokens_by_one_step(batch_of, build, name, stride):
    encoder = build(name, target=TargetInfo(4, 86, 30.0)).eval()
    batch, later = batch_of(size=1), batch_of(size=1)
    later.eeg = batch.eeg.roll(stride, -1)
    with torch.no_grad():
        one, other = (encoder(b).embeddings for b in (batch, later))
    n = one.shape[1] // int(encoder.adaptations["tokens"].split()[0])
    middle = slice(one.shape[1] // 2, one.shape[1] // 2 + n)
    assert torch.allclose(one[:, middle], other[:, middle.start + n : middle.stop + n], atol=1e-5)


def test_steps_cover_the_segment_with_their_fields():
    assert covering_length(346, (32, 32)) == 352
    assert covering_length(346, (99, 15)) == 24 * 15 + 84


def test_a_target_of_one_token_gets_one_from_one_slice(batch_of, build):
    assert build("eegnex", target=TargetInfo(4, 1, 1.0))(batch_of()).embeddings.shape == (4, 1, 4)


def test_a_sequence_is_averaged_in_time_to_the_tokens(batch_of, build):
    encoder, batch = build("neuropose").eval(), batch_of(size=2)
    with torch.no_grad():
        sequence, found = encoder.network(batch.eeg), encoder(batch).embeddings
    n = sequence.shape[1]
    assert torch.allclose(found[:, 0], sequence[:, : math.ceil(n / 6)].mean(1), atol=1e-6)
