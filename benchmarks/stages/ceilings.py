"""Passes the true clips through the vocoder, and through autoencoder and vocoder (stage ``ceilings``)."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch

from eeg2speech_bench.benchmarks.inputs.audio_files import save_clips
from eeg2speech_bench.benchmarks.models.generator import decode, load_autoencoder, vocode, window_mels
from eeg2speech_bench.benchmarks.stage_inputs import CeilingsInputs
from eeg2speech_bench.benchmarks.stages.clips import read_clips
from eeg2speech_bench.core.generator.mel import normalise_waveform
from eeg2speech_bench.core.generator.vocoder import build_vocoder
from eeg2speech_bench.core.segments.segment_store import SegmentStore
from eeg2speech_bench.core.terminal.progress import Progress

#: true audio through parts of the generator: what no condition can exceed
CEILINGS = ("vocoder", "autoencoder")


def run(inputs: CeilingsInputs, out: Path, progress: Progress) -> None:
    """Write the reference clips and one set of clips per ceiling."""
    store, device, config = SegmentStore(inputs.prepared), inputs.device, inputs.autoencoder
    windows = read_clips(inputs.clips)["window"].to_numpy()
    voice = build_vocoder(inputs.vocoder).to(device).eval()
    true = normalise_waveform(torch.from_numpy(store.gather_sound(windows)))
    save_clips(out, "reference", true)
    progress("vocoder", 0.0)
    mel = window_mels(store, windows, config.clip_s).to(device)
    save_clips(out, "vocoder", vocode(voice, mel, "vocoder", true.shape[1]))
    progress("autoencoder", 0.5)
    mean = torch.from_numpy(np.load(inputs.latents / "mean.npy", mmap_mode="r")[windows].astype(np.float32))
    mel = decode(load_autoencoder(inputs.latents, config).to(device), mean.to(device))
    save_clips(out, "autoencoder", vocode(voice, mel, "autoencoder", true.shape[1]))
