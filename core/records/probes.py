"""Describes what was read out of a cell's embeddings by linear models."""

from __future__ import annotations

from eeg2speech_bench.core.records.groups import GroupScores
from eeg2speech_bench.core.records.metrics import Metric

#: the probe of who listens; all others are of what is heard
LISTENER = "listener"
#: what records and files call the scores of probes
PROBES = "probes"
#: share of the way from chance to always right beyond which a probe is far above chance
FAR = 0.25


class ProbeScores(GroupScores):
    """What linear models read out of the embeddings of test segments, by the names of `metrics`."""

    def entry(self, name: str, condition: str = "eeg") -> Metric | None:
        """Return what was read out under a condition, None if it was not."""
        return next((m for m in self.metrics if m.name == name and m.condition == condition), None)

    @property
    def leak(self) -> str:
        """One sentence if the listener is read out far above chance and nothing of the speech is; empty otherwise.

        What cannot be read out of the true audio embedding either says nothing, and is left aside.
        """
        listener, verdict = self.entry(LISTENER), self.verdict.get(LISTENER)
        if listener is None or listener.chance is None or verdict is None or not verdict.distinguishable:
            return ""
        far = listener.low - listener.chance >= FAR * (1 - listener.chance)
        of_speech = [self.verdict[name] for name in self.verdict if name != LISTENER and self._can_be_read(name)]
        if not far or not of_speech or any(one.distinguishable for one in of_speech):
            return ""
        reached = f"{listener.value:.2f}, chance {listener.chance:.2f}"
        return f"The listener is read out of the embeddings ({reached}), the speech is not: a leak looks like this."

    def _can_be_read(self, name: str) -> bool:
        ceiling = self.entry(name, "audio")
        return ceiling is not None and ceiling.chance is not None and ceiling.low > ceiling.chance
