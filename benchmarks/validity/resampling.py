"""Measures what MNE's default resampling costs a linear decoder, which shifts every recording by its own length.

Usage: ``python benchmarks/validity/resampling.py``. Simulated listeners are prepared twice from the same recordings, by
`mne.io.Raw.resample` and by the suite's `resample`; the encoder ridge estimates the envelope of held-out windows.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import NamedTuple
from unittest.mock import patch

import mne
import numpy as np
import torch

from eeg2speech_bench.core.conditioning import pool_tokens
from eeg2speech_bench.core.presets.config import DataConfig
from eeg2speech_bench.core.segments.recordings import Presentation, Recording
from eeg2speech_bench.core.segments.segment_store import Batch, SegmentStore, TargetInfo
from eeg2speech_bench.datasets.bids.bids_dataset import BidsDataset, open_bids
from eeg2speech_bench.datasets.preparation import preprocessing
from eeg2speech_bench.datasets.preparation.prepare import prepare
from eeg2speech_bench.datasets.preparation.resampling import resample
from eeg2speech_bench.datasets.simulation.dataset import simulate
from eeg2speech_bench.datasets.simulation.listeners import SimulationSettings
from eeg2speech_bench.plugins.encoders.ridge import Ridge

#: silence kept before and behind a story, in seconds
SILENCE_S = 1.0
#: lowest rate to simulate at: mains hum is part of the simulation
SIMULATED_HZ = 128.0
#: envelope samples per window of 2.88 s
N_TOKENS = 173
BATCH = 128

#: Takes data (n_chans, n_samples), the two rates and the stretches; gives rows (n_rows, n_chans).
Resampler = Callable[[np.ndarray, float, float, Sequence[tuple[int, int]]], np.ndarray]


class Kind(NamedTuple):
    """Describes recordings: a name, their rate, and the seconds of each story that are kept (None: all)."""

    name: str
    sfreq: float
    kept_s: float | None


KINDS = (
    Kind("one recording per story, 500 Hz", 500.0, None),
    Kind("one recording per story, 512 Hz", 512.0, None),
    Kind("trials of 50 s, 64 Hz, as DTU's", 64.0, 50.0),
)


def by_mne(data: np.ndarray, sfreq: float, new_sfreq: float, stretches: Sequence[tuple[int, int]]) -> np.ndarray:
    """Resample as `mne.io.Raw.resample` does by default: a transform of the whole recording."""
    raw = mne.io.RawArray(data, mne.create_info(len(data), sfreq, "eeg"), verbose="ERROR")
    return raw.resample(new_sfreq, verbose="ERROR").get_data().T.astype(np.float32)


def in_stories(dataset: BidsDataset, kind: Kind) -> BidsDataset:
    """Make a recording of every presentation, as data sets with one file per story have it."""
    recordings = tuple(
        replace(
            recording,
            recording_id=f"{recording.recording_id}_{number}",
            presentations=(_story(p, kind),),
            load=partial(_cropped, recording, p, kind),
        )
        for recording in dataset.recordings
        for number, p in enumerate(recording.presentations)
    )
    return replace(dataset, recordings=recordings)


def _story(p: Presentation, kind: Kind) -> Presentation:
    onset_s = SILENCE_S if kind.kept_s is None else 0.0
    return replace(p, onset_s=onset_s, duration_s=min(p.duration_s, kind.kept_s or p.duration_s))


def _cropped(recording: Recording, p: Presentation, kind: Kind) -> mne.io.BaseRaw:
    raw = recording.load()
    first = round((p.onset_s - _story(p, kind).onset_s) * raw.info["sfreq"])
    seconds = p.duration_s + 2 * SILENCE_S if kind.kept_s is None else kind.kept_s
    data = raw.get_data(start=first, stop=first + round(seconds * raw.info["sfreq"]))
    stored = resample(data, raw.info["sfreq"], kind.sfreq, [(0, data.shape[1])]).T
    info = mne.create_info(raw.ch_names, kind.sfreq, "eeg")
    return mne.io.RawArray(stored.astype(np.float64), info, verbose="ERROR").set_montage(raw.get_montage())


def late_ms(dataset: BidsDataset, resampler: Resampler, sfreq: float) -> np.ndarray:
    """Measure how late a sine of 5 Hz is in each recording at both ends, in ms, shape (n_recordings, 2)."""
    found = []
    for recording in dataset.recordings:
        raw = recording.load()
        times_s = np.arange(raw.n_times) / raw.info["sfreq"]
        sine = np.sin(2 * np.pi * 5 * times_s)[None]
        rows = resampler(sine, raw.info["sfreq"], sfreq, [(0, raw.n_times)])[:, 0]
        turns = rows * np.exp(-2j * np.pi * 5 * np.arange(len(rows)) / sfreq)
        second = round(sfreq)
        ends = turns[second : 3 * second].mean(), turns[-3 * second : -second].mean()
        found.append([-1e3 * np.angle(1j * end) / (2 * np.pi * 5) for end in ends])
    return np.array(found)


def batches(store: SegmentStore, split: str) -> Iterator[tuple[Batch, torch.Tensor]]:
    """Yield segments with the envelope of their sound, shape (batch, N_TOKENS, 1)."""
    rows = store.indices(split)
    for start in range(0, len(rows), BATCH):
        batch = store.gather(rows[start : start + BATCH])
        yield batch, _envelopes(store, batch.window.numpy())


def _envelopes(store: SegmentStore, windows: np.ndarray) -> torch.Tensor:
    loudness = torch.as_tensor(store.gather_sound(windows)).abs()[:, None]
    return torch.nn.functional.adaptive_avg_pool1d(loudness, N_TOKENS).sqrt().transpose(1, 2)


def ridge_scores(store: SegmentStore) -> tuple[float, float, int]:
    """Return ridge's mean correlation with the envelope of test windows, its top-1 and the number of candidates."""
    encoder = Ridge(store.signal, TargetInfo(1, N_TOKENS, N_TOKENS / store.window_s))
    encoder.fit(batches(store, "train"), batches(store, "valid"))
    windows = np.flatnonzero(store.windows["split"] == "test")
    candidates = _unit(pool_tokens(_envelopes(store, windows), encoder.n_tokens)[..., 0])
    of_truth, hits = [], []
    for batch, _ in batches(store, "test"):
        r = _unit(encoder(batch).embeddings[..., 0]) @ candidates.T
        truth = torch.as_tensor(np.searchsorted(windows, batch.window.numpy()))
        of_truth.append(r[torch.arange(len(r)), truth])
        hits.append(r.argmax(1) == truth)
    return float(torch.cat(of_truth).mean()), float(torch.cat(hits).float().mean()), len(windows)


def _unit(values: torch.Tensor) -> torch.Tensor:
    centred = values - values.mean(1, keepdim=True)
    return centred / centred.norm(dim=1, keepdim=True).clamp(min=1e-12)


def print_rows(kind: Kind, settings: SimulationSettings, seed: int, folder: Path) -> None:
    """Print two lines of the table: the same recordings, resampled in two ways."""
    root = simulate(folder / "bids", replace(settings, sfreq=max(kind.sfreq, SIMULATED_HZ), seed=seed))
    dataset, config = in_stories(open_bids(root), kind), DataConfig()
    for name, resampler in (("mne", by_mne), ("exact", resample)):
        with patch.object(preprocessing, "resample", resampler):
            prepare(dataset, config, folder / name)
        r, top1, n = ridge_scores(SegmentStore(folder / name))
        late = late_ms(dataset, resampler, config.sfreq)
        span = f"{late.min() + 0:.2f} to {late.max() + 0:.2f}"
        print(f"| {kind.name} | {seed} | {name} | {span} | {r:.4f} | {top1:.4f} | {n} |", flush=True)


def main() -> int:
    """Print a Markdown table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--listeners", type=int, default=4)
    parser.add_argument("--stories", type=int, default=None, help="of the 18; all by default")
    parser.add_argument("--seeds", type=int, default=3, help="simulations of each kind")
    arguments = parser.parse_args()
    settings = SimulationSettings(n_listeners=arguments.listeners, stories=arguments.stories)
    print("| recordings | seed | resampled by | late, ms | ridge r | top-1 | of |")
    print("| --- " * 7 + "|")
    for kind in KINDS:
        for seed in range(arguments.seeds):
            with tempfile.TemporaryDirectory() as folder:
                print_rows(kind, settings, seed, Path(folder))
    return 0


if __name__ == "__main__":
    sys.exit(main())
