"""Holds encoders with pretrained weights against their twins with random ones: does pretraining help?"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from eeg2speech_bench.leaderboard.labels import p_text
from eeg2speech_bench.leaderboard.standings.margins import Margin, corrected_margins, join

if TYPE_CHECKING:
    import pandas as pd


class Pretraining(Margin):
    """An encoder with pretrained weights minus its twin, which ``baseline`` names; p as of a `Margin`."""

    @property
    def verdict(self) -> str:
        """Say in words whether pretraining helps."""
        if not self.told:
            return "no difference by pretraining can be told"
        return "pretraining helps" if self.difference > 0 else "pretraining hurts"

    @property
    def short(self) -> str:
        """Return the verdict with difference and p."""
        return f"{self.verdict} ({self.difference:+.3f}, {p_text(self.p)})"

    @property
    def text(self) -> str:
        """Return the verdict with what it rests on, in a sentence without its end."""
        where = "above" if self.difference > 0 else "below"
        return f"{self.verdict}: {abs(self.difference):.3f} {where} {self.baseline} ({p_text(self.p)})"


def compare_twins(
    tables: Mapping[str, pd.DataFrame], twins: Mapping[str, str], names: Mapping[str, str]
) -> dict[str, Pretraining]:
    """Compare every encoder that has a twin with it, segment by segment.

    Parameters
    ----------
    tables : mapping of str to DataFrame
        By run: segments (with listener and block in the index) x seeds; large is good.
    twins : mapping of str to str
        The run of the twin, by run.
    names : mapping of str to str
        What the board calls the encoders.

    Returns
    -------
    dict of str to Pretraining
        By run; p is of min F', two-sided, Holm-corrected for all of them.
    """
    found = {}
    for run, twin in twins.items():
        if run in tables and twin in tables:
            pair = join(tables[run].mean(axis=1), tables[twin].mean(axis=1))
            if pair is not None:
                found[run] = names[twin], pair
    return {run: Pretraining(*margin) for run, margin in corrected_margins(found).items()}
