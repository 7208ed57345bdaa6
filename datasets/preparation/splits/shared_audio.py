"""Keeps audio that several stimuli share on one side of a split."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import product

from eeg2speech_bench.datasets.preparation.splits.zones import TOLERANCE_S, Zone, merged
from eeg2speech_bench.datasets.sounds.shared_stretches import SharedStretch

#: share of the shorter of two stimuli from which on both are split as one
ONE_LINE = 0.5
#: seconds by which the starts of stretches in one pair of stimuli may differ and still mean one placement
SAME_OFFSET_S = 0.1
#: seconds that are left out around a shared passage, whose ends are known to about 0.1 s
MARGIN_S = 0.25
#: which part keeps a passage that several hold: training has most to lose, and a test set no use for repeats
KEEPS_FIRST = ("train", "test", "valid")


@dataclass(frozen=True)
class Timeline:
    """Stimuli that share most of their audio, placed along one line of time.

    Attributes
    ----------
    starts_s : dict of str to float
        Where each stimulus starts on the line; the first starts at 0.
    durations_s : dict of str to float
    """

    starts_s: dict[str, float]
    durations_s: dict[str, float]

    @property
    def name(self) -> str:
        """The longest of its stimuli."""
        return max(sorted(self.starts_s), key=self.durations_s.__getitem__)

    @property
    def duration_s(self) -> float:
        """Length of the line."""
        return max(start + self.durations_s[s] for s, start in self.starts_s.items())

    def places(self, times_s: Mapping[str, Sequence[float]]) -> list[float]:
        """Return times of its stimuli as places on the line, sorted."""
        return sorted({start_s + time_s for s, start_s in self.starts_s.items() for time_s in times_s.get(s, ())})

    def zones(self, zone: Zone) -> Iterator[Zone]:
        """Yield what a zone of the line is in each stimulus."""
        for stimulus, start_s in self.starts_s.items():
            first, last = max(0.0, zone.start_s - start_s), min(self.durations_s[stimulus], zone.stop_s - start_s)
            if last - first > TOLERANCE_S:
                yield Zone(stimulus, first, last, zone.split)


def timelines(durations_s: Mapping[str, float], shared: Sequence[SharedStretch]) -> list[Timeline]:
    """Place stimuli that share at least half of the shorter one along one line; the others have a line each.

    Parameters
    ----------
    durations_s : mapping of str to float
        Length of every stimulus.
    shared : sequence of SharedStretch
    """
    line_of = {stimulus: {stimulus: 0.0} for stimulus in durations_s}
    for one, other, offset_s in _placements(durations_s, shared):
        mine, theirs = line_of[one], line_of[other]
        if mine is theirs:
            continue
        shift_s = mine[one] + offset_s - theirs[other]
        mine.update({stimulus: start_s + shift_s for stimulus, start_s in theirs.items()})
        line_of.update(dict.fromkeys(theirs, mine))
    unique = {id(line): line for line in line_of.values()}
    return [_from_zero(line, durations_s) for line in unique.values()]


def _from_zero(line: Mapping[str, float], durations_s: Mapping[str, float]) -> Timeline:
    first = min(line.values())
    return Timeline({s: start - first for s, start in line.items()}, {s: durations_s[s] for s in line})


def _placements(durations_s: Mapping[str, float], shared: Sequence[SharedStretch]) -> Iterator[tuple[str, str, float]]:
    """Yield the pairs that share at least half of the shorter at one offset (seconds), the largest share first."""
    seconds: dict[tuple[str, str, int], float] = defaultdict(float)
    weighted: dict[tuple[str, str, int], float] = defaultdict(float)
    for s in shared:
        offset_s = s.start_s - s.other_start_s
        key = (s.one, s.other, round(offset_s / SAME_OFFSET_S))
        seconds[key] += s.duration_s
        weighted[key] += s.duration_s * offset_s
    shares = {key: held / min(durations_s[key[0]], durations_s[key[1]]) for key, held in seconds.items()}
    for key in sorted(shares, key=lambda key: (-shares[key], key)):
        if shares[key] >= ONE_LINE:
            yield key[0], key[1], weighted[key] / seconds[key]


@dataclass(frozen=True)
class _Place:
    """Where a passage is in a stimulus, and when that stimulus starts in the time of the passage."""

    stimulus_id: str
    start_s: float
    stop_s: float
    origin_s: float = 0.0

    def overlaps(self, other: _Place) -> bool:
        """Whether both hold some of the same time of one stimulus."""
        return min(self.stop_s, other.stop_s) - max(self.start_s, other.start_s) > MARGIN_S

    def is_within(self, other: _Place) -> bool:
        """Whether another place says the same of all its time."""
        inside = other.start_s <= self.start_s and self.stop_s <= other.stop_s
        return inside and abs(self.origin_s - other.origin_s) < SAME_OFFSET_S


def without_shared_passages(zones: Sequence[Zone], shared: Sequence[SharedStretch]) -> list[Zone]:
    """Leave each moment of audio that several parts hold to one of them: training before test before validation.

    Returns
    -------
    list of Zone
        Cut around what was left out, with a margin of 0.25 s.
    """
    kept = list(zones)
    for passage in _passages(shared):
        stimuli = {place.stimulus_id for place in passage}
        others = [zone for zone in kept if zone.stimulus_id not in stimuli]
        kept = others + _cut_passage([zone for zone in kept if zone.stimulus_id in stimuli], passage)
    return kept


def _cut_passage(zones: Sequence[Zone], passage: Sequence[_Place]) -> list[Zone]:
    own: dict[tuple[str, str], list[Zone]] = defaultdict(list)
    for zone in zones:
        own[zone.stimulus_id, zone.split].append(zone)
    taken: list[Zone] = []  # in the time of the passage
    for part in KEEPS_FIRST:
        held: list[Zone] = []
        for place in passage:
            key = (place.stimulus_id, part)
            for span in taken:
                left_out = _common(place, span.start_s - place.origin_s, span.stop_s - place.origin_s)
                own[key] = [piece for zone in own[key] for piece in _without(zone, left_out)]
            for zone in own[key]:
                kept = _common(place, zone.start_s, zone.stop_s)
                if kept.duration_s > TOLERANCE_S:
                    held.append(Zone("", kept.start_s + place.origin_s, kept.stop_s + place.origin_s, ""))
        taken = merged([*taken, *held])
    return [zone for pieces in own.values() for zone in pieces]


def _common(place: _Place, start_s: float, stop_s: float) -> Zone:
    return Zone(place.stimulus_id, max(place.start_s, start_s), min(place.stop_s, stop_s), "")


def _without(zone: Zone, left_out: Zone) -> Iterator[Zone]:
    common_s = min(zone.stop_s, left_out.stop_s) - max(zone.start_s, left_out.start_s)
    if zone.stimulus_id != left_out.stimulus_id or left_out.duration_s <= TOLERANCE_S or common_s <= -MARGIN_S:
        yield zone
        return
    for start_s, stop_s in ((zone.start_s, left_out.start_s - MARGIN_S), (left_out.stop_s + MARGIN_S, zone.stop_s)):
        start_s, stop_s = max(start_s, zone.start_s), min(stop_s, zone.stop_s)
        if stop_s - start_s > TOLERANCE_S:
            yield replace(zone, start_s=start_s, stop_s=stop_s)


#: places of one passage, by stimulus
_Passage = dict[str, list[_Place]]


def _passages(shared: Sequence[SharedStretch]) -> list[list[_Place]]:
    """Collect the places of each passage; what is the same as a third is the same."""
    passages: dict[int, _Passage] = {}
    held_by: dict[str, set[int]] = defaultdict(set)
    for number, s in enumerate(shared):
        one = _Place(s.one, s.start_s, s.start_s + s.duration_s, -s.start_s)
        other = _Place(s.other, s.other_start_s, s.other_start_s + s.duration_s, -s.other_start_s)
        current, passages[number] = number, defaultdict(list)
        for end in (one, other):
            passages[number][end.stimulus_id].append(end)
        for stimulus in {s.one, s.other}:
            for old in held_by[stimulus] - {current}:
                current = _join(passages, current, old, stimulus, held_by)
        for stimulus in {s.one, s.other}:
            held_by[stimulus].add(current)
    return [[place for places in passage.values() for place in places] for passage in passages.values()]


def _join(passages: dict[int, _Passage], current: int, old: int, stimulus: str, held_by: Mapping[str, set[int]]) -> int:
    """Join two passages that hold the same time of a stimulus, the smaller into the larger; return what is current."""
    pairs = product(passages[current][stimulus], passages[old][stimulus])
    mine, theirs = next(((a, b) for a, b in pairs if a.overlaps(b)), (None, None))
    if mine is None or theirs is None:
        return current
    shift_s = mine.origin_s - theirs.origin_s
    kept, gone = current, old
    if len(passages[old]) > len(passages[current]):
        kept, gone, shift_s = old, current, -shift_s
    for name, places in passages.pop(gone).items():
        moved = (replace(place, origin_s=place.origin_s + shift_s) for place in places)
        known = passages[kept][name]
        known += [place for place in moved if not any(place.is_within(other) for other in known)]
        held_by[name].discard(gone)
        held_by[name].add(kept)
    return kept


def shared_between(
    zones: Sequence[Zone], shared: Sequence[SharedStretch], one: str, other: str
) -> Iterator[tuple[float, SharedStretch, Zone, Zone]]:
    """Yield the seconds that a zone of part ``one`` shares with one of part ``other``, with both zones as proof."""
    by_place: dict[tuple[str, str], list[Zone]] = defaultdict(list)
    for zone in zones:
        by_place[zone.stimulus_id, zone.split].append(zone)
    for s in shared:
        offset_s = s.start_s - s.other_start_s
        for a, b in ((one, other), (other, one)):
            for mine, theirs in product(by_place[s.one, a], by_place[s.other, b]):
                first = max(mine.start_s, theirs.start_s + offset_s, s.start_s)
                last = min(mine.stop_s, theirs.stop_s + offset_s, s.start_s + s.duration_s)
                if last - first > TOLERANCE_S:
                    yield last - first, s, mine, theirs
