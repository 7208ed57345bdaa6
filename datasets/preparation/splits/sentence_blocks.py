"""Places zones as Defossez et al. (2023) do: blocks of sentences, each drawn by a hash of its words.

Neighbouring blocks lie in different parts without any time between them, so what changes slowly in a recording is on
both sides of the split. The rule is here to repeat the published protocol, not as advice.
"""

from __future__ import annotations

import hashlib
import random
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby, pairwise

from eeg2speech_bench.core.errors import DataError
from eeg2speech_bench.core.segments.recordings import Word
from eeg2speech_bench.datasets.preparation.splits.zones import Zone

#: sentences are joined until they last longer, in seconds
BLOCK_S = 6.0
#: what is added to the hash before it seeds the draw, and below which draws a block is tested or validates
SALT, TEST_BELOW, VALID_BELOW = 12, 0.2, 0.3
#: seconds that a block ends before the next one begins, so that no window spans the two
HAIR_S = 1e-4


@dataclass(frozen=True)
class _Sentence:
    """A sentence on the line of all stimuli, end to end."""

    text: str
    start_s: float


def zones_by_sentence_blocks(durations_s: Mapping[str, float], words: Mapping[str, Sequence[Word]]) -> list[Zone]:
    """Return zones made of whole blocks of sentences.

    A sentence lasts until the next one begins, the last one to the end; blocks go on over the end of a stimulus, and
    become a zone in each.

    Parameters
    ----------
    durations_s : mapping of str to float
        Seconds of each stimulus, in the order in which they are told.
    words : mapping of str to sequence of Word
        What is spoken in each, with numbers of sentences.

    Raises
    ------
    DataError
        If no word has the number of its sentence.
    """
    sentences = list(_sentences(durations_s, words))
    if not sentences:
        raise DataError(
            "Protocol 'brainmagick2023' needs transcripts that number their sentences",
            got="no word with the number of its sentence",
            expected="a column sentence in stimuli/<name>_words.tsv",
            then="Add it, or leave out --protocol.",
        )
    total_s = sum(durations_s.values())
    blocks = list(_blocks(sentences, total_s))
    ends_s = [*(start_s for _, start_s in blocks[1:]), total_s]
    return [
        zone
        for (text, start_s), end_s in zip(blocks, ends_s, strict=True)
        for zone in _within(durations_s, start_s, end_s, drawn_part(text))
    ]


def drawn_part(text: str) -> str:
    """Draw the part of a block from the text that names it: the same in every recording and data set."""
    draw = random.Random(int(hashlib.sha256(text.encode()).hexdigest(), 16) + SALT).random()
    return "test" if draw < TEST_BELOW else "valid" if draw < VALID_BELOW else "train"


def _sentences(durations_s: Mapping[str, float], words: Mapping[str, Sequence[Word]]) -> Iterator[_Sentence]:
    """Yield the sentences in the order of the line; one that goes on in the next stimulus is one sentence."""
    offset_s, line = 0.0, []
    for stimulus, duration_s in durations_s.items():
        line += [(word, offset_s + word.start_s) for word in words.get(stimulus, ()) if word.sentence is not None]
        offset_s += duration_s
    for _, spoken in groupby(line, key=lambda placed: placed[0].sentence):
        own = list(spoken)
        yield _Sentence(" ".join(word.text for word, _ in own), own[0][1])


def _blocks(sentences: Sequence[_Sentence], total_s: float) -> Iterator[tuple[str, float]]:
    """Yield the text and the start of each block: sentences in a row that last longer than `BLOCK_S` together."""
    texts: list[str] = []
    start_s = sentences[0].start_s
    for sentence, following in pairwise([*sentences, _Sentence("", total_s)]):
        start_s = start_s if texts else sentence.start_s
        texts.append(sentence.text)
        if following.start_s - start_s > BLOCK_S:
            yield ",".join(texts), start_s
            texts = []
    if texts:
        yield ",".join(texts), start_s


def _within(durations_s: Mapping[str, float], start_s: float, end_s: float, part: str) -> Iterator[Zone]:
    """Yield the stretch of each stimulus that lies between two places of the line."""
    offset_s = 0.0
    for stimulus, duration_s in durations_s.items():
        first, last = max(start_s - offset_s, 0.0), min(end_s - offset_s, duration_s) - HAIR_S
        if last > first:
            yield Zone(stimulus, first, last, part)
        offset_s += duration_s
