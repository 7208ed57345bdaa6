"""Sound encoders pass, also those that are so in unusual ways, and refusals and excuses are told in words."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

from eeg2speech_bench.core.conditioning import Conditioning, Encoder, pool_tokens
from eeg2speech_bench.core.conformance import check_encoder
from eeg2speech_bench.core.errors import DataError

from .conftest import Sound, Unused


class Spatial(Sound):
    """Sees positions only, so that the order of channels does not matter."""

    def __init__(self, signal, target):
        super().__init__(signal, target)
        self.linear = nn.Linear(3, target.dim)
        loc = torch.tensor(np.stack([channel["loc"][:3] for channel in signal.chs_info]), dtype=torch.float32)
        self.register_buffer("loc", 10 * loc, persistent=False)

    def tokens(self, batch):
        return self.linear(pool_tokens(batch.eeg.transpose(1, 2), self.n_tokens) @ self.loc)


class ZeroHead(Sound):
    """A head that starts at zero lets no gradient through in the first step."""

    def __init__(self, signal, target):
        super().__init__(signal, target)
        self.head = nn.Linear(target.dim, target.dim)
        nn.init.zeros_(self.head.weight)

    def tokens(self, batch):
        return self.head(super().tokens(batch))


class HalfFrozen(Sound):
    def __init__(self, signal, target):
        super().__init__(signal, target)
        self.linear.bias.requires_grad = False


class Refuses(Sound):
    def __init__(self, signal, target):
        if signal.n_chans != 32:
            raise DataError("Encoder 'refuses' has weights for 32 channels", got=signal.n_chans)
        super().__init__(signal, target)

    def tokens(self, batch):
        if (batch.subject > 2).any():
            raise DataError("Encoder 'refuses' knows three listeners", got=int(batch.subject.max()))
        return super().tokens(batch)


class RefusesWithoutReason(Refuses):
    def __init__(self, signal, target):
        if signal.n_chans != 32:
            raise DataError("Not supported")
        super().__init__(signal, target)


class Constant(Sound):
    closed_form = True

    def fit(self, train, valid):
        return {}

    def tokens(self, batch):
        return self.linear.bias.expand(len(batch), self.n_tokens, -1)


class Words(Encoder):
    """Reads text: one token per word, padded to the longest text that is allowed."""

    def __init__(self, signal, target):
        super().__init__()
        self.table = nn.Embedding(1000, target.dim)

    def forward(self, batch):
        ids, mask = torch.zeros(len(batch), 20, dtype=torch.long), torch.zeros(len(batch), 20, dtype=torch.bool)
        for row, text in enumerate(batch.text):
            for place, word in enumerate(text.split() or [""]):
                ids[row, place] = sum(map(ord, word)) % 1000
                mask[row, place] = True
        weight = mask[..., None].float()
        tokens = self.table(ids)
        return Conditioning(tokens, mask, (tokens * weight).sum(1) / weight.sum(1))


class Ears(Encoder):
    """Reads sound."""

    def __init__(self, signal, target):
        super().__init__()
        self.linear = nn.Linear(512, target.dim)

    def forward(self, batch):
        return Conditioning.from_tokens(self.linear(batch.sound.unflatten(1, (-1, 512))[:, :86]))


def test_a_sound_encoder_passes_every_check_that_this_machine_can_run(results_of):
    skips = {"channel_permutation", "strategies"} | (set() if torch.cuda.is_available() else {"cpu_gpu"})
    found = results_of(Sound)
    assert {name for name, result in found.items() if result.outcome != "pass"} == skips


@pytest.mark.parametrize("encoder", [ZeroHead, HalfFrozen, Refuses, Constant])
def test_an_unusual_but_sound_encoder_has_no_failed_check(failing, encoder):
    assert not failing(encoder, baseline=encoder is Constant)


def test_text_and_audio_encoders_skip_the_checks_of_channels_only(results_of):
    skips = {"channel_permutation", "montages", "strategies"}
    skips |= set() if torch.cuda.is_available() else {"cpu_gpu"}
    for encoder, modality in ((Words, "text"), (Ears, "audio")):
        found = results_of(encoder, modality=modality)
        assert {n: r.outcome for n, r in found.items() if r.outcome != "pass"} == dict.fromkeys(skips, "skip")
        assert found["montages"].reason == f"reads {modality}, not EEG"


def test_positions_that_move_along_with_their_channels_pass_the_permutation(results_of):
    found = results_of(Spatial, ["channel_permutation"], needs=("positions",))["channel_permutation"]
    assert (found.outcome, found.reason[:19]) == ("pass", "largest difference ")


def test_a_refusal_in_words_passes_and_is_quoted(results_of):
    found = results_of(Refuses, ["montages", "unseen_subject"])
    refused = "refuses 8, 19, 64 and 128: Encoder 'refuses' has weights for 32 channels: got 8."
    assert found["montages"].reason == f"encodes 32 channels; {refused}"
    assert found["unseen_subject"].reason == "refused: Encoder 'refuses' knows three listeners: got 3."


def test_a_refusal_that_does_not_name_the_matter_fails(results_of):
    found = results_of(RefusesWithoutReason, ["montages"])["montages"]
    assert (found.outcome, found.reason) == ("fail", "8 channels: refused without naming the channel: Not supported.")


def test_frozen_and_unreached_parameters_are_named(results_of):
    assert results_of(HalfFrozen, ["gradient"])["gradient"].reason == "reaches all 1; frozen: linear.bias"
    assert "no gradient reaches spare.weight, spare.bias" in results_of(Unused, ["gradient"])["gradient"].reason


def test_a_constant_baseline_is_excused_with_the_value_it_reached(results_of):
    found = results_of(Constant, baseline=True)
    assert found["overfits_8_segments"].outcome == "skip"
    assert "1 of 8, fitted in closed form" in found["overfits_8_segments"].reason
    assert found["gradient"].reason == "fitted in closed form"


@pytest.mark.gpu
def test_cpu_and_gpu_agree_for_a_sound_encoder(results_of):
    assert results_of(Sound, ["cpu_gpu"])["cpu_gpu"].outcome == "pass"


@pytest.mark.gpu
def test_a_sound_encoder_passes_with_all_checks_on_the_gpu(spec_of):
    assert not [result for result in check_encoder(spec_of(Sound), device="cuda") if result.outcome == "fail"]
