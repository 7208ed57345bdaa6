"""Counts false verdicts of known, new and calibrated listeners whose EEG has nothing to do with the sound.

Usage: ``python benchmarks/validity/new_listeners.py``. Nine listeners have EEG of white noise; three are held out.
The stages of a retrieval cell are run on them again and again with ridge, each time with another EEG.
"""

from __future__ import annotations

import argparse
import shutil
import sys
import tempfile
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from scipy.stats import binomtest

from eeg2speech_bench.benchmarks.models.pair import Pair
from eeg2speech_bench.benchmarks.scoring.scores import Scores
from eeg2speech_bench.benchmarks.stage_inputs import (
    AlignInputs,
    CalibrateInputs,
    ClipsInputs,
    EmbedInputs,
    FeaturesInputs,
    ScoreInputs,
    StageInputs,
)
from eeg2speech_bench.benchmarks.stage_runs import run_stage
from eeg2speech_bench.core.conditions import EMBEDDED
from eeg2speech_bench.core.presets.config import AlignmentConfig, ScoresConfig
from eeg2speech_bench.core.records.groups import GroupScores
from eeg2speech_bench.core.registry.registry import load_registry
from eeg2speech_bench.core.segments.prepared import Prepared
from eeg2speech_bench.core.stages.checkpoints import StageCheckpoints

N_LISTENERS, N_CHANS, SFREQ, WINDOW_S, RATE_HZ = 9, 4, 20.0, 2.0, 16_000
N_TIMES = round(SFREQ * WINDOW_S)
#: windows, side by side in one piece of sound, by part
PARTS = {"train": 60, "valid": 10, "test": 30}
SPLIT = np.repeat(list(PARTS), list(PARTS.values()))
#: samples of a recording
N_ROWS = len(SPLIT) * N_TIMES
HELD_OUT, CALIBRATION_MIN = "1/3", 1.0
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


def score_cell(prepared: Path, features: Path, pair: Pair, folder: Path, seed: int) -> Scores:
    """Run the stages of a retrieval cell from alignment on."""
    top1 = load_registry().get("metric", "top1")
    listeners: dict[str, Any] = {"prepared": prepared, "held_out": HELD_OUT}
    common = listeners | {"features": features, "pair": pair, "device": "cpu"}
    align = AlignInputs(**common, alignment=AlignmentConfig(batch_size=32), seed=seed, precision="float32")
    aligned = run_one(align, folder / "align")
    calibration = run_one(CalibrateInputs(**common, aligned=aligned, minutes=CALIBRATION_MIN), folder / "calibrate")
    clips = run_one(ClipsInputs(n_clips=2, **listeners), folder / "clips")
    embed = EmbedInputs(**common, clips=clips, aligned=aligned, calibration=calibration, standardise=True, seed=seed)
    score = ScoreInputs(
        **listeners,
        embedded=run_one(embed, folder / "embed"),
        words=None,
        generated=None,
        ceilings=None,
        conditions=EMBEDDED,
        metrics=(top1,),
        scores=SCORES,
        modality="eeg",
        seed=seed,
    )
    return Scores.read(run_one(score, folder / "score"))


def main(arguments: Sequence[str]) -> int:
    """Print how often each group was said to carry signal, and how often one control alone was beaten."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cells", type=int, default=40, help="each gives three verdicts (default: 40)")
    n_cells = parser.parse_args(arguments).cells
    registry = load_registry()
    pair = Pair(registry.get("encoder", "ridge"), {}, registry.get("target", "mel"), TARGET_OPTIONS)
    false, single, n_single = Counter[str](), Counter[str](), Counter[str]()
    with tempfile.TemporaryDirectory() as place:
        (prepared := Path(place, "prepared")).mkdir()
        write_sounds(prepared)
        shape = (N_LISTENERS * N_ROWS, N_CHANS)
        np.save(prepared / "eeg.npy", np.zeros(shape, np.float32))
        features = run_one(FeaturesInputs(prepared, pair.target, TARGET_OPTIONS), Path(place, "features"))
        for seed in range(n_cells):
            np.save(prepared / "eeg.npy", np.random.default_rng(seed).standard_normal(shape).astype(np.float32))
            (folder := Path(place, "cell")).mkdir()
            scores = score_cell(prepared, features, pair, folder, seed)
            shutil.rmtree(folder)
            groups: list[tuple[str, Scores | GroupScores]] = [("new", scores), *scores.groups.items()]
            for group, own in groups:
                false[group] += own.verdict["top1"].distinguishable
                single[group] += sum(test.p < SCORES.alpha for test in own.tests)
                n_single[group] += len(own.tests)
    print("| listeners | false 'signal' [95 %] | cells | one control alone beaten | tests |")
    print("| --- | --- | --- | --- | --- |")
    for group in n_single:
        low, high = binomtest(false[group], n_cells).proportion_ci()
        rate, alone = false[group] / n_cells, single[group] / n_single[group]
        print(f"| {group} | {rate:.3f} [{low:.3f}, {high:.3f}] | {n_cells} | {alone:.3f} | {n_single[group]} |")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
