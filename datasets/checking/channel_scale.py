"""Follows the size of each channel over time: what is far larger or smaller than the others is no EEG."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from eeg2speech_bench.core.segments.channel_types import CHANNEL_TYPES, signal_name
from eeg2speech_bench.datasets.checking.report import Finding

PIECE_S = 5.0
#: times the median channel, and times its own median size, that are beyond what EEG does
UNLIKE, STEP = 8.0, 50.0
#: share of the recording in which at least half of the channels are `UNLIKE` their own size
RESTLESS_SHARE = 0.05
SHOWN = 6


def scale_over_time(eeg: np.ndarray, sfreq: float) -> np.ndarray:
    """Return the inter-quartile range of each channel in pieces of `PIECE_S`, shape (n_pieces, n_chans).

    Parameters
    ----------
    eeg : array, shape (n_samples, n_chans)
        In the units of `CHANNEL_TYPES`.
    sfreq : float
    """
    n_pieces = max(1, int(len(eeg) / (PIECE_S * sfreq)))
    low, high = zip(*(np.percentile(p, [25, 75], axis=0) for p in np.array_split(eeg, n_pieces)), strict=True)
    return np.array(high) - np.array(low)


def findings_of_scale(
    recording: str,
    eeg: np.ndarray,
    sfreq: float,
    scale: np.ndarray,
    names: Sequence[str],
    types: Sequence[str] = (),
) -> Iterator[Finding]:
    """Tell of channels unlike the others, of steps, of restless stretches, and of sizes no EEG or MEG has.

    Channels are compared with those of their own type (``types``, by default EEG). None of these is refused: scaling
    and clamping take the worst of it, and what remains is the encoder's task.
    """
    own = np.median(scale, axis=0)
    kinds = np.array(types or ["eeg"] * len(names))
    usual = np.zeros(len(names))
    for kind in (CHANNEL_TYPES[str(name)] for name in dict.fromkeys(kinds)):
        size = usual[kinds == kind.name] = float(np.median(own[kinds == kind.name]))
        if not kind.possible[0] <= size <= kind.possible[1]:
            label = signal_name(kind.name)
            then = "Correct the unit in the file's header or channels.tsv; scores do not depend on it, pictures do."
            found = f"the size of the {label} is {size:.3g} {kind.unit}, which no {label} has"
            yield _told("unit", recording, found, then)
    unlike = (own > UNLIKE * usual) | (own < usual / UNLIKE)
    if unlike.any():
        listed = [f"{n} ({s / u:.2g} x)" for n, s, u, is_so in zip(names, own, usual, unlike, strict=True) if is_so]
        found = f"far larger or smaller than the other channels: {', '.join(listed[:SHOWN])}"
        yield _told("bad channel", recording, found, "Look at them, and set their status to bad in channels.tsv.")
    stepped = _steps(eeg, sfreq, own)
    if stepped:
        listed = [f"{names[k]} at {time_s:.0f} s" for k, time_s in stepped[:SHOWN]]
        found = f"{len(stepped)} channel(s) step by over {STEP:g} times their size: {', '.join(listed)}"
        yield _told("step", recording, found, "A high-pass helps (--set data.highpass_hz=0.1), or mark them bad.")
    restless = np.mean((scale > UNLIKE * np.maximum(own, 1e-12)).mean(1) >= 0.5)
    if restless > RESTLESS_SHARE:
        found = f"half of the channels are over {UNLIKE:g} times their size in {restless:.0%} of the time"
        yield _told("restless", recording, found, "The listener moved, or an amplifier saturated: look at these times.")


def _steps(eeg: np.ndarray, sfreq: float, own: np.ndarray) -> list[tuple[int, float]]:
    """Return channels and times at which the level of one second is far from that of the second before."""
    second = max(1, round(sfreq))
    n_seconds = len(eeg) // second
    if n_seconds < 2:
        return []
    level = np.median(eeg[: n_seconds * second].reshape(n_seconds, second, -1), axis=1)
    jumps = np.abs(np.diff(level, axis=0)) / np.maximum(own, 1e-12)
    return [(int(k), float(jumps[:, k].argmax() + 1)) for k in np.flatnonzero(jumps.max(0) > STEP)]


def _told(check: str, recording: str, found: str, then: str) -> Finding:
    return Finding(check=check, severity="told", recording=recording, found=found, then=then)
