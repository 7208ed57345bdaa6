"""Trains a small pair for a few steps on as many processes as are asked for, and saves what it learned.

With the variable ``KILLED_IN_EPOCH`` the second process is killed when that epoch begins. Further processes import this
file by its name.
"""

from __future__ import annotations

import os
import signal
import warnings
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from eeg2speech_bench.core.conditioning import Conditioning, Encoder, Target, TargetInfo
from eeg2speech_bench.core.contrastive.alignment import Alignment
from eeg2speech_bench.core.machine.ranks import others_beside, this_rank
from eeg2speech_bench.core.presets.config import AlignmentConfig
from eeg2speech_bench.core.segments.segment_store import Batch
from eeg2speech_bench.core.training.trainer import KeepBest, fit, make_trainer
from eeg2speech_bench.core.training.training_batches import TrainingBatches

N_CHANS, N_TIMES, N_TOKENS, DIM, BATCH, N_POOL = 3, 8, 4, 5, 6, 7
INFO = TargetInfo(n_tokens=N_TOKENS, dim=DIM, token_rate_hz=2.0)


class Linear(Encoder):
    def __init__(self) -> None:
        super().__init__()
        self.net = nn.Linear(N_CHANS * N_TIMES, N_TOKENS * DIM)
        self.unused = nn.Linear(2, 2)

    def forward(self, batch: Batch) -> Conditioning:
        return Conditioning.from_tokens(self.net(batch.eeg.flatten(1)).unflatten(1, (N_TOKENS, DIM)))


class LinearTarget(Target):
    trained_jointly = True

    def __init__(self) -> None:
        super().__init__()
        self.net = nn.Linear(DIM, DIM)

    @property
    def info(self) -> TargetInfo:
        return INFO

    def forward(self, frames: Tensor) -> Tensor:
        return self.net(frames)


class Batches(TrainingBatches):
    def batches(self, epoch: int, first: int) -> Iterator[tuple[Batch, Tensor, Tensor]]:
        if "KILLED_IN_EPOCH" in os.environ and (epoch, this_rank().number) == (int(os.environ["KILLED_IN_EPOCH"]), 1):
            os.kill(os.getpid(), signal.SIGKILL)
        rng = np.random.default_rng(epoch)
        eeg = rng.standard_normal((BATCH, N_CHANS, N_TIMES)).astype(np.float32)
        frames = rng.standard_normal((BATCH, N_TOKENS, DIM)).astype(np.float32)
        same = torch.eye(BATCH, dtype=torch.bool)
        same[0, 4] = same[4, 0] = True
        rows = this_rank().share(np.arange(BATCH))
        yield segments(eeg[rows], rows), torch.from_numpy(frames[rows]), same


class Validation(torch.utils.data.IterableDataset):
    def __iter__(self) -> Iterator[tuple[Batch, Tensor]]:
        rng = np.random.default_rng(99)
        for first in range(0, N_POOL, 2):
            rows = np.arange(first, min(first + 2, N_POOL))
            eeg = rng.standard_normal((len(rows), N_CHANS, N_TIMES)).astype(np.float32)
            yield segments(eeg, rows), torch.zeros(len(rows), N_TOKENS, DIM)


def segments(eeg: np.ndarray, windows: np.ndarray) -> Batch:
    return Batch(torch.from_numpy(eeg), torch.zeros(len(eeg), dtype=torch.long), torch.from_numpy(windows))


def train(symmetric: bool, file: Path) -> None:
    torch.manual_seed(0)
    torch.set_num_threads(1)
    config = AlignmentConfig(batch_size=BATCH, learning_rate=1e-2, symmetric=symmetric, mask_same_audio=True)
    frames = torch.from_numpy(np.random.default_rng(5).standard_normal((N_POOL, N_TOKENS, DIM)).astype(np.float32))
    module = Alignment("linear", Linear(), LinearTarget(), config, torch.arange(N_POOL), frames)
    best = KeepBest("valid_mrr")
    trainer = make_trainer("cpu", "float32", [best], max_epochs=3)
    fit(trainer, module, Batches(), Validation())
    kept: dict[str, Any] = {"weights": module.state_dict(), "history": module.history, "best": best.best}
    if this_rank().number == 0:
        torch.save(kept, file)


def train_both(folder: Path) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for symmetric in (False, True):
            train(symmetric, folder / f"{symmetric}.pt")


def train_together(n_devices: int, folder: Path) -> None:
    """Save what is learned with each form of the loss in a file of its own."""
    with others_beside(n_devices, partial(train_both, folder)):
        train_both(folder)
