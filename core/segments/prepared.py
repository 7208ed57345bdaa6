"""Describes a prepared data set: what ``meta.json`` holds beside the arrays and tables of segments."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, ValidationError

from eeg2speech_bench.core.errors import DataError
from eeg2speech_bench.core.segments.channel_types import Picks
from eeg2speech_bench.core.segments.held_out import HeldOut, held_out_listeners
from eeg2speech_bench.core.segments.split import Split

FILE = "meta.json"
#: whose training windows the scale of a recording is from
ScaleOrigin = Literal["recording", "subject", "all"]
_AGAIN = "Delete that folder and run again; it is rebuilt."


class _PreparedPart(BaseModel):
    model_config = ConfigDict(frozen=True, strict=True, extra="forbid", allow_inf_nan=False)


class PreparedSignal(_PreparedPart):
    """The EEG of a window: channels, samples, sampling rate in Hz, and one MNE channel dictionary per channel."""

    n_chans: int
    n_times: int
    sfreq: float
    chs_info: list[dict[str, Any]]


class PreparedRecording(_PreparedPart):
    """A recording: its rows ``start`` to ``stop`` of ``eeg.npy``, and whose training windows its scale is from.

    ``scale_from`` is ``"subject"`` or ``"all"`` (the listener's other recordings, or all) where it has none itself;
    ``recorded_sfreq`` is the rate of its file in Hz, before it was resampled.
    """

    recording_id: str
    subject: str
    start: int
    stop: int
    scale_from: ScaleOrigin
    recorded_sfreq: float | None = None


class PreparedStimulus(_PreparedPart):
    """A stimulus: its id, what the data set calls it, its length in seconds, and whose voice it is where known."""

    stimulus_id: str
    name: str
    duration_s: float
    speaker: str = ""


class PreparedSound(_PreparedPart):
    """What ``sound.npy`` holds: ``"waveform"`` or ``"envelope"``, and its samples per second."""

    kind: str
    rate_hz: float


class SkippedRecording(_PreparedPart):
    """A recording that was left out, and why."""

    recording: str
    reason: str


class ReadingNote(_PreparedPart):
    """A decision on how a recording was read: a channel that was left out, a cut, a clock that was fitted."""

    recording: str
    note: str


class PreparedDataset(_PreparedPart):
    """The data set that the segments are from, its revision, what was left out of it, and how it was read."""

    name: str
    revision: str
    skipped: list[SkippedRecording] = []
    notes: list[ReadingNote] = []


class Prepared(_PreparedPart):
    """What is known of a prepared data set beside its arrays and tables.

    Attributes
    ----------
    window_s, stride_s, shift_s, baseline_s, clamp_iqr, highpass_hz, lowpass_hz, picks
        As in `core.presets.config.DataConfig`.
    signal : PreparedSignal
    subjects : list of str
        Names of the listeners; segments hold indices into it.
    recordings : list of PreparedRecording
    stimuli : list of PreparedStimulus
    sound : PreparedSound
    dataset : PreparedDataset
    split : Split
    n_segments : dict of str to int
        Per part of the split.
    has_transcripts : bool
    """

    window_s: float
    stride_s: float
    shift_s: float
    baseline_s: float
    clamp_iqr: float
    highpass_hz: float | None
    lowpass_hz: float | None
    signal: PreparedSignal
    subjects: list[str]
    recordings: list[PreparedRecording]
    stimuli: list[PreparedStimulus]
    sound: PreparedSound
    dataset: PreparedDataset
    split: Split
    n_segments: dict[str, int]
    has_transcripts: bool
    picks: Picks = "eeg"

    @classmethod
    def read(cls, folder: Path) -> Prepared:
        """Read the description of a finished ``prepare`` stage.

        Raises
        ------
        DataError
            If ``meta.json`` is missing or damaged.
        """
        path = Path(folder) / FILE
        try:
            return cls.model_validate_json(path.read_bytes())
        except FileNotFoundError:
            got, expected = f"no {FILE}", "all files of a finished stage"
            raise DataError(
                f"Prepared data set {folder} is incomplete", got=got, expected=expected, then=_AGAIN
            ) from None
        except (OSError, ValidationError) as error:
            got = f"{str(error).splitlines()[0]}"
            raise DataError(f"{path} cannot be read", got=got, then=_AGAIN) from error

    def holding_out(self, asked: HeldOut) -> Prepared:
        """Return it with listeners held out: they come last, and the split says who they are.

        Recordings, windows and scales stay; a listener's channels are scaled by their own EEG in either case.

        Parameters
        ----------
        asked : int, str or sequence of str
            See `core.segments.held_out.held_out_listeners`.
        """
        names = held_out_listeners(self.subjects, asked)
        if not names:
            return self
        marked = hashlib.sha256(json.dumps([self.split.hash, *names]).encode()).hexdigest()
        split = self.split.model_copy(update={"held_out": list(names), "hash": marked})
        known = [name for name in self.subjects if name not in names]
        return self.model_copy(update={"subjects": [*known, *names], "split": split})

    def write(self, folder: Path) -> None:
        """Write ``meta.json``."""
        text = json.dumps(self.model_dump(mode="json"), indent=1, allow_nan=False)
        (Path(folder) / FILE).write_text(text, encoding="utf8")
