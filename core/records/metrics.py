"""Describes what was measured: metrics with intervals and levels, metrics of all clips, tests, and verdicts."""

from __future__ import annotations

import math
from typing import Annotated, Literal

from pydantic import Field

from eeg2speech_bench.core.records.part import Count, Name, Number, RecordPart, Share

#: relative difference that rounding explains
ROUNDING = 1e-6
Band = Annotated[list[Number], Field(min_length=2, max_length=2)]


class Measurement(RecordPart):
    """One value of a metric under one condition, with what the metric is.

    Attributes
    ----------
    name : str
    version : int
    condition : str
        See `core.conditions`.
    value : float
    n : int
        Segments or clips.
    unit : str
    higher_is_better : bool
    label, note : str
        What tables call it, and one line on it; empty in records of before they were kept.
    lowest, highest : float, optional
        Values that it cannot leave.
    """

    name: Name
    version: Count
    condition: Name
    value: Number
    n: Count
    unit: Annotated[str, Field(max_length=300)]
    higher_is_better: bool
    label: Annotated[str, Field(max_length=300)] = ""
    note: Annotated[str, Field(max_length=300)] = ""
    lowest: Number | None = None
    highest: Number | None = None

    @property
    def title(self) -> str:
        """What tables call the metric."""
        return self.label or self.name

    @property
    def sign(self) -> int:
        """1 where high is good, -1 where low is."""
        return 1 if self.higher_is_better else -1

    def levels(self) -> list[float]:
        """Return every number that is a value of the metric."""
        return [self.value]

    def flaw(self) -> str:
        """Say what about its numbers cannot be; empty if nothing."""
        if self.lowest is None and self.highest is None:
            return ""
        low = -math.inf if self.lowest is None else self.lowest
        high = math.inf if self.highest is None else self.highest
        levels = self.levels()
        smallest, largest = min(levels), max(levels)
        if low - ROUNDING <= smallest and largest <= high + ROUNDING:
            return ""
        wrong = smallest if smallest < low - ROUNDING else largest
        return f"{wrong} is no value of {self.name}, which goes from {low:g} to {high:g}"


class Metric(Measurement):
    """One metric under one condition, made of values per segment.

    Attributes
    ----------
    low, high, confidence : float
        Interval of the value, and its coverage.
    pool : str
        Candidates of a metric of scores; empty: all test windows.
    n_pool : int
        Candidates that a true one is told from.
    chance, chance_uniform : float or None
        Level of guessing, and of a guess that does not know how often words come.
    chance_band : list of float, optional
        Ends of the values that guessing reaches.
    baseline : float, optional
        What the mean over the other clips reaches.
    aggregate : str
        How the value is made of those of segments; empty in records of before it was kept.
    per_subject : dict of str to float
        The value of each listener.
    """

    low: Number
    high: Number
    confidence: Annotated[float, Field(gt=0, lt=1)]
    pool: Annotated[str, Field(max_length=300)] = ""
    n_pool: Count
    chance: Number | None
    chance_band: Band | None = None
    chance_uniform: Number | None = None
    baseline: Number | None = None
    aggregate: Literal["", "mean", "median"] = ""
    per_subject: Annotated[dict[Name, Number], Field(min_length=1)]

    def levels(self) -> list[float]:
        """Return every number that is a value of the metric."""
        known = [level for level in (self.chance, self.chance_uniform, self.baseline) if level is not None]
        return [self.value, self.low, self.high, *known, *(self.chance_band or ()), *self.per_subject.values()]

    def flaw(self) -> str:
        """Say what about its numbers cannot be; empty if nothing."""
        slack = ROUNDING * max(1.0, abs(self.value))
        if not self.low - slack <= self.value <= self.high + slack:
            return f"value {self.value} lies outside its own interval [{self.low}, {self.high}]"
        if self.chance_band and self.chance_band[0] > self.chance_band[1]:
            return f"chance_band {self.chance_band} ends below its start"
        if self.n < len(self.per_subject):
            return f"{self.n} segments cannot be of {len(self.per_subject)} listeners"
        return super().flaw()


class SetScore(Measurement):
    """One metric of all clips of a condition together; ``floor`` is what real speech reaches against real speech."""

    floor: Number | None

    def levels(self) -> list[float]:
        """Return every number that is a value of the metric."""
        return [self.value] if self.floor is None else [self.value, self.floor]


class ControlTest(RecordPart):
    """The EEG against one control in one metric.

    Attributes
    ----------
    metric, control : str
    p : float
        Of paired sign flips, one-sided.
    effect : float
        EEG minus control, in the metric's unit.
    dz : float or None
        Mean over standard deviation of the units' differences; None if they do not differ.
    n_units : int
        What was flipped.
    exact : bool
        Every flip was made, none was drawn.
    """

    metric: Name
    control: Name
    p: Share
    effect: Number
    dz: Number | None
    n_units: Count
    exact: bool


class Verdict(RecordPart):
    """Whether the EEG is told from every control that carries no signal, by the p of the hardest one."""

    distinguishable: bool
    p: Share
    hardest_control: Name
    alpha: Share
