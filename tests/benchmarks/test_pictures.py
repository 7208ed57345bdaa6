"""Pictures of a cell: drawn from its stages, the same every time, of items that nobody picked."""

from __future__ import annotations

import hashlib
import io
import json
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from PIL import Image
from rich.console import Console
from scipy.stats import rankdata

from eeg2speech_bench.benchmarks.cells import Cell
from eeg2speech_bench.benchmarks.report import drawing, matrix
from eeg2speech_bench.benchmarks.report.pictures import StageFolders, draw_report
from eeg2speech_bench.benchmarks.report.spectrograms import choose_shown_clips
from eeg2speech_bench.benchmarks.report.usage import write_usage
from eeg2speech_bench.benchmarks.runner import Runner
from eeg2speech_bench.core.conditions import EMBEDDED
from eeg2speech_bench.core.machine.monitor import Usage
from eeg2speech_bench.core.presets.config import load_config
from eeg2speech_bench.core.records.record import Record
from eeg2speech_bench.core.records.record_store import RecordStore
from eeg2speech_bench.core.records.training import Training
from eeg2speech_bench.core.registry.registry import load_registry
from eeg2speech_bench.core.segments.prepared import Prepared
from eeg2speech_bench.core.stages.stage_store import StageStore

N_CLIPS, N_SAMPLES = 4, 32_000
HISTORY = [{"epoch": i, "step": 10 * (i + 1), "train_loss": 2.0 / (i + 1), "valid_mrr": 0.3} for i in range(3)]


def entries(name: str, n_pool: int, n: int) -> list[dict]:
    return [
        {
            "name": name,
            "version": 1,
            "unit": "",
            "higher_is_better": True,
            "condition": condition,
            "value": 0.5,
            "low": 0.4,
            "high": 0.6,
            "confidence": 0.95,
            "n": n,
            "n_pool": n_pool,
            "chance": 1 / n_pool,
            "per_subject": {"0": 0.4, "1": 0.5, "2": 0.6},
        }
        for condition in EMBEDDED
    ]


@pytest.fixture
def record() -> Record:
    """A finished cell of three listeners, whose name is what mathematical text would stumble over."""
    cell = {"id": "net", "encoder": "net", "label": "$net_{", "dataset": "d", "dataset_argument": "d", "seed": 0}
    verdict = {"distinguishable": True, "p": 0.01, "hardest_control": "phase", "alpha": 0.05}
    return Record(
        cell=cell | {"preset": "quick"},
        status="done",
        config={},
        encoder={"name": "net", "distribution": "dist", "version": "1", "source_hash": "a"},
        dataset={"name": "d", "revision": "1", "n_subjects": 3},
        target={"name": "mel"},
        metrics=[*entries("top1", 4, 12), *entries("identification", 4, 4)],
        verdict={"top1": verdict, "identification": verdict},
        training={
            "align": {"history": HISTORY, "chosen": {"epoch": 1, "valid_mrr": 0.3, "n_valid_windows": 40}},
            "autoencoder": {"n_parameters": 3},
            "diffuse": {"history": [{"step": 50, "train_loss": 0.7}, {"step": 100, "train_loss": 0.5}]},
        },
    )


@pytest.fixture
def sources(tmp_path, store, monkeypatch) -> StageFolders:
    """What the stages of that cell would have left, to be drawn coarsely, which is quick."""
    monkeypatch.setattr(drawing, "DOTS_PER_INCH", 60)
    store.windows.assign(stimulus=0).to_parquet(store.path / "windows.parquet")
    folders = [tmp_path / name for name in ("embed", "score", "generate", "ceilings")]
    for folder in folders:
        folder.mkdir()
    embedded, scored, generated, ceilings = folders
    rows = store.indices("test")
    table = store.segments.iloc[rows].reset_index(drop=True)
    clip = np.where(np.arange(len(rows)) < N_CLIPS, np.arange(len(rows)), -1)
    table.assign(true=table["window"] - 8, clip=clip).to_parquet(embedded / "segments.parquet")
    rng = np.random.default_rng(0)
    for condition in EMBEDDED:
        np.save(embedded / f"scores_{condition}.npy", rng.standard_normal((len(rows), 4)).astype(np.float32))
        np.save(generated / f"{condition}.npy", rng.integers(-9999, 9999, (N_CLIPS, N_SAMPLES), np.int16))
    for name in ("reference", "vocoder", "autoencoder"):
        np.save(ceilings / f"{name}.npy", rng.integers(-9999, 9999, (N_CLIPS, N_SAMPLES), np.int16))
    start_s = 16.0 + 2.0 * (table["window"].to_numpy() - 8)
    values = pd.DataFrame({"subject": table["subject"].astype(str), "stimulus": 0, "start_s": start_s})
    parts = [
        values[:n].assign(metric=metric, condition=condition, value=0.25)
        for metric, n in (("top1", 12), ("identification", 12), ("mel_correlation", 4))
        for condition in EMBEDDED
    ]
    pd.concat(parts, ignore_index=True).to_parquet(scored / "segments.parquet")
    return StageFolders(store.path, embedded, scored, generated, ceilings)


def run_without_embeddings(folder: Path, prepared: Prepared) -> Record:
    """Run a cell whose stages are all there, but for what ``embed`` would have left."""
    registry = load_registry()
    cell = Cell("ridge", "simulated", "simulated", "r", 0, load_config("quick"))
    contents = {
        "prepare/meta.json": prepared.model_dump(),
        "align/training.json": {},
        "score/scores.json": {"metrics": [], "tests": [], "verdict": {}, "skipped": {}, "sets": []},
    }
    for name, content in contents.items():
        (folder / name).parent.mkdir()
        (folder / name).write_text(json.dumps(content))
    pd.DataFrame({"metric": []}).to_parquet(folder / "score" / "segments.parquet")
    stages = {name: SimpleNamespace(name=name) for name in ("prepare", "align", "embed", "score")}
    pipeline = SimpleNamespace(
        cell=cell,
        encoder=registry.get("encoder", "ridge"),
        encoder_options={},
        target=registry.get("target", "mel"),
        target_options={},
        dataset=SimpleNamespace(name="simulated", revision="r", about="", is_null=False),
        device="cpu",
        precision="float32",
        generates=False,
        skipped=dict,
        stages=list,
        place=lambda stage: folder / stage.name,
        prepared=lambda: prepared,
        calibrate=None,
        **stages,
    )
    console = Console(file=io.StringIO())
    runner = Runner(registry, StageStore(folder / "stages"), RecordStore(folder), console, keeps_models=False)
    return runner.run(pipeline)


def digests(folder: Path) -> dict[str, str]:
    return {file.name: hashlib.sha256(file.read_bytes()).hexdigest() for file in sorted(folder.iterdir())}


def test_every_picture_is_drawn_and_is_the_same_under_another_users_settings(tmp_path, record, sources):
    import matplotlib

    draw_report(tmp_path / "report", record, sources)
    first = digests(tmp_path / "report")
    assert list(first) == ["learning.png", "mels.png", "retrieval.png", "subjects.png"]
    for name in first:
        with Image.open(tmp_path / "report" / name) as picture:
            assert min(picture.size) >= 180
    with matplotlib.rc_context({"font.size": 17.0, "text.usetex": True}):
        draw_report(tmp_path / "report", record, sources)
        assert (matplotlib.rcParams["font.size"], matplotlib.rcParams["text.usetex"]) == (17.0, True)
    assert digests(tmp_path / "report") == first


def test_without_speech_and_without_steps_there_are_two(tmp_path, record, sources):
    record.training = {"align": Training(method="closed form")}
    without = StageFolders(sources.prepared, sources.embedded, sources.scored)
    draw_report(tmp_path / "report", record, without)
    assert sorted(digests(tmp_path / "report")) == ["retrieval.png", "subjects.png"]


def test_a_failure_leaves_no_picture_not_even_of_an_earlier_attempt(tmp_path, record, sources):
    (tmp_path / "report").mkdir()
    (tmp_path / "report" / "mels.png").write_bytes(b"earlier")
    (sources.ceilings / "vocoder.npy").unlink()
    with pytest.raises(FileNotFoundError, match=r"vocoder\.npy"):
        draw_report(tmp_path / "report", record, sources)
    assert not list(tmp_path.glob("*report*"))


def test_pictures_that_fail_cost_nothing_but_themselves(tmp_path, store):
    cell = run_without_embeddings(tmp_path, store.meta)
    assert cell.status == "done", cell.error
    assert list(cell.files) == ["segments"]
    assert cell.skipped["report"].startswith("FileNotFoundError: ")


def test_two_equal_runs_are_equal_whether_or_not_their_pictures_were_drawn(record):
    drawn = record.model_copy(update={"files": {"segments": "s", "report": "r"}})
    failed = record.model_copy(update={"files": {"segments": "s"}, "skipped": {"report": "ImportError: no matplotlib"}})
    assert drawn.semantic() == failed.semantic()
    assert drawn.semantic() != drawn.model_copy(update={"files": {}}).semantic()


def test_items_are_spread_evenly_and_say_where_they_are_from(store, sources):
    items = choose_shown_clips(type(store)(store.path), sources.embedded)
    assert [item.number for item in items] == [0, 1, 2, 3]
    assert items[1].title == "clip 1, listener 0\na_story\n18.0–20.0 s"


def test_ranks_are_averaged_over_the_segments_of_a_window():
    scores = np.array([[3.0, 1.0, 2.0], [9.0, 8.0, 7.0], [5.0, 5.0, 5.0]])
    places, ranks = matrix.mean_ranks(scores, np.array([0, 0, 2]))
    assert places.tolist() == [0, 2]
    # window 0 was heard twice: its own candidate came first twice, candidate 2 second and last; ties share the middle
    np.testing.assert_allclose(ranks, [[0.0, 0.5], [0.75, 0.5]])


def test_a_large_pool_is_thinned_evenly_and_ranked_in_full(monkeypatch):
    monkeypatch.setattr(matrix, "MAX_WINDOWS", 3)
    scores = np.random.default_rng(0).standard_normal((9, 9))
    places, ranks = matrix.mean_ranks(scores, np.arange(9))
    assert places.tolist() == [0, 4, 8]
    expected = (rankdata(-scores, axis=1) - 1)[np.ix_(places, places)].T / 8
    np.testing.assert_allclose(ranks, expected)


def test_what_a_cell_used_is_kept_from_second_to_second(record, tmp_path):
    usages = {
        "prepare": [Usage(100.0, 1.0, 500.0), Usage(101.0, 1.5, 700.0)],
        "align": [Usage(101.5, 2.0, 900.0, written_mb=3.0, gpu_share=0.5, gpu_memory_mb=1000.0)],
    }
    write_usage(tmp_path, record, usages)
    table = pd.read_csv(tmp_path / "usage.csv")
    assert list(table["stage"]) == ["prepare", "prepare", "align"]
    assert list(table["at_s"]) == [0.0, 1.0, 1.5]
    assert list(table["memory_mb"]) == [500.0, 700.0, 900.0]
    assert np.isnan(table["gpu_share"][0]) and table["gpu_share"][2] == 0.5
    with Image.open(tmp_path / "usage.png") as picture:
        assert picture.width == 8 * drawing.DOTS_PER_INCH


def test_a_cell_whose_stages_were_all_there_used_nothing(record, tmp_path):
    write_usage(tmp_path, record, {})
    assert (tmp_path / "usage.csv").read_text().startswith("stage,at_s,cores,memory_mb")
    assert not (tmp_path / "usage.png").exists()
