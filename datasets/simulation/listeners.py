"""Simulates listeners: a head, an auditory cortex that hears the stories, and the rest of the EEG."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from eeg2speech_bench.datasets.simulation.auditory import AuditoryCortex
from eeg2speech_bench.datasets.simulation.background import Background
from eeg2speech_bench.datasets.simulation.head import SphericalHead
from eeg2speech_bench.datasets.simulation.settings import SimulationSettings

#: silence between stories and at both ends of a recording, seconds
SILENCE_S = (1.5, 3.0)
#: standard deviation of the listeners' own signal-to-noise ratio around the setting, dB
LISTENER_SPREAD_DB = 1.0


@dataclass(frozen=True)
class Schedule:
    """When which story starts in a recording.

    Attributes
    ----------
    onsets : dict of str to int
        First sample of each story, in order of presentation.
    n_times : int
        Samples of the recording.
    """

    onsets: dict[str, int]
    n_times: int

    @classmethod
    def draw(cls, lengths: Mapping[str, int], sfreq: float, rng: np.random.Generator) -> Schedule:
        """Draw an order and silences for stories of the given lengths in samples."""
        order = [str(name) for name in rng.permutation(list(lengths))]
        silences = np.round(rng.uniform(*SILENCE_S, len(order) + 1) * sfreq).astype(int)
        return cls._place(order, silences, lengths)

    @classmethod
    def _place(cls, order: list[str], silences: np.ndarray, lengths: Mapping[str, int]) -> Schedule:
        stops = np.cumsum(silences[:-1] + [lengths[name] for name in order])
        onsets = stops - [lengths[name] for name in order]
        return cls(dict(zip(order, onsets.tolist(), strict=True)), int(stops[-1] + silences[-1]))

    def fill(self, stories: Mapping[str, np.ndarray]) -> np.ndarray:
        """Put rows of each story, shape (n_rows, n), on the recording's clock, shape (n_rows, n_times)."""
        first = next(iter(stories.values()))
        clock = np.zeros((len(first), self.n_times), dtype=np.float32)
        for name, onset in self.onsets.items():
            clock[:, onset : onset + stories[name].shape[1]] = stories[name]
        return clock


@dataclass(frozen=True)
class SimulatedListener:
    """One listener's recording, in its two parts.

    Attributes
    ----------
    schedule : Schedule
    response, background : array of float32, shape (n_chans, n_times)
        Microvolts against the average of all electrodes (up to sensor noise); their sum is the EEG.
    """

    schedule: Schedule
    response: np.ndarray
    background: np.ndarray

    @property
    def eeg(self) -> np.ndarray:
        """The EEG as recorded with an average reference, shape (n_chans, n_times), microvolts."""
        eeg = self.response + self.background
        return eeg - eeg.mean(0)


def simulate_listener(
    head: SphericalHead, drives: Mapping[str, np.ndarray], settings: SimulationSettings, listener: int
) -> SimulatedListener:
    """Simulate one listener.

    Parameters
    ----------
    head : SphericalHead
    drives : mapping of str to array, shape (N_BANDS, n_times)
        What each story gives the auditory cortex, from `auditory.band_drives`.
    settings : SimulationSettings
    listener : int
        Index from 0; with the seed it decides everything random.

    Returns
    -------
    SimulatedListener
    """
    named = [settings.seed, listener]
    seeds = np.random.SeedSequence(named).spawn(4)
    if settings.session:
        seeds[1:] = np.random.SeedSequence([*named, settings.session]).spawn(3)
    anatomy, timing, noise, other = (np.random.default_rng(seed) for seed in seeds)
    lengths = {name: drive.shape[1] for name, drive in drives.items()}
    schedule = Schedule.draw(lengths, settings.sfreq, timing)
    cortex, snr_db = AuditoryCortex(anatomy), settings.snr_db + _own_db(anatomy)
    background = Background(head, schedule.n_times, noise)
    drive = schedule.fill(drives)
    if settings.null:
        drive = _unrelated_drive(drives, schedule, settings.sfreq, other)
    response = cortex.respond(head, drive)
    wanted = np.mean(background.ongoing**2, dtype=np.float64) * 10 ** (snr_db / 10)
    response *= np.float32(np.sqrt(wanted / np.mean(response**2, dtype=np.float64)))
    return SimulatedListener(schedule, response, background.total())


def _own_db(rng: np.random.Generator) -> float:
    return float(np.clip(rng.normal(0, LISTENER_SPREAD_DB), -1.5, 1.5))


def _unrelated_drive(
    drives: Mapping[str, np.ndarray], schedule: Schedule, sfreq: float, rng: np.random.Generator
) -> np.ndarray:
    """Drive of the null twin: nothing about it, story borders included, depends on what was presented.

    Another draw of the same stories gives the same statistics; played backwards, no stretch equals any speech that
    was heard; a circular shift of the whole recording hides where stories start and stop.
    """
    lengths = {name: drive.shape[1] for name, drive in drives.items()}
    backwards = Schedule.draw(lengths, sfreq, rng).fill(drives)[:, ::-1]
    # Its silences may sum to a little more or less: repeat or cut.
    backwards = np.take(backwards, np.arange(schedule.n_times), axis=1, mode="wrap")
    return np.roll(backwards, rng.integers(schedule.n_times), axis=1)
