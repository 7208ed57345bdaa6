"""The clock of a recording is fitted to that of the sounds; rows that are off are refused, not averaged."""

from __future__ import annotations

import numpy as np
import pytest

from eeg2speech_bench.core.errors import DataError
from eeg2speech_bench.datasets.bids.clocks import check_residuals, clock_ratio, playbacks


def rows_of(inside_s, onset_s):
    inside_s, onset_s = np.asarray(inside_s, float), np.asarray(onset_s, float)
    return playbacks("a.wav", np.arange(2, len(inside_s) + 2), inside_s, onset_s, "events.tsv")


def words(seconds, step=0.5):
    return np.arange(0.5, seconds, step)


@pytest.mark.parametrize("ppm", [-480, -340, 50, 485, 1500])
@pytest.mark.parametrize("seconds", [120, 900])
def test_a_clock_that_drifts_is_found_to_a_few_ppm(ppm, seconds):
    inside = words(seconds)
    found = rows_of(
        inside, 3 + inside * (1 + ppm * 1e-6) + 1e-4 * np.random.default_rng(0).standard_normal(len(inside))
    )
    ratio = clock_ratio(found, "events.tsv")
    assert ratio == pytest.approx(1 + ppm * 1e-6, abs=2e-6)
    assert check_residuals(found, ratio, "events.tsv") < 0.001


def test_one_clock_is_fitted_to_all_files_of_a_recording():
    first, second = (rows_of(words(200), start + words(200) * 1.0003) for start in (1.0, 300.0))
    assert clock_ratio([*first, *second], "events.tsv") == pytest.approx(1.0003, abs=1e-6)
    assert first[0].origin_s(1.0003) == pytest.approx(1.0)
    assert second[0].origin_s(1.0003) == pytest.approx(300.0)


@pytest.mark.parametrize("jitter_s", [0.0, 0.0005, 0.004])
def test_chance_is_no_drift(jitter_s):
    inside = words(60)
    found = rows_of(inside, 2 + inside + jitter_s * np.random.default_rng(1).uniform(-1, 1, len(inside)))
    assert clock_ratio(found, "events.tsv") == 1.0


def test_two_rows_tell_nothing_of_a_clock():
    assert clock_ratio(rows_of([0, 100], [0, 100.04]), "events.tsv") == 1.0


def test_a_drift_that_no_device_has_is_refused_as_a_wrong_rate():
    inside = words(120)
    with pytest.raises(DataError, match=r"differ in speed: got 1\.02400 s .*Check the sampling rate"):
        clock_ratio(rows_of(inside, inside * 1.024), "events.tsv")


@pytest.mark.parametrize("seconds", [0.03, -0.04, 0.3, 5.0])
@pytest.mark.parametrize("column", ["onset", "inside"])
def test_a_row_that_is_off_is_named_though_the_clock_drifts(seconds, column):
    inside = words(300)
    onset = 1 + inside * 0.99966
    (onset if column == "onset" else inside)[100] += seconds
    order = np.argsort(onset, kind="stable")
    row = int(np.flatnonzero(order == 100)[0]) + 2
    with pytest.raises(DataError, match=rf"Row {row} of events\.tsv disagrees .* on when 'a\.wav' started"):
        found = rows_of(inside[order], onset[order])
        check_residuals(found, clock_ratio(found, "events.tsv"), "events.tsv")


def test_rows_of_a_screen_are_exact_enough():
    inside = words(300)
    found = rows_of(inside, inside + np.random.default_rng(2).choice([0, 0.0167], len(inside)))
    assert check_residuals(found, 1.0, "events.tsv") == pytest.approx(0.0167)


@pytest.mark.parametrize("pause_s", [0.2, 30.0, -4.0])
def test_playback_goes_on_elsewhere_after_a_pause_or_a_gap(pause_s):
    inside = words(20)
    first, second = rows_of(inside, inside + np.where(inside > 10, pause_s, 0.0))
    assert (first.begins, first.ends, second.begins, second.ends) == (True, False, False, True)
    assert second.origin_s(1.0) - first.origin_s(1.0) == pytest.approx(pause_s)


def test_a_file_that_starts_over_is_another_playback():
    first, second = rows_of([1, 3, 1, 2], [3, 5, 33, 34])
    assert (first.begins, first.ends, second.begins, second.ends) == (True, True, True, True)


def test_rows_in_the_middle_that_all_others_contradict_are_off():
    inside = words(20)
    onset = inside + np.where((inside > 10) & (inside < 13), 0.4, 0.0)
    with pytest.raises(DataError, match=r"Row 22 of events\.tsv disagrees .*got \+0\.400 s off"):
        rows_of(inside, onset)
