"""Refuses a recording in which a channel, or the whole cap, recorded the sound itself."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from eeg2speech_bench.core.errors import DataError
from eeg2speech_bench.core.segments.channel_types import signal_name
from eeg2speech_bench.core.segments.recordings import Recording
from eeg2speech_bench.datasets.preparation.recorded_sound.following import (
    Following,
    SoundOf,
    Stretch,
    follow_level,
    follow_waveform,
    heard_stretches,
)
from eeg2speech_bench.datasets.preparation.recorded_sound.onset_pulses import pulse_ratios

if TYPE_CHECKING:
    import mne

#: correlation with the level of the sound at once that no scalp EEG reaches (docs/data.md has what was measured), of
#: one channel and of the best combination
LEVEL_LIMIT, LEVEL_TOGETHER_LIMIT = 0.1, 0.06
#: the same of the waveform
WAVE_LIMIT, WAVE_TOGETHER_LIMIT = 0.3, 0.15
#: standard deviations of what chance gives, which a correlation has to exceed besides
CHANCE_LIMIT = 7.0
#: a brain follows the level later; a copy does so at once, at least this share of it
ANSWER_SHARE = 0.3
#: how many times larger steps are at the onsets of sounds than around them
PULSE_LIMIT = 4.0
#: up to this share of channels are single channels; more are a sound that leaked into the cap
SINGLE_SHARE = 0.25
N_NAMED = 5


@dataclass(frozen=True)
class _Copy:
    """What part of the sound was found, and in which channels; ``together`` if no single one shows it."""

    channels: list[str]
    shown: str
    together: bool = False


def check_no_sound(recording: Recording, raw: mne.io.BaseRaw, sound: SoundOf) -> None:
    """Refuse a recording whose channels hold the sound itself.

    Amplifiers record the sound beside the EEG, or its level, or pulses at its onsets; earphones leak into electrodes.
    An encoder would read the sound from there, and not from the brain.

    Parameters
    ----------
    recording : Recording
    raw : mne.io.BaseRaw
        Its EEG or MEG channels as recorded; those marked bad are not looked at.
    sound : callable
        Returns the samples of a stimulus by its id.

    Raises
    ------
    DataError
        If a channel, or a combination of channels, follows the sound earlier and better than a brain can.
    """
    good = [name for name in raw.ch_names if name not in raw.info["bads"]]
    if not good:
        return
    if len(good) < len(raw.ch_names):
        raw = raw.copy().pick(good, verbose="ERROR")
    said = signal_name(raw.get_channel_types()[0])
    copies = list(_copies(recording, raw, sound))
    single = [c for c in copies if not c.together and len(c.channels) <= max(1, SINGLE_SHARE * len(good))]
    if single:
        raise _recorded(recording, single, said)
    if copies:
        raise _leaked(recording, copies[0], said)


def _copies(recording: Recording, raw: mne.io.BaseRaw, sound: SoundOf) -> Iterator[_Copy]:
    stretches = heard_stretches(recording.presentations, raw.n_times, raw.info["sfreq"])
    ratios = pulse_ratios(raw, recording.presentations)
    if (ratios > PULSE_LIMIT).any():
        yield _Copy(_strongest(raw, ratios, PULSE_LIMIT), "pulses at the onsets of sounds")
    if level := follow_level(raw, stretches, sound):
        yield from _level_copies(raw, *level)
    yield from _wave_copies(raw, stretches, sound)


def _level_copies(raw: mne.io.BaseRaw, once: Following, answer: Following) -> Iterator[_Copy]:
    strongest = float(np.abs(answer.channels).max())
    limit = max(LEVEL_LIMIT, CHANCE_LIMIT * once.noise, ANSWER_SHARE * strongest)
    together = max(LEVEL_TOGETHER_LIMIT, CHANCE_LIMIT * once.together_noise, ANSWER_SHARE * answer.together)
    yield from _found(raw, once, limit, together, "the level of the sound")


def _wave_copies(raw: mne.io.BaseRaw, stretches: list[Stretch], sound: SoundOf) -> Iterator[_Copy]:
    if not stretches or sound(stretches[0].stimulus_id).kind != "waveform":
        return
    for wave in follow_waveform(raw, stretches, sound):
        # The strongest of many lags in a short stretch is high by chance.
        limit = max(WAVE_LIMIT, 2 * wave.noise)
        together = max(WAVE_TOGETHER_LIMIT, CHANCE_LIMIT * wave.together_noise)
        yield from _found(raw, wave, limit, together, "the waveform of the sound")


def _found(raw: mne.io.BaseRaw, following: Following, limit: float, together: float, what: str) -> Iterator[_Copy]:
    strength = np.abs(following.channels)
    best = int(strength.argmax())
    if strength[best] > limit:
        shown = _shown(following.channels[best], what, following.lags_s[best])
        yield _Copy(_strongest(raw, strength, limit), shown)
    elif following.together > together:
        shown = _shown(following.together, what, following.together_lag_s) + " of the best combination of channels"
        yield _Copy(_strongest(raw, strength, 0.0), shown, together=True)


def _shown(r: float, what: str, lag_s: float) -> str:
    return f"r = {r:.2f} with {what} at a lag of {round(1000 * lag_s)} ms"


def _strongest(raw: mne.io.BaseRaw, strength: np.ndarray, limit: float) -> list[str]:
    return [raw.ch_names[i] for i in np.argsort(-strength, kind="stable") if strength[i] > limit]


def _recorded(recording: Recording, copies: list[_Copy], said: str) -> DataError:
    names = list(dict.fromkeys(name for copy in copies for name in copy.channels))
    named, plural = ", ".join(f"'{name}'" for name in names), len(names) > 1
    return DataError(
        f"Channel{'s' * plural} {named} of {recording.source} recorded the sound and not the brain",
        got=copies[0].shown,
        expected=f"{said}, which follows sound 50 to 350 ms later and far more weakly",
        then=f"Give {named} the type MISC in channels.tsv. If they recorded the brain, check that the onsets in "
        "events.tsv are not too late.",
    )


def _leaked(recording: Recording, copy: _Copy, said: str) -> DataError:
    return DataError(
        f"Sound leaked into the {said} of {recording.source}",
        got=f"{copy.shown}, strongest in {', '.join(copy.channels[:N_NAMED])}",
        expected=f"{said}, which follows sound 50 to 350 ms later and far more weakly",
        then="Check that the onsets in events.tsv are not too late. If they are right, leave this recording out, or "
        f"remove from its {said} what follows the sound at once; earphones with air tubes do not leak.",
    )
