"""Reads speech and listener out of the embeddings of the test EEG and of every control (stage ``probes``)."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd

from eeg2speech_bench.benchmarks.inputs.controls import ControlSource
from eeg2speech_bench.benchmarks.inputs.target_frames import FrameStore
from eeg2speech_bench.benchmarks.models.embedder import Candidates, Embedder
from eeg2speech_bench.benchmarks.probes.labels import Labelled, count_tokens, make_labels
from eeg2speech_bench.benchmarks.probes.readout import read_out
from eeg2speech_bench.benchmarks.scoring.probe_scores import write_readings
from eeg2speech_bench.benchmarks.scoring.values import number_blocks
from eeg2speech_bench.benchmarks.stage_inputs import ProbesInputs
from eeg2speech_bench.core.conditions import embedded_conditions
from eeg2speech_bench.core.segments.segment_store import SegmentStore
from eeg2speech_bench.core.statistics.spacing import evenly_spaced
from eeg2speech_bench.core.terminal.progress import Progress
from eeg2speech_bench.core.training.seeding import derive_seed

#: test segments that are looked at, evenly spaced if there are more; their embeddings are in memory at once
MAX_SEGMENTS = 2048


def run(inputs: ProbesInputs, out: Path, progress: Progress) -> None:
    """Write what linear models read out of each condition, segment by segment.

    Under every condition they are fitted anew, so that a control shows what could be learnt without the signal.
    """
    store, modality = inputs.store(), inputs.pair.encoder.modality
    rows = store.indices("test")
    rows = rows[evenly_spaced(len(rows), MAX_SEGMENTS)]
    table, pool = _located(store, rows, inputs.block_s)
    conditioner = inputs.pair.load(store, inputs.aligned).conditioner(inputs.pair.encoder.name, standardise=False)
    embedder = Embedder(store, FrameStore(inputs.features, store), inputs.pair, conditioner, inputs.device)
    source = ControlSource(store, rows, derive_seed(inputs.seed, "controls"), modality)
    candidates = Candidates(source, embedder.audio(pool), pool, table["true"].to_numpy())
    n_tokens = count_tokens(candidates.embeddings.shape[1], store.window_s)
    labels, skipped = make_labels(Labelled(store, table, pool, n_tokens))
    read: dict[str, dict[str, np.ndarray]] = {name: {} for name in labels}
    conditions = embedded_conditions(modality)
    for i, condition in enumerate(conditions):
        progress(condition, i / len(conditions))
        embeddings = embedder.embeddings(condition, candidates, n_tokens)
        for name, own in labels.items():
            read[name][condition] = read_out(embeddings, own)
    write_readings(out, table, {name: own.classes for name, own in labels.items()}, read, skipped)


def _located(store: SegmentStore, rows: np.ndarray, block_s: float) -> tuple[pd.DataFrame, np.ndarray]:
    """Return the segments, with where in the audio they lie, and the windows that ``true`` is a place among."""
    table = store.segments.iloc[rows].reset_index(drop=True)
    pool, true = np.unique(table["window"], return_inverse=True)
    windows = store.windows.iloc[table["window"].to_numpy()]
    table = table.assign(true=true, **{name: windows[name].to_numpy() for name in ("stimulus", "start_s")})
    return table.assign(block=number_blocks(table, block_s)), pool
