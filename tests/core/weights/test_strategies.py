"""What options say of pretrained weights, and the twin that belongs to them."""

from __future__ import annotations

import pytest

from eeg2speech_bench.core.errors import UnknownNameError, UsageError
from eeg2speech_bench.core.weights.strategies import WeightsUse, pretrained_options, title_of, twin_options

WEIGHTS = {"weights": "braindecode/labram-pretrained@abc"}


@pytest.mark.parametrize(
    ("options", "use"),
    [
        ({}, None),
        ({"hidden": 3}, None),
        (WEIGHTS, WeightsUse(WEIGHTS["weights"], "full", random=False)),
        ({**WEIGHTS, "strategy": "scratch"}, WeightsUse(WEIGHTS["weights"], "scratch", random=True)),
        ({"strategy": "probe", "random_weights": True}, WeightsUse("", "probe", random=True)),
        ({"weights": 3.0}, None),  # an option of somebody else's encoder
    ],
)
def test_options_say_which_weights_are_used_and_how(options, use):
    assert WeightsUse.of(options) == use


def test_the_twin_of_full_is_scratch_and_that_of_the_others_has_random_weights():
    assert twin_options({**WEIGHTS, "strategy": "full"}) == {**WEIGHTS, "strategy": "scratch"}
    assert twin_options(WEIGHTS) == {**WEIGHTS, "strategy": "scratch"}
    assert twin_options({**WEIGHTS, "strategy": "lora"}) == {**WEIGHTS, "strategy": "lora", "random_weights": True}


@pytest.mark.parametrize("strategy", ["full", "probe", "lora"])
def test_a_twin_leads_back_to_what_it_is_the_twin_of(strategy):
    options = {**WEIGHTS, "strategy": strategy, "n_tokens": 4}
    assert pretrained_options(twin_options(options)) == pretrained_options(options) == options


@pytest.mark.parametrize(
    ("options", "title"),
    [
        ({}, "labram"),
        (WEIGHTS, "labram (labram-pretrained@abc)"),
        ({"weights": "/home/me/my weights/", "strategy": "probe"}, "labram (probe, my weights)"),
        ({**WEIGHTS, "strategy": "probe", "random_weights": True}, "labram (probe, random weights)"),
        ({**WEIGHTS, "strategy": "scratch"}, "labram (scratch)"),
    ],
)
def test_tables_tell_uses_of_weights_apart(options, title):
    assert title_of("labram", options) == title


def test_a_strategy_that_has_nothing_to_start_from_is_refused():
    with pytest.raises(UsageError, match="Strategy 'lora' needs pretrained weights"):
        WeightsUse.of({"strategy": "lora"}).check()
    with pytest.raises(UnknownNameError, match="Did you mean 'scratch'"):
        WeightsUse.of({**WEIGHTS, "strategy": "scrach"}).check()
