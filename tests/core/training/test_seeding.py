"""Random states: all global generators go on where they were."""

from __future__ import annotations

import io
import random

import numpy as np
import torch

from eeg2speech_bench.core.training.seeding import random_states, restore_random_states, seed_everything


def drawn() -> list[float]:
    return [
        random.random(),
        random.gauss(),
        np.random.rand(),
        np.random.randn(),
        float(torch.randn(())),
        float(torch.rand(())),
    ]


def test_generators_go_on_from_a_state_that_was_written_and_read():
    seed_everything(3)
    drawn()  # leaves the second half of each pair of normal numbers in the generators
    file = io.BytesIO()
    torch.save(random_states(), file)
    first = drawn()
    file.seek(0)
    restore_random_states(torch.load(file, weights_only=True))
    assert drawn() == first
