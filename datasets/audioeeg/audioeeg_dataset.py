"""Opens the data set of the eeg2speech prototype: 3 s of speech each, with the embedding of the EEG that heard it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import groupby
from pathlib import Path
from typing import NoReturn

from eeg2speech_bench.core.errors import DataError
from eeg2speech_bench.core.segments.recordings import Presentation, Recording, Stimulus
from eeg2speech_bench.core.stages.file_hashes import FileHashes
from eeg2speech_bench.datasets.audioeeg.items import NAME, Item, read_items
from eeg2speech_bench.datasets.fetching.manifest import Manifest
from eeg2speech_bench.datasets.sounds.sound_files import open_stimulus

#: the data set does not say who listened; its authors speak of one subject
LISTENER = "listener"
ABOUT = "EEG embeddings of one listener, computed by the authors of the eeg2speech prototype"


@dataclass
class AudioEegDataset:
    """Holds items in the order of their lists; a recording is a part of them, end to end.

    Attributes
    ----------
    items : tuple of Item
    stimulus_ids : tuple of str
        Of the sound of each item.
    preparation : str
        Name of the preparation that makes segments of embeddings.
    """

    revision: str
    items: tuple[Item, ...] = field(repr=False)
    stimulus_ids: tuple[str, ...] = field(repr=False)
    stimuli: tuple[Stimulus, ...] = field(repr=False)
    recordings: tuple[Recording, ...] = field(repr=False)
    name: str = NAME
    about: str = ABOUT
    is_null: bool = False
    sound_kind: str = "waveform"
    split_fractions: tuple[float, float, float] | None = None
    preparation: str = "embeddings"


def open_audioeeg(root: Path, hashes: FileHashes, report: Callable[[str], None]) -> AudioEegDataset:
    """Open the folder that ``datasets fetch audioeeg`` made, or another one of that layout.

    Parameters
    ----------
    root : Path
        Holds ``metadata/dataset_root.json``, at any depth.
    hashes : FileHashes
    report : callable
        Takes lines of text.

    Raises
    ------
    UsageError
        If it is not there.
    DataError
        As in `read_items`, or if a sound cannot be read.
    """
    lists = read_items(root)
    report(f"{NAME}: {len(lists.items)} sounds with embeddings in {root}")
    with hashes.saved_once():
        opened = {item.sound: open_stimulus(item.sound, item.wav, hashes) for item in lists.items}
        files = {*lists.files, *(path for item in lists.items for path in (item.sound, item.embedding))}
        revision = hashes.of_files(root, files)[:16]
    stimuli = {stimulus.stimulus_id: stimulus for stimulus in opened.values()}
    notes = Manifest.notes_on(root)
    parts = groupby(lists.items, key=lambda item: item.part)
    recordings = [_recording(root, part, [opened[item.sound] for item in own], notes) for part, own in parts]
    ids = tuple(opened[item.sound].stimulus_id for item in lists.items)
    return AudioEegDataset(revision, lists.items, ids, tuple(stimuli.values()), tuple(recordings))


def _recording(root: Path, part: str, heard: list[Stimulus], notes: tuple[str, ...]) -> Recording:
    presentations, onset_s = [], 0.0
    for stimulus in heard:
        presentations.append(Presentation(stimulus.stimulus_id, onset_s, stimulus.duration_s))
        onset_s += stimulus.duration_s
    return Recording(part, LISTENER, str(root), tuple(presentations), _no_eeg, notes)


def _no_eeg() -> NoReturn:
    raise DataError(
        f"Data set '{NAME}' holds embeddings and no EEG",
        then="Use it as it is: eeg2speech-bench run --dataset audioeeg --encoder precomputed --preset eeg2speech.",
    )
