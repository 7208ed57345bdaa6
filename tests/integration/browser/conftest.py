"""The board in a real browser, opened from disk, and what a reader does there."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import soundfile

from eeg2speech_bench.core.records.record import Record
from eeg2speech_bench.core.records.record_store import RecordStore
from eeg2speech_bench.leaderboard.page.folder import build

HOSTILE = "</script><img src=x onerror=\"document.title='owned'\">=cmd|a"
ARGUMENTS = [
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-component-update",
    "--disable-sync", "--no-first-run",
]  # fmt: skip


LABELS = {"top1": "top-1", "estoi": "ESTOI"}


def entry(metric: str, condition: str, value: float) -> dict[str, Any]:
    return {
        "name": metric, "label": LABELS[metric], "note": f"What {LABELS[metric]} is.", "version": 1,
        "condition": condition, "value": value, "low": value - 0.01, "high": value + 0.01, "confidence": 0.95, "n": 40,
        "n_pool": 50, "chance": 0.02, "unit": "", "higher_is_better": True, "per_subject": {"01": value, "02": value},
    }  # fmt: skip


def write(results: Path, name: str, value: float, *, dataset: str = "alpha", seed: int = 0, **changes: Any) -> Record:
    """Write a record of a cell that went through the generator; ``changes`` replace its fields."""
    identifier = f"c{len(list(results.glob('records/*.json')))}"
    p = 0.001 if value > 0.1 else 0.5
    seconds = {"align": 60 / value, "generate": 30.0}
    cost = {"key": "k", "peak_memory_mb": 1000.0, "reused": False}
    test = {"metric": "top1", "control": "shuffle", "p": p, "effect": 0.1, "dz": None, "n_units": 9, "exact": False}
    conditions = {"eeg": value, "shuffle": 0.02, "audio": 0.9}
    tree = {
        "cell": {"id": identifier, "encoder": name, "dataset": dataset, "dataset_argument": dataset, "seed": seed}
        | {"preset": "quick"},
        "status": "done",
        "config": {"preset": "quick"},
        "encoder": {"name": name, "distribution": "dist", "version": "1", "source_hash": "a"},
        "target": {"name": "mel"},
        "split": {"hash": "5c" * 32},
        "dataset": {"name": dataset, "revision": "1", "n_subjects": 2},
        "metrics": [entry(m, c, v) for m in ("top1", "estoi") for c, v in conditions.items()],
        "tests": [test],
        "verdict": {"top1": {"distinguishable": p < 0.05, "p": p, "hardest_control": "shuffle", "alpha": 0.05}},
        "files": {"segments": f"cells/{identifier}/segments.parquet"},
        "provenance": {"stages": [cost | {"name": n, "seconds": s} for n, s in seconds.items()]},
    }
    add_segments(RecordStore(results).cell_folder(identifier), value)
    tree["encoder"] |= changes.pop("encoder", {})
    made = Record(**tree | changes)
    RecordStore(results).write(made)
    return made


def add_segments(folder: Path, mean: float) -> None:
    """Write top-1 of eight listeners and ten blocks, the same spread around any mean."""
    listener, block = (a.ravel() for a in np.indices((8, 10)))
    columns = {"metric": "top1", "condition": "eeg", "subject": listener.astype(str), "recording": listener}
    columns |= {"stimulus": 0, "start_s": block * 15.0, "block": block}
    spread = 0.02 * np.random.default_rng(0).standard_normal(80)
    folder.mkdir(parents=True)
    pd.DataFrame(columns | {"value": mean + spread}).to_parquet(folder / "segments.parquet")


def add_audio(results: Path, record: Record) -> None:
    for condition in ("reference", "eeg", "shuffle"):
        folder = RecordStore(results).cell_folder(record.cell.id) / "audio" / condition
        folder.mkdir(parents=True)
        for number in range(2):
            soundfile.write(folder / f"clip_{number:03d}.flac", 0.1 * np.sin(np.arange(16_000) * 0.1), 16_000)
    record.files |= {"audio": f"cells/{record.cell.id}/audio"}
    RecordStore(results).write(record)


@pytest.fixture
def hostile() -> str:
    """Name of an encoder that is markup, a formula and a column of a table."""
    return HOSTILE


@pytest.fixture(scope="session")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A board of two data sets with three seeds, a baseline, no signal, a failure, audio, a hostile name, refusals.

    The third seed was run for retrieval only.
    """
    results = tmp_path_factory.mktemp("results")
    for seed in range(3):
        record = write(results, "net", 0.5 + 0.01 * seed, seed=seed)
        if seed == 2:
            record.metrics, record.provenance.stages = record.metrics[:3], record.stages[:1]
        add_audio(results, record)
    write(results, "ridge", 0.7, encoder={"baseline": True})
    write(results, "dull", 0.05)
    write(results, HOSTILE, 0.3)
    failed = {"phase": "align", "type": "RuntimeError", "message": "diverged"}
    write(results, "broken", 0.1, status="failed", metrics=[], verdict={}, error=failed)
    write(results, "net", 0.2, dataset="beta")
    write(results, "twin", 0.3)  # segment by segment like the hostile one
    (results / "records" / "torn.json").write_text("{")
    return build([results], tmp_path_factory.mktemp("out") / "board").index.parent


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    """Chromium, for one file of tests: while it runs, nothing else in the process can start an event loop."""
    sync_api = pytest.importorskip("playwright.sync_api", reason="the browser test needs the package playwright")
    chromium = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if chromium is None:
        pytest.skip("no Chromium here; on Debian: apt-get install chromium")
    with sync_api.sync_playwright() as playwright:
        running = playwright.chromium.launch(executable_path=chromium, args=ARGUMENTS)
        yield running
        running.close()


@pytest.fixture
def tab(browser: Any) -> Iterator[Any]:
    """A desktop tab that fails the test on any script error, policy violation, or request beyond the disk."""
    yield from _watched(browser.new_page(viewport={"width": 1300, "height": 900}))


@pytest.fixture
def phone(browser: Any) -> Iterator[Any]:
    yield from _watched(browser.new_page(viewport={"width": 390, "height": 844}, has_touch=True))


def _watched(page: Any) -> Iterator[Any]:
    wrong: list[str] = []
    page.on("console", lambda message: wrong.append(message.text))
    page.on("pageerror", lambda error: wrong.append(str(error)))
    page.on("request", lambda r: None if r.url.startswith(("file:", "blob:")) else wrong.append(r.url))
    yield page
    page.close()
    assert wrong == []


def go_to_board(page: Any, folder: Path, address: str = "") -> None:
    page.goto((folder / "index.html").as_uri() + address)
    page.wait_for_selector("html[data-ready] .tabulator-row")


def read_names(page: Any) -> list[str]:
    return page.locator("#table .name a:visible").all_inner_texts()


def read_download(page: Any, kind: str) -> str:
    with page.expect_download() as waiting:
        page.click(f"[data-export={kind}]")
    return Path(waiting.value.path()).read_text(encoding="utf8")


@pytest.fixture
def open_board() -> Callable[..., None]:
    """See `go_to_board`."""
    return go_to_board


@pytest.fixture
def names() -> Callable[[Any], list[str]]:
    """See `read_names`."""
    return read_names


@pytest.fixture
def download() -> Callable[[Any, str], str]:
    """See `read_download`."""
    return read_download
