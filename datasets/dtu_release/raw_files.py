"""Reads the raw recordings of Fuglsang et al.: ``EEG/S1.mat`` with its triggers and trials, and ``AUDIO/``."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from eeg2speech_bench.core.errors import DataError
from eeg2speech_bench.core.segments.recordings import Presentation, Recording
from eeg2speech_bench.core.stages.file_hashes import FileHashes
from eeg2speech_bench.datasets.caps import biosemi_names
from eeg2speech_bench.datasets.joined_trials import joined
from eeg2speech_bench.datasets.matlab_files import listed, need_field, number, numbers, read_variables, text
from eeg2speech_bench.datasets.remembered_facts import Facts, remembered
from eeg2speech_bench.datasets.sounds.sound_files import StimulusFolder

if TYPE_CHECKING:
    import mne

WHAT = "a raw recording of Fuglsang et al."
#: electrodes of the cap; external electrodes and the status channel follow them
N_ELECTRODES = 64
#: columns of ``expinfo`` with the sound of each talker, by ``attend_mf``
TALKERS = {1: "wavfile_male", 2: "wavfile_female"}


def raw_recording(name: str, path: Path, folder: StimulusFolder, hashes: FileHashes) -> Recording:
    """Return a listener's recording, with the attended sound of every trial at its trigger.

    Raises
    ------
    DataError
        If the file is damaged, its triggers are not those of its trials, or a sound is missing.
    """
    facts = remembered("dtu-raw-1", path, hashes, raw_facts)
    sfreq, presentations = facts["sfreq"], []
    for first, stop, sound in zip(facts["first"], facts["stop"], facts["attended"], strict=True):
        stimulus = folder.find(sound, str(path))
        heard_s = min((stop - first) / sfreq, stimulus.duration_s)
        presentations.append(Presentation(stimulus.stimulus_id, first / sfreq, heard_s))
    notes = (
        "the stimulus is the attended talker's",
        f"{facts['n_competing']} of {len(presentations)} trials have a second talker",
    )
    names = tuple(facts["names"])
    return Recording(name, name, str(path), tuple(presentations), partial(load_raw, path), notes, names)


def raw_facts(path: Path) -> Facts:
    """Return what must be known of a recording before its samples are used.

    Returns
    -------
    dict
        ``sfreq``, ``names`` of the electrodes; of each trial its ``first`` sample, the one behind its last (``stop``)
        and the ``attended`` sound; and ``n_competing``, the trials with two talkers.
    """
    data, trials = _data_and_trials(path)
    samples = _samples(data, path)
    first, stop = _trial_samples(data, trials, path)
    beyond = max(stop) - len(samples)
    if beyond > 0:
        raise DataError(
            f"{path} ends before its last trial", got=f"{beyond} samples too few", then="Download it again."
        )
    return {
        "sfreq": _rate(data, path),
        "names": biosemi_names(_labels(data), N_ELECTRODES, str(path)),
        "first": first,
        "stop": stop,
        "attended": [_attended(trial, path, k) for k, trial in enumerate(trials, start=1)],
        "n_competing": sum(all(text(trial.get(talker, "")) for talker in TALKERS.values()) for trial in trials),
    }


def load_raw(path: Path) -> mne.io.RawArray:
    """Read the electrodes of a recording; errors as in `raw_facts`."""
    data, _ = _data_and_trials(path)
    names = biosemi_names(_labels(data), N_ELECTRODES, str(path))
    return joined([_samples(data, path)], names, _rate(data, path), "biosemi64")


def _data_and_trials(path: Path) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    held = read_variables(path, ("data", "expinfo"), WHAT)
    trials = [row for row in listed(held.get("expinfo", [])) if isinstance(row, dict)]
    if len(trials) == 1 and any(isinstance(v, np.ndarray) and v.size > 1 for v in trials[0].values()):
        columns = {key: listed(v) if np.asarray(v).dtype.kind == "O" else numbers(v) for key, v in trials[0].items()}
        trials = [dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)]
    if not isinstance(held.get("data"), dict) or not trials:
        raise DataError(
            f"{path} is not {WHAT}",
            got=f"variables {', '.join(held)}, {len(trials)} trials",
            expected="the structure data and the table expinfo",
            then="Unzip EEG.zip of the same release again.",
        )
    return held["data"], trials


def _rate(data: dict[str, Any], path: Path) -> float:
    return number(need_field(data, "fsample.eeg", path, WHAT))


def _samples(data: dict[str, Any], path: Path) -> np.ndarray:
    """Return the electrodes' samples, (n_times, 64)."""
    (values, *more) = listed(need_field(data, "eeg", path, WHAT))
    if more or getattr(values, "ndim", 0) != 2 or values.shape[1] < N_ELECTRODES:
        raise DataError(
            f"{path} is no continuous recording",
            got=f"{1 + len(more)} arrays, the first of shape {getattr(values, 'shape', ())}",
            expected=f"one of samples by at least {N_ELECTRODES} channels",
            then="Unzip EEG.zip of the same release again.",
        )
    return values[:, :N_ELECTRODES]


def _labels(data: dict[str, Any]) -> list[str]:
    """Return the names of the electrodes, empty where the file has none."""
    value: Any = data.get("dim", {})
    for part in ("chan", "eeg"):
        value = value.get(part, {}) if isinstance(value, dict) else {}
    while len(listed(value)) == 1 and not isinstance(listed(value)[0], (str, dict)):
        value = listed(value)[0]
    return [text(name) for name in listed(value)][:N_ELECTRODES]


def _trial_samples(data: dict[str, Any], trials: list[dict[str, Any]], path: Path) -> tuple[list[int], list[int]]:
    """Return the first sample of each trial, counted from 0, and the one behind its last.

    Events come in pairs, the start of a trial and its end; the start bears the trigger that expinfo names.
    """
    events = need_field(data, "event.eeg", path, WHAT)
    rows = events if isinstance(events, list) else [events]
    samples = [n for row in rows for n in numbers(row.get("sample", []))]
    values = [n for row in rows for n in numbers(row.get("value", []))]
    triggers = [number(trial.get("trigger", float("nan"))) for trial in trials]
    if len(samples) != 2 * len(trials) or (np.isfinite(triggers).all() and values[::2] != triggers):
        raise DataError(
            f"The triggers of {path} are not those of its trials",
            got=f"{len(samples)} events, {len(trials)} trials, triggers {values[:6:2]} for {triggers[:3]} of expinfo",
            expected="a start and an end for each trial, with its trigger",
            then="Unzip EEG.zip of the same release again.",
        )
    # MATLAB counts samples from 1
    return [int(n) - 1 for n in samples[::2]], [int(n) - 1 for n in samples[1::2]]


def _attended(trial: dict[str, Any], path: Path, number_of_trial: int) -> str:
    talker = number(trial.get("attend_mf", float("nan")))
    sound = text(trial.get(TALKERS.get(talker, ""), ""))  # type: ignore[call-overload]
    if not sound:
        raise DataError(
            f"Trial {number_of_trial} of {path} does not say what was attended to",
            got=f"attend_mf {talker:g} and no sound of that talker",
            expected="1 (wavfile_male) or 2 (wavfile_female)",
            then="Unzip EEG.zip of the same release again.",
        )
    return sound
