"""Measures what MNE's default resampling costs a linear decoder: it shifts each recording, by its own length.

Usage: ``python benchmarks/validity/resampling.py``. Recordings of simulated listeners are prepared twice: at their rate
(the suite resamples them, at exact times), and after `mne.io.Raw.resample`. The encoder ridge estimates envelopes.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import replace
from fractions import Fraction
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import mne
import numpy as np
import torch
from scipy.signal import resample_poly

from eeg2speech_bench.core.conditioning import pool_tokens
from eeg2speech_bench.core.presets.config import DataConfig
from eeg2speech_bench.core.registry.registry import load_registry
from eeg2speech_bench.core.segments.recordings import Presentation, Recording
from eeg2speech_bench.core.segments.segment_store import Batch, SegmentStore, TargetInfo

#: silence kept before and behind a story, in seconds
SILENCE_S = 1.0
#: envelope samples per window of 2.88 s
N_TOKENS = 173
BATCH = 128

Resampling = Callable[[mne.io.BaseRaw], mne.io.BaseRaw]


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


def by_mne(raw: mne.io.BaseRaw) -> mne.io.BaseRaw:
    """Resample by MNE's default, a transform of the whole recording."""
    return raw.resample(DataConfig().sfreq, verbose="ERROR")


def as_stored(raw: mne.io.BaseRaw) -> mne.io.BaseRaw:
    """Leave the rate to the stage ``prepare``."""
    return raw


def in_stories(recordings: tuple[Recording, ...], kind: Kind, resampling: Resampling) -> tuple[Recording, ...]:
    """Make a recording of every presentation, as data sets with one file per story have it."""
    return tuple(
        replace(
            recording,
            recording_id=f"{recording.recording_id}_{number}",
            presentations=(_story(p, kind),),
            load=partial(_loaded, recording, p, kind, resampling),
        )
        for recording in recordings
        for number, p in enumerate(recording.presentations)
    )


def _loaded(recording: Recording, p: Presentation, kind: Kind, resampling: Resampling) -> mne.io.BaseRaw:
    return resampling(stored(recording, p, kind))


def _story(p: Presentation, kind: Kind) -> Presentation:
    onset_s = SILENCE_S if kind.kept_s is None else 0.0
    return replace(p, onset_s=onset_s, duration_s=min(p.duration_s, kind.kept_s or p.duration_s))


def stored(recording: Recording, p: Presentation, kind: Kind) -> mne.io.BaseRaw:
    """Return the EEG of a story as it is stored, at the kind's rate."""
    raw = recording.load()
    first = round((p.onset_s - _story(p, kind).onset_s) * raw.info["sfreq"])
    seconds = p.duration_s + 2 * SILENCE_S if kind.kept_s is None else kind.kept_s
    data = raw.get_data(start=first, stop=first + round(seconds * raw.info["sfreq"]))
    # The simulation's own rate is 128 Hz: the ratio is exact.
    ratio = Fraction(kind.sfreq) / Fraction(raw.info["sfreq"])
    data = resample_poly(data, ratio.numerator, ratio.denominator, axis=1, padtype="line")
    info = mne.create_info(raw.ch_names, kind.sfreq, "eeg")
    return mne.io.RawArray(data, info, verbose="ERROR").set_montage(raw.get_montage())


def late_ms(n_samples: int, sfreq: float) -> tuple[float, float]:
    """Measure how late MNE's default makes a sine of 5 Hz at both ends of a recording of this length, in ms."""
    sine = np.sin(2 * np.pi * 5 * np.arange(n_samples) / sfreq)[None]
    raw = by_mne(mne.io.RawArray(sine, mne.create_info(1, sfreq, "eeg"), verbose="ERROR"))
    turns = raw.get_data()[0] * np.exp(-2j * np.pi * 5 * raw.times)
    second = round(raw.info["sfreq"])
    ends = turns[second : 3 * second].mean(), turns[-3 * second : -second].mean()
    start, stop = (-1e3 * float(np.angle(1j * end)) / (2 * np.pi * 5) for end in ends)
    return start, stop


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
    build = load_registry().get("encoder", "ridge").load()
    encoder = build(store.signal, TargetInfo(1, N_TOKENS, N_TOKENS / store.window_s))
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


def print_rows(kind: Kind, dataset: Any, seed: int, folder: Path) -> None:
    """Print two lines of the table: the same recordings, resampled in two ways."""
    prepare = load_registry().get("preparation", "windows").load()
    lengths = {stored(r, p, kind).n_times for r in dataset.recordings for p in r.presentations}
    late = [ms for n_samples in lengths for ms in late_ms(n_samples, kind.sfreq)]
    for name, resampling, span in (
        ("mne", by_mne, f"{min(late):+.2f} to {max(late):+.2f}"),
        ("exact", as_stored, "-"),
    ):
        out = folder / f"{name}-{kind.sfreq:g}"
        prepare(replace(dataset, recordings=in_stories(dataset.recordings, kind, resampling)), DataConfig(), out)
        r, top1, n = ridge_scores(SegmentStore(out))
        print(f"| {kind.name} | {seed} | {name} | {span} | {r:.4f} | {top1:.4f} | {n} |", flush=True)


def main() -> int:
    """Print a Markdown table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--listeners", type=int, default=4)
    parser.add_argument("--seeds", type=int, default=3, help="simulations")
    arguments = parser.parse_args()
    print("| recordings | seed | resampled by | late, ms | ridge r | top-1 | of |")
    print("| --- " * 7 + "|")
    for seed in range(arguments.seeds):
        with tempfile.TemporaryDirectory() as name:
            root = Path(name) / "bids"
            options = [f"--out={root}", f"--seed={seed}", f"--listeners={arguments.listeners}", "--channels=16"]
            simulate = ["eeg2speech-bench", "datasets", "simulate", *options]
            subprocess.run(simulate, check=True, stdout=subprocess.DEVNULL)
            dataset = load_registry().get("dataset", "bids").load()(str(root), Path(name), lambda line: None)
            for kind in KINDS:
                print_rows(kind, dataset, seed, Path(name))
    return 0


if __name__ == "__main__":
    sys.exit(main())
