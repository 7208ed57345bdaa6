"""Puts the EEG of a recording and the envelope of what was heard on one clock."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from scipy.signal import butter, sosfiltfilt

from eeg2speech_bench.core.segments.recordings import Presentation, Sound

#: where the EEG follows the envelope of speech (reference: realdata, A1)
BAND_HZ = (0.5, 8.0)
#: EEG is thinned to the lowest rate that is not below this
MIN_RATE_HZ = 60.0
#: loudness follows power by about this exponent
COMPRESSION = 0.3
#: standard deviations at which EEG is clipped, so that movements do not decide
CLIP = 5.0


@dataclass(frozen=True)
class Heard:
    """A recording and what was heard in it, sample by sample.

    Attributes
    ----------
    recording : str
    channels : tuple of str
    eeg : array of float32, shape (n_times, n_chans)
        In `BAND_HZ`, each channel of unit size.
    envelope : array of float64, shape (n_times,)
        Zero where nothing was heard; of zero mean and unit size within each presentation.
    presentation : array of int, shape (n_times,)
        Which presentation a sample belongs to; -1 where nothing was heard.
    stimulus_ids : tuple of str
        Of the presentations.
    rate_hz : float
    """

    recording: str
    channels: tuple[str, ...]
    eeg: np.ndarray
    envelope: np.ndarray
    presentation: np.ndarray
    stimulus_ids: tuple[str, ...]
    rate_hz: float

    def write(self, path: Path) -> None:
        """Write the recording to disk, where it waits for its second reading."""
        np.savez(
            path, **{**vars(self), "channels": np.array(self.channels), "stimulus_ids": np.array(self.stimulus_ids)}
        )

    @classmethod
    def read(cls, path: Path) -> Heard:
        """Read what `write` wrote."""
        with np.load(path) as file:
            fields = {name: file[name] for name in file.files}
        texts = {name: tuple(fields[name].tolist()) for name in ("channels", "stimulus_ids")}
        return cls(**{**fields, **texts, "recording": str(fields["recording"]), "rate_hz": float(fields["rate_hz"])})


def thinned_rate(sfreq: float) -> tuple[int, float]:
    """Return every how many samples of EEG are kept, and the rate that results."""
    step = max(1, int(sfreq // MIN_RATE_HZ))
    return step, sfreq / step


def place_on_clock(
    recording: str,
    channels: Sequence[str],
    eeg: np.ndarray,
    sfreq: float,
    presentations: Sequence[Presentation],
    envelopes: Mapping[str, np.ndarray],
) -> Heard:
    """Filter and thin EEG, and place the envelopes of `speech_envelope` at the times of the presentations.

    Parameters
    ----------
    recording : str
    channels : sequence of str
    eeg : array, shape (n_samples, n_chans)
    sfreq : float
        Hz.
    presentations : sequence of Presentation
    envelopes : mapping of str to array
        By stimulus, at the rate of `thinned_rate`.
    """
    step, rate_hz = thinned_rate(sfreq)
    filtered = in_band(eeg, sfreq)[::step]
    size = 1.4826 * np.median(np.abs(filtered), axis=0)
    filtered = np.clip(filtered / np.where(size > 0, size, 1.0), -CLIP, CLIP).astype(np.float32)
    envelope = np.zeros(len(filtered))
    number = np.full(len(filtered), -1)
    for k, heard in enumerate(presentations):
        first = max(0, round(heard.onset_s * rate_hz))
        envelope_heard = envelopes[heard.stimulus_id]
        times_s = heard.start_s + np.arange(round(heard.recorded_s * rate_hz)) / rate_hz / heard.clock_ratio
        rows = np.round(times_s * rate_hz).astype(int)
        values = standardised(envelope_heard[rows[rows < len(envelope_heard)]][: len(filtered) - first])
        envelope[first : first + len(values)] = values
        number[first : first + len(values)] = k
    ids = tuple(p.stimulus_id for p in presentations)
    return Heard(recording, tuple(channels), filtered, envelope, number, ids, rate_hz)


def speech_envelope(sound: Sound, rate_hz: float) -> np.ndarray:
    """Return how loud a sound is over time, in `BAND_HZ`, at ``rate_hz``; shape (n_times,)."""
    n_times = int(len(sound.values) / sound.rate_hz * rate_hz)
    if sound.kind == "envelope":
        times_s = np.arange(n_times) / rate_hz
        return in_band(np.interp(times_s, np.arange(len(sound.values)) / sound.rate_hz, sound.values), rate_hz)
    edges = np.round(np.arange(n_times + 1) * sound.rate_hz / rate_hz).astype(int)
    power = np.add.reduceat(sound.values.astype(np.float64) ** 2, edges[:-1]) / np.diff(edges)
    return in_band(power**COMPRESSION, rate_hz)


def in_band(signals: np.ndarray, rate_hz: float) -> np.ndarray:
    """Filter along the first axis; what is too short to be filtered becomes zero."""
    low_hz, high_hz = BAND_HZ
    sections = butter(3, (low_hz, min(high_hz, 0.45 * rate_hz)), "bandpass", fs=rate_hz, output="sos")
    if len(signals) < rate_hz / low_hz:
        return np.zeros_like(signals, dtype=np.float64)
    filtered: np.ndarray = sosfiltfilt(sections, signals, axis=0)
    return filtered


def standardised(values: np.ndarray) -> np.ndarray:
    """Return values of zero mean and unit size; zeros if they do not vary."""
    size = values.std() if len(values) else 0.0
    return (values - values.mean()) / size if size > 0 else np.zeros_like(values)
