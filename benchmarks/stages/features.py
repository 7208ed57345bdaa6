"""Applies a target's frozen front end to each stretch of stimulus inside one split (stage ``features``)."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch

from eeg2speech_bench.benchmarks.inputs.target_frames import write_frames
from eeg2speech_bench.benchmarks.models.pair import build_target
from eeg2speech_bench.benchmarks.stage_inputs import FeaturesInputs
from eeg2speech_bench.core.segments.segment_store import SegmentStore
from eeg2speech_bench.core.terminal.progress import Progress


def run(inputs: FeaturesInputs, out: Path, progress: Progress) -> None:
    """Compute and store the frames.

    A stretch never crosses a split border, so a front end with context (wav2vec 2.0's self-attention) cannot carry
    test audio into training frames.
    """
    store = SegmentStore(inputs.prepared)
    front_end = build_target(inputs.target, inputs.target_options, store)
    parts: list[np.ndarray] = []
    for zone in store.zones.to_dict("records"):
        sound = torch.from_numpy(np.array(store.sound[zone["sound_start"] : zone["sound_stop"]]))
        with torch.no_grad():
            parts.append(front_end.features(sound).numpy())
        progress(f"{len(parts)} of {len(store.zones)} stretches", len(parts) / len(store.zones))
    write_frames(out, store, parts, front_end.feature_rate_hz)
