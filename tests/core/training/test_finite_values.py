"""Values that are not finite are met by their name: at once on the CPU, later where reading waits for the device."""

from __future__ import annotations

import pytest
import torch

from eeg2speech_bench.core.errors import ContractError
from eeg2speech_bench.core.training import finite_values
from eeg2speech_bench.core.training.finite_values import NOTES_PER_LOOK, FiniteValues

FINE, NOT = torch.tensor(True), torch.tensor(False)


@pytest.fixture
def waiting(monkeypatch):
    """Let reading a number of the CPU count as waiting, as that of a GPU does."""
    monkeypatch.setattr(finite_values, "reading_waits", lambda device: True)


def test_on_the_cpu_an_error_is_raised_at_once():
    with pytest.raises(ContractError, match="first"):
        FiniteValues()(NOT, ContractError("first"))


def test_the_first_of_several_is_raised_at_the_next_look(waiting):
    finite = FiniteValues()
    for flag, name in ((FINE, "none"), (NOT, "first"), (NOT, "second")):
        finite(flag, ContractError(name))
    with pytest.raises(ContractError, match="first"):
        finite.look()


def test_what_was_looked_at_is_not_met_again(waiting):
    finite = FiniteValues()
    finite(NOT, ContractError("first"))
    with pytest.raises(ContractError):
        finite.look()
    finite.look()


def test_it_looks_by_itself_after_a_number_of_notes(waiting):
    finite = FiniteValues()
    with pytest.raises(ContractError, match="number 0"):
        for number in range(NOTES_PER_LOOK):
            finite(NOT, ContractError(f"number {number}"))
    assert number == NOTES_PER_LOOK - 1
