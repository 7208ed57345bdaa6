"""Measures the time and memory to build a board of many records, and the time until Chromium shows it.

Usage: ``python benchmarks/speed/board.py FOLDER [--encoders 50] [--datasets 20] [--seeds 10] [--whole 2]``. Records are
invented, but valid and as large as real ones: the metrics of preset quick under every condition for eight listeners.
The first ``--whole`` seeds of an encoder generated speech, the others stopped after retrieval, which is half the size.
FOLDER keeps them for the next time. ``--segments`` also invents their per-segment values (0.4 GB for ten thousand
records), without which no encoder is ranked. The board is built three times, over the first one after that.
"""

from __future__ import annotations

import argparse
import itertools
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import psutil

from eeg2speech_bench.benchmarks.metrics.catalogue import all_metrics
from eeg2speech_bench.benchmarks.scoring.verdicts import about
from eeg2speech_bench.core.conditions import CONTROLS, EMBEDDED, SCORED
from eeg2speech_bench.core.presets.config import load_config
from eeg2speech_bench.core.records.cell_id import CellId, DatasetOrigin, EncoderOrigin, TargetOrigin
from eeg2speech_bench.core.records.metrics import ControlTest, Metric, SetScore, Verdict
from eeg2speech_bench.core.records.provenance import ErrorReport, Provenance, StageCost
from eeg2speech_bench.core.records.record import Record
from eeg2speech_bench.core.records.record_store import RecordStore
from eeg2speech_bench.core.records.training import Training
from eeg2speech_bench.core.segments.split import Split
from eeg2speech_bench.core.specs import MetricSpec

CHROMIUM = "/usr/bin/chromium"
#: what preset quick measures
MEASURED = [spec for spec in all_metrics() if not spec.extended]
RETRIEVED = [spec for spec in MEASURED if spec.needs == "scores"]
HEARD = [spec for spec in MEASURED if spec.needs == "clips"]
SETS = [spec for spec in MEASURED if spec.needs == "set"]
N_LISTENERS, N_WINDOWS, N_CLIPS = 8, 78, 10
STAGES = ("prepare", "features", "align", "embed", "score")
SPEECH_STAGES = ("autoencoder", "ceilings", "diffuse", "generate")


def identifier(encoder: int, dataset: int, seed: int) -> str:
    """Return the id of an invented cell."""
    return f"encoder_{encoder:02d}__dataset_{dataset:02d}__quick__seed{seed}__00000000"


def untested_record(encoder: int, dataset: int, seed: int, config: dict[str, Any], *, whole: bool) -> Record:
    """Return a record of the size of a real one before it has scores."""
    names: dict[str, Any] = {
        "encoder": f"encoder_{encoder:02d}",
        "dataset": f"dataset_{dataset:02d}",
        "preset": "quick",
    }
    cell = CellId(id=identifier(encoder, dataset, seed), dataset_argument=names["dataset"], seed=seed, **names)
    costs: dict[str, Any] = {
        "key": "0" * 20,
        "seconds": 60.0 * (1 + encoder),
        "peak_memory_mb": 1500.0,
        "reused": False,
    }
    stages = [StageCost(name=name, **costs) for name in (*STAGES, *(SPEECH_STAGES if whole else ()))]
    return Record(
        cell=cell,
        status="done",
        config=config,
        encoder=EncoderOrigin(
            name=cell.encoder,
            distribution=f"plugin-{encoder}",
            version="1.0",
            source_hash="0" * 16,
            licence="Apache-2.0",
            baseline=encoder < 5,
        ),
        target=TargetOrigin(name="deep_mel", options={"n_bands": 40, "token_rate_hz": 30.0, "hidden": 64, "dim": 40}),
        split=Split(kind="stimulus-time", hash=f"{dataset:064d}"),
        dataset=DatasetOrigin(
            name=cell.dataset,
            revision="1",
            n_subjects=N_LISTENERS,
            n_stimuli=18,
            n_segments={"train": 9000, "valid": 300, "test": N_LISTENERS * N_WINDOWS},
        ),
        provenance=Provenance(
            stages=stages,
            command="run",
            packages={f"package-{i}": "1.0" for i in range(14)},
        ),
    )


def invented_record(encoder: int, dataset: int, seed: int, config: dict[str, Any], *, whole: bool) -> Record:
    """Return a record of the size of a real one, ``whole`` or of retrieval alone; one cell in fifty failed."""
    rng = np.random.default_rng([encoder, dataset, seed])
    skill = 0.6 * (encoder % 17) / 17
    record = untested_record(encoder, dataset, seed, config, whole=whole)
    if rng.random() < 0.02:
        record.status, record.error = "failed", ErrorReport(phase="align", type="RuntimeError", message="diverged")
        return record
    metrics = [*RETRIEVED, *(HEARD if whole else ())]
    record.metrics = [entry(m, c, skill, rng) for m in metrics for c in (SCORED if m in HEARD else EMBEDDED)]
    record.sets = [of_all_clips(m, condition, rng) for m in SETS for condition in SCORED] if whole else []
    test: dict[str, Any] = {
        "p": 0.001 if skill > 0.1 else 0.4,
        "effect": 0.1,
        "dz": 1.5,
        "n_units": 128,
        "exact": False,
    }
    record.tests = [ControlTest(metric=m.name, control=c, **test) for m in metrics for c in CONTROLS]
    verdict = Verdict(distinguishable=skill > 0.1, p=test["p"], hardest_control="shift", alpha=0.05)
    record.verdict = {m.name: verdict for m in metrics if m.headline}
    history = [{"step": 80 * i, "train_loss": 4.0 / i, "valid_mrr": 0.1 * i} for i in range(1, 10)]
    record.training = {"align": Training(history=history, n_parameters={"encoder": 1000 * (1 + encoder)})}
    record.files = {"segments": f"cells/{record.cell.id}/segments.parquet"}
    return record


def entry(spec: MetricSpec, condition: str, skill: float, rng: np.random.Generator) -> Metric:
    """Return one metric's entry with the values of eight listeners."""
    level = {"eeg": 0.01 + skill, "audio": 0.95, "autoencoder": 0.97, "vocoder": 0.99}.get(condition, 0.01)
    values = np.clip(level + 0.02 * rng.standard_normal(N_LISTENERS), 0, 1)
    value, n_each = float(np.mean(values)), N_CLIPS if spec in HEARD else N_WINDOWS
    return Metric(
        **about(spec),
        condition=condition,
        value=value,
        low=max(value - 0.05, 0.0),
        high=min(value + 0.05, 1.0),
        confidence=0.95,
        n=N_LISTENERS * n_each,
        pool=spec.pool,
        n_pool=N_WINDOWS,
        chance=1 / N_WINDOWS,
        chance_band=[0.0, 3 / N_WINDOWS],
        aggregate="mean",
        per_subject={f"{i:02d}": float(v) for i, v in enumerate(values, 1)},
    )


def of_all_clips(spec: MetricSpec, condition: str, rng: np.random.Generator) -> SetScore:
    """Return one entry of a metric of all clips together."""
    return SetScore(**about(spec), condition=condition, value=float(rng.random()), n=N_CLIPS, floor=0.03)


def write_segments(path: Path, record: Record) -> None:
    """Write per-segment values whose mean for each listener is that of the record."""
    import pandas as pd

    parts = []
    for made in record.metrics:
        n_each = made.n // N_LISTENERS
        start_s = 2.88 * np.tile(np.arange(n_each), N_LISTENERS)
        swing = np.tile(0.1 * (-1.0) ** np.arange(n_each), N_LISTENERS)
        columns: dict[str, Any] = {
            "metric": made.name,
            "condition": made.condition,
            "recording": 0,
            "stimulus": 14,
        }
        columns |= {"subject": np.repeat(list(made.per_subject), n_each), "start_s": start_s}
        columns |= {"block": (start_s // 15).astype(int)}
        parts.append(pd.DataFrame(columns | {"value": np.repeat(list(made.per_subject.values()), n_each) + swing}))
    path.parent.mkdir(parents=True, exist_ok=True)
    pd.concat(parts, ignore_index=True).to_parquet(path)


def write_records(results: Path, encoders: int, datasets: int, seeds: int, whole: int, *, segments: bool) -> None:
    """Write the records that are not there, and on demand their per-segment values."""
    store = RecordStore(results)
    configs = [load_config("quick", None, [f"scores.which={which}"]) for which in ("retrieval", "all")]
    trees = [config.model_dump(mode="json") for config in configs]
    for encoder, dataset, seed in itertools.product(range(encoders), range(datasets), range(seeds)):
        path = store.path(identifier(encoder, dataset, seed))
        if not path.exists():
            store.write(invented_record(encoder, dataset, seed, trees[seed < whole], whole=seed < whole))
            Record.read(path)
        place = store.cell_folder(path.stem) / "segments.parquet"
        if segments and not place.exists() and (record := Record.read(path)).status == "done":
            write_segments(place, record)


def timed_build(results: Path, out: Path) -> str:
    """Build the board as a user does; return seconds on the clock and of the processor."""
    before, started = resource.getrusage(resource.RUSAGE_CHILDREN), time.monotonic()
    subprocess.run(build_command(results, out), stdout=subprocess.DEVNULL, check=True)
    wall, after = time.monotonic() - started, resource.getrusage(resource.RUSAGE_CHILDREN)
    return f"{wall:.1f} s, {after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime:.1f} processor-s"


def watched_build(results: Path, out: Path) -> str:
    """Build once more and return the highest memory of its processes together; watching slows it by a tenth."""
    process, peak = subprocess.Popen(build_command(results, out), stdout=subprocess.DEVNULL), 0
    watched = psutil.Process(process.pid)
    while process.poll() is None:
        peak = max(peak, memory_bytes(watched))
        time.sleep(0.1)
    if process.returncode:
        raise SystemExit(process.returncode)
    return f"{peak / 1e9:.2f} GB"


def build_command(results: Path, out: Path) -> list[str]:
    """Return what a user types."""
    typed = ["leaderboard", "build", "--results", str(results), "--out", str(out)]
    return [sys.executable, "-m", "eeg2speech_bench.core", *typed]


def memory_bytes(process: psutil.Process) -> int:
    """Return what a process and its children hold alone (shared pages once)."""
    try:
        family = [process, *process.children(recursive=True)]
        return sum(member.memory_full_info().uss for member in family)
    except psutil.NoSuchProcess:
        return 0


class OpeningTime(NamedTuple):
    """Seconds from the request to the drawn table, and how many of them the main thread was busy."""

    wall_s: float
    processor_s: float

    def __str__(self) -> str:
        return f"{self.wall_s:.2f} ({self.processor_s:.2f})"


def measure_opening(page: Path) -> list[OpeningTime]:
    """Open a page of the disk in five fresh tabs."""
    from playwright.sync_api import sync_playwright

    found = []
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=CHROMIUM, args=["--headless", "--no-sandbox", "--disable-gpu"]
        )
        for _ in range(5):
            tab = browser.new_page()
            devtools = tab.context.new_cdp_session(tab)
            devtools.send("Performance.enable", {"timeDomain": "threadTicks"})
            started = time.monotonic()
            tab.goto(page.resolve().as_uri())
            tab.wait_for_selector("html[data-ready] .tabulator-row")
            wall = time.monotonic() - started
            measured = {m["name"]: m["value"] for m in devtools.send("Performance.getMetrics")["metrics"]}
            found.append(OpeningTime(wall, measured["ThreadTime"]))
            tab.close()
    return found


def main() -> None:
    """Write records, build, build again, open; print what each took."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    for name, default in (("encoders", 50), ("datasets", 20), ("seeds", 10), ("whole", 2)):
        parser.add_argument(f"--{name}", type=int, default=default)
    parser.add_argument("--segments", action="store_true")
    options = parser.parse_args()
    results = options.folder / f"results_{options.whole}"
    numbers = (options.encoders, options.datasets, options.seeds, options.whole)
    write_records(results, *numbers, segments=options.segments)
    sizes = [path.stat().st_size for path in (results / "records").glob("*.json")]
    print(f"{len(sizes)} records, {sum(sizes) / 1e6:.0f} MB")
    with tempfile.TemporaryDirectory(dir=options.folder) as empty:
        index = Path(empty, "board", "index.html")
        print(f"build: {timed_build(results, index.parent)}")
        print(f"build again: {timed_build(results, index.parent)}")
        print(f"memory: {watched_build(results, index.parent)}")
        times = ", ".join(map(str, measure_opening(index)))
        print(f"index.html ({index.stat().st_size / 1e6:.1f} MB) opens in {times} s")


if __name__ == "__main__":
    main()
