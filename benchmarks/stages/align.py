"""Trains encoder and target to share one space, by gradient descent or in closed form (stage ``align``)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import lightning as L
import numpy as np
import torch
from lightning.pytorch.callbacks import EarlyStopping, Timer
from torch import Tensor

from eeg2speech_bench.benchmarks.inputs.batches import OrderedSegments, TrainingSegments
from eeg2speech_bench.benchmarks.inputs.kept_on_device import KeptSegments, fits
from eeg2speech_bench.benchmarks.inputs.target_frames import FrameStore
from eeg2speech_bench.benchmarks.models.pair import AlignedPair, Pair
from eeg2speech_bench.benchmarks.stage_inputs import AlignInputs, TuneInputs
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
from eeg2speech_bench.core.stages.json_files import read_json, write_json
from eeg2speech_bench.core.statistics.spacing import evenly_spaced
from eeg2speech_bench.core.terminal.progress import Progress, make_console, say
from eeg2speech_bench.core.training.compilation import compiled
from eeg2speech_bench.core.training.seeding import seed_everything
from eeg2speech_bench.core.training.trainer import KeepBest, TrainingProgress, fit, make_trainer

#: what a search settled on, in the folder of stage ``tune``
TUNED = "tuned.json"
#: epochs of a training that ends by the clock: more than there will be
ENDLESS = 1_000_000
#: training segments that the bridge is fitted on
N_BRIDGE_SEGMENTS = 2048
#: windows on which a target must show that it keeps its contract
N_CHECKED_WINDOWS = 4


@dataclass(frozen=True)
class TrialSetup:
    """Holds what all trainings of one encoder share.

    Attributes
    ----------
    store, frames : SegmentStore, FrameStore
    pair : Pair
    config : AlignmentConfig
    seed : int
    device, precision : str
    compiled : bool
    kept : KeptSegments, optional
        The EEG, where it is kept on the device.
    """

    store: SegmentStore
    frames: FrameStore
    pair: Pair
    config: AlignmentConfig
    seed: int
    device: str
    precision: str
    compiled: bool = False
    kept: KeptSegments | None = None

    @classmethod
    def of(cls, inputs: AlignInputs | TuneInputs) -> TrialSetup:
        """Open what the inputs name."""
        store = inputs.store()
        frames = FrameStore(inputs.features, store)
        machine = (inputs.device, inputs.precision, inputs.compiled)
        return cls(store, frames, inputs.pair, inputs.alignment, inputs.seed, *machine)

    def on_device(self) -> TrialSetup:
        """Return the same with EEG and frames on the GPU, where they fit and nothing of them is made on the host."""
        from_host = self.pair.encoder.modality == "audio" or self.config.train_on == "surrogate"
        if from_host or not fits(self.device, self.store.eeg, self.frames.frames):
            return self
        return replace(self, frames=self.frames.kept_on(self.device), kept=KeptSegments(self.store, self.device))

    def start(self) -> tuple[Encoder, Target]:
        """Build encoder and target anew, the same every time."""
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
        return self.kept.gather(rows) if self.kept else self.pair.gather(self.store, rows)

    def ordered(self, split: str) -> OrderedSegments:
        """Return the segments of a split in order."""
        return OrderedSegments(self.frames, self.gather, self.store.indices(split), self.config.batch_size)

    def batches(self) -> TrainingSegments:
        """Return the shuffled training batches."""
        return TrainingSegments(self.store, self.frames, self.gather, self.config, self.seed)

    def alignment(self, encoder: Encoder, target: Target, config: AlignmentConfig) -> Alignment:
        """Make the module that trains a pair and validates it among the validation windows."""
        pool = np.unique(self.store.segments["window"].to_numpy()[self.store.indices("valid")])
        frames = torch.from_numpy(self.frames.gather(pool))
        return Alignment(self.pair.encoder.name, encoder, target, config, torch.from_numpy(pool), frames)


def run(inputs: AlignInputs, out: Path, progress: Progress, checkpoints: StageCheckpoints) -> None:
    """Fit encoder and target and store their weights with what happened on the way."""
    tuned = {} if inputs.tuned is None else read_json(inputs.tuned / TUNED)
    training = TrialSetup.of(inputs)
    training = replace(training, config=with_settings(training.config, tuned.get("settings", {})))
    encoder, target = training.start()
    if encoder.closed_form:
        facts = _fit_closed_form(training, encoder, target)
    else:
        facts = fit_by_gradient(training.on_device(), encoder, target, progress, checkpoints.file("encoder"))
        facts |= {"trials": tuned["trials"]} if tuned else {}
    facts["n_parameters"] = {
        "encoder": sum(p.numel() for p in encoder.parameters()),
        "target": sum(p.numel() for p in target.parameters() if target.trained_jointly),
    }
    n_trained = facts.pop("n_trained", 0)
    if encoder.pretraining:
        about = plain_values(f"Encoder '{inputs.pair.encoder.name}': pretraining", encoder.pretraining)
        facts["pretraining"] = {**about, "n_trained": n_trained}
    adaptations = dict(encoder.adaptations)
    if training.store.meta.split.held_out and encoder.new_listeners:
        adaptations["new listeners"] = encoder.new_listeners
    facts["adaptations"] = plain_values(f"Encoder '{inputs.pair.encoder.name}': adaptations", adaptations)
    bridge = None if inputs.alignment.bridge == "none" else _fit_bridge(training, encoder, target)
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
    """Fit the map from estimates to what conditions the generator on evenly spaced training segments."""
    encoder, target = encoder.to(training.device).eval(), target.to(training.device).eval()
    rows = training.store.indices("train")
    rows = rows[evenly_spaced(len(rows), N_BRIDGE_SEGMENTS)]
    to_frames = training.config.bridge == "frames"
    said = target.content if to_frames else target

    def pairs() -> Iterator[tuple[Tensor, Tensor]]:
        for batch, frames in OrderedSegments(training.frames, training.gather, rows, training.config.batch_size):
            conditioning = encoder(batch.to(training.device))
            estimates = check_conditioning(training.pair.encoder.name, conditioning, len(batch), target.info).embeddings
            yield estimates.detach().cpu(), pool_tokens(said(frames.to(training.device)), estimates.shape[1]).cpu()

    bridge = fit_bridge(pairs(), target.info.token_rate_hz, to_frames=to_frames)
    encoder.cpu()
    target.cpu()
    return bridge


def with_settings(config: AlignmentConfig, settings: dict[str, Any]) -> AlignmentConfig:
    """Return a configuration with other optimiser settings; another batch size changes no number of segments seen."""
    batch_size = settings.get("batch_size", config.batch_size)
    steps = max(1, config.steps_per_epoch * config.batch_size // batch_size)
    return config.model_copy(update={**settings, "steps_per_epoch": steps})


def fit_by_gradient(
    training: TrialSetup, encoder: Encoder, target: Target, progress: Progress, checkpoint: CheckpointFile
) -> dict[str, Any]:
    """Train until the budget of epochs or minutes is used up, and return what happened on the way."""
    config = training.config
    encoder.begin_training()
    n_trained = sum(p.numel() for p in encoder.parameters() if p.requires_grad)
    module = training.alignment(encoder, target, config)
    train = training.batches()
    best = KeepBest("valid_mrr")
    max_epochs = config.max_epochs if config.budget_minutes is None else ENDLESS
    callbacks: list[L.Callback] = [best, EarlyStopping("valid_mrr", mode="max", patience=config.patience)]
    if config.budget_minutes is not None:
        timer = Timer(timedelta(minutes=config.budget_minutes), verbose=False)
        callbacks.append(timer)
        progress = _by_the_clock(progress, timer, config.budget_minutes)
    callbacks.append(TrainingProgress(progress, config.max_epochs * len(train)))
    trainer = make_trainer(training.device, training.precision, callbacks, max_epochs=max_epochs)
    with compiled(encoder, wanted=training.compiled):
        fit(trainer, module, train, training.ordered("valid"), checkpoint)
    encoder.end_training()
    return {
        "method": "gradient",
        "settings": {name: getattr(config, name) for name in ("learning_rate", "weight_decay", "batch_size")},
        "chosen": {"epoch": best.epoch, "valid_mrr": best.best, "n_valid_windows": module.n_pool},
        "n_steps": trainer.global_step,
        "history": module.history,
        "n_trained": n_trained,
    }


def _by_the_clock(progress: Progress, timer: Timer, minutes: float) -> Progress:
    """Report the share of the minutes, since nobody knows of how many steps."""
    return lambda note, share: progress(note, min(1.0, timer.time_elapsed() / 60 / minutes))
