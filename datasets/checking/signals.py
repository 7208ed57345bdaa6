"""Looks at the samples of a recording as they were recorded: what is no signal, and what was cut off."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from eeg2speech_bench.core.segments.channel_types import PICKED, Picks
from eeg2speech_bench.core.segments.recordings import Presentation, Recording
from eeg2speech_bench.datasets.checking.report import Finding

if TYPE_CHECKING:
    import mne

#: a value that a channel never passes is its limit once it stays there for so many samples ...
MIN_RUN = 3
#: ... and for this share of the recording
CLIPPED_SHARE = 0.001
#: all channels stand still for so long: nothing was recorded
GAP_S = 0.1
#: sound that may go with gaps before scores suffer
GAP_SHARE = 0.01
SHOWN = 6
MARK_BAD = "Set their status to bad in channels.tsv; they are then interpolated."
_LINE_HZ = (50.0, 60.0)
#: channels and seconds that line noise is measured on
_LINE_CHANNELS, _LINE_S = 8, 120.0


@dataclass(frozen=True)
class RecordedEeg:
    """EEG as recorded.

    Attributes
    ----------
    recording : str
    names : list of str
        Channels that are not marked bad.
    data : array, shape (n_chans, n_samples)
        Volts, or MNE's unit of MEG.
    sfreq : float
    presentations : tuple of Presentation
    """

    recording: str
    names: list[str]
    data: np.ndarray
    sfreq: float
    presentations: tuple[Presentation, ...]

    @classmethod
    def of(cls, recording: Recording, raw: mne.io.BaseRaw, of_type: Picks = "eeg") -> RecordedEeg:
        """Take the channels of a type of a loaded recording that are not marked bad."""
        kinds = raw.get_channel_types()
        good = [name not in raw.info["bads"] for name in raw.ch_names]
        picks = [k for k, kind in enumerate(kinds) if kind in PICKED[of_type] and good[k]]
        names = [raw.ch_names[k] for k in picks]
        return cls(recording.recording_id, names, raw.get_data(picks), raw.info["sfreq"], recording.presentations)


def _not_finite(eeg: RecordedEeg) -> Iterator[Finding]:
    bad = ~np.isfinite(eeg.data)
    if bad.any():
        first_s = int(np.argmax(bad.any(0))) / eeg.sfreq
        found = f"{int(bad.sum())} samples are not finite, from {first_s:.1f} s on, in {_listed(eeg.names, bad.any(1))}"
        then = "Repair the file, or crop the recording and its events."
        yield Finding(check="not finite", severity="refused", recording=eeg.recording, found=found, then=then)


def _flat(eeg: RecordedEeg) -> Iterator[Finding]:
    flat = np.ptp(eeg.data, axis=1) == 0
    if flat.any():
        found = f"{_listed(eeg.names, flat)} never changes"
        yield Finding(check="flat", severity="refused", recording=eeg.recording, found=found, then=MARK_BAD)


def _clipped(eeg: RecordedEeg) -> Iterator[Finding]:
    shares = np.array([_share_at_limits(values) for values in eeg.data])
    clipped = shares > CLIPPED_SHARE
    if clipped.any():
        found = (
            f"{_listed(eeg.names, clipped)}: at the highest or lowest value for up to {shares.max():.1%} of the time"
        )
        yield Finding(check="clipping", severity="wrong", recording=eeg.recording, found=found, then=MARK_BAD)


def _gaps(eeg: RecordedEeg) -> Iterator[Finding]:
    """All channels at once stand still where an amplifier paused or packets were lost."""
    still = np.ones(eeg.data.shape[1] - 1, dtype=bool)
    for values in eeg.data:
        still &= values[1:] == values[:-1]
    runs = [(start, stop) for start, stop in runs_of(still) if stop - start >= GAP_S * eeg.sfreq]
    if not runs or still.all():
        return
    gap_s = sum(stop - start for start, stop in runs) / eeg.sfreq
    heard_s = sum(p.recorded_s for p in eeg.presentations)
    in_sound_s = sum(_overlap_s(start / eeg.sfreq, stop / eeg.sfreq, eeg.presentations) for start, stop in runs)
    found = (
        f"all channels stand still {len(runs)} time(s), {gap_s:.1f} s together, "
        f"first at {runs[0][0] / eeg.sfreq:.1f} s; {in_sound_s:.1f} s of sound go with that"
    )
    severe = in_sound_s > GAP_SHARE * heard_s
    then = "Nothing was recorded there: set stim_file to n/a for what was heard, or shorten its duration."
    yield Finding(check="gap", severity="wrong" if severe else "told", recording=eeg.recording, found=found, then=then)


#: what is looked for in EEG as it was recorded; each gives what it finds
SIGNAL_CHECKS: tuple[Callable[[RecordedEeg], Iterator[Finding]], ...] = (_not_finite, _flat, _clipped, _gaps)


def line_noise_db(eeg: RecordedEeg) -> float | None:
    """Return the power at 50 or 60 Hz, whichever is more, over its surroundings; None if it was not recorded."""
    from scipy.signal import welch

    some = eeg.data[:: max(1, len(eeg.data) // _LINE_CHANNELS), : round(_LINE_S * eeg.sfreq)]
    if not some.size or eeg.sfreq < 2 * _LINE_HZ[0] + 12 or not np.isfinite(some).all():
        return None
    frequency, power = welch(some, eeg.sfreq, nperseg=min(some.shape[1], round(2 * eeg.sfreq)))
    found = []
    for line_hz in _LINE_HZ:
        distance = np.abs(frequency - line_hz)
        around = (distance > 2) & (distance < 6)
        if around.any() and frequency[-1] > line_hz + 6:
            surroundings = np.median(power[:, around], axis=1)
            ratio = power[:, distance < 1].max(1) / np.maximum(surroundings, np.finfo(float).tiny)
            found.append(10 * np.log10(np.median(ratio)))
    return round(float(max(found)), 1) if found else None


def findings_of_cuts(recording: str, cuts: Sequence[float], presentations: Sequence[Presentation]) -> Iterator[Finding]:
    """Tell of sound that runs on over a cut: what follows it was heard at another time."""
    inside = [t for t in cuts if any(p.onset_s < t < p.onset_s + p.recorded_s for p in presentations)]
    if inside:
        times = ", ".join(f"{t:.1f}" for t in inside[:SHOWN])
        yield Finding(
            check="cuts",
            severity="told",
            recording=recording,
            found=f"the recording was cut at {times} s, while a sound was playing; no window lies there",
            then="Notes say what is used behind it; a row of its own with its time inside the file places it.",
        )


def runs_of(true: np.ndarray) -> list[tuple[int, int]]:
    """Return (first, behind the last) of each run of True."""
    edges = np.flatnonzero(np.diff(np.concatenate([[0], true.astype(np.int8), [0]])))
    return list(zip(edges[::2].tolist(), edges[1::2].tolist(), strict=True))


def _share_at_limits(values: np.ndarray) -> float:
    if np.ptp(values) == 0 or not np.isfinite(values).all():
        return 0.0
    at = [runs_of(values == limit) for limit in (values.min(), values.max())]
    return sum(stop - start for runs in at for start, stop in runs if stop - start >= MIN_RUN) / len(values)


def _overlap_s(start_s: float, stop_s: float, presentations: Sequence[Presentation]) -> float:
    return sum(max(0.0, min(stop_s, p.onset_s + p.recorded_s) - max(start_s, p.onset_s)) for p in presentations)


def _listed(names: Sequence[str], chosen: np.ndarray) -> str:
    found = [name for name, one in zip(names, chosen, strict=True) if one]
    return ", ".join(found[:SHOWN]) + (f" and {len(found) - SHOWN} more" if len(found) > SHOWN else "")
