"""A sound encoder and one that is not, and what the checks say of any encoder of these tests."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from torch import nn

from eeg2speech_bench.core.conditioning import Conditioning, Encoder, pool_tokens
from eeg2speech_bench.core.conformance import CheckResult, check_encoder
from eeg2speech_bench.core.specs import EncoderSpec


class Sound(Encoder):
    """One linear map per token: passes everything. Tests import it, since a base class cannot be a fixture."""

    def __init__(self, signal, target):
        super().__init__()
        self.n_tokens, self.n_chans = target.n_tokens, signal.n_chans
        self.linear = nn.Linear(signal.n_chans, target.dim)

    def tokens(self, batch):
        return self.linear(pool_tokens(batch.eeg.transpose(1, 2), self.n_tokens))

    def forward(self, batch):
        return Conditioning.from_tokens(self.tokens(batch))


class Unused(Sound):
    """Weights that no gradient reaches: fails one check."""

    def __init__(self, signal, target):
        super().__init__(signal, target)
        self.spare = nn.Linear(3, 3)


def declare(encoder: type, **declared: Any) -> EncoderSpec:
    """Declare a class of a test module as an encoder."""
    return EncoderSpec(encoder.__name__.lower(), f"{encoder.__module__}:{encoder.__name__}", **declared)


def check(encoder: type, only: list[str] | None = None, **declared: Any) -> dict[str, CheckResult]:
    """Return the results of the checks by their names."""
    return {result.name: result for result in check_encoder(declare(encoder, **declared), only=only)}


@pytest.fixture
def spec_of() -> Callable[..., EncoderSpec]:
    """See `declare`."""
    return declare


@pytest.fixture
def results_of() -> Callable[..., dict[str, CheckResult]]:
    """See `check`."""
    return check


@pytest.fixture
def failing() -> Callable[..., set[str]]:
    """Return the names of the checks that an encoder fails."""

    def names(encoder: type, **declared: Any) -> set[str]:
        return {name for name, result in check(encoder, **declared).items() if result.outcome == "fail"}

    return names
