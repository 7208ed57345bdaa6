"""Says what may have been heard in a recording and when: sounds of a folder, or those that a data set knows of."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from eeg2speech_bench.benchmarks.trained.candidate_sounds import SOUND_SUFFIXES
from eeg2speech_bench.benchmarks.trained.listening import HeardWindows, retrieval_scores, share_right
from eeg2speech_bench.benchmarks.trained.model_folder import ModelDescription
from eeg2speech_bench.core.errors import DataError
from eeg2speech_bench.core.segments.recordings import Recording, SpeechDataset

if TYPE_CHECKING:
    import mne
    import pandas as pd
    from torch import Tensor

    from eeg2speech_bench.benchmarks.trained.trained_cell import TrainedCell


@dataclass(frozen=True)
class ListeningTask:
    """A recording, its windows, and the sounds that may have been heard in them.

    Attributes
    ----------
    source : Path or mne.io.BaseRaw
    windows : HeardWindows
    sounds : mapping of str to array or Path
    """

    source: Path | mne.io.BaseRaw
    windows: HeardWindows
    sounds: Mapping[str, np.ndarray | Path | str]

    def within(self, last_start_s: float) -> ListeningTask:
        """Return the task without windows whose EEG leaves the recording."""
        old = self.windows
        kept = np.flatnonzero(old.starts_s <= last_start_s)
        heard = None if old.heard is None else tuple(old.heard[k] for k in kept)
        return replace(self, windows=HeardWindows(old.starts_s[kept], old.moments_s[kept], heard))

    def known_share(self, table: pd.DataFrame, estimates: Tensor, cell: TrainedCell) -> dict[str, Any]:
        """Return how often it is right where that is known: among the sounds, and among all windows of this recording.

        Parameters
        ----------
        table : DataFrame
            What `listen` returned.
        estimates : Tensor, shape (n, n_tokens, dim)
        cell : TrainedCell
        """
        if self.windows.heard is None:
            return {}
        right, chance, n = share_right(table)
        pairs = list(zip(self.windows.heard, self.windows.moments_s.tolist(), strict=True))
        pool = list(dict.fromkeys(pairs))
        candidates = {candidate.name: candidate for candidate in cell.candidates(self.sounds)}
        scores = retrieval_scores(estimates, [(candidates[name], moment_s) for name, moment_s in pool])
        place = {pair: number for number, pair in enumerate(pool)}
        true = np.array([place[pair] for pair in pairs])
        top1 = float((scores.argmax(1) == true).mean())
        known = {"right": right, "chance": chance, "n_windows": n} if n else {}
        return {**known, "top1": top1, "n_pool": len(pool)}


def task_of_folder(file: Path, folder: Path, onset_s: float, description: ModelDescription) -> ListeningTask:
    """Return the task of a recording and a folder of sounds that all begin at one time of it.

    Raises
    ------
    DataError
        If the folder holds no sounds.
    """
    import soundfile

    sounds = sounds_of_folder(folder)
    longest_s = max(soundfile.info(path).duration for path in sounds.values())
    window_s = description.config.data.window_s
    moments_s = window_s * np.arange(max(0, int(longest_s // window_s)))
    return ListeningTask(file, HeardWindows(onset_s + moments_s, moments_s), sounds)


def sounds_of_folder(folder: Path) -> dict[str, Path]:
    """Return the sounds of a folder by name; errors as in `task_of_folder`."""
    paths = sorted(path for path in folder.glob("*") if path.suffix.lower() in SOUND_SUFFIXES)
    if not paths:
        expected = f"files such as {', '.join(sorted(SOUND_SUFFIXES))}"
        raise DataError(f"Folder {folder} holds no sounds", expected=expected, then="Give another --candidates.")
    return {path.stem: path for path in paths}


def task_of_dataset(dataset: SpeechDataset, recording: Recording, description: ModelDescription) -> ListeningTask:
    """Return the task of a recording of a data set, whose sounds and their times are known.

    Raises
    ------
    DataError
        If its sounds are of another kind or rate than those of the training.
    """
    names = {stimulus.stimulus_id: stimulus.name for stimulus in dataset.stimuli}
    window_s = description.config.data.window_s
    starts_s, moments_s, heard = [], [], []
    for p in recording.presentations:
        for k in range(int(p.duration_s / window_s + 1e-6)):
            starts_s.append(p.onset_s + k * window_s * p.clock_ratio)
            moments_s.append(p.start_s + k * window_s)
            heard.append(names[p.stimulus_id])
    known = {names[p.stimulus_id] for p in recording.presentations}
    sounds = {s.name: _samples(s.load(), description) for s in dataset.stimuli if s.name in known}
    return ListeningTask(recording.load(), HeardWindows(np.array(starts_s), np.array(moments_s), tuple(heard)), sounds)


def _samples(sound: Any, description: ModelDescription) -> np.ndarray:
    wanted = description.sound
    if (sound.kind, sound.rate_hz) != (wanted.kind, wanted.rate_hz):
        raise DataError(
            "The sounds of the data set are not like those of the training",
            got=f"{sound.kind} at {sound.rate_hz:g} Hz",
            expected=f"{wanted.kind} at {wanted.rate_hz:g} Hz",
        )
    values: np.ndarray = sound.values
    return values
