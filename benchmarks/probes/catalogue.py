"""Lists what is read out of embeddings."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from eeg2speech_bench.core.conditions import CONTROLS
from eeg2speech_bench.core.records.probes import LISTENER
from eeg2speech_bench.core.specs import MetricSpec

_GAIN = "Share of the variance that a linear model explains in held-out audio; 0 is the mean of the training folds."
_HITS = "How often a linear model names the right one in held-out audio, all classes with equal weight."


@dataclass(frozen=True)
class Probe:
    """One thing that is read out of embeddings.

    Attributes
    ----------
    name, label : str
        As records spell it, and as tables do.
    kind : str
        ``"number"`` is read by ridge regression, ``"class"`` by logistic regression.
    about : str
        What it is, for readers.
    controls : tuple of str
        The controls that destroy it, and that the signal is tested against.
    """

    name: str
    label: str
    kind: Literal["number", "class"]
    about: str
    controls: tuple[str, ...] = CONTROLS

    def metric(self) -> MetricSpec:
        """Describe it as any other score is described in a record."""
        note = f"{self.about} {_GAIN if self.kind == 'number' else _HITS}"
        unit = "R2" if self.kind == "number" else "balanced accuracy"
        return MetricSpec(self.name, "", self.about, label=self.label, note=note, unit=unit, headline=True)


#: everything that is read out, in the order in which it is shown
PROBES = (
    Probe("envelope", "envelope", "number", "How loud the speech is, token by token."),
    Probe("onsets", "onsets", "number", "How fast the speech gets louder, token by token."),
    Probe("pitch", "pitch", "number", "Logarithm of the fundamental frequency where there is one."),
    Probe("phoneme_class", "phoneme class", "class", "Manner of each phoneme (vowel, stop, fricative, ...)."),
    Probe("word_frequency", "word frequency", "number", "Logarithm of how often each word comes in the transcripts."),
    Probe("speaker", "speaker", "class", "Whose voice is heard, in recordings that were not learnt from."),
    # EEG at a wrong time and phase-randomised EEG are of the same listener still
    Probe(LISTENER, "listener", "class", "Who listens, from the mean of all tokens.", ("shuffle", "mean", "none")),
)
BY_NAME = {probe.name: probe for probe in PROBES}
