"""Opens a release of Brennan and Hale (2019) as a data set: recordings, stimuli, and when they were heard."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from eeg2speech_bench.core.errors import DataError
from eeg2speech_bench.core.segments.recordings import Presentation, Recording, Stimulus
from eeg2speech_bench.core.stages.file_hashes import FileHashes
from eeg2speech_bench.datasets.brennan2019.eeg_files import read_eeg
from eeg2speech_bench.datasets.brennan2019.electrodes import names, prepared
from eeg2speech_bench.datasets.brennan2019.options import Options
from eeg2speech_bench.datasets.brennan2019.placement import Placement, place
from eeg2speech_bench.datasets.brennan2019.releases import SOUND, Release, find_release
from eeg2speech_bench.datasets.brennan2019.story import Story, read_story
from eeg2speech_bench.datasets.brennan2019.word_times import read_bads
from eeg2speech_bench.datasets.first_reading import tell_of_first_reading
from eeg2speech_bench.datasets.opened_dataset import OpenedDataset, why_left_out
from eeg2speech_bench.datasets.sounds.sound_files import open_stimulus

if TYPE_CHECKING:
    import mne

ABOUT = "Listeners to chapter 1 of Alice in Wonderland, read aloud in English (Brennan and Hale 2019)"
#: seconds of a sound's end that a recording may lack
TAIL_S = 1.0


def open_brennan2019(
    root: Path,
    options: Options | None = None,
    hashes: FileHashes | None = None,
    report: Callable[[str], None] = lambda line: None,
) -> OpenedDataset:
    """Open a folder with the first release (``S01.mat``), the second (``S01.vhdr``) or nm000180 (BIDS).

    Parameters
    ----------
    root : Path
    options : Options, optional
    hashes : FileHashes, optional
        Remembers the content of files from run to run; by default all are read.
    report : callable, optional
        Receives a line of text before a long wait.

    Raises
    ------
    DataError
        If the folder holds no release or lacks a part of it, no recording is left, or a file was edited, is damaged or
        belongs to another recording.
    """
    options, hashes = options or Options(), hashes or FileHashes()
    release = find_release(Path(root))
    _check_reference(release, options)
    story = read_story(release.story)
    sounds = _Sounds(release, story, hashes)
    recordings: list[Recording] = []
    skipped: list[tuple[str, str]] = []
    files = {release.story}
    with hashes.saved_once():
        for listener in options.chosen:
            if reason := release.reason_to_skip(listener):
                skipped.append((listener, reason))
                continue
            placement = place(release.times(listener), story)
            if placement.is_shifted and options.shifted == "drop":
                skipped.append((listener, "its segments are labelled one too low (shifted=drop)"))
                continue
            recordings.append(_recording(release, listener, placement, sounds, options))
            files |= {*release.files(listener), *([release.proc_file(listener)] if options.bads != "none" else [])}
        if not recordings:
            raise _nothing_left(release, skipped)
        stimuli = tuple(sounds.opened[segment] for segment in sorted(sounds.opened))
        revision = _revision(release, files | sounds.files, options, hashes, report)
    return OpenedDataset("brennan2019", ABOUT, revision, stimuli, tuple(recordings), skipped=tuple(skipped))


def _check_reference(release: Release, options: Options) -> None:
    if release.kind == "nm000180" and options.reference != "recorded":
        raise DataError(
            "The EEG of nm000180 cannot be referred to the mastoids",
            got="an average reference without electrode 29, by its own tables",
            expected="the first or second release, which have the reference that was recorded",
            then="Leave out reference=mastoids.",
        )


class _Sounds:
    """Opens the sound file of a segment when somebody heard it."""

    def __init__(self, release: Release, story: Story, hashes: FileHashes) -> None:
        self.release, self.story, self.hashes = release, story, hashes
        self.opened: dict[int, Stimulus] = {}
        self.files: set[Path] = set()

    def of(self, segment: int) -> Stimulus:
        if segment not in self.opened:
            path = self.release.sounds / SOUND.format(segment)
            if not path.exists() and not path.is_symlink():
                raise DataError(
                    f"The sound of segment {segment} is not there",
                    got=f"no {path}",
                    expected="all twelve sound files of the release",
                    then="Unzip audio.zip of the same release again.",
                )
            words = self.story.spoken_in(segment)
            self.opened[segment] = open_stimulus(path, path.name, self.hashes, lambda path, duration_s: words)
            self.files.add(path)
        return self.opened[segment]


def _recording(release: Release, listener: str, placement: Placement, sounds: _Sounds, options: Options) -> Recording:
    heard = _heard(placement, sounds)
    path = release.recordings[listener]
    bads = read_bads(release.proc_file(listener)) if options.bads == "authors" else ()
    load = partial(load_recording, path, heard, options.reference, bads)
    notes = tuple(_notes(release, placement, options, bads))
    return Recording(listener, listener, str(path), heard, load, notes, names(options.reference))


def _heard(placement: Placement, sounds: _Sounds) -> tuple[Presentation, ...]:
    """Return what was heard of each sound file: all of it, but for what passed before the recording began."""
    found = []
    following = [*list(placement.starts_s.values())[1:], float("inf")]
    for (segment, start_s), next_s in zip(placement.starts_s.items(), following, strict=True):
        stimulus = sounds.of(segment)
        missed_s = max(0.0, -start_s)
        until_s = min(stimulus.duration_s, next_s - start_s)
        found.append(Presentation(stimulus.stimulus_id, max(0.0, start_s), until_s - missed_s, missed_s))
    return tuple(found)


def _notes(release: Release, placement: Placement, options: Options, bads: tuple[str, ...]) -> list[str]:
    notes = ["electrode positions are those of easycapM10-acti61_elec.sfp"]
    if release.kind == "nm000180":
        notes[0] += ": electrodes.tsv of nm000180 holds those of MNE's easycap-M10, whose numbers are others"
        notes.append("onsets of events.tsv count from 1 and are read one sample (2 ms) earlier")
    notes.append(
        "EEG refers to the mean of the mastoids, 25 and 29"
        if options.reference == "mastoids"
        else "EEG refers to what it refers to in the file; no electrode 29, the amplifier's reference"
    )
    if bads:
        notes.append(f"interpolated, because the authors rejected them: {' '.join(bads)}")
    if placement.is_shifted:
        note = "segments are labelled one too low: repaired by the times between them"
        notes.append(f"{note} (off by at most {1e3 * placement.gap_error_s:.0f} ms)")
    if placement.missed_s:
        notes.append(f"the recording began {placement.missed_s:.2f} s after the first sound")
    return notes


def load_recording(
    path: Path, heard: tuple[Presentation, ...], reference: str, bads: tuple[str, ...] = ()
) -> mne.io.BaseRaw:
    """Read a recording with its channel types, places, reference and bad channels; EEG in volts.

    Raises
    ------
    DataError
        If it cannot be read, has other channels than the release, or ends before the sounds do.
    """
    raw = read_eeg(path)
    ends_s = max(p.onset_s + p.recorded_s for p in heard)
    lasts_s = raw.n_times / raw.info["sfreq"]
    if lasts_s < ends_s - TAIL_S:
        raise DataError(
            f"Recording {path} ends before the sounds do",
            got=f"{lasts_s:.2f} s",
            expected=f"at least {ends_s - TAIL_S:.2f} s, by the times of its words",
            then="It is truncated or belongs to another listener: download it again.",
        )
    raw = prepared(raw, str(path), reference)
    raw.info["bads"] = [name for name in bads if name in raw.ch_names]
    return raw


def _nothing_left(release: Release, skipped: list[tuple[str, str]]) -> DataError:
    return DataError(
        f"Folder {release.root} holds no recording that can be used",
        got=why_left_out(skipped),
        expected="at least one listener of the list, with word times",
        then="Choose others with listeners=all or listeners=1+3, or download the recordings.",
    )


def _revision(
    release: Release, files: set[Path], options: Options, hashes: FileHashes, report: Callable[[str], None]
) -> str:
    tell_of_first_reading(files, release.root, hashes, report)
    content = hashes.of_files(release.root, files)
    return hashlib.sha256(f"{content} {options}".encode()).hexdigest()[:16]
