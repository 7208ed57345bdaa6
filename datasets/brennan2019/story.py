"""Reads the table of the story's words: when each is spoken, and in which of the twelve sound files."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from eeg2speech_bench.core.errors import DataError
from eeg2speech_bench.core.segments.recordings import Word
from eeg2speech_bench.datasets.bids.tables import numbers, read_table

if TYPE_CHECKING:
    import pandas as pd

#: name of the table in every release
FILE = "AliceChapterOne-EEG.csv"
#: words of the published table, and sound files that they are spoken in
N_WORDS, N_SEGMENTS = 2129, 12
#: columns that are read, by the names that they are given
COLUMNS = {"Segment": "segment", "onset": "onset_s", "offset": "offset_s", "Order": "order", "Sentence": "sentence"}
#: what a spreadsheet made of a word when the table was saved again
DAMAGED = {"TRUE": "true"}


@dataclass(frozen=True)
class Story:
    """The words of the story.

    Attributes
    ----------
    path : Path
        The table, for messages.
    words : DataFrame
        One row per word, under the number ``order`` that all files give it: text, segment (1 to 12), onset_s and
        offset_s (seconds inside the segment's sound file), sentence (1 to 84).
    """

    path: Path
    words: pd.DataFrame = field(repr=False)

    def spoken_in(self, segment: int) -> tuple[Word, ...]:
        """Return the words of a segment, in the order in which they begin."""
        own = self.words[self.words["segment"] == segment].sort_values("onset_s", kind="stable")
        spoken = zip(own["text"], own["onset_s"], own["offset_s"], own["sentence"], strict=True)
        return tuple(Word(text, float(start), float(stop), int(sentence)) for text, start, stop, sentence in spoken)


def read_story(path: Path) -> Story:
    """Read the table of words, by the names of its columns: the two published copies order them differently.

    Parameters
    ----------
    path : Path

    Raises
    ------
    DataError
        If the table is not there, lacks a column, or is a copy that somebody edited.
    """
    import pandas as pd

    table = read_table(path)
    lacking = [name for name in ("Word", *COLUMNS) if name not in table]
    if lacking:
        raise DataError(
            f"{path} is not the table of the story's words",
            got=f"no column {', '.join(lacking)}",
            expected="the columns Word, Segment, onset, offset, Order, Sentence and others",
            then=f"Take {FILE} from the release itself.",
        )
    if len(table) != N_WORDS:
        raise _edited(path, f"{len(table)} rows", f"{N_WORDS}")
    found = {new: numbers(table, name, path) for name, new in COLUMNS.items()}
    words = pd.DataFrame({"text": table["Word"].replace(DAMAGED), **found})
    if words.isna().any(axis=None) or words["order"].duplicated().any():
        raise _edited(path, "a word without its time or number, or a number twice", "each word once")
    if sorted(words["segment"].unique()) != list(range(1, N_SEGMENTS + 1)):
        raise _edited(path, f"segments {sorted(words['segment'].unique())}", f"1 to {N_SEGMENTS}")
    whole = dict.fromkeys(("order", "segment", "sentence"), "int64")
    return Story(path, words.astype(whole).set_index("order"))


def _edited(path: Path, got: str, expected: str) -> DataError:
    return DataError(
        f"{path} is an edited copy of the table of the story's words",
        got=got,
        expected=f"{expected}, as published",
        then=f"A copy without 23 contractions and rare words is about. Take {FILE} from the release itself "
        "(DOI 10.7302/746w-g237, or sourcedata/ of nm000180).",
    )
