"""Finds, checks and reads the sound files of a BIDS folder, as mono audio at 16 kHz."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from pathlib import Path, PurePosixPath

import numpy as np

from eeg2speech_bench.core.errors import DataError
from eeg2speech_bench.core.segments.recordings import Sound, Stimulus, Word
from eeg2speech_bench.core.stages.file_hashes import FileHashes
from eeg2speech_bench.datasets.sounds.channels import mixed
from eeg2speech_bench.datasets.sounds.decoding import decode
from eeg2speech_bench.datasets.sounds.sound_facts import sound_facts

RATE_HZ = 16_000

#: how git-annex and Git LFS stand in for a file that was not downloaded
POINTERS = (b"/annex/objects/", b".git/annex/objects/", b"version https://git-lfs")


class StimulusFolder:
    """Finds stimuli in the ``stimuli`` folder of a BIDS data set.

    Each file is opened once, and files that hold the same samples are one stimulus.

    Parameters
    ----------
    root : Path
    hashes : FileHashes
    channel : int, optional
        The channel that was heard, counted from 1; by default the mean of those that carry speech.
    """

    def __init__(self, root: Path, hashes: FileHashes, channel: int | None = None) -> None:
        self.root, self.hashes, self.channel = root, hashes, channel
        self._read: set[Path] = set()
        self._by_file: dict[str, Stimulus] = {}
        self._by_id: dict[str, Stimulus] = {}

    @property
    def stimuli(self) -> tuple[Stimulus, ...]:
        """The stimuli found so far, by name."""
        return tuple(sorted(self._by_id.values(), key=lambda s: s.name))

    @property
    def files(self) -> frozenset[Path]:
        """The sound files and transcripts that the stimuli found so far are read from."""
        return frozenset(self._read)

    def find(self, stim_file: str, source: str) -> Stimulus:
        """Return the stimulus that the column ``stim_file`` of the events file ``source`` names.

        Raises
        ------
        DataError
            If the path leaves the folder, or the file is missing, was not downloaded or is damaged.
        """
        if stim_file not in self._by_file:
            path = self._path(stim_file, source)
            stimulus = open_stimulus(path, stim_file, self.hashes, self.channel)
            self._read |= {file for file in (path, words_table(path)) if file.is_file()}
            first = self._by_id.setdefault(stimulus.stimulus_id, stimulus)
            if first is not stimulus:
                note = f"'{stim_file}' holds the same samples and is the same stimulus"
                self._by_id[stimulus.stimulus_id] = replace(first, notes=(*first.notes, note))
            self._by_file[stim_file] = self._by_id[stimulus.stimulus_id]
        return self._by_file[stim_file]

    def _path(self, stim_file: str, source: str) -> Path:
        parts = PurePosixPath(stim_file.replace("\\", "/"))
        if parts.is_absolute() or ".." in parts.parts or parts.parts[0] == "stimuli" or ":" in parts.parts[0]:
            raise DataError(
                f"A stim_file in {source} is not a path inside the folder stimuli",
                got=repr(stim_file),
                expected="a path relative to stimuli/, without a leading '/' or 'stimuli/' and without '..'",
                then="Correct that column of the events file.",
            )
        path = self.root / parts
        if not path.is_file() and not is_pointer(path):
            raise DataError(
                f"A stim_file in {source} does not exist",
                got=repr(stim_file),
                expected=f"the file {path}",
                then="Add the file, or correct that column of the events file.",
            )
        return path


def open_stimulus(path: Path, name: str, hashes: FileHashes, channel: int | None = None) -> Stimulus:
    """Open a sound file, and its words where ``<stem>_words.tsv`` lies beside it.

    Its columns are ``onset``, ``duration`` (seconds), ``word`` and, if known, ``sentence`` (a number per sentence).

    The id is a hash of the samples: a copy in another lossless format, or with another header, is the same stimulus.

    Parameters
    ----------
    path : Path
    name : str
    hashes : FileHashes
        Remembers what was decoded, where it has a cache.
    channel : int, optional
        The channel that was heard, counted from 1; by default the mean of those that carry speech.

    Raises
    ------
    DataError
        If the file was not downloaded, is no sound file, is shorter than its header says, is an MP3 without the
        encoder's delay, or has different sounds in its channels.
    """
    if is_pointer(path):
        raise DataError(
            f"Sound file {path} was not downloaded",
            got="a git-annex or Git LFS pointer instead of audio",
            then=f"Run: datalad get {path} (or git annex get {path}).",
        )
    facts = sound_facts(path, hashes, channel)
    duration_s = facts.n_frames / facts.rate_hz
    load = partial(load_sound, path, channel)
    return Stimulus(facts.sound_id, name, duration_s, load, _words(path), tuple(facts.notes))


def is_pointer(path: Path) -> bool:
    """Whether ``path`` is what git-annex or Git LFS leave in place of a file that was not downloaded."""
    if path.is_symlink() and not path.exists():
        text = str(path.readlink()).encode()
    elif path.is_file():
        with path.open("rb") as file:
            text = file.read(200)
    else:
        return False
    return any(pointer in text for pointer in POINTERS)


def load_sound(path: Path, channel: int | None = None) -> Sound:
    """Read a sound file as one channel, resampled to 16 kHz.

    Sample ``k`` is the time ``k / 16000`` of the file, whose length is rounded up to a sample.

    Parameters
    ----------
    path : Path
    channel : int, optional
        The channel to take, counted from 1; by default the mean of those that carry the sound.
    """
    import torch
    from torchaudio.functional import resample

    samples = decode(path)
    values, _ = mixed(samples, path, channel)
    mono = torch.from_numpy(np.ascontiguousarray(values))
    # torchaudio's default of 6 zero crossings takes 8 % of the power of white noise below 8 kHz; 64 take 2 %.
    mono = resample(mono, samples.rate_hz, RATE_HZ, lowpass_filter_width=64)
    return Sound("waveform", mono.numpy(), float(RATE_HZ))


def words_table(path: Path) -> Path:
    """Return where the transcript of a sound file lies, if it has one."""
    return path.with_name(f"{path.stem}_words.tsv")


def _words(path: Path) -> tuple[Word, ...]:
    import pandas as pd

    table = words_table(path)
    if not table.is_file():
        return ()
    rows = pd.read_csv(table, sep="\t", encoding="utf-8-sig", dtype=str, keep_default_na=False)
    missing = {"onset", "duration", "word"} - set(rows.columns)
    if missing:
        raise DataError(f"Transcript {table} lacks columns", got=list(rows.columns), expected="onset, duration, word")
    try:
        onset, duration = rows["onset"].astype(float), rows["duration"].astype(float)
        sentence = rows["sentence"].astype(int) if "sentence" in rows else [None] * len(rows)
    except ValueError as error:
        said = "a time or a sentence that is no number"
        raise DataError(f"Transcript {table} has {said}", got=str(error)) from None
    timed = zip(rows["word"], onset, duration, sentence, strict=True)
    return tuple(Word(word, start, start + length, number) for word, start, length, number in timed)
