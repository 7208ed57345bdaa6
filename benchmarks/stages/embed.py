"""Stage ``embed``: what the encoder says of the test EEG and of every control; retrieval scores and conditions."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd

from eeg2speech_bench.benchmarks.inputs.controls import ControlSource
from eeg2speech_bench.benchmarks.inputs.target_frames import FrameStore
from eeg2speech_bench.benchmarks.models.embedder import Embedder
from eeg2speech_bench.benchmarks.models.pair import Pair
from eeg2speech_bench.core.conditions import embedded_conditions
from eeg2speech_bench.core.generator.conditioner import make_condition
from eeg2speech_bench.core.segments.segment_store import SegmentStore
from eeg2speech_bench.core.spacing import evenly_spaced
from eeg2speech_bench.core.training.seeding import derive_seed

#: conditions that are no estimate of the encoder
UNBRIDGED = ("audio", "none")


def choose_clips(store: SegmentStore, rows: np.ndarray, n_clips: int) -> np.ndarray:
    """Choose the test segments to generate: evenly spaced windows, listeners in rotation.

    Every chosen window is a different piece of audio, so that the clips form a pool for identification; the choice
    depends on the split alone and is the same for every encoder and seed.
    """
    table = store.segments.iloc[rows][["window", "subject"]].assign(place=np.arange(len(rows)))
    windows = np.unique(table["window"].to_numpy())
    chosen = windows[evenly_spaced(len(windows), n_clips)]
    places = []
    for turn, window in enumerate(chosen):
        heard = table[table["window"] == window].sort_values(["subject", "place"])
        subjects = heard["subject"].unique()
        own = heard[heard["subject"] == subjects[turn % len(subjects)]]["place"].to_numpy()
        places.append(own[turn // len(subjects) % len(own)])
    return np.asarray(places)


def run(
    out: Path,
    progress: Callable[[str, float], None],
    *,
    prepared: Path,
    features: Path,
    aligned: Path,
    pair: Pair,
    n_clips: int,
    standardise: bool,
    seed: int,
    device: str,
) -> None:
    """Write pool and segment tables, one score matrix per condition, and the conditions of the chosen clips."""
    store = SegmentStore(prepared)
    embedder = Embedder(store, FrameStore(features, store), pair, aligned, device)
    rows = store.indices("test")
    pool = np.unique(store.segments["window"].to_numpy()[rows])
    source = ControlSource(store, rows, derive_seed(seed, "controls"), pair.encoder.modality)
    clips = choose_clips(store, rows, n_clips)
    candidates = embedder.audio(pool)
    table = store.segments.iloc[rows].reset_index(drop=True)
    table = table.assign(row=rows, true=np.searchsorted(pool, table["window"].to_numpy()), clip=-1)
    table.loc[clips, "clip"] = np.arange(len(clips))
    table.to_parquet(out / "segments.parquet")
    pd.DataFrame({"window": pool}).to_parquet(out / "pool.parquet")
    conditions = embedded_conditions(pair.encoder.modality)
    for i, condition in enumerate(conditions):
        progress(condition, i / len(conditions))
        scores, raw = embedder.condition(condition, source, len(rows), clips, candidates, table)
        if condition not in UNBRIDGED:
            raw = embedder.bridge(raw)
        made = make_condition(raw, standardise=standardise)
        np.save(out / f"scores_{condition}.npy", scores.astype(np.float32))
        np.savez(out / f"condition_{condition}.npz", tokens=made.embeddings.numpy(), pooled=made.pooled.numpy())
