"""Lists the conditions of a cell in order: the signal, its controls and its ceilings."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

Kind = Literal["reference", "signal", "control", "ceiling"]

#: what an encoder reads; `Record.reads` says which
SIGNALS = {"eeg": "EEG", "meg": "MEG", "text": "transcript", "audio": "audio"}


@dataclass(frozen=True)
class Condition:
    """One way in which test segments are scored.

    Attributes
    ----------
    name : str
        As records and files spell it.
    kind : str
        ``"reference"``: the true speech itself. ``"signal"``: what the encoder reads. ``"control"``: it carries no
        knowledge of the true audio, and a claim must beat every one of them. ``"ceiling"``: it carries the true audio.
    label : str
        For tables and pictures; ``{}`` stands for the signal that the encoder reads.
    meaning : str
        One line on what it answers.
    encoded : bool
        Whether segments pass through the encoder.
    embedded : bool
        Whether the stage ``embed`` makes an embedding of it; the others are made of true speech.
    """

    name: str
    kind: Kind
    label: str
    meaning: str
    encoded: bool = False
    embedded: bool = True

    def label_for(self, modality: str = "eeg") -> str:
        """Return the label for an encoder that reads ``"eeg"``, ``"meg"``, ``"text"`` or ``"audio"``."""
        return self.label.format(SIGNALS.get(modality, modality))


#: all conditions in the order in which they are run and shown
CONDITIONS = (
    Condition("reference", "reference", "true speech", "the true speech of the segment", embedded=False),
    Condition(
        "eeg", "signal", "{}", "the signal of the segment: its EEG or MEG, or what else the encoder reads", encoded=True
    ),
    Condition(
        "shift",
        "control",
        "{} at a wrong time",
        "signal of the right listener at a wrong time (EEG and MEG: circular shift)",
        encoded=True,
    ),
    Condition(
        "phase",
        "control",
        "phase-randomised {}",
        "the segment's signal with randomised phases (same spectrum and channel covariance); text has none",
        encoded=True,
    ),
    Condition("shuffle", "control", "{} of other segments", "signal of another segment", encoded=True),
    Condition("mean", "control", "mean condition", "the mean condition of training segments"),
    Condition("none", "control", "no condition", "no condition"),
    Condition("audio", "ceiling", "ceiling: true audio embedding", "the true audio embedding"),
    Condition(
        "autoencoder",
        "ceiling",
        "ceiling: autoencoder + vocoder",
        "true speech through autoencoder and vocoder",
        embedded=False,
    ),
    Condition("vocoder", "ceiling", "ceiling: vocoder", "true speech through mel and vocoder", embedded=False),
)
#: every condition by its name
BY_NAME = {condition.name: condition for condition in CONDITIONS}
#: names of the controls; a claim must beat every one of them
CONTROLS = tuple(condition.name for condition in CONDITIONS if condition.kind == "control")
#: names of what carries the true audio
CEILINGS = tuple(condition.name for condition in CONDITIONS if condition.kind == "ceiling")
#: names of the conditions that pass through the encoder
ENCODED = tuple(condition.name for condition in CONDITIONS if condition.encoded)
#: names of what ``embed`` makes, in order
EMBEDDED = tuple(condition.name for condition in CONDITIONS if condition.embedded)
#: names of what is scored: all but the reference
SCORED = tuple(condition.name for condition in CONDITIONS if condition.kind != "reference")


def embedded_conditions(modality: str) -> tuple[str, ...]:
    """Return the names of the conditions that ``embed`` makes for an encoder of a modality; text has no phases."""
    return tuple(name for name in EMBEDDED if not (name == "phase" and modality == "text"))


def signal_read(modality: str, picks: str) -> str:
    """Return which of `SIGNALS` an encoder of a modality reads, given the type of the channels (``data.picks``)."""
    return "meg" if modality == "eeg" and picks != "eeg" else modality


def brain_signals(read: Iterable[str]) -> str:
    """Return what was recorded of brains, given what encoders read: ``"EEG"``, ``"MEG"`` or ``"EEG or MEG"``."""
    recorded = {"eeg", "meg"} & set(read)
    return " or ".join(SIGNALS[name] for name in sorted(recorded)) or SIGNALS["eeg"]


def condition_label(name: str, modality: str = "eeg") -> str:
    """Return a condition's label; a name that is not ours is its own label."""
    return BY_NAME[name].label_for(modality) if name in BY_NAME else name
