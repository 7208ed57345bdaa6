"""Keeps what was heard in step with a recording that was paused, edited, padded or joined from runs."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from eeg2speech_bench.core.segments.recordings import Presentation

#: onsets in tables have three decimals: one that lies closer before a cut is behind it
TOLERANCE_S = 1e-3

#: cleaned recordings have hundreds of cuts
MAX_NOTES = 10


@dataclass(frozen=True)
class Cut:
    """A place between two samples of a recording that did not follow each other.

    Attributes
    ----------
    at_s : float
        Time of the first sample behind it, counted in stored samples from the recording's first.
    removed_s : float or None
        Seconds that passed there and are not stored; None if nothing says how many.
    kind : str
        What the file calls it.
    skipped_s : float
        Seconds from ``at_s`` on that are stored but were not recorded: a writer filled them.
    """

    at_s: float
    removed_s: float | None
    kind: str
    skipped_s: float = 0.0


@dataclass(frozen=True)
class Stretch:
    """A part of a recording without a cut, in seconds of stored samples.

    ``ahead_s`` is what passed unrecorded before it, where that is known; stretches of one ``clock`` are those between
    which it is known.
    """

    start_s: float
    stop_s: float
    ahead_s: float
    clock: int


def stretches_between(cuts: Sequence[Cut], duration_s: float) -> tuple[Stretch, ...]:
    """List the stretches of a recording.

    Parameters
    ----------
    cuts : sequence of Cut
        Sorted by time, as `find_cuts` gives them.
    duration_s : float
        Length of the recording in stored samples.
    """
    found: list[Stretch] = []
    start_s, ahead_s, clock = 0.0, 0.0, 0
    for cut in cuts:
        if cut.at_s > start_s:
            found.append(Stretch(start_s, cut.at_s, ahead_s, clock))
        start_s = max(start_s, cut.at_s + cut.skipped_s)
        ahead_s, clock = _clock_behind(cut, ahead_s, clock)
    return (*found, Stretch(start_s, duration_s, ahead_s, clock)) if duration_s > start_s else tuple(found)


def clock_at(onset_s: float, cuts: Sequence[Cut]) -> tuple[float, int]:
    """Return what passed unrecorded before a stored time, in seconds, and the number of its clock."""
    ahead_s, clock = 0.0, 0
    for cut in cuts:
        if cut.at_s <= onset_s + TOLERANCE_S:
            ahead_s, clock = _clock_behind(cut, ahead_s, clock)
    return ahead_s, clock


def _clock_behind(cut: Cut, ahead_s: float, clock: int) -> tuple[float, int]:
    return (ahead_s, clock + 1) if cut.removed_s is None else (ahead_s + cut.removed_s, clock)


def cut_presentations(
    presentations: Sequence[Presentation],
    cuts: Sequence[Cut],
    duration_s: float,
    source: str,
    shift_s: float,
    sfreq: float,
) -> tuple[tuple[Presentation, ...], tuple[str, ...]]:
    """Split presentations at cuts, so that the EEG of no window spans one.

    The sound went on while nothing was recorded. Behind a cut it is therefore later by what was removed; where that is
    not known, the rest of the presentation is not used.

    Parameters
    ----------
    presentations : sequence of Presentation
        Their onsets count stored samples.
    cuts : sequence of Cut
        Sorted by time.
    duration_s : float
        Length of the recording in stored samples.
    source : str
        The recording's file, for the notes.
    shift_s : float
        Seconds by which the EEG of a window is later than its sound.
    sfreq : float
        Rate of the rows that windows are cut from, Hz.

    Returns
    -------
    presentations : tuple of Presentation
    notes : tuple of str
        One line per cut that a presentation met, up to `MAX_NOTES`.
    """
    if not cuts:
        return tuple(presentations), ()
    stretches = stretches_between(cuts, duration_s)
    # A window starts at the row nearest to its time: half a row is kept between it and the cut.
    room_s = 0.5 / sfreq
    pieces = [
        piece
        for p in presentations
        for piece in _pieces(p, clock_at(p.onset_s, cuts), stretches, duration_s, shift_s, room_s)
    ]
    notes = list(_notes(presentations, cuts, Path(source).name))
    if len(notes) > MAX_NOTES:
        notes[MAX_NOTES:] = [f"{Path(source).name}: so at {len(notes) - MAX_NOTES} later places."]
    return tuple(pieces), tuple(notes)


def _pieces(
    p: Presentation,
    clock_then: tuple[float, int],
    stretches: Sequence[Stretch],
    duration_s: float,
    shift_s: float,
    room_s: float,
) -> Iterator[Presentation]:
    ahead_s, clock = clock_then
    begin_s = p.onset_s + ahead_s
    for stretch in stretches:
        if stretch.clock != clock:
            continue
        start_s, stop_s = begin_s, begin_s + p.recorded_s
        # Windows that leave the recording itself are dropped later.
        if stretch.start_s > 0:
            start_s = max(start_s, stretch.start_s + stretch.ahead_s - shift_s + room_s)
        if stretch.stop_s < duration_s:
            stop_s = min(stop_s, stretch.stop_s + stretch.ahead_s - shift_s - room_s)
        if stop_s > start_s:
            yield replace(p.part(start_s - begin_s, stop_s - begin_s), onset_s=start_s - stretch.ahead_s)


def _notes(presentations: Sequence[Presentation], cuts: Sequence[Cut], name: str) -> Iterator[str]:
    begun = [(clock_at(p.onset_s, cuts), p) for p in presentations]
    ahead_s, clock = 0.0, 0
    for cut in cuts:
        met = [
            p
            for (ahead_then_s, clock_then), p in begun
            if clock_then == clock
            and p.onset_s + ahead_then_s < cut.at_s + ahead_s + cut.skipped_s
            and cut.at_s + ahead_s < p.onset_s + ahead_then_s + p.recorded_s
        ]
        if met:
            yield _note(cut, name, len(met))
        ahead_s, clock = _clock_behind(cut, ahead_s, clock)


def _note(cut: Cut, name: str, n_met: int) -> str:
    met = f"{n_met} presentation{'s' if n_met > 1 else ''}"
    if cut.skipped_s:
        return (
            f"{name}: {cut.skipped_s:.3f} s from {cut.at_s:.3f} s were not recorded ({cut.kind}); no window lies there."
        )
    if cut.removed_s is None:
        return f"{name}: an unknown time is missing at {cut.at_s:.3f} s ({cut.kind}); the rest of {met} is not used."
    return (
        f"{name}: {cut.removed_s:.3f} s are missing at {cut.at_s:.3f} s ({cut.kind}); {met} went on "
        "meanwhile and continue behind it at the later time of the sound."
    )
