"""Measures what step checkpoints cost, with the networks of a preset and random data, in pairs with and without.

Usage: ``python benchmarks/speed/checkpoints.py [PRESET] [FOLDER]`` (default: quick, and the folder of temporary files).
One thread trains. Each pair trains the same steps twice, once with a checkpoint before every step, so that what
one checkpoint costs stands out from the noise. Its share is that of a training that pauses as trainings do.
"""

from __future__ import annotations

import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import lightning as L
import mne
import numpy as np
import torch

from eeg2speech_bench.core.conditioning import Encoder, SoundInfo, Target
from eeg2speech_bench.core.contrastive.alignment import Alignment
from eeg2speech_bench.core.generator.autoencoder import AutoencoderTraining, MelAutoencoder
from eeg2speech_bench.core.generator.conditioner import Conditioner
from eeg2speech_bench.core.generator.denoiser import ConditionedDenoiser, latent_shape
from eeg2speech_bench.core.generator.diffusion import DiffusionBatch, LatentDiffusion
from eeg2speech_bench.core.generator.mel import FRAME_RATE_HZ, N_MELS
from eeg2speech_bench.core.presets.config import RunConfig, load_config
from eeg2speech_bench.core.registry.registry import load_registry
from eeg2speech_bench.core.segments.segment_store import Batch, SignalInfo
from eeg2speech_bench.core.stages.checkpoints import CheckpointFile, StageCheckpoints
from eeg2speech_bench.core.terminal.quiet import silence_libraries
from eeg2speech_bench.core.training import step_checkpoints
from eeg2speech_bench.core.training.trainer import fit, make_trainer
from eeg2speech_bench.core.training.training_batches import TrainingBatches

N_STEPS, N_PAIRS = 10, 4
SOUND_RATE_HZ = 16_000


class SameBatch(TrainingBatches):
    """Yields one batch without end."""

    def __init__(self, batch: Any) -> None:
        self.batch = batch

    def batches(self, epoch: int, first: int) -> Iterator[Any]:
        while True:
            yield self.batch


@dataclass
class Nets:
    """Builds the networks of a preset, and a random batch for each."""

    config: RunConfig

    def signal(self) -> SignalInfo:
        names = mne.channels.make_standard_montage("biosemi32").ch_names
        info = mne.create_info(names, self.config.data.sfreq, "eeg").set_montage("biosemi32")
        chs_info = tuple({"ch_name": c["ch_name"], "loc": np.array(c["loc"])} for c in info["chs"])
        return SignalInfo(
            len(names), round(self.config.data.window_s * self.config.data.sfreq), self.config.data.sfreq, chs_info, 8
        )

    def pair(self) -> tuple[Encoder, Target]:
        config, registry = self.config, load_registry()
        options = config.target.options.get(config.target.name, {})
        sound = SoundInfo("waveform", SOUND_RATE_HZ, config.data.window_s)
        target = registry.get("target", config.target.name).load().build(sound, **options)
        spec = registry.get("encoder", "brainmagick")
        return spec.load().build(self.signal(), target.info, **config.encoder.get("brainmagick", {})), target

    def segments(self, n: int) -> Batch:
        signal = self.signal()
        return Batch(torch.randn(n, signal.n_chans, signal.n_times), torch.arange(n) % 8, torch.arange(n))

    def frames(self, target: Target, n: int) -> torch.Tensor:
        """Return random frames of the target's front end."""
        sound = torch.randn(round(self.config.data.window_s * SOUND_RATE_HZ))
        return target.features(sound).expand(n, -1, -1)[:, : target.info.n_tokens].contiguous()

    def align(self) -> tuple[L.LightningModule, Any]:
        encoder, target = self.pair()
        n = self.config.alignment.batch_size
        frames = self.frames(target, n)
        module = Alignment("brainmagick", encoder, target, self.config.alignment, torch.arange(n), frames)
        return module, (self.segments(n), frames, torch.eye(n, dtype=torch.bool))

    def autoencoder(self) -> tuple[L.LightningModule, Any]:
        config = self.config.autoencoder
        n_frames = round((config.clip_s or self.config.data.window_s) * FRAME_RATE_HZ)
        mel = torch.randn(config.batch_size, n_frames, N_MELS)
        return AutoencoderTraining(MelAutoencoder(config), config), mel

    def diffuse(self) -> tuple[L.LightningModule, Any]:
        config = self.config
        encoder, target = self.pair()
        window_s = config.autoencoder.clip_s or config.data.window_s
        shape = latent_shape(window_s, config.autoencoder, config.denoiser)
        conditioner = Conditioner("brainmagick", encoder, target, None, standardise=True)
        denoiser = ConditionedDenoiser(config.denoiser, shape[0], shape[2], target.info.dim, config.diffusion)
        n = config.diffusion.batch_size
        batch = DiffusionBatch(torch.randn(n, *shape), torch.ones(n, *shape), self.frames(target, n), None)
        return LatentDiffusion(denoiser, conditioner, config.diffusion), batch


class EveryStep(step_checkpoints.StepCheckpoints):
    """Writes before every step, and notes how long each write took."""

    spent_s: list[float]

    def on_train_batch_start(
        self, trainer: L.Trainer, module: L.LightningModule, batch: object, batch_idx: int
    ) -> None:
        started = time.perf_counter()
        self._write(trainer, batch_idx)
        self.spent_s.append(time.perf_counter() - started)

    def on_train_end(self, trainer: L.Trainer, module: L.LightningModule) -> None:
        """Write nothing: the end is written once in a training, however long it is."""


def trained_s(make: Callable[[], tuple[L.LightningModule, Any]], file: CheckpointFile | None) -> float:
    """Return the seconds of a training, without those of making the network and of the first step."""
    torch.manual_seed(0)
    module, batch = make()
    moments: list[float] = []
    trainer = make_trainer("cpu", "float32", [Clock(moments)], max_steps=N_STEPS + 1)
    fit(trainer, module, SameBatch(batch), checkpoint=file)
    return moments[-1] - moments[0]


class Clock(L.Callback):
    """Notes when each step ends."""

    def __init__(self, moments: list[float]) -> None:
        self.moments = moments

    def on_train_batch_end(self, *_: Any) -> None:
        self.moments.append(time.perf_counter())


def row(nets: Nets, name: str, folder: Path) -> str:
    """Measure one stage and return its line of the table."""
    make = getattr(nets, name)
    EveryStep.spent_s = []
    plain_s, extra_s, n_bytes = [], [], 0
    for number in range(N_PAIRS):
        checkpoints = StageCheckpoints(folder / f"{name}-{number}", {"name": name, "key": ""}, print)
        file = checkpoints.file("net")
        runs = {kept: trained_s(make, kept) for kept in ((None, file) if number % 2 else (file, None))}
        plain_s.append(runs[None])
        extra_s.append((runs[file] - runs[None]) / N_STEPS)
        n_bytes = file.path.stat().st_size
        checkpoints.remove()
    size = sum(p.numel() for p in make()[0].parameters()) / 1e6
    write_s, pair_s = statistics.median(EveryStep.spent_s), statistics.median(extra_s)
    pause_s = step_checkpoints.pause_s(write_s)
    step_s = statistics.median(plain_s) / N_STEPS
    cells = (f"{size:.2f} M", f"{step_s:.3f}", f"{n_bytes / 1e6:.1f}", f"{write_s:.3f}", f"{pair_s:.3f}")
    spread = f"{min(extra_s):.3f} to {max(extra_s):.3f}"
    shares = " | ".join(f"{spent_s / (pause_s + spent_s):.1%}" for spent_s in (write_s, pair_s))
    return f"| `{name}` | {' | '.join(cells)} ({spread}) | {shares} |"


def main(preset: str = "quick", folder: str | None = None) -> None:
    """Print the table."""
    torch.set_num_threads(1)
    silence_libraries()
    step_checkpoints.StepCheckpoints = EveryStep  # type: ignore[misc]
    nets = Nets(load_config(preset))
    print("| stage | parameters | step, s | file, MB | write, s | more per checkpoint, s | by writes | by pairs |")
    print(f"|{' --- |' * 8}", flush=True)
    with tempfile.TemporaryDirectory(dir=folder) as place:
        for name in ("autoencoder", "align", "diffuse"):
            print(row(nets, name, Path(place)), flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
