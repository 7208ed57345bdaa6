"""Opens BIDS folders with stimuli: recordings of people who listen to speech."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable, Iterator, Set
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from eeg2speech_bench.core.errors import DataError
from eeg2speech_bench.core.segments.recordings import Recording, Stimulus, Word
from eeg2speech_bench.core.stages.file_hashes import FileHashes, files_below
from eeg2speech_bench.datasets.bids.description import FILE, Description, description_file, read_description
from eeg2speech_bench.datasets.bids.events import NothingHeardError, read_stimulus_rows
from eeg2speech_bench.datasets.bids.paused_recordings import heard_in
from eeg2speech_bench.datasets.bids.recorded_sounds import is_recorded_beside
from eeg2speech_bench.datasets.bids.recordings import not_downloaded, open_recording, read_raw
from eeg2speech_bench.datasets.bids.transcripts import Transcripts
from eeg2speech_bench.datasets.fetching.manifest import Manifest
from eeg2speech_bench.datasets.first_reading import tell_of_first_reading
from eeg2speech_bench.datasets.opened_dataset import OpenedDataset, why_left_out
from eeg2speech_bench.datasets.sounds.sound_files import StimulusFolder

if TYPE_CHECKING:
    import pandas as pd
    from mne_bids import BIDSPath

#: BrainVision, EDF, BDF, EEGLAB; of MEG: FIF, CTF, KIT
EXTENSIONS = [".vhdr", ".edf", ".bdf", ".set"]
MEG_EXTENSIONS = [".fif", ".ds", ".con", ".sqd"]
#: FIF files of Elekta that hold no recording
CALIBRATIONS = ("calibration", "crosstalk")

TABLES = (".json", ".tsv")
#: characters kept of the name that a folder gives itself
MAX_ABOUT = 200


@dataclass(frozen=True)
class PublishedTables:
    """How a published data set says what was heard, where that is not as BIDS has it.

    Attributes
    ----------
    name, about : str
        As in `OpenedDataset`.
    description : Description
        What rows mean. Of rows that are rewritten the user's file says only which are left out; else it goes first.
    rewritten : callable, optional
        Returns the rows of an events.tsv, given its name for messages, in the columns of ``description``.
    """

    name: str
    about: str
    description: Description
    rewritten: Callable[[pd.DataFrame, str], pd.DataFrame] | None = None

    def described(self, by_user: Path | None) -> Description:
        """Return what rows mean, given the user's file if there is one."""
        if self.rewritten is None:
            return read_description(by_user) if by_user else self.description
        return self.description.model_copy(update={"leave_out": read_description(by_user).leave_out})


def open_bids(
    root: Path,
    hashes: FileHashes | None = None,
    report: Callable[[str], None] = lambda line: None,
    published: PublishedTables | None = None,
) -> OpenedDataset:
    """Open a BIDS folder whose events.tsv name stimuli (column ``stim_file``, files under ``stimuli/``).

    What its rows mean may be said in ``eeg2speech-bench.toml`` in the folder, or in ``<folder>.toml`` beside it.

    Parameters
    ----------
    root : Path
        Folder with ``dataset_description.json``.
    hashes : FileHashes, optional
        Remembers the content of files from run to run; by default all are read.
    report : callable, optional
        Receives a line of text before a long wait.
    published : PublishedTables, optional
        Of a set whose tables are known.

    Raises
    ------
    DataError
        If it is no BIDS folder, has no EEG or MEG, names no stimuli, or a sound, events or EEG file is missing,
        damaged or contradicts another.
    """
    root = _checked_root(Path(root))
    hashes = hashes or FileHashes()
    by_user = description_file(root)
    description = published.described(by_user) if published else read_description(by_user)
    transcripts = Transcripts(description.transcripts.tier)
    folder = StimulusFolder(root / "stimuli", hashes, transcripts.words, description.audio.channel)

    def find(name: str, source: str) -> Stimulus:
        return folder.find_at(root / name, name) if is_recorded_beside(name) else folder.find(name, source)

    read: set[Path] = set()
    spoken: dict[str, tuple[Word, ...]] = {}
    recordings: list[Recording] = []
    skipped: list[tuple[str, str]] = []
    fetched = Manifest.notes_on(root)
    paths = _recording_paths(root)
    _check_left_out(description, [path.fpath.stem for path in paths])
    with hashes.saved_once():
        for path in paths:
            name = path.fpath.stem
            try:
                if reason := description.reason_to_leave_out(name) or not_downloaded(path.fpath):
                    raise NothingHeardError(reason)
                rewritten = {"rewritten": published.rewritten} if published and published.rewritten else {}
                rows = read_stimulus_rows(root, path.fpath, description, **rewritten)
            except NothingHeardError as left_out:
                skipped.append((name, str(left_out)))
                continue
            opened = open_recording(path)
            joined = heard_in(opened.raw, rows, find)
            notes = (*opened.notes, *joined.notes, *_taken(transcripts.notes), *fetched)
            source, load = str(path.fpath), partial(read_raw, path)
            told = opened.channels, opened.channel_types
            recordings.append(Recording(name, path.subject, source, joined.presentations, load, notes, *told))
            spoken |= {key: words for key, words in joined.words.items() if len(words) > len(spoken.get(key, ()))}
            read |= rows.files
    if not recordings:
        raise _nothing_usable(root, skipped)
    name = published.name if published else re.sub(r"[^\w.-]+", "_", root.name)
    about = published.about if published else _about(root)
    revision = _revision(root, by_user, folder.files | transcripts.files | read, hashes, report)
    stimuli = tuple(s if s.words else replace(s, words=spoken.get(s.stimulus_id, ())) for s in folder.stimuli)
    return OpenedDataset(name, about, revision, stimuli, tuple(recordings), skipped=tuple(skipped))


def _check_left_out(description: Description, recordings: list[str]) -> None:
    for name in description.leave_out:
        if not any(f"{recording}_".startswith(f"{name}_") for recording in recordings):
            raise DataError(
                f"[leave_out] in {FILE} names no recording",
                got=repr(name),
                expected=f"how one of these begins: {', '.join(recordings[:5])}, ...",
                then="Correct or delete it.",
            )


def _taken(notes: list[str]) -> list[str]:
    """Empty a list of notes that belong to the recording that is read."""
    taken = notes[:]
    notes.clear()
    return taken


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
        wrong = "is a file" if root.exists() else "does not exist"
        raise DataError(f"Folder {root} {wrong}", then="Give the folder of a BIDS data set.")
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

    found = [
        path
        for kind, endings in (("eeg", EXTENSIONS), ("meg", MEG_EXTENSIONS))
        for path in mne_bids.find_matching_paths(
            root, datatypes=kind, suffixes=kind, extensions=endings, ignore_json=True, ignore_nosub=True
        )
        if path.acquisition not in CALIBRATIONS and int(path.split or 1) == 1  # MNE reads the other parts after it
    ]
    if not found:
        raise DataError(
            f"BIDS data set {root} has no EEG or MEG recordings",
            got="no file",
            expected=f"sub-*/eeg/*_eeg with an ending of {', '.join(EXTENSIONS)}, or sub-*/meg/*_meg of "
            + ", ".join(MEG_EXTENSIONS),
            then="Intracranial recordings are not read.",
        )
    return sorted(found, key=lambda path: str(path.fpath))


def _nothing_usable(root: Path, skipped: list[tuple[str, str]]) -> DataError:
    return DataError(
        f"BIDS data set {root} has no recording that can be joined to its stimuli",
        got=why_left_out(skipped),
        expected="events.tsv with a column stim_file that names files under stimuli/",
        then=_way_out(skipped[0][1]),
    )


def _way_out(reason: str) -> str:
    if "not downloaded" in reason:
        return "Download the recordings first."
    if "name no sound" in reason:
        return "Convert what was heard to WAV or FLAC, and name those files in stim_file."
    return (
        "Add the column stim_file to events.tsv, with one row where each sound file starts, or say in "
        f"{FILE} how its sounds are found, for example [events] sound = 'story{{run}}.wav' and rows = 'recording' "
        "(docs/data.md)."
    )


def _revision(
    root: Path, described: Path | None, used: Set[Path], hashes: FileHashes, report: Callable[[str], None]
) -> str:
    files = used | set(_recorded_files(root))
    tell_of_first_reading(files, root, hashes, report)
    content = hashes.of_files(root, files)
    if described:  # it may lie beside the folder, and has the same meaning there
        content = hashlib.sha256(f"{content} {hashes.of(described)}".encode()).hexdigest()
    return content[:16]


def _recorded_files(root: Path) -> Iterator[Path]:
    """Yield the files of the folders ``eeg`` and ``meg``, and the tables above them, which MNE-BIDS also reads."""
    yield from (path for path in root.iterdir() if path.suffix in TABLES and not path.is_dir())
    for subject in filter(Path.is_dir, root.glob("sub-*")):
        for path in files_below(subject):
            is_table_above = path.suffix in TABLES and path.parent.name.startswith(("sub-", "ses-"))
            is_recorded = {"eeg", "meg"} & set(path.relative_to(subject).parts[:-1])  # a CTF recording is a folder
            if (is_recorded or is_table_above) and not path.name.startswith("."):
                yield path
