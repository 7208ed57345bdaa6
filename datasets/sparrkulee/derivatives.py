"""Opens what the authors of SparrKULee made of it: EEG at 64 Hz and envelopes, NumPy files of equal start."""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass, field
from functools import cached_property, partial
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from eeg2speech_bench.core.errors import DataError
from eeg2speech_bench.core.segments.recordings import Presentation, Recording, Sound, Stimulus
from eeg2speech_bench.core.stages.file_hashes import files_below
from eeg2speech_bench.datasets.caps import biosemi_names
from eeg2speech_bench.datasets.joined_trials import joined

if TYPE_CHECKING:
    import mne

#: samples per second of both
SFREQ, N_CHANS = 64.0, 64
#: name of a recording and of the sound in it
RECORDING = re.compile(r"(sub-(\w+?)_.*)_desc-preproc-audio-(.+)_eeg\.npy")
SOUND = "{}_-_envelope.npy"
#: what the sounds are called in ``stimuli/``
ENDINGS = (".npz.gz", ".npz")


@dataclass
class Derivatives:
    """What is opened so far; attributes as those of `RawRelease`."""

    root: Path
    stimuli: dict[str, Stimulus] = field(default_factory=dict)
    files: set[Path] = field(default_factory=set)
    _by_name: dict[str, Stimulus] = field(default_factory=dict)

    @cached_property
    def _below(self) -> list[Path]:
        return sorted(files_below(self.root))

    def recordings(self) -> dict[str, Path]:
        """Return the recordings by name, in a stable order."""
        found = {match[1]: path for path in self._below if (match := RECORDING.fullmatch(path.name))}
        return {name: found[name] for name in sorted(found)}

    def open(self, name: str, path: Path) -> Recording:
        """Open a recording; a `DataError` if it is damaged or its envelope is missing."""
        _, subject, sound = RECORDING.fullmatch(path.name).groups()  # type: ignore[union-attr]
        for ending in ENDINGS:
            sound = sound.removesuffix(ending)
        stimulus = self._stimulus(sound, path)
        n_times = _array(path, N_CHANS).shape[1]
        heard = Presentation(stimulus.stimulus_id, 0.0, min(n_times / SFREQ, stimulus.duration_s))
        notes = ("the authors filtered, cleaned and aligned this EEG and referred it to the common average",)
        names = tuple(biosemi_names([], N_CHANS, str(path)))
        return Recording(name, subject, str(path), (heard,), partial(load_recording, path), notes, names)

    def _stimulus(self, name: str, recording: Path) -> Stimulus:
        if name not in self._by_name:
            found = [path for path in self._below if path.name == SOUND.format(name)]
            if not found:
                raise DataError(
                    f"The envelope of {recording} is not there",
                    got=f"no {SOUND.format(name)}",
                    expected="the file in derivatives/preprocessed_stimuli",
                    then="Download that folder of the same release.",
                )
            self.files.add(found[0])
            envelope = load_envelope(found[0]).values
            key = hashlib.sha256(envelope.tobytes()).hexdigest()[:16]
            load = partial(load_envelope, found[0])
            self._by_name[name] = self.stimuli.setdefault(key, Stimulus(key, name, len(envelope) / SFREQ, load))
        return self._by_name[name]


def load_envelope(path: Path) -> Sound:
    """Read an envelope at 64 Hz."""
    values = _array(path, None)
    if values.size != max(values.shape):
        raise DataError(f"{path} is no envelope", got=f"shape {values.shape}", expected="one column")
    return Sound("envelope", np.ascontiguousarray(values.ravel(), dtype=np.float32), SFREQ)


def load_recording(path: Path) -> mne.io.RawArray:
    """Read a recording in volts; the files name no channels, and have the order of BioSemi's cap."""
    return joined([_array(path, N_CHANS).T], biosemi_names([], N_CHANS, str(path)), SFREQ, "biosemi64")


def _array(path: Path, n_rows: int | None) -> np.ndarray:
    try:
        values = np.load(path, mmap_mode="r", allow_pickle=False)
    except (OSError, ValueError, EOFError) as error:
        raise DataError(
            f"{path} cannot be read", got=f"{type(error).__name__}: {error}", then="Download it again."
        ) from error
    if values.ndim != 2 or (n_rows and values.shape[0] != n_rows):
        raise DataError(
            f"{path} has another shape than the release",
            got=values.shape,
            expected=f"({n_rows or 'samples'}, {'samples' if n_rows else 1})",
            then="Download it again.",
        )
    return values
