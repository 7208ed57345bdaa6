"""Stores clips on disk: as arrays between stages, and beside the record as files that any player opens."""

from __future__ import annotations

import io
from collections.abc import Iterable
from pathlib import Path

import numpy as np
import soundfile
import torch
from torch import Tensor

from eeg2speech_bench.core.generator.mel import MelSpectrogram
from eeg2speech_bench.core.segments.clips import CLIP_RATE_HZ, Clips
from eeg2speech_bench.core.stages.atomic_folder import atomic_folder


def save_clips(out: Path, name: str, wave: Tensor) -> None:
    """Store waveforms (n, n_samples) as 16-bit samples, which is what listeners get."""
    np.save(out / f"{name}.npy", (wave * 32767).round().short().numpy())


def load_clips(folder: Path, name: str) -> Clips:
    """Load stored clips, with the mel computed from the waveform, so that scores are of what one hears."""
    wave = torch.from_numpy(np.load(folder / f"{name}.npy").astype(np.float32) / 32767)
    return Clips(wave.numpy(), MelSpectrogram()(wave).numpy())


def write_audio(folders: Iterable[Path], out: Path) -> None:
    """Write every clip of finished stages as ``<condition>/clip_<number>.flac`` (lossless, 16 kHz)."""
    with atomic_folder(out) as audio:
        for source in sorted(file for folder in folders for file in folder.glob("*.npy")):
            folder = audio / source.stem
            folder.mkdir()
            for number, samples in enumerate(np.load(source)):
                # soundfile says nothing if the last bytes do not fit on the disk (findings/), so Python writes them
                encoded = io.BytesIO()
                soundfile.write(encoded, samples, CLIP_RATE_HZ, format="FLAC")
                (folder / f"clip_{number:03d}.flac").write_bytes(encoded.getvalue())
