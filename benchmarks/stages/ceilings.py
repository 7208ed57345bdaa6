"""Stage ``ceilings``: the true clips, and what the autoencoder and the vocoder alone make of them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch

from eeg2speech_bench.benchmarks.inputs.audio_files import save_clips
from eeg2speech_bench.benchmarks.models.generator import decode, load_autoencoder, vocode, window_mels
from eeg2speech_bench.benchmarks.stages.embed import choose_clips
from eeg2speech_bench.core.generator.mel import normalise_waveform
from eeg2speech_bench.core.generator.vocoder import build_vocoder
from eeg2speech_bench.core.presets.config import AutoencoderConfig, VocoderConfig
from eeg2speech_bench.core.segments.segment_store import SegmentStore

#: true audio through parts of the generator: what no condition can exceed
CEILINGS = ("vocoder", "autoencoder")


def run(
    out: Path,
    progress: Callable[[str, float], None],
    *,
    prepared: Path,
    latents: Path,
    autoencoder: AutoencoderConfig,
    n_clips: int,
    vocoder: VocoderConfig,
    device: str,
) -> None:
    """Write the reference clips and one set of clips per ceiling."""
    store = SegmentStore(prepared)
    rows = store.indices("test")
    windows = store.segments["window"].to_numpy()[rows[choose_clips(store, rows, n_clips)]]
    voice = build_vocoder(vocoder).to(device).eval()
    true = normalise_waveform(torch.from_numpy(store.gather_sound(windows)))
    save_clips(out, "reference", true)
    progress("vocoder", 0.0)
    mel = window_mels(store, windows, autoencoder.clip_s).to(device)
    save_clips(out, "vocoder", vocode(voice, mel, "vocoder", true.shape[1]))
    progress("autoencoder", 0.5)
    mean = torch.from_numpy(np.load(latents / "mean.npy", mmap_mode="r")[windows].astype(np.float32))
    mel = decode(load_autoencoder(latents, autoencoder).to(device), mean.to(device))
    save_clips(out, "autoencoder", vocode(voice, mel, "autoencoder", true.shape[1]))
