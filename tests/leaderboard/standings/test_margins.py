"""Margins: every encoder against the baseline that reaches highest on its own segments."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from eeg2speech_bench.leaderboard.standings.margins import margins

LISTENER, BLOCK = (a.ravel() for a in np.indices((8, 10)))
SPREAD = 0.05 * np.random.default_rng(0).standard_normal(80)


def table(mean: float, *seeds: float, kept: slice = slice(None), spread: np.ndarray = SPREAD) -> pd.DataFrame:
    """Return values of eight listeners in ten blocks; ``seeds`` are added to the mean, a column each."""
    index = pd.MultiIndex.from_arrays([LISTENER, BLOCK], names=["subject", "block"])
    return pd.DataFrame({i: mean + own + spread for i, own in enumerate(seeds or (0.0,))}, index=index)[kept]


def test_the_margin_is_over_the_best_of_several_baselines():
    found = margins({"net": table(0.5), "low": table(0.1), "high": table(0.3)}, {"low": "noise", "high": "ridge"})
    assert found.keys() == {"net"}
    assert (found["net"].baseline, found["net"].difference) == ("ridge", pytest.approx(0.2))


def test_the_best_baseline_is_that_of_the_segments_that_the_encoder_has():
    # over all segments 'even' reaches higher; where the encoder was scored, in the first half, 'early' does
    early = table(0.0)
    early.iloc[:40] += 0.4
    found = margins(
        {"net": table(0.5, kept=slice(0, 40)), "early": early, "even": table(0.3)}, {"early": "e", "even": "v"}
    )
    assert (found["net"].baseline, found["net"].difference) == ("e", pytest.approx(0.1))


def test_seeds_are_averaged_before_they_are_held_against_each_other():
    found = margins({"net": table(0.5, -0.1, 0.3), "ridge": table(0.2)}, {"ridge": "ridge"})
    assert found["net"].difference == pytest.approx(0.4)


def test_an_encoder_without_a_segment_of_any_baseline_has_no_margin():
    found = margins({"net": table(0.5, kept=slice(0, 40)), "ridge": table(0.2, kept=slice(40, 80))}, {"ridge": "ridge"})
    assert found == {}


def test_without_baselines_there_are_no_margins():
    assert margins({"net": table(0.5), "other": table(0.4)}, {}) == {}


def test_p_is_corrected_for_the_encoders_of_the_competition():
    noise = 0.05 * np.random.default_rng(1).standard_normal(80)
    tables = {"net": table(0.23, spread=noise), "ridge": table(0.2)}
    alone = margins(tables, {"ridge": "ridge"})["net"].p
    together = margins(tables | {"twin": table(0.23, spread=noise)}, {"ridge": "ridge"})["net"].p
    assert 0.0 < alone < 0.5
    assert together == pytest.approx(2 * alone)


def test_an_encoder_below_the_baseline_has_a_margin_below_zero():
    found = margins({"net": table(0.1), "ridge": table(0.3)}, {"ridge": "ridge"})["net"]
    assert found.difference == pytest.approx(-0.2)
    assert found.told
