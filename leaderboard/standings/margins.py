"""Measures how far an encoder is above the best baseline that was tested on the same windows."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from eeg2speech_bench.core.statistics import resampling as statistics
from eeg2speech_bench.core.statistics.min_f import crossed_p
from eeg2speech_bench.leaderboard.labels import p_text
from eeg2speech_bench.leaderboard.standings.ranks import ALPHA

if TYPE_CHECKING:
    import pandas as pd


class Margin(NamedTuple):
    """An encoder minus a baseline.

    Attributes
    ----------
    baseline : str
        What the board calls it; the one that reaches highest on the segments of the encoder.
    difference : float
        In the metric's unit, turned so that above 0 is better.
    p : float
        Of min F' (see `core.statistics.min_f`), two-sided, Holm-corrected for the encoders of the competition.
    """

    baseline: str
    difference: float
    p: float

    @property
    def told(self) -> bool:
        """Whether the two can be told apart."""
        return self.p < ALPHA

    @property
    def text(self) -> str:
        """Return how far the encoder is above or below the baseline, in a sentence without its end."""
        where = "above" if self.difference > 0 else "below"
        doubt = "" if self.told else ", not told apart"
        return f"{abs(self.difference):.3f} {where} the best baseline, {self.baseline} ({p_text(self.p)}{doubt})"


def margins(tables: Mapping[str, pd.DataFrame], baselines: Mapping[str, str]) -> dict[str, Margin]:
    """Compare every encoder with the best baseline.

    Parameters
    ----------
    tables : mapping of str to DataFrame
        By run, encoders and baselines: segments (with listener and block in the index) x seeds; large is good.
    baselines : mapping of str to str
        Names of the runs that are baselines.

    Returns
    -------
    dict of str to Margin
        Of the encoders that have segments in common with a baseline.
    """
    means = {run: table.mean(axis=1) for run, table in tables.items()}
    floors = {run: means[run] for run in baselines if run in means}
    found = {}
    for run in means.keys() - floors.keys():
        joined = {floor: join(means[run], values) for floor, values in floors.items()}
        pairs = {floor: pair for floor, pair in joined.items() if pair is not None}
        if pairs:
            best = max(pairs, key=lambda floor: _mean(pairs[floor], "floor"))
            found[run] = baselines[best], pairs[best]
    return corrected_margins(found)


def corrected_margins(found: Mapping[str, tuple[str, pd.DataFrame]]) -> dict[str, Margin]:
    """Return the margins of some runs, each with a name and what `join` returned; p is corrected for all of them."""
    p = statistics.holm(np.array([_p(pair) for _, pair in found.values()]))
    return {
        run: Margin(name, _mean(pair, "own") - _mean(pair, "floor"), float(corrected))
        for (run, (name, pair)), corrected in zip(found.items(), p, strict=True)
    }


def join(own: pd.Series, floor: pd.Series) -> pd.DataFrame | None:
    """Return the segments that two runs share, with the values of both; None if there are none."""
    import pandas as pd

    if own.index.equals(floor.index):  # as of all that were scored alike; a join takes ten times as long
        return pd.DataFrame({"own": own.to_numpy(), "floor": floor.to_numpy()}, index=own.index)
    joined = pd.concat({"own": own, "floor": floor}, axis=1, join="inner")
    return None if joined.empty else joined


def _mean(pair: pd.DataFrame, column: str) -> float:
    return statistics.estimate(pair[column].to_numpy(), pair.index.get_level_values("subject").to_numpy())


def _p(pair: pd.DataFrame) -> float:
    subject, block = (pair.index.get_level_values(name).to_numpy() for name in ("subject", "block"))
    return crossed_p((pair["own"] - pair["floor"]).to_numpy(), subject, block)
