"""Measures how long preparing takes beside plain MNE that filters and resamples the same recordings, and its memory.

Usage: ``python benchmarks/speed/preparation.py FOLDER [--recordings N] [--minutes MIN] [--chans N] [--sfreq HZ]
[--highpass HZ] [--rounds N]``. The recordings are made in FOLDER if they are not there. Every round runs both, in
turn, so that other work on the machine meets both. MNE reads, filters, resamples and saves one recording after the
other, as it does unless told otherwise; preparing uses all cores, and also looks for NaN, flat channels, wrong units
and recorded sound, compares the stories, cuts windows and measures scales. Processor-seconds are those of all
processes.
With --rounds 0 nothing is compared: the recordings are prepared once.
"""

from __future__ import annotations

import argparse
import os
import shutil
import statistics
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

import mne
import numpy as np

from eeg2speech_bench.benchmarks.speed.made_recordings import make_recordings
from eeg2speech_bench.core.machine.monitor import Monitor
from eeg2speech_bench.core.presets.config import DataConfig
from eeg2speech_bench.core.registry.dataset_opening import find_dataset, open_dataset
from eeg2speech_bench.core.registry.registry import load_registry
from eeg2speech_bench.core.segments.recordings import SpeechDataset


def with_mne(root: Path, settings: DataConfig, out: Path) -> None:
    """Filter and resample as a script of a few lines does."""
    out.mkdir()
    for path in sorted(root.rglob("*.vhdr")):
        raw = mne.io.read_raw_brainvision(path, preload=True, verbose="ERROR")
        if settings.highpass_hz or settings.lowpass_hz:
            design = {"order": 2, "ftype": "butter"}
            raw.filter(settings.highpass_hz, settings.lowpass_hz, method="iir", iir_params=design, verbose="ERROR")
        raw.resample(settings.sfreq, verbose="ERROR")
        np.save(out / f"{path.stem}.npy", (1e6 * raw.get_data().T).astype(np.float32))


class Cost(NamedTuple):
    """What something took: seconds on the clock and of all processors, and the most memory in MB."""

    seconds: float
    processor_s: float
    memory_mb: float

    def __str__(self) -> str:
        return f"{self.seconds:.2f} s, {self.processor_s:.2f} processor-seconds, {self.memory_mb:.0f} MB"


def cost(work: Callable[[Path], None], out: Path) -> Cost:
    """Run something that writes into a folder, which is then removed."""
    started, before = time.perf_counter(), sum(os.times()[:4])
    with Monitor(every_s=0.2) as monitor:
        work(out)
        seconds, processor_s = time.perf_counter() - started, sum(os.times()[:4]) - before
    shutil.rmtree(out)
    return Cost(seconds, processor_s, monitor.peak_memory_mb)


def main(arguments: Sequence[str] | None = None) -> int:
    """Print a row per round, and the ratio of both in the median."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("folder", type=Path)
    for name, default in (("recordings", 6), ("chans", 64), ("rounds", 3)):
        parser.add_argument(f"--{name}", type=int, default=default, metavar="N")
    parser.add_argument("--minutes", type=float, default=10.0, metavar="MIN")
    parser.add_argument("--sfreq", type=float, default=500.0, metavar="HZ")
    parser.add_argument("--highpass", type=float, metavar="HZ", help="default: no filter")
    given = parser.parse_args(arguments)
    size = f"{given.recordings}x{given.minutes:g}min-{given.chans}x{given.sfreq:g}Hz"
    root = make_recordings(given.folder / size, given.recordings, given.minutes, given.chans, given.sfreq)
    registry, settings = load_registry(), DataConfig(highpass_hz=given.highpass)
    dataset: SpeechDataset = open_dataset(*find_dataset(str(root), registry), given.folder, print)
    prepare, out = registry.get("preparation", "windows").load(), given.folder / "out"
    shutil.rmtree(out, ignore_errors=True)
    hours = given.recordings * given.minutes / 60
    ratios, processor_ratios = [], []
    for number in range(max(1, given.rounds)):
        ours = cost(lambda out: prepare(dataset, settings, out), out)
        print(f"prepared {hours:g} h in {ours}", flush=True)
        if given.rounds:
            theirs = cost(lambda out: with_mne(root, settings, out), out)
            ratios.append(theirs.seconds / ours.seconds)
            processor_ratios.append(theirs.processor_s / ours.processor_s)
            print(f"MNE in {theirs}; round {number + 1}: {ratios[-1]:.2f} times", flush=True)
    if ratios:
        spread = f"{min(ratios):.2f} to {max(ratios):.2f}"
        share = statistics.median(processor_ratios)
        print(f"median {statistics.median(ratios):.2f} times as fast ({spread}); per processor-second {share:.2f}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
