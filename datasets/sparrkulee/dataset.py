"""Opens a folder of SparrKULee."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path

from eeg2speech_bench.core.errors import DataError
from eeg2speech_bench.core.segments.recordings import Recording
from eeg2speech_bench.core.stages.file_hashes import FileHashes
from eeg2speech_bench.datasets.first_reading import tell_of_first_reading
from eeg2speech_bench.datasets.opened_dataset import OpenedDataset, why_left_out
from eeg2speech_bench.datasets.sounds.sound_files import is_pointer
from eeg2speech_bench.datasets.sparrkulee.derivatives import Derivatives
from eeg2speech_bench.datasets.sparrkulee.raw_release import RawRelease

ABOUT = "Listeners to Dutch stories and podcasts (SparrKULee)"
#: values of the option ``eeg``
EEG = ("raw", "preprocessed")


def open_sparrkulee(
    root: Path,
    eeg: str = "",
    hashes: FileHashes | None = None,
    report: Callable[[str], None] = lambda line: None,
) -> OpenedDataset:
    """Open the root of SparrKULee, or a part of it.

    Parameters
    ----------
    root : Path
    eeg : str
        ``"raw"`` (BioSemi files and sounds) or ``"preprocessed"`` (the authors' EEG and envelopes at 64 Hz); by
        default raw where there are such files.
    hashes : FileHashes, optional
        Remembers the content of files from run to run; by default all are read.
    report : callable, optional
        Receives a line of text before a long wait.

    Raises
    ------
    DataError
        If there is no recording, a sound is missing, or files are damaged.
    """
    root, hashes = Path(root).expanduser().resolve(), hashes or FileHashes()
    raw = RawRelease(root, hashes)
    there = {name: path for name, path in raw.recordings().items() if not is_pointer(path)}
    chosen = eeg or ("raw" if there else "preprocessed")
    release = raw if chosen == "raw" else Derivatives(root)
    paths = release.recordings()
    purpose = "for its pulses and to tell whether it changes"
    tell_of_first_reading(paths.values(), root, hashes, report, purpose)
    recordings: list[Recording] = []
    skipped: list[tuple[str, str]] = []
    used: set[Path] = set()
    with hashes.saved_once():
        for name, path in paths.items():
            if reason := release.reason_to_skip(name, path) if isinstance(release, RawRelease) else "":
                skipped.append((name, reason))
                continue
            recordings.append(release.open(name, path))
            used.add(path)
        if not recordings:
            raise _nothing(root, chosen, skipped)
        content = hashes.of_files(root, used | release.files)
    revision = hashlib.sha256(f"{content} {chosen}".encode()).hexdigest()[:16]
    stimuli = tuple(sorted(release.stimuli.values(), key=lambda stimulus: stimulus.name))
    kind = "waveform" if chosen == "raw" else "envelope"
    return OpenedDataset("sparrkulee", ABOUT, revision, stimuli, tuple(recordings), kind, tuple(skipped))


def _nothing(root: Path, chosen: str, skipped: list[tuple[str, str]]) -> DataError:
    return DataError(
        f"Folder {root} holds no recording of SparrKULee that can be used",
        got=why_left_out(skipped) or "no file",
        expected="sub-*/ses-*/eeg/*_eeg.bdf.gz with stimuli/"
        if chosen == "raw"
        else "derivatives/preprocessed_eeg and derivatives/preprocessed_stimuli",
        then="Give the root of the data set.",
    )
