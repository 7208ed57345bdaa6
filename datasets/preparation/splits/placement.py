"""Places the zones of a split: by stimulus time, by stories, by sentences, by listeners or by recordings."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import pairwise

from eeg2speech_bench.core.errors import DataError
from eeg2speech_bench.core.segments.recordings import Recording
from eeg2speech_bench.core.segments.segment_store import SPLITS
from eeg2speech_bench.datasets.preparation.splits.shared_audio import timelines, without_shared_passages
from eeg2speech_bench.datasets.preparation.splits.zones import TOLERANCE_S, Zone, shuffled
from eeg2speech_bench.datasets.sounds.shared_stretches import SharedStretch


def zones_by_time(
    kind: str,
    durations_s: Mapping[str, float],
    fractions: Sequence[float],
    guard_s: float,
    shared: Sequence[SharedStretch],
    sentence_ends_s: Mapping[str, Sequence[float]],
) -> list[Zone]:
    """Place zones along the time of stimuli; of those that share most of their audio, along one common line.

    Parameters
    ----------
    kind : str
        ``"stimulus-time"``, ``"story"`` or ``"sentence"``.
    durations_s : mapping of str to float
    fractions : sequence of float
        Shares of train, valid and test.
    guard_s : float
    shared : sequence of SharedStretch
    sentence_ends_s : mapping of str to sequence of float

    Raises
    ------
    DataError
        If there are too few stories or sentences.
    """
    # not by scikit-learn's splitters of groups: they draw whole groups at random, and know neither the time within a
    # sound, nor a gap between two parts of it, nor stretches of audio that two sounds share
    lines = {line.name: line for line in timelines(durations_s, shared)}
    lengths_s = {name: line.duration_s for name, line in lines.items()}
    order = shuffled(list(lines))
    total_s = sum(lengths_s.values())
    if kind == "story" or (
        kind == "stimulus-time" and max(lengths_s.values()) <= min(fractions) * total_s + TOLERANCE_S
    ):
        _refuse_few_stories(kind, order)
        splits = _share_out(order, lengths_s, fractions)
        zones = [Zone(name, 0.0, lengths_s[name], splits[name]) for name in order]
    else:
        borders = [0.0, fractions[0] * total_s, (fractions[0] + fractions[1]) * total_s, total_s]
        if kind == "sentence":
            ends_s = {name: line.places(sentence_ends_s) for name, line in lines.items()}
            borders = _nearest_ends(borders, order, lengths_s, ends_s)
        zones = list(_cut_line(order, lengths_s, borders, guard_s))
    placed = [part for zone in zones for part in lines[zone.stimulus_id].zones(zone)]
    return without_shared_passages(placed, shared)


def _refuse_few_stories(kind: str, stories: Sequence[str]) -> None:
    if kind == "story" and len(stories) < 3:
        raise DataError(
            "Split 'story' needs a sound for each of train, valid and test",
            got=len(stories),
            expected="at least 3",
            then="Use --set data.split=stimulus-time, which cuts a sound.",
        )


def _nearest_ends(
    borders: Sequence[float],
    order: Sequence[str],
    lengths_s: Mapping[str, float],
    ends_s: Mapping[str, Sequence[float]],
) -> list[float]:
    """Move the borders within the line of all stimuli to the nearest ends of sentences or stimuli."""
    if not any(ends_s.values()) and len(order) < 3:
        raise DataError(
            "Split 'sentence' needs transcripts that number their sentences",
            got="no sound with more than one sentence",
            expected="a column sentence in stimuli/<name>_words.tsv",
            then="Add it, or use --set data.split=stimulus-time.",
        )
    offset, places = 0.0, [0.0]
    for stimulus in order:
        places += [offset + end_s for end_s in ends_s[stimulus]]
        offset += lengths_s[stimulus]
        places.append(offset)
    moved = [0.0]
    for border in borders[1:-1]:
        later = [place for place in places if place > moved[-1] + TOLERANCE_S]
        moved.append(min(later, key=lambda place: abs(place - border), default=offset))
    return [*moved, offset]


def _share_out(order: Sequence[str], sizes: Mapping[str, float], fractions: Sequence[float]) -> dict[str, str]:
    """Give whole units to splits: test until its share is full, then valid to the nearest, the rest to train."""
    total = sum(sizes[unit] for unit in order)
    left = list(order)
    splits: dict[str, str] = {}
    filled = 0.0
    while filled < fractions[2] * total - TOLERANCE_S:
        splits[left[0]] = "test"
        filled += sizes[left.pop(0)]
    filled = 0.0
    while left and (filled == 0 or filled + sizes[left[0]] / 2 < fractions[1] * total):
        splits[left[0]] = "valid"
        filled += sizes[left.pop(0)]
    return {**splits, **dict.fromkeys(left, "train")}


def _cut_line(
    order: Sequence[str], durations_s: Mapping[str, float], borders: Sequence[float], guard_s: float
) -> Iterator[Zone]:
    """Cut the line of all stimuli, end to end, at three borders after its start."""
    offset = 0.0
    for stimulus in order:
        end = offset + durations_s[stimulus]
        for split, (low, high) in zip(SPLITS, pairwise(borders), strict=True):
            # Half of the guard on either side, only where the cut falls inside this stimulus.
            start = low + guard_s / 2 if low > offset + TOLERANCE_S else offset
            stop = high - guard_s / 2 if high < end - TOLERANCE_S else end
            start, stop = max(start, offset), min(stop, end)
            if stop - start > TOLERANCE_S:
                yield Zone(stimulus, start - offset, stop - offset, split)
        offset = end


def zones_by_listener(kind: str, recordings: Sequence[Recording], fractions: Sequence[float]) -> list[Zone]:
    """Hold out listeners or recordings, with all that they heard; a `DataError` for fewer than three."""
    units = {r.recording_id: r.subject if kind == "subject" else r.recording_id for r in recordings}
    order = shuffled(sorted(set(units.values())))
    if len(order) < 3:
        raise DataError(
            f"Split '{kind}' needs a {kind} for each of train, valid and test",
            got=len(order),
            expected="at least 3",
            then="Use --set data.split=stimulus-time.",
        )
    splits = _share_out(order, dict.fromkeys(order, 1.0), fractions)
    return [
        Zone(p.stimulus_id, p.start_s, p.start_s + p.duration_s, splits[units[r.recording_id]], r.recording_id)
        for r in recordings
        for p in r.presentations
    ]
