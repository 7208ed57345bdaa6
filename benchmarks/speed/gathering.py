"""Measures how many segments per second a batch is gathered with, beside a DataLoader that takes them one by one.

Usage: ``python benchmarks/speed/gathering.py FOLDER [--recordings N] [--minutes MIN] [--rounds N]``. The recordings are
made in FOLDER if they are not there, and prepared. Three ways give the same shuffled batches of 128: the store's own; a
PyTorch DataLoader whose items are read from an MNE Raw of the prepared samples that stays on disk (FIF, single
precision), and scaled; and braindecode's windows of that Raw, preloaded, which are not scaled. All in one process with
one thread, in turn.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import mne
import numpy as np
import torch
from braindecode.datasets import BaseConcatDataset, RawDataset
from braindecode.preprocessing import create_fixed_length_windows
from torch.utils.data import DataLoader, Dataset

from eeg2speech_bench.benchmarks.speed.made_recordings import make_recordings
from eeg2speech_bench.core.presets.config import DataConfig
from eeg2speech_bench.core.registry.dataset_opening import find_dataset, open_dataset
from eeg2speech_bench.core.registry.registry import load_registry
from eeg2speech_bench.core.segments.segment_store import SegmentStore

BATCH_SIZE = 128


class RawItems(Dataset[tuple[torch.Tensor, int]]):
    """Reads one segment after the other from a Raw, and scales it as the store does."""

    def __init__(self, store: SegmentStore, raw: mne.io.BaseRaw) -> None:
        self.raw, self.n_times, self.limit = raw, store.signal.n_times, store.meta.clamp_iqr
        self.n_baseline = round(store.meta.baseline_s * store.signal.sfreq)
        self.starts = store.segments["eeg_start"].to_numpy()
        self.windows = store.segments["window"].to_numpy()
        self.scale = store.scale[store.segments["recording"].to_numpy()]

    def __len__(self) -> int:
        return len(self.starts)

    def __getitem__(self, place: int) -> tuple[torch.Tensor, int]:
        """Return the EEG of a segment and the number of its window."""
        start = self.starts[place]
        eeg = 1e6 * self.raw.get_data(start=start, stop=start + self.n_times)
        eeg -= eeg[:, : self.n_baseline].mean(1, keepdims=True)
        eeg = np.clip(eeg / self.scale[place][:, None], -self.limit, self.limit)
        return torch.from_numpy(eeg.astype(np.float32)), int(self.windows[place])


def save_raw(store: SegmentStore, path: Path) -> mne.io.BaseRaw:
    """Write the prepared samples as FIF, and open them without reading them."""
    info = mne.create_info([c["ch_name"] for c in store.signal.chs_info], store.signal.sfreq, "eeg")
    eeg = np.asarray(store.eeg).T.astype(np.float64) * 1e-6
    mne.io.RawArray(eeg, info, verbose="ERROR").save(path, fmt="single", overwrite=True, verbose="ERROR")
    return mne.io.read_raw_fif(path, preload=False, verbose="ERROR")


def gathered(store: SegmentStore) -> Iterator[Any]:
    """Yield shuffled batches as training is given them."""
    order = np.random.default_rng(0).permutation(len(store.segments))
    while True:
        for first in range(0, len(order) - BATCH_SIZE, BATCH_SIZE):
            yield store.gather(np.sort(order[first : first + BATCH_SIZE]))


def one_by_one(items: Any) -> Iterator[Any]:
    """Yield shuffled batches of a DataLoader."""
    while True:
        yield from DataLoader(items, batch_size=BATCH_SIZE, shuffle=True, drop_last=True)


def items_per_s(batches: Iterator[Any], n_batches: int) -> float:
    """Take some batches."""
    started = time.perf_counter()
    for _ in range(n_batches):
        next(batches)
    return BATCH_SIZE * n_batches / (time.perf_counter() - started)


def main(arguments: Sequence[str] | None = None) -> int:
    """Print items per second of each way, and the ratios of rounds."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--recordings", type=int, default=2, metavar="N")
    parser.add_argument("--minutes", type=float, default=10.0, metavar="MIN")
    parser.add_argument("--rounds", type=int, default=7, metavar="N")
    given = parser.parse_args(arguments)
    torch.set_num_threads(1)
    size = f"{given.recordings}x{given.minutes:g}min-64x128Hz"
    root = make_recordings(given.folder / size, given.recordings, given.minutes, 64, 128.0)
    registry, prepared = load_registry(), given.folder / f"prepared-{size}"
    if not (prepared / "meta.json").exists():
        dataset = open_dataset(*find_dataset(str(root), registry), given.folder, print)
        registry.get("preparation", "windows").load()(dataset, DataConfig(), prepared)
    store = SegmentStore(prepared)
    raw = save_raw(store, given.folder / "prepared_raw.fif")
    windows = create_fixed_length_windows(
        BaseConcatDataset([RawDataset(raw.copy())]),
        window_size_samples=store.signal.n_times,
        window_stride_samples=60,
        drop_last_window=True,
        preload=True,
    )
    ways: dict[str, tuple[Iterator[Any], int]] = {
        "store": (gathered(store), 40),
        "DataLoader over Raw on disk": (one_by_one(RawItems(store, raw)), 2),
        "braindecode, preloaded": (one_by_one(windows), 12),
    }
    found: dict[str, list[float]] = {name: [] for name in ways}
    for batches, _ in ways.values():
        next(batches)
    for _ in range(given.rounds):
        for name, (batches, n_batches) in ways.items():
            found[name].append(items_per_s(batches, n_batches))
    for name, rates in found.items():
        ratios = [own / other for own, other in zip(found["store"], rates, strict=True)]
        spread = f"{min(ratios):.2f} to {max(ratios):.2f}"
        print(f"{name}: {statistics.median(rates):.0f} items/s; store {statistics.median(ratios):.2f} times ({spread})")
    return 0


if __name__ == "__main__":
    sys.exit(main())
