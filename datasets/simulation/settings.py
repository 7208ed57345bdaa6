"""Says what decides a simulated data set, and names it by that."""

from __future__ import annotations

import hashlib
import json
import math
from dataclasses import asdict, dataclass
from pathlib import Path

from eeg2speech_bench.core.errors import UsageError
from eeg2speech_bench.datasets import speech

#: part of every folder's name; raise it when the same settings give other data
SOURCE_VERSION = 2
#: sizes of the BioSemi caps whose positions MNE knows
CAP_SIZES = (16, 32, 64, 128)


@dataclass(frozen=True)
class SimulationSettings:
    """What decides a simulated data set, together with the speech that the suite ships.

    Attributes
    ----------
    n_listeners : int
        Listeners; each hears every story once.
    n_chans : int
        Size of the BioSemi cap: 16, 32, 64 or 128.
    sfreq : float
        Sampling rate, Hz.
    snr_db : float
        Power of the response over that of the ongoing cortical activity, mean over channels, in dB.
    seed : int
        Same seed, same data. Listener n of a seed does not depend on the number of listeners.
    null : bool
        The twin in which EEG and speech are independent: same background, same response power, but the cortex
        follows stories played backwards, in another order, from another moment, different for every listener.
    stories : int, optional
        Use only the first few stories; all by default.
    session : int
        Another session of the same listeners: the same heads and responses, in another order of stories, with other
        silences and another background.

    Raises
    ------
    UsageError
        If a value makes no data set.
    """

    n_listeners: int = 8
    n_chans: int = 32
    sfreq: float = 128.0
    snr_db: float = -20.8
    seed: int = 0
    null: bool = False
    stories: int | None = None
    session: int = 0

    @property
    def about(self) -> str:
        """What to say beside every score of these listeners."""
        said = "Simulated listeners, no person was recorded"
        return (
            f"{said}; their EEG is independent of the speech, so signal of an encoder that reads it is a false alarm"
            if self.null
            else said
        )

    def __post_init__(self) -> None:
        checks = {
            "n_listeners": (self.n_listeners >= 1, "1 or more"),
            "n_chans": (self.n_chans in CAP_SIZES, f"one of {', '.join(map(str, CAP_SIZES))}"),
            "sfreq": (self.sfreq >= 64, "64 Hz or more: the response reaches 30 Hz"),
            "snr_db": (math.isfinite(self.snr_db), "a finite number of dB"),
            "seed": (self.seed >= 0, "0 or more"),
            "session": (self.session >= 0, "0 or more"),
            "stories": (self.stories is None or self.stories >= 1, "1 or more, or none for all"),
        }
        for name, (fine, expected) in checks.items():
            if not fine:
                raise UsageError(f"Simulation setting {name} is wrong", got=getattr(self, name), expected=expected)


def told_stories(settings: SimulationSettings) -> list[str]:
    """Return the names of the stories that are told; a `UsageError` if there are fewer than asked for."""
    names = list(speech.story_names())
    if settings.stories is not None and settings.stories > len(names):
        raise UsageError("Too many stories asked for", got=settings.stories, expected=f"at most {len(names)}")
    return names[: settings.stories]


def folder_name(settings: SimulationSettings) -> str:
    """Name a data set by its settings, the source version and the speech; equal names hold equal data."""
    decided = asdict(settings)
    if not settings.session:
        del decided["session"]  # which does not change what the first session is called
    content = hashlib.sha256(json.dumps([SOURCE_VERSION, decided], sort_keys=True).encode())
    for name in told_stories(settings):
        sound = Path(speech.story_path(name))
        content.update(sound.read_bytes() + sound.with_suffix(".json").read_bytes())
    kind = "simulated-null" if settings.null else "simulated"
    what = f"{settings.n_listeners}x{settings.n_chans}ch_{settings.snr_db:g}dB_seed{settings.seed}"
    return f"{kind}_{what}_{content.hexdigest()[:10]}"
