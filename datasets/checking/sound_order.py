"""Compares the times between sounds over listeners: a table whose labels are off by one gives itself away."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from eeg2speech_bench.core.segments.recordings import Recording
from eeg2speech_bench.datasets.checking.report import Finding

if TYPE_CHECKING:
    import pandas as pd

CHECK = "order of sounds"
#: columns that may say where inside the sound file a row lies
IN_FILE_COLUMNS = ("stim_onset", "start")
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
#: seconds by which a presentation may outlast what the events say
LONGER_S = 0.25


@dataclass(frozen=True)
class Timetable:
    """When each sound started in a recording, as the events say.

    Attributes
    ----------
    names : tuple of str
        In order of their starts.
    starts_s : array, shape (n,)
    durations_s : array, shape (n,)
        NaN where the events do not say how long it was heard.
    """

    names: tuple[str, ...]
    starts_s: np.ndarray
    durations_s: np.ndarray

    @property
    def gaps_s(self) -> dict[tuple[str, str], float]:
        """Seconds from the start of a sound to the start of the next."""
        return dict(zip(pairwise(self.names), np.diff(self.starts_s).tolist(), strict=True))


def read_timetables(root: Path) -> dict[str, Timetable]:
    """Read when sounds started from every events.tsv of a BIDS folder, by recording; no EEG and no sound is read.

    Tables that cannot be read are left out: opening the data set says what is wrong with them.
    """
    timetables = {}
    for path in sorted(root.glob("sub-*/**/*_events.tsv")):
        rows = _rows(path)
        if len(rows):
            timetables[path.name.replace("_events.tsv", "_eeg")] = _timetable(rows)
    return timetables


def _rows(path: Path) -> pd.DataFrame:
    """Return the rows that name a sound: onset, duration and in_file (seconds, NaN if unknown), stim_file."""
    import pandas as pd

    try:
        table = pd.read_csv(path, sep="\t", encoding="utf-8-sig", dtype=str, keep_default_na=False)
    except (OSError, ValueError):
        return pd.DataFrame()
    if not {"onset", "stim_file"} <= set(table):
        return pd.DataFrame()
    in_file = next((name for name in IN_FILE_COLUMNS if name in table), "")
    named = {"onset": "onset", "duration": "duration", "in_file": in_file}
    seconds = {
        to: pd.to_numeric(table[name], errors="coerce") if name in table else np.nan for to, name in named.items()
    }
    rows = pd.DataFrame({"stim_file": table["stim_file"].str.strip(), **seconds})
    named_rows = rows[~rows["stim_file"].isin(["", "n/a"]) & rows["onset"].notna()]
    return named_rows.sort_values("onset", kind="stable")


def _timetable(rows: pd.DataFrame) -> Timetable:
    """Take the first row of each presentation, less the time inside the file where that is known."""
    found = []
    for name, own in rows.groupby("stim_file", sort=False):
        onsets = own["onset"].to_numpy()
        first = np.flatnonzero(np.diff(onsets, prepend=-np.inf) > PAUSE_S)
        in_file = np.nan_to_num(own["in_file"].to_numpy()[first])
        # several rows in one presentation are words, and their durations are those of words
        duration = np.where(np.diff(first, append=len(own)) == 1, own["duration"].to_numpy()[first], np.nan)
        found += list(zip((onsets[first] - in_file).tolist(), [str(name)] * len(first), duration.tolist(), strict=True))
    found.sort()
    starts_s, names, durations_s = zip(*found, strict=True)
    return Timetable(names, np.array(starts_s), np.array(durations_s))


def findings_of_durations(recording: Recording, timetable: Timetable) -> Iterator[Finding]:
    """Tell of presentations that are used for longer than the events say that they lasted."""
    for presentation in recording.presentations:
        start_s = presentation.onset_s - presentation.start_s
        nearest = int(np.argmin(np.abs(timetable.starts_s - start_s)))
        said_s = float(timetable.durations_s[nearest])
        unsaid = not said_s > 0 or abs(timetable.starts_s[nearest] - start_s) > AGREE_S
        if not unsaid and presentation.duration_s - said_s > LONGER_S:
            used = f"{presentation.duration_s:.1f} s of it are used"
            yield Finding(
                check="duration",
                severity="wrong",
                recording=recording.recording_id,
                found=f"'{timetable.names[nearest]}' at {start_s:.1f} s lasted {said_s:.1f} s by the events; {used}",
                then="Correct the column duration, or cut the sound file where playback stopped.",
            )


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
