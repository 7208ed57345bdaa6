"""The table on pretraining: a row per encoder with a twin, whatever the number of its seeds."""

from __future__ import annotations

import pytest

from eeg2speech_bench.core.records.record import Record
from eeg2speech_bench.core.records.training import Training
from eeg2speech_bench.leaderboard.page.boards import standing_text
from eeg2speech_bench.leaderboard.standings.identity import Competition
from eeg2speech_bench.leaderboard.standings.pretraining import Pretraining
from eeg2speech_bench.leaderboard.standings.standings import ALONE, Standing
from eeg2speech_bench.leaderboard.tables.pretraining import pretraining_table

TERMS = Competition("simulated", "quick", "5c", "mel", "", "", "r1")
ABOUT = {"weights": "owner/net", "revision": "0123456789abcdef0123456789abcdef", "trained_on": "sleep"}


@pytest.fixture
def seeds(cell, tmp_path):
    """Two seeds of an encoder with pretrained weights."""
    found = [Record.read(cell(tmp_path, seed=seed)) for seed in (0, 1)]
    for record in found:
        record.cell.label = "net (probe, net)"
        record.training = {"align": Training(pretraining=ABOUT)}
    return found


def standing(difference: float, p: float) -> Standing:
    return Standing(TERMS, ALONE, pretraining=Pretraining("net (probe, random weights)", difference, p))


def test_seeds_share_a_row_that_names_weights_revision_and_data(seeds):
    table = pretraining_table(seeds, {(record.cell.id, "top1"): standing(0.125, 0.0004) for record in seeds})
    weights = "owner/net at 0123456789abcdef012, trained on: sleep"
    assert table.rows == [["net (probe, net)", weights, "simulated", "top-1", "+0.125", "< 0.001", "pretraining helps"]]


def test_without_a_twin_there_is_no_table(seeds):
    assert pretraining_table(seeds, {(record.cell.id, "top1"): Standing(TERMS, ALONE) for record in seeds}) is None


@pytest.mark.parametrize(
    ("difference", "p", "said"),
    [
        (-0.2, 0.01, "Pretraining hurts: 0.200 below net (probe, random weights) (p = 0.010)."),
        (0.2, 0.4, "No difference by pretraining can be told: 0.200 above net (probe, random weights) (p = 0.400)."),
    ],
)
def test_the_page_of_a_row_says_it_in_a_sentence(difference, p, said):
    assert standing_text(standing(difference, p)) == said
