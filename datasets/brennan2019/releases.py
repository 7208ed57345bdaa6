"""Finds the files of a release in a folder: recordings, word times, the table of words and the sounds."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from eeg2speech_bench.core.errors import DataError
from eeg2speech_bench.datasets.bids.recordings import not_downloaded
from eeg2speech_bench.datasets.brennan2019.placement import WordTimes
from eeg2speech_bench.datasets.brennan2019.story import FILE
from eeg2speech_bench.datasets.brennan2019.word_times import read_events, read_proc

#: how the sound files are called; the number is that of the segment
SOUND = "DownTheRabbitHoleFinal_SoundFile{}.wav"
#: folders of the files that are the same in all releases, the first that is there
STORIES, SOUNDS = (".", "sourcedata"), ("audio", "stimuli")
PROCS = ("proc", "timelock-preprocessing", "sourcedata/proc")
#: number of a listener in the names of files
_LISTENER = re.compile(r"(?:S|sub-0)(\d\d)(?:_task-alicelistening_eeg)?")


@dataclass(frozen=True)
class Release:
    """The files of a release.

    Attributes
    ----------
    kind : str
        ``"v1"`` (MATLAB), ``"v2"`` (BrainVision) or ``"nm000180"`` (BIDS).
    root, story, sounds : Path
        The folder, the table of words, and the folder of the sounds.
    recordings : dict of str to Path
        Listener (``"S01"``) to the file with the EEG.
    """

    kind: str
    root: Path
    story: Path
    sounds: Path
    recordings: dict[str, Path] = field(repr=False)

    def times_file(self, listener: str) -> Path:
        """Return the file that says when words began in a recording; it need not exist."""
        if self.kind != "nm000180":
            return self.proc_file(listener)
        eeg = self.recordings[listener]
        return eeg.with_name(eeg.name.replace("_eeg.vhdr", "_events.tsv"))

    def times(self, listener: str) -> WordTimes:
        """Read when words began in a recording; errors as in `read_proc` and `read_events`."""
        path = self.times_file(listener)
        return read_events(path) if self.kind == "nm000180" else read_proc(path)

    def proc_file(self, listener: str) -> Path:
        """Return what the authors' preprocessing left of a recording; it need not exist."""
        return _first_folder(self.root, PROCS) / f"{listener}.mat"

    def reason_to_skip(self, listener: str) -> str:
        """Return why a recording cannot be used, empty if it can."""
        if listener not in self.recordings:
            return "no EEG of this listener in the folder"
        if reason := not_downloaded(self.recordings[listener]):
            return reason
        path = self.times_file(listener)
        return "" if path.is_file() else f"no {path.relative_to(self.root)}, which says when words began"

    def files(self, listener: str) -> Iterator[Path]:
        """Yield the files that a recording is read from."""
        eeg = self.recordings[listener]
        parts = (".mat",) if eeg.suffix == ".mat" else (".vhdr", ".eeg", ".vmrk")
        yield from (path for path in (eeg.with_suffix(part) for part in parts) if path.is_file())
        yield self.times_file(listener)


def find_release(root: Path) -> Release:
    """Find out which release a folder holds.

    Raises
    ------
    DataError
        If it holds none, or lacks the table of words, the word times or the sounds.
    """
    root = root.expanduser().resolve()
    kind, found = _recordings(root)
    story = next((root / folder / FILE for folder in STORIES if (root / folder / FILE).is_file()), None)
    if story is None:
        raise _lacking(root, FILE, "the table of words", f"Download {FILE} of the same release into it.")
    sounds = _first_folder(root, SOUNDS)
    if not sounds.is_dir():
        raise _lacking(root, "audio/", "the twelve sound files", "Unzip audio.zip of the same release there.")
    if kind != "nm000180" and not _first_folder(root, PROCS).is_dir():
        raise _lacking(root, "proc/", "the word times S01.mat and so on", "Unzip proc.zip of the same release there.")
    return Release(kind, root, story, sounds, found)


def _recordings(root: Path) -> tuple[str, dict[str, Path]]:
    for kind, pattern in (("nm000180", "sub-*/eeg/*_eeg.vhdr"), ("v2", "S??.vhdr"), ("v1", "S??.mat")):
        named = ((_LISTENER.fullmatch(path.stem), path) for path in sorted(root.glob(pattern)))
        found = {f"S{match[1]}": path for match, path in named if match}
        if found:
            return kind, found
    raise DataError(
        f"Folder {root} holds no release of Brennan and Hale",
        got="no recording",
        expected="S01.mat (first release), S01.vhdr (second), or sub-001/eeg/ (nm000180)",
        then="Give the folder that holds them; docs/brennan2019.md says where to get them.",
    )


def _first_folder(root: Path, names: tuple[str, ...]) -> Path:
    return next((root / name for name in names if (root / name).is_dir()), root / names[0])


def _lacking(root: Path, name: str, what: str, then: str) -> DataError:
    return DataError(f"Folder {root} lacks {what}", got=f"no {name}", expected="all parts of one release", then=then)
