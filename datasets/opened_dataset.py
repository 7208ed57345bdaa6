"""Holds what an opened data set gives."""

from __future__ import annotations

from dataclasses import dataclass

from eeg2speech_bench.core.segments.recordings import Recording, Stimulus


@dataclass(frozen=True)
class OpenedDataset:
    """A `SpeechDataset` whose stimuli and recordings are known.

    Attributes
    ----------
    name, about : str
    revision : str
        Hash of the content of all files that are read, and of the options.
    stimuli : tuple of Stimulus
    recordings : tuple of Recording
    sound_kind : str
        ``"waveform"`` or ``"envelope"``.
    skipped : tuple of (str, str)
        Recordings that are not used, with the reason.
    heard_together : tuple of (str, str)
        Pairs of stimuli, by id, that played at the same time: no split sets them apart.
    """

    name: str
    about: str
    revision: str
    stimuli: tuple[Stimulus, ...]
    recordings: tuple[Recording, ...]
    sound_kind: str
    skipped: tuple[tuple[str, str], ...] = ()
    heard_together: tuple[tuple[str, str], ...] = ()
    split_fractions: tuple[float, float, float] | None = None
    is_null: bool = False
