"""Nineteen electrodes, segments of noise, and models of braindecode that are built over them by name."""

from __future__ import annotations

import warnings
from collections.abc import Callable

import mne
import numpy as np
import pytest
import torch

from eeg2speech_bench.core.conditioning import Encoder
from eeg2speech_bench.core.segments.segment_store import Batch, SignalInfo, TargetInfo
from eeg2speech_bench.plugins.encoders.braindecode.cards import catalogue

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    import braindecode.models  # noqa: F401  here first, where what it warns of is not shown

NAMES = (
    *("Fp1", "Fp2", "F3", "F4", "C3", "C4", "P3", "P4", "O1", "O2", "F7", "F8", "T7", "T8", "P7", "P8"),
    *("Fz", "Cz", "Pz"),
)
TARGET = TargetInfo(4, 6, 2.0)


def place(
    names: tuple[str, ...] = NAMES, montage: str | None = "colin27_1005", n_times: int = 346, sfreq: float = 120.0
) -> SignalInfo:
    """Return the signal of three listeners with these electrodes."""
    info = mne.create_info(list(names), sfreq, "eeg")
    info.set_montage(montage, on_missing="ignore")
    chs_info = tuple({"ch_name": c["ch_name"], "loc": np.nan_to_num(np.array(c["loc"]))} for c in info["chs"])
    return SignalInfo(len(chs_info), n_times, sfreq, chs_info, 3)


SIGNAL = place()


def draw(signal: SignalInfo = SIGNAL, size: int = 4, seed: int = 0) -> Batch:
    """Return segments of noise."""
    eeg = torch.randn(size, signal.n_chans, signal.n_times, generator=torch.Generator().manual_seed(seed))
    return Batch(eeg, torch.arange(size) % 3, torch.arange(size))


def make(
    name: str, signal: SignalInfo = SIGNAL, target: TargetInfo = TARGET, seed: int = 0, **options: object
) -> Encoder:
    """Build a model of the table."""
    torch.manual_seed(seed)
    return catalogue()[name].spec.load().build(signal, target, **options)


@pytest.fixture
def signal() -> SignalInfo:
    """Nineteen electrodes of the 10-20 system."""
    return SIGNAL


@pytest.fixture
def target_info() -> TargetInfo:
    return TARGET


@pytest.fixture
def signal_of() -> Callable[..., SignalInfo]:
    """See `place`."""
    return place


@pytest.fixture
def batch_of() -> Callable[..., Batch]:
    """See `draw`."""
    return draw


@pytest.fixture(scope="session")
def build() -> Callable[..., Encoder]:
    """See `make`."""
    return make
