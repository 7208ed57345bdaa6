"""Compares the times between sounds over listeners: a table whose labels are off by one gives itself away."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from eeg2speech_bench.core.errors import DataError
from eeg2speech_bench.datasets.bids.bids_dataset import EXTENSIONS, MEG_EXTENSIONS
from eeg2speech_bench.datasets.bids.description import description_file, read_description
from eeg2speech_bench.datasets.bids.events import NothingHeardError, read_stimulus_rows
from eeg2speech_bench.datasets.checking.report import Finding

if TYPE_CHECKING:
    import pandas as pd

CHECK = "order of sounds"
#: rows of one sound with a longer pause between them are two presentations
PAUSE_S = 10.0
#: listeners who heard the same agree on the time from one start to the next; played by a computer, they do to 50 ms
AGREE_S = 0.1
#: a listener is off from here on
OFF_S = 0.5
#: labels that are off by some sounds match in the median to this, as first words lie elsewhere in another sound
MATCH_S = 1.0
#: as many listeners have to agree, and on as many pairs of sounds, for their times to be those of the experiment
MIN_LISTENERS, MIN_PAIRS = 3, 2
MAX_LABEL_SHIFT = 3


@dataclass(frozen=True)
class Timetable:
    """When each sound started in a recording, as the events say.

    Attributes
    ----------
    names : tuple of str
        In order of their starts.
    starts_s : array, shape (n,)
    """

    names: tuple[str, ...]
    starts_s: np.ndarray

    @property
    def gaps_s(self) -> dict[tuple[str, str], float]:
        """Seconds from the start of a sound to the start of the next."""
        return dict(zip(pairwise(self.names), np.diff(self.starts_s).tolist(), strict=True))


def read_timetables(root: Path) -> dict[str, Timetable]:
    """Read when sounds started from the rows of every recording of a BIDS folder; no EEG and no sound is read.

    Recordings whose rows cannot be read are left out: opening the data set says what is wrong with them.
    """
    timetables = {}
    for path in sorted(p for p in root.glob("sub-*/**/*_[em]eg.*") if p.suffix in EXTENSIONS + MEG_EXTENSIONS):
        with suppress(NothingHeardError, DataError):
            rows = read_stimulus_rows(root, path, read_description(description_file(root)))
            timetables[path.stem] = _timetable(rows.table)
    return timetables


def _timetable(rows: pd.DataFrame) -> Timetable:
    """Take the first row of each presentation, less the time inside the file where that is known."""
    found = []
    for name, own in rows.groupby("stim_file", sort=False):
        onsets = own["onset"].to_numpy()
        first = np.flatnonzero(np.diff(onsets, prepend=-np.inf) > PAUSE_S)
        in_file = np.nan_to_num(own["in_file"].to_numpy(dtype=float)[first])
        found += list(zip((onsets[first] - in_file).tolist(), [str(name)] * len(first), strict=True))
    found.sort()
    starts_s, names = zip(*found, strict=True)
    return Timetable(names, np.array(starts_s))


def findings_of_order(timetables: Mapping[str, Timetable]) -> Iterator[Finding]:
    """Name recordings whose times between sounds are not those of the others.

    Most listeners have to agree on them; where each starts a sound when ready, nothing is said. A listener who is
    off is compared with the times of the sounds before and after those that the rows name: a recording that began
    late lost its first trigger, and all its labels are off by one.
    """
    agreed = _agreed(timetables)
    if not agreed:
        return
    reference = {
        pair: float(np.median([timetables[r].gaps_s[pair] for r in having])) for pair, having in agreed.items()
    }
    order = max((timetables[r].names for having in agreed.values() for r in having), key=len)
    for recording, timetable in timetables.items():
        gaps = timetable.gaps_s
        off = {pair: gaps[pair] - reference[pair] for pair in gaps if pair in reference}
        if off and max(map(abs, off.values())) > OFF_S:
            yield _finding(recording, gaps, off, reference, order)


def _agreed(timetables: Mapping[str, Timetable]) -> dict[tuple[str, str], list[str]]:
    """Return the recordings that agree on the time between each pair of sounds; empty unless most do."""
    pairs = sorted({pair for timetable in timetables.values() for pair in timetable.gaps_s})
    if len(pairs) < MIN_PAIRS:
        return {}
    gaps = np.array([[t.gaps_s.get(pair, np.nan) for pair in pairs] for t in timetables.values()])
    largest = np.zeros(len(gaps), dtype=bool)
    for own in gaps:
        apart = np.abs(gaps - own)
        shared = np.isfinite(apart).sum(1)
        alike = (shared >= MIN_PAIRS) & (np.nan_to_num(apart).max(1) <= AGREE_S)
        largest = alike if alike.sum() > largest.sum() else largest
    comparable = (np.isfinite(gaps) & np.isfinite(gaps[largest]).any(0)).sum(1) >= MIN_PAIRS
    if largest.sum() < MIN_LISTENERS or 2 * largest.sum() <= comparable.sum():
        return {}
    names = list(timetables)
    having = {p: [names[k] for k in np.flatnonzero(largest & np.isfinite(gaps[:, j]))] for j, p in enumerate(pairs)}
    return {pair: recordings for pair, recordings in having.items() if recordings}


def _finding(
    recording: str,
    gaps: dict[tuple[str, str], float],
    off: dict[tuple[str, str], float],
    reference: dict[tuple[str, str], float],
    order: tuple[str, ...],
) -> Finding:
    (one, other), most = max(off.items(), key=lambda item: abs(item[1]))
    found = f"{abs(most):.2f} s {'longer' if most > 0 else 'shorter'} from {one} to {other} than for the others"
    shift = _label_shift(gaps, reference, order)
    if shift:
        heard = order[order.index(one) + shift]
        found += f"; labels are off by {shift:+d}: times match if what is named {one} is {heard}, and so on"
        then = "Its first trigger was probably lost: name the sounds anew, or leave the recording out."
    else:
        then = "Correct onset and stim_file, or set stim_file to n/a where the time is not known."
    return Finding(check=CHECK, severity="wrong", recording=recording, found=found, then=then)


def _label_shift(
    gaps: dict[tuple[str, str], float], reference: dict[tuple[str, str], float], order: tuple[str, ...]
) -> int | None:
    """Return by how many sounds labels have to be moved for the times to match; None if by none."""
    following = list(pairwise(order))
    as_labelled = max(abs(gaps[pair] - reference[pair]) for pair in gaps if pair in reference)
    for shift in sorted(range(-MAX_LABEL_SHIFT, MAX_LABEL_SHIFT + 1), key=abs):
        moved = {
            pair: following[k + shift]
            for k, pair in enumerate(following)
            if pair in gaps and 0 <= k + shift < len(following)
        }
        apart = [abs(gaps[pair] - reference[to]) for pair, to in moved.items() if to in reference]
        if shift and len(apart) >= MIN_PAIRS and np.median(apart) < MATCH_S and max(apart) < as_labelled / 2:
            return shift
    return None
