"""Opens the npz files of Fuglsang et al.: single-talker EEG and speech envelopes (DOI 10.5281/zenodo.1199011)."""

from __future__ import annotations

import hashlib
import re
import zipfile
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from eeg2speech_bench.core.errors import DataError
from eeg2speech_bench.core.segments.recordings import Presentation, Recording, Sound, Stimulus
from eeg2speech_bench.datasets.opened_dataset import OpenedDataset

if TYPE_CHECKING:
    import mne

SFREQ = 64.0
N_TIMES, N_CHANS = 3200, 64
SHAPES = {"eeg": (N_TIMES, N_CHANS), "envelope": (N_TIMES, 1)}
#: half of the one stimulus is the test set; with the guard of 3 s, 5, 2 and 8 windows of 2.88 s lie side by side
FRACTIONS = (0.32, 0.18, 0.5)
FILE_NAME = re.compile(r"DTU_(S\d+)_(\d+)\.npz")


def open_dtu(root: Path) -> OpenedDataset:
    """Open the folder ``root``, or one above it, with files ``DTU_S<subject>_<trial>.npz``.

    All published files hold the same envelope, so there is one stimulus and only a split by stimulus time is honest.
    Each holds ``eeg`` (3200, 64) in microvolts and ``envelope`` (3200, 1), both at 64 Hz.

    Raises
    ------
    DataError
        If there is no such file, or one is truncated, lacks an array or has arrays of another shape.
    """
    paths = sorted((p for p in Path(root).rglob("DTU_S*_*.npz") if FILE_NAME.fullmatch(p.name)), key=_order)
    if not paths:
        raise DataError(
            f"Folder {root} has no DTU recordings",
            got="no file",
            expected="files named DTU_S1_000.npz and so on, at any depth",
            then="Give the folder that holds them.",
        )
    stimuli: dict[str, Stimulus] = {}
    revision = hashlib.sha256()
    recordings = []
    for path in paths:
        arrays = _arrays(path)
        stimulus = _stimulus(path, arrays["envelope"])
        stimuli.setdefault(stimulus.stimulus_id, stimulus)
        recordings.append(_recording(path, stimulus))
        revision.update(path.name.encode() + arrays["eeg"].tobytes() + arrays["envelope"].tobytes())
    about = "Listeners of one 50 s stretch of speech, heard ten times; only its envelope is published"
    return OpenedDataset(
        "dtu",
        about,
        revision.hexdigest()[:16],
        tuple(stimuli.values()),
        tuple(recordings),
        "envelope",
        split_fractions=FRACTIONS,
    )


def _order(path: Path) -> tuple[int, int, str]:
    subject, trial = FILE_NAME.fullmatch(path.name).groups()  # type: ignore[union-attr]
    return int(subject[1:]), int(trial), str(path)


def _arrays(path: Path) -> dict[str, np.ndarray]:
    try:
        with np.load(path, allow_pickle=False) as file:
            arrays = {name: file[name] for name in SHAPES if name in file}
    except (OSError, ValueError, EOFError, zipfile.BadZipFile) as error:
        raise DataError(
            f"{path} cannot be read",
            got=f"{type(error).__name__}: {error}",
            expected="an npz file with the arrays eeg and envelope",
            then="It is probably truncated: download it again.",
        ) from error
    for name, shape in SHAPES.items():
        got = arrays[name].shape if name in arrays else "no such array"
        if got != shape:
            raise DataError(f"Array '{name}' of {path} is wrong", got=got, expected=shape, then="Download it again.")
    return {name: np.ascontiguousarray(values, dtype=np.float32) for name, values in arrays.items()}


def _stimulus(path: Path, envelope: np.ndarray) -> Stimulus:
    stimulus_id = hashlib.sha256(envelope.tobytes()).hexdigest()[:16]
    return Stimulus(stimulus_id, f"envelope of {path.stem}", N_TIMES / SFREQ, partial(_load_sound, path))


def _load_sound(path: Path) -> Sound:
    return Sound("envelope", _arrays(path)["envelope"][:, 0], SFREQ)


def _recording(path: Path, stimulus: Stimulus) -> Recording:
    subject = FILE_NAME.fullmatch(path.name)[1]  # type: ignore[index]
    presentation = Presentation(stimulus.stimulus_id, 0.0, stimulus.duration_s)
    return Recording(path.stem, subject, str(path), (presentation,), partial(_load_raw, path))


def _load_raw(path: Path) -> mne.io.RawArray:
    """Read EEG in volts; the files name no channels, BioSemi's order A1 to B32 is that of the montage."""
    import mne

    montage = mne.channels.make_standard_montage("biosemi64")
    info = mne.create_info(montage.ch_names, SFREQ, "eeg")
    info.set_montage(montage)
    return mne.io.RawArray(_arrays(path)["eeg"].T.astype(np.float64) * 1e-6, info, verbose="ERROR")
