"""Stage ``features``: a target's frozen front end, applied to each stretch of stimulus inside one split."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch

from eeg2speech_bench.benchmarks.inputs.target_frames import write_frames
from eeg2speech_bench.benchmarks.models.pair import build_target
from eeg2speech_bench.core.registry.specs import TargetSpec
from eeg2speech_bench.core.segments.segment_store import SegmentStore


def run(
    out: Path, progress: Callable[[str, float], None], *, prepared: Path, target: TargetSpec, options: dict[str, Any]
) -> None:
    """Compute and store the frames.

    A stretch never crosses a split border, so a front end with context (wav2vec 2.0's self-attention) cannot carry
    test audio into training frames.
    """
    store = SegmentStore(prepared)
    front_end = build_target(target, options, store)
    parts: list[np.ndarray] = []
    for zone in store.zones.to_dict("records"):
        sound = torch.from_numpy(np.array(store.sound[zone["sound_start"] : zone["sound_stop"]]))
        with torch.no_grad():
            parts.append(front_end.features(sound).numpy())
        progress(f"{len(parts)} of {len(store.zones)} stretches", len(parts) / len(store.zones))
    write_frames(out, store, parts, front_end.feature_rate_hz)
