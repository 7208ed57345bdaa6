"""Batches segments with the target frames of their windows, shuffled for training or in order."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace

import numpy as np
import torch
from torch import Tensor

from eeg2speech_bench.benchmarks.inputs.kept_on_device import send
from eeg2speech_bench.benchmarks.inputs.target_frames import FrameStore
from eeg2speech_bench.core.errors import DataError
from eeg2speech_bench.core.machine.ranks import this_rank
from eeg2speech_bench.core.presets.config import AlignmentConfig
from eeg2speech_bench.core.segments.segment_store import Batch, SegmentStore
from eeg2speech_bench.core.segments.surrogates import randomise_phases
from eeg2speech_bench.core.training.seeding import derive_seed
from eeg2speech_bench.core.training.training_batches import TrainingBatches

#: from rows of segments to a batch
Gather = Callable[[np.ndarray], Batch]


class TrainingSegments(TrainingBatches):
    """Yields shuffled training batches, with their frames and the matrix of windows that share audio.

    Where several processes train together each gathers its share of a batch; the matrix is that of the whole.

    Batches are gathered whole from memory maps; there is no per-item Python. The order of epoch e depends on the
    seed and e alone.

    Parameters
    ----------
    store : SegmentStore
    frames : FrameStore
    gather : callable
        From rows of segments to a `Batch`, on the device of the frames.
    config : AlignmentConfig
        Batch size, length of an epoch, and whether to train on surrogates.
    seed : int
    """

    def __init__(
        self, store: SegmentStore, frames: FrameStore, gather: Gather, config: AlignmentConfig, seed: int
    ) -> None:
        self.store, self.frames, self.gather, self.config, self.seed = store, frames, gather, config, seed
        self.batch_size = config.batch_size
        self.on_device = frames.device != "cpu"
        self.rows = store.indices("train")
        if len(self.rows) < self.batch_size:
            raise DataError(
                "There are fewer training segments than one batch",
                got=len(self.rows),
                expected=f"at least {self.batch_size}",
                then=f"Use --set alignment.batch_size={max(2, len(self.rows) // 2)}.",
            )
        windows = store.windows
        self._window = store.segments["window"].to_numpy()
        self._start_s = windows["start_s"].to_numpy()
        self._stimulus = windows["stimulus"].astype("category").cat.codes.to_numpy()

    def __len__(self) -> int:
        return min(len(self.rows) // self.batch_size, self.config.steps_per_epoch)

    def batches(self, epoch: int, first: int) -> Iterator[tuple[Batch, Tensor, Tensor]]:
        """Yield the batches of an epoch from the given one on."""
        order = np.random.default_rng((self.seed, epoch)).permutation(self.rows)
        for i in range(first, len(self)):
            rows = np.sort(order[i * self.batch_size : (i + 1) * self.batch_size])
            batch = self.gather(this_rank().share(rows))
            if self.config.train_on == "surrogate":
                seed = derive_seed(self.seed, "surrogate", epoch, i, this_rank().number)
                generator = torch.Generator().manual_seed(seed)
                batch = replace(batch, eeg=randomise_phases(batch.eeg, generator))
            same_audio = send(self.same_audio(self._window[rows]), self.frames.device)
            yield batch, self.frames.of_windows(batch.window), same_audio

    def same_audio(self, windows: np.ndarray) -> np.ndarray:
        """Return which pairs of windows (batch, batch) overlap in stimulus time."""
        start, stimulus = self._start_s[windows], self._stimulus[windows]
        near = np.abs(start[:, None] - start[None]) < self.store.window_s
        return near & (stimulus[:, None] == stimulus[None])


class OrderedSegments(torch.utils.data.IterableDataset):
    """Yields batches of given segments in order, with the frames of their windows."""

    def __init__(self, frames: FrameStore, gather: Gather, rows: np.ndarray, batch_size: int) -> None:
        self.frames, self.gather, self.rows, self.batch_size = frames, gather, rows, batch_size
        self.on_device = frames.device != "cpu"

    def __iter__(self) -> Iterator[tuple[Batch, Tensor]]:
        for i in range(0, len(self.rows), self.batch_size):
            batch = self.gather(self.rows[i : i + self.batch_size])
            yield batch, self.frames.of_windows(batch.window)
