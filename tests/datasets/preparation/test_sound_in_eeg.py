from __future__ import annotations

from collections.abc import Callable

import mne
import numpy as np
import pytest
from scipy import signal

from eeg2speech_bench.core.errors import DataError
from eeg2speech_bench.core.segments.recordings import Presentation, Recording, Sound
from eeg2speech_bench.datasets import speech
from eeg2speech_bench.datasets.dtu import open_dtu
from eeg2speech_bench.datasets.preparation.recorded_sound.check import check_no_sound
from eeg2speech_bench.datasets.simulation.auditory import band_drives, band_envelopes
from eeg2speech_bench.datasets.simulation.head import SphericalHead
from eeg2speech_bench.datasets.simulation.listeners import simulate_listener
from eeg2speech_bench.datasets.simulation.settings import SimulationSettings

RATE_HZ = 16_000
STORIES = {name: speech.load_story(name)[1][: 30 * RATE_HZ] for name in speech.story_names()[:5]}
#: seconds of silence before each story
PAUSE_S = 2.0
SOUNDS = {name: Sound("waveform", samples, RATE_HZ) for name, samples in STORIES.items()}
NAMES = ["Fp1", "Fp2", "F3", "F4", "C3", "C4", "P3", "P4", "O1", "O2", "F7", "F8", "T7", "T8", "Fz", "Pz"]


def presentations() -> tuple[Presentation, ...]:
    found, onset_s = [], PAUSE_S
    for name, samples in STORIES.items():
        found.append(Presentation(name, onset_s, len(samples) / RATE_HZ))
        onset_s += len(samples) / RATE_HZ + PAUSE_S
    return tuple(found)


def played(delay_s: float = 0.0) -> np.ndarray:
    """What came out of the loudspeaker during the recording, at 16 kHz."""
    parts = [np.zeros(round(delay_s * RATE_HZ))]
    for samples in STORIES.values():
        parts += [np.zeros(round(PAUSE_S * RATE_HZ)), samples]
    return np.concatenate([*parts, np.zeros(round((PAUSE_S - delay_s) * RATE_HZ))])


def taken(sound: np.ndarray, sfreq: float) -> np.ndarray:
    """Samples of a sound at the times of the EEG's, without a filter."""
    rows = np.arange(int(len(sound) / RATE_HZ * sfreq)) * RATE_HZ / sfreq
    return sound[np.rint(rows).astype(int)]


def filtered(sound: np.ndarray, edge_hz: float, kind: str = "lowpass") -> np.ndarray:
    return signal.sosfilt(signal.butter(2, edge_hz, kind, fs=RATE_HZ, output="sos"), sound)


def pulses(places_s: np.ndarray, sfreq: float) -> np.ndarray:
    train = np.zeros(len(taken(played(), sfreq)))
    train[(np.rint(places_s * sfreq).astype(int)[:, None] + np.arange(2)).ravel()] = 1
    return train


def loud_onsets_s() -> np.ndarray:
    loud = filtered(np.abs(played()), 30) > 0.03
    return np.flatnonzero(np.diff(loud.astype(int)) > 0) / RATE_HZ


def in_noise(copy: np.ndarray, strength: float) -> np.ndarray:
    return strength * copy / copy.std() + np.random.default_rng(1).standard_normal(len(copy))


COPIES: dict[str, Callable[[float], np.ndarray]] = {
    "the waveform": lambda sfreq: taken(filtered(played(), 0.4 * sfreq), sfreq),
    "the waveform 30 ms late": lambda sfreq: taken(filtered(played(0.03), 0.4 * sfreq), sfreq),
    "the waveform, folded": lambda sfreq: taken(played(), sfreq),
    "the waveform, clipped": lambda sfreq: taken(filtered(played().clip(-0.05, 0.05), 0.4 * sfreq), sfreq),
    "the envelope": lambda sfreq: taken(filtered(np.abs(played()), 20), sfreq),
    "the envelope 30 ms late": lambda sfreq: taken(filtered(np.abs(played(0.03)), 20), sfreq),
    "the envelope, inverted and without its mean": lambda sfreq: (
        -taken(filtered(filtered(np.abs(played()), 20), 0.5, "highpass"), sfreq)
    ),
    "the envelope up to 2 Hz": lambda sfreq: taken(filtered(np.abs(played()), 2), sfreq),
    "the envelope, clipped": lambda sfreq: taken(filtered(np.abs(played()), 20), sfreq).clip(max=0.02),
    "the envelope under stronger muscles": lambda sfreq: in_noise(COPIES["the envelope"](sfreq), 0.3),
    "pulses at loud sounds": lambda sfreq: pulses(loud_onsets_s(), sfreq),
    "pulses at presentations": lambda sfreq: pulses(np.array([p.onset_s for p in presentations()]), sfreq),
}


def check(eeg: np.ndarray, sfreq: float, names: list[str] = NAMES) -> None:
    """Give EEG of any scale to the guard, as a recording of all stories."""
    recording = Recording("r", "s", "sub-01_eeg.vhdr", presentations(), lambda: raw)
    raw = mne.io.RawArray(1e-5 * eeg, mne.create_info(names, sfreq, "eeg"), verbose="ERROR")
    check_no_sound(recording, raw, SOUNDS.__getitem__)


def noise(sfreq: float) -> np.ndarray:
    return np.random.default_rng(0).standard_normal((len(NAMES), len(taken(played(), sfreq))))


@pytest.mark.parametrize(
    ("kind", "sfreq"),
    [
        *((kind, 128.0) for kind in COPIES),
        ("the waveform", 500.0),
        ("the waveform, folded", 500.0),
        ("the envelope", 500.0),
    ],
)
def test_a_channel_that_recorded_the_sound_is_refused_by_name_and_no_other_is(kind, sfreq):
    eeg = noise(sfreq)
    eeg[4] = COPIES[kind](sfreq)
    eeg[4] *= 3 / eeg[4].std()
    with pytest.raises(DataError, match=r"^Channel 'C3' of sub-01_eeg\.vhdr recorded the sound.*'C3' the type MISC"):
        check(eeg, sfreq)


def test_a_leak_too_weak_to_see_in_any_channel_is_refused_with_the_strongest_channels():
    leak = COPIES["the envelope"](128.0)
    weights = np.full((len(NAMES), 1), 0.05)
    weights[9] = 0.09
    with pytest.raises(DataError, match=r"^Sound leaked into the EEG of .*best combination.* strongest in O2,"):
        check(noise(128.0) + weights * (leak - leak.mean()) / leak.std(), 128.0)


def test_a_waveform_that_leaked_into_the_whole_cap_is_refused():
    leak = COPIES["the waveform, folded"](128.0)
    with pytest.raises(DataError, match=r"^Sound leaked into the EEG of .*the waveform of the sound"):
        check(noise(128.0) + 0.2 * leak / leak.std(), 128.0)


def test_the_message_says_what_was_found_and_what_else_it_may_be():
    eeg = noise(128.0)
    eeg[0] = COPIES["the envelope"](128.0)
    with pytest.raises(DataError, match=r"got r = 0\.\d\d with the level .*lag of \d+ ms.*check that the onsets"):
        check(eeg, 128.0)


def test_channels_marked_bad_may_hold_the_sound():
    eeg = noise(128.0)
    eeg[4] = COPIES["the envelope"](128.0)
    raw = mne.io.RawArray(1e-5 * eeg, mne.create_info(NAMES, 128.0, "eeg"), verbose="ERROR")
    raw.info["bads"] = ["C3"]
    check_no_sound(Recording("r", "s", "f", presentations(), lambda: raw), raw, SOUNDS.__getitem__)
    assert raw.ch_names == NAMES


def test_a_recording_of_bad_channels_alone_is_left_to_other_checks():
    raw = mne.io.RawArray(noise(128.0), mne.create_info(NAMES, 128.0, "eeg"), verbose="ERROR")
    raw.info["bads"] = NAMES
    check_no_sound(Recording("r", "s", "f", presentations(), lambda: raw), raw, SOUNDS.__getitem__)


@pytest.mark.parametrize("seconds", [1.0, 2.0, 4.0])
def test_short_sentences_in_noise_pass(seconds):
    heard = tuple(Presentation(name, 2.0 + i * (seconds + 1), seconds) for i, name in enumerate([*STORIES] * 8))
    raw = mne.io.RawArray(1e-5 * noise(64.0), mne.create_info(NAMES, 64.0, "eeg"), verbose="ERROR")
    check_no_sound(Recording("r", "s", "f", heard, lambda: raw), raw, SOUNDS.__getitem__)


def test_recordings_joined_at_the_onsets_pass():
    eeg = noise(128.0)
    rng = np.random.default_rng(2)
    for presentation in presentations():
        eeg[:, round(presentation.onset_s * 128) :] += 100 * rng.standard_normal((len(NAMES), 1))
    check(eeg, 128.0)


def test_noise_passes():
    check(noise(128.0), 128.0)


@pytest.mark.parametrize("lag_s", [0.08, 0.15, 0.25])
def test_answers_after_the_sound_pass_however_strong_they_are(lag_s):
    answer = taken(filtered(np.abs(played()), 30), 128.0)
    later = np.roll(answer - answer.mean(), round(lag_s * 128.0))
    gains = np.linspace(0.5, 2, len(NAMES))[:, None]
    check(noise(128.0) + gains * later / later.std(), 128.0)


@pytest.mark.parametrize(("snr_db", "null"), [(-20.8, False), (-10.0, False), (0.0, False), (-20.8, True)])
def test_simulated_listeners_pass(snr_db, null):
    settings = SimulationSettings(n_chans=16, snr_db=snr_db, null=null)
    head = SphericalHead(16, settings.sfreq)
    drives = band_drives({n: band_envelopes(x, RATE_HZ, settings.sfreq) for n, x in STORIES.items()})
    listener = simulate_listener(head, drives, settings, 0)
    heard = tuple(
        Presentation(name, onset / settings.sfreq, len(STORIES[name]) / RATE_HZ)
        for name, onset in listener.schedule.onsets.items()
    )
    raw = mne.io.RawArray(listener.eeg * 1e-6, head.info.copy(), verbose="ERROR")
    check_no_sound(Recording("r", "s", "f", heard, lambda: raw), raw, SOUNDS.__getitem__)


def test_an_envelope_without_sound_is_found_in_a_channel_at_its_own_rate():
    rng = np.random.default_rng(0)
    envelope = filtered(rng.gamma(1.0, 1.0, 64 * 60 * 250), 8)[::250].astype(np.float32)
    eeg = rng.standard_normal((8, len(envelope)))
    eeg[2] += 2 * (envelope - envelope.mean()) / envelope.std()
    raw = mne.io.RawArray(1e-5 * eeg, mne.create_info(8, 64.0, "eeg"), verbose="ERROR")
    recording = Recording("r", "s", "f", (Presentation("e", 0.0, 60.0),), lambda: raw)
    with pytest.raises(DataError, match="Channel '2' of f recorded the sound"):
        check_no_sound(recording, raw, lambda _: Sound("envelope", envelope, 64.0))


def test_real_recordings_pass(realdata):
    dataset = open_dtu(realdata)
    sound = dataset.stimuli[0].load()
    for recording in dataset.recordings:
        check_no_sound(recording, recording.load(), lambda _: sound)
