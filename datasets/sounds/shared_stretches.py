"""Finds the stretches of audio that two sounds share, and proves each by the correlation of their samples."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from eeg2speech_bench.core.machine.forks import each_in_a_fork
from eeg2speech_bench.core.machine.threads import count_cores
from eeg2speech_bench.core.segments.recordings import Sound
from eeg2speech_bench.datasets.sounds.fingerprints import N_BITS, Fingerprint, fingerprint

#: shorter stretches are not claimed: a synthetic voice says a word the same way twice
MIN_SHARED_S = 1.5
#: the same for envelopes, of which a second holds four or five independent values, and the correlation over the whole
#: stretch that proves it: 8 s of two sounds that have nothing in common came to 0.62
MIN_SHARED_ENVELOPE_S, MIN_ENVELOPE_CORRELATION = 6.0, 0.95
#: seconds at the ends of a stretch of envelope that may belong to it or not
END_S = 1.0
#: parts of the 32 bits that must agree for two frames to be compared; in noise, one of two survives more often than all
KEYS = (np.uint32(0x003FFFFF), np.uint32(0xFFFFFC00))
#: frames looked up at most: of more, those are taken whose bits fulfil a condition, the same in every sound
MAX_LOOKED_UP = 4_000_000
#: entries of one key that each is compared with; a passage that all sounds share makes chains
N_NEIGHBOURS = 8
#: frames that must agree on an offset before it is looked at
MIN_VOTES = 4
#: seconds over which errors are averaged, and the share of wrong bits below which they are the same sound: two
#: utterances of one reader came to no less than 0.39, speech under babble of 4 dB more to 0.38 at the most
AVERAGED_S, MAX_ERROR = 1.0, 0.37
#: seconds over which samples are correlated, and by which two sounds may be displaced beyond their offset in frames
PIECE_S, DISPLACED_S = 2.0, 0.02
#: correlation that proves a stretch; for different speech the largest seen was 0.12, but a synthetic voice that says
#: three words again reaches 0.66, so a short stretch needs more
MIN_CORRELATION, MIN_CORRELATION_SHORT, SHORT_S = 0.2, 0.85, 4.0


@dataclass(frozen=True, order=True)
class SharedStretch:
    """A stretch of audio that two sounds share.

    Attributes
    ----------
    one, other : str
        Names of the sounds; equal where a sound repeats itself.
    start_s, other_start_s, duration_s : float
        Where the stretch lies in each, to 0.1 s; the difference of the starts is exact to 10 ms.
    correlation : float
        Of the samples, 0 to 1: the median over pieces of 2 s; of envelopes, over all but the ends.
    """

    one: str
    other: str
    start_s: float
    other_start_s: float
    duration_s: float
    correlation: float


def find_shared_stretches(sounds: Mapping[str, Callable[[], Sound]]) -> list[SharedStretch]:
    """Find all stretches of at least 1.5 s (6 s of envelopes) that two sounds share, or that one sound holds twice.

    Another level, coding, sampling rate or pause before makes no difference; noise as loud as the speech little.
    Where many sounds share one passage, each is compared with some of the others and chains connect all of them.

    Parameters
    ----------
    sounds : mapping of str to callable
        Each is called several times and returns a `Sound`; all are of one kind.
    """
    names = list(sounds)
    prints = _prints(list(sounds.values()))
    is_waveform = all(p.span_s == 0 for p in prints)
    found: dict[tuple[str, str], list[SharedStretch]] = {}
    for first, second, offset in _candidates(prints):
        one, other = names[first], names[second]
        known = found.setdefault((one, other), [])
        if not any(abs(offset * prints[first].frame_s - (s.start_s - s.other_start_s)) < 0.1 for s in known):
            for start_s, other_start_s, length_s in _alike(prints[first], prints[second], offset):
                if length_s < (MIN_SHARED_S if is_waveform else MIN_SHARED_ENVELOPE_S):
                    continue
                r = _correlation(sounds[one](), sounds[other](), start_s, other_start_s, length_s)
                if _is_proof(r, length_s, is_waveform=is_waveform):
                    known.append(SharedStretch(one, other, start_s, other_start_s, length_s, r))
    return sorted(stretch for stretches in found.values() for stretch in stretches)


def _prints(loads: Sequence[Callable[[], Sound]]) -> list[Fingerprint]:
    """Return the fingerprints of all sounds, computed by as many processes as there are cores."""
    n = min(count_cores(), len(loads))

    def compute(first: int) -> list[Fingerprint]:
        return [fingerprint(s.values, s.rate_hz, s.kind) for s in (load() for load in loads[first::n])]

    shares = list(each_in_a_fork(compute, range(n)))
    return [shares[number % n][number // n] for number in range(len(loads))]


def _is_proof(correlation: float, length_s: float, *, is_waveform: bool) -> bool:
    if not is_waveform:
        return correlation >= MIN_ENVELOPE_CORRELATION
    return correlation >= (MIN_CORRELATION if length_s > SHORT_S else MIN_CORRELATION_SHORT)


def _candidates(prints: Sequence[Fingerprint]) -> Iterator[tuple[int, int, int]]:
    """Yield pairs of sounds and offsets in frames on which many frames agree, the surest first."""
    tallies = [_tally(prints, key) for key in KEYS]
    codes, counts = (np.concatenate(parts) for parts in zip(*tallies, strict=True))
    codes, where = np.unique(codes, return_inverse=True)
    votes = np.bincount(where, counts)
    # A true offset may lie between two bins.
    beside = np.searchsorted(codes, codes + 1)
    next_to = beside < len(codes)
    both = votes.copy()
    both[next_to] += np.where(codes[beside[next_to]] == codes[next_to] + 1, votes[beside[next_to]], 0)
    for code in codes[np.argsort(-both, kind="stable")][: int((both >= MIN_VOTES).sum())].tolist():
        pair, offset = divmod(code, 1 << 32)
        one, other = divmod(pair, len(prints))
        yield one, other, 2 * (offset - (1 << 31))


def _tally(prints: Sequence[Fingerprint], key: np.uint32) -> tuple[np.ndarray, np.ndarray]:
    """Count the frames with equal bits per pair of sounds and offset, as codes of 64 bits and their numbers."""
    keys, sounds, frames = _looked_up(prints, key)
    codes = []
    for step in range(1, N_NEIGHBOURS + 1):
        first = np.flatnonzero(keys[step:] == keys[:-step])
        second = first + step
        offset = frames[first] - frames[second]
        apart = (sounds[first] != sounds[second]) | (np.abs(offset) * prints[0].frame_s >= MIN_SHARED_S)
        pair = sounds[first] * len(prints) + sounds[second]
        codes.append(((pair << 32) + offset // 2 + (1 << 31))[apart])
    return np.unique(np.concatenate(codes), return_counts=True)


def _looked_up(prints: Sequence[Fingerprint], key: np.uint32) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return the key, sound and number of the frames to look up, sorted by key; of a run of equal ones the first."""
    keys, sounds, frames = [], [], []
    n_frames = sum(int(p.sounding.sum()) for p in prints)
    every = np.uint32(-(-n_frames // MAX_LOOKED_UP) or 1)
    for number, own in enumerate(prints):
        bits = own.bits & key
        changed = np.append(True, bits[1:] != bits[:-1])[: len(bits)]
        # The product spreads the keys, so that the remainder chooses among all of them alike.
        chosen = np.flatnonzero(own.sounding & changed & ((bits * np.uint32(2654435761) >> np.uint32(8)) % every == 0))
        keys.append(bits[chosen])
        sounds.append(np.full(len(chosen), number))
        frames.append(chosen)
    columns = [np.concatenate(parts) for parts in (keys, sounds, frames)]
    order = np.argsort(columns[0], kind="stable")
    return columns[0][order], columns[1][order], columns[2][order]


def _alike(one: Fingerprint, other: Fingerprint, offset: int) -> Iterator[tuple[float, float, float]]:
    """Yield start in one, start in the other and length in seconds of what is alike at about this offset in frames."""
    tried = {near: _Comparison(one, other, near) for near in range(offset - 1, offset + 3)}
    best = max(tried, key=lambda near: tried[near].agreement)
    for start, stop in tried[best].runs():
        length_s = (stop - start) * one.frame_s + one.span_s
        yield round(start * one.frame_s, 3), round((start - best) * one.frame_s, 3), round(length_s, 3)


class _Comparison:
    """Compares the frames of ``one`` with those of ``other`` that lie ``offset`` frames earlier."""

    def __init__(self, one: Fingerprint, other: Fingerprint, offset: int) -> None:
        self.first, stop = max(0, offset), min(len(one.bits), len(other.bits) + offset)
        mine, theirs = slice(self.first, stop), slice(self.first - offset, max(0, stop - offset))
        # In a pause of the one, the other may hold noise: that says nothing.
        self.heard = one.sounding[mine] & other.sounding[theirs]
        self.wrong = np.bitwise_count(one.bits[mine] ^ other.bits[theirs]) / N_BITS * self.heard
        self.width = round(AVERAGED_S / one.frame_s)
        self.error = _mean_error(self.wrong, self.heard, self.width)
        self.same = self.error < MAX_ERROR

    @property
    def agreement(self) -> float:
        """How much better than chance the frames that are the same agree, summed."""
        return float(np.sum(0.5 - self.error[self.same]))

    def runs(self) -> Iterator[tuple[int, int]]:
        """Yield the runs of frames of ``one`` that are the same."""
        from scipy.ndimage import uniform_filter1d

        if not self.same.any():
            return
        # At the ends of a stretch the mean is half of what is inside and half of what chance gives.
        middle = (np.median(self.error[self.same]) + 0.5) / 2
        sharp = _mean_error(self.wrong, self.heard, self.width // 4) < middle
        wide = uniform_filter1d(self.same.astype(np.float32), self.width, mode="constant") > 0
        for start, stop in _trimmed(wide, sharp & self.heard):
            yield self.first + start, self.first + stop


def _mean_error(wrong: np.ndarray, heard: np.ndarray, width: int) -> np.ndarray:
    """Average over the frames that sound; where fewer than a third do, nothing agrees."""
    from scipy.ndimage import uniform_filter1d

    n_heard = uniform_filter1d(heard.astype(np.float64), width, mode="constant")
    total = uniform_filter1d(wrong.astype(np.float64), width, mode="constant")
    return np.where(n_heard > 1 / 3, total / np.maximum(n_heard, 1e-9), 1.0)


def _trimmed(wide: np.ndarray, sharp: np.ndarray) -> Iterator[tuple[int, int]]:
    """Yield the runs of ``wide``, cut to the first and last place of ``sharp`` in each."""
    edges = np.flatnonzero(np.diff(np.concatenate(([0], wide.astype(np.int8), [0]))))
    for start, stop in edges.reshape(-1, 2):
        inside = np.flatnonzero(sharp[start:stop])
        if len(inside):
            yield int(start + inside[0]), int(start + inside[-1] + 1)


def _correlation(first: Sound, second: Sound, start_s: float, other_s: float, length_s: float) -> float:
    """Correlate two stretches piece by piece, at the best displacement of each; the median, without its sign.

    Envelopes, which change slowly, are one piece, without the ends, which are not known to the sample.
    """
    if first.kind == "envelope" and length_s > 4 * END_S:
        start_s, other_s, length_s = start_s + END_S, other_s + END_S, length_s - 2 * END_S
    rate_hz = first.rate_hz
    n_samples = round(length_s * rate_hz)
    n = n_samples if first.kind == "envelope" else min(round(PIECE_S * rate_hz), n_samples)
    n_lags = max(1, round(DISPLACED_S * rate_hz))
    starts = [(round(start_s * rate_hz) + k, round(other_s * rate_hz) + k) for k in range(0, n_samples - n + 1, n)]
    pieces = [_best_correlation(first.values[a:][:n], second.values[b:][:n], n_lags) for a, b in starts]
    return round(float(np.median(pieces)), 3)


def _best_correlation(a: np.ndarray, b: np.ndarray, n_lags: int) -> float:
    from scipy.signal import correlate

    n = min(len(a), len(b))
    a, b = (np.asarray(x[:n], dtype=np.float64) - np.mean(x[:n], dtype=np.float64) for x in (a, b))
    power = float(np.sqrt((a @ a) * (b @ b)))
    products = correlate(a, b, mode="full", method="fft")[n - 1 - n_lags : n + n_lags]
    return float(np.abs(products).max()) / power if power else 0.0
