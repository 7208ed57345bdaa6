"""Finds, checks and reads the sound files of a BIDS folder, as mono audio at 16 kHz."""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import partial
from pathlib import Path, PurePosixPath

import numpy as np

from eeg2speech_bench.core.errors import DataError
from eeg2speech_bench.core.segments.recordings import Sound, Stimulus, Word
from eeg2speech_bench.core.stages.file_hashes import FileHashes

RATE_HZ = 16_000

#: WAV writers that do not know the length beforehand put about 2 or 4 GiB into the header
UNKNOWN_LENGTH = 0x7FFF0000

#: how git-annex and Git LFS stand in for a file that was not downloaded
POINTERS = (b"/annex/objects/", b".git/annex/objects/", b"version https://git-lfs")

#: returns the words of a sound file, given the file and its length in seconds
WordReader = Callable[[Path, float], tuple[Word, ...]]


class StimulusFolder:
    """Finds stimuli in the ``stimuli`` folder of a BIDS data set.

    Each file is opened once, and copies of one file are one stimulus.

    Parameters
    ----------
    root : Path
    hashes : FileHashes
    words : callable
        Returns the words of a sound file, given its length in seconds.
    """

    def __init__(self, root: Path, hashes: FileHashes, words: WordReader = lambda path, duration_s: ()) -> None:
        self.root, self.hashes, self.words = root, hashes, words
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
        if stim_file not in self._by_file:
            path = self._path(stim_file, source)
            stimulus = open_stimulus(path, stim_file, self.hashes, self.words)
            self._read.add(path)
            self._by_file[stim_file] = self._by_id.setdefault(stimulus.stimulus_id, stimulus)
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


def open_stimulus(path: Path, name: str, hashes: FileHashes, words: WordReader) -> Stimulus:
    """Open a sound file, with the words that ``words`` returns for it.

    The id is a hash of the file's bytes: files that sound alike but are encoded differently are two stimuli.

    Raises
    ------
    DataError
        If the file was not downloaded, is no sound file, or is shorter than its header says.
    """
    if is_pointer(path):
        raise DataError(
            f"Sound file {path} was not downloaded",
            got="a git-annex or Git LFS pointer instead of audio",
            then=f"Run: datalad get {path} (or git annex get {path}).",
        )
    duration_s = _duration_s(path)
    return Stimulus(hashes.of(path)[:16], name, duration_s, partial(load_sound, path), words(path, duration_s))


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


def load_sound(path: Path) -> Sound:
    """Read a sound file as the mean of its channels, resampled to 16 kHz."""
    import soundfile
    import torch
    from torchaudio.functional import resample

    try:
        values, rate_hz = soundfile.read(path, dtype="float32", always_2d=True)
        n_frames = soundfile.info(path).frames
    except (soundfile.LibsndfileError, RuntimeError) as error:
        raise _damaged(path, str(error)) from error
    if len(values) < n_frames:
        raise _damaged(path, f"{len(values)} of {n_frames} frames")
    mono = torch.from_numpy(np.ascontiguousarray(values.mean(1)))
    # torchaudio's default of 6 zero crossings takes 8 % of the power of white noise below 8 kHz; 64 take 2 %.
    mono = resample(mono, rate_hz, RATE_HZ, lowpass_filter_width=64)
    return Sound("waveform", mono.numpy(), float(RATE_HZ))


def _duration_s(path: Path) -> float:
    import soundfile

    try:
        info = soundfile.info(path, verbose=True)
    except (soundfile.LibsndfileError, RuntimeError) as error:
        raise _damaged(path, str(error)) from error
    wav = re.search(r"^data\s*: (\d+) \(should be (\d+)\)", info.extra_info, re.MULTILINE)
    if wav and int(wav[2]) < int(wav[1]) < UNKNOWN_LENGTH:
        raise _damaged(path, f"{wav[2]} bytes of sound where its header says {wav[1]}")
    if "lacks an end-of-stream" in info.extra_info:
        raise _damaged(path, "an Ogg stream that stops before its end")
    if info.frames == 0:
        raise _damaged(path, "no sound in it")
    return info.frames / info.samplerate


def _damaged(path: Path, got: str) -> DataError:
    return DataError(
        f"Sound file {path} is truncated or damaged",
        got=got,
        expected="a complete file that libsndfile reads (WAV, FLAC, Ogg, MP3)",
        then="Download or convert it again.",
    )
