"""Reads the words of a sound from the transcript beside it."""

from __future__ import annotations

from bisect import bisect_left
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from eeg2speech_bench.core.errors import DataError
from eeg2speech_bench.core.segments.recordings import Phone, Word
from eeg2speech_bench.datasets.bids.description import FILE
from eeg2speech_bench.datasets.bids.tables import numbers, read_table
from eeg2speech_bench.datasets.bids.textgrid import Interval, read_textgrid

if TYPE_CHECKING:
    import pandas as pd

#: tiers that hold words, in lower case, where the description names none
WORD_TIERS = ("words", "word")
#: tiers that hold phonemes
PHONE_TIERS = ("phones", "phone", "phonemes", "phoneme")

#: what aligners write where nothing is said, beside an empty text
SILENCES = ("", "sil", "sp", "<sil>", "<p:>")

#: seconds by which a word may begin after the end of its sound, for lengths that are rounded
TOLERANCE_S = 0.1


class Transcripts:
    """Finds and reads the transcripts that lie beside sounds.

    ``<stem>_words.tsv`` has the columns ``onset``, ``duration`` (seconds), ``word`` and, if known, ``sentence`` (a
    number per sentence). Without it, the tier ``words`` of ``<stem>.TextGrid`` is read, and the tier ``phones`` if
    there is one.

    Parameters
    ----------
    tier : str, optional
        Tier of TextGrids that holds the words.

    Attributes
    ----------
    files : set of Path
        The transcripts that were read.
    notes : list of str
        How they were read.
    """

    def __init__(self, tier: str | None = None) -> None:
        self.tier = tier
        self.files: set[Path] = set()
        self.notes: list[str] = []

    def words(self, sound: Path, duration_s: float) -> tuple[Word, ...]:
        """Return the words of a sound file; none where it has no transcript.

        Raises
        ------
        DataError
            If the transcript is damaged, lacks a column or a tier, or places a word outside the sound.
        """
        table = sound.with_name(f"{sound.stem}_words.tsv")
        grid = next((p for p in (sound.with_suffix(".TextGrid"), sound.with_suffix(".textgrid")) if _is_there(p)), None)
        if _is_there(table):
            self.files.add(table)
            return self._from_table(table, duration_s)
        if grid:
            self.files.add(grid)
            return self._from_grid(grid)
        return ()

    def _from_table(self, path: Path, duration_s: float) -> tuple[Word, ...]:
        table = read_table(path, self.notes.append)
        missing = {"onset", "duration", "word"} - set(table.columns)
        if missing:
            raise DataError(
                f"Transcript {path} lacks columns",
                got=list(table.columns),
                expected="onset, duration, word",
                then=f"Add {', '.join(sorted(missing))}.",
            )
        table = table[~table["word"].isin(["", "n/a"])]  # "None" and "nan" are words that people say
        onset, length = numbers(table, "onset", path), numbers(table, "duration", path)
        _check_times(path, table, onset, length, duration_s)
        sentences = numbers(table, "sentence", path) if "sentence" in table else onset * np.nan
        timed = zip(table["word"], onset, length, sentences, strict=True)
        return tuple(
            Word(word, start, start + seconds, None if np.isnan(number) else int(number))
            for word, start, seconds, number in timed
        )

    def _from_grid(self, path: Path) -> tuple[Word, ...]:
        tiers = read_textgrid(path)
        wanted = (self.tier.lower(),) if self.tier else WORD_TIERS
        tier = next((name for name in tiers if name.lower() in wanted), None)
        if tier is None:
            raise DataError(
                f"{path} has no tier of words",
                got=", ".join(tiers) or "no tier of intervals",
                expected=" or ".join(f"'{name}'" for name in wanted),
                then=f'Write tier = "NAME" under [transcripts] in {FILE}.',
            )
        phones = next((own for name, own in tiers.items() if name.lower() in PHONE_TIERS), ())
        return tuple(
            Word(i.text.strip(), i.start_s, i.stop_s, phones=_phones_of(i, phones)) for i in tiers[tier] if _is_said(i)
        )


def _is_there(path: Path) -> bool:
    return path.is_file() or path.is_symlink()


def _phones_of(word: Interval, phones: tuple[Interval, ...]) -> tuple[Phone, ...]:
    first, stop = (bisect_left(phones, edge, key=_middle_s) for edge in (word.start_s, word.stop_s))
    return tuple(Phone(i.text.strip(), i.start_s, i.stop_s) for i in phones[first:stop] if _is_said(i))


def _middle_s(interval: Interval) -> float:
    return (interval.start_s + interval.stop_s) / 2


def _is_said(interval: Interval) -> bool:
    return interval.text.strip().lower() not in SILENCES


def _check_times(path: Path, table: pd.DataFrame, onset: pd.Series, length: pd.Series, duration_s: float) -> None:
    wrong = onset.isna() | length.isna() | (onset < 0) | (length < 0) | (onset > duration_s + TOLERANCE_S)
    if wrong.any():
        k = int(np.argmax(wrong))
        row = table.index[k]
        word, start, seconds = table[["word", "onset", "duration"]].iloc[k]
        raise DataError(
            f"Row {row} of transcript {path} places '{word}' outside its sound",
            got=f"onset {start}, duration {seconds}",
            expected=f"seconds within 0 to {duration_s:.2f}",
            then="Correct the row (row 1 is the header).",
        )
