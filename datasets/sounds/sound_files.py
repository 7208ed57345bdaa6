"""Finds, checks and reads the sound files of a BIDS folder, as mono audio at 16 kHz."""

from __future__ import annotations

from collections.abc import Callable
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

#: returns the words of a sound file, given the file and its length in seconds
WordReader = Callable[[Path, float], tuple[Word, ...]]


class StimulusFolder:
    """Finds stimuli in the ``stimuli`` folder of a BIDS data set.

    Each file is opened once, and files that hold the same samples are one stimulus.

    Parameters
    ----------
    root : Path
    hashes : FileHashes
    channel : int, optional
        The channel that was heard, counted from 1; by default the mean of those that carry speech.
    words : callable
        Returns the words of a sound file, given its length in seconds.
    """

    def __init__(
        self,
        root: Path,
        hashes: FileHashes,
        words: WordReader = lambda path, duration_s: (),
        channel: int | None = None,
    ) -> None:
        self.root, self.hashes, self.words, self.channel = root, hashes, words, channel
        self._read: set[Path] = set()
        self._by_file: dict[str, Stimulus] = {}
        self._by_id: dict[str, Stimulus] = {}

    @property
    def stimuli(self) -> tuple[Stimulus, ...]:
        """The stimuli found so far, by name."""
        return tuple(sorted(self._by_id.values(), key=lambda s: s.name))

    @property
    def files(self) -> frozenset[Path]:
        """The sound files that the stimuli found so far are read from."""
        return frozenset(self._read)

    def find(self, stim_file: str, source: str) -> Stimulus:
        """Return the stimulus that the column ``stim_file`` of the events file ``source`` names.

        Raises
        ------
        DataError
            If the path leaves the folder, or the file is missing, was not downloaded or is damaged.
        """
        return self._by_file.get(stim_file) or self.find_at(self._path(stim_file, source), stim_file)

    def find_at(self, path: Path, name: str) -> Stimulus:
        """Return the stimulus of a file wherever it lies, under the name that the data set gives it.

        Raises
        ------
        DataError
            If the file was not downloaded or is damaged.
        """
        if name not in self._by_file:
            stimulus = open_stimulus(path, name, self.hashes, self.words, self.channel)
            self._read.add(path)
            first = self._by_id.setdefault(stimulus.stimulus_id, stimulus)
            if first is not stimulus:
                note = f"'{name}' holds the same samples and is the same stimulus"
                self._by_id[stimulus.stimulus_id] = replace(first, notes=(*first.notes, note))
            self._by_file[name] = self._by_id[stimulus.stimulus_id]
        return self._by_file[name]

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


def open_stimulus(
    path: Path,
    name: str,
    hashes: FileHashes,
    words: WordReader = lambda path, duration_s: (),
    channel: int | None = None,
) -> Stimulus:
    """Open a sound file, with the words that ``words`` returns for it.

    The id is a hash of the samples: a copy in another lossless format, or with another header, is the same stimulus.

    Parameters
    ----------
    path : Path
    name : str
    hashes : FileHashes
        Remembers what was decoded, where it has a cache.
    words : callable
        Returns the words of a sound file, given its length in seconds.
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
    return Stimulus(facts.sound_id, name, duration_s, load, words(path, duration_s), tuple(facts.notes))


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
    samples = decode(path)
    values, _ = mixed(samples, path, channel)
    return at_16_khz(values, samples.rate_hz)


def at_16_khz(values: np.ndarray, rate_hz: int) -> Sound:
    """Resample a sound in one channel to 16 kHz, float32 (n_samples,)."""
    import torch
    from torchaudio.functional import resample

    mono = torch.from_numpy(np.ascontiguousarray(values))
    # torchaudio's default of 6 zero crossings takes 8 % of the power of white noise below 8 kHz; 64 take 2 %.
    mono = resample(mono, rate_hz, RATE_HZ, lowpass_filter_width=64)
    return Sound("waveform", mono.numpy(), float(RATE_HZ))
