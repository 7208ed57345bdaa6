"""Passes the true clips through the vocoder, and through autoencoder and vocoder (stage ``ceilings``)."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch

from eeg2speech_bench.benchmarks.inputs.audio_files import save_clips
from eeg2speech_bench.benchmarks.models.generator import (
    decode,
    load_autoencoder,
    shares_of_cores,
    vocode,
    window_mels,
)
from eeg2speech_bench.benchmarks.stage_inputs import CeilingsInputs
from eeg2speech_bench.benchmarks.stages.clips import read_clips
from eeg2speech_bench.core.generator.mel import normalise_waveform
from eeg2speech_bench.core.generator.vocoder import build_vocoder
from eeg2speech_bench.core.machine.core_threads import on_cores
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
    shares = shares_of_cores(len(windows), device)
    autoencoder = load_autoencoder(inputs.latents, config).to(device)
    latents = np.load(inputs.latents / "mean.npy", mmap_mode="r")

    def by_vocoder(share: slice) -> torch.Tensor:
        mel = window_mels(store, windows[share], config.clip_s).to(device)
        return vocode(voice, mel, "vocoder", true.shape[1])

    def by_autoencoder(share: slice) -> torch.Tensor:
        mean = torch.from_numpy(latents[windows[share]].astype(np.float32)).to(device)
        return vocode(voice, decode(autoencoder, mean), "autoencoder", true.shape[1])

    for i, (name, play) in enumerate(zip(CEILINGS, (by_vocoder, by_autoencoder), strict=True)):
        progress(name, i / len(CEILINGS))
        save_clips(out, name, torch.cat(on_cores(play, shares)))
