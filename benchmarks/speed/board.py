"""Seconds and memory to build the board of many records, and seconds until the page stands in Chromium.

Usage: ``python benchmarks/speed/board.py FOLDER [--encoders 50] [--datasets 20] [--seeds 10]``. Records are invented
but as large as real ones: every metric under every condition for eight listeners. FOLDER keeps them for the next time.
"""

from __future__ import annotations

import argparse
import resource
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import psutil

from eeg2speech_bench.core.config import load_config
from eeg2speech_bench.core.records import Record, RecordStore

CHROMIUM = "/usr/bin/chromium"
CONDITIONS = ("eeg", "shift", "phase", "shuffle", "mean", "none", "audio", "autoencoder", "vocoder")
NO_SIGNAL = CONDITIONS[1:6]
#: name, and whether it is of generated speech
METRICS = {
    "top1": False, "top5": False, "top10": False, "mrr": False, "median_rank": False,
    "identification": True, "mel_correlation": True, "estoi": True, "lsd": True,
}  # fmt: skip
STAGES = ("prepare", "features", "autoencoder", "align", "embed", "diffuse", "generate", "score")


def invented_record(encoder: int, dataset: int, seed: int, config: dict[str, Any]) -> Record:
    """Return a record of the size of a real one; one cell in fifty failed."""
    rng = np.random.default_rng([encoder, dataset, seed])
    skill = 0.6 * (encoder % 17) / 17
    cell: dict[str, Any] = {
        "encoder": f"encoder_{encoder:02d}",
        "dataset": f"dataset_{dataset:02d}",
        "preset": "quick",
        "seed": seed,
    }
    cell |= {"id": "__".join((cell["encoder"], cell["dataset"], "quick", f"seed{seed}", "00000000"))}
    record = Record(cell, "done", config, {"name": cell["encoder"], "source_hash": "0" * 16, "baseline": encoder < 5})
    record.encoder |= {"distribution": f"plugin-{encoder}", "version": "1.0", "licence": "Apache-2.0"}
    record.target, record.split = {"name": "deep_mel"}, {"hash": f"{dataset:064d}"}
    record.dataset = {"revision": "1", "n_subjects": 8, "n_segments": {"train": 9000, "valid": 300, "test": 624}}
    stages = [{"name": n, "key": "0" * 20, "seconds": 60.0 * (1 + encoder), "peak_memory_mb": 1500.0} for n in STAGES]
    record.provenance = {"stages": stages, "command": "run", "packages": {f"package-{i}": "1.0" for i in range(14)}}
    if rng.random() < 0.02:
        record.status, record.error = "failed", {"phase": "align", "type": "RuntimeError", "message": "diverged"}
        return record
    record.metrics = [entry(m, c, skill, rng) for m, heard in METRICS.items() for c in CONDITIONS[: 9 if heard else 7]]
    record.tests = [{"metric": m, "control": c, "p": 0.001, "effect": 0.1} for m in METRICS for c in NO_SIGNAL]
    verdict = {"distinguishable": skill > 0.1, "p": 0.001, "hardest_control": "shift", "alpha": 0.05}
    record.verdict = {"top1": verdict, "identification": verdict}
    history = [{"step": 80 * i, "train_loss": 4.0 / i, "valid_mrr": 0.1 * i} for i in range(1, 10)]
    record.training = {"align": {"history": history, "n_parameters": {"encoder": 1000 * (1 + encoder)}}}
    return record


def entry(metric: str, condition: str, skill: float, rng: np.random.Generator) -> dict[str, Any]:
    """Return one metric's entry with the values of eight listeners."""
    level = {"eeg": 0.01 + skill, "audio": 0.95, "autoencoder": 0.97, "vocoder": 0.99}.get(condition, 0.01)
    listeners = {f"{i:02d}": float(v) for i, v in enumerate(np.clip(level + 0.02 * rng.standard_normal(8), 0, 1), 1)}
    value = float(np.mean(list(listeners.values())))
    made = {"name": metric, "version": 1, "condition": condition, "value": value, "low": max(value - 0.05, 0.0)}
    made |= {"high": min(value + 0.05, 1.0), "confidence": 0.95, "n": 624, "n_pool": 78, "chance": 1 / 78, "unit": ""}
    return made | {"higher_is_better": metric not in ("lsd", "median_rank"), "per_subject": listeners}


def write_records(results: Path, encoders: int, datasets: int, seeds: int) -> int:
    """Write the records unless they are there; return how many."""
    wanted = encoders * datasets * seeds
    if len(list((results / "records").glob("*.json"))) != wanted:
        store, config = RecordStore(results), load_config("quick").model_dump(mode="json")
        for encoder in range(encoders):
            for dataset in range(datasets):
                for seed in range(seeds):
                    store.write(invented_record(encoder, dataset, seed, config))
    return wanted


def timed_build(results: Path, out: Path) -> tuple[float, float, float]:
    """Return wall seconds, processor seconds, and the highest memory in GB of the command's processes together."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    command = [sys.executable, "-m", "eeg2speech_bench.core", "leaderboard", "build"]
    started, peak = time.monotonic(), 0
    process = subprocess.Popen([*command, "--results", str(results), "--out", str(out)])
    watched = psutil.Process(process.pid)
    while process.poll() is None:
        peak = max(peak, memory_bytes(watched))
        time.sleep(0.1)
    if process.returncode:
        raise SystemExit(process.returncode)
    wall, after = time.monotonic() - started, resource.getrusage(resource.RUSAGE_CHILDREN)
    return wall, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime, peak / 1e9


def memory_bytes(process: psutil.Process) -> int:
    """Return what a process and its children hold alone (shared pages once)."""
    try:
        family = [process, *process.children(recursive=True)]
        return sum(member.memory_full_info().uss for member in family)
    except psutil.NoSuchProcess:
        return 0


def opening_seconds(page: Path) -> list[float]:
    """Return seconds from the request to the drawn table, for five fresh pages."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=CHROMIUM, args=["--headless", "--no-sandbox", "--disable-gpu"]
        )
        seconds = []
        for _ in range(5):
            tab = browser.new_page()
            started = time.monotonic()
            tab.goto(page.resolve().as_uri())
            tab.wait_for_selector("html[data-ready] .tabulator-row")
            seconds.append(time.monotonic() - started)
            tab.close()
    return seconds


def main() -> None:
    """Write records, build, open; print what each took."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    for name, default in (("encoders", 50), ("datasets", 20), ("seeds", 10)):
        parser.add_argument(f"--{name}", type=int, default=default)
    options = parser.parse_args()
    results, out = options.folder / "results", options.folder / "board"
    n = write_records(results, options.encoders, options.datasets, options.seeds)
    size_mb = sum(f.stat().st_size for f in (results / "records").glob("*.json")) / 1e6
    seconds, processor_s, memory_gb = timed_build(results, out)
    print(
        f"build of {n} records ({size_mb:.0f} MB): {seconds:.1f} s, {processor_s:.1f} processor-s, {memory_gb:.2f} GB"
    )
    page_mb = (out / "index.html").stat().st_size / 1e6
    opened = ", ".join(f"{s:.2f}" for s in opening_seconds(out / "index.html"))
    print(f"index.html ({page_mb:.1f} MB) opens in {opened} s")


if __name__ == "__main__":
    main()
