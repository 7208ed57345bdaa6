"""Each way of being broken fails the check made for it and no other, and the reason is told."""

from __future__ import annotations

import re

import numpy as np
import pytest
import torch
from torch import nn

from eeg2speech_bench.core.conditioning import Conditioning, pool_tokens
from eeg2speech_bench.core.conformance import check_encoder, learning, summary
from eeg2speech_bench.core.conformance.fixtures import tiny_signal

from .conftest import Sound, Unused


class NotAnEncoder(nn.Linear):
    build = classmethod(lambda cls, signal, target: cls(2, 2))


class Exits(Sound):
    def __init__(self, signal, target):
        raise SystemExit("no licence found")


class PlainTensor(Sound):
    def forward(self, batch):
        return self.tokens(batch)


class TooManyTokens(Sound):
    def forward(self, batch):
        tokens = self.tokens(batch)
        return Conditioning.from_tokens(torch.cat([tokens, tokens], 1))


class MaskOfNumbers(Sound):
    def forward(self, batch):
        made = super().forward(batch)
        return Conditioning(made.embeddings, made.mask.float(), made.pooled)


class FlatPooled(Sound):
    def forward(self, batch):
        made = super().forward(batch)
        return Conditioning(made.embeddings, made.mask, made.pooled.mean(1))


class WrongInTraining(Sound):
    def forward(self, batch):
        return super().forward(batch) if not self.training else self.tokens(batch)


class NotANumber(Sound):
    def forward(self, batch):
        return Conditioning.from_tokens(self.tokens(batch) / 0.0)


class NotANumberInPooled(Sound):
    def forward(self, batch):
        made = super().forward(batch)
        return Conditioning(made.embeddings, made.mask, made.pooled * torch.nan)


class DoublePrecision(Sound):
    def forward(self, batch):
        return Conditioning.from_tokens(self.tokens(batch).double())


class RandomInEval(Sound):
    def tokens(self, batch):
        return nn.functional.dropout(super().tokens(batch), 0.1, training=True)


class DividesByLoudness(Sound):
    def tokens(self, batch):
        return super().tokens(batch) / batch.eeg.std((1, 2))[:, None, None]


class PoolsPadding(Sound):
    def forward(self, batch):
        tokens = self.tokens(batch)
        mask = torch.ones(tokens.shape[:2], dtype=torch.bool)
        mask[:, 50:] = False
        return Conditioning(tokens, mask, tokens.mean(1))


class NoRealToken(Sound):
    def forward(self, batch):
        made = super().forward(batch)
        return Conditioning(made.embeddings, made.mask & False, made.pooled)


class BatchStatisticsInEval(Sound):
    def tokens(self, batch):
        tokens = super().tokens(batch)
        return tokens - tokens.mean(0)


class KnowsItsPlace(Sound):
    def tokens(self, batch):
        return super().tokens(batch) + torch.arange(len(batch))[:, None, None] / 100


class ScalesInPlace(Sound):
    def tokens(self, batch):
        batch.eeg *= 0.5
        return super().tokens(batch)


class MixesListeners(Sound):
    new_listeners = "their number"

    def tokens(self, batch):
        return super().tokens(batch) + batch.subject.float().mean()


class SaysNothingOfNewListeners(Sound):
    def tokens(self, batch):
        return super().tokens(batch) + batch.subject[:, None, None]


class OneVectorPerListener(Sound):
    def __init__(self, signal, target):
        super().__init__(signal, target)
        self.listener = nn.Embedding(signal.n_subjects, target.dim)

    def tokens(self, batch):
        return super().tokens(batch) + self.listener(batch.subject)[:, None]


class Peeks(Sound):
    def tokens(self, batch):
        return super().tokens(batch) + torch.tensor([len(text) for text in batch.text])[:, None, None] / 1000


class ReadsTheClock(Sound):
    def tokens(self, batch):
        return super().tokens(batch) + batch.elapsed_s[:, None, None] / 100


class Deaf(Sound):
    def tokens(self, batch):
        return super().tokens(batch) * 0.0 + self.linear.bias


class FixedChannels(Sound):
    def __init__(self, signal, target):
        super().__init__(tiny_signal(), target)


class CutsChannels(FixedChannels):
    def tokens(self, batch):
        return self.linear(pool_tokens(batch.eeg[:, :32].transpose(1, 2), self.n_tokens))


class NotANumberOnOtherCaps(Sound):
    def tokens(self, batch):
        return super().tokens(batch) / float(self.n_chans == 32)


class Backwards(Sound):
    def tokens(self, batch):
        return super().tokens(batch) * (-1.0 if self.training else 1.0)


class OwnEntropy(Sound):
    def __init__(self, signal, target):
        super().__init__(signal, target)
        self.linear.weight.data *= np.random.default_rng().uniform(0.5, 2.0)


class SetsTheSeed(Sound):
    def __init__(self, signal, target):
        torch.manual_seed(0)
        super().__init__(signal, target)


class ForgetsItsProjection(Sound):
    def __init__(self, signal, target):
        super().__init__(signal, target)
        self.projection = torch.randn(target.dim, target.dim)

    def tokens(self, batch):
        return super().tokens(batch) @ self.projection


class ForgetsItsStatistics(Sound):
    level = 1.0

    def tokens(self, batch):
        if self.training:
            self.level = 0.5 * self.level + 0.5 * float(batch.eeg.std()) * 3
        return super().tokens(batch) * self.level


class SinglePrecisionOnly(Sound):
    def tokens(self, batch):
        tokens = super().tokens(batch)
        return torch.complex(tokens, tokens).real


class RefusesAlone(Sound):
    def tokens(self, batch):
        if len(batch) == 1:
            raise ValueError("expected more than 1 value per channel")
        return super().tokens(batch)


#: encoders and the checks that they fail, and no others
BROKEN = {
    NotAnEncoder: {"builds"},
    Exits: {"builds"},
    PlainTensor: {"output_contract"},
    TooManyTokens: {"output_contract"},
    MaskOfNumbers: {"output_contract"},
    FlatPooled: {"output_contract"},
    WrongInTraining: {"output_contract"},
    NotANumber: {"dtype_and_finite"},
    NotANumberInPooled: {"dtype_and_finite"},
    DoublePrecision: {"dtype_and_finite"},
    RandomInEval: {"deterministic_in_eval"},
    DividesByLoudness: {"silent_and_clamped"},
    PoolsPadding: {"mask"},
    NoRealToken: {"mask"},
    BatchStatisticsInEval: {"batch_size"},
    KnowsItsPlace: {"batch_order", "batch_size"},
    ScalesInPlace: {"leaves_the_batch"},
    MixesListeners: {"subject", "batch_size"},
    OneVectorPerListener: {"unseen_subject"},
    SaysNothingOfNewListeners: {"unseen_subject"},
    Peeks: {"reads_only_its_signal"},
    ReadsTheClock: {"reads_only_its_signal"},
    FixedChannels: {"montages"},
    CutsChannels: {"montages"},
    NotANumberOnOtherCaps: {"montages"},
    Unused: {"gradient"},
    OwnEntropy: {"deterministic_by_seed"},
    SetsTheSeed: {"deterministic_by_seed"},
    ForgetsItsProjection: {"save_load"},
    ForgetsItsStatistics: {"save_load"},
    SinglePrecisionOnly: {"bfloat16"},
    RefusesAlone: {"batch_size"},
}


@pytest.mark.parametrize(("encoder", "expected"), BROKEN.items(), ids=[encoder.__name__ for encoder in BROKEN])
def test_a_broken_encoder_fails_the_check_made_for_it_and_no_other(failing, encoder, expected):
    assert failing(encoder) == expected


def test_an_encoder_that_ignores_its_signal_fails_both_checks_that_ask_for_it(results_of, monkeypatch):
    monkeypatch.setattr(learning, "N_STEPS", 20)
    names = ["reads_only_its_signal", "overfits_8_segments"]
    assert {result.outcome for result in results_of(Deaf, names).values()} == {"fail"}


def test_an_encoder_that_cannot_learn_fails_with_the_value_it_reached(results_of, monkeypatch):
    monkeypatch.setattr(learning, "N_STEPS", 20)
    found = results_of(Backwards, ["overfits_8_segments"])["overfits_8_segments"]
    assert found.outcome == "fail"
    assert "of 8, step" in found.reason


def test_an_encoder_that_runs_out_of_computing_time_is_undecided_not_failed(results_of, monkeypatch):
    monkeypatch.setattr(learning, "BUDGET_S", 0.0)
    found = results_of(Backwards, ["overfits_8_segments"])["overfits_8_segments"]
    assert found.outcome == "skip"
    assert "undecided" in found.reason


def test_an_encoder_that_says_positions_but_ties_weights_to_places_in_the_list_fails(failing):
    assert failing(Sound, needs=("positions",)) == {"channel_permutation"}


def test_the_time_is_allowed_to_baselines_only(failing):
    assert "reads_only_its_signal" not in failing(ReadsTheClock, baseline=True)


def test_checks_after_a_failed_gate_are_skipped_and_say_so(spec_of):
    found = check_encoder(spec_of(PlainTensor))
    assert summary(found) == "22 checks: 1 passed, 1 failed, 20 skipped"
    assert {result.reason for result in found[2:]} == {"not asked, since output_contract failed"}


def test_a_check_that_raises_fails_with_type_message_and_line(results_of):
    found = results_of(RefusesAlone, ["batch_size"])["batch_size"]
    assert found.reason.startswith("ValueError: expected more than 1 value per channel (")
    assert "test_broken.py:" in found.reason


class SaysNothing(Sound):
    closed_form = True
    said = None

    def fit(self, train, valid):
        return self.said


@pytest.mark.parametrize(
    ("said", "words"),
    [(None, "fit returned no dictionary"), ({"r": float("nan")}, "fit returned a value.* got r: nan")],
)
def test_what_fit_returns_is_looked_at(results_of, monkeypatch, said, words):
    monkeypatch.setattr(SaysNothing, "said", said)
    result = results_of(SaysNothing)["output_contract"]
    assert result.outcome == "fail"
    assert re.search(words, result.reason)
