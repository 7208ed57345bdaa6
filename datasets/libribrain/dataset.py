"""Opens LibriBrain (Ozdogan et al. 2025): its h5 recordings, its events tables and the sounds beside them."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from eeg2speech_bench.core.errors import DataError
from eeg2speech_bench.core.segments.channel_types import CHANNEL_TYPES
from eeg2speech_bench.core.segments.recordings import Presentation, Recording, Stimulus, Word
from eeg2speech_bench.core.stages.file_hashes import FileHashes
from eeg2speech_bench.datasets.bids.description import FILE, description_file, read_description
from eeg2speech_bench.datasets.bids.inheritance import entities
from eeg2speech_bench.datasets.bids.tables import read_table
from eeg2speech_bench.datasets.first_reading import tell_of_first_reading
from eeg2speech_bench.datasets.libribrain.placement import Chapter, read_chapter
from eeg2speech_bench.datasets.opened_dataset import OpenedDataset, why_left_out
from eeg2speech_bench.datasets.sounds.sound_files import StimulusFolder, is_pointer

if TYPE_CHECKING:
    import mne

ABOUT = "Listening to Sherlock Holmes, read aloud in English, MEG (Ozdogan et al. 2025)"
RECORDINGS, TABLES, SOUNDS = "derivatives/serialised", "derivatives/events", "stimuli/audio"
#: seconds by which the last word may end after its sound, for lengths that are rounded
TOLERANCE_S = 0.5
#: BIDS' types of channels, as MNE calls them
TYPES = {"MEGMAG": "mag", "MEGGRADPLANAR": "grad"}
_NUMBER = re.compile(r"_(\d{1,3})(?=[_.])")


class _LeftOutError(Exception):
    """A recording is left out; the text is the reason."""


@dataclass(frozen=True)
class _Sensors:
    """What the h5 file and ``metadata`` say of the channels."""

    names: list[str]
    types: list[str]
    sfreq: float
    places: np.ndarray | None


def open_libribrain(
    root: Path, hashes: FileHashes | None = None, report: Callable[[str], None] = lambda line: None
) -> OpenedDataset:
    """Open a folder of LibriBrain: books such as ``Sherlock1``, or one of them.

    Parameters
    ----------
    root : Path
        As on the hub (pnpl/LibriBrain), with ``metadata`` for the places of the sensors.
    hashes : FileHashes, optional
        Remembers the content of files from run to run; by default all are read.
    report : callable, optional
        Receives a line of text before a long wait.

    Raises
    ------
    DataError
        If it holds no recording that can be joined to its sound, or a file is damaged.
    """
    root, hashes = Path(root).expanduser().resolve(), hashes or FileHashes()
    told = read_description(description_file(root)).sounds
    spoken: dict[Path, tuple[Word, ...]] = {}
    folder = StimulusFolder(root, hashes, lambda path, duration_s: spoken.get(path, ()))
    recordings: list[Recording] = []
    skipped: list[tuple[str, str]] = []
    files: set[Path] = set()
    with hashes.saved_once():
        for name, path in _recorded(root).items():
            try:
                table, sound = _beside(root, path, name, told)
                chapter = read_chapter(table)
                spoken.setdefault(sound, chapter.words)
                stimulus = folder.find_at(sound, sound.relative_to(root).as_posix())
                _check_length(chapter, stimulus)
            except _LeftOutError as reason:
                skipped.append((name, str(reason)))
                continue
            recordings.append(_recording(root, path, name, chapter, stimulus))
            files |= {path, table}
    if not recordings:
        raise _nothing_usable(root, skipped)
    files |= {path for path in (root / "metadata").glob("*.*") if path.is_file()} | folder.files
    tell_of_first_reading(files, root, hashes, report)
    revision = hashes.of_files(root, files)[:16]
    return OpenedDataset("libribrain", ABOUT, revision, folder.stimuli, tuple(recordings), skipped=tuple(skipped))


def _recorded(root: Path) -> dict[str, Path]:
    """Return the h5 files by the name of their recording, without what was done to it (``proc-...``)."""
    found: dict[str, Path] = {}
    for path in sorted(root.glob(f"**/{RECORDINGS}/*_meg.h5")):
        name = re.sub(r"_proc-[^_]+", "", path.name.removesuffix("_meg.h5"))
        if name in found:
            raise DataError(
                f"Two files hold the recording {name}",
                got=f"{found[name].name} and {path.name}",
                expected="one",
                then="Move one of them away.",
            )
        found[name] = path
    if not found:
        raise DataError(
            f"Folder {root} holds no recordings of LibriBrain",
            got=f"no {RECORDINGS}/*_meg.h5 in it or below",
            expected="the folder with Sherlock1 and its siblings",
            then="Download it: hf download pnpl/LibriBrain --repo-type dataset --local-dir FOLDER "
            '--include "Sherlock1/derivatives/*" --include "Sherlock1/stimuli/*" --include "metadata/*"',
        )
    return found


def _beside(root: Path, path: Path, name: str, told: dict[str, str]) -> tuple[Path, Path]:
    """Return the events and the sound of a recording."""
    book = path.parents[2]
    table = book / TABLES / f"{name}_events.tsv"
    if is_pointer(path) or not table.is_file() or is_pointer(table):
        raise _LeftOutError(f"{path.name if is_pointer(path) else table.name} was not downloaded")
    if name in told:
        return table, _told_sound(root, told[name], name)
    session = int(entities(name)["ses"])
    there = sorted((book / SOUNDS).glob("*.wav"))
    own = [sound for sound in there if [int(number) for number in _NUMBER.findall(sound.name)][:1] == [session]]
    if len(own) != 1:
        found = ", ".join(sound.name for sound in own or there[:3]) or "none"
        raise _LeftOutError(
            f"no single sound in {SOUNDS} bears the number of session {session} (found: {found}); "
            f"name it in {FILE}: under [sounds] \"{name}\" = 'Sherlock1/{SOUNDS}/FILE.wav'"
        )
    return table, own[0]


def _told_sound(root: Path, sound: str, name: str) -> Path:
    path = root / sound
    if Path(sound).is_absolute() or not path.is_file():
        raise DataError(
            f"[sounds] in {FILE} names no file for {name}",
            got=repr(sound),
            expected=f"a path below {root}",
            then="Correct it.",
        )
    return path


def _check_length(chapter: Chapter, stimulus: Stimulus) -> None:
    if chapter.ends_s > stimulus.duration_s + TOLERANCE_S:
        raise _LeftOutError(
            f"its last word ends at {chapter.ends_s:.1f} s, after {stimulus.name} ({stimulus.duration_s:.1f} s): "
            f"that is another chapter; name the right one under [sounds] in {FILE}"
        )


def _recording(root: Path, path: Path, name: str, chapter: Chapter, stimulus: Stimulus) -> Recording:
    sensors = _sensors(root, path)
    load = partial(_load, path, sensors)
    notes = list(chapter.notes)
    if sensors.places is None:
        notes.append("no sensor positions: metadata/sensor_xyz.json is not there")
    heard = tuple(
        Presentation(
            stimulus.stimulus_id,
            s.origin_s + chapter.ratio * s.from_s,
            min(s.to_s, stimulus.duration_s) - s.from_s,
            s.from_s,
            chapter.ratio,
        )
        for s in chapter.stretches
    )
    channels, types = tuple(sensors.names), tuple(sensors.types)
    return Recording(name, entities(name)["sub"], str(path), heard, load, tuple(notes), channels, types)


def _load(path: Path, sensors: _Sensors) -> mne.io.BaseRaw:
    from eeg2speech_bench.datasets.libribrain.h5_raw import open_h5

    return open_h5(path, sensors.names, sensors.types, sensors.sfreq, sensors.places)


def _sensors(root: Path, path: Path) -> _Sensors:
    """Read the names, types, rate and places of the channels.

    Raises
    ------
    DataError
        If the file is no h5 file of LibriBrain, or its channels are not those of the metadata.
    """
    import h5py

    try:
        with h5py.File(path, "r") as file:
            n_chans, sfreq = int(file["data"].shape[0]), float(file.attrs["sample_frequency"])
            names, types = (str(file.attrs.get(f"channel_{what}", "")) for what in ("names", "types"))
    except (OSError, KeyError, ValueError, TypeError) as error:
        raise DataError(
            f"Recording {path} cannot be read",
            got=f"{type(error).__name__}: {error}",
            expected="an h5 file with the data set data and the attribute sample_frequency",
            then="Download it again.",
        ) from None
    listed = [n.strip() for n in names.split(",")], [t.strip() for t in types.split(",")]
    if not names or not types:
        listed = _listed(root, path)
    if not len(listed[0]) == len(listed[1]) == n_chans or not set(listed[1]) <= set(CHANNEL_TYPES):
        raise DataError(
            f"The channels of {path} are not told",
            got=f"{n_chans} rows of samples, {len(listed[0])} names, types {', '.join(sorted(set(listed[1])))}",
            expected="a name and a type (mag or grad) for each",
            then="Download the file again, and metadata/channels.tsv.",
        )
    return _Sensors(*listed, sfreq, _places(root, n_chans))


def _listed(root: Path, path: Path) -> tuple[list[str], list[str]]:
    """Return names and types from ``metadata/channels.tsv``, of files that do not hold them."""
    table_path = _metadata(root, "channels.tsv")
    if table_path is None:
        raise DataError(
            f"Recording {path} does not name its channels",
            got="no attribute channel_names, and no metadata/channels.tsv",
            expected="one of them",
            then="Download metadata/channels.tsv of pnpl/LibriBrain into the same folder.",
        )
    table = read_table(table_path)
    table = table[table["type"].str.upper().isin(list(TYPES))]
    return list(table["name"]), [TYPES[kind] for kind in table["type"].str.upper()]


def _places(root: Path, n_chans: int) -> np.ndarray | None:
    path = _metadata(root, "sensor_xyz.json")
    if path is None:
        return None
    try:
        places = np.asarray(json.loads(path.read_text(encoding="utf8")), dtype=float)
    except ValueError as error:
        raise DataError(f"{path} holds no positions", got=str(error), then="Download it again.") from None
    if places.shape != (n_chans, 3) or not np.isfinite(places).all():
        got, expected = f"shape {places.shape}", f"({n_chans}, 3), finite: one row for each channel"
        raise DataError(f"{path} holds other positions", got=got, expected=expected, then="Download it again.")
    return places


def _metadata(root: Path, name: str) -> Path | None:
    """Return a file of ``metadata``, which lies beside the books."""
    path = root / "metadata" / name
    return path if path.is_file() else None


def _nothing_usable(root: Path, skipped: list[tuple[str, str]]) -> DataError:
    return DataError(
        f"Folder {root} has no recording that can be joined to its sound",
        got=why_left_out(skipped),
        expected=f"{TABLES}/*_events.tsv and {SOUNDS}/*.wav beside {RECORDINGS}",
        then="Download what is missing.",
    )
