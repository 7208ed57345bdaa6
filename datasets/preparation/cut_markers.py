"""Finds where a recording was paused, edited, padded or joined, from what its files say."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from eeg2speech_bench.datasets.preparation.cuts import Cut

if TYPE_CHECKING:
    import mne

#: MNE's mark of samples that a writer filled in: gaps of FIF files, the end of the last record of EDF files
SKIP = "BAD_ACQ_SKIP"
#: MNE's marks where runs were joined
JOINTS = ("BAD boundary", "EDGE boundary")
#: EEGLAB's mark where samples were removed
BOUNDARY = "boundary"
SEGMENT = "New Segment"

_MARKER = re.compile(r"^Mk\d+=([^,\r\n]*),[^,\r\n]*,(\d+),[^,\r\n]*,[^,\r\n]*(?:,(\d*))?", re.MULTILINE)
_MARKER_FILE = re.compile(r"^MarkerFile=(.*?)\s*$", re.MULTILINE)
_INTERVAL = re.compile(r"^SamplingInterval=\s*([\d.]+)", re.MULTILINE)
_RECORD_ONSET = re.compile(rb"([+-]\d+(?:\.\d*)?)\x14")
_PADDED = re.compile(rb"([+-]\d+(?:\.\d*)?)\x15(\d+(?:\.\d*)?)\x14BAD_ACQ_SKIP\x14")


def find_cuts(raw: mne.io.BaseRaw) -> tuple[Cut, ...]:
    """Find where samples that follow each other in a recording did not follow each other in time.

    Read are BrainVision's later segments, EEGLAB's boundaries, the times of records of EDF+D and BDF+D, samples that
    were filled in, and the joints of runs. The recording's files are read beside its annotations, because MNE keeps no
    dates of segments and MNE-BIDS replaces annotations by the rows of events.tsv.

    Parameters
    ----------
    raw : mne.io.BaseRaw
        As read, before it is resampled.

    Returns
    -------
    tuple of Cut
        Sorted by time, one per place.
    """
    sfreq, found, before_s, told_by_files = float(raw.info["sfreq"]), [], 0.0, False
    for name, first, n_samples in zip(raw.filenames, raw._first_samps, raw._raw_lengths, strict=True):
        read = _READERS.get(Path(name).suffix.lower()) if name else None
        told_by_files |= read is not None
        for cut in read(Path(name), sfreq) if read else ():
            at_s = cut.at_s - first / sfreq
            if -cut.skipped_s < at_s < n_samples / sfreq:
                found.append(replace(cut, at_s=at_s + before_s))
        before_s += n_samples / sfreq
    return tuple(_one_per_place([*found, *_annotated(raw, told_by_files)], sfreq, raw.n_times))


def mark_cuts(raw: mne.io.BaseRaw, cuts: Sequence[Cut]) -> None:
    """Replace a recording's annotations by its cuts, so that MNE filters each stretch by itself."""
    import mne

    kinds = [SKIP if cut.skipped_s else JOINTS[1] for cut in cuts]
    raw.set_annotations(mne.Annotations([c.at_s for c in cuts], [c.skipped_s for c in cuts], kinds), verbose="ERROR")


def _annotated(raw: mne.io.BaseRaw, told_by_files: bool) -> Iterator[Cut]:
    marks = raw.annotations
    onsets_s = marks.onset - raw.first_time
    # Files that MNE-BIDS wrote hold annotations as comments.
    texts = [text.removeprefix("Comment/") for text in marks.description.tolist()]
    for onset_s, duration_s, text in zip(onsets_s.tolist(), marks.duration.tolist(), texts, strict=True):
        if text == SKIP:
            yield Cut(onset_s, 0.0, SKIP, duration_s)
        elif text in JOINTS:
            yield Cut(onset_s, None, text)
        elif told_by_files:
            # A row of events.tsv may call something else a boundary, such as the end of a sentence.
            continue
        elif text == BOUNDARY:
            yield _boundary(onset_s, duration_s)
        elif text.startswith(f"{SEGMENT}/"):
            yield Cut(onset_s, None, SEGMENT)


def _boundary(onset_s: float, duration_s: float) -> Cut:
    # Joined files have boundaries of no length or NaN: nobody knows what lies between them.
    return Cut(onset_s, duration_s if duration_s > 0 else None, BOUNDARY)


def _one_per_place(found: Iterable[Cut], sfreq: float, n_times: int) -> Iterator[Cut]:
    """Move cuts to the first sample behind them, and keep of each place what says most."""
    places: dict[int, Cut] = {}
    for cut in sorted(found, key=lambda cut: (cut.removed_s is None, -cut.skipped_s)):
        # EEGLAB's boundaries lie between two samples.
        sample = max(0, math.ceil(cut.at_s * sfreq - 0.01))
        end = min(n_times, round((cut.at_s + cut.skipped_s) * sfreq))
        is_known = any(near in places for near in (sample - 1, sample, sample + 1))
        if not is_known and sample < n_times and (sample > 0 or end > 0):
            places[sample] = Cut(sample / sfreq, cut.removed_s, cut.kind, max(0, end - sample) / sfreq)
    yield from (places[sample] for sample in sorted(places))


def _brainvision(path: Path, sfreq: float) -> Iterator[Cut]:
    """Read later segments of a BrainVision recording; their dates say how long it was paused before."""
    header = path.with_suffix(".vhdr")
    if not header.is_file():
        return
    about = header.read_text(encoding="latin-1")
    named, interval = _MARKER_FILE.search(about), _INTERVAL.search(about)
    markers = path.with_suffix(".vmrk")
    if named and not markers.is_file():
        markers = path.with_name(named[1].replace("$b", path.stem))
    # Whoever loads the recording may have resampled it since.
    step_s = float(interval[1]) * 1e-6 if interval else 1 / sfreq
    started: tuple[float, datetime | None] | None = None
    for kind, position, date in _MARKER.findall(_text(markers)):
        if kind == SEGMENT:
            at_s, now = (int(position) - 1) * step_s, _date(date)
            if started is not None:
                yield Cut(at_s, _paused_s(started, at_s, now, step_s), SEGMENT)
            started = (at_s, now)


def _text(path: Path) -> str:
    return path.read_text(encoding="latin-1") if path.is_file() else ""


def _date(text: str) -> datetime | None:
    try:
        return datetime.strptime(text, "%Y%m%d%H%M%S%f")
    except ValueError:
        return None


def _paused_s(started: tuple[float, datetime | None], at_s: float, now: datetime | None, step_s: float) -> float | None:
    before_s, then = started
    if then is None or now is None:
        return None
    paused_s = (now - then).total_seconds() - (at_s - before_s)
    # A clock that was set back in between says nothing.
    return max(0.0, paused_s) if paused_s > -step_s else None


def _eeglab(path: Path, sfreq: float) -> Iterator[Cut]:
    import mne

    marks = mne.read_annotations(path.with_suffix(".set"))
    for onset_s, duration_s, text in zip(marks.onset.tolist(), marks.duration.tolist(), marks.description, strict=True):
        if text == BOUNDARY:
            yield _boundary(onset_s, duration_s)


def _edf(path: Path, sfreq: float) -> Iterator[Cut]:
    """Read the onset of every data record, and what MNE's writer filled in at the end."""
    with path.open("rb") as file:
        head = file.read(256)
        n_signals = int(head[252:256])
        signals = file.read(256 * n_signals)
    labels = [signals[16 * k : 16 * (k + 1)].strip() for k in range(n_signals)]
    lengths = np.array([int(signals[216 * n_signals + 8 * k :][:8]) for k in range(n_signals)])
    lengths *= 3 if head[:1] == b"\xff" else 2
    notes = [k for k, label in enumerate(labels) if label in (b"EDF Annotations", b"BDF Annotations")]
    n_records = (path.stat().st_size - int(head[184:192])) // int(lengths.sum())
    if not notes or n_records < 1:
        return
    shape = (n_records, int(lengths.sum()))
    records = np.memmap(path, np.uint8, "r", offset=int(head[184:192]), shape=shape)
    first = int(lengths[: notes[0]].sum())
    texts = [row.tobytes() for row in records[:, first : first + int(lengths[notes[0]])]]
    onsets_s = [float(match[1]) for match in map(_RECORD_ONSET.match, texts) if match]
    if head[192:197] in (b"EDF+D", b"BDF+D") and len(onsets_s) == n_records:
        yield from _record_gaps(onsets_s, float(head[244:252]), sfreq, head[192:197].decode())
    for onset, duration in _PADDED.findall(b"".join(texts)):
        yield Cut(float(onset) - (onsets_s or [0.0])[0], 0.0, SKIP, float(duration))


def _record_gaps(onsets_s: list[float], record_s: float, sfreq: float, kind: str) -> Iterator[Cut]:
    for number in range(1, len(onsets_s)):
        gap_s = onsets_s[number] - onsets_s[number - 1] - record_s
        if abs(gap_s) > 0.5 / sfreq:
            yield Cut(number * record_s, gap_s if gap_s > 0 else None, kind)


_READERS: dict[str, Callable[[Path, float], Iterator[Cut]]] = {
    ".eeg": _brainvision,
    ".dat": _brainvision,
    ".set": _eeglab,
    ".fdt": _eeglab,
    ".edf": _edf,
    ".bdf": _edf,
}
