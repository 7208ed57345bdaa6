"""Splits stimulus time into train, valid and test, and proves that they share no audio."""

from __future__ import annotations

import hashlib
import json
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations, pairwise

from eeg2speech_bench.core.errors import DataError, LeakageError, UsageError
from eeg2speech_bench.core.segments.recordings import Recording
from eeg2speech_bench.core.segments.segment_store import SPLITS
from eeg2speech_bench.core.segments.split import Evidence, Split
from eeg2speech_bench.datasets.preparation.held_out import held_out_listeners
from eeg2speech_bench.datasets.preparation.shared_audio import shared_between, timelines, without_shared_passages
from eeg2speech_bench.datasets.preparation.zones import TOLERANCE_S, Zone, merged, shuffled
from eeg2speech_bench.datasets.sounds.shared_stretches import SharedStretch

#: shares of stimulus time (train, valid, test) where neither the data set nor the user names others
DEFAULT_FRACTIONS = (0.7, 0.1, 0.2)


#: seconds of which a window is a multiple, so that the generator of each preset halves it evenly at all its levels
WINDOW_STEP_S = 0.32


@dataclass(frozen=True)
class SplitPlan:
    """Which stretches of stimulus train, validate and test, and the proof that they share nothing.

    Attributes
    ----------
    kind : str
        ``"stimulus-time"``, ``"story"``, ``"sentence"``, ``"subject"`` or ``"recording"``.
    fractions : tuple of float
        Shares of (train, valid, test) that were asked for.
    guard_s : float
        Stimulus time kept free between zones of different splits.
    zones : tuple of Zone
        Sorted; zones of different splits never share stimulus time.
    evidence : Evidence
        Of the stimuli; what concerns the EEG is known later.
    held_out : tuple of str
        Listeners whose EEG is tested and never trained on; if there are any, the others are not tested.
    """

    kind: str
    fractions: tuple[float, float, float]
    guard_s: float
    zones: tuple[Zone, ...]
    evidence: Evidence
    held_out: tuple[str, ...] = ()

    def serves(self, subject: str, split: str) -> bool:
        """Whether EEG of a listener may serve a part of the split."""
        return not self.held_out or (subject in self.held_out) == (split == "test")

    @property
    def hash(self) -> str:
        """SHA-256 of the zones, and of held-out listeners: equal for equal splits of equal audio."""
        rows = [[z.stimulus_id, round(z.start_s, 6), round(z.stop_s, 6), z.split] for z in self.zones]
        rows += [["listener", name] for name in self.held_out]
        return hashlib.sha256(json.dumps(rows, separators=(",", ":")).encode()).hexdigest()

    def proven(self, eeg_gap_s: float | None) -> Split:
        """Return the split without its zones, with the smallest time between EEG samples of different parts."""
        return Split(
            kind=self.kind,
            fractions=list(self.fractions),
            guard_s=self.guard_s,
            held_out=list(self.held_out),
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
    shared: Sequence[SharedStretch] = (),
    names: Mapping[str, str] | None = None,
    sentence_ends_s: Mapping[str, Sequence[float]] | None = None,
    held_out: int | Sequence[str] = 0,
) -> SplitPlan:
    """Plan zones of stimulus time for train, valid and test, and prove them disjoint.

    ``"stimulus-time"`` orders the stimuli by a hash of their id. Where every stimulus is at most as long as the
    smallest share, whole stimuli are held out (test is rounded up); else the line of all stimuli is cut at the
    asked shares, with ``guard_s`` left unused around a cut. ``"story"`` never cuts a stimulus, ``"sentence"`` cuts
    between two sentences, nearest to the asked shares. ``"subject"`` and ``"recording"`` hold out listeners
    or recordings, which is refused where they heard the same audio (reference: datasets, section 0, point 4).

    Listeners are held out on top of any of them: then the test asks for audio and a listener that are both new.

    Stimuli that share at least half of the shorter one are split along one line of time. Of other audio that stimuli
    of different parts share, training keeps what it has and the others lose it.

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
    shared : sequence of SharedStretch
        Audio that stimuli have in common, by their ids.
    names : mapping of str to str, optional
        What the data set calls the stimuli, for messages.
    sentence_ends_s : mapping of str to sequence of float, optional
        Times between two sentences of each stimulus; needed for ``"sentence"`` alone.
    held_out : int or sequence of str
        Listeners whose EEG is only tested: how many, chosen by a hash of their names, or which.

    Returns
    -------
    SplitPlan

    Raises
    ------
    UsageError
        If the fractions are not three positive numbers that sum to 1, or the listeners to hold out are not there.
    LeakageError
        If two splits share stimulus audio, or come closer than the guard.
    DataError
        If a split holds no window, or there are fewer than three listeners or recordings to share out.
    """
    fractions = _checked_fractions(fractions)
    listeners = held_out_listeners({r.subject for r in recordings}, held_out)
    if kind in ("subject", "recording"):
        zones = _zones_by_listener(kind, recordings, fractions)
    else:
        zones = _zones_by_time(kind, durations_s, fractions, guard_s, shared, sentence_ends_s or {})
    shared_s = prove_disjoint(kind, zones, guard_s, shared, names)
    kept = tuple(z for z in merged(zones) if z.n_windows(window_s))
    _check_not_empty(kind, kept, durations_s, guard_s, window_s)
    return SplitPlan(kind, fractions, guard_s, kept, _evidence(kept, shared_s, window_s), listeners)


def prove_disjoint(
    kind: str,
    zones: Sequence[Zone],
    guard_s: float = 0.0,
    shared: Sequence[SharedStretch] = (),
    names: Mapping[str, str] | None = None,
) -> dict[str, float]:
    """Prove that no two splits share stimulus time or audio, and that they keep ``guard_s`` apart.

    Returns
    -------
    dict of str to float
        Shared seconds of each pair of splits (``"train-test"``, ...); all zero.

    Raises
    ------
    LeakageError
        With the shared seconds, and a stimulus and the recordings as the proof.
    """
    seconds = {f"{a}-{b}": _shared_s(zones, a, b) for a, b in combinations(SPLITS, 2)}
    worst = max(seconds, key=lambda pair: (seconds[pair], pair == "train-test"))
    if seconds[worst] > TOLERANCE_S:
        raise _leak(kind, zones, worst, seconds[worst])
    _prove_no_shared_audio(kind, zones, shared, names or {})
    near = _smallest_distance(zones)
    if near is not None and near < guard_s - TOLERANCE_S:
        raise LeakageError(
            f"Split '{kind}' leaves too little stimulus time between splits",
            got=f"{near:.2f} s",
            expected=f"at least {guard_s:g} s (data.guard_s)",
            then="Use --set data.split=stimulus-time.",
        )
    return seconds


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


def _zones_by_time(
    kind: str,
    durations_s: Mapping[str, float],
    fractions: Sequence[float],
    guard_s: float,
    shared: Sequence[SharedStretch],
    sentence_ends_s: Mapping[str, Sequence[float]],
) -> list[Zone]:
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


def _zones_by_listener(kind: str, recordings: Sequence[Recording], fractions: Sequence[float]) -> list[Zone]:
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
    return sum((max(0.0, seconds) for seconds, _, _ in _overlaps(merged(zones), one, other)), 0.0)


def _smallest_distance(zones: Sequence[Zone]) -> float | None:
    joined = merged(zones)
    distances = [-s for a, b in combinations(SPLITS, 2) for s, _, _ in _overlaps(joined, a, b)]
    return min(distances, default=None)


def _leak(kind: str, zones: Sequence[Zone], pair: str, shared_s: float) -> LeakageError:
    one, other = pair.split("-")
    _, a, b = max(_overlaps(zones, one, other), key=lambda found: found[0])
    held_out_s = sum(z.duration_s for z in merged(zones) if z.split == other)
    heard = f" (stimulus {a.stimulus_id} heard in {a.heard_in} ({one}) and in {b.heard_in} ({other}))"
    return LeakageError(
        f"Split '{kind}' shares {shared_s:.1f} of {held_out_s:.1f} s of {other} stimulus audio with {one}"
        + (heard if a.heard_in else f" (stimulus {a.stimulus_id})"),
        expected="no shared audio: a model could name the audio without reading the EEG",
        then="Use --set data.split=stimulus-time.",
    )


def _prove_no_shared_audio(
    kind: str, zones: Sequence[Zone], shared: Sequence[SharedStretch], names: Mapping[str, str]
) -> None:
    for parts in combinations(SPLITS, 2):
        found = list(shared_between(zones, shared, *parts))
        if not found:
            continue
        _, s, a, b = max(found, key=lambda proof: proof[0])
        one, other = (f"'{names.get(name, name)}'" for name in (s.one, s.other))
        heard = f" (heard in {a.heard_in} and in {b.heard_in})" if a.heard_in else ""
        seconds = sum(proof[0] for proof in found)
        raise LeakageError(
            f"Split '{kind}' shares {seconds:.1f} s of stimulus audio between {' and '.join(parts)}",
            got=f"{s.duration_s:.1f} s from {s.start_s:.1f} s of {one} on are the same as from {s.other_start_s:.1f} s "
            f"of {other} on, with a correlation of {s.correlation:.2f}{heard}",
            expected="no shared audio: a model could name the audio without reading the EEG",
            then="Use --set data.split=stimulus-time."
            if kind != "stimulus-time"
            else f"Set stim_file to n/a where {other} is heard, to leave it out.",
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
