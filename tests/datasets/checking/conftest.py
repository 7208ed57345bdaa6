"""Listeners whose EEG follows speech-like envelopes, into which tests plant faults."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import partial

import mne
import numpy as np
import pytest

from eeg2speech_bench.core.presets.config import DataConfig
from eeg2speech_bench.core.segments.recordings import Presentation, Recording, Sound, Stimulus
from eeg2speech_bench.datasets.checking.check_dataset import check_dataset
from eeg2speech_bench.datasets.checking.report import CheckReport

SFREQ = 64.0
CHANNELS = ["Fz", "Cz", "Pz", "Oz", "F3", "F4", "T7", "T8"]
DURATIONS_S = (36.0, 40.0, 44.0, 48.0, 52.0, 56.0)
PAUSE_S = 3.0
SETTINGS = DataConfig(sfreq=SFREQ, guard_s=1.0)

Raws = dict[str, mne.io.RawArray]


@dataclass
class Listeners:
    """A `SpeechDataset` in memory, whose EEG and recordings a test may change."""

    eeg: Raws
    stimuli: tuple[Stimulus, ...]
    recordings: tuple[Recording, ...]
    name: str = "listeners"
    about: str = ""
    is_null: bool = False
    sound_kind: str = "envelope"
    revision: str = "1"
    split_fractions: tuple[float, float, float] | None = (0.5, 0.25, 0.25)
    skipped: tuple[tuple[str, str], ...] = field(default=())

    def change(self, index: int, change: Callable[[list[Presentation]], list[Presentation]]) -> None:
        """Replace what a recording says was heard."""
        changed = replace(
            self.recordings[index], presentations=tuple(change(list(self.recordings[index].presentations)))
        )
        self.recordings = (*self.recordings[:index], changed, *self.recordings[index + 1 :])

    def samples(self, index: int) -> np.ndarray:
        """Samples of a recording, (n_chans, n_times) in volts; what is written into them is what is read."""
        values: np.ndarray = self.eeg[self.recordings[index].recording_id]._data
        return values


def speech_like(seconds: float, seed: int) -> np.ndarray:
    """An envelope with syllables of irregular length."""
    rng = np.random.default_rng(seed)
    times_s = np.cumsum(rng.uniform(0.1, 0.35, int(seconds * 6)))
    knots = rng.gamma(1.0, 1.0, len(times_s))
    return np.interp(np.arange(round(seconds * SFREQ)) / SFREQ, times_s, knots).astype(np.float32)


def _response(envelope: np.ndarray) -> np.ndarray:
    """What the cortex makes of an envelope: peaks of either sign after 80, 130 and 200 ms."""
    lags_s = np.arange(round(0.4 * SFREQ)) / SFREQ
    kernel = sum(
        sign * np.exp(-0.5 * ((lags_s - at) / 0.025) ** 2) for sign, at in ((0.5, 0.08), (-1, 0.13), (0.7, 0.2))
    )
    answer = np.convolve(envelope - envelope.mean(), kernel)[: len(envelope)]
    return answer / answer.std()


def _noise(n_samples: int, rng: np.random.Generator) -> np.ndarray:
    """Noise with the slope of EEG, (n_chans, n_samples), of unit size."""
    spectrum = np.fft.rfft(rng.standard_normal((len(CHANNELS), n_samples)))
    spectrum /= np.sqrt(np.maximum(np.fft.rfftfreq(n_samples, 1 / SFREQ), 0.5))
    noise = np.fft.irfft(spectrum, n_samples)
    return noise / noise.std()


def _sound(values: np.ndarray) -> Sound:
    return Sound("envelope", values, SFREQ)


@pytest.fixture
def listeners() -> Callable[..., Listeners]:
    """Make listeners whose response is ``strength`` times as large as the rest of their EEG; 0: none."""

    def make(strength: float = 0.3, count: int = 3) -> Listeners:
        envelopes = [speech_like(seconds, seed) for seed, seconds in enumerate(DURATIONS_S)]
        stimuli = tuple(
            Stimulus(f"s{k}", f"story {k}", len(e) / SFREQ, partial(_sound, e)) for k, e in enumerate(envelopes)
        )
        onsets = PAUSE_S + np.cumsum([0.0, *(d + PAUSE_S for d in DURATIONS_S)])
        eeg: Raws = {}
        recordings = []
        for listener in range(count):
            rng = np.random.default_rng(100 + listener)
            order = rng.permutation(len(stimuli))
            starts = PAUSE_S + np.cumsum([0.0, *(DURATIONS_S[k] + PAUSE_S for k in order)])
            data = _noise(round(onsets[-1] * SFREQ), rng)
            gains = rng.uniform(0.5, 1.5, len(CHANNELS))[:, None]
            for start, k in zip(starts, order, strict=False):
                first, answer = round(start * SFREQ), strength * gains * _response(envelopes[k])
                data[:, first : first + answer.shape[1]] += answer
            name = f"sub-{listener + 1:02d}"
            info = mne.create_info(CHANNELS, SFREQ, "eeg")
            eeg[name] = mne.io.RawArray(2e-5 * data, info, verbose="ERROR").set_montage("colin27_1005")
            heard = tuple(Presentation(f"s{k}", float(t), DURATIONS_S[k]) for k, t in zip(order, starts, strict=False))
            recordings.append(Recording(name, name, f"{name}.vhdr", heard, eeg[name].copy))
        return Listeners(eeg, stimuli, tuple(recordings))

    return make


@pytest.fixture
def check() -> Callable[[Listeners], CheckReport]:
    return lambda dataset: check_dataset(dataset.name, lambda: dataset, SETTINGS).report
