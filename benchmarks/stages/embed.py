"""Embeds the test EEG and every control: retrieval scores, and conditions of the generator (stage ``embed``)."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd

from eeg2speech_bench.benchmarks.inputs.controls import ControlSource
from eeg2speech_bench.benchmarks.inputs.target_frames import FrameStore
from eeg2speech_bench.benchmarks.models.embedder import Candidates, Embedder
from eeg2speech_bench.benchmarks.stage_inputs import EmbedInputs
from eeg2speech_bench.benchmarks.stages.clips import read_clips
from eeg2speech_bench.core.conditions import embedded_conditions
from eeg2speech_bench.core.segments.segment_store import SegmentStore
from eeg2speech_bench.core.terminal.progress import Progress
from eeg2speech_bench.core.training.seeding import derive_seed


def run(inputs: EmbedInputs, out: Path, progress: Progress) -> None:
    """Write pool and segment tables, one score matrix per condition, and the conditions of the chosen clips."""
    store, pair, modality = SegmentStore(inputs.prepared), inputs.pair, inputs.pair.encoder.modality
    conditioner = pair.load(store, inputs.aligned).conditioner(pair.encoder.name, standardise=inputs.standardise)
    embedder = Embedder(store, FrameStore(inputs.features, store), pair, conditioner, inputs.device)
    rows = store.indices("test")
    pool = np.unique(store.segments["window"].to_numpy()[rows])
    places = read_clips(inputs.clips)["place"].to_numpy()
    table = store.segments.iloc[rows].reset_index(drop=True)
    table = table.assign(row=rows, true=np.searchsorted(pool, table["window"].to_numpy()), clip=-1)
    table.loc[places, "clip"] = np.arange(len(places))
    table.to_parquet(out / "segments.parquet")
    pd.DataFrame({"window": pool}).to_parquet(out / "pool.parquet")
    source = ControlSource(store, rows, derive_seed(inputs.seed, "controls"), modality)
    candidates = Candidates(source, embedder.audio(pool), table["true"].to_numpy())
    conditions = embedded_conditions(modality)
    for i, condition in enumerate(conditions):
        progress(condition, i / len(conditions))
        scores, made = embedder.scores_and_conditions(condition, candidates, places)
        np.save(out / f"scores_{condition}.npy", scores.astype(np.float32))
        tokens, pooled = (part.cpu().numpy() for part in (made.embeddings, made.pooled))
        np.savez(out / f"condition_{condition}.npz", tokens=tokens, pooled=pooled)
