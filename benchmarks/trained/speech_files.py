"""Writes what is spoken of a recording: sounds, pictures of them, and what they were made of."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import Any

import numpy as np
import soundfile

from eeg2speech_bench.benchmarks.trained.continuous_speech import SPOKEN, Speaker
from eeg2speech_bench.benchmarks.trained.model_folder import FILE, file_hash
from eeg2speech_bench.benchmarks.trained.speech_pictures import draw_speech
from eeg2speech_bench.core.conditions import condition_label
from eeg2speech_bench.core.registry.discovery import OURS
from eeg2speech_bench.core.segments.clips import CLIP_RATE_HZ
from eeg2speech_bench.core.stages.json_files import write_json
from eeg2speech_bench.core.terminal.progress import Progress

#: what describes the sounds; it is written last
ABOUT = "speech.json"
#: bytes of a wav's head, and of one sample
HEAD_BYTES, SAMPLE_BYTES = 44, 2
#: samples that are scaled at once
BLOCK_SAMPLES = 1_000_000
#: level that this share of all samples stays below; AudioLDM normalises the peaks of speech to it
LEVEL, BELOW_LEVEL = 0.5, 0.999


@dataclass(frozen=True)
class SpokenFile:
    """A sound that was written.

    Attributes
    ----------
    condition, name : str
    n_samples : int
    clipped_share : float
        Share of samples that were louder than a file can hold.
    joins_s : list of float
        Times, in seconds of the sound, at which pieces were joined.
    """

    condition: str
    name: str
    n_samples: int
    clipped_share: float
    joins_s: list[float]


def sound_name(condition: str) -> str:
    """Return the name of a condition's file, which says of every control that it is one."""
    return "eeg.wav" if condition == "eeg" else f"control_{condition}.wav"


def write_sound(out: Path, speaker: Speaker, condition: str, progress: Progress) -> SpokenFile:
    """Speak a recording under one condition into a wav of 16 bits at 16 kHz, with one gain for all of it.

    Memory does not grow with its length: the samples lie on the disk until their level is known.

    Raises
    ------
    OSError
        If the disk is full.
    """
    path, samples = out / sound_name(condition), out / f".{condition}.float32"
    n_samples = 0
    with samples.open("wb") as file:
        for done, part in speaker.speak(condition):
            file.write(part.astype(np.float32).tobytes())
            n_samples += len(part)
            progress(f"{n_samples / CLIP_RATE_HZ:.0f} s", done)
    clipped = _write_wav(path, np.memmap(samples, np.float32, "r"))
    samples.unlink()
    joins_s = [join / CLIP_RATE_HZ for join in speaker.joins]
    return SpokenFile(condition, path.name, n_samples, clipped / n_samples, joins_s)


def _write_wav(path: Path, samples: np.ndarray) -> int:
    """Write samples with a gain that brings all but a thousandth below `LEVEL`; return how many were clipped.

    A single burst, as where nobody spoke, must not make the rest inaudible.
    """
    some = np.abs(samples[:: 1 + len(samples) // BLOCK_SAMPLES])
    gain = LEVEL / max(float(np.quantile(some, BELOW_LEVEL)), 1e-8)
    n_clipped = 0
    with soundfile.SoundFile(path, "w", CLIP_RATE_HZ, 1, "PCM_16", format="WAV") as file:
        for first in range(0, len(samples), BLOCK_SAMPLES):
            part = gain * samples[first : first + BLOCK_SAMPLES]
            n_clipped += int((np.abs(part) > 1).sum())
            file.write(np.round(32767 * part.clip(-1, 1)).astype(np.int16))
    # soundfile says nothing if the last bytes do not fit on the disk
    if path.stat().st_size != HEAD_BYTES + SAMPLE_BYTES * len(samples):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(path))
    return n_clipped


def write_speech(out: Path, speaker: Speaker, about: dict[str, Any], begins: Callable[[str], Any]) -> None:
    """Write the sound of the signal and of every control, pictures of all, and what they were made of.

    Parameters
    ----------
    out : Path
        An empty folder.
    speaker : Speaker
    about : dict
        What only the caller knows of the recording.
    begins : callable
        Returns a context for each step, which gives a `Progress`.
    """
    spoken, reads = [], speaker.cell.description.reads
    for condition in SPOKEN:
        with begins(condition_label(condition, reads)) as progress:
            spoken.append(write_sound(out, speaker, condition, progress))
    with begins("pictures") as progress:
        start_s = float(speaker.plan.starts_s[0])
        sounds = {condition_label(one.condition, reads): out / one.name for one in spoken}
        pictures = draw_speech(out, sounds, start_s, progress)
    write_json(out / ABOUT, about | _description(out, speaker, spoken, pictures))


def _description(out: Path, speaker: Speaker, spoken: list[SpokenFile], pictures: list[str]) -> dict[str, Any]:
    cell, plan = speaker.cell, speaker.plan
    settings = cell.description.config.data
    return {
        "cell": cell.description.cell.id,
        "model_sha256": file_hash(cell.folder / FILE),
        "suite": metadata.version(OURS),
        "verdict": {name: verdict.model_dump() for name, verdict in cell.verdict.items()},
        "verdict_in_words": cell.verdict_lines(),
        "start_s": float(plan.starts_s[0]),
        "stop_s": float(plan.starts_s[-1]) + settings.window_s,
        "window_s": settings.window_s,
        "hop_s": float(plan.starts_s[1] - plan.starts_s[0]) if plan.n_windows > 1 else None,
        "n_windows": plan.n_windows,
        "eeg_is_later_by_s": settings.shift_s,
        "wrong_time_s": float(plan.shifted[0] - plan.rows[0]) / settings.sfreq,
        "seed": speaker.seed,
        "n_steps": speaker.sampling.n_steps,
        "notes": list(speaker.windows.notes),
        "sounds": [
            {
                "condition": one.condition,
                "is_control": one.condition != "eeg",
                "label": condition_label(one.condition, cell.description.reads),
                "file": one.name,
                "seconds": one.n_samples / CLIP_RATE_HZ,
                "clipped_share": one.clipped_share,
                "joined_at_s": one.joins_s,
                "sha256": file_hash(out / one.name),
            }
            for one in spoken
        ],
        "pictures": pictures,
    }
