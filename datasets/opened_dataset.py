"""Holds what an opened data set gives."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from eeg2speech_bench.core.segments.recordings import Recording, Stimulus


@dataclass(frozen=True)
class OpenedDataset:
    """A `SpeechDataset` whose stimuli and recordings are known.

    Attributes
    ----------
    name, about : str
        What it is called, and who was recorded.
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
    split_fractions : tuple of float, optional
        Shares of the split that the data ask for.
    is_null : bool
        Whether recordings and sounds are independent.
    """

    name: str
    about: str
    revision: str
    stimuli: tuple[Stimulus, ...]
    recordings: tuple[Recording, ...]
    sound_kind: str = "waveform"
    skipped: tuple[tuple[str, str], ...] = ()
    heard_together: tuple[tuple[str, str], ...] = ()
    split_fractions: tuple[float, float, float] | None = None
    is_null: bool = False


def why_left_out(skipped: Sequence[tuple[str, str]]) -> str:
    """Return why the first recording is not used, and how many more there are; empty if there is none."""
    more = f" (and {len(skipped) - 1} more recordings)" if len(skipped) > 1 else ""
    return "".join(f"{name}: {reason}" for name, reason in skipped[:1]) + more
