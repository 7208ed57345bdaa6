"""Defines what a data set gives: recordings, stimuli, and the presentations that join them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Protocol

import numpy as np

if TYPE_CHECKING:
    import mne


@dataclass(frozen=True)
class Phone:
    """A phoneme as its transcript spells it, with its place in the stimulus, in seconds."""

    symbol: str
    start_s: float
    stop_s: float


@dataclass(frozen=True)
class Word:
    """A spoken word with its place in the stimulus, in seconds.

    ``sentence`` is the number of its sentence, where that is known; ``phones`` are empty where its phonemes are not.
    """

    text: str
    start_s: float
    stop_s: float
    sentence: int | None = None
    phones: tuple[Phone, ...] = ()


@dataclass(frozen=True)
class Sound:
    """Samples of a stimulus.

    Attributes
    ----------
    kind : str
        ``"waveform"`` (mono audio) or ``"envelope"`` (data sets that publish no audio).
    values : array of float32, shape (n_samples,)
    rate_hz : float
    """

    kind: str
    values: np.ndarray = field(repr=False)
    rate_hz: float


@dataclass(frozen=True)
class Stimulus:
    """One audio file (or envelope) that listeners heard.

    Attributes
    ----------
    stimulus_id : str
        Derived from the *content*, so that copies of one sound under several names are one stimulus and no
        split can put a copy on the other side.
    name : str
        What the data set calls it.
    duration_s : float
    load : callable
        Returns the `Sound`; called once per stimulus, in the ``prepare`` stage.
    words : tuple of Word
        Empty where the data set has no transcript.
    notes : tuple of str
        Lines on what was decided when the sound was read (a channel that was left out), which the record repeats.
    speaker : str
        Whose voice it is; empty where the data set does not say, or where it is of several.
    """

    stimulus_id: str
    name: str
    duration_s: float
    load: Callable[[], Sound] = field(repr=False)
    words: tuple[Word, ...] = field(default=(), repr=False)
    notes: tuple[str, ...] = ()
    speaker: str = ""


@dataclass(frozen=True)
class Presentation:
    """A stretch of stimulus heard in a recording.

    ``onset_s`` is the recording's time at which the stimulus time ``start_s`` sounds; ``duration_s`` seconds of the
    stimulus follow. ``clock_ratio`` is the seconds that pass on the recording's clock in a second of the stimulus.
    Times count stored samples from the recording's first one; a sound goes on while a recording is paused.
    """

    stimulus_id: str
    onset_s: float
    duration_s: float
    start_s: float = 0.0
    clock_ratio: float = 1.0

    @property
    def recorded_s(self) -> float:
        """Seconds that it lasts on the recording's clock."""
        return self.duration_s * self.clock_ratio

    def part(self, from_s: float, to_s: float) -> Presentation:
        """Return what was heard between two times after its onset, in seconds on the recording's clock."""
        return replace(
            self,
            onset_s=self.onset_s + from_s,
            duration_s=(to_s - from_s) / self.clock_ratio,
            start_s=self.start_s + from_s / self.clock_ratio,
        )


@dataclass(frozen=True)
class Recording:
    """One listener's continuous EEG or MEG.

    ``load`` returns an `mne.io.BaseRaw` in MNE's units (volts, tesla, tesla per metre); ``source`` names the file in
    error messages; ``notes`` are lines on what was decided when it was opened (a clock that was fitted), which the
    record repeats; ``channels`` are the names of its channels, left empty where only ``load`` can tell;
    ``channel_types`` are MNE's types of them (``"eeg"``, ``"mag"``, ``"grad"``), left empty where all are EEG.
    """

    recording_id: str
    subject: str
    source: str
    presentations: tuple[Presentation, ...]
    load: Callable[[], mne.io.BaseRaw] = field(repr=False)
    notes: tuple[str, ...] = ()
    channels: tuple[str, ...] = ()
    channel_types: tuple[str, ...] = ()


class SpeechDataset(Protocol):
    """Defines what every data set must give; all that follows is the same for all of them.

    One whose segments are made in another way than by windows of EEG names it in an attribute ``preparation``; one in
    which two talkers speak at once lists the pairs of their stimuli, by id, in ``heard_together``.

    Attributes
    ----------
    name : str
        Short name for tables and file names.
    about : str
        Who was recorded and what they heard, in a line, said beside every score; empty if unknown.
    is_null : bool
        EEG and speech are independent, so that signal of an encoder that reads the EEG is a false alarm.
    revision : str
        Changes whenever the content does (a hash of every byte that is read, or a published version). It is part of
        the ``prepare`` stage's key, and scores on another revision are never compared.
    stimuli : sequence of Stimulus
    recordings : sequence of Recording
    sound_kind : str
        ``"waveform"`` or ``"envelope"``: what `Stimulus.load` gives, known before anything is loaded.
    split_fractions : tuple of float, optional
        Recommended (train, valid, test) shares of stimulus time, where the default does not suit.
    """

    @property
    def name(self) -> str:
        """Short name."""

    @property
    def sound_kind(self) -> str:
        """What sounds are loaded as."""

    @property
    def about(self) -> str:
        """Who was recorded."""

    @property
    def is_null(self) -> bool:
        """Whether EEG and speech are independent."""

    @property
    def revision(self) -> str:
        """Version or hash of the content."""

    @property
    def split_fractions(self) -> tuple[float, float, float] | None:
        """Recommended shares of stimulus time, None for the default."""

    @property
    def stimuli(self) -> Sequence[Stimulus]:
        """The sounds that were heard."""

    @property
    def recordings(self) -> Sequence[Recording]:
        """The recordings, in a stable order."""
