"""Describes what one group of listeners scored: known ones, or new ones once calibrated."""

from __future__ import annotations

from typing import Literal

from eeg2speech_bench.core.records.metrics import ControlTest, Metric, Verdict
from eeg2speech_bench.core.records.part import RecordPart

#: groups beside the new listeners as they come, which the record's own scores are of
Group = Literal["known", "calibrated"]
GROUPS: tuple[Group, ...] = ("known", "calibrated")


def segments_name(group: str) -> str:
    """Return the name of the file of a group's per-segment values."""
    return f"segments-{group}.parquet"


class GroupScores(RecordPart):
    """The scores of a group on the stimuli of the test, as the record has them of new listeners.

    Attributes
    ----------
    metrics : list of Metric
    tests : list of ControlTest
    verdict : dict of str to Verdict
    """

    metrics: list[Metric]
    tests: list[ControlTest]
    verdict: dict[str, Verdict]
