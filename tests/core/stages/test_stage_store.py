"""Stages: run once, found again, rebuilt when damaged, and never half there."""

from __future__ import annotations

import errno
import io
import json
import multiprocessing
import os
import shutil
import subprocess
import sys
import time
from contextlib import contextmanager

import pytest
from rich.console import Console

from eeg2speech_bench.core.errors import StorageError
from eeg2speech_bench.core.machine import energy
from eeg2speech_bench.core.machine.processes import own_name
from eeg2speech_bench.core.stages import stage_store, written_files
from eeg2speech_bench.core.stages.disk_trouble import explained
from eeg2speech_bench.core.stages.json_files import write_json
from eeg2speech_bench.core.stages.keys import KeyParts
from eeg2speech_bench.core.stages.stage_store import Stage, StageStore
from eeg2speech_bench.core.terminal.progress import StageProgress


@pytest.fixture
def progress():
    return StageProgress(Console(file=io.StringIO()))


def parts(settings: dict | None = None, inputs: tuple[Stage, ...] = (), code: dict | None = None) -> KeyParts:
    return KeyParts(settings or {}, {one.name: one.key for one in inputs}, code or {}, {}, {})


def stage(runs: list[str], settings: dict | None = None, inputs: tuple[Stage, ...] = (), content: str = "42") -> Stage:
    def run(out, progress):
        runs.append("run")
        (out / "value.txt").write_text(content)

    return Stage("toy", parts(settings, inputs), run, inputs)


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
    hot = Stage("toy", parts(), burn)
    ran, reused = (store.ensure(hot, progress) for _ in range(2))
    assert (ran.energy_wh, ran.cached) == (0.25, False)
    assert (reused.energy_wh, reused.cached) == (0.25, True)


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
    broken = Stage("toy", parts(), fail)
    with pytest.raises(RuntimeError, match="out of luck"):
        store.ensure(broken, progress)
    assert not [path for path in tmp_path.iterdir() if path.is_dir()]
    assert store.find(broken) is None


def left_behind(root, age_s: float):
    leftover = root / ".partial-toy-elsewhere-17-0f0f0f0f"
    leftover.mkdir()
    (leftover / "half.txt").write_text("half")
    os.utime(leftover, (time.time() - age_s,) * 2)
    return leftover


def test_what_a_run_left_that_is_long_gone_is_removed(tmp_path, progress):
    store = StageStore(tmp_path)
    leftover = left_behind(tmp_path, stage_store.ABANDONED_S + 60)
    store.ensure(stage([]), progress)
    assert not leftover.exists()


def test_what_another_run_has_in_progress_stays(tmp_path, progress):
    store = StageStore(tmp_path)
    leftover = left_behind(tmp_path, 60)
    store.ensure(stage([]), progress)
    assert (leftover / "half.txt").read_text() == "half"


def test_a_long_stage_gives_signs_of_life(tmp_path, progress, monkeypatch):
    monkeypatch.setattr(stage_store, "TOUCH_S", 0.0)
    seen = []

    def run(out, report):
        os.utime(out, (0, 0))
        report("still at it", 0.5)
        seen.append(out.stat().st_mtime)

    StageStore(tmp_path).ensure(Stage("toy", parts(), run), progress)
    assert seen[0] > 0


def test_a_stage_that_another_run_finished_meanwhile_stands(tmp_path, progress, monkeypatch):
    monkeypatch.setattr(stage_store, "file_lock", no_lock)
    store = StageStore(tmp_path)
    other = stage([], content="first")

    def run(out, report):
        store.ensure(other, progress)  # as another machine does whose locks are not ours
        (out / "value.txt").write_text("second")

    result = store.ensure(Stage("toy", parts(), run), progress)
    assert (result.path / "value.txt").read_text() == "first"
    assert not list(tmp_path.glob(".partial-*"))


@contextmanager
def no_lock(path):
    yield


def _run_without_lock(root, value, barrier):
    """Make the one stage in a process whose locks do nothing, at the same time as another process does."""
    stage_store.file_lock = no_lock
    console = Console(file=io.StringIO())

    def run(out, report):
        (out / "a.txt").write_text(value)
        barrier.wait()  # both are in the middle of it
        (out / "b.txt").write_text(value)

    StageStore(root).ensure(Stage("toy", parts(), run), StageProgress(console))


def test_two_processes_without_locks_leave_one_whole_stage(tmp_path):
    context = multiprocessing.get_context("fork")
    barrier = context.Barrier(2)
    runs = [context.Process(target=_run_without_lock, args=(tmp_path, value, barrier)) for value in ("one", "two")]
    for process in runs:
        process.start()
    for process in runs:
        process.join(60)
    assert [process.exitcode for process in runs] == [0, 0]
    place = StageStore(tmp_path).place(stage([]))
    assert stage_store.damage(place) == ""
    assert (place / "a.txt").read_text() == (place / "b.txt").read_text()
    assert not list(tmp_path.glob(".partial-*"))


def test_a_stage_that_was_never_run_says_so(tmp_path):
    assert StageStore(tmp_path).why(stage([])) == ["never run"]


def test_a_stage_says_which_setting_changed_since_it_ran_last(tmp_path, progress):
    store = StageStore(tmp_path)
    store.ensure(stage([], {"rate": 1, "depth": 2}), progress)
    assert store.why(stage([], {"rate": 3, "depth": 2})) == ["setting rate changed from 1 to 3"]


def test_a_stage_about_something_else_explains_nothing(tmp_path, progress):
    store = StageStore(tmp_path)
    store.ensure(Stage("toy", parts({"rate": 1}), lambda out, report: None, (), {"encoder": "other"}), progress)
    assert store.why(stage([], {"rate": 3})) == ["never run"]


def test_a_reused_stage_is_marked_as_used(tmp_path, progress):
    store = StageStore(tmp_path)
    manifest = store.ensure(stage([]), progress).path / "stage.json"
    os.utime(manifest, (0, 0))
    store.ensure(stage([]), progress)
    assert manifest.stat().st_mtime > 0


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
        StageStore(tmp_path).ensure(Stage("toy", parts(), fill), progress)
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


@pytest.mark.parametrize(
    ("manifest", "reason"),
    [
        ({"name": "toy", "subject": {}, "files": {}}, "never run"),
        ({"name": "toy", "subject": {}, "parts": {"settings": {}}}, "an earlier version of the benchmark made it"),
        ([], "never run"),
    ],
)
def test_a_stage_of_an_earlier_version_says_why_it_runs_again(tmp_path, manifest, reason):
    store = StageStore(tmp_path)
    (tmp_path / "toy-0123").mkdir()
    write_json(tmp_path / "toy-0123" / "stage.json", manifest)
    assert store.why(stage([])) == [reason]


def test_a_cache_that_is_removed_while_a_stage_runs_is_named_and_made_again(tmp_path, progress):
    store = StageStore(tmp_path / "cache")

    def lose(out, report):
        shutil.rmtree(store.root)
        (out / "value.txt").write_text("42")

    said = r"What stage 'toy' was writing disappeared from cache .*Type the same command"
    with pytest.raises(StorageError, match=said):
        store.ensure(Stage("toy", parts(), lose), progress)
    assert store.ensure(stage([]), progress).path.is_dir()


def test_an_input_that_is_removed_while_a_stage_runs_is_named(tmp_path, progress):
    store = StageStore(tmp_path)
    first = stage([])
    store.ensure(first, progress)

    def read(out, report):
        shutil.rmtree(store.place(first))
        (store.place(first) / "value.txt").read_text()

    with pytest.raises(StorageError, match=r"disappeared from cache .* during the run \(toy\): got FileNotFoundError"):
        store.ensure(Stage("reader", parts(inputs=(first,)), read, (first,)), progress)


def test_a_stage_on_a_disk_that_does_not_answer_is_not_thrown_away(tmp_path, progress, monkeypatch):
    store = StageStore(tmp_path)
    path = store.ensure(stage([]), progress).path

    def fail(file):
        raise OSError(errno.ESTALE, "Stale file handle", str(file))

    monkeypatch.setattr(written_files, "_digest", fail)
    with pytest.raises(StorageError, match="does not answer"):
        store.ensure(stage([]), progress)
    assert (path / "value.txt").read_text() == "42"


def test_what_a_killed_process_left_is_removed_when_it_is_old_enough(tmp_path, progress):
    gone = subprocess.Popen([sys.executable, "-c", ""])
    gone.wait()
    host = own_name().partition("-")[0]
    left = tmp_path / f".partial-toy-@{host}-{gone.pid}-0f0f0f0f"
    left.mkdir()
    (tmp_path / ".17-0f0f0f0f.tmp").touch()
    for path in tmp_path.iterdir():
        os.utime(path, (time.time() - stage_store.DEAD_S - 60,) * 2)
    StageStore(tmp_path).ensure(stage([]), progress)
    assert not [path for path in tmp_path.glob(".*") if path.suffix != ".lock"]


def test_what_a_living_process_has_in_progress_stays_for_a_day(tmp_path, progress):
    left = tmp_path / f".partial-toy-@{own_name()}"
    left.mkdir()
    os.utime(left, (time.time() - stage_store.DEAD_S - 60,) * 2)
    StageStore(tmp_path).ensure(stage([]), progress)
    assert left.is_dir()
