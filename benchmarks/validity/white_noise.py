"""Makes up listeners whose EEG of white noise has nothing to do with the sound, and runs stages on them."""

from __future__ import annotations

import shutil
import sys
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pandas as pd
from scipy.stats import binomtest

from eeg2speech_bench.benchmarks.models.pair import Pair
from eeg2speech_bench.benchmarks.stage_inputs import AlignInputs, FeaturesInputs, StageInputs
from eeg2speech_bench.benchmarks.stage_runs import run_stage
from eeg2speech_bench.core.presets.config import AlignmentConfig, ScoresConfig
from eeg2speech_bench.core.records.metrics import ControlTest
from eeg2speech_bench.core.registry.registry import load_registry
from eeg2speech_bench.core.segments.held_out import HeldOut
from eeg2speech_bench.core.segments.prepared import Prepared
from eeg2speech_bench.core.stages.checkpoints import StageCheckpoints

N_LISTENERS, N_CHANS, SFREQ, WINDOW_S, RATE_HZ = 9, 4, 20.0, 2.0, 16_000
N_TIMES = round(SFREQ * WINDOW_S)
#: windows, side by side in one piece of sound, by part
PARTS = {"train": 60, "valid": 10, "test": 30}
SPLIT = np.repeat(list(PARTS), list(PARTS.values()))
#: samples of a recording
N_ROWS = len(SPLIT) * N_TIMES
TARGET_OPTIONS = {"n_bands": 8, "token_rate_hz": 10.0}
SCORES = ScoresConfig(n_bootstrap=20, n_permutations=1000, block_s=6.0)


def write_sounds(folder: Path) -> None:
    """Write all of a prepared data set but the EEG."""
    rng = np.random.default_rng(0)
    start_s = np.arange(len(SPLIT)) * WINDOW_S
    level = np.exp(rng.standard_normal(len(SPLIT) * 10))
    sound = rng.standard_normal(len(SPLIT) * round(WINDOW_S * RATE_HZ)) * np.repeat(
        level, round(WINDOW_S * RATE_HZ) // 10
    )
    np.save(folder / "sound.npy", 0.1 * sound.astype(np.float32))
    np.save(folder / "scale.npy", np.ones((N_LISTENERS, N_CHANS), np.float32))
    first = (start_s * RATE_HZ).astype(np.int64)
    windows = pd.DataFrame({"stimulus": 0, "start_s": start_s, "sound_start": first, "split": SPLIT, "text": ""})
    windows.to_parquet(folder / "windows.parquet")
    zones = windows.groupby("split", sort=False)["start_s"].agg(["min", "max"]).reset_index()
    zones = zones.assign(stimulus=0, start_s=zones["min"], stop_s=zones["max"] + WINDOW_S)
    bounds = {f"sound_{end}": (zones[f"{end}_s"] * RATE_HZ).astype(np.int64) for end in ("start", "stop")}
    zones.assign(**bounds).to_parquet(folder / "zones.parquet")
    words = {name: pd.Series(dtype=float) for name in ("start_s", "stop_s", "sentence")}
    pd.DataFrame({"stimulus": pd.Series(dtype=int), **words, "text": "", "split": ""}).to_parquet(
        folder / "words.parquet"
    )
    listener, window = (a.ravel() for a in np.indices((N_LISTENERS, len(SPLIT))))
    table = {"recording": listener, "subject": listener, "window": window, "split": SPLIT[window]}
    pd.DataFrame(table | {"eeg_start": listener * N_ROWS + window * N_TIMES}).to_parquet(folder / "segments.parquet")
    _describe().write(folder)


def _describe() -> Prepared:
    names = [f"{number:02d}" for number in range(N_LISTENERS)]
    recordings = [
        {
            "recording_id": name,
            "subject": name,
            "start": i * N_ROWS,
            "stop": (i + 1) * N_ROWS,
            "scale_from": "recording",
        }
        for i, name in enumerate(names)
    ]
    channels = [{"ch_name": f"C{i}", "loc": [0.0] * 12, "kind": 2} for i in range(N_CHANS)]
    given = {"window_s": WINDOW_S, "stride_s": WINDOW_S, "shift_s": 0.0, "baseline_s": 0.0, "clamp_iqr": 20.0}
    return Prepared.model_validate(
        given
        | {
            "highpass_hz": None,
            "lowpass_hz": None,
            "signal": {"n_chans": N_CHANS, "n_times": N_TIMES, "sfreq": SFREQ, "chs_info": channels},
            "subjects": names,
            "recordings": recordings,
            "stimuli": [{"stimulus_id": "noise", "name": "noise.wav", "duration_s": len(SPLIT) * WINDOW_S}],
            "sound": {"kind": "waveform", "rate_hz": RATE_HZ},
            "dataset": {"name": "noise", "revision": "0"},
            "split": {"hash": "0" * 64},
            "n_segments": {part: n * N_LISTENERS for part, n in PARTS.items()},
            "has_transcripts": False,
        }
    )


def run_one(inputs: StageInputs, out: Path) -> Path:
    """Run a stage into a new folder, and return the folder."""
    out.mkdir()
    checkpoints = StageCheckpoints(out.parent / "none", {"name": inputs.name, "key": ""}, print)
    run_stage(inputs, out, lambda note, share: None, *([checkpoints] if inputs.trains else []))
    return out


@dataclass(frozen=True)
class NoiseCell:
    """Holds what the stages of one cell read and where they write.

    Attributes
    ----------
    prepared, features, folder : Path
    pair : Pair
        Ridge, and mel.
    seed : int
    """

    prepared: Path
    features: Path
    folder: Path
    pair: Pair
    seed: int

    def align(self, held_out: HeldOut = 0) -> Path:
        """Fit the pair, and return the folder of what was fitted."""
        inputs = AlignInputs(
            prepared=self.prepared,
            held_out=held_out,
            features=self.features,
            pair=self.pair,
            alignment=AlignmentConfig(batch_size=32),
            seed=self.seed,
            device="cpu",
            precision="float32",
        )
        return run_one(inputs, self.folder / "align")


def noise_cells(n_cells: int, add: Callable[[Path], None] = lambda prepared: None) -> Iterator[NoiseCell]:
    """Yield cells, each with another EEG; ``add`` puts what else is wanted into the prepared data set."""
    registry = load_registry()
    pair = Pair(registry.get("encoder", "ridge"), {}, registry.get("target", "mel"), TARGET_OPTIONS)
    with tempfile.TemporaryDirectory() as place:
        (prepared := Path(place, "prepared")).mkdir()
        write_sounds(prepared)
        add(prepared)
        shape = (N_LISTENERS * N_ROWS, N_CHANS)
        np.save(prepared / "eeg.npy", np.zeros(shape, np.float32))
        features = run_one(FeaturesInputs(prepared, pair.target, TARGET_OPTIONS), Path(place, "features"))
        for seed in range(n_cells):
            np.save(prepared / "eeg.npy", np.random.default_rng(seed).standard_normal(shape).astype(np.float32))
            (folder := Path(place, "cell")).mkdir()
            yield NoiseCell(prepared, features, folder, pair, seed)
            shutil.rmtree(folder)


@dataclass
class FalseVerdicts:
    """Counts verdicts of signal where there is none, and single controls that were beaten."""

    n: Counter[str] = field(default_factory=Counter)
    false: Counter[str] = field(default_factory=Counter)
    n_single: Counter[str] = field(default_factory=Counter)
    single: Counter[str] = field(default_factory=Counter)

    def add_verdict(self, name: str, distinguishable: bool) -> None:
        """Count a verdict."""
        self.n[name] += 1
        self.false[name] += distinguishable

    def add_test(self, name: str, test: ControlTest) -> None:
        """Count a test against one control."""
        self.n_single[name] += 1
        self.single[name] += test.p < SCORES.alpha

    def say(self, cell: NoiseCell) -> None:
        """Say on the error output how far the count is."""
        print(f"cell {cell.seed + 1}: {self.false.total()} of {self.n.total()} verdicts false", file=sys.stderr)

    def print_table(self, of: str) -> None:
        """Print a Markdown table with a row per name."""
        print(f"| {of} | false 'signal' [95 %] | verdicts | one control alone beaten | tests |")
        print("| --- | --- | --- | --- | --- |")
        for name, n in self.n.items():
            low, high = binomtest(self.false[name], n).proportion_ci()
            rate, alone = self.false[name] / n, self.single[name] / self.n_single[name]
            print(f"| {name} | {rate:.3f} [{low:.3f}, {high:.3f}] | {n} | {alone:.3f} | {self.n_single[name]} |")
