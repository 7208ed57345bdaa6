"""Tells whether one sound holds all samples of another, and exactly from when on."""

from __future__ import annotations

import numpy as np

from eeg2speech_bench.core.segments.recordings import Sound

#: seconds around the expected start that are searched
SEARCH_S = 0.05
#: seconds that are compared at a time, and at whose edges a displaced sound is not yet right
PIECE_S, EDGE_S = 10.0, 0.02
#: share of the power that may differ: resampling from another grid leaves 1e-4, lossy coding takes 3e-3 or more
MAX_RESIDUAL = 1e-3
#: samples by which rounding may let an excerpt reach over the end
ROUNDING = 2


def copy_start_s(whole: Sound, part: Sound, about_s: float) -> float | None:
    """Return when ``part`` starts in ``whole`` if all its samples are in it, None if they are not.

    Equal means to within a thousandth of the power, piece by piece, after a displacement by parts of a sample: an
    excerpt that was cut at 44.1 kHz and then resampled lies between the samples of its original.

    Parameters
    ----------
    whole, part : Sound
        Of one sampling rate.
    about_s : float
        Where the start is expected, to 50 ms.
    """
    rate_hz = part.rate_hz
    n = len(part.values)
    room = round(SEARCH_S * rate_hz) + 1
    about = round(about_s * rate_hz)
    if about < -room or about + n > len(whole.values) + room:
        return None
    first = _loudest(part.values, round(min(2.0, n / rate_hz) * rate_hz))
    start, fraction = _displacement(whole, part.values[first : first + round(2 * rate_hz)], about + first, room)
    start -= first
    if start < -ROUNDING or start + n > len(whole.values) + ROUNDING:
        return None
    if _is_same(whole, part, start, 0.0):
        return max(0, start) / rate_hz
    if part.kind == "waveform" and _is_same(whole, part, start, fraction):
        return max(0.0, start + fraction) / rate_hz
    return None


def _loudest(values: np.ndarray, n: int) -> int:
    """Return where the loudest of the stretches of ``n`` samples starts."""
    starts = range(0, max(1, len(values) - n + 1), n)
    return max(starts, key=lambda k: float(np.std(values[k : k + n], dtype=np.float64)))


def _displacement(whole: Sound, piece: np.ndarray, about: int, room: int) -> tuple[int, float]:
    """Return the sample of ``whole`` at which the piece starts, and the fraction of a sample to add."""
    from scipy.signal import correlate

    around = _cut(whole.values, about - room, len(piece) + 2 * room)
    products = correlate(around - around.mean(), piece - piece.mean(), mode="valid", method="fft")
    start = about - room + int(np.argmax(products))
    aligned = _cut(whole.values, start, len(piece))
    cross = np.fft.rfft(aligned) * np.conj(np.fft.rfft(piece))
    turns = np.arange(len(cross)) / len(piece)
    weight = np.abs(cross)
    fraction = -np.sum(weight * turns * np.angle(cross)) / (2 * np.pi * np.sum(weight * turns**2) + 1e-30)
    return start, float(np.clip(fraction, -1, 1))


def _is_same(whole: Sound, part: Sound, start: int, fraction: float) -> bool:
    n, edge = round(PIECE_S * part.rate_hz), round(EDGE_S * part.rate_hz) if fraction else 0
    quiet = 1e-2 * float(np.mean(np.square(part.values, dtype=np.float64)))
    for first in range(0, len(part.values), n):
        mine = np.asarray(part.values[first : first + n], dtype=np.float64)
        theirs = _cut(whole.values, start + first, len(mine))
        if fraction:
            turns = np.arange(len(mine) // 2 + 1) / len(mine)
            mine = np.fft.irfft(np.fft.rfft(mine) * np.exp(-2j * np.pi * turns * fraction), len(mine))
        inside = slice(ROUNDING + edge, len(mine) - ROUNDING - edge)
        if inside.stop <= inside.start:
            continue
        residual = np.mean((mine - theirs)[inside] ** 2)
        if residual > MAX_RESIDUAL * max(float(np.mean(mine[inside] ** 2)), quiet):
            return False
    return True


def _cut(values: np.ndarray, start: int, n: int) -> np.ndarray:
    """Return ``n`` samples from ``start`` on, with zeros where there are none."""
    cut = np.zeros(n)
    inside = np.asarray(values[max(0, start) : max(0, start + n)], dtype=np.float64)
    cut[max(0, -start) : max(0, -start) + len(inside)] = inside
    return cut
