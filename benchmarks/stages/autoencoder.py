"""Trains the mel autoencoder of a data set and encodes all its stimulus windows (stage ``autoencoder``)."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import count
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from eeg2speech_bench.benchmarks.models.generator import window_mels
from eeg2speech_bench.benchmarks.stage_inputs import AutoencoderInputs
from eeg2speech_bench.core.generator.autoencoder import AutoencoderTraining, MelAutoencoder
from eeg2speech_bench.core.generator.checkpoints import load_original_vae
from eeg2speech_bench.core.generator.latent_autoencoder import LatentAutoencoder
from eeg2speech_bench.core.generator.pretrained import AUTOENCODER, load_pretrained_autoencoder, weights_hash
from eeg2speech_bench.core.machine.core_threads import on_cores
from eeg2speech_bench.core.machine.ranks import this_rank
from eeg2speech_bench.core.presets.config import AutoencoderConfig
from eeg2speech_bench.core.segments.segment_store import SegmentStore
from eeg2speech_bench.core.stages.checkpoints import StageCheckpoints
from eeg2speech_bench.core.stages.json_files import write_json
from eeg2speech_bench.core.terminal.progress import Progress, make_console, say
from eeg2speech_bench.core.training.compilation import compiled
from eeg2speech_bench.core.training.seeding import seed_everything
from eeg2speech_bench.core.training.trainer import TrainingProgress, fit, make_trainer
from eeg2speech_bench.core.training.training_batches import TrainingBatches
from eeg2speech_bench.core.weights.checkpoint_file import read_checkpoint

#: the autoencoder belongs to the data set and not to a cell, so its seed is the same for all cells
SEED = 0
#: mean absolute log-mel error on held-out windows beyond which the shipped weights are trained further: read speech
#: that they never saw leaves 0.23 to 0.25, noise in its envelope 0.17, chords of sines 0.38, clicks 0.45
MOST_ERROR = 0.35
#: windows at once
ENCODE_BATCH = 32


class TrainingMels(TrainingBatches):
    """Yields endless shuffled batches of log-mel spectrograms of training windows."""

    def __init__(self, store: SegmentStore, batch_size: int, clip_s: float | None) -> None:
        self.store, self.batch_size, self.clip_s = store, batch_size, clip_s
        self.windows = np.flatnonzero((store.windows["split"] == "train").to_numpy())

    def batches(self, epoch: int, first: int) -> Iterator[Tensor]:
        """Yield batches from the given one on, without end."""
        rng = np.random.default_rng(SEED)
        for i in count():
            chosen = rng.choice(self.windows, self.batch_size, replace=False)  # drawn again where it is passed over
            if i >= first:
                yield window_mels(self.store, this_rank().share(chosen), self.clip_s)


def run(inputs: AutoencoderInputs, out: Path, progress: Progress, checkpoints: StageCheckpoints) -> None:
    """Train (or load) the autoencoder, encode every window, fit the scale on all training latents."""
    config, device = inputs.autoencoder, inputs.device
    store = SegmentStore(inputs.prepared)
    seed_everything(SEED)
    adaptations: dict[str, str] = {}
    autoencoder: LatentAutoencoder
    if config.checkpoint:
        autoencoder = _original(config.checkpoint, config)
    elif config.train:
        autoencoder = _trained(inputs, store, progress, checkpoints)
    else:
        autoencoder = load_pretrained_autoencoder()
        error = _held_out_error(autoencoder, store, config.clip_s)
        adaptations["autoencoder"] = f"shipped weights {weights_hash(AUTOENCODER)[:12]}"
        if error > MOST_ERROR:
            unlike = f"they leave {error:.2f} of a log-mel unit on these sounds, more than {MOST_ERROR:g}"
            adaptations["autoencoder"] += f", trained further: {unlike}"
            say(make_console(), f"Autoencoder: {adaptations['autoencoder']}")
            _fit(autoencoder, inputs, store, progress, checkpoints)
    autoencoder.to(device).eval()
    mean, std = _encode_all(autoencoder, store, config.clip_s, device)
    train = torch.tensor((store.windows["split"] == "train").to_numpy())
    ratio = autoencoder.fit_scale(mean[train], std[train])
    np.save(out / "mean.npy", (mean * ratio).half().numpy())
    np.save(out / "std.npy", (std * ratio).half().numpy())
    torch.save(autoencoder.cpu().state_dict(), out / "weights.pt")
    error = _held_out_error(autoencoder, store, config.clip_s)
    facts: dict[str, Any] = {"n_parameters": sum(p.numel() for p in autoencoder.parameters()), "valid_mel_error": error}
    facts |= {"adaptations": adaptations} if adaptations else {}
    write_json(out / "training.json", facts | {"scale_factor": float(autoencoder.scale_factor)})


def _original(checkpoint: str, config: AutoencoderConfig) -> MelAutoencoder:
    autoencoder = MelAutoencoder(config)
    load_original_vae(autoencoder.vae, read_checkpoint(checkpoint), source=checkpoint)
    return autoencoder


def _trained(
    inputs: AutoencoderInputs, store: SegmentStore, progress: Progress, checkpoints: StageCheckpoints
) -> MelAutoencoder:
    config = inputs.autoencoder
    autoencoder = MelAutoencoder(config)
    windows = np.flatnonzero((store.windows["split"] == "train").to_numpy())
    some = np.random.default_rng(SEED).choice(windows, min(256, len(windows)), replace=False)
    autoencoder.fit_input(window_mels(store, some, config.clip_s))
    with compiled(autoencoder.vae.encoder, autoencoder.vae.decoder, wanted=inputs.compiled):
        _fit(autoencoder, inputs, store, progress, checkpoints)
    return autoencoder


def _fit(
    autoencoder: LatentAutoencoder,
    inputs: AutoencoderInputs,
    store: SegmentStore,
    progress: Progress,
    checkpoints: StageCheckpoints,
) -> None:
    config = inputs.autoencoder
    n_train = int((store.windows["split"] == "train").sum())
    mels = TrainingMels(store, min(config.batch_size, n_train), config.clip_s)
    callbacks = [TrainingProgress(lambda note, share: progress(note, 0.9 * share), config.max_steps)]
    trainer = make_trainer(inputs.device, inputs.precision, callbacks, max_steps=config.max_steps)
    autoencoder.train()
    fit(trainer, AutoencoderTraining(autoencoder, config), mels, checkpoint=checkpoints.file("autoencoder"))


@torch.no_grad()
def _encode_all(
    autoencoder: LatentAutoencoder, store: SegmentStore, clip_s: float | None, device: str
) -> tuple[Tensor, Tensor]:
    def encode(first: int) -> tuple[Tensor, Tensor]:
        windows = np.arange(first, min(first + ENCODE_BATCH, len(store.windows)))
        mean, std = autoencoder.encode(window_mels(store, windows, clip_s).to(device))
        return mean.cpu(), std.cpu()

    batches = range(0, len(store.windows), ENCODE_BATCH)
    means, stds = zip(*(on_cores(encode, batches) if device == "cpu" else map(encode, batches)), strict=True)
    return torch.cat(means), torch.cat(stds)


@torch.no_grad()
def _held_out_error(autoencoder: LatentAutoencoder, store: SegmentStore, clip_s: float | None) -> float:
    """Return the mean absolute log-mel error on up to 64 validation windows."""
    windows = np.flatnonzero((store.windows["split"] == "valid").to_numpy())[:64]
    mel = window_mels(store, windows, clip_s)
    mean, _ = autoencoder.encode(mel)
    return float((autoencoder.decode(mean) - mel).abs().mean())
