"""Generated speech as files that any player opens."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import soundfile

RATE_HZ = 16_000


def write_audio(generated: Path, out: Path) -> None:
    """Write every clip of a finished ``generate`` stage as ``<condition>/clip_<number>.flac`` (lossless, 16 kHz)."""
    partial = out.with_name(".partial-audio")
    shutil.rmtree(partial, ignore_errors=True)
    for source in sorted(generated.glob("*.npy")):
        folder = partial / source.stem
        folder.mkdir(parents=True)
        for number, samples in enumerate(np.load(source)):
            soundfile.write(folder / f"clip_{number:03d}.flac", samples, RATE_HZ)
    shutil.rmtree(out, ignore_errors=True)
    partial.rename(out)
