"""Measures how long preparing takes beside plain MNE that filters and resamples the same recordings, and its memory.

Usage: ``python benchmarks/speed/preparation.py FOLDER [--recordings N] [--minutes MIN] [--chans N] [--sfreq HZ]
[--highpass HZ] [--rounds N]``. The recordings are made in FOLDER if they are not there. Every round runs both, in
turn, so that other work on the machine meets both. MNE reads, filters, resamples and saves one recording after the
other, with as many threads as there are cores where it offers them; preparing also looks for NaN, flat channels, wrong
units and recorded sound, compares the stories, cuts windows and measures scales. With --rounds 0 nothing is compared:
the recordings are prepared once.
"""

from __future__ import annotations

import argparse
import shutil
import statistics
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import mne
import numpy as np

from eeg2speech_bench.benchmarks.speed.made_recordings import make_recordings
from eeg2speech_bench.core.machine.monitor import Monitor
from eeg2speech_bench.core.machine.threads import count_cores
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
        raw.resample(settings.sfreq, n_jobs=count_cores(), verbose="ERROR")
        np.save(out / f"{path.stem}.npy", (1e6 * raw.get_data().T).astype(np.float32))


def timed(work: Callable[[Path], None], out: Path) -> tuple[float, float]:
    """Return the seconds that something takes, and the most memory in MB; what it writes is removed."""
    started = time.perf_counter()
    with Monitor(every_s=0.2) as monitor:
        work(out)
        seconds = time.perf_counter() - started
    shutil.rmtree(out)
    return seconds, monitor.peak_memory_mb


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
    ratios = []
    for number in range(max(1, given.rounds)):
        ours, memory = timed(lambda out: prepare(dataset, settings, out), out)
        print(
            f"prepared {hours:g} h in {ours:.2f} s: {60 * hours / ours:.2f} h per minute, {memory:.0f} MB", flush=True
        )
        if given.rounds:
            theirs, memory = timed(lambda out: with_mne(root, settings, out), out)
            ratios.append(theirs / ours)
            print(f"MNE in {theirs:.2f} s, {memory:.0f} MB; round {number + 1}: {ratios[-1]:.2f} times", flush=True)
    if ratios:
        print(f"median {statistics.median(ratios):.2f} times as fast ({min(ratios):.2f} to {max(ratios):.2f})")
    return 0


if __name__ == "__main__":
    sys.exit(main())
