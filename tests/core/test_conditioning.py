"""The encoder contract and what the denoiser is given."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from eeg2speech_bench.core.conditioning import (
    Conditioning,
    check_conditioning,
    check_frames,
    check_tokens,
    plain_values,
    pool_tokens,
)
from eeg2speech_bench.core.errors import ContractError
from eeg2speech_bench.core.generator.conditioner import make_condition
from eeg2speech_bench.core.segments.segment_store import TargetInfo

TARGET = TargetInfo(dim=3, n_tokens=4, token_rate_hz=1.0)


def test_tokens_that_keep_the_contract_pass():
    given = Conditioning.from_tokens(torch.ones(2, 4, 3))
    assert check_conditioning("net", given, 2, TARGET) is given


@pytest.mark.parametrize("shape", [(2, 3), (1, 4, 3), (2, 5, 3), (2, 4, 2)])
def test_a_wrong_shape_is_named_with_the_allowed_one(shape):
    tokens = torch.ones(*shape)
    given = Conditioning(tokens, torch.ones(shape[:2], dtype=torch.bool), tokens)
    with pytest.raises(ContractError, match=r"'net' returned embeddings of a wrong shape.*\(2, 1 to 4, 3\)"):
        check_conditioning("net", given, 2, TARGET)


def test_a_bare_tensor_is_refused():
    with pytest.raises(ContractError, match=r"wrong type: got Tensor, expected a Conditioning"):
        check_conditioning("net", torch.ones(2, 4, 3), 2, TARGET)


def test_nan_is_refused():
    with pytest.raises(ContractError, match="not finite"):
        check_conditioning("net", Conditioning.from_tokens(torch.full((2, 4, 3), float("nan"))), 2, TARGET)


@pytest.mark.parametrize("n_frames", [248, 250, 252])
def test_frames_may_be_two_more_or_fewer_than_the_rate_says(n_frames):
    frames = torch.ones(n_frames, 3)
    assert check_frames("mine", frames, 10.0, 25.0) is frames


@pytest.mark.parametrize("n_frames", [0, 125, 247, 253, 500])
def test_another_number_of_frames_than_the_rate_says_is_refused(n_frames):
    said = f"Target 'mine' returned another number of frames .* got {n_frames} frames for 10 s, expected 250, at 25 Hz"
    with pytest.raises(ContractError, match=said):
        check_frames("mine", torch.ones(n_frames, 3), 10.0, 25.0)


@pytest.mark.parametrize("frames", [None, [[1.0]], torch.ones(250), torch.ones(1, 250, 3), torch.ones(250, 3).int()])
def test_what_is_no_table_of_frames_is_refused(frames):
    with pytest.raises(ContractError, match="Target 'mine' returned no frames"):
        check_frames("mine", frames, 10.0, 25.0)


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_frames_that_are_not_finite_are_refused(value):
    frames = torch.ones(250, 3)
    frames[7, 1] = value
    with pytest.raises(ContractError, match="Target 'mine' returned frames that are not finite"):
        check_frames("mine", frames, 10.0, 25.0)


@pytest.mark.parametrize("shape", [(2, 4, 6), (2, 2, 3), (1, 4, 3), (2, 3)])
def test_tokens_of_another_shape_than_the_target_says_are_refused(shape):
    with pytest.raises(
        ContractError, match=r"Target 'mine' .* than its info says: got \(.*\) of .*, expected \(2, 4, 3\)"
    ):
        check_tokens("mine", torch.ones(shape), 2, TARGET)


def test_tokens_that_are_not_finite_are_refused():
    with pytest.raises(ContractError, match="Target 'mine' returned tokens that are not finite"):
        check_tokens("mine", torch.full((2, 4, 3), torch.nan), 2, TARGET)


def test_pooling_averages_neighbouring_tokens():
    tokens = torch.arange(4.0)[None, :, None]
    assert pool_tokens(tokens, 2).flatten().tolist() == [0.5, 2.5]


def test_standardised_condition_does_not_see_scale_or_offset():
    torch.manual_seed(0)
    tokens = torch.randn(2, 6, 3)
    plain, moved = (make_condition(t, standardise=True) for t in (tokens, 7 * tokens + torch.tensor([1.0, 2.0, 3.0])))
    torch.testing.assert_close(plain.embeddings, moved.embeddings)
    assert plain.embeddings.mean(1).abs().max() < 1e-6
    torch.testing.assert_close(plain.embeddings.square().mean((1, 2)), torch.ones(2))


def test_pooled_condition_keeps_what_is_constant_in_a_segment():
    constant = torch.tensor([[1.0, -1.0, 0.0]])
    tokens = constant[:, None] + torch.randn(1, 50, 3) * 1e-3
    pooled = make_condition(tokens, standardise=True).pooled
    torch.testing.assert_close(pooled, constant / constant.square().mean().sqrt(), atol=1e-2, rtol=0)


def test_a_single_token_keeps_its_direction():
    token = torch.tensor([[[2.0, -2.0, 0.0]]])
    made = make_condition(token, standardise=True)
    assert torch.nn.functional.cosine_similarity(made.embeddings[0, 0], token[0, 0], dim=0) > 0.999


def test_raw_condition_is_passed_on_as_it_is():
    tokens = torch.randn(2, 5, 3)
    made = make_condition(tokens, standardise=False)
    assert made.embeddings is tokens
    torch.testing.assert_close(made.pooled, tokens.mean(1))


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"embeddings": torch.ones(2, 4, 3).double()}, "embeddings of torch.float64, expected torch.float32"),
        ({"pooled": torch.ones(2, 3).double()}, "pooled of torch.float64"),
        ({"pooled": torch.ones(2, 4)}, "pooled of shape"),
        ({"pooled": None}, "pooled of type NoneType"),
        ({"mask": torch.ones(2, 4)}, "mask of torch.float32"),
        ({"mask": torch.ones(2, 3, dtype=torch.bool)}, "mask of torch.bool"),
    ],
)
def test_what_stands_beside_good_shapes_must_be_right_too(change, words):
    given = replace(Conditioning.from_tokens(torch.ones(2, 4, 3)), **change)
    with pytest.raises(ContractError, match=f"'net' returned a wrong Conditioning: got {words}"):
        check_conditioning("net", given, 2, TARGET)


def test_a_pooled_embedding_that_is_not_finite_is_refused():
    given = replace(Conditioning.from_tokens(torch.ones(2, 4, 3)), pooled=torch.full((2, 3), torch.inf))
    with pytest.raises(ContractError, match="not finite"):
        check_conditioning("net", given, 2, TARGET)


def test_half_precision_is_what_training_on_gpus_gives():
    given = Conditioning.from_tokens(torch.ones(2, 4, 3, dtype=torch.bfloat16))
    assert check_conditioning("net", given, 2, TARGET) is given


def test_tokens_of_double_precision_are_refused_by_the_name_of_their_target():
    with pytest.raises(ContractError, match=r"Target 'mine' .*of torch.float64, expected .* of torch.float32"):
        check_tokens("mine", torch.ones(2, 4, 3).double(), 2, TARGET)


def test_scalars_and_small_arrays_that_a_plugin_says_become_plain_values():
    said = {
        "r": np.float32(0.5),
        "n": torch.tensor(3),
        "each": np.arange(2.0),
        "how": "by\n\x1bus",
        "pair": (1, None),
    }
    assert plain_values("it", said) == {"r": 0.5, "n": 3, "each": [0.0, 1.0], "how": "by us", "pair": [1, None]}


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (float("nan"), "nan"),
        (torch.tensor(float("inf")), "inf"),
        (np.array([0.0, np.nan]), "nan"),
        (np.zeros(301), "ndarray"),
        (object(), "object"),
    ],
)
def test_what_no_record_can_hold_is_refused_by_its_name(value, shown):
    with pytest.raises(ContractError, match=f"it returned a value that no record can hold: got r: {shown}"):
        plain_values("it", {"r": value})


def test_what_is_no_dictionary_is_refused():
    with pytest.raises(ContractError, match="it returned no dictionary: got NoneType"):
        plain_values("it", None)
