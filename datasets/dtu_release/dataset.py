"""Finds out which release of Fuglsang et al. a folder holds, and opens it."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

from eeg2speech_bench.core.errors import DataError
from eeg2speech_bench.core.segments.recordings import Stimulus
from eeg2speech_bench.core.stages.file_hashes import FileHashes, files_below
from eeg2speech_bench.datasets.dtu_release.preprocessed_files import preprocessed_recording
from eeg2speech_bench.datasets.dtu_release.raw_files import raw_recording
from eeg2speech_bench.datasets.first_reading import tell_of_matlab_files
from eeg2speech_bench.datasets.numbered_files import numbered_files
from eeg2speech_bench.datasets.opened_dataset import OpenedDataset
from eeg2speech_bench.datasets.sounds.sound_files import StimulusFolder

ABOUT = "Listeners to one of two talkers, or to one alone, who read Danish stories (Fuglsang et al.)"
RAW, PREPROCESSED = re.compile(r"S0*(\d+)\.mat"), re.compile(r"S0*(\d+)_data_preproc\.mat")


def holds_release(root: Path) -> bool:
    """Whether a folder holds MATLAB files of the release, raw or preprocessed."""
    return any(numbered_files(Path(root), kind)[0] for kind in (RAW, PREPROCESSED))


def open_release(
    root: Path, hashes: FileHashes | None = None, report: Callable[[str], None] = lambda line: None
) -> OpenedDataset:
    """Open the raw release (``EEG/S1.mat``, ``AUDIO/``), or without it the preprocessed one (``S1_data_preproc.mat``).

    The stimulus is the talker that was attended to.

    Raises
    ------
    DataError
        If neither is there, files are damaged, or the sounds of the raw release are missing.
    """
    root, hashes = Path(root).expanduser().resolve(), hashes or FileHashes()
    raw, preprocessed = (numbered_files(root, kind)[0] for kind in (RAW, PREPROCESSED))
    paths = raw or preprocessed
    if not paths:
        raise DataError(
            f"Folder {root} holds no release of Fuglsang et al.",
            got="neither S1.mat nor S1_data_preproc.mat",
            then="Unzip EEG.zip and AUDIO.zip, or DATA_preproc.zip.",
        )
    with hashes.saved_once():
        tell_of_matlab_files(paths.values(), root, hashes, report)
        if raw:
            folder = StimulusFolder(_sound_folder(root), hashes)
            recordings = tuple(raw_recording(f"S{k}", path, folder, hashes) for k, path in raw.items())
            stimuli, files = folder.stimuli, folder.files
        else:
            found: dict[str, Stimulus] = {}
            recordings = tuple(preprocessed_recording(f"S{k}", path, hashes, found) for k, path in preprocessed.items())
            stimuli, files = tuple(found.values()), frozenset()
        revision = hashes.of_files(root, {*paths.values(), *files})[:16]
    return OpenedDataset("dtu", ABOUT, revision, stimuli, recordings, "waveform" if raw else "envelope")


def _sound_folder(root: Path) -> Path:
    for folder in sorted({path.parent for path in files_below(root) if path.suffix == ".wav"}):
        if folder.name.lower() == "audio":
            return folder
    raise DataError(
        f"Folder {root} lacks the sounds of the release",
        got="no folder AUDIO with wav files",
        then="Unzip AUDIO.zip there, or give the folder of DATA_preproc.zip, which holds envelopes.",
    )
