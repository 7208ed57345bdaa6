"""Measures how well a recording follows the sound at once, earlier than any brain."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from scipy.ndimage import uniform_filter1d

from eeg2speech_bench.core.segments.recordings import Presentation, Sound
from eeg2speech_bench.core.statistics.spacing import evenly_spaced
from eeg2speech_bench.datasets.preparation.recorded_sound.amplifier import level_at, wave_until

if TYPE_CHECKING:
    import mne

#: length of the stretches that are compared, and how many: with more than these minutes, chance stays below the limits
#: that no recording may pass anyway, and the comparison took several times as long as the rest of preparing
STRETCH_S, N_STRETCHES = 10.0, 20
#: no cortical response to speech is that early; amplifiers and sound cards delay by up to this
AT_ONCE_S = 0.032
#: what the brain answers to: sound this long ago
ANSWER_S = (0.045, 0.4)
#: rate at which levels are compared, about, Hz
LEVEL_RATE_HZ = 64.0
#: lags at which the waveform is compared, seconds; fewer stretches and samples of each do
WAVE_LAGS_S, N_WAVE_STRETCHES, WAVE_SAMPLES = (-0.015, 0.035), 10, 2000
#: edges of the filter before the converter, as shares of the sampling rate; without one the sound folds
WAVE_EDGES = (0.2, 0.45, np.inf)
N_FOLDS, N_SHIFTS = 5, 20

SoundOf = Callable[[str], Sound]


@dataclass(frozen=True)
class Following:
    """How well EEG follows sound at some lags.

    Attributes
    ----------
    channels : array, shape (n_chans,)
        Each channel's correlation at its best lag, with its sign.
    lags_s : array, shape (n_chans,)
        Those lags; positive where the EEG is later.
    together : float
        Correlation of the best linear combination of channels, cross-validated.
    together_lag_s : float
    noise, together_noise : float
        Standard deviation of both at lags that are far off.
    """

    channels: np.ndarray
    lags_s: np.ndarray
    together: float
    together_lag_s: float
    noise: float
    together_noise: float


@dataclass(frozen=True)
class Stretch:
    """Samples ``start`` to ``stop`` of a recording, the first of which sounds at ``heard_s`` of a stimulus."""

    start: int
    stop: int
    stimulus_id: str
    heard_s: float


def heard_stretches(presentations: tuple[Presentation, ...], n_samples: int, sfreq: float) -> list[Stretch]:
    """Cut what was heard into stretches of at most 10 s, and return at most 20 of them, evenly spread."""
    found = []
    for p in presentations:
        first, last = max(0, round(p.onset_s * sfreq)), min(n_samples, round((p.onset_s + p.recorded_s) * sfreq))
        for start in range(first, last, round(STRETCH_S * sfreq)):
            stop = min(last, start + round(STRETCH_S * sfreq))
            heard_s = p.start_s + (start / sfreq - p.onset_s) / p.clock_ratio
            found.append(Stretch(start, stop, p.stimulus_id, heard_s))
    return [found[i] for i in evenly_spaced(len(found), N_STRETCHES)]


def follow_level(raw: mne.io.BaseRaw, stretches: list[Stretch], sound: SoundOf) -> tuple[Following, Following] | None:
    """Compare EEG with the level of the sound, at once and as answers.

    The sound's level is known in part from the level before. What is compared at once is the rest: no brain that
    answers to what was heard 45 ms ago or earlier can follow it, however strong and smooth its answer.

    Parameters
    ----------
    raw : mne.io.BaseRaw
        EEG channels only.
    stretches : list of Stretch
    sound : callable
        Returns the samples of a stimulus by its id.

    Returns
    -------
    at_once, answer : Following
        None where too little was heard to tell.
    """
    step = max(1, round(raw.info["sfreq"] / LEVEL_RATE_HZ))
    rate = raw.info["sfreq"] / step
    lags = np.arange(-round(AT_ONCE_S * rate), round(ANSWER_S[1] * rate) + 1)
    once, before = lags <= AT_ONCE_S * rate, lags >= ANSWER_S[0] * rate
    rows = [_level_rows(raw, s, step, lags, sound(s.stimulus_id)) for s in stretches if s.stop - s.start >= step]
    if sum(len(eeg) for eeg, _ in rows) < 4 * 3 * before.sum():
        return None
    eeg = _standard(np.concatenate([eeg for eeg, _ in rows]))
    levels = np.concatenate([levels for _, levels in rows])  # (n_rows, 3, n_lags)
    del rows
    known = levels[:, :, before].reshape(len(eeg), -1)
    surprise = levels[:, :, once].reshape(len(eeg), -1)
    rest = _unexplained(np.concatenate([eeg, surprise], axis=1), known)
    at_once = _following(rest[:, : eeg.shape[1]], rest[:, eeg.shape[1] :], np.tile(lags[once] / rate, 3))
    return at_once, _following(eeg, levels[:, 0, before], lags[before] / rate)


def _level_rows(
    raw: mne.io.BaseRaw, stretch: Stretch, step: int, lags: np.ndarray, sound: Sound
) -> tuple[np.ndarray, np.ndarray]:
    """Average ``step`` samples a row, and list three forms of the level (plain, compressed, rising) at all lags."""
    sfreq = raw.info["sfreq"]
    rate, n = sfreq / step, (stretch.stop - stretch.start) // step
    eeg = _without_drift(raw, stretch, n, step, round(rate)).T
    margin = round(rate)
    places = np.arange(-lags[-1] - margin, n - lags[0] + margin)
    level = level_at(sound, stretch.heard_s + ((places + 0.5) * step - 0.5) / sfreq, 1 / rate)
    root = np.sqrt(level)
    forms = np.stack([level, root, np.maximum(np.diff(root, prepend=root[:1]), 0)])
    forms = (forms - uniform_filter1d(forms, margin, axis=1))[:, margin:-margin].astype(np.float32)
    windows = sliding_window_view(forms, len(lags), axis=1)[:, :n, ::-1]
    return eeg.astype(np.float32), windows.transpose(1, 0, 2)


def _without_drift(raw: mne.io.BaseRaw, stretch: Stretch, n: int, step: int, width: int) -> np.ndarray:
    """Average ``step`` samples a row and subtract the mean of ``width`` rows around each, shape (n_chans, n)."""
    before = min(width, stretch.start // step)
    after = min(width, (raw.n_times - stretch.start) // step - n)
    first, n_rows = stretch.start - before * step, before + n + after
    eeg = raw.get_data(start=first, stop=first + n_rows * step)
    rows = eeg.reshape(-1, step) @ np.full(step, 1 / step)
    rows = rows.reshape(len(eeg), n_rows)
    rows -= uniform_filter1d(rows, width, axis=1, mode="nearest")
    return rows[:, before : before + n]


def follow_waveform(raw: mne.io.BaseRaw, stretches: list[Stretch], sound: SoundOf) -> Iterator[Following]:
    """Compare EEG with the waveform of the sound, filtered in three ways as before a converter.

    Lags are searched in every stretch anew, because the clocks of sound card and amplifier drift apart.

    Parameters
    ----------
    raw : mne.io.BaseRaw
        EEG channels only.
    stretches : list of Stretch
    sound : callable
        Returns the samples of a stimulus, a waveform, by its id.

    Yields
    ------
    Following
        ``channels`` is the mean over stretches of the strongest correlation.
    """
    sfreq = raw.info["sfreq"]
    long = [s for s in stretches if s.stop - s.start >= sfreq]
    chosen = [long[i] for i in evenly_spaced(len(long), N_WAVE_STRETCHES)]
    if not chosen:
        return
    eeg = [_standard(np.diff(_start_of(raw, s)).T.astype(np.float32)) for s in chosen]
    for edge in WAVE_EDGES:
        yield _follow_edge(eeg, [(sound(s.stimulus_id), s.heard_s) for s in chosen], sfreq, edge * sfreq)


def _start_of(raw: mne.io.BaseRaw, stretch: Stretch) -> np.ndarray:
    return raw.get_data(start=stretch.start, stop=min(stretch.stop, stretch.start + WAVE_SAMPLES))


def _follow_edge(eeg: list[np.ndarray], heard: list[tuple[Sound, float]], sfreq: float, edge_hz: float) -> Following:
    n_chans = eeg[0].shape[1]
    step_s = 1 / (8 * min(edge_hz, 1000.0))  # an eighth of the shortest period that carries speech
    near = np.arange(WAVE_LAGS_S[0], WAVE_LAGS_S[1], step_s)
    far = np.linspace(1.0, 4.0, max(N_SHIFTS, len(near)))
    gram = np.zeros((N_FOLDS, n_chans, n_chans))
    cross = np.zeros((N_FOLDS, n_chans, len(near) + len(far)))
    peaks = []
    for i, (rows, (sound, heard_s)) in enumerate(zip(eeg, heard, strict=True)):
        wave = _wave_rows(sound, heard_s, len(rows), sfreq, edge_hz, np.r_[near, far])
        # rows have no mean, so that of the wave does not count
        spread = wave.std(0)
        product = rows.T @ wave / np.where(spread > 0, spread, 1)
        fold = i * N_FOLDS // len(eeg)
        gram[fold] += rows.T @ rows
        cross[fold] += product
        r = np.abs(product) / len(rows)
        peaks.append((r[:, : len(near)].max(1), r[:, len(near) : 2 * len(near)].max(1)))
    n = sum(map(len, eeg))
    peak, chance = np.mean(peaks, axis=0)
    total = cross.sum(0) / n
    best = np.abs(total[:, : len(near)]).argmax(1)
    together = _cross_validation(gram, n)(cross) if len(eeg) >= N_FOLDS else np.zeros(len(near) + len(far))
    k = int(together[: len(near)].argmax())
    return Following(
        peak * np.sign(total[np.arange(n_chans), best]),
        near[best],
        float(together[k]),
        float(near[k]),
        # Sounds shorter than the far lags leave silence there, which is less than chance gives.
        max(float(chance.mean()), float(np.sqrt(2 * np.log(len(near)) * len(eeg) / n))),
        max(float(together[len(near) :].std()), n**-0.5),
    )


def _wave_rows(
    sound: Sound, heard_s: float, n_rows: int, sfreq: float, edge_hz: float, lags_s: np.ndarray
) -> np.ndarray:
    """List the differences of the waveform from sample to sample at all lags, shape (n_rows, n_lags)."""
    times_s = np.arange(n_rows + 1) / sfreq
    start_s = heard_s - lags_s.max() - 0.01
    wave = wave_until(sound, start_s, heard_s + times_s[-1] - lags_s.min() + 0.01, edge_hz).astype(np.float32)
    first = np.rint((heard_s - start_s + times_s) * sound.rate_hz).astype(np.int64)
    return np.diff(wave.take(first[:, None] - np.rint(lags_s * sound.rate_hz).astype(np.int64)), axis=0)


def _following(eeg: np.ndarray, sound: np.ndarray, lags_s: np.ndarray) -> Following:
    """Compare channels (n_rows, n_chans) with sound (n_rows, n_lags), and with the sound of other moments."""
    n = len(eeg) // N_FOLDS * N_FOLDS
    # products of single precision take half the time, and tens of thousands of them leave errors of 1e-6 of r
    eeg, sound = (_standard(values[:n]).astype(np.float32) for values in (eeg, sound))
    folds = eeg.reshape(N_FOLDS, -1, eeg.shape[1])
    together = _cross_validation((folds.transpose(0, 2, 1) @ folds).astype(np.float64), n)

    def compare(sound: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        cross = (folds.transpose(0, 2, 1) @ sound.reshape(N_FOLDS, -1, sound.shape[1])).astype(np.float64)
        return cross.sum(0) / n, together(cross)

    r, combination = compare(sound)
    null = [compare(np.roll(sound, s, axis=0)) for s in np.linspace(0.05 * n, 0.95 * n, N_SHIFTS).astype(int)]
    best, k = np.abs(r).argmax(1), int(combination.argmax())
    return Following(
        r[np.arange(len(r)), best],
        lags_s[best],
        float(combination[k]),
        float(lags_s[k]),
        float(np.std([single for single, _ in null])),
        float(np.std([combined for _, combined in null])),
    )


def _cross_validation(gram: np.ndarray, n: int) -> Callable[[np.ndarray], np.ndarray]:
    """Return what correlates sound with the answer of a ridge regression from the channels of other folds.

    Parameters
    ----------
    gram : array, shape (n_folds, n_chans, n_chans)
        Products of standardised channels.
    n : int
        Rows in all.

    Returns
    -------
    callable
        From products of channels and sound of unit variance, shape (n_folds, n_chans, n_lags), to correlations
        (n_lags,).
    """
    others = np.linalg.inv(gram.sum(0) - gram + 1e-3 * n * np.eye(gram.shape[1]))

    def correlate(cross: np.ndarray) -> np.ndarray:
        weights = others @ (cross.sum(0) - cross)
        hit, power = (weights * cross).sum((0, 1)), (weights * (gram @ weights)).sum((0, 1))
        return np.asarray(hit / np.sqrt(power * n + 1e-12))

    return correlate


def _standard(values: np.ndarray) -> np.ndarray:
    """Centre columns and bring them to unit variance; constant ones become zero."""
    centred = values - values.mean(0)
    scale = centred.std(0)
    return centred / np.where(scale > 0, scale, 1)


def _unexplained(values: np.ndarray, by: np.ndarray) -> np.ndarray:
    """Subtract what a linear regression explains."""
    values, by = values - values.mean(0), _standard(by)
    ridge = 1e-6 * len(by) * np.eye(by.shape[1], dtype=by.dtype)
    return values - by @ np.linalg.solve(by.T @ by + ridge, by.T @ values)
