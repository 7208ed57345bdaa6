"""Reads rows of events.tsv beside a recording that was paused: their onsets, and what was heard meanwhile."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from eeg2speech_bench.core.segments.recordings import Presentation, Stimulus, Word
from eeg2speech_bench.datasets.bids.events import StimulusRows
from eeg2speech_bench.datasets.bids.presentations import Joined, join
from eeg2speech_bench.datasets.preparation.cut_markers import find_cuts
from eeg2speech_bench.datasets.preparation.cuts import TOLERANCE_S, Cut, Stretch, clock_at, stretches_between

if TYPE_CHECKING:
    import mne
    import pandas as pd


#: formats whose own events count the time that passed, pauses included, as do tables made from them
COUNTING_PAUSES = ("EDF+D", "BDF+D")


def heard_in(raw: mne.io.BaseRaw, rows: StimulusRows, find: Callable[[str, str], Stimulus]) -> Joined:
    """Join the rows of a recording to stimuli in the time that passed, in which a pause stops no sound.

    Onsets count the samples that are stored, as the markers of BrainVision and EEGLAB do. Where the records of a file
    have times of their own (EDF+D), onsets count the time that passed.

    Parameters
    ----------
    raw : mne.io.BaseRaw
        The recording; its samples are not read.
    rows : StimulusRows
    find : callable
        Returns the stimulus of a stim_file, given the table for messages.

    Returns
    -------
    Joined
        Onsets count stored samples. A presentation that goes on over a cut is whole: `cuts.cut_presentations` splits
        it.
    """
    cuts, duration_s = find_cuts(raw), raw.n_times / float(raw.info["sfreq"])
    if not cuts:
        return join(rows, find, duration_s)
    stretches = stretches_between(cuts, duration_s)
    passed = _passed(rows.table, cuts)
    last = max(stretch.clock for stretch in stretches)
    heard: list[Presentation] = []
    words: dict[str, tuple[Word, ...]] = {}
    notes: dict[str, None] = {}
    for clock in range(last + 1):
        own = [stretch for stretch in stretches if stretch.clock == clock]
        mine = passed[passed["clock"] == clock].drop(columns="clock")
        if not own or mine.empty:
            continue
        # Behind a pause of unknown length a sound may have begun at any time before, and before one end at any.
        earlier_s = float(mine["in_file"].max()) if clock and mine["in_file"].notna().any() else 0.0
        stop_s = own[-1].stop_s + own[-1].ahead_s + earlier_s if clock == last else math.inf
        joined = join(replace(rows, table=mine.assign(onset=mine["onset"] + earlier_s)), find, stop_s)
        heard += _stored([replace(p, onset_s=p.onset_s - earlier_s) for p in joined.presentations], own)
        words |= joined.words
        notes |= dict.fromkeys(joined.notes)
    return Joined(tuple(heard), words, tuple(notes))


def _passed(rows: pd.DataFrame, cuts: Sequence[Cut]) -> pd.DataFrame:
    """Give each row the onset in time that passed, and the number of the clock that it is counted by."""
    if any(cut.kind in COUNTING_PAUSES for cut in cuts):
        return rows.assign(clock=0)
    clocks = [clock_at(onset_s, cuts) for onset_s in rows["onset"].tolist()]
    return rows.assign(onset=rows["onset"] + [ahead_s for ahead_s, _ in clocks], clock=[number for _, number in clocks])


def _stored(heard: Sequence[Presentation], stretches: Sequence[Stretch]) -> Iterator[Presentation]:
    """Count onsets in stored samples; a sound that began in a pause is heard from the pause's end."""
    for p in heard:
        for stretch in stretches:
            late_s = stretch.start_s + stretch.ahead_s - p.onset_s
            if p.onset_s < stretch.stop_s + stretch.ahead_s - TOLERANCE_S and late_s < p.recorded_s:
                rest = p.part(max(0.0, late_s), p.recorded_s)
                yield replace(rest, onset_s=rest.onset_s - stretch.ahead_s)
                break
