"""Chooses the test segments that speech is generated for (stage ``clips``)."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd

from eeg2speech_bench.benchmarks.stage_inputs import ClipsInputs
from eeg2speech_bench.core.segments.segment_store import SegmentStore
from eeg2speech_bench.core.statistics.spacing import evenly_spaced
from eeg2speech_bench.core.terminal.progress import Progress


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


def run(inputs: ClipsInputs, out: Path, progress: Progress) -> None:
    """Write ``clips.parquet``: one row per clip, with its place among test segments and its stimulus window."""
    store = inputs.store()
    rows = store.indices("test")
    places = choose_clips(store, rows, inputs.n_clips)
    windows = store.segments["window"].to_numpy()[rows[places]]
    pd.DataFrame({"place": places, "window": windows}).to_parquet(out / "clips.parquet")


def read_clips(folder: Path) -> pd.DataFrame:
    """Read the table of a finished stage: columns place and window, in the order of clips."""
    return pd.read_parquet(folder / "clips.parquet")
