"""Places the sound of a chapter in a recording, sentence by sentence, from the two times that each word has."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from eeg2speech_bench.core.errors import DataError
from eeg2speech_bench.core.segments.recordings import Word
from eeg2speech_bench.datasets.bids.tables import is_missing, numbers, read_table

if TYPE_CHECKING:
    import pandas as pd

COLUMNS = ("kind", "segment", "timemeg", "timechapter", "duration", "sentenceidx")

#: seconds by which a word may be off the others of its sentence before the sentence is left out
RESIDUAL_S = 0.02
#: sentences whose sounds began within so many seconds of each other, each by its own words, are one stretch
SAME_START_S = 0.005
#: seconds of a sentence over which another speed of the clocks has to show, and what it has to amount to
SENTENCE_S, DRIFT_S = 10.0, 0.002
#: clocks differ by less
MAX_DRIFT = 0.01


@dataclass(frozen=True)
class Stretch:
    """A stretch of a chapter: from when to when of its sound, and the recording's time of the sound's first sample."""

    from_s: float
    to_s: float
    origin_s: float


@dataclass(frozen=True)
class Chapter:
    """What the table of a recording says.

    Attributes
    ----------
    words : tuple of Word
        With times in the sound.
    stretches : tuple of Stretch
        In the order of time.
    ratio : float
        Seconds of the recording per second of sound.
    notes : tuple of str
    """

    words: tuple[Word, ...]
    stretches: tuple[Stretch, ...]
    ratio: float
    notes: tuple[str, ...] = field(default=())

    @property
    def ends_s(self) -> float:
        """Where the last word ends in the sound."""
        return max(word.stop_s for word in self.words)


def read_chapter(path: Path) -> Chapter:
    """Read the words of an events.tsv and when each was heard.

    The two times of a word, in the sound and in the recording, do not keep one distance over a chapter (the sound was
    played in pieces, or the clocks differ): each sentence is placed by its own words, and neighbours that agree to
    5 ms are joined. A single line through a chapter would be off by up to seconds.

    Parameters
    ----------
    path : Path

    Raises
    ------
    DataError
        If columns are missing, no word has both times, or the clocks differ by more than a hundredth.
    """
    table = read_table(path)
    lacking = [name for name in COLUMNS if name not in table]
    if lacking:
        raise DataError(
            f"{path} is no table of LibriBrain",
            got=f"no column {', '.join(lacking)}",
            expected=", ".join(COLUMNS),
            then="Download derivatives/events again.",
        )
    rows = table[(table["kind"] == "word") & ~table["timechapter"].map(is_missing) & ~table["timemeg"].map(is_missing)]
    if rows.empty:
        raise DataError(f"{path} has no word with timemeg and timechapter", then="Download derivatives/events again.")
    timed = _timed(rows, path)
    ratio = _ratio(timed, path)
    stretches, n_off = _stretches(timed, ratio)
    notes = [f"the sound is placed in {len(stretches)} stretches, by the words of each sentence"]
    if ratio != 1.0:
        notes.append(f"within sentences the recording's clock runs {1e6 * (ratio - 1):+.0f} ppm against the sound's")
    if n_off:
        notes.append(f"left out sentences whose words disagree by more than {1e3 * RESIDUAL_S:.0f} ms: {n_off}")
    spoken = timed["text"].astype(str), timed["inside_s"].astype(float), timed["stop_s"].astype(float)
    words = tuple(Word(*one) for one in zip(*spoken, timed["sentence"].astype(int), strict=True))
    return Chapter(words, tuple(stretches), ratio, tuple(notes))


def _timed(rows: pd.DataFrame, path: Path) -> pd.DataFrame:
    import pandas as pd

    inside_s = numbers(rows, "timechapter", path)
    timed = pd.DataFrame(
        {
            "text": rows["segment"],
            "inside_s": inside_s,
            "onset_s": numbers(rows, "timemeg", path),
            "stop_s": inside_s + numbers(rows, "duration", path).fillna(0.0),
            "sentence": numbers(rows, "sentenceidx", path).fillna(-1).astype(int),
        }
    )
    return timed.sort_values("inside_s", kind="stable")


def _ratio(timed: pd.DataFrame, path: Path) -> float:
    """Return the slope within sentences, whatever is between them; 1 if the difference is nothing over a sentence."""
    centred = timed[["inside_s", "onset_s"]] - timed.groupby("sentence")[["inside_s", "onset_s"]].transform("mean")
    x, y = centred["inside_s"].to_numpy(), centred["onset_s"].to_numpy()
    near = np.abs(y - x) <= max(4 * float(np.median(np.abs(y - x))), RESIDUAL_S)
    spread = float(np.sum(x[near] ** 2))
    ratio = float(np.sum(x[near] * y[near])) / spread if spread else 1.0
    if abs(ratio - 1.0) > MAX_DRIFT:
        raise DataError(
            f"The two times of words in {path} differ in speed",
            got=f"{ratio:.4f} s of recording for each second of sound",
            expected=f"within {MAX_DRIFT:.0%} of 1",
            then="Download the table again.",
        )
    return ratio if abs(ratio - 1.0) * SENTENCE_S > DRIFT_S else 1.0


def _stretches(timed: pd.DataFrame, ratio: float) -> tuple[list[Stretch], int]:
    """Return the stretches, and how many sentences were left out."""
    sentences, n_off = [], 0
    for _, own in timed.groupby("sentence", sort=False):
        origins = own["onset_s"].to_numpy() - ratio * own["inside_s"].to_numpy()
        origin_s = float(np.median(origins))
        if np.abs(origins - origin_s).max() > RESIDUAL_S:
            n_off += 1
        else:
            sentences.append(Stretch(float(own["inside_s"].min()), float(own["stop_s"].max()), origin_s))
    return list(_joined(sorted(sentences, key=lambda s: s.from_s))), n_off


def _joined(sentences: list[Stretch]) -> Iterator[Stretch]:
    """Join neighbours that agree, and let the others meet in the middle of the pause between them."""
    merged: list[list[Stretch]] = []
    for sentence in sentences:
        if merged and abs(sentence.origin_s - merged[-1][0].origin_s) <= SAME_START_S:
            merged[-1].append(sentence)
        else:
            merged.append([sentence])
    for number, group in enumerate(merged):
        before_s = merged[number - 1][-1].to_s if number else group[0].from_s
        after_s = merged[number + 1][0].from_s if number + 1 < len(merged) else group[-1].to_s
        from_s = (min(before_s, group[0].from_s) + group[0].from_s) / 2
        to_s = (group[-1].to_s + max(after_s, group[-1].to_s)) / 2
        yield Stretch(from_s, to_s, float(np.median([sentence.origin_s for sentence in group])))
