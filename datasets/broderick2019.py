"""Opens listeners to The Old Man and the Sea (Broderick et al.): ds004408 with its sounds, or Dryad's MATLAB files."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable
from dataclasses import replace
from functools import lru_cache, partial
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from eeg2speech_bench.core.errors import DataError
from eeg2speech_bench.core.segments.recordings import Presentation, Recording, Sound, Stimulus
from eeg2speech_bench.core.stages.file_hashes import FileHashes, files_below
from eeg2speech_bench.datasets.bids.bids_dataset import PublishedTables, open_bids
from eeg2speech_bench.datasets.bids.description import Description
from eeg2speech_bench.datasets.caps import cap_names
from eeg2speech_bench.datasets.first_reading import tell_of_matlab_files
from eeg2speech_bench.datasets.joined_trials import joined
from eeg2speech_bench.datasets.matlab_files import number, read_variables
from eeg2speech_bench.datasets.opened_dataset import OpenedDataset
from eeg2speech_bench.datasets.remembered_facts import Facts, remembered

if TYPE_CHECKING:
    import mne

ABOUT = "Listeners to The Old Man and the Sea, read aloud in English (Broderick et al.)"
WHAT = "a run of the Natural Speech data set"
CAP = "biosemi128"
#: ds004408 has no events: a run's number is that of its sound, and both start together
DS004408 = PublishedTables(
    "broderick2019", ABOUT, Description.model_validate({"events": {"rows": "recording", "sound": "audio{run}.wav"}})
)
RUN = re.compile(r"Subject(\d+)_Run(\d+)\.mat")
ENVELOPE = "audio{}_128Hz.mat"


def open_broderick2019(
    root: Path, hashes: FileHashes | None = None, report: Callable[[str], None] = lambda line: None
) -> OpenedDataset:
    """Open ds004408 (BIDS, with sounds), or the folder ``Natural Speech`` of Dryad (MATLAB, with envelopes).

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
        If it is neither, or files are missing or damaged.
    """
    root, hashes = Path(root).expanduser().resolve(), hashes or FileHashes()
    if not (root / "dataset_description.json").is_file():
        return _open_dryad(root, hashes, report)
    dataset = open_bids(root, hashes, report, DS004408)
    recordings = tuple(_on_cap(recording) for recording in dataset.recordings)
    return replace(dataset, recordings=recordings)


def _on_cap(recording: Recording) -> Recording:
    """Place the electrodes, of which the data set names no position: A1 to D32 are those of the cap."""
    notes = (*(n for n in recording.notes if n != "no electrode positions"), f"electrode positions are those of {CAP}")
    return replace(recording, load=partial(load_on_cap, recording.load), notes=notes)


def load_on_cap(load: Callable[[], mne.io.BaseRaw]) -> mne.io.BaseRaw:
    """Read a recording, and place its electrodes as MNE's cap of 128 has them."""
    import mne

    return load().set_montage(mne.channels.make_standard_montage(CAP), on_missing="ignore", verbose="ERROR")


# Dryad


def _open_dryad(root: Path, hashes: FileHashes, report: Callable[[str], None]) -> OpenedDataset:
    runs = _runs(root)
    stimuli: dict[str, Stimulus] = {}
    recordings: list[Recording] = []
    read: set[Path] = set()
    with hashes.saved_once():
        tell_of_matlab_files(runs.values(), root, hashes, report)
        for (subject, run), path in runs.items():
            envelope = _envelope_file(path, run)
            sound = remembered("dryad-envelope-1", envelope, hashes, envelope_facts)
            key, duration_s = sound["id"], sound["n_samples"] / sound["rate_hz"]
            stimuli.setdefault(key, Stimulus(key, envelope.stem, duration_s, partial(load_envelope, envelope)))
            recordings.append(_recording(path, subject, hashes, key, duration_s))
            read |= {path, envelope}
        revision = hashes.of_files(root, read)[:16]
    return OpenedDataset("broderick2019", ABOUT, revision, tuple(stimuli.values()), tuple(recordings), "envelope")


def _runs(root: Path) -> dict[tuple[int, int], Path]:
    named = {path: RUN.fullmatch(path.name) for path in files_below(root)}
    found = {(int(match[1]), int(match[2])): path for path, match in named.items() if match}
    sets = {path.parent.parent for path in found.values()}
    if len(sets) != 1:
        raise DataError(
            f"Folder {root} is not the Natural Speech data set",
            got="no run" if not found else f"runs of {len(sets)} data sets",
            expected="ds004408 (dataset_description.json), or EEG/Subject1/Subject1_Run1.mat and so on",
            then="Give the folder 'Natural Speech' of the archive; cocktail parties and reversed speech are others.",
        )
    return {key: found[key] for key in sorted(found)}


def _envelope_file(path: Path, run: int) -> Path:
    # Natural Speech/EEG/Subject1/Subject1_Run1.mat beside Natural Speech/Stimuli/Envelopes/
    found = path.parents[2] / "Stimuli" / "Envelopes" / ENVELOPE.format(run)
    if not found.is_file():
        raise DataError(f"{path} has no envelope", got=f"no {found}", then="Unzip the archive again.")
    return found


def _recording(path: Path, subject: int, hashes: FileHashes, key: str, duration_s: float) -> Recording:
    facts = remembered("dryad-run-1", path, hashes, run_facts)
    heard = Presentation(key, 0.0, min(facts["n_samples"] / facts["sfreq"], duration_s))
    notes = ("EEG is taken as microvolts, neither filtered nor referenced", f"electrode positions are those of {CAP}")
    names = tuple(cap_names(CAP))
    return Recording(path.stem, f"S{subject}", str(path), (heard,), partial(load_run, path), notes, names)


def run_facts(path: Path) -> Facts:
    """Return the rate of a run and its samples; a `DataError` if it is no such file."""
    samples, sfreq = _read_run(path)
    return {"sfreq": sfreq, "n_samples": len(samples)}


def load_run(path: Path) -> mne.io.RawArray:
    """Read the 128 electrodes of a run in volts; the mastoids beside them are left out."""
    samples, sfreq = _read_run(path)
    return joined([samples], cap_names(CAP), sfreq, CAP)


def _read_run(path: Path) -> tuple[np.ndarray, float]:
    held = read_variables(path, ("eegData", "fs"), WHAT)
    samples, sfreq = np.asarray(held.get("eegData", [])), number(held.get("fs", float("nan")))
    if samples.ndim != 2 or samples.shape[1] != len(cap_names(CAP)) or not sfreq > 0:
        raise DataError(
            f"{path} is not {WHAT}",
            got=f"eegData of shape {samples.shape} at {sfreq:g} Hz",
            expected="samples by 128 channels, and fs",
            then="Unzip the archive again.",
        )
    return samples, sfreq


def envelope_facts(path: Path) -> Facts:
    """Return an id of the envelope's content, its length and rate."""
    sound = load_envelope(path)
    key = hashlib.sha256(sound.values.tobytes()).hexdigest()[:16]
    return {"id": key, "n_samples": len(sound.values), "rate_hz": sound.rate_hz}


@lru_cache(maxsize=2)
def load_envelope(path: Path) -> Sound:
    """Read the envelope of a run, at 128 Hz where the file has no ``fs``."""
    held = read_variables(path, ("env", "fs"), "an envelope of the Natural Speech data set")
    values = np.asarray(held.get("env", []), dtype=np.float32)
    if values.size == 0 or values.size != max(values.shape):
        raise DataError(f"{path} is no envelope", got=f"env of shape {values.shape}", then="Unzip the archive again.")
    return Sound("envelope", np.ascontiguousarray(values.ravel()), number(held.get("fs", 128.0)))
