"""Gives all recordings of a data set the same channels: those that all have, or all with the lacking interpolated."""

from __future__ import annotations

from collections.abc import Sequence
from copy import deepcopy
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

from eeg2speech_bench.core.errors import DataError
from eeg2speech_bench.core.presets.config import DataConfig
from eeg2speech_bench.core.segments.channel_types import Picks
from eeg2speech_bench.core.segments.recordings import Recording
from eeg2speech_bench.datasets.preparation.preprocessing import open_eeg

if TYPE_CHECKING:
    import mne

#: common channels that are enough, if they are half of every recording's as well
FEWEST_COMMON = 8


def with_equal_channels(recordings: Sequence[Recording], settings: DataConfig) -> list[Recording]:
    """Return recordings that all load the same channels in the same order.

    Parameters
    ----------
    recordings : sequence of Recording
        Those that do not say their channels are loaded for them.
    settings : DataConfig
        With ``channels="common"``, channels that a recording lacks are left out of all; with ``"interpolate"``, they
        are interpolated where they are lacking.

    Returns
    -------
    list of Recording
        With notes on what was left out or interpolated.

    Raises
    ------
    DataError
        If fewer than 8 channels, or fewer than half of a recording's, are common (or recorded, to interpolate from).
    """
    own = [r.channels or tuple(open_eeg(r, settings.picks).ch_names) for r in recordings]
    every = list(dict.fromkeys(name for names in own for name in names))
    common = [name for name in own[0] if all(name in names for names in own)]
    if len(common) == len(every):
        return [replace(r, load=partial(_load_common, r, common, settings.picks)) for r in recordings]
    if settings.channels == "interpolate":
        return [
            _interpolated(r, names, every, recordings, own, settings.picks)
            for r, names in zip(recordings, own, strict=True)
        ]
    if len(common) < FEWEST_COMMON or any(2 * len(common) < len(names) for names in own):
        raise _too_different(recordings, own, f"{FEWEST_COMMON} common channels, and half of each recording's")
    return [_reduced(r, names, common, settings.picks) for r, names in zip(recordings, own, strict=True)]


def _reduced(recording: Recording, own: Sequence[str], common: list[str], picks: Picks) -> Recording:
    extra = [name for name in own if name not in common]
    said = f"left out, since not every recording has them: {' '.join(extra)}"
    notes = (*recording.notes, said) if extra else recording.notes
    load = partial(_load_common, recording, common, picks)
    return replace(recording, load=load, channels=tuple(common), notes=notes)


def _load_common(recording: Recording, common: list[str], picks: Picks) -> mne.io.BaseRaw:
    raw = open_eeg(recording, picks)
    lacking = set(common) - set(raw.ch_names)
    if lacking:
        raise DataError(
            f"{recording.source} lacks channels that it was said to have",
            got=", ".join(raw.ch_names),
            expected=f"also {', '.join(sorted(lacking))}",
            then="The data set's plugin gives wrong Recording.channels; they can be left empty.",
        )
    return raw.reorder_channels(common)


def _interpolated(
    recording: Recording,
    own: Sequence[str],
    every: list[str],
    recordings: Sequence[Recording],
    owned: Sequence[Sequence[str]],
    picks: Picks,
) -> Recording:
    lacking = [name for name in every if name not in own]
    if len(own) < FEWEST_COMMON or 2 * len(own) < len(every):
        raise _too_different(
            recordings, owned, f"at least half of all {len(every)} channels in each to interpolate from"
        )
    donors = {name: next(r for r, names in zip(recordings, owned, strict=True) if name in names) for name in lacking}
    said = f"interpolated, since the recording lacks them: {' '.join(lacking)}"
    notes = (*recording.notes, said) if lacking else recording.notes
    load = partial(_load_with_lacking, recording, every, donors, picks)
    return replace(recording, load=load, channels=tuple(every), notes=notes)


def _load_with_lacking(
    recording: Recording, every: list[str], donors: dict[str, Recording], picks: Picks
) -> mne.io.BaseRaw:
    """Load a recording with flat channels, marked bad, in the places of those that it lacks."""
    import mne
    import numpy as np

    raw = open_eeg(recording, picks)
    if donors:
        raw.load_data(verbose="ERROR")
        info = mne.create_info(list(donors), raw.info["sfreq"], "eeg")
        flat = mne.io.RawArray(np.zeros((len(donors), raw.n_times)), info, first_samp=raw.first_samp, verbose="ERROR")
        raw.add_channels([flat], force_update_info=True)
        for donor in {r.recording_id: r for r in donors.values()}.values():
            places = {c["ch_name"]: c for c in donor.load().info["chs"]}
            for name in (n for n, r in donors.items() if r.recording_id == donor.recording_id):
                raw.info["chs"][raw.ch_names.index(name)].update(deepcopy(places[name]))  # its type as well
        raw.info["bads"] = [*raw.info["bads"], *donors]
    return raw.reorder_channels(every)


def _too_different(recordings: Sequence[Recording], own: Sequence[Sequence[str]], expected: str) -> DataError:
    """Name the recording that shares least with the first."""
    first = set(own[0])
    i = min(range(1, len(own)), key=lambda k: len(first & set(own[k])) / len(first | set(own[k])))
    missing, extra = sorted(first - set(own[i])), sorted(set(own[i]) - first)
    return DataError(
        f"{recordings[i].source} has other channels than the first recording",
        got=f"{len(own[i])} channels, missing {missing}, extra {extra}",
        expected=expected,
        then="Give all recordings the same names in channels.tsv, interpolate with --set data.channels=interpolate, "
        "or leave a recording out by moving its folder away.",
    )
