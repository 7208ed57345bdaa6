"""Opens a data set in the format of the CNSP workshop (CND): trials of EEG, and the envelope of what was heard."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable
from functools import partial
from pathlib import Path

from eeg2speech_bench.core.errors import DataError
from eeg2speech_bench.core.segments.recordings import Presentation, Recording, Stimulus
from eeg2speech_bench.core.stages.file_hashes import FileHashes
from eeg2speech_bench.datasets.cnd.neural_file import load_trials, neural_facts
from eeg2speech_bench.datasets.cnd.stimulus_file import load_envelope, stimulus_facts
from eeg2speech_bench.datasets.first_reading import tell_of_matlab_files
from eeg2speech_bench.datasets.joined_trials import starts_s
from eeg2speech_bench.datasets.numbered_files import numbered_files
from eeg2speech_bench.datasets.opened_dataset import OpenedDataset, why_left_out
from eeg2speech_bench.datasets.remembered_facts import Facts, remembered

#: ``dataSub1.mat``; ``pre_dataSub1.mat`` holds what the workshop's scripts made of it
NEURAL = re.compile(r"dataSub0*(\d+)\.mat")
#: folders of the stimulus files, from that of the neural files
STIMULI = (".", "../stimCND", "../dataStim")


def open_cnd(
    root: Path,
    feature: str = "",
    hashes: FileHashes | None = None,
    report: Callable[[str], None] = lambda line: None,
) -> OpenedDataset:
    """Open a folder in CND, or the folder ``dataCND`` in it.

    Parameters
    ----------
    root : Path
    feature : str
        The stimulus feature that is the envelope; by default the one whose name says so.
    hashes : FileHashes, optional
        Remembers the content of files from run to run; by default all are read.
    report : callable, optional
        Receives a line of text before a long wait.

    Raises
    ------
    DataError
        If it holds no neural file, a stimulus file is missing, or files are damaged or contradict each other.
    """
    root, hashes = Path(root).expanduser().resolve(), hashes or FileHashes()
    recordings: list[Recording] = []
    skipped: list[tuple[str, str]] = []
    stimuli: dict[str, Stimulus] = {}
    read: set[Path] = set()
    with hashes.saved_once():
        paths = _neural_files(root)
        tell_of_matlab_files(paths.values(), root, hashes, report)
        for number, path in paths.items():
            if path.stat().st_size == 0:
                skipped.append((path.stem, "the file is empty"))
                continue
            stim = _stimulus_file(path, number)
            neural = remembered("cnd-neural-1", path, hashes, neural_facts)
            heard = remembered(f"cnd-stim-1-{feature}", stim, hashes, partial(stimulus_facts, feature=feature))
            recording = _recording(path, number, neural, heard)
            if not recording.presentations:
                skipped.append((path.stem, "nothing was heard in any trial"))
                continue
            recordings.append(recording)
            _add_stimuli(stimuli, stim, feature, heard)
            read |= {path, stim}
        if not recordings:
            raise DataError(
                f"Folder {root} holds no trial in which something was heard",
                got=why_left_out(skipped),
                then="Download it again.",
            )
        content = hashes.of_files(root, read)
    revision = hashlib.sha256(f"{content} {feature}".encode()).hexdigest()[:16]
    presented = {p.stimulus_id for recording in recordings for p in recording.presentations}
    used = tuple(stimulus for key, stimulus in stimuli.items() if key in presented)
    name = re.sub(r"[^\w.-]+", "_", _set_name(next(iter(read))))
    about = f"{name}: trials of listeners in CND, with envelopes and without sounds"
    return OpenedDataset(name, about, revision, used, tuple(recordings), "envelope", tuple(skipped))


def _neural_files(root: Path) -> dict[str, Path]:
    """Return the neural files by the number of their listener, in its order."""
    found, n_folders = numbered_files(root, NEURAL)
    if n_folders != 1:
        raise DataError(
            f"Folder {root} is not one data set in CND",
            got=f"neural files in {n_folders} folders" if found else "no neural file",
            expected="files named dataSub1.mat and so on, in one folder",
            then="Give the folder of one data set.",
        )
    return {str(number): path for number, path in found.items()}


def _stimulus_file(path: Path, number: str) -> Path:
    """Return the stimulus file of a listener: of that listener alone, or of all."""
    folders = [(path.parent / folder).resolve() for folder in STIMULI]
    names = [f"dataStim{number}.mat", "dataStim.mat"]
    found = next((folder / name for name in names for folder in folders if (folder / name).is_file()), None)
    if found is None:
        raise DataError(
            f"{path} has no stimulus file",
            got=f"neither {names[0]} nor {names[1]}",
            expected=f"one of them in {path.parent} or in stimCND beside it",
            then="Unzip the whole data set again.",
        )
    return found


def _set_name(path: Path) -> str:
    above = [part for part in path.parent.parts if part not in ("dataCND", "stimCND")]
    return above[-1]


def _recording(path: Path, number: str, neural: Facts, heard: Facts) -> Recording:
    if len(neural["n_samples"]) != len(heard["n_samples"]):
        raise DataError(
            f"{path} has another number of trials than its stimulus file",
            got=f"{len(neural['n_samples'])} trials of EEG, {len(heard['n_samples'])} of stimuli",
            expected="one stimulus for each trial",
            then="Download both again.",
        )
    sfreq, padding = neural["sfreq"], neural["padding"]
    presentations = tuple(
        Presentation(stimulus_id, start_s + padding / sfreq, min((n_eeg - padding) / sfreq, n_stim / heard["rate_hz"]))
        for start_s, n_eeg, stimulus_id, n_stim, imagined in zip(
            starts_s(neural["n_samples"], sfreq),
            neural["n_samples"],
            heard["ids"],
            heard["n_samples"],
            heard["imagined"],
            strict=True,
        )
        if not imagined
    )
    notes = [*neural["notes"], f"the envelope is the feature '{heard['feature']}'"]
    if n_imagined := sum(heard["imagined"]):
        notes.append(f"left out {n_imagined} trials in which nothing was heard but imagined")
    names = tuple(neural["names"])
    return Recording(path.stem, f"S{number}", str(path), presentations, partial(load_trials, path), tuple(notes), names)


def _add_stimuli(stimuli: dict[str, Stimulus], path: Path, feature: str, heard: Facts) -> None:
    for trial, (key, n_samples, name) in enumerate(zip(heard["ids"], heard["n_samples"], heard["names"], strict=True)):
        load = partial(load_envelope, path, feature, trial)
        stimuli.setdefault(key, Stimulus(key, name, n_samples / heard["rate_hz"], load))
