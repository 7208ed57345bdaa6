"""Stores target frames: the output of a target's frozen front end for each uninterrupted stretch of stimulus."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from eeg2speech_bench.core.segments.segment_store import SegmentStore
from eeg2speech_bench.core.stages.json_files import read_json, write_json

if TYPE_CHECKING:
    from torch import Tensor


class FrameStore:
    """Gathers memory-mapped frames by stimulus window.

    Parameters
    ----------
    path : Path
        Folder of a finished ``features`` stage: frames.npy (n, n_features), index.json.
    store : SegmentStore
        The segments that the frames belong to.

    Attributes
    ----------
    device : str
        Where `of_windows` finds them: on the CPU, unless they are `kept_on` another.
    """

    device = "cpu"
    _kept: tuple[Tensor, Tensor] | None = None

    def __init__(self, path: Path, store: SegmentStore) -> None:
        index = read_json(path / "index.json")
        self.frames = np.load(path / "frames.npy", mmap_mode="r")
        self.rate_hz = float(index["rate_hz"])
        self.n_frames = round(store.window_s * self.rate_hz)
        self._starts = np.asarray(index["window_starts"], dtype=np.int64)
        self._train = [slice(*part) for part in index["train"]]

    @property
    def n_features(self) -> int:
        """Width of a frame."""
        return self.frames.shape[1]

    def gather(self, windows: np.ndarray) -> np.ndarray:
        """Return frames of stimulus windows, float32 (batch, n_frames, n_features)."""
        return np.ascontiguousarray(self.frames[self._starts[windows][:, None] + np.arange(self.n_frames)])

    def of_windows(self, windows: Tensor) -> Tensor:
        """Return frames of stimulus windows (batch,), float32 (batch, n_frames, n_features), on `device`."""
        import torch

        if self._kept is None:
            return torch.from_numpy(self.gather(windows.numpy()))
        frames, starts = self._kept
        return frames[starts[windows][:, None] + torch.arange(self.n_frames, device=frames.device)]

    def kept_on(self, device: str) -> FrameStore:
        """Return the same frames, kept on a device."""
        from eeg2speech_bench.benchmarks.inputs.kept_on_device import keep

        kept = copy.copy(self)
        kept.device, kept._kept = device, (keep(self.frames, device), keep(self._starts, device))
        return kept

    def train_frames(self) -> np.ndarray:
        """Return all frames of training stretches, float32 (n, n_features)."""
        return np.concatenate([self.frames[part] for part in self._train])


def write_frames(out: Path, store: SegmentStore, parts: list[np.ndarray], rate_hz: float) -> None:
    """Write the frames of every zone (in the order of ``store.zones``) with an index by window."""
    offsets = np.concatenate([[0], np.cumsum([len(part) for part in parts])])
    zones = store.zones
    n_frames = round(store.window_s * rate_hz)
    starts = np.full(len(store.windows), -1, dtype=np.int64)
    window_stimulus = store.windows["stimulus"].to_numpy()
    window_start = store.windows["start_s"].to_numpy()
    for number, zone in enumerate(zones.to_dict("records")):
        inside = (
            (window_stimulus == zone["stimulus"])
            & (window_start >= zone["start_s"] - 1e-6)
            & (window_start + store.window_s <= zone["stop_s"] + 1e-6)
        )
        first = np.round((window_start[inside] - zone["start_s"]) * rate_hz).astype(np.int64)
        # rounding may put the last window one frame past the end of its zone
        starts[inside] = offsets[number] + np.minimum(first, len(parts[number]) - n_frames)
    np.save(out / "frames.npy", np.concatenate(parts).astype(np.float32))
    train = [[int(offsets[i]), int(offsets[i + 1])] for i in np.flatnonzero((zones["split"] == "train").to_numpy())]
    write_json(out / "index.json", {"rate_hz": rate_hz, "window_starts": starts.tolist(), "train": train})
