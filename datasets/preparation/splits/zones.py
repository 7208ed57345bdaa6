"""Defines a zone: a stretch of stimulus in one part of a split."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Sequence
from dataclasses import dataclass, field

#: seconds below which two times are the same; far under one audio sample
TOLERANCE_S = 1e-6


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


def merged(zones: Sequence[Zone]) -> list[Zone]:
    """Join overlapping zones of one stimulus and split; the result is sorted."""
    joined: list[Zone] = []
    for zone in sorted(zones, key=lambda z: (z.stimulus_id, z.split, z.start_s)):
        last = joined[-1] if joined else None
        if last and (last.stimulus_id, last.split) == (zone.stimulus_id, zone.split) and zone.start_s <= last.stop_s:
            joined[-1] = Zone(zone.stimulus_id, last.start_s, max(last.stop_s, zone.stop_s), zone.split)
        else:
            joined.append(Zone(zone.stimulus_id, zone.start_s, zone.stop_s, zone.split))
    return sorted(joined)


def shuffled(names: Sequence[str]) -> list[str]:
    """Order names by their hash: the same everywhere, and unrelated to how a data set numbers its stories."""
    return sorted(names, key=lambda name: hashlib.sha256(name.encode()).hexdigest())
