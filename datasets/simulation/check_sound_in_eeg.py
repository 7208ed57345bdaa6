"""Measures how well EEG follows sound at once, of listeners and of recordings into which sound leaked.

Run ``python -m eeg2speech_bench.datasets.simulation.check_sound_in_eeg [--dtu FOLDER] [--sparrkulee FOLDER]``.
The limits of `datasets.preparation.recorded_sound` stand between what listeners reach and what recorded sound does.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator, Sequence
from functools import cache, partial
from itertools import groupby
from pathlib import Path
from typing import NamedTuple

import mne
import numpy as np

from eeg2speech_bench.core.errors import DataError
from eeg2speech_bench.core.segments.recordings import Presentation, Recording, Sound
from eeg2speech_bench.datasets import speech
from eeg2speech_bench.datasets.dtu import open_dtu
from eeg2speech_bench.datasets.preparation.recorded_sound.amplifier import level_at
from eeg2speech_bench.datasets.preparation.recorded_sound.check import check_no_sound
from eeg2speech_bench.datasets.preparation.recorded_sound.following import (
    Following,
    SoundOf,
    follow_level,
    follow_waveform,
    heard_stretches,
)
from eeg2speech_bench.datasets.simulation.auditory import band_drives, band_envelopes
from eeg2speech_bench.datasets.simulation.head import SphericalHead
from eeg2speech_bench.datasets.simulation.listeners import simulate_listener
from eeg2speech_bench.datasets.simulation.settings import SimulationSettings

RATE_HZ = 16_000
#: what listeners' SNR is set to, dB; the first is the suite's default, like a good real listener
SNRS_DB = (-20.8, -10.0, 0.0)
#: share of a leak in the standard deviation of every channel
LEAKS = (0.02, 0.05, 0.1)


class Case(NamedTuple):
    """A recording with its sounds, and what stands in the table for it."""

    what: str
    recording: Recording
    sound: SoundOf


class Measured(NamedTuple):
    """Absolute correlations of the best channel and of the best combination, and whether it is refused."""

    once: float
    once_together: float
    answer: float
    answer_together: float
    wave: float
    wave_together: float
    refused: bool


def measure(case: Case) -> Measured:
    """Follow one recording."""
    raw = case.recording.load()
    stretches = heard_stretches(case.recording.presentations, raw.n_times, raw.info["sfreq"])
    followed = follow_level(raw, stretches, case.sound)
    assert followed is not None, "too little was heard"
    has_waveform = case.sound(stretches[0].stimulus_id).kind == "waveform"
    waves = list(follow_waveform(raw, stretches, case.sound)) if has_waveform else []
    try:
        check_no_sound(case.recording, raw, case.sound)
        refused = False
    except DataError:
        refused = True
    once, answer = followed
    return Measured(
        _best(once),
        once.together,
        _best(answer),
        answer.together,
        max((_best(wave) for wave in waves), default=np.nan),
        max((wave.together for wave in waves), default=np.nan),
        refused,
    )


def _best(following: Following) -> float:
    return float(np.abs(following.channels).max())


@cache
def stories() -> dict[str, Sound]:
    """Load the suite's stories."""
    return {name: Sound("waveform", speech.load_story(name)[1], RATE_HZ) for name in speech.story_names()}


@cache
def drives(sfreq: float) -> dict[str, np.ndarray]:
    """What the stories give an auditory cortex."""
    return band_drives({name: band_envelopes(s.values, RATE_HZ, sfreq) for name, s in stories().items()})


def listener(what: str, settings: SimulationSettings, number: int, late_s: float = 0.0) -> Case:
    """Simulate a listener whose onsets are written down ``late_s`` too late."""
    head = SphericalHead(settings.n_chans, settings.sfreq)
    simulated = simulate_listener(head, drives(settings.sfreq), settings, number)
    heard = tuple(
        Presentation(name, onset / settings.sfreq + late_s, len(stories()[name].values) / RATE_HZ)
        for name, onset in simulated.schedule.onsets.items()
    )
    raw = mne.io.RawArray(simulated.eeg * 1e-6, head.info.copy(), verbose="ERROR")
    return Case(what, Recording(f"{number}", f"{number}", what, heard, raw.copy), stories().__getitem__)


def leak(strength: float, settings: SimulationSettings) -> Case:
    """Add the level of the sound, weakly, to all channels of a listener who hears something else."""
    what = f"the same, the level leaks with {strength:g} of the EEG into the cap"
    case = listener(what, settings, 0)
    raw = case.recording.load()
    times_s, level = raw.times, np.zeros(raw.n_times)
    for p in case.recording.presentations:
        inside = (times_s >= p.onset_s) & (times_s < p.onset_s + p.duration_s)
        level[inside] = level_at(case.sound(p.stimulus_id), times_s[inside] - p.onset_s, 1 / raw.info["sfreq"])
    gains = strength * np.random.default_rng(0).uniform(0.5, 1.5, (len(raw.ch_names), 1)) * raw.get_data().std()
    raw._data += (gains - gains.mean()) * (level - level.mean()) / level.std()  # the average is the reference
    return Case(what, Recording("leak", "leak", what, case.recording.presentations, raw.copy), case.sound)


def simulated_cases(n_listeners: int) -> Iterator[Case]:
    """Listeners at several SNRs, without answers, with late onsets, and with leaks."""
    null = SimulationSettings(null=True)
    for number in range(n_listeners):
        yield listener("simulated, EEG independent of the sound", null, number)
    for snr_db in SNRS_DB:
        for number in range(n_listeners):
            yield listener(f"simulated, {snr_db:g} dB", SimulationSettings(snr_db=snr_db), number)
    for number in range(n_listeners):
        yield listener("simulated, -20.8 dB, onsets 60 ms too late", SimulationSettings(), number, 0.06)
    for strength in LEAKS:
        yield leak(strength, null)


def dtu_cases(folder: Path) -> Iterator[Case]:
    """Real trials of 50 s, and the ten trials of each listener one after the other."""
    dataset = open_dtu(folder)
    stimulus = dataset.stimuli[0]
    sound = stimulus.load()
    for subject, trials in groupby(dataset.recordings, lambda r: r.subject):
        own = list(trials)
        yield from (Case("DTU, one trial", trial, lambda _: sound) for trial in own)
        raws = [trial.load() for trial in own]
        onsets = np.cumsum([0.0, *(raw.n_times / raw.info["sfreq"] for raw in raws)])
        heard = tuple(Presentation(stimulus.stimulus_id, float(t), stimulus.duration_s) for t in onsets[:-1])
        joined = mne.io.RawArray(np.hstack([raw.get_data() for raw in raws]), raws[0].info, verbose="ERROR")
        yield Case("DTU, ten trials", Recording(subject, subject, folder.name, heard, joined.copy), lambda _: sound)


def sparrkulee_cases(folder: Path) -> Iterator[Case]:
    """Real recordings at 64 Hz, below ``folder``: ``*_eeg.npy`` and one ``*envelope.npy``."""
    envelope = np.load(next(folder.rglob("*_envelope.npy")))[:, 0]
    sound = Sound("envelope", envelope, 64.0)
    for path in sorted(folder.rglob("*_eeg.npy")):
        eeg = np.load(path)
        raw = mne.io.RawArray(eeg * 1e-6, mne.create_info(len(eeg), 64.0, "eeg"), verbose="ERROR")
        heard = (Presentation("envelope", 0.0, len(envelope) / 64),)
        yield Case("SparrKULee, 2 min", Recording(path.stem, path.stem, str(path), heard, raw.copy), lambda _: sound)


def main(arguments: Sequence[str] | None = None) -> int:
    """Print a row per kind of recording: the largest correlations of all its recordings."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--listeners", type=int, default=4, metavar="N", help="simulated ones of each kind")
    parser.add_argument("--dtu", type=Path, metavar="FOLDER", help="with the published npz files")
    parser.add_argument("--sparrkulee", type=Path, metavar="FOLDER", help="with EEG and an envelope at 64 Hz")
    given = parser.parse_args(arguments)
    sources = [partial(simulated_cases, given.listeners)]
    sources += [partial(dtu_cases, given.dtu)] if given.dtu else []
    sources += [partial(sparrkulee_cases, given.sparrkulee)] if given.sparrkulee else []
    found: dict[str, list[Measured]] = {}
    for source in sources:
        for case in source():
            found.setdefault(case.what, []).append(measure(case))
    print("| EEG | at once: channel, together | 45 to 400 ms later | waveform | refused |")
    print("| --- | --- | --- | --- | --- |")
    for what, rows in found.items():
        numbers = [f"{value:.3f}" for value in np.max([row[:-1] for row in rows], axis=0)]
        pairs = " | ".join(
            f"{a}, {b}".replace("nan, nan", "") for a, b in zip(numbers[::2], numbers[1::2], strict=True)
        )
        print(f"| {what} | {pairs} | {sum(row.refused for row in rows)} of {len(rows)} |")
    return 0


if __name__ == "__main__":
    sys.exit(main())
