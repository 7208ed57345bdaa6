"""Finds when each sound file began in a recording, and repairs recordings whose first trigger was lost.

The published word times name a segment for each word. In nine recordings that name is one too low: they began after
segment 1 did, its trigger was lost, and the other eleven were numbered from 1. The time between two segments tells,
because it is the same for all listeners (reference: datasets, 1.6).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import pairwise

import numpy as np

from eeg2speech_bench.core.errors import DataError
from eeg2speech_bench.datasets.brennan2019.story import N_SEGMENTS, Story

#: seconds from the start of each sound file to that of the next: medians of 33 recordings, in which they vary by 0.05
GAPS_S = (57.618, 60.912, 63.312, 70.044, 66.328, 63.828, 62.962, 57.378, 57.278, 61.312, 56.228)
#: seconds by which the time between two segments may differ from that
GAP_TOLERANCE_S = 0.1
#: seconds by which a word may be off the line of its segment
WORD_TOLERANCE_S = 0.02
#: seconds by which the authors delayed the first trigger of a recording more than the others
FIRST_TRIGGER_S = 0.01
#: words of a segment, and segments in a row, without which their times prove nothing
LEAST_WORDS, LEAST_SEGMENTS = 5, 3


@dataclass(frozen=True)
class WordTimes:
    """When words begin in a recording, as a release says it.

    Attributes
    ----------
    source : str
        The file, for messages.
    order : array of int, shape (n,)
        Number of each word in the story.
    segment : array of int, shape (n,)
        What the file calls its segment.
    onset_s : array of float, shape (n,)
        Seconds from the recording's first sample.
    """

    source: str
    order: np.ndarray = field(repr=False)
    segment: np.ndarray = field(repr=False)
    onset_s: np.ndarray = field(repr=False)


@dataclass(frozen=True)
class Placement:
    """When the sound files began in a recording.

    Attributes
    ----------
    starts_s : dict of int to float
        True number of a segment to the recording's time at which its sound file began; below 0 where that was before.
    is_shifted : bool
        The release names every segment one too low.
    gap_error_s, word_error_s : float
        Largest deviation of the times between segments, and of words from the line of their segment.
    """

    starts_s: dict[int, float]
    is_shifted: bool
    gap_error_s: float
    word_error_s: float

    @property
    def missed_s(self) -> float:
        """Seconds of segment 1 that had passed when the recording began."""
        return max(0.0, -self.starts_s.get(1, 0.0))


def place(times: WordTimes, story: Story) -> Placement:
    """Place the sound files of the story in a recording.

    Parameters
    ----------
    times : WordTimes
    story : Story

    Raises
    ------
    DataError
        If words are not in the story or in another segment of it, are not on one line in their segment, or the times
        between segments are those of no part of the story.
    """
    inside_s = _inside(times, story)
    labelled, word_error_s = _labelled_starts(times, inside_s)
    first = min(labelled)
    gaps_s = np.array([labelled[b] - labelled[a] for a, b in pairwise(labelled)])
    errors_s = {shift: _gap_error(gaps_s, first - 1 + shift) for shift in (0, 1)}
    shift = min(errors_s, key=lambda number: errors_s[number])
    if errors_s[shift] > GAP_TOLERANCE_S:
        raise DataError(
            f"The times between segments in {times.source} are not those of the story",
            got=f"up to {errors_s[0]:.2f} s off as labelled, and {errors_s[1]:.2f} s if every label is one too low",
            expected=f"at most {GAP_TOLERANCE_S:g} s, as in all published recordings",
            then="The file belongs to another recording or was edited: take it from the release again.",
        )
    starts_s = _repaired(labelled) if shift else labelled
    return Placement(starts_s, bool(shift), errors_s[shift], word_error_s)


def _inside(times: WordTimes, story: Story) -> np.ndarray:
    """Return the times of words inside their sound files."""
    unknown = sorted(set(times.order.tolist()) - set(story.words.index))
    if unknown:
        raise _not_of(story, times, f"words of number {unknown[:5]}")
    said = story.words.loc[times.order]
    wrong = said["segment"].to_numpy() != times.segment
    if wrong.any():
        number = int(times.order[wrong][0])
        raise _not_of(story, times, f"word {number} in segment {int(times.segment[wrong][0])}")
    return said["onset_s"].to_numpy()


def _not_of(story: Story, times: WordTimes, got: str) -> DataError:
    return DataError(
        f"{times.source} does not go with {story.path}",
        got=got,
        expected="the words of that table, in their segments",
        then="Take both files from one release.",
    )


def _labelled_starts(times: WordTimes, inside_s: np.ndarray) -> tuple[dict[int, float], float]:
    """Return where each segment began, by what the file calls it, and the largest deviation of a word."""
    starts_s: dict[int, float] = {}
    worst_s = 0.0
    for segment in np.unique(times.segment).tolist():
        own = times.segment == segment
        if own.sum() < LEAST_WORDS:
            continue
        begun_s = times.onset_s[own] - inside_s[own]
        starts_s[segment] = float(np.median(begun_s))
        off_s = np.abs(begun_s - starts_s[segment])
        if off_s.max() > WORD_TOLERANCE_S:
            word = int(times.order[own][int(off_s.argmax())])
            raise DataError(
                f"Word {word} of {times.source} is not where its sound file has it",
                got=f"{off_s.max():.3f} s from the other words of segment {segment}",
                expected=f"at most {WORD_TOLERANCE_S:g} s",
                then="The table of words or this file was edited: take both from one release.",
            )
        worst_s = max(worst_s, float(off_s.max()))
    labels = sorted(starts_s)
    if len(labels) < LEAST_SEGMENTS or labels != list(range(labels[0], labels[0] + len(labels))):
        raise DataError(
            f"{times.source} holds too few segments to tell which they are",
            got=f"segments {labels} with {LEAST_WORDS} words or more",
            expected=f"at least {LEAST_SEGMENTS} in a row",
            then="Leave this recording out.",
        )
    return starts_s, worst_s


def _gap_error(gaps_s: np.ndarray, first: int) -> float:
    """Return the largest deviation from the times between segments, of which the first is number ``first``."""
    expected = np.array(GAPS_S[first : first + len(gaps_s)])
    return float(np.abs(gaps_s - expected).max()) if len(expected) == len(gaps_s) else np.inf


def _repaired(labelled: dict[int, float]) -> dict[int, float]:
    """Give every segment its true number, and place the one before the first, whose trigger was lost."""
    starts_s = {label + 1: start for label, start in labelled.items() if label < N_SEGMENTS}
    if 1 in labelled:  # it was taken for the first trigger, and delayed like one
        starts_s[2] -= FIRST_TRIGGER_S
        starts_s[1] = starts_s[2] - GAPS_S[0]
    return dict(sorted(starts_s.items()))
