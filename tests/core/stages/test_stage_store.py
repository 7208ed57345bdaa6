"""Stages: run once, found again, rebuilt when damaged, and never half there."""

from __future__ import annotations

import errno
import io
import json

import pytest
from rich.console import Console

from eeg2speech_bench.core.errors import StorageError
from eeg2speech_bench.core.machine import energy
from eeg2speech_bench.core.stages.stage_store import Stage, StageStore, explained, write_json
from eeg2speech_bench.core.terminal.progress import StageProgress


@pytest.fixture
def progress():
    return StageProgress(Console(file=io.StringIO()))


def stage(runs: list[str], settings: dict | None = None, inputs: tuple[Stage, ...] = (), content: str = "42") -> Stage:
    def run(out, progress):
        runs.append("run")
        (out / "value.txt").write_text(content)

    return Stage("toy", settings or {}, ("eeg2speech_bench.core.training.seeding",), run, inputs)


def test_a_finished_stage_is_not_run_again(tmp_path, progress):
    runs: list[str] = []
    store = StageStore(tmp_path)
    first, second = (store.ensure(stage(runs), progress) for _ in range(2))
    assert runs == ["run"]
    assert (first.cached, second.cached) == (False, True)
    assert (second.path / "value.txt").read_text() == "42"


def test_a_stage_keeps_the_energy_of_when_it_ran(tmp_path, progress, monkeypatch):
    monkeypatch.setattr(energy, "POWERCAP", tmp_path)
    zone = tmp_path / "intel-rapl:0"
    zone.mkdir()
    for name, content in (("name", "package-0"), ("max_energy_range_uj", "262143328850"), ("energy_uj", "5000000")):
        (zone / name).write_text(content)

    def burn(out, progress):
        (zone / "energy_uj").write_text("905000000")  # 900 J more

    store = StageStore(tmp_path / "stages")
    hot = Stage("toy", {}, (), burn)
    ran, reused = (store.ensure(hot, progress) for _ in range(2))
    assert (ran.energy_wh, ran.cached) == (0.25, False)
    assert (reused.energy_wh, reused.cached) == (0.25, True)


def test_a_stage_that_ran_where_no_energy_was_measured_is_found_again(tmp_path, progress):
    runs: list[str] = []
    store = StageStore(tmp_path)
    manifest = store.ensure(stage(runs), progress).path / "stage.json"
    facts = json.loads(manifest.read_text())
    del facts["energy_wh"]
    write_json(manifest, facts)
    assert store.ensure(stage(runs), progress).energy_wh is None
    assert runs == ["run"]


def test_settings_and_inputs_decide_the_key():
    plain = stage([])
    assert stage([]).key == plain.key
    assert stage([], {"lr": 1}).key != plain.key
    assert stage([], inputs=(stage([], {"lr": 1}),)).key != stage([], inputs=(stage([], {"lr": 2}),)).key


def test_a_stage_that_fails_leaves_nothing_and_runs_again(tmp_path, progress):
    def fail(out, progress):
        (out / "half.txt").write_text("half")
        raise RuntimeError("out of luck")

    store = StageStore(tmp_path)
    broken = Stage("toy", {}, (), fail)
    with pytest.raises(RuntimeError, match="out of luck"):
        store.ensure(broken, progress)
    assert not [path for path in tmp_path.iterdir() if path.is_dir()]
    assert store.find(broken) is None


def test_what_a_killed_run_left_is_removed(tmp_path, progress):
    store = StageStore(tmp_path)
    toy = stage([])
    leftover = tmp_path / f".partial-{toy.name}-{toy.key}"
    leftover.mkdir()
    (leftover / "half.txt").write_text("half")
    result = store.ensure(toy, progress)
    assert not (result.path / "half.txt").exists()
    assert not leftover.exists()


@pytest.mark.parametrize(
    ("damage", "said"),
    [
        (lambda path: (path / "value.txt").write_text("43"), "value.txt has changed"),
        (lambda path: (path / "value.txt").write_text("4"), "value.txt has 1 bytes instead of 2"),
        (lambda path: (path / "value.txt").unlink(), "value.txt is missing"),
        (lambda path: (path / "stage.json").write_text("{"), "stage.json cannot be read"),
    ],
)
def test_a_damaged_stage_is_named_and_run_again(tmp_path, progress, damage, said):
    runs: list[str] = []
    store = StageStore(tmp_path)
    damage(store.ensure(stage(runs), progress).path)
    assert store.find(stage(runs)) is None
    result = store.ensure(stage(runs), progress)
    assert runs == ["run", "run"]
    assert (result.path / "value.txt").read_text() == "42"
    assert said in progress.console.file.getvalue().replace("\n", " ")


def test_a_full_disk_is_explained_and_leaves_nothing(tmp_path, progress):
    def fill(out, progress):
        raise OSError(errno.ENOSPC, "No space left on device")

    with pytest.raises(StorageError, match=r"The disk of .* is full: got \d+ MB free.*--cache, --results or --out"):
        StageStore(tmp_path).ensure(Stage("toy", {}, (), fill), progress)
    assert not [path for path in tmp_path.iterdir() if path.is_dir()]


def test_a_folder_that_cannot_be_written_is_explained(tmp_path):
    blocked = tmp_path / "file"
    blocked.write_text("")
    with pytest.raises(StorageError, match=r"cannot be written.*Choose another folder"):
        StageStore(blocked / "stages")


def test_other_system_errors_are_not_disguised(tmp_path):
    with pytest.raises(FileNotFoundError), explained(tmp_path):
        (tmp_path / "none").read_text()


def test_json_is_written_whole_or_not_at_all(tmp_path):
    path = tmp_path / "value.json"
    write_json(path, {"a": 1})
    with pytest.raises(ValueError, match="not JSON compliant"):
        write_json(path, {"a": float("nan")})
    assert json.loads(path.read_text()) == {"a": 1}
    assert list(tmp_path.iterdir()) == [path]
