"""Reads the sounds and the trigger tracks of SparrKULee: NumPy archives, compressed by gzip."""

from __future__ import annotations

import gzip
import hashlib
import io
import zipfile
from pathlib import Path

import numpy as np

from eeg2speech_bench.core.errors import DataError
from eeg2speech_bench.core.segments.recordings import Sound
from eeg2speech_bench.datasets.remembered_facts import Facts
from eeg2speech_bench.datasets.sounds.sound_files import at_16_khz

#: level, of the highest, from which a sample of a trigger track is in a pulse
IN_PULSE = 0.5


def read_track(path: Path) -> tuple[np.ndarray, int]:
    """Read the samples of a file, float32 (n_samples,), and their number per second.

    Raises
    ------
    DataError
        If it is missing, damaged, or holds no array ``audio`` in one channel with its rate ``fs``.
    """
    try:
        with gzip.open(path, "rb") as file, np.load(io.BytesIO(file.read()), allow_pickle=False) as held:
            audio, rate_hz = np.squeeze(held["audio"]), int(held["fs"])
    except (OSError, ValueError, EOFError, KeyError, zipfile.BadZipFile) as error:
        raise DataError(
            f"Sound file {path} cannot be read",
            got=f"{type(error).__name__}: {error}",
            expected="an npz archive with audio and fs, compressed by gzip",
            then="Download it again.",
        ) from error
    if audio.ndim != 1 or audio.size == 0 or rate_hz <= 0:
        got = f"audio of shape {audio.shape} at {rate_hz} Hz"
        raise DataError(f"Sound file {path} is not in one channel", got=got, then="Download it again.")
    return np.ascontiguousarray(audio, dtype=np.float32), rate_hz


def sound_facts(path: Path) -> Facts:
    """Return the id of a sound, by its samples as for sounds of other files, its length and its rate."""
    audio, rate_hz = read_track(path)
    digest = hashlib.sha256(f"{rate_hz}\0".encode())
    digest.update(np.ascontiguousarray(audio + np.float32(0.0), dtype="<f4").data)
    return {"sound_id": digest.hexdigest()[:16], "n_frames": len(audio), "rate_hz": rate_hz}


def pulse_facts(path: Path) -> Facts:
    """Return the times of the pulses in a trigger track, in seconds of the sound."""
    track, rate_hz = read_track(path)
    high = track > IN_PULSE * track.max(initial=0.0)
    begins = np.flatnonzero(high & ~np.concatenate(([False], high[:-1])))
    return {"pulses_s": [int(k) / rate_hz for k in begins]}


def load_sound(path: Path) -> Sound:
    """Read a sound at 16 kHz."""
    return at_16_khz(*read_track(path))
