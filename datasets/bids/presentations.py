"""Joins rows that name sounds to the sounds: which stretch of which stimulus was heard when."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from eeg2speech_bench.core.errors import DataError
from eeg2speech_bench.core.segments.recordings import Presentation, Stimulus, Word
from eeg2speech_bench.datasets.bids.clocks import (
    RESIDUAL_S,
    Playback,
    check_residuals,
    clock_ratio,
    playbacks,
)
from eeg2speech_bench.datasets.bids.description import FILE
from eeg2speech_bench.datasets.bids.events import StimulusRows

if TYPE_CHECKING:
    import pandas as pd

#: seconds by which a duration may exceed the file that it is of, and a row lie beyond the end of its file
TOLERANCE_S = 0.1

#: a shorter duration may be that of a marker or a word, and is that of a sound only if somebody says so
MARKER_S = 1.0

#: rows that tell by their absence that a stretch of the file was not heard, and seconds of silence that files begin or
#: end with
MANY_ROWS, SLACK_S = 10, 2.0

#: a stimulus may lose this share, and at most these seconds, to the end of the recording or to the next stimulus
LOST_SHARE, LOST_S = 0.1, 5.0


class _Played(NamedTuple):
    """A stretch of a stimulus, and the recording's time at which its first sample would have sounded."""

    origin_s: float
    stimulus: Stimulus
    from_s: float
    to_s: float
    row: object
    ratio: float = 1.0

    @property
    def begin_s(self) -> float:
        """Where the stretch begins in the recording."""
        return self.origin_s + self.from_s * self.ratio


@dataclass(frozen=True)
class Joined:
    """What was heard in a recording, the words that its rows spell, and lines on what was decided."""

    presentations: tuple[Presentation, ...]
    words: dict[str, tuple[Word, ...]]
    notes: tuple[str, ...]


def join(rows: StimulusRows, find: Callable[[str, str], Stimulus], recording_s: float) -> Joined:
    """Join the rows of a recording to the stimuli.

    A row is the start of its file, unless it has a time inside the file or the rows are periodic. BIDS has no column of
    its own for that and real data sets use rows in five ways (reference: datasets, 6.3), so rows that cannot all be
    starts are refused rather than guessed at.

    Parameters
    ----------
    rows : StimulusRows
    find : callable
        Returns the stimulus of a stim_file, given the table for messages.
    recording_s : float
        Length of the recording in seconds.

    Raises
    ------
    DataError
        If the rows contradict each other, or more than a tenth or 5 s of a stimulus lies outside the recording
        or under the next stimulus.
    """
    notes = list(rows.notes)
    played: list[_Played] = []
    anchored: list[tuple[Playback, Stimulus]] = []
    words: dict[str, tuple[Word, ...]] = {}
    for name, own in rows.table.groupby("stim_file", sort=False):
        stimulus = find(str(name), rows.source)
        if rows.meaning == "periodic":
            own = own.assign(in_file=_periodic(own["onset"].to_numpy(), stimulus, rows))
        timed = own[own["in_file"].notna()]
        if timed.empty:
            _check_starts(str(name), own, rows)
            played += _starts(own, stimulus, rows)
            continue
        if len(timed) < len(own):
            notes.append(f"left out rows of '{name}' without a time inside the file: {len(own) - len(timed)}")
        anchored += [(playback, stimulus) for playback in _playbacks(timed, stimulus, rows)]
        words[stimulus.stimulus_id] = _words(timed, stimulus, rows)
    ratio, said = _clock([playback for playback, _ in anchored], rows)
    played = [stretch._replace(ratio=ratio) for stretch in played]
    played += [_stretch(playback, stimulus, ratio, rows) for playback, stimulus in anchored]
    notes += [*said, *_partly_heard(played)]
    return Joined(tuple(_heard(played, recording_s, rows.source)), words, tuple(notes))


# Rows that are starts


def _check_starts(name: str, rows: pd.DataFrame, source: StimulusRows) -> None:
    """Refuse rows without a time inside their file where a description says that they have one."""
    if source.meaning == "inside" and source.is_described:
        raise DataError(
            f"No row of {source.source} says where inside '{name}' it lies",
            got=f"n/a in {len(rows)} rows, the first of them row {rows.index[0]}",
            expected="seconds inside the file",
            then=f"Correct the column, or 'inside' and [lookup] in {FILE}.",
        )


def _starts(rows: pd.DataFrame, stimulus: Stimulus, source: StimulusRows) -> list[_Played]:
    onsets, durations = rows["onset"].tolist(), rows["duration"].tolist()
    if not source.is_described:  # rows that are so near may be words, with durations of their own
        _check_apart(onsets, [stimulus.duration_s] * len(onsets), rows, stimulus, source)
    heard_s = [_heard_s(row, seconds, stimulus, source) for row, seconds in zip(rows.index, durations, strict=True)]
    _check_apart(onsets, heard_s, rows, stimulus, source)
    return [_Played(t, stimulus, 0.0, s, row) for t, s, row in zip(onsets, heard_s, rows.index, strict=True)]


def _check_apart(
    onsets: list[float], lengths_s: list[float], rows: pd.DataFrame, stimulus: Stimulus, source: StimulusRows
) -> None:
    gaps_s = [b - a for a, b in pairwise(onsets)]
    near = [k for k, gap_s in enumerate(gaps_s) if gap_s < lengths_s[k] - _may_lose_s(lengths_s[k])]
    if near:
        k = min(near, key=lambda k: gaps_s[k])
        raise DataError(
            f"{source.source} names '{stimulus.name}' in rows that cannot all be its start",
            got=f"{len(rows)} rows, rows {rows.index[k]} and {rows.index[k + 1]} are {gaps_s[k]:.2f} s apart "
            f"for {lengths_s[k]:.2f} s of sound",
            expected="one row where the file starts, or a column with the time inside the file",
            then="Add a column stim_onset (seconds inside the file at each row's onset), leave one row per start, or "
            f"write what the rows are into {FILE}: under [events] rows = 'inside' and inside = 'COLUMN', or rows = "
            "'periodic' and period_s = 1.0, or where = {trial_type = ['...']}; [lookup] brings a column from another "
            "table (docs/data.md).",
        )


def _heard_s(row: object, duration_s: float, stimulus: Stimulus, source: StimulusRows) -> float:
    """Return how much of a file was heard: its row's duration, and all of it where that is n/a or 0."""
    if np.isnan(duration_s) or duration_s == 0 or abs(duration_s - stimulus.duration_s) <= TOLERANCE_S:
        return stimulus.duration_s
    shortest_s = 0.0 if source.is_described else min(MARKER_S, stimulus.duration_s / 2)
    if shortest_s <= duration_s < stimulus.duration_s:
        return duration_s
    raise DataError(
        f"Row {row} of {source.source} gives '{stimulus.name}' a duration that is not that of its sound",
        got=f"{duration_s:g} s",
        expected=f"{shortest_s:g} to {stimulus.duration_s:.2f} s, or 0 or n/a if the whole file was heard",
        then=f"Correct it, or write duration = '' under [events] in {FILE} if the column is not about the sound, or "
        "rows = 'starts' if it is (row 1 is the header).",
    )


def _periodic(onset_s: np.ndarray, stimulus: Stimulus, source: StimulusRows) -> np.ndarray:
    """Return the time inside the file of rows that follow each other in equal steps from its start.

    A step that is not a multiple of the period, or leads beyond the end of the file, is another start.
    """
    inside_s = np.zeros(len(onset_s))
    for k in range(1, len(onset_s)):
        step = (onset_s[k] - onset_s[k - 1]) / source.period_s
        following = inside_s[k - 1] + round(step) * source.period_s
        on_grid = round(step) >= 1 and abs(step - round(step)) * source.period_s <= RESIDUAL_S
        inside_s[k] = following if on_grid and following <= stimulus.duration_s + TOLERANCE_S else 0.0
    return inside_s


# Rows inside their file


def _playbacks(rows: pd.DataFrame, stimulus: Stimulus, source: StimulusRows) -> list[Playback]:
    inside_s = rows["in_file"].to_numpy()
    outside = (inside_s < 0) | (inside_s > stimulus.duration_s + TOLERANCE_S)
    if outside.any():
        first = int(np.argmax(outside))
        raise DataError(
            f"Row {rows.index[first]} of {source.source} lies outside '{stimulus.name}'",
            got=f"{inside_s[first]:g} s inside the file",
            expected=f"0 to {stimulus.duration_s:.2f} s",
            then="The column stim_onset (or start) holds seconds inside the sound file; correct or rename it.",
        )
    return playbacks(stimulus.name, rows.index.to_numpy(), inside_s, rows["onset"].to_numpy(), source.source)


def _clock(found: list[Playback], source: StimulusRows) -> tuple[float, list[str]]:
    """Return the ratio of the clocks, and a line on it and on how exact the rows are."""
    if not found:
        return 1.0, []
    ratio = clock_ratio(found, source.source)
    worst_s = check_residuals(found, ratio, source.source)
    lines = []
    if ratio != 1.0:
        ppm, pace = abs(ratio - 1.0) * 1e6, "slow" if ratio < 1.0 else "fast"
        lines.append(f"the recording's clock runs {ppm:.0f} ppm {pace} against the sound: corrected")
    if worst_s >= 0.001:
        lines.append(f"rows agree within {1e3 * worst_s:.0f} ms on when their sound started")
    return ratio, lines


def _stretch(playback: Playback, stimulus: Stimulus, ratio: float, source: StimulusRows) -> _Played:
    """Return what was heard: the whole file, or from the first row to the last where there was no more.

    That is where playback was interrupted, where rows are periodic (they go on as long as the sound does), and where
    many rows leave a stretch at the start or the end of the file that is longer than any between them.
    """
    first = float(playback.inside_s[0])
    last = min(float(playback.inside_s[-1]) + _length_s(playback, source), stimulus.duration_s)
    slack_s = max(SLACK_S, 2 * float(np.max(np.diff(playback.inside_s), initial=0.0)))
    if len(playback.rows) < MANY_ROWS:
        slack_s = np.inf
    begins = playback.begins and first <= slack_s
    ends = playback.ends and stimulus.duration_s - last <= slack_s and source.meaning != "periodic"
    from_s, to_s = 0.0 if begins else first, stimulus.duration_s if ends else last
    return _Played(playback.origin_s(ratio), stimulus, from_s, to_s, playback.rows[0], ratio)


def _length_s(playback: Playback, source: StimulusRows) -> float:
    """Return how long the last row of a playback lasts."""
    if source.meaning == "periodic":
        return source.period_s
    return float(np.nan_to_num(source.table["duration"][playback.rows[-1]]))


def _partly_heard(played: list[_Played]) -> list[str]:
    """Say how many files were heard in part, by what their rows say."""
    parts = [p for p in played if p.to_s - p.from_s < p.stimulus.duration_s - TOLERANCE_S]
    if not parts:
        return []
    name, whole_s = parts[0].stimulus.name, parts[0].stimulus.duration_s
    first = f"{name} from {parts[0].from_s:.1f} to {parts[0].to_s:.1f} of {whole_s:.1f} s"
    return [f"heard in part, by their rows: {len(parts)} of {len(played)} ({first})"]


def _words(rows: pd.DataFrame, stimulus: Stimulus, source: StimulusRows) -> tuple[Word, ...]:
    """Return the words that rows inside their file spell, each once."""
    spoken = rows[rows["word"] != "n/a"].drop_duplicates("in_file").sort_values("in_file")
    lengths = spoken["duration"].fillna(0.0)
    timed = zip(spoken["word"], spoken["in_file"], lengths, spoken["sentence"], strict=True)
    return tuple(
        Word(text, start, min(start + length, stimulus.duration_s), int(sentence) if sentence.isdigit() else None)
        for text, start, length, sentence in timed
    )


# What of it lies in the recording


def _heard(played: list[_Played], recording_s: float, source: str) -> Iterator[Presentation]:
    """Yield the presentations in the order of time, each cut where the recording ends or the next one begins."""
    played.sort(key=lambda stretch: stretch.begin_s)
    following = [stretch.begin_s for stretch in played[1:]] + [np.inf]
    for stretch, next_s in zip(played, following, strict=True):
        begin = max(stretch.begin_s, 0.0)
        end = min(stretch.origin_s + stretch.to_s * stretch.ratio, recording_s, next_s)
        length_s = max(0.0, end - begin) / stretch.ratio
        _check_lost(stretch, length_s, next_s, recording_s, source)
        start_s = stretch.from_s + (begin - stretch.begin_s) / stretch.ratio
        yield Presentation(stretch.stimulus.stimulus_id, begin, length_s, start_s, stretch.ratio)


def _check_lost(stretch: _Played, length_s: float, next_s: float, recording_s: float, source: str) -> None:
    whole_s = stretch.to_s - stretch.from_s
    if whole_s - length_s > _may_lose_s(whole_s):
        raise DataError(
            f"Row {stretch.row} of {source} places '{stretch.stimulus.name}' at {stretch.begin_s:.2f} s, "
            "where it does not fit",
            got=f"{whole_s - length_s:.2f} of {whole_s:.2f} s lost",
            expected=f"it to end within the recording ({recording_s:.2f} s)"
            + (f" and before the next stimulus ({next_s:.2f} s)" if np.isfinite(next_s) else ""),
            then="Correct the onset, or set stim_file to n/a in that row to leave the presentation out.",
        )


def _may_lose_s(length_s: float) -> float:
    return min(LOST_SHARE * length_s, LOST_S)
