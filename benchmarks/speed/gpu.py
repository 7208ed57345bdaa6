"""Measures on one device what the trainings and the sampler gain beside plain loops as the prototypes have them.

Usage: ``python benchmarks/speed/gpu.py [--device cuda] [--rounds 3] [--also compiled channels_last] [--out FILE]``.
Prints a table in Markdown; ``--out`` also writes every measurement as JSON. ``--small --device cpu`` shows in seconds
that it runs, with networks far too small to say anything. Data are random, and both sides of a pair are built anew and
measured in turn, some steps after their first ones. *Ours* are the product's own loops, in the device's own precision,
with what they read kept on it; *plain* are those of `plain_loops.py`. FLOP are counted without what is computed twice;
their peak is that of a large matrix product in the same precision.
"""

from __future__ import annotations

import argparse
import gc
import json
import statistics
import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import lightning as L
import mne
import numpy as np
import pandas as pd
import torch
from torch import Tensor
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode

from eeg2speech_bench.benchmarks.inputs.batches import TrainingSegments
from eeg2speech_bench.benchmarks.inputs.kept_on_device import KeptSegments, fits
from eeg2speech_bench.benchmarks.inputs.target_frames import FrameStore, write_frames
from eeg2speech_bench.benchmarks.models.generator import for_inference
from eeg2speech_bench.benchmarks.speed import plain_loops
from eeg2speech_bench.benchmarks.speed.plain_loops import now_s, timed
from eeg2speech_bench.core.conditioning import Conditioning, Encoder, Target
from eeg2speech_bench.core.contrastive.alignment import Alignment
from eeg2speech_bench.core.generator.conditioner import Conditioner
from eeg2speech_bench.core.generator.denoiser import ConditionedDenoiser, latent_shape
from eeg2speech_bench.core.generator.diffusion import DiffusionBatch, LatentDiffusion
from eeg2speech_bench.core.generator.mel import N_MELS
from eeg2speech_bench.core.generator.sampling import sample_latents
from eeg2speech_bench.core.machine.environment import choose_precision, hardware, package_versions
from eeg2speech_bench.core.presets.config import RunConfig, load_config
from eeg2speech_bench.core.registry.registry import load_registry
from eeg2speech_bench.core.segments.prepared import Prepared
from eeg2speech_bench.core.segments.segment_store import Batch, SegmentStore, TargetInfo
from eeg2speech_bench.core.terminal.quiet import silence_libraries
from eeg2speech_bench.core.training.compilation import compiled
from eeg2speech_bench.core.training.trainer import TrainingProgress, fit, make_trainer
from eeg2speech_bench.core.training.training_batches import TrainingBatches

#: runs some steps, those for warming up first, and returns the seconds of one
Side = Callable[[int, int], float]

TOKEN_RATE_HZ, N_LISTENERS, RECORDED_S = 120.0, 33, 120.0
#: what --small changes of the presets
SMALL: dict[str, object] = {
    "data.window_s": 0.64,
    "encoder.brainmagick": {"hidden": 8, "depth": 2, "virtual_channels": 4, "initial_linear": 4, "fourier_dim": 32},
    "alignment.batch_size": 4,
    "autoencoder": {"channels": [4, 4, 4], "layers_per_block": 1, "norm_groups": 2, "clip_s": 0.64},
    "denoiser": {"channels": [8, 8], "attention": [False, True], "attention_heads": [2, 2], "layers_per_block": 1},
    "denoiser.norm_groups": 4,
    "denoiser.frame_channels": 2,
    "diffusion.batch_size": 2,
    "sampling": {"n_steps": 2, "batch_size": 2},
}


@dataclass(frozen=True)
class Sizes:
    """How much is measured: width of embeddings, steps, DDIM's steps, listeners, and the peak's matrix."""

    dim: int = 1024
    n_warm: int = 5
    n_steps: int = 20
    n_ddim_steps: int = 200
    n_listeners: int = N_LISTENERS
    recorded_s: float = RECORDED_S
    peak_size: int = 8192


SMALL_SIZES = Sizes(8, n_warm=1, n_steps=1, n_ddim_steps=4, n_listeners=2, recorded_s=8.0, peak_size=128)


@dataclass
class Case:
    """Holds a pair to be measured, and what was measured: seconds and gigabytes of every round."""

    name: str
    n_items: int
    goal: float
    sides: dict[str, Side]
    n_warm: int
    n_steps: int
    seconds: dict[str, list[float]] = field(default_factory=lambda: {"ours": [], "plain": []})
    memory_gb: dict[str, list[float]] = field(default_factory=lambda: {"ours": [], "plain": []})
    flop: float = 0.0

    def measure(self, device: str, rounds: int) -> None:
        """Measure both sides in turn, and count the FLOP of a step of ours."""
        for name in ["ours", "plain"] * rounds:
            _free(device)
            self.seconds[name].append(self.sides[name](self.n_warm, self.n_steps))
            if device != "cpu":
                self.memory_gb[name].append(torch.cuda.max_memory_allocated() / 1e9)
        with FlopCounterMode(display=False) as counter, sdpa_kernel(SDPBackend.MATH):
            self.sides.get("counted", self.sides["ours"])(0, 1)
        self.flop = counter.get_total_flops()

    def line(self, peak: float) -> str:
        """Return the line of the table."""
        ours, plain = (self.seconds[name] for name in ("ours", "plain"))
        times = [theirs / own for own, theirs in zip(ours, plain, strict=True)]
        rates = " / ".join(f"{self.n_items / statistics.median(seconds):.1f}" for seconds in (ours, plain))
        memory = " / ".join(f"{max(values):.1f}" for values in self.memory_gb.values() if values) or "-"
        ms = " | ".join(_middle([1e3 * s for s in seconds], ".1f") for seconds in (ours, plain))
        used = self.flop / statistics.median(ours) / peak
        return f"| {self.name} | {ms} | {_middle(times, '.2f')} | {self.goal:g} | {rates} | {used:.1%} | {memory} |"


def _middle(values: Sequence[float], form: str) -> str:
    return f"{statistics.median(values):{form}} ({min(values):{form}} to {max(values):{form}})"


def _free(device: str) -> None:
    gc.collect()
    if device != "cpu":
        torch.cuda.empty_cache()
        torch.cuda.reset_peak_memory_stats()


class Stopwatch(L.Callback):
    """Measures a training from a step on to its end."""

    def __init__(self, device: str, from_step: int) -> None:
        self.device, self.from_step = device, from_step
        self.seconds = 0.0

    def on_train_batch_start(self, trainer: L.Trainer, *_: Any) -> None:
        if trainer.global_step == self.from_step:
            self._began_s = now_s(self.device)

    def on_train_end(self, *_: Any) -> None:
        self.seconds = now_s(self.device) - self._began_s


class SameBatch(TrainingBatches):
    """Yields one batch without end, which lies on the device."""

    on_device = True

    def __init__(self, batch: Any) -> None:
        self.batch = batch

    def batches(self, epoch: int, first: int) -> Iterator[Any]:
        while True:
            yield self.batch


class StoredFrames(Target):
    """Returns frames as they are, like any frozen target, whose frames are stored."""

    def __init__(self, info: TargetInfo) -> None:
        super().__init__()
        self._info = info

    @property
    def info(self) -> TargetInfo:
        return self._info

    def forward(self, frames: Tensor) -> Tensor:
        return frames


@dataclass
class Workbench:
    """Builds the sides of all pairs on one device."""

    device: str
    sizes: Sizes
    overrides: dict[str, object]
    folder: Path

    def __post_init__(self) -> None:
        self.full, self.prototype = (load_config(name, None, self.overrides) for name in ("full", "eeg2speech"))
        self.precision = choose_precision("auto", self.device)

    def random(self, *shape: int) -> Tensor:
        return torch.randn(shape, device=self.device)

    def shape(self, config: RunConfig) -> tuple[int, int, int]:
        window_s = config.autoencoder.clip_s or config.data.window_s
        return latent_shape(window_s, config.autoencoder, config.denoiser)

    def n_tokens(self, config: RunConfig) -> int:
        return round(config.data.window_s * TOKEN_RATE_HZ)

    def trained_s(self, module: L.LightningModule, data: Any, n_warm: int, n_steps: int) -> float:
        """Return the seconds of one step of one of our trainings."""
        watch = Stopwatch(self.device, n_warm)
        progress = TrainingProgress(lambda note, share: None, n_warm + n_steps)
        fit(make_trainer(self.device, self.precision, [progress, watch], max_steps=n_warm + n_steps), module, data)
        return watch.seconds / n_steps

    def our_denoising(self, config: RunConfig, change: str, n_warm: int, n_steps: int) -> float:
        """Train the denoiser of a preset as stage ``diffuse`` does, on stored latents."""
        shape, n, dim = self.shape(config), config.diffusion.batch_size, self.sizes.dim
        target = StoredFrames(TargetInfo(dim, self.n_tokens(config), TOKEN_RATE_HZ))
        conditioner = Conditioner("none", Encoder(), target, None, standardise=config.diffusion.standardise)
        denoiser = ConditionedDenoiser(config.denoiser, shape[0], shape[2], dim, config.diffusion)
        if change == "channels_last":
            denoiser.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        frames = self.random(n, self.n_tokens(config), dim)
        batch = DiffusionBatch(self.random(n, *shape), self.random(n, *shape).abs(), frames, None)
        module = LatentDiffusion(denoiser, conditioner, config.diffusion)
        with compiled(denoiser.unet, wanted=change == "compiled"):
            return self.trained_s(module, SameBatch(batch), n_warm, n_steps)

    def plain_denoising(self, config: RunConfig, n_warm: int, n_steps: int) -> float:
        """Train the prototype's denoiser on spectrograms of the size of a preset."""
        n, n_frames = config.diffusion.batch_size, self.shape(config)[1] * config.autoencoder.factor
        given = (torch.randn(n, 1, n_frames, N_MELS), torch.randn(n, self.n_tokens(config), self.sizes.dim))
        return plain_loops.denoising(self.prototype, *given, self.device, n_warm, n_steps)

    def our_sampling(self, n_warm: int, n_steps: int) -> float:
        """Sample a batch as stage ``generate`` does."""
        config, dim = self.full, self.sizes.dim
        shape, n = self.shape(config), config.sampling.batch_size
        denoiser = for_inference(ConditionedDenoiser(config.denoiser, shape[0], shape[2], dim, config.diffusion)).to(
            self.device
        )
        condition = Conditioning.from_tokens(self.random(n, self.n_tokens(config), dim))
        settings = (shape, config.sampling, config.diffusion, list(range(n)))
        return timed(lambda: sample_latents(denoiser, condition, *settings), self.device, n_warm, n_steps)

    def plain_sampling(self, n_warm: int, n_steps: int) -> float:
        """Sample as many latents of the same size."""
        n = self.full.sampling.batch_size
        given = (self.random(n, *self.shape(self.full)), self.random(n, self.sizes.dim))
        return plain_loops.sampling(self.prototype, *given, self.sizes.n_ddim_steps, n_warm, n_steps)

    def pair(self, store: SegmentStore, frames: FrameStore) -> tuple[Encoder, Target]:
        target = StoredFrames(TargetInfo(self.sizes.dim, frames.n_frames, TOKEN_RATE_HZ))
        options = self.prototype.encoder["brainmagick"]
        encoder = load_registry().get("encoder", "brainmagick").load()
        return encoder.build(store.signal, target.info, **options), target

    def segments(self) -> tuple[SegmentStore, FrameStore]:
        store = SegmentStore(self.folder)
        return store, FrameStore(self.folder, store)

    def our_alignment(self, n_warm: int, n_steps: int) -> float:
        """Train the encoder of the paper's size as stage ``align`` does."""
        store, frames = self.segments()
        encoder, target = self.pair(store, frames)
        gather: Callable[[np.ndarray], Batch] = store.gather
        if fits(self.device, store.eeg, frames.frames):
            frames, gather = frames.kept_on(self.device), KeptSegments(store, self.device).gather
        config = self.prototype.alignment
        pool = torch.zeros(1, dtype=torch.long)
        module = Alignment("brainmagick", encoder, target, config, pool, torch.zeros(1, 1, self.sizes.dim))
        return self.trained_s(module, TrainingSegments(store, frames, gather, config, 0), n_warm, n_steps)

    def plain_alignment(self, n_warm: int, n_steps: int) -> float:
        """Train the same encoder in float32, on whole batches that a loader has ready on the host."""
        store, frames = self.segments()
        encoder = self.pair(store, frames)[0].to(self.device)
        n = self.prototype.alignment.batch_size
        batches = [store.gather(rows) for rows in store.indices("train")[: 2 * n].reshape(2, n)]
        ready = [(batch, frames.of_windows(batch.window)) for batch in batches]
        return plain_loops.alignment(encoder, ready, self.device, n_warm, n_steps)

    def cases(self, also: Sequence[str]) -> Iterator[Case]:
        """Yield all pairs, those with a change last."""
        steps = (self.sizes.n_warm, self.sizes.n_steps)
        trained = {"prototype": self.prototype, "preset full": self.full}
        changed = [(name, "", "") for name in trained] + [("preset full", f", {change}", change) for change in also]
        for name, note, change in changed:
            config = trained[name]
            sides: dict[str, Side] = {
                "ours": lambda *n, config=config, change=change: self.our_denoising(config, change, *n),  # type: ignore[misc]
                "plain": lambda *n, config=config: self.plain_denoising(config, *n),  # type: ignore[misc]
            }
            if change == "compiled":  # the counter does not see into it
                sides["counted"] = lambda *n, config=config: self.our_denoising(config, "", *n)  # type: ignore[misc]
            n = config.diffusion.batch_size
            yield Case(f"denoiser's step, {name}, batch {n}{note}", n, 3.0, sides, *steps)
            if name == "preset full" and not change:
                n = config.sampling.batch_size
                sides = {"ours": self.our_sampling, "plain": self.plain_sampling}
                yield Case(f"sampling, {config.sampling.n_steps} steps, batch {n}", n, 10.0, sides, 1, 1)
                n = self.prototype.alignment.batch_size
                sides = {"ours": self.our_alignment, "plain": self.plain_alignment}
                yield Case(f"alignment's step, batch {n}", n, 2.0, sides, *steps)


def write_recordings(folder: Path, sizes: Sizes, config: RunConfig) -> None:
    """Write a prepared data set of noise, with 60 electrodes, and target frames for it; one stimulus, all training."""
    rng, sfreq, data = np.random.default_rng(0), config.data.sfreq, config.data
    n_rows, names = round(sizes.recorded_s * sfreq), [str(number) for number in range(1, 62) if number != 29]
    np.save(folder / "eeg.npy", rng.standard_normal((sizes.n_listeners * n_rows, len(names)), dtype=np.float32))
    np.save(folder / "scale.npy", np.ones((sizes.n_listeners, len(names)), np.float32))
    np.save(folder / "sound.npy", np.zeros(1, np.float32))
    starts = np.arange(0, sizes.recorded_s - data.window_s, data.stride_s)
    windows = pd.DataFrame({"stimulus": "s", "start_s": starts, "sound_start": 0, "split": "train", "text": ""})
    windows.to_parquet(folder / "windows.parquet")
    rows = [
        (who, who, w, who * n_rows + round(s * sfreq)) for who in range(sizes.n_listeners) for w, s in enumerate(starts)
    ]
    table = pd.DataFrame(rows, columns=["recording", "subject", "window", "eeg_start"]).assign(split="train")
    table.to_parquet(folder / "segments.parquet")
    zone = {"stimulus": "s", "start_s": 0.0, "stop_s": sizes.recorded_s, "split": "train"}
    pd.DataFrame([zone | {"sound_start": 0, "sound_stop": 1}]).to_parquet(folder / "zones.parquet")
    info = mne.create_info(names, sfreq, "eeg").set_montage("easycap-M10")
    kinds = {"kind": 2, "coil_type": 1, "unit": 107, "coord_frame": 4}
    chs_info = [{"ch_name": c["ch_name"], "loc": np.array(c["loc"]).tolist(), **kinds} for c in info["chs"]]
    signal = {"n_chans": len(names), "n_times": round(data.window_s * sfreq), "sfreq": sfreq, "chs_info": chs_info}
    people = [f"{who}" for who in range(sizes.n_listeners)]
    recordings = [
        {"recording_id": p, "subject": p, "start": i * n_rows, "stop": (i + 1) * n_rows, "scale_from": "recording"}
        for i, p in enumerate(people)
    ]
    meta = {name: getattr(data, name) for name in ("window_s", "stride_s", "shift_s", "baseline_s", "clamp_iqr")}
    meta |= {"highpass_hz": None, "lowpass_hz": None, "signal": signal, "subjects": people, "recordings": recordings}
    meta |= {"stimuli": [{"stimulus_id": "s", "name": "s", "duration_s": sizes.recorded_s}], "has_transcripts": False}
    meta |= {"sound": {"kind": "envelope", "rate_hz": 1.0}, "dataset": {"name": "noise", "revision": "1"}}
    meta |= {"split": {"hash": "0" * 64}, "n_segments": {"train": len(table), "valid": 0, "test": 0}}
    Prepared.model_validate(meta).write(folder)
    n_frames = round(sizes.recorded_s * TOKEN_RATE_HZ)
    frames = rng.standard_normal((n_frames, sizes.dim), dtype=np.float32)
    write_frames(folder, SegmentStore(folder), [frames], TOKEN_RATE_HZ)


def peak_flops(device: str, precision: str, size: int) -> float:
    """Return the FLOP per second of a large matrix product, the median of twenty."""
    one, other = (torch.randn(size, size, device=device, dtype=getattr(torch, precision)) for _ in range(2))
    seconds = [timed(lambda: one @ other, device, 1, 1) for _ in range(20)]
    return 2 * size**3 / statistics.median(seconds)


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure all pairs and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--device", default="cuda")
    parser.add_argument("--rounds", type=int, default=3, help="measurements of each side, in turn")
    parser.add_argument("--also", nargs="*", default=[], choices=("compiled", "channels_last"), help="ours, changed")
    parser.add_argument("--small", action="store_true", help="tiny networks, to see that it runs")
    parser.add_argument("--out", type=Path, help="JSON file of all measurements")
    options = parser.parse_args(arguments)
    silence_libraries()
    sizes, overrides = (SMALL_SIZES, SMALL) if options.small else (Sizes(), {})
    with tempfile.TemporaryDirectory() as folder:
        bench = Workbench(options.device, sizes, overrides, Path(folder))
        write_recordings(bench.folder, sizes, bench.prototype)
        peak = peak_flops(options.device, bench.precision, sizes.peak_size)
        name = "CPU" if options.device == "cpu" else torch.cuda.get_device_name()
        note = "; networks of no use" if options.small else ""
        print(f"{name}, ours in {bench.precision}, peak {peak / 1e12:.3g} TFLOP/s, torch {torch.__version__}{note}\n")
        print(
            "| | ours, ms | plain, ms | times as fast | goal | items/s, ours / plain | of the peak | GB, ours / plain |"
        )
        print(f"|{' --- |' * 8}", flush=True)
        measured = []
        for case in bench.cases(options.also):
            case.measure(options.device, options.rounds)
            print(case.line(peak), flush=True)
            measured.append({key: value for key, value in vars(case).items() if key != "sides"})
    if options.out:
        facts = {"device": name, "hardware": hardware(), "versions": package_versions(), "small": options.small}
        facts |= {"precision": bench.precision, "peak_flops": peak, "pairs": measured}
        options.out.write_text(json.dumps(facts, indent=1))


if __name__ == "__main__":
    main()
