"""Writes and reads ``scores.json``, the metrics, tests and verdicts that stage ``score`` leaves for the record."""

from __future__ import annotations

from pathlib import Path

from pydantic import BaseModel

from eeg2speech_bench.core.records.groups import Group, GroupScores
from eeg2speech_bench.core.records.metrics import ControlTest, Metric, SetScore, Verdict
from eeg2speech_bench.core.records.probes import ProbeScores
from eeg2speech_bench.core.stages.json_files import write_json

FILE = "scores.json"


class Scores(BaseModel):
    """Holds everything that a cell scored; `core.records.record.Record` takes it over.

    Attributes
    ----------
    groups : dict of str to GroupScores
        Of known listeners, and of new ones once calibrated, where listeners are held out.
    probes : ProbeScores, optional
        What was read out of embeddings, where that was asked for.
    skipped : dict of str to str
        Metrics that were not measured, with the reason.
    """

    metrics: list[Metric]
    sets: list[SetScore]
    tests: list[ControlTest]
    verdict: dict[str, Verdict]
    groups: dict[Group, GroupScores] = {}
    probes: ProbeScores | None = None
    skipped: dict[str, str]

    @classmethod
    def read(cls, folder: Path) -> Scores:
        """Read what `write` wrote."""
        return cls.model_validate_json((folder / FILE).read_bytes())

    def write(self, folder: Path) -> None:
        """Write it into the folder of the stage."""
        write_json(folder / FILE, self.model_dump(mode="json"))
