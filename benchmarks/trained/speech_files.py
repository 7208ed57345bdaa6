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


@dataclass(frozen=True)
class SpokenFile:
    """A sound that was written: its condition, its name, its samples, and the times at which pieces were joined."""

    condition: str
    name: str
    n_samples: int
    joins_s: list[float]


def sound_name(condition: str) -> str:
    """Return the name of a condition's file, which says of every control that it is one."""
    return "eeg.wav" if condition == "eeg" else f"control_{condition}.wav"


def write_sound(out: Path, speaker: Speaker, condition: str, progress: Progress) -> SpokenFile:
    """Speak a recording under one condition into a wav of 16 bits at 16 kHz; memory does not grow with its length.

    Raises
    ------
    OSError
        If the disk is full.
    """
    path = out / sound_name(condition)
    n_samples = 0
    with soundfile.SoundFile(path, "w", CLIP_RATE_HZ, 1, "PCM_16", format="WAV") as file:
        for done, samples in speaker.speak(condition):
            file.write(np.round(samples * 32767).astype(np.int16))
            n_samples += len(samples)
            progress(f"{n_samples / CLIP_RATE_HZ:.0f} s", done)
    # soundfile says nothing if the last bytes do not fit on the disk
    if path.stat().st_size != HEAD_BYTES + SAMPLE_BYTES * n_samples:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(path))
    return SpokenFile(condition, path.name, n_samples, [join / CLIP_RATE_HZ for join in speaker.joins])


def write_speech(out: Path, speaker: Speaker, about: dict[str, Any], begins: Callable[[str], Any]) -> None:
    """Write the sound of the EEG and of every control, pictures of all, and what they were made of.

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
    spoken = []
    for condition in SPOKEN:
        with begins(condition_label(condition)) as progress:
            spoken.append(write_sound(out, speaker, condition, progress))
    with begins("pictures") as progress:
        start_s = float(speaker.plan.starts_s[0])
        pictures = draw_speech(out, {one.condition: out / one.name for one in spoken}, start_s, progress)
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
                "label": condition_label(one.condition),
                "file": one.name,
                "seconds": one.n_samples / CLIP_RATE_HZ,
                "joined_at_s": one.joins_s,
                "sha256": file_hash(out / one.name),
            }
            for one in spoken
        ],
        "pictures": pictures,
    }
