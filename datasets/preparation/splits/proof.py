"""Proves that the parts of a split share neither stimulus time nor audio."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from itertools import combinations

from eeg2speech_bench.core.errors import LeakageError
from eeg2speech_bench.core.segments.segment_store import SPLITS
from eeg2speech_bench.core.segments.split import Evidence
from eeg2speech_bench.datasets.preparation.splits.shared_audio import shared_between
from eeg2speech_bench.datasets.preparation.splits.zones import TOLERANCE_S, Zone, merged
from eeg2speech_bench.datasets.sounds.shared_stretches import SharedStretch


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


def split_evidence(zones: Sequence[Zone], shared: dict[str, float], window_s: float) -> Evidence:
    """Return what a split holds: seconds, stimuli and windows per part, and what its parts share."""
    by_split = {split: [z for z in zones if z.split == split] for split in SPLITS}
    return Evidence(
        seconds={s: round(sum(z.duration_s for z in own), 6) for s, own in by_split.items()},
        n_stimuli={s: len({z.stimulus_id for z in own}) for s, own in by_split.items()},
        n_windows_apart={s: sum(z.n_windows(window_s) for z in own) for s, own in by_split.items()},
        shared_s=shared,
        smallest_distance_s=_smallest_distance(zones),
    )


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
        expected="no shared audio: a model could name the audio without reading the recording",
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
            expected="no shared audio: a model could name the audio without reading the recording",
            then="Use --set data.split=stimulus-time."
            if kind != "stimulus-time"
            else f"Set stim_file to n/a where {other} is heard, to leave it out.",
        )
