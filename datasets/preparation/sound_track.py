"""Writes the sounds of a data set into one array, and finds stimuli and their times in it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from eeg2speech_bench.core.errors import DataError
from eeg2speech_bench.core.segments.recordings import Sound, Stimulus
from eeg2speech_bench.datasets.preparation.growing_array import GrowingArray


@dataclass(frozen=True)
class SoundTrack:
    """All sounds in one array on disk, and where each stimulus lies in it.

    Attributes
    ----------
    path : Path
        The .npy file.
    stimulus_ids : tuple of str
    kind : str
        ``"waveform"`` or ``"envelope"``.
    rate_hz : float
    starts : array of int, shape (n_stimuli + 1,)
        First row of each stimulus, and the number of rows.
    """

    path: Path
    stimulus_ids: tuple[str, ...]
    kind: str
    rate_hz: float
    starts: np.ndarray

    def sound(self, stimulus_id: str) -> Sound:
        """Return the samples of a stimulus, which stay on disk until they are read."""
        number = self.stimulus_ids.index(stimulus_id)
        values = np.load(self.path, mmap_mode="r")[self.starts[number] : self.starts[number + 1]]
        return Sound(self.kind, values, self.rate_hz)

    def row(self, stimulus: np.ndarray, time_s: np.ndarray, room: int = 0) -> np.ndarray:
        """Return the row at a time of a stimulus, moved so that ``room`` rows of the stimulus follow it."""
        rows = self.starts[stimulus] + np.round(time_s * self.rate_hz).astype(np.int64)
        return np.minimum(rows, self.starts[stimulus + 1] - room)


def write_sounds(stimuli: Sequence[Stimulus], path: Path, report: Callable[[str, float], None]) -> SoundTrack:
    """Write the sounds of all stimuli, one after the other, into one array.

    Parameters
    ----------
    stimuli : sequence of Stimulus
        At least one.
    path : Path
        The .npy file to write.
    report : callable
        Called with a line of text and the share (0 to 1) of the sounds that are written.

    Raises
    ------
    DataError
        If a sound is of another kind than the first, has another length than it declares, or is not finite.
    """
    first: Sound | None = None
    starts = [0]
    with GrowingArray(path) as array:
        for i, stimulus in enumerate(stimuli):
            report(f"sound {i + 1} of {len(stimuli)}: {stimulus.name}", i / len(stimuli))
            sound = _checked_sound(stimulus)
            first = first or sound
            if (sound.kind, sound.rate_hz) != (first.kind, first.rate_hz):
                raise DataError(
                    f"Stimulus '{stimulus.name}' is of another kind than '{stimuli[0].name}'",
                    got=f"{sound.kind} at {sound.rate_hz:g} Hz",
                    expected=f"{first.kind} at {first.rate_hz:g} Hz for every stimulus of a data set",
                )
            array.append(sound.values)
            starts.append(array.n_rows)
    assert first is not None
    ids = tuple(s.stimulus_id for s in stimuli)
    return SoundTrack(path, ids, first.kind, first.rate_hz, np.array(starts))


def _checked_sound(stimulus: Stimulus) -> Sound:
    sound = stimulus.load()
    if not np.isfinite(sound.values).all():
        raise DataError(f"Sound of stimulus '{stimulus.name}' holds values that are not finite", then="Replace it.")
    if abs(len(sound.values) - stimulus.duration_s * sound.rate_hz) > 2:
        raise DataError(
            f"Stimulus '{stimulus.name}' has another length than it declares",
            got=f"{len(sound.values) / sound.rate_hz:.3f} s",
            expected=f"{stimulus.duration_s:.3f} s",
            then="Its file is probably truncated: download it again.",
        )
    return sound
