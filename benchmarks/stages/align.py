"""Trains encoder and target to share one space, by gradient descent or in closed form (stage ``align``)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import lightning as L
import numpy as np
import torch
from lightning.pytorch.callbacks import EarlyStopping
from torch import Tensor

from eeg2speech_bench.benchmarks.inputs.batches import OrderedSegments, TrainingSegments
from eeg2speech_bench.benchmarks.inputs.target_frames import FrameStore
from eeg2speech_bench.benchmarks.models.pair import AlignedPair, Pair
from eeg2speech_bench.benchmarks.stage_inputs import AlignInputs
from eeg2speech_bench.core.conditioning import (
    Encoder,
    Target,
    check_conditioning,
    check_tokens,
    plain_values,
    pool_tokens,
)
from eeg2speech_bench.core.contrastive.alignment import Alignment
from eeg2speech_bench.core.contrastive.bridge import Bridge, fit_bridge
from eeg2speech_bench.core.errors import naming_plugin
from eeg2speech_bench.core.presets.config import AlignmentConfig
from eeg2speech_bench.core.segments.segment_store import Batch, SegmentStore
from eeg2speech_bench.core.stages.checkpoints import CheckpointFile, StageCheckpoints
from eeg2speech_bench.core.stages.json_files import write_json
from eeg2speech_bench.core.statistics.spacing import evenly_spaced
from eeg2speech_bench.core.terminal.progress import Progress, make_console, say
from eeg2speech_bench.core.training.seeding import seed_everything
from eeg2speech_bench.core.training.trainer import KeepBest, TrainingProgress, fit, make_trainer

#: the settings that a search draws are those of this seed for every encoder, data set and cell
TRIAL_SEED = 0
#: training segments that the bridge is fitted on
N_BRIDGE_SEGMENTS = 2048
#: windows on which a target must show that it keeps its contract
N_CHECKED_WINDOWS = 4


@dataclass(frozen=True)
class TrialSetup:
    """Holds what all trials of one cell train with.

    Attributes
    ----------
    store, frames : SegmentStore, FrameStore
    pair : Pair
    config : AlignmentConfig
    seed : int
    device, precision : str
    """

    store: SegmentStore
    frames: FrameStore
    pair: Pair
    config: AlignmentConfig
    seed: int
    device: str
    precision: str

    @classmethod
    def of(cls, inputs: AlignInputs) -> TrialSetup:
        """Open what the inputs name."""
        store = SegmentStore(inputs.prepared)
        frames = FrameStore(inputs.features, store)
        return cls(store, frames, inputs.pair, inputs.alignment, inputs.seed, inputs.device, inputs.precision)

    def start(self) -> tuple[Encoder, Target]:
        """Build encoder and target anew, the same for every trial."""
        seed_everything(self.seed)
        encoder, target = self.pair.build(self.store)
        with naming_plugin(f"Target '{self.pair.target.name}'"):
            target.fit_scaler(torch.from_numpy(self.frames.train_frames()))
        self._check_tokens(target)
        return encoder, target

    @torch.no_grad()
    def _check_tokens(self, target: Target) -> None:
        """Map a few windows, so that a target that breaks its contract is not taken for a fault of the encoder."""
        windows = self.store.segments["window"].to_numpy()[self.store.indices("train")[:N_CHECKED_WINDOWS]]
        name, trained = self.pair.target.name, target.training
        with naming_plugin(f"Target '{name}'"):
            tokens = target.eval()(torch.from_numpy(self.frames.gather(windows)))
        check_tokens(name, tokens, len(windows), target.info)
        target.train(trained)

    def gather(self, rows: np.ndarray) -> Batch:
        """Gather segments with what the encoder reads."""
        return self.pair.gather(self.store, rows)

    def ordered(self, split: str) -> OrderedSegments:
        """Return the segments of a split in order."""
        return OrderedSegments(self.frames, self.gather, self.store.indices(split), self.config.batch_size)

    def alignment(self, encoder: Encoder, target: Target, config: AlignmentConfig) -> Alignment:
        """Make the module that trains a pair and validates it among the validation windows."""
        pool = np.unique(self.store.segments["window"].to_numpy()[self.store.indices("valid")])
        frames = torch.from_numpy(self.frames.gather(pool))
        return Alignment(self.pair.encoder.name, encoder, target, config, torch.from_numpy(pool), frames)


def run(inputs: AlignInputs, out: Path, progress: Progress, checkpoints: StageCheckpoints) -> None:
    """Fit encoder and target and store their weights with what happened on the way."""
    training = TrialSetup.of(inputs)
    encoder, target = training.start()
    if encoder.closed_form:
        facts = _fit_closed_form(training, encoder, target)
    else:
        encoder, target, facts = _best_trial(training, progress, checkpoints)
    facts["n_parameters"] = {
        "encoder": sum(p.numel() for p in encoder.parameters()),
        "target": sum(p.numel() for p in target.parameters() if target.trained_jointly),
    }
    n_trained = facts.pop("n_trained", 0)
    if encoder.pretraining:
        about = plain_values(f"Encoder '{inputs.pair.encoder.name}': pretraining", encoder.pretraining)
        facts["pretraining"] = {**about, "n_trained": n_trained}
    facts["adaptations"] = plain_values(f"Encoder '{inputs.pair.encoder.name}': adaptations", encoder.adaptations)
    bridge = _fit_bridge(training, encoder, target) if inputs.alignment.bridge else torch.nn.Identity()
    AlignedPair(encoder, target, bridge).save(out)
    write_json(out / "training.json", facts)


def _fit_closed_form(training: TrialSetup, encoder: Encoder, target: Target) -> dict[str, Any]:
    class Targets:
        """Yields segments with target embeddings, computed again in every pass to save memory."""

        def __init__(self, split: str) -> None:
            self.segments = training.ordered(split)

        def __iter__(self) -> Iterator[tuple[Batch, Tensor]]:
            for batch, window_frames in self.segments:
                yield batch, target(window_frames)

    encoder.report = lambda line: say(make_console(), f"  align        {line}")
    name = training.pair.encoder.name
    with torch.no_grad():
        fitted = encoder.fit(Targets("train"), Targets("valid"))
    return {"method": "closed form", "fitted": plain_values(f"Encoder '{name}': fit", fitted)}


@torch.no_grad()
def _fit_bridge(training: TrialSetup, encoder: Encoder, target: Target) -> Bridge:
    """Fit the map from estimates to target embeddings on evenly spaced training segments."""
    encoder, target = encoder.to(training.device).eval(), target.to(training.device).eval()
    rows = training.store.indices("train")
    rows = rows[evenly_spaced(len(rows), N_BRIDGE_SEGMENTS)]
    token_rate_hz = target.info.token_rate_hz

    def pairs() -> Iterator[tuple[Tensor, Tensor]]:
        for batch, frames in OrderedSegments(training.frames, training.gather, rows, training.config.batch_size):
            conditioning = encoder(batch.to(training.device))
            estimates = check_conditioning(training.pair.encoder.name, conditioning, len(batch), target.info).embeddings
            yield estimates.detach().cpu(), pool_tokens(target(frames.to(training.device)), estimates.shape[1]).cpu()

    bridge = fit_bridge(pairs(), token_rate_hz)
    encoder.cpu()
    target.cpu()
    return bridge


def draw_trials(config: AlignmentConfig) -> list[AlignmentConfig]:
    """Return the settings that a search tries: first the given ones, then random ones that are the same for all.

    Learning rates are log-uniform within a factor of 10 of the given one, weight decays between 1e-4 and 1e-1.
    """
    rng = np.random.default_rng(TRIAL_SEED)
    drawn = [(10 ** rng.uniform(-1, 1), 10 ** rng.uniform(-4, -1)) for _ in range(config.n_trials - 1)]
    others = [
        {"learning_rate": float(config.learning_rate * factor), "weight_decay": float(decay)} for factor, decay in drawn
    ]
    return [config, *(config.model_copy(update=settings) for settings in others)]


def _best_trial(
    training: TrialSetup, progress: Progress, checkpoints: StageCheckpoints
) -> tuple[Encoder, Target, dict[str, Any]]:
    """Train with each candidate's settings and keep the one that validates best."""
    trials = draw_trials(training.config)
    kept: tuple[Encoder, Target, dict[str, Any]] | None = None
    tried = []
    for number, config in enumerate(trials):
        encoder, target = training.start()
        file = checkpoints.file(f"trial {number + 1}" if len(trials) > 1 else "encoder")
        told = _share(progress, number, len(trials))
        facts = _fit_by_gradient(training, encoder, target, config, told, file)
        tried.append({**facts["settings"], "valid_mrr": facts["chosen"]["valid_mrr"]})
        if kept is None or facts["chosen"]["valid_mrr"] > kept[2]["chosen"]["valid_mrr"]:
            kept = (encoder, target, facts)
    assert kept is not None  # n_trials is at least 1
    if len(trials) > 1:
        kept[2]["trials"] = tried
    return kept


def _share(progress: Progress, number: int, n: int) -> Progress:
    if n == 1:
        return progress
    return lambda note, share: progress(f"trial {number + 1} of {n}, {note}", (number + share) / n)


def _fit_by_gradient(
    training: TrialSetup,
    encoder: Encoder,
    target: Target,
    config: AlignmentConfig,
    progress: Progress,
    checkpoint: CheckpointFile,
) -> dict[str, Any]:
    encoder.begin_training()
    n_trained = sum(p.numel() for p in encoder.parameters() if p.requires_grad)
    module = training.alignment(encoder, target, config)
    train = TrainingSegments(training.store, training.frames, training.gather, config, training.seed)
    best = KeepBest("valid_mrr")
    callbacks: list[L.Callback] = [
        best,
        EarlyStopping("valid_mrr", mode="max", patience=config.patience),
        TrainingProgress(progress, config.max_epochs * len(train)),
    ]
    trainer = make_trainer(training.device, training.precision, callbacks, max_epochs=config.max_epochs)
    fit(trainer, module, train, training.ordered("valid"), checkpoint)
    encoder.end_training()
    return {
        "method": "gradient",
        "settings": {"learning_rate": config.learning_rate, "weight_decay": config.weight_decay},
        "chosen": {"epoch": best.epoch, "valid_mrr": best.best, "n_valid_windows": module.n_pool},
        "n_steps": trainer.global_step,
        "history": module.history,
        "n_trained": n_trained,
    }
