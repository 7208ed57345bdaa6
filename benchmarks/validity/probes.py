"""Counts what is read out of embeddings of EEG that has nothing to do with speech or listener.

Usage: ``python benchmarks/validity/probes.py``. Nine listeners have EEG of white noise, each time another; the stages
of a retrieval cell with ridge are run on it up to the probes. Sound and words are made up as well.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from eeg2speech_bench.benchmarks.scoring.probe_scores import judge_probes, read_readings
from eeg2speech_bench.benchmarks.stage_inputs import ProbesInputs
from eeg2speech_bench.benchmarks.validity.white_noise import (
    SCORES,
    SPLIT,
    WINDOW_S,
    FalseVerdicts,
    NoiseCell,
    noise_cells,
    run_one,
)
from eeg2speech_bench.core.records.probes import ProbeScores
from eeg2speech_bench.core.segments.segment_store import SegmentStore

#: words of a window, and how many there are to choose from
WORDS_PER_WINDOW, N_WORDS = 4, 30


def write_words(folder: Path) -> None:
    """Put words into every window, some of them much more often than others."""
    rng = np.random.default_rng(1)
    window, place = (a.ravel() for a in np.indices((len(SPLIT), WORDS_PER_WINDOW)))
    start_s = WINDOW_S * (window + place / WORDS_PER_WINDOW)
    said = np.minimum(rng.geometric(0.15, len(window)), N_WORDS).astype(str)
    table = {"stimulus": 0, "start_s": start_s, "stop_s": start_s + 0.4, "text": said, "sentence": -1}
    pd.DataFrame(table | {"split": SPLIT[window]}).to_parquet(folder / "words.parquet")


def probe_cell(cell: NoiseCell) -> ProbeScores:
    """Run the stages of a cell that probes need, and judge what they read out."""
    inputs = ProbesInputs(
        prepared=cell.prepared,
        features=cell.features,
        aligned=cell.align(),
        pair=cell.pair,
        block_s=SCORES.block_s,
        seed=cell.seed,
        device="cpu",
    )
    read, _ = read_readings(run_one(inputs, cell.folder / "probes"))
    return judge_probes(read, SCORES, cell.seed, "eeg", SegmentStore(cell.prepared).meta.subjects)[0]


def main(arguments: Sequence[str]) -> int:
    """Print a Markdown table of false verdicts."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cells", type=int, default=30, metavar="N", help="default: 30")
    counts = FalseVerdicts()
    for cell in noise_cells(parser.parse_args(arguments).cells, write_words):
        scores = probe_cell(cell)
        for name, verdict in scores.verdict.items():
            counts.add_verdict(name, verdict.distinguishable)
        for test in scores.tests:
            counts.add_test(test.metric, test)
        counts.say(cell)
    counts.print_table("probe")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
