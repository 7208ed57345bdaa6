"""The conformance checks: a sound encoder passes all, each way of being broken fails the check made for it."""

from __future__ import annotations

import random
from unittest import SkipTest

import numpy as np
import pytest
import torch
from torch import nn

from eeg2speech_bench.core.conditioning import Conditioning, Encoder, pool_tokens
from eeg2speech_bench.core.conformance import assert_conforms, check_encoder, check_names, learning, summary
from eeg2speech_bench.core.conformance.fixtures import N_SEGMENTS, pick, tiny_batch, tiny_signal
from eeg2speech_bench.core.errors import DataError, UnknownNameError, UsageError
from eeg2speech_bench.core.specs import EncoderSpec


class Sound(Encoder):
    """One linear map per token: passes everything."""

    def __init__(self, signal, target):
        super().__init__()
        self.n_tokens, self.n_chans = target.n_tokens, signal.n_chans
        self.linear = nn.Linear(signal.n_chans, target.dim)

    def tokens(self, batch):
        return self.linear(pool_tokens(batch.eeg.transpose(1, 2), self.n_tokens))

    def forward(self, batch):
        return Conditioning.from_tokens(self.tokens(batch))


def spec_of(encoder, **declared):
    return EncoderSpec(encoder.__name__.lower(), f"{__name__}:{encoder.__name__}", **declared)


def results_of(encoder, only=None, **declared):
    return {result.name: result for result in check_encoder(spec_of(encoder, **declared), only=only)}


def failing(encoder, **declared):
    return {name for name, result in results_of(encoder, **declared).items() if result.outcome == "fail"}


# --- broken in one way each ------------------------------------------------------------------------------------


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
    def tokens(self, batch):
        return super().tokens(batch) + batch.subject.float().mean()


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


class Unused(Sound):
    def __init__(self, signal, target):
        super().__init__(signal, target)
        self.spare = nn.Linear(3, 3)


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
    Peeks: {"reads_only_its_signal"},
    ReadsTheClock: {"reads_only_its_signal"},
    FixedChannels: {"missing_channels", "extra_channels"},
    CutsChannels: {"missing_channels"},
    NotANumberOnOtherCaps: {"missing_channels", "extra_channels"},
    Unused: {"gradient"},
    OwnEntropy: {"deterministic_by_seed"},
    SetsTheSeed: {"deterministic_by_seed"},
    ForgetsItsProjection: {"save_load"},
    ForgetsItsStatistics: {"save_load"},
    SinglePrecisionOnly: {"bfloat16"},
    RefusesAlone: {"batch_size"},
}


@pytest.mark.parametrize(("encoder", "expected"), BROKEN.items(), ids=[encoder.__name__ for encoder in BROKEN])
def test_a_broken_encoder_fails_the_check_made_for_it_and_no_other(encoder, expected):
    assert failing(encoder) == expected


def test_an_encoder_that_ignores_its_signal_fails_both_checks_that_ask_for_it(monkeypatch):
    monkeypatch.setattr(learning, "N_STEPS", 20)
    names = ["reads_only_its_signal", "overfits_8_segments"]
    assert {result.outcome for result in results_of(Deaf, names).values()} == {"fail"}


def test_an_encoder_that_cannot_learn_fails_with_the_value_it_reached(monkeypatch):
    monkeypatch.setattr(learning, "N_STEPS", 20)
    found = results_of(Backwards, ["overfits_8_segments"])["overfits_8_segments"]
    assert found.outcome == "fail"
    assert "of 8, step" in found.reason


def test_an_encoder_that_runs_out_of_computing_time_is_undecided_not_failed(monkeypatch):
    monkeypatch.setattr(learning, "BUDGET_S", 0.0)
    found = results_of(Backwards, ["overfits_8_segments"])["overfits_8_segments"]
    assert found.outcome == "skip"
    assert "undecided" in found.reason


def test_an_encoder_that_says_positions_but_ties_weights_to_places_in_the_list_fails():
    assert failing(Sound, needs=("positions",)) == {"channel_permutation"}


# --- sound in unusual ways -------------------------------------------------------------------------------------


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


def test_a_sound_encoder_passes_every_check_that_this_machine_can_run():
    skips = {"channel_permutation"} | (set() if torch.cuda.is_available() else {"cpu_gpu"})
    found = results_of(Sound)
    assert {name for name, result in found.items() if result.outcome != "pass"} == skips


@pytest.mark.parametrize("encoder", [ZeroHead, HalfFrozen, Refuses, Constant])
def test_an_unusual_but_sound_encoder_has_no_failed_check(encoder):
    assert not failing(encoder, baseline=encoder is Constant)


def test_text_and_audio_encoders_skip_the_checks_of_channels_only():
    skips = {"channel_permutation", "missing_channels", "extra_channels"}
    skips |= set() if torch.cuda.is_available() else {"cpu_gpu"}
    for encoder, modality in ((Words, "text"), (Ears, "audio")):
        found = results_of(encoder, modality=modality)
        assert {n: r.outcome for n, r in found.items() if r.outcome != "pass"} == dict.fromkeys(skips, "skip")
        assert found["missing_channels"].reason == f"reads {modality}, not EEG"


def test_positions_that_move_along_with_their_channels_pass_the_permutation():
    found = results_of(Spatial, ["channel_permutation"], needs=("positions",))["channel_permutation"]
    assert (found.outcome, found.reason[:19]) == ("pass", "largest difference ")


def test_the_time_is_allowed_to_baselines_only():
    assert "reads_only_its_signal" not in failing(ReadsTheClock, baseline=True)


def test_a_refusal_in_words_passes_and_is_quoted():
    found = results_of(Refuses, ["missing_channels", "unseen_subject"])
    assert found["missing_channels"].reason == "refused: Encoder 'refuses' has weights for 32 channels: got 31."
    assert found["unseen_subject"].reason == "refused: Encoder 'refuses' knows three listeners: got 3."


def test_a_refusal_that_does_not_name_the_matter_fails():
    found = results_of(RefusesWithoutReason, ["missing_channels"])["missing_channels"]
    assert (found.outcome, found.reason) == ("fail", "refused without naming the channel: Not supported.")


def test_frozen_and_unreached_parameters_are_named():
    assert results_of(HalfFrozen, ["gradient"])["gradient"].reason == "reaches all 1; frozen: linear.bias"
    assert "no gradient reaches spare.weight, spare.bias" in results_of(Unused, ["gradient"])["gradient"].reason


def test_a_constant_baseline_is_excused_with_the_value_it_reached():
    found = results_of(Constant, baseline=True)
    assert found["overfits_8_segments"].outcome == "skip"
    assert "1 of 8, fitted in closed form" in found["overfits_8_segments"].reason
    assert found["gradient"].reason == "fitted in closed form"


# --- running and reporting -------------------------------------------------------------------------------------


def test_there_are_twenty_two_checks_and_every_one_runs_in_order():
    assert len(check_names()) == 22
    assert [result.name for result in check_encoder(spec_of(Sound))] == check_names()


def test_checks_after_a_failed_gate_are_skipped_and_say_so():
    found = check_encoder(spec_of(PlainTensor))
    assert summary(found) == "22 checks: 1 passed, 1 failed, 20 skipped"
    assert {result.reason for result in found[2:]} == {"not asked, since output_contract failed"}


def test_a_check_that_raises_fails_with_type_message_and_line():
    found = results_of(RefusesAlone, ["batch_size"])["batch_size"]
    assert found.reason.startswith("ValueError: expected more than 1 value per channel (")
    assert "test_conformance.py:" in found.reason


def test_an_encoder_that_cannot_be_imported_fails_to_build_and_the_rest_is_skipped():
    found = check_encoder(EncoderSpec("gone", "no_such_module:Gone"))
    assert summary(found) == "22 checks: 0 passed, 1 failed, 21 skipped"
    assert "No module named 'no_such_module'" in found[0].reason


def test_an_option_that_the_encoder_does_not_take_fails_to_build():
    (found,) = check_encoder(spec_of(Sound), options={"width": 3}, only=["builds"])
    assert "Unknown option of encoder 'sound': got 'width'" in found.reason


def test_interruption_by_the_user_is_no_verdict(monkeypatch):
    def interrupt(self, batch):
        raise KeyboardInterrupt

    monkeypatch.setattr(Sound, "forward", interrupt)
    with pytest.raises(KeyboardInterrupt):
        check_encoder(spec_of(Sound), only=["output_contract"])


@pytest.mark.parametrize(("only", "error"), [(["gradients"], UnknownNameError), ([], UsageError)])
def test_a_check_that_does_not_exist_is_refused(only, error):
    with pytest.raises(error, match="check"):
        check_encoder(spec_of(Sound), only=only)


def test_random_numbers_of_the_calling_test_suite_go_on_as_if_nothing_ran():
    def draw():
        return random.random(), np.random.rand(), torch.rand(1).item()

    states = random.getstate(), np.random.get_state(), torch.get_rng_state()
    expected = draw()
    random.setstate(states[0])
    np.random.set_state(states[1])
    torch.set_rng_state(states[2])
    check_encoder(spec_of(Sound), only=["builds", "deterministic_by_seed"])
    assert draw() == expected


def test_another_target_space_is_asked_for_when_given():
    from eeg2speech_bench.core.segments import TargetInfo

    (found,) = check_encoder(spec_of(Sound), target=TargetInfo(7, 5, 2.0), only=["output_contract"])
    assert found.reason == f"embeddings ({N_SEGMENTS}, 5, 7)"


# --- the assertion for test suites of outsiders ----------------------------------------------------------------


@pytest.mark.parametrize("check", check_names())
def test_one_test_per_check_passes_or_is_skipped(check):
    (found,) = assert_conforms(spec_of(Sound), only=[check])
    assert found.outcome == "pass"


def test_a_single_skipped_check_skips_the_test_with_its_reason():
    with pytest.raises(SkipTest, match="does not use positions"):
        assert_conforms(spec_of(Sound), only=["channel_permutation"])


def test_the_assertion_lists_every_failed_check_with_its_reason():
    with pytest.raises(AssertionError, match=r"(?s)'unused': 2 checks: 1 passed, 1 failed.*gradient: no gradient"):
        assert_conforms(spec_of(Unused), only=["builds", "gradient"])


def test_another_number_of_checks_than_expected_is_an_assertion():
    with pytest.raises(AssertionError, match="1 checks of encoder 'sound' ran, expected 2"):
        assert_conforms(spec_of(Sound), only=["builds"], n_checks=2)


def test_a_name_is_looked_up_among_installed_plugins():
    assert assert_conforms("ridge", only=["builds"])[0].outcome == "pass"
    with pytest.raises(UnknownNameError, match="Did you mean 'ridge'"):
        assert_conforms("rigde", only=["builds"])


# --- the tiny data ---------------------------------------------------------------------------------------------


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
    picked = pick(tiny_batch(with_sound=True), [5, 2])
    assert picked.window.tolist() == [5, 2]
    assert picked.text == (
        "what was that",
        "she had never seen a house so large, nor so quiet, in all the years of her life",
    )
    assert picked.sound.shape == (2, 46_080)


@pytest.mark.gpu
def test_cpu_and_gpu_agree_for_a_sound_encoder():
    assert results_of(Sound, ["cpu_gpu"])["cpu_gpu"].outcome == "pass"


@pytest.mark.gpu
def test_a_sound_encoder_passes_with_all_checks_on_the_gpu():
    assert not [result for result in check_encoder(spec_of(Sound), device="cuda") if result.outcome == "fail"]
