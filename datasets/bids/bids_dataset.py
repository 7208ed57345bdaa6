"""Opens BIDS folders with stimuli: recordings of people who listen to speech."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from eeg2speech_bench.core.errors import DataError
from eeg2speech_bench.core.segments.recordings import Recording, Stimulus
from eeg2speech_bench.core.stages.file_hashes import FileHashes, files_below
from eeg2speech_bench.datasets.bids.events import presentations, read_stimulus_rows
from eeg2speech_bench.datasets.bids.recordings import not_downloaded, open_recording, read_raw
from eeg2speech_bench.datasets.sounds.sound_files import StimulusFolder

if TYPE_CHECKING:
    from mne_bids import BIDSPath

#: BrainVision, EDF, BDF, EEGLAB
EXTENSIONS = [".vhdr", ".edf", ".bdf", ".set"]

TABLES = (".json", ".tsv")
GIGABYTE = 1e9
#: characters kept of the name that a folder gives itself
MAX_ABOUT = 200


@dataclass
class BidsDataset:
    """A BIDS folder as a `SpeechDataset`.

    Attributes
    ----------
    name : str
        The folder's name.
    about : str
        The name in its ``dataset_description.json``.
    revision : str
        Hash of the names and the whole content of all files that are read; copying the folder does not change it.
    stimuli : tuple of Stimulus
    recordings : tuple of Recording
        Sorted by subject, session, task and run.
    skipped : tuple of (str, str)
        Recordings that name no stimulus or were not downloaded, with the reason.
    split_fractions : None
    """

    name: str
    about: str
    revision: str
    stimuli: tuple[Stimulus, ...]
    recordings: tuple[Recording, ...]
    skipped: tuple[tuple[str, str], ...] = ()
    split_fractions: tuple[float, float, float] | None = None
    sound_kind: str = "waveform"
    is_null: bool = False


def open_bids(
    root: Path, hashes: FileHashes | None = None, report: Callable[[str], None] = lambda line: None
) -> BidsDataset:
    """Open a BIDS folder whose events.tsv name stimuli (column ``stim_file``, files under ``stimuli/``).

    Parameters
    ----------
    root : Path
        Folder with ``dataset_description.json``.
    hashes : FileHashes, optional
        Remembers the content of files from run to run; by default all are read.
    report : callable, optional
        Receives a line of text before a long wait.

    Raises
    ------
    DataError
        If it is no BIDS folder, has no EEG, names no stimuli, or a sound, events or EEG file is missing,
        damaged or contradicts another.
    """
    root = _checked_root(Path(root))
    hashes = hashes or FileHashes()
    folder = StimulusFolder(root / "stimuli", hashes)
    recordings: list[Recording] = []
    skipped: list[tuple[str, str]] = []
    with hashes.saved_once():
        for path in _recording_paths(root):
            rows, reason = read_stimulus_rows(_events_path(path))
            if rows is None or (reason := not_downloaded(path.fpath)):
                skipped.append((path.fpath.stem, reason))
                continue
            opened = open_recording(path)
            heard = presentations(rows, folder, opened.duration_s, _events_path(path))
            recordings.append(
                Recording(
                    recording_id=path.fpath.stem,
                    subject=path.subject,
                    source=str(path.fpath),
                    presentations=heard,
                    load=partial(read_raw, path),
                    notes=opened.notes,
                    channels=opened.channels,
                )
            )
    if not recordings:
        raise _nothing_usable(root, skipped)
    name = re.sub(r"[^\w.-]+", "_", root.name)
    revision = _revision(root, folder.files, hashes, report)
    return BidsDataset(name, _about(root), revision, folder.stimuli, tuple(recordings), tuple(skipped))


def _about(root: Path) -> str:
    """Return the name that a folder gives itself, in a line that any page can hold; empty if it gives none."""
    path = root / "dataset_description.json"
    try:
        name = json.loads(path.read_text(encoding="utf-8-sig"))["Name"]
    except (OSError, ValueError, KeyError, TypeError):
        return ""
    return " ".join("".join(c if c.isprintable() else " " for c in str(name)).split())[:MAX_ABOUT]


def _checked_root(root: Path) -> Path:
    root = root.expanduser().resolve()
    if not root.is_dir():
        raise DataError(f"Folder {root} does not exist", then="Give the folder of a BIDS data set.")
    if not (root / "dataset_description.json").is_file():
        raise DataError(
            f"Folder {root} is not a BIDS data set",
            got="no dataset_description.json",
            expected="the root of a BIDS data set",
            then="Give its root folder, or run mne_bids.make_dataset_description on it.",
        )
    return root


def _recording_paths(root: Path) -> list[BIDSPath]:
    import mne_bids

    found = mne_bids.find_matching_paths(
        root, datatypes="eeg", suffixes="eeg", extensions=EXTENSIONS, ignore_json=True, ignore_nosub=True
    )
    if not found:
        raise DataError(
            f"BIDS data set {root} has no EEG recordings",
            got="no file",
            expected=f"sub-*/eeg/*_eeg with an ending of {', '.join(EXTENSIONS)}",
            then="MEG and intracranial recordings are not read.",
        )
    return sorted(found, key=lambda path: str(path.fpath))


def _events_path(path: BIDSPath) -> Path:
    return path.fpath.with_name(path.fpath.stem.removesuffix("_eeg") + "_events.tsv")


def _nothing_usable(root: Path, skipped: list[tuple[str, str]]) -> DataError:
    name, reason = skipped[0]
    more = f" (and {len(skipped) - 1} more recordings)" if len(skipped) > 1 else ""
    advice = "Add the column stim_file to events.tsv, with one row where each sound file starts."
    return DataError(
        f"BIDS data set {root} has no recording that can be joined to its stimuli",
        got=f"{name}: {reason}{more}",
        expected="events.tsv with a column stim_file that names files under stimuli/",
        then="Download the recordings first." if "not downloaded" in reason else advice,
    )


def _revision(root: Path, sounds: frozenset[Path], hashes: FileHashes, report: Callable[[str], None]) -> str:
    files = sounds | set(_recorded_files(root))
    n_bytes = hashes.bytes_to_read(files)
    if n_bytes > GIGABYTE:
        report(f"Reading {n_bytes / GIGABYTE:.0f} GB of {root} once, to tell later whether it changes.")
    return hashes.of_files(root, files)[:16]


def _recorded_files(root: Path) -> Iterator[Path]:
    """Yield the files of the folders ``eeg``, and the tables above them, which MNE-BIDS also reads."""
    yield from (path for path in root.iterdir() if path.suffix in TABLES and not path.is_dir())
    for subject in filter(Path.is_dir, root.glob("sub-*")):
        for path in files_below(subject):
            is_table_above = path.suffix in TABLES and path.parent.name.startswith(("sub-", "ses-"))
            if (path.parent.name == "eeg" or is_table_above) and not path.name.startswith("."):
                yield path
