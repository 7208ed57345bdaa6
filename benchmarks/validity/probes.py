"""Counts what is read out of embeddings of EEG that has nothing to do with speech or listener.

Usage: ``python benchmarks/validity/probes.py``. Nine listeners have EEG of white noise, each time another; the stages
of a retrieval cell with ridge are run on it up to the probes. Sound and words are made up as well.
"""

from __future__ import annotations

import argparse
import shutil
import sys
import tempfile
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from scipy.stats import binomtest

from eeg2speech_bench.benchmarks.models.pair import Pair
from eeg2speech_bench.benchmarks.scoring.probe_scores import judge_probes, read_readings
from eeg2speech_bench.benchmarks.stage_inputs import AlignInputs, FeaturesInputs, ProbesInputs
from eeg2speech_bench.benchmarks.validity.new_listeners import (
    N_CHANS,
    N_LISTENERS,
    N_ROWS,
    SCORES,
    SPLIT,
    TARGET_OPTIONS,
    WINDOW_S,
    run_one,
    write_sounds,
)
from eeg2speech_bench.core.presets.config import AlignmentConfig
from eeg2speech_bench.core.records.probes import ProbeScores
from eeg2speech_bench.core.registry.registry import load_registry
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


def probe_cell(prepared: Path, features: Path, pair: Pair, folder: Path, seed: int) -> ProbeScores:
    """Run the stages of a cell that probes need, and judge what they read out."""
    common: dict[str, Any] = {"prepared": prepared, "features": features, "pair": pair, "device": "cpu"}
    align = AlignInputs(**common, alignment=AlignmentConfig(batch_size=32), seed=seed, precision="float32")
    aligned = run_one(align, folder / "align")
    inputs = ProbesInputs(**common, aligned=aligned, block_s=SCORES.block_s, seed=seed)
    read, _ = read_readings(run_one(inputs, folder / "probes"))
    return judge_probes(read, SCORES, seed, "eeg", SegmentStore(prepared).meta.subjects)[0]


def main(arguments: Sequence[str]) -> int:
    """Print a Markdown table of false verdicts."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cells", type=int, default=30, metavar="N", help="default: 30")
    n_cells = parser.parse_args(arguments).cells
    registry = load_registry()
    pair = Pair(registry.get("encoder", "ridge"), {}, registry.get("target", "mel"), TARGET_OPTIONS)
    false, n, single, n_single = (Counter[str]() for _ in range(4))
    with tempfile.TemporaryDirectory() as place:
        (prepared := Path(place, "prepared")).mkdir()
        write_sounds(prepared)
        write_words(prepared)
        shape = (N_LISTENERS * N_ROWS, N_CHANS)
        np.save(prepared / "eeg.npy", np.zeros(shape, np.float32))
        features = run_one(FeaturesInputs(prepared, pair.target, TARGET_OPTIONS), Path(place, "features"))
        for seed in range(n_cells):
            np.save(prepared / "eeg.npy", np.random.default_rng(seed).standard_normal(shape).astype(np.float32))
            (folder := Path(place, "cell")).mkdir()
            scores = probe_cell(prepared, features, pair, folder, seed)
            shutil.rmtree(folder)
            for name, verdict in scores.verdict.items():
                false[name] += verdict.distinguishable
                n[name] += 1
            for test in scores.tests:
                single[test.metric] += test.p < SCORES.alpha
                n_single[test.metric] += 1
            print(f"cell {seed + 1}: {false.total()} of {n.total()} verdicts false", file=sys.stderr)
    print("| probe | false 'signal' [95 %] | verdicts | one control alone beaten | tests |")
    print("| --- | --- | --- | --- | --- |")
    for name in n:
        low, high = binomtest(false[name], n[name]).proportion_ci()
        rate, alone = false[name] / n[name], single[name] / n_single[name]
        print(f"| {name} | {rate:.3f} [{low:.3f}, {high:.3f}] | {n[name]} | {alone:.3f} | {n_single[name]} |")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
