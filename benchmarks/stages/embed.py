"""Embeds the test EEG and every control: retrieval scores, and conditions of the generator (stage ``embed``)."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd

from eeg2speech_bench.benchmarks.inputs.controls import ControlSource
from eeg2speech_bench.benchmarks.inputs.target_frames import FrameStore
from eeg2speech_bench.benchmarks.models.embedder import Candidates, Embedder
from eeg2speech_bench.benchmarks.stage_inputs import EmbedInputs
from eeg2speech_bench.benchmarks.stages.calibrate import read_stand_ins
from eeg2speech_bench.benchmarks.stages.clips import read_clips
from eeg2speech_bench.core.conditions import embedded_conditions
from eeg2speech_bench.core.records.groups import Group
from eeg2speech_bench.core.segments.segment_store import SegmentStore
from eeg2speech_bench.core.terminal.progress import Progress
from eeg2speech_bench.core.training.seeding import derive_seed


def run(inputs: EmbedInputs, out: Path, progress: Progress) -> None:
    """Write pool and segment tables, one score matrix per condition, and the conditions of the chosen clips.

    Where listeners are held out, all that is of them; the scores of known listeners, and of new ones once calibrated,
    go into folders of their own. All are scored among the same windows.
    """
    store, pair, modality = inputs.store(), inputs.pair, inputs.pair.encoder.modality
    conditioner = pair.load(store, inputs.aligned).conditioner(pair.encoder.name, standardise=inputs.standardise)
    embedder = Embedder(store, FrameStore(inputs.features, store), pair, conditioner, inputs.device)
    groups = _groups(inputs, store)
    rows = store.indices("test")
    pool = np.unique(store.segments["window"].to_numpy()[np.concatenate([rows, *(own for _, own in groups.values())])])
    pd.DataFrame({"window": pool}).to_parquet(out / "pool.parquet")
    audio = embedder.audio(pool)
    places = read_clips(inputs.clips)["place"].to_numpy()
    conditions = embedded_conditions(modality)

    def candidates(segments: SegmentStore, rows: np.ndarray, folder: Path) -> Candidates:
        table = segments.segments.iloc[rows].reset_index(drop=True)
        table = table.assign(row=rows, true=np.searchsorted(pool, table["window"].to_numpy()), clip=-1)
        if folder == out:
            table.loc[places, "clip"] = np.arange(len(places))
        table.to_parquet(folder / "segments.parquet")
        source = ControlSource(segments, rows, derive_seed(inputs.seed, "controls"), modality)
        return Candidates(source, audio, pool, table["true"].to_numpy())

    tested = candidates(store, rows, out)
    for i, condition in enumerate(conditions):
        progress(condition, i / len(conditions))
        scores, made = embedder.scores_and_conditions(condition, tested, places)
        np.save(out / f"scores_{condition}.npy", scores.astype(np.float32))
        tokens, pooled = (part.cpu().numpy() for part in (made.embeddings, made.pooled))
        np.savez(out / f"condition_{condition}.npz", tokens=tokens, pooled=pooled)
    for name, (segments, own) in groups.items():
        progress(f"{name} listeners", 1.0)
        (folder := out / name).mkdir()
        tested = candidates(segments, own, folder)
        for condition in conditions:
            np.save(folder / f"scores_{condition}.npy", embedder.scores(condition, tested).astype(np.float32))


def _groups(inputs: EmbedInputs, store: SegmentStore) -> dict[Group, tuple[SegmentStore, np.ndarray]]:
    """Return the segments of the groups that are scored beside the new listeners as they come."""
    if not store.meta.split.held_out:
        return {}
    groups: dict[Group, tuple[SegmentStore, np.ndarray]] = {"known": (store, store.indices("test", "known"))}
    stand_ins = read_stand_ins(inputs.calibration) if inputs.calibration else {}
    if stand_ins:
        groups["calibrated"] = (store.standing_in(stand_ins), store.indices("test"))
    return groups
