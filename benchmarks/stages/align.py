"""Stage ``align``: encoder and target learn one space, by gradient descent or in closed form."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import lightning as L
import numpy as np
import torch
from lightning.pytorch.callbacks import EarlyStopping
from torch import Tensor

from eeg2speech_bench.benchmarks.frames import FrameStore
from eeg2speech_bench.benchmarks.stages.features import build_target
from eeg2speech_bench.core.conditioning import Encoder, Target
from eeg2speech_bench.core.config import AlignmentConfig
from eeg2speech_bench.core.contrastive.alignment import Alignment
from eeg2speech_bench.core.errors import DataError
from eeg2speech_bench.core.seeding import seed_everything
from eeg2speech_bench.core.segments import Batch, SegmentStore
from eeg2speech_bench.core.specs import EncoderSpec, TargetSpec
from eeg2speech_bench.core.stages import write_json
from eeg2speech_bench.core.training import KeepBest, TrainingProgress, fit, make_trainer


@dataclass(frozen=True)
class Pair:
    """What to align: an encoder and a target by name and options."""

    encoder: EncoderSpec
    encoder_options: dict[str, Any]
    target: TargetSpec
    target_options: dict[str, Any]

    def build(self, store: SegmentStore) -> tuple[Encoder, Target]:
        """Build both for a prepared data set, untrained."""
        if "positions" in self.encoder.needs and not store.signal.has_positions:
            raise DataError(
                f"Encoder '{self.encoder.name}' needs electrode positions",
                got="channels without a position",
                expected="a montage (electrodes.tsv in BIDS)",
                then="Add positions to the data set, or choose an encoder that does not need them.",
            )
        target = build_target(self.target, self.target_options, store)
        return self.encoder.load().build(store.signal, target.info, **self.encoder_options), target

    def load(self, store: SegmentStore, path: Path) -> tuple[Encoder, Target]:
        """Build both and load the weights of a finished ``align`` stage."""
        encoder, target = self.build(store)
        weights = torch.load(path / "weights.pt", map_location="cpu", weights_only=True)
        encoder.load_state_dict(weights["encoder"])
        target.load_state_dict(weights["target"])
        return encoder.eval(), target.eval()


class TrainingSegments(torch.utils.data.IterableDataset):
    """Shuffled training batches with their frames and the matrix of windows that share audio.

    Batches are gathered whole from memory maps; there is no per-item Python. The order of epoch e depends on the
    seed and e alone.
    """

    def __init__(
        self, store: SegmentStore, frames: FrameStore, batch_size: int, steps_per_epoch: int, seed: int
    ) -> None:
        self.store, self.frames, self.batch_size, self.seed = store, frames, batch_size, seed
        self.steps_per_epoch = steps_per_epoch
        self.rows = store.indices("train")
        self.epoch = 0
        if len(self.rows) < batch_size:
            raise DataError(
                "There are fewer training segments than one batch",
                got=len(self.rows),
                expected=f"at least {batch_size}",
                then=f"Use --set alignment.batch_size={max(2, len(self.rows) // 2)}.",
            )
        windows = store.windows
        self._start_s = windows["start_s"].to_numpy()
        self._stimulus = windows["stimulus"].astype("category").cat.codes.to_numpy()

    def __len__(self) -> int:
        return min(len(self.rows) // self.batch_size, self.steps_per_epoch)

    def __iter__(self) -> Iterator[tuple[Batch, Tensor, Tensor]]:
        order = np.random.default_rng((self.seed, self.epoch)).permutation(self.rows)
        self.epoch += 1
        for i in range(len(self)):
            batch = self.store.gather(np.sort(order[i * self.batch_size : (i + 1) * self.batch_size]))
            windows = batch.window.numpy()
            yield batch, torch.from_numpy(self.frames.gather(windows)), torch.from_numpy(self.same_audio(windows))

    def same_audio(self, windows: np.ndarray) -> np.ndarray:
        """Return which pairs of windows (batch, batch) overlap in stimulus time."""
        start, stimulus = self._start_s[windows], self._stimulus[windows]
        near = np.abs(start[:, None] - start[None]) < self.store.window_s
        return near & (stimulus[:, None] == stimulus[None])


class OrderedSegments(torch.utils.data.IterableDataset):
    """Batches of given segments in order, with the frames of their windows."""

    def __init__(self, store: SegmentStore, frames: FrameStore, rows: np.ndarray, batch_size: int) -> None:
        self.store, self.frames, self.rows, self.batch_size = store, frames, rows, batch_size

    def __iter__(self) -> Iterator[tuple[Batch, Tensor]]:
        for i in range(0, len(self.rows), self.batch_size):
            batch = self.store.gather(self.rows[i : i + self.batch_size])
            yield batch, torch.from_numpy(self.frames.gather(batch.window.numpy()))


def run(
    out: Path,
    progress: Callable[[str, float], None],
    *,
    prepared: Path,
    features: Path,
    pair: Pair,
    config: AlignmentConfig,
    seed: int,
    device: str,
    precision: str,
) -> None:
    """Fit encoder and target and store their weights with what happened on the way."""
    store = SegmentStore(prepared)
    frames = FrameStore(features, store)
    seed_everything(seed)
    encoder, target = pair.build(store)
    target.fit_scaler(torch.from_numpy(frames.train_frames()))
    if encoder.closed_form:
        training = _fit_closed_form(encoder, target, store, frames, config)
    else:
        module = _make_alignment(pair.encoder.name, encoder, target, store, frames, config)
        training = _fit_by_gradient(module, store, frames, seed, device, precision, progress)
    training["n_parameters"] = {
        "encoder": sum(p.numel() for p in encoder.parameters()),
        "target": sum(p.numel() for p in target.parameters() if target.trained_jointly),
    }
    torch.save({"encoder": encoder.state_dict(), "target": target.state_dict()}, out / "weights.pt")
    write_json(out / "training.json", training)


def _fit_closed_form(
    encoder: Encoder, target: Target, store: SegmentStore, frames: FrameStore, config: AlignmentConfig
) -> dict[str, Any]:
    class Targets:
        """Segments with target embeddings, computed again in every pass, so that memory does not grow."""

        def __init__(self, split: str) -> None:
            self.segments = OrderedSegments(store, frames, store.indices(split), config.batch_size)

        def __iter__(self) -> Iterator[tuple[Batch, Tensor]]:
            for batch, window_frames in self.segments:
                yield batch, target(window_frames)

    with torch.no_grad():
        return {"method": "closed form", "fitted": encoder.fit(Targets("train"), Targets("valid"))}


def _make_alignment(
    name: str, encoder: Encoder, target: Target, store: SegmentStore, frames: FrameStore, config: AlignmentConfig
) -> Alignment:
    pool = np.unique(store.segments["window"].to_numpy()[store.indices("valid")])
    return Alignment(name, encoder, target, config, torch.from_numpy(pool), torch.from_numpy(frames.gather(pool)))


def _fit_by_gradient(
    module: Alignment,
    store: SegmentStore,
    frames: FrameStore,
    seed: int,
    device: str,
    precision: str,
    progress: Callable[[str, float], None],
) -> dict[str, Any]:
    config = module.config
    train = TrainingSegments(store, frames, config.batch_size, config.steps_per_epoch, seed)
    best = KeepBest("valid_mrr")
    callbacks: list[L.Callback] = [
        best,
        EarlyStopping("valid_mrr", mode="max", patience=config.patience),
        TrainingProgress(progress, config.max_epochs * len(train)),
    ]
    trainer = make_trainer(device, precision, callbacks, max_epochs=config.max_epochs)
    fit(trainer, module, train, OrderedSegments(store, frames, store.indices("valid"), config.batch_size))
    chosen = {"epoch": best.epoch, "valid_mrr": best.best, "n_valid_windows": module.n_pool}
    return {"method": "gradient", "chosen": chosen, "n_steps": trainer.global_step, "history": module.history}
