"""Scores retrieval in windows that start at words, as the published protocol does (stage ``words``)."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from eeg2speech_bench.benchmarks.inputs.controls import ControlSource
from eeg2speech_bench.benchmarks.inputs.word_windows import SPLIT, OnsetFrames, OnsetStore
from eeg2speech_bench.benchmarks.models.embedder import Candidates, Embedder
from eeg2speech_bench.benchmarks.stage_inputs import WordsInputs
from eeg2speech_bench.core.conditions import embedded_conditions
from eeg2speech_bench.core.terminal.progress import Progress
from eeg2speech_bench.core.training.seeding import derive_seed

#: windows below which top-10 means nothing and other segments are hard to find
MIN_WINDOWS = 11


def run(inputs: WordsInputs, out: Path, progress: Progress) -> None:
    """Write the windows at words, their segments, and one score matrix per condition; no scores of too few windows.

    Windows at neighbouring words overlap, as published: near misses are frequent, and the control "other segments"
    may now and then hand out a segment of the same sentence.
    """
    store, pair, modality = OnsetStore(inputs.prepared, inputs.held_out), inputs.pair, inputs.pair.encoder.modality
    rows = store.indices(SPLIT)
    table = store.segments.iloc[rows][["recording", "subject", "window"]].reset_index(drop=True)
    pool = np.unique(table["window"])
    if len(pool) < MIN_WINDOWS:
        rows, table, pool = rows[:0], table[:0], pool[:0]
    first = len(store.windows) - len(store.onsets)
    onsets = store.onsets.iloc[pool - first][["stimulus", "start_s", "word"]].reset_index(drop=True)
    onsets.assign(stop_s=onsets["start_s"] + store.window_s).to_parquet(out / "windows.parquet")
    table = table.assign(true=np.searchsorted(pool, table["window"]))
    located = {name: onsets[name].to_numpy()[table["true"]] for name in ("stimulus", "start_s")}
    table.assign(**located).to_parquet(out / "segments.parquet")
    if not len(pool):
        return
    conditioner = pair.load(store, inputs.aligned).conditioner(pair.encoder.name, standardise=False)
    embedder = Embedder(store, OnsetFrames(inputs.features, store), pair, conditioner, inputs.device)
    source = ControlSource(store, rows, derive_seed(inputs.seed, "controls"), modality)
    candidates = Candidates(source, embedder.audio(pool), pool, table["true"].to_numpy())
    conditions = embedded_conditions(modality)
    for i, condition in enumerate(conditions):
        progress(condition, i / len(conditions))
        np.save(out / f"scores_{condition}.npy", embedder.scores(condition, candidates).astype(np.float32))
