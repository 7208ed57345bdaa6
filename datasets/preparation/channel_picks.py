"""Leaves of a data set what a run asks for: the recordings with channels of a type, and these channels alone."""

from __future__ import annotations

from dataclasses import replace

from eeg2speech_bench.core.segments.channel_types import PICKED, Picks
from eeg2speech_bench.core.segments.recordings import Recording, SpeechDataset
from eeg2speech_bench.datasets.opened_dataset import OpenedDataset
from eeg2speech_bench.datasets.preparation.preprocessing import no_such_channels


def picked(dataset: SpeechDataset, picks: Picks) -> SpeechDataset:
    """Return a data set with the channels of a type alone.

    A recording that does not say the types of its channels stays: its file will tell.

    Parameters
    ----------
    dataset : SpeechDataset
    picks : str
        ``"eeg"``, ``"mag"``, ``"grad"`` or ``"meg"``.

    Raises
    ------
    DataError
        If no recording has such a channel.
    """
    typed = [recording for recording in dataset.recordings if recording.channel_types]
    if not typed:
        return dataset
    kept = tuple(_with_types(r, picks) for r in dataset.recordings if not _lacks(r, picks))
    if not kept:
        raise no_such_channels(f"Data set '{dataset.name}'", picks, typed[0].channel_types)
    left_out = ((r.recording_id, f"no channel of type {' or '.join(PICKED[picks])}") for r in typed if _lacks(r, picks))
    return OpenedDataset(
        name=dataset.name,
        about=dataset.about,
        revision=dataset.revision,
        stimuli=tuple(dataset.stimuli),
        recordings=kept,
        sound_kind=dataset.sound_kind,
        skipped=(*getattr(dataset, "skipped", ()), *left_out),
        heard_together=getattr(dataset, "heard_together", ()),
        split_fractions=dataset.split_fractions,
        is_null=getattr(dataset, "is_null", False),
    )


def _lacks(recording: Recording, picks: Picks) -> bool:
    return bool(recording.channel_types) and not set(recording.channel_types) & set(PICKED[picks])


def _with_types(recording: Recording, picks: Picks) -> Recording:
    if not recording.channel_types:
        return recording
    named = zip(recording.channels, recording.channel_types, strict=True)
    channels = {name: kind for name, kind in named if kind in PICKED[picks]}
    return replace(recording, channels=tuple(channels), channel_types=tuple(channels.values()))
