"""Trains the latent diffusion denoiser of a cell on latents, under the cell's condition (stage ``diffuse``)."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from itertools import count, islice
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from eeg2speech_bench.benchmarks.inputs.batches import Gather
from eeg2speech_bench.benchmarks.inputs.kept_on_device import KeptSegments, fits, keep, send
from eeg2speech_bench.benchmarks.inputs.target_frames import FrameStore
from eeg2speech_bench.benchmarks.models.generator import GeneratorConfig
from eeg2speech_bench.benchmarks.stage_inputs import DiffuseInputs
from eeg2speech_bench.core.generator.checkpoints import load_original_unet
from eeg2speech_bench.core.generator.diffusion import DiffusionBatch, LatentDiffusion
from eeg2speech_bench.core.machine.ranks import this_rank
from eeg2speech_bench.core.presets.config import DiffusionConfig
from eeg2speech_bench.core.segments.segment_store import SegmentStore
from eeg2speech_bench.core.stages.checkpoints import StageCheckpoints
from eeg2speech_bench.core.stages.json_files import write_json
from eeg2speech_bench.core.terminal.progress import Progress
from eeg2speech_bench.core.training.compilation import compiled
from eeg2speech_bench.core.training.seeding import seed_everything
from eeg2speech_bench.core.training.trainer import TrainingProgress, fit, make_trainer
from eeg2speech_bench.core.training.training_batches import TrainingBatches
from eeg2speech_bench.core.weights.checkpoint_file import read_checkpoint

#: windows that a linear guess at their latents is fitted on
PRIOR_WINDOWS = 2048


class TrainingLatents(TrainingBatches):
    """Yields endless shuffled batches of training latents, with the segments that their condition is made of."""

    def __init__(
        self,
        store: SegmentStore,
        frames: FrameStore,
        gather: Gather,
        latents: Path,
        config: DiffusionConfig,
        seed: int,
    ) -> None:
        self.store, self.frames, self.gather, self.config, self.seed = store, frames, gather, config, seed
        self.mean = np.load(latents / "mean.npy", mmap_mode="r")
        self.std = np.load(latents / "std.npy", mmap_mode="r")
        self.rows = store.indices("train")
        self.windows = np.unique(store.segments["window"].to_numpy()[self.rows])
        self.on_device = frames.device != "cpu"
        self._kept = [keep(part, frames.device) for part in (self.mean, self.std)] if self.on_device else []

    def batches(self, epoch: int, first: int) -> Iterator[DiffusionBatch]:
        """Yield batches from the given one on, without end."""
        rng = np.random.default_rng(self.seed)
        of_row = self.store.segments["window"].to_numpy()
        drawn_from = self.windows if self.config.condition_on == "audio" else self.rows
        for i in count():
            chosen = rng.choice(drawn_from, self.config.batch_size)  # drawn again where it is passed over
            if i < first:
                continue
            chosen = this_rank().share(chosen)
            if self.config.condition_on == "audio":
                windows, segments = chosen, None
            else:
                segments = self.gather(rows := np.sort(chosen))
                windows = of_row[rows]
            chosen_windows = send(windows, self.frames.device)
            frames = None if self.config.condition_on == "eeg" else self.frames.of_windows(chosen_windows)
            yield DiffusionBatch(*self._latents(windows, chosen_windows), frames, segments)

    def _latents(self, windows: np.ndarray, on_device: Tensor) -> tuple[Tensor, Tensor]:
        """Return means and deviations of the latents of windows, which are given twice: here, and on the device."""
        if self.on_device:
            mean, std = (part[on_device].float() for part in self._kept)
        else:
            mean, std = (torch.from_numpy(part[windows].astype(np.float32)) for part in (self.mean, self.std))
        return mean, std


def _sources(inputs: DiffuseInputs, store: SegmentStore) -> tuple[FrameStore, Gather]:
    """Return what gives frames and segments, kept on the GPU where all that is needed fits."""
    frames, gather = FrameStore(inputs.features, store), partial(inputs.pair.gather, store)
    on_audio = inputs.diffusion.condition_on == "audio"
    needed = [frames.frames, *(np.load(inputs.latents / name, mmap_mode="r") for name in ("mean.npy", "std.npy"))]
    from_host = not on_audio and inputs.pair.encoder.modality == "audio"
    if from_host or not fits(inputs.device, *needed, *([] if on_audio else [store.eeg])):
        return frames, gather
    return frames.kept_on(inputs.device), gather if on_audio else KeptSegments(store, inputs.device).gather


def run(inputs: DiffuseInputs, out: Path, progress: Progress, checkpoints: StageCheckpoints) -> None:
    """Train the denoiser and store its averaged weights."""
    store, pair, diffusion = inputs.store(), inputs.pair, inputs.diffusion
    config = GeneratorConfig(inputs.autoencoder, inputs.denoiser, diffusion)
    seed_everything(inputs.seed)
    conditioner = pair.load(store, inputs.aligned).conditioner(pair.encoder.name, standardise=diffusion.standardise)
    gather = partial(pair.gather, store)
    conditioner.from_eeg(gather(store.indices("train")[:2]))  # learns the encoder's token count
    denoiser = config.build(store, conditioner.width)
    if config.denoiser.checkpoint:
        checkpoint = config.denoiser.checkpoint
        load_original_unet(denoiser.unet, read_checkpoint(checkpoint), source=checkpoint)
    data = TrainingLatents(store, *_sources(inputs, store), inputs.latents, diffusion, inputs.seed)
    module = LatentDiffusion(denoiser, conditioner, diffusion)
    module.fit_prior(islice(data.batches(0, 0), -(-PRIOR_WINDOWS // diffusion.batch_size)))
    trainer = make_trainer(
        inputs.device,
        inputs.precision,
        [TrainingProgress(progress, diffusion.max_steps)],
        max_steps=diffusion.max_steps,
    )
    with compiled(denoiser.unet, wanted=inputs.compiled):
        fit(trainer, module, data, checkpoint=checkpoints.file("denoiser"))
    torch.save(denoiser.cpu().state_dict(), out / "weights.pt")
    facts = {"n_parameters": sum(p.numel() for p in denoiser.parameters()), "history": module.history}
    write_json(out / "training.json", facts | {"condition_on": diffusion.condition_on})
