"""Finds the sound that was recorded beside the EEG, one file per run: ``beh/*_recording-audio_beh.wav`` (ds007808)."""

from __future__ import annotations

from pathlib import Path, PurePosixPath

from eeg2speech_bench.datasets.bids.event_tables import NothingHeardError
from eeg2speech_bench.datasets.sounds.sound_files import is_pointer

#: how the name of such a file ends, where that of the EEG ends with ``_eeg``
ENDING = "_recording-audio_beh.wav"
#: column of the events with the time inside it, in seconds
COLUMN = "wav_onset"


def recorded_beside(root: Path, recording: Path) -> str | None:
    """Return the sound file of a run, by its path below the data set's root; None where there is none.

    Raises
    ------
    NothingHeardError
        If it was not downloaded.
    """
    path = recording.parent.with_name("beh") / (recording.stem.removesuffix("_eeg") + ENDING)
    if is_pointer(path):
        raise NothingHeardError(f"{path.name} was not downloaded (git-annex pointer); run: datalad get {path}")
    return path.relative_to(root).as_posix() if path.is_file() else None


def is_recorded_beside(name: str) -> bool:
    """Whether a name is that of such a file, and not of one below ``stimuli``."""
    path = PurePosixPath(name)
    return path.parts[0].startswith("sub-") and path.parent.name == "beh" and name.endswith(ENDING)
