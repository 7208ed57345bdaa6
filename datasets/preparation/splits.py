"""Splits stimulus time into train, valid and test, and proves that they share no audio."""

from __future__ import annotations

import hashlib
import json
import math
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import combinations, pairwise

from eeg2speech_bench.core.errors import DataError, LeakageError, UsageError
from eeg2speech_bench.core.segments.recordings import Recording
from eeg2speech_bench.core.segments.segment_store import SPLITS
from eeg2speech_bench.core.segments.split import Evidence, Split

#: shares of stimulus time (train, valid, test) where neither the data set nor the user names others
DEFAULT_FRACTIONS = (0.7, 0.1, 0.2)

#: seconds below which two times are the same; far under one audio sample
TOLERANCE_S = 1e-6

#: seconds of which a window is a multiple, so that the generator of each preset halves it evenly at all its levels
WINDOW_STEP_S = 0.32


@dataclass(frozen=True, order=True)
class Zone:
    """A stretch of stimulus in one split; ``heard_in`` is a recording, where the split goes by recordings."""

    stimulus_id: str
    start_s: float
    stop_s: float
    split: str
    heard_in: str = field(default="", compare=False)

    @property
    def duration_s(self) -> float:
        """Length in seconds."""
        return self.stop_s - self.start_s

    def n_windows(self, window_s: float) -> int:
        """Number of windows of ``window_s`` seconds that fit side by side."""
        return math.floor((self.duration_s + TOLERANCE_S) / window_s)


@dataclass(frozen=True)
class SplitPlan:
    """Which stretches of stimulus train, validate and test, and the proof that they share nothing.

    Attributes
    ----------
    kind : str
        ``"stimulus-time"``, ``"subject"`` or ``"recording"``.
    fractions : tuple of float
        Shares of (train, valid, test) that were asked for.
    guard_s : float
        Stimulus time kept free between zones of different splits.
    zones : tuple of Zone
        Sorted; zones of different splits never share stimulus time.
    evidence : Evidence
        Of the stimuli; what concerns the EEG is known later.
    """

    kind: str
    fractions: tuple[float, float, float]
    guard_s: float
    zones: tuple[Zone, ...]
    evidence: Evidence

    @property
    def hash(self) -> str:
        """SHA-256 of the zones: equal for equal splits of equal audio."""
        rows = [[z.stimulus_id, round(z.start_s, 6), round(z.stop_s, 6), z.split] for z in self.zones]
        return hashlib.sha256(json.dumps(rows, separators=(",", ":")).encode()).hexdigest()

    def proven(self, eeg_gap_s: float | None) -> Split:
        """Return the split without its zones, with the smallest time between EEG samples of different parts."""
        return Split(
            kind=self.kind,
            fractions=list(self.fractions),
            guard_s=self.guard_s,
            evidence=self.evidence.model_copy(update={"eeg_gap_s": eeg_gap_s}),
            hash=self.hash,
        )


def plan_split(
    kind: str,
    durations_s: Mapping[str, float],
    recordings: Sequence[Recording],
    fractions: tuple[float, float, float] = DEFAULT_FRACTIONS,
    guard_s: float = 3.0,
    window_s: float = 2.88,
) -> SplitPlan:
    """Plan zones of stimulus time for train, valid and test, and prove them disjoint.

    ``"stimulus-time"`` orders the stimuli by a hash of their id. Where every stimulus is at most as long as the
    smallest share, whole stimuli are held out (test is rounded up); else the line of all stimuli is cut at the
    asked shares, with ``guard_s`` left unused around a cut. ``"subject"`` and ``"recording"`` hold out listeners
    or recordings, which is refused where they heard the same audio (reference: datasets, section 0, point 4).

    Parameters
    ----------
    kind : str
    durations_s : mapping of str to float
        Length of every stimulus that is heard, by id.
    recordings : sequence of Recording
    fractions : tuple of float
        Shares of (train, valid, test); they sum to 1.
    guard_s, window_s : float
        Seconds.

    Returns
    -------
    SplitPlan

    Raises
    ------
    UsageError
        If the fractions are not three positive numbers that sum to 1.
    LeakageError
        If two splits share stimulus audio, or come closer than the guard.
    DataError
        If a split holds no window, or there are fewer than three listeners or recordings to share out.
    """
    fractions = _checked_fractions(fractions)
    if kind == "stimulus-time":
        zones = _zones_by_time(durations_s, fractions, guard_s)
    else:
        zones = _zones_by_listener(kind, recordings, fractions)
    shared = prove_disjoint(kind, zones, guard_s)
    kept = tuple(z for z in _merged(zones) if z.n_windows(window_s))
    _check_not_empty(kind, kept, durations_s, guard_s, window_s)
    return SplitPlan(kind, fractions, guard_s, kept, _evidence(kept, shared, window_s))


def prove_disjoint(kind: str, zones: Sequence[Zone], guard_s: float = 0.0) -> dict[str, float]:
    """Prove that no two splits share stimulus time, and that they keep ``guard_s`` apart.

    Returns
    -------
    dict of str to float
        Shared seconds of each pair of splits (``"train-test"``, ...); all zero.

    Raises
    ------
    LeakageError
        With the shared seconds, and a stimulus and the recordings as the proof.
    """
    shared = {f"{a}-{b}": _shared_s(zones, a, b) for a, b in combinations(SPLITS, 2)}
    worst = max(shared, key=lambda pair: (shared[pair], pair == "train-test"))
    if shared[worst] > TOLERANCE_S:
        raise _leak(kind, zones, worst, shared[worst])
    near = _smallest_distance(zones)
    if near is not None and near < guard_s - TOLERANCE_S:
        raise LeakageError(
            f"Split '{kind}' leaves too little stimulus time between splits",
            got=f"{near:.2f} s",
            expected=f"at least {guard_s:g} s (data.guard_s)",
            then="Use --set data.split=stimulus-time.",
        )
    return shared


def _checked_fractions(fractions: Sequence[float]) -> tuple[float, float, float]:
    if len(fractions) != 3 or min(fractions) <= 0 or abs(sum(fractions) - 1) > 1e-6:
        raise UsageError(
            "Configuration key 'data.fractions' is wrong",
            got=list(fractions),
            expected="three positive shares (train, valid, test) that sum to 1",
            then="For example --set data.fractions=[0.7,0.1,0.2].",
        )
    train, valid, test = fractions
    return train, valid, test


def _shuffled(names: Sequence[str]) -> list[str]:
    """Order names by their hash: the same everywhere, and unrelated to how a data set numbers its stories."""
    return sorted(names, key=lambda name: hashlib.sha256(name.encode()).hexdigest())


def _zones_by_time(durations_s: Mapping[str, float], fractions: Sequence[float], guard_s: float) -> list[Zone]:
    order = _shuffled(list(durations_s))
    total_s = sum(durations_s.values())
    if max(durations_s.values()) <= min(fractions) * total_s + TOLERANCE_S:
        splits = _share_out(order, durations_s, fractions)
        return [Zone(s, 0.0, durations_s[s], splits[s]) for s in order]
    return list(_cut_line(order, durations_s, fractions, guard_s))


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
    order: Sequence[str], durations_s: Mapping[str, float], fractions: Sequence[float], guard_s: float
) -> Iterator[Zone]:
    """Cut the line of all stimuli, end to end, at the asked shares."""
    total_s = sum(durations_s.values())
    borders = [0.0, fractions[0] * total_s, (fractions[0] + fractions[1]) * total_s, total_s]
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


def _zones_by_listener(kind: str, recordings: Sequence[Recording], fractions: Sequence[float]) -> list[Zone]:
    units = {r.recording_id: r.subject if kind == "subject" else r.recording_id for r in recordings}
    order = _shuffled(sorted(set(units.values())))
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


def _merged(zones: Sequence[Zone]) -> list[Zone]:
    """Join overlapping zones of one stimulus and split; the result is sorted."""
    merged: list[Zone] = []
    for zone in sorted(zones, key=lambda z: (z.stimulus_id, z.split, z.start_s)):
        last = merged[-1] if merged else None
        if last and (last.stimulus_id, last.split) == (zone.stimulus_id, zone.split) and zone.start_s <= last.stop_s:
            merged[-1] = Zone(zone.stimulus_id, last.start_s, max(last.stop_s, zone.stop_s), zone.split)
        else:
            merged.append(Zone(zone.stimulus_id, zone.start_s, zone.stop_s, zone.split))
    return sorted(merged)


def _overlaps(zones: Sequence[Zone], one: str, other: str) -> Iterator[tuple[float, Zone, Zone]]:
    """Seconds shared by zones of two splits (negative: the distance between them), stimulus by stimulus."""
    by_stimulus: dict[str, list[Zone]] = defaultdict(list)
    for zone in zones:
        if zone.split == other:
            by_stimulus[zone.stimulus_id].append(zone)
    for a in zones:
        for b in by_stimulus.get(a.stimulus_id, []) if a.split == one else []:
            yield min(a.stop_s, b.stop_s) - max(a.start_s, b.start_s), a, b


def _shared_s(zones: Sequence[Zone], one: str, other: str) -> float:
    return sum((max(0.0, seconds) for seconds, _, _ in _overlaps(_merged(zones), one, other)), 0.0)


def _smallest_distance(zones: Sequence[Zone]) -> float | None:
    merged = _merged(zones)
    distances = [-s for a, b in combinations(SPLITS, 2) for s, _, _ in _overlaps(merged, a, b)]
    return min(distances, default=None)


def _leak(kind: str, zones: Sequence[Zone], pair: str, shared_s: float) -> LeakageError:
    one, other = pair.split("-")
    _, a, b = max(_overlaps(zones, one, other), key=lambda found: found[0])
    held_out_s = sum(z.duration_s for z in _merged(zones) if z.split == other)
    heard = f" (stimulus {a.stimulus_id} heard in {a.heard_in} ({one}) and in {b.heard_in} ({other}))"
    return LeakageError(
        f"Split '{kind}' shares {shared_s:.1f} of {held_out_s:.1f} s of {other} stimulus audio with {one}"
        + (heard if a.heard_in else f" (stimulus {a.stimulus_id})"),
        expected="no shared audio: a model could name the audio without reading the EEG",
        then="Use --set data.split=stimulus-time.",
    )


def _check_not_empty(
    kind: str, zones: Sequence[Zone], durations_s: Mapping[str, float], guard_s: float, window_s: float
) -> None:
    longest_s = max(durations_s.values())
    if longest_s < window_s - TOLERANCE_S:
        raise _too_short(longest_s, sorted(durations_s.values()), window_s)
    for split in SPLITS:
        if not any(z.split == split for z in zones):
            raise DataError(
                f"Split '{kind}' leaves no window for '{split}'",
                got=f"{sum(durations_s.values()):.1f} s of audio in {len(durations_s)} stimuli",
                expected=f"a stretch of {window_s:g} s beside guards of {guard_s:g} s",
                then="Use --set data.fractions=[0.4,0.2,0.4] or a smaller data.guard_s.",
            )


def _too_short(longest_s: float, durations_s: Sequence[float], window_s: float) -> DataError:
    """Advise a window that fits into nine of ten sounds, and that the generator's levels can halve."""
    fitting_s = durations_s[len(durations_s) // 10] // WINDOW_STEP_S * WINDOW_STEP_S
    return DataError(
        "No sound is as long as a window",
        got=f"{len(durations_s)} sounds of at most {longest_s:.2f} s",
        expected=f"sounds of data.window_s = {window_s:g} s and longer",
        then=f"Use --set data.window_s={fitting_s:g}."
        if fitting_s
        else f"Join them to longer files; the shortest window is {WINDOW_STEP_S:g} s.",
    )


def _evidence(zones: Sequence[Zone], shared: dict[str, float], window_s: float) -> Evidence:
    by_split = {split: [z for z in zones if z.split == split] for split in SPLITS}
    return Evidence(
        seconds={s: round(sum(z.duration_s for z in own), 6) for s, own in by_split.items()},
        n_stimuli={s: len({z.stimulus_id for z in own}) for s, own in by_split.items()},
        n_windows_apart={s: sum(z.n_windows(window_s) for z in own) for s, own in by_split.items()},
        shared_s=shared,
        smallest_distance_s=_smallest_distance(zones),
    )
