"""Which checks run and how they end: as results, and as an assertion in test suites of outsiders."""

from __future__ import annotations

import random
from unittest import SkipTest

import numpy as np
import pytest
import torch

from eeg2speech_bench.core.conformance import assert_conforms, check_encoder, check_names, summary
from eeg2speech_bench.core.conformance.fixtures import N_SEGMENTS
from eeg2speech_bench.core.errors import UnknownNameError, UsageError
from eeg2speech_bench.core.specs import EncoderSpec

from .conftest import Sound, Unused


def test_there_are_twenty_two_checks_and_every_one_runs_in_order(spec_of):
    assert len(check_names()) == 22
    assert [result.name for result in check_encoder(spec_of(Sound))] == check_names()


def test_an_encoder_that_cannot_be_imported_fails_to_build_and_the_rest_is_skipped():
    found = check_encoder(EncoderSpec("gone", "no_such_module:Gone"))
    assert summary(found) == "22 checks: 0 passed, 1 failed, 21 skipped"
    assert "No module named 'no_such_module'" in found[0].reason


def test_an_option_that_the_encoder_does_not_take_fails_to_build(spec_of):
    (found,) = check_encoder(spec_of(Sound), options={"width": 3}, only=["builds"])
    assert "Unknown option of encoder 'sound': got 'width'" in found.reason


def test_interruption_by_the_user_is_no_verdict(spec_of, monkeypatch):
    def interrupt(self, batch):
        raise KeyboardInterrupt

    monkeypatch.setattr(Sound, "forward", interrupt)
    with pytest.raises(KeyboardInterrupt):
        check_encoder(spec_of(Sound), only=["output_contract"])


@pytest.mark.parametrize(("only", "error"), [(["gradients"], UnknownNameError), ([], UsageError)])
def test_a_check_that_does_not_exist_is_refused(spec_of, only, error):
    with pytest.raises(error, match="check"):
        check_encoder(spec_of(Sound), only=only)


def test_random_numbers_of_the_calling_test_suite_go_on_as_if_nothing_ran(spec_of):
    def draw():
        return random.random(), np.random.rand(), torch.rand(1).item()

    states = random.getstate(), np.random.get_state(), torch.get_rng_state()
    expected = draw()
    random.setstate(states[0])
    np.random.set_state(states[1])
    torch.set_rng_state(states[2])
    check_encoder(spec_of(Sound), only=["builds", "deterministic_by_seed"])
    assert draw() == expected


def test_another_target_space_is_asked_for_when_given(spec_of):
    from eeg2speech_bench.core.segments.segment_store import TargetInfo

    (found,) = check_encoder(spec_of(Sound), target=TargetInfo(7, 5, 2.0), only=["output_contract"])
    assert found.reason == f"embeddings ({N_SEGMENTS}, 5, 7)"


@pytest.mark.parametrize("check", check_names())
def test_one_test_per_check_passes_or_is_skipped(spec_of, check):
    (found,) = assert_conforms(spec_of(Sound), only=[check])
    assert found.outcome == "pass"


def test_a_single_skipped_check_skips_the_test_with_its_reason(spec_of):
    with pytest.raises(SkipTest, match="does not use positions"):
        assert_conforms(spec_of(Sound), only=["channel_permutation"])


def test_the_assertion_lists_every_failed_check_with_its_reason(spec_of):
    with pytest.raises(AssertionError, match=r"(?s)'unused': 2 checks: 1 passed, 1 failed.*gradient: no gradient"):
        assert_conforms(spec_of(Unused), only=["builds", "gradient"])


def test_another_number_of_checks_than_expected_is_an_assertion(spec_of):
    with pytest.raises(AssertionError, match="1 checks of encoder 'sound' ran, expected 2"):
        assert_conforms(spec_of(Sound), only=["builds"], n_checks=2)


def test_a_name_is_looked_up_among_installed_plugins():
    assert assert_conforms("ridge", only=["builds"])[0].outcome == "pass"
    with pytest.raises(UnknownNameError, match="Did you mean 'ridge'"):
        assert_conforms("rigde", only=["builds"])
