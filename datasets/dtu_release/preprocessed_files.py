"""Reads what Fuglsang et al. made of their recordings: ``S1_data_preproc.mat``, trials of two talkers at 64 Hz."""

from __future__ import annotations

import hashlib
from functools import lru_cache, partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from eeg2speech_bench.core.errors import DataError
from eeg2speech_bench.core.segments.recordings import Presentation, Recording, Sound, Stimulus
from eeg2speech_bench.core.stages.file_hashes import FileHashes
from eeg2speech_bench.datasets.caps import cap_names
from eeg2speech_bench.datasets.joined_trials import joined, starts_s
from eeg2speech_bench.datasets.matlab_files import listed, need_field, number, read_variable
from eeg2speech_bench.datasets.remembered_facts import Facts, remembered

if TYPE_CHECKING:
    import mne

WHAT = "a preprocessed listener of Fuglsang et al."
N_ELECTRODES = 64


def preprocessed_recording(name: str, path: Path, hashes: FileHashes, stimuli: dict[str, Stimulus]) -> Recording:
    """Return a listener's trials as one recording, and add the attended envelopes to ``stimuli``.

    Raises
    ------
    DataError
        If the file is damaged, or has not one envelope for each trial.
    """
    facts = remembered("dtu-preproc-1", path, hashes, preprocessed_facts)
    sfreq, presentations = facts["sfreq"], []
    starts = starts_s(facts["n_samples"], sfreq)
    for trial, (start_s, n_eeg, n_sound, key) in enumerate(
        zip(starts, facts["n_samples"], facts["n_sound"], facts["ids"], strict=True)
    ):
        about = f"attended envelope of {path.stem}, trial {trial + 1}"
        load = partial(load_envelope, path, trial)
        stimuli.setdefault(key, Stimulus(key, about, n_sound / sfreq, load))
        presentations.append(Presentation(key, start_s, min(n_eeg, n_sound) / sfreq))
    notes = ("the stimulus is the attended talker's envelope (wavA)", "the authors filtered and cleaned this EEG")
    names = tuple(cap_names("biosemi64"))
    return Recording(name, name, str(path), tuple(presentations), partial(load_trials, path), notes, names)


def preprocessed_facts(path: Path) -> Facts:
    """Return the rate, and of each trial the samples of EEG and of sound, and an id of the sound's content."""
    data = read_variable(path, ("data",), WHAT)
    trials, sounds = _cells(data, "eeg", path), _sounds(data, path)
    if len(trials) != len(sounds) or {trial.shape[1] >= N_ELECTRODES for trial in trials} != {True}:
        raise DataError(
            f"{path} is not {WHAT}",
            got=f"{len(trials)} trials and {len(sounds)} envelopes",
            expected=f"one envelope for each trial, and {N_ELECTRODES} channels or more",
            then="Unzip DATA_preproc.zip again.",
        )
    return {
        "sfreq": _rate(data, path),
        "n_samples": [len(trial) for trial in trials],
        "n_sound": [len(sound) for sound in sounds],
        "ids": [hashlib.sha256(sound.tobytes()).hexdigest()[:16] for sound in sounds],
    }


def load_trials(path: Path) -> mne.io.RawArray:
    """Read the electrodes of a listener's trials as one recording."""
    data = read_variable(path, ("data",), WHAT)
    trials = [trial[:, :N_ELECTRODES] for trial in _cells(data, "eeg", path)]
    return joined(trials, cap_names("biosemi64"), _rate(data, path), "biosemi64")


def load_envelope(path: Path, trial: int) -> Sound:
    """Read the attended envelope of a trial, counted from 0."""
    sfreq, sounds = _read_sounds(path)
    return Sound("envelope", sounds[trial], sfreq)


@lru_cache(maxsize=2)
def _read_sounds(path: Path) -> tuple[float, tuple[np.ndarray, ...]]:
    data = read_variable(path, ("data",), WHAT)
    return _rate(data, path), tuple(_sounds(data, path))


def _rate(data: dict[str, Any], path: Path) -> float:
    return number(need_field(data, "fsample.eeg", path, WHAT))


def _cells(data: Any, field: str, path: Path) -> list[np.ndarray]:
    return [np.atleast_2d(np.asarray(cell)) for cell in listed(need_field(data, field, path, WHAT))]


def _sounds(data: Any, path: Path) -> list[np.ndarray]:
    return [np.ascontiguousarray(cell.ravel(), dtype=np.float32) for cell in _cells(data, "wavA", path)]
