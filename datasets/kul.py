"""Opens the auditory attention corpus of KU Leuven (Das et al., DOI 10.5281/zenodo.3997352)."""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from eeg2speech_bench.core.errors import DataError
from eeg2speech_bench.core.segments.recordings import Presentation, Recording, Stimulus
from eeg2speech_bench.core.stages.file_hashes import FileHashes, files_below
from eeg2speech_bench.datasets.caps import BIOSEMI, biosemi_names
from eeg2speech_bench.datasets.first_reading import tell_of_matlab_files
from eeg2speech_bench.datasets.joined_trials import joined, starts_s
from eeg2speech_bench.datasets.matlab_files import listed, need_field, number, read_variable, text
from eeg2speech_bench.datasets.numbered_files import numbered_files
from eeg2speech_bench.datasets.opened_dataset import OpenedDataset
from eeg2speech_bench.datasets.remembered_facts import Facts, remembered
from eeg2speech_bench.datasets.sounds.sound_files import StimulusFolder

if TYPE_CHECKING:
    import mne

ABOUT = "Listeners to one of two men who read Dutch stories at the same time (Das et al., KU Leuven)"
WHAT = "a listener of the attention corpus of KU Leuven"
LISTENER = re.compile(r"S0*(\d+)\.mat")
#: ``part1_track2_hrtf.wav``; repetitions begin with ``rep_``
SOUND = re.compile(r"(?:rep_)?part(\d+)_track(\d+)_(?:dry|hrtf)\.wav")


def open_kul(
    root: Path, hashes: FileHashes | None = None, report: Callable[[str], None] = lambda line: None
) -> OpenedDataset:
    """Open a folder with ``S1.mat`` and so on, and ``stimuli/``.

    The stimulus is the talker that was attended to, without the filter of the head (``dry``), as its authors analyse
    it. Both talkers of a part are on one side of any split.

    Parameters
    ----------
    root : Path
    hashes : FileHashes, optional
        Remembers the content of files from run to run; by default all are read.
    report : callable, optional
        Receives a line of text before a long wait.

    Raises
    ------
    DataError
        If files are missing or damaged, or no trial can be used.
    """
    root, hashes = Path(root).expanduser().resolve(), hashes or FileHashes()
    paths = _listener_files(root)
    folder = StimulusFolder(_sound_folder(root), hashes)
    recordings: list[Recording] = []
    together: set[tuple[str, str]] = set()
    with hashes.saved_once():
        tell_of_matlab_files(paths.values(), root, hashes, report)
        for name, path in paths.items():
            facts = remembered("kul-1", path, hashes, listener_facts)
            recordings.append(_recording(name, path, facts, folder, together))
        revision = hashes.of_files(root, {*paths.values(), *folder.files})[:16]
    attended = {p.stimulus_id for recording in recordings for p in recording.presentations}
    stimuli = tuple(stimulus for stimulus in folder.stimuli if stimulus.stimulus_id in attended)
    return OpenedDataset(
        "kul", ABOUT, revision, stimuli, tuple(recordings), "waveform", heard_together=tuple(sorted(together))
    )


def listener_facts(path: Path) -> Facts:
    """Return what must be known of a listener's file before its samples are used.

    Returns
    -------
    dict
        ``sfreq``, ``names`` of the channels, ``n_samples`` of each trial, and for each its ``attended`` and ``other``
        sound files, both empty with a ``reason`` where the file contradicts itself.

    Raises
    ------
    DataError
        If it is no such file, or its trials have different channels or rates.
    """
    trials, sfreq, names = _trials(path)
    told = [_told(trial) for trial in trials]
    return {
        "sfreq": sfreq,
        "names": names,
        "n_samples": [len(_samples(trial, path)) for trial in trials],
        "attended": [attended for attended, _, _ in told],
        "other": [other for _, other, _ in told],
        "reason": [reason for _, _, reason in told],
    }


def load_trials(path: Path) -> mne.io.RawArray:
    """Read the trials of a listener as one recording; errors as in `listener_facts`."""
    trials, sfreq, names = _trials(path)
    return joined([_samples(trial, path) for trial in trials], names, sfreq, BIOSEMI[len(names)])


def _listener_files(root: Path) -> dict[str, Path]:
    found, n_folders = numbered_files(root, LISTENER)
    if n_folders != 1:
        raise DataError(
            f"Folder {root} does not hold the attention corpus of KU Leuven",
            got=f"files S1.mat and so on in {n_folders} folders" if found else "no S1.mat",
            expected="files S1.mat to S16.mat in one folder",
            then="Give the folder in which the archive was unzipped.",
        )
    return {f"S{number}": path for number, path in found.items()}


def _sound_folder(root: Path) -> Path:
    found = sorted({path.parent for path in files_below(root) if SOUND.fullmatch(path.name)})
    if not found:
        raise DataError(
            f"Folder {root} lacks the sounds of the attention corpus",
            got="no part1_track1_dry.wav",
            expected="the folder stimuli",
            then="Unzip stimuli.zip of the same archive there.",
        )
    return found[0]


def _trials(path: Path) -> tuple[list[dict[str, Any]], float, list[str]]:
    """Return the trials, their rate and the names of their channels."""
    trials = listed(read_variable(path, ("trials",), WHAT))
    rates = {number(need_field(trial, "FileHeader.SampleRate", path, WHAT)) for trial in trials}
    widths = {_samples(trial, path).shape[1] for trial in trials}
    if len(rates) != 1 or len(widths) != 1 or not min(rates) > 0:
        raise DataError(
            f"The trials of {path} are not of one recording",
            got=f"rates {sorted(rates)}, {sorted(widths)} channels",
            expected="one rate and the same channels in all",
            then="Download it again.",
        )
    labels = [
        text(row.get("Label", ""))
        for row in listed(trials[0]["FileHeader"].get("Channels", []))
        if isinstance(row, dict)
    ]
    return trials, rates.pop(), biosemi_names(labels, widths.pop(), str(path))


def _samples(trial: dict[str, Any], path: Path) -> np.ndarray:
    values = np.asarray(need_field(trial, "RawData.EegData", path, WHAT))
    if values.ndim != 2 or values.shape[0] < values.shape[1]:
        raise DataError(
            f"A trial of {path} is no EEG",
            got=f"EegData of shape {values.shape}",
            expected="samples by channels",
            then="Download it again.",
        )
    return values


def _told(trial: dict[str, Any]) -> tuple[str, str, str]:
    """Return the sound that was attended to, the other one, and why the trial cannot be used."""
    ear = text(trial.get("attended_ear", "")).upper()
    names = [text(name) for name in listed(trial.get("stimuli", ""))]
    matches = [SOUND.fullmatch(name) for name in names]
    if ear not in ("L", "R") or len(names) != 2 or None in matches:
        return "", "", f"attended_ear '{ear}' and stimuli {', '.join(names)} do not name a sound"
    at = "LR".index(ear)
    tracks = [int(match[2]) for match in matches if match]
    attended_track = number(trial.get("attended_track", tracks[at]))
    if attended_track != tracks[at]:
        return "", "", f"the attended ear '{ear}' heard track {tracks[at]}, and attended_track is {attended_track:g}"
    dry = [name.replace("_hrtf.wav", "_dry.wav") for name in names]
    return dry[at], dry[1 - at], ""


def _recording(
    name: str, path: Path, facts: Facts, folder: StimulusFolder, together: set[tuple[str, str]]
) -> Recording:
    sfreq, presentations = facts["sfreq"], []
    notes = ["the stimulus is the attended talker's, as its dry file has it"]
    lengths = facts["n_samples"]
    for start_s, n_samples, attended, other, reason, trial in zip(
        starts_s(lengths, sfreq),
        lengths,
        facts["attended"],
        facts["other"],
        facts["reason"],
        range(1, 1 + len(lengths)),
        strict=True,
    ):
        if reason:
            notes.append(f"left out trial {trial}: {reason}")
            continue
        stimulus = folder.find(attended, str(path))
        presentations.append(Presentation(stimulus.stimulus_id, start_s, min(n_samples / sfreq, stimulus.duration_s)))
        together.add(_pair(stimulus, folder.find(other, str(path))))
    if not presentations:
        raise DataError(f"{path} has no trial that can be used", got=facts["reason"][0], then="Download it again.")
    names = tuple(facts["names"])
    return Recording(name, name, str(path), tuple(presentations), partial(load_trials, path), tuple(notes), names)


def _pair(one: Stimulus, other: Stimulus) -> tuple[str, str]:
    first, second = sorted((one.stimulus_id, other.stimulus_id))
    return first, second
