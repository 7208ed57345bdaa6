"""Applies a target's frozen front end to each stretch of stimulus inside one split (stage ``features``)."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from eeg2speech_bench.benchmarks.inputs.target_frames import write_frames
from eeg2speech_bench.benchmarks.models.pair import build_target
from eeg2speech_bench.benchmarks.stage_inputs import FeaturesInputs
from eeg2speech_bench.core.conditioning import Target, check_frames
from eeg2speech_bench.core.errors import naming_plugin
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
        parts.append(_frames(inputs.target.name, front_end, sound, store.sound_rate_hz))
        progress(f"{len(parts)} of {len(store.zones)} stretches", len(parts) / len(store.zones))
    write_frames(out, store, parts, front_end.feature_rate_hz)


@torch.no_grad()
def _frames(name: str, front_end: Target, sound: Tensor, sound_rate_hz: float) -> np.ndarray:
    """Return the frames of one stretch, no fewer than its length asks for."""
    with naming_plugin(f"Target '{name}'"):
        frames, rate_hz = front_end.features(sound), float(front_end.feature_rate_hz)
    seconds = len(sound) / sound_rate_hz
    values = check_frames(name, frames, seconds, rate_hz).cpu().numpy()
    # a window at the end of a stretch must not reach into the next one
    return np.pad(values, ((0, max(0, round(seconds * rate_hz) - len(values))), (0, 0)), mode="edge")
