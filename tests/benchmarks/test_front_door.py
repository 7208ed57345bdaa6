"""`benchmarks.run` takes what a notebook has, asks for what the verb ``run`` asks for, and imports lightly."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from eeg2speech_bench import benchmarks
from eeg2speech_bench.benchmarks import session
from eeg2speech_bench.benchmarks.session import RunRequest
from eeg2speech_bench.core.cli import default_cache
from eeg2speech_bench.core.errors import BenchError
from eeg2speech_bench.core.specs import EncoderSpec


@pytest.fixture
def asked(monkeypatch) -> list[RunRequest]:
    """Return what `run` asks for, and run nothing."""
    requests: list[RunRequest] = []

    def run_cells(request: RunRequest, registry: object, console: object) -> list[object]:
        requests.append(request)
        return ["a record"]

    monkeypatch.setattr(session, "run_cells", run_cells)
    return requests


def test_the_records_are_returned(asked):
    assert benchmarks.run("ridge") == ["a record"]


def test_without_more_it_is_the_quick_preset_on_simulated_listeners(asked):
    benchmarks.run("ridge")
    (request,) = asked
    assert (request.encoders, request.dataset, request.config.preset) == (("ridge",), "simulated", "quick")
    assert (request.results, request.cache) == (Path.cwd() / "results", default_cache().absolute())
    assert (request.device, request.with_twins) == ("auto", False)


@pytest.mark.parametrize(("seeds", "expected"), [(1, (0,)), (3, (0, 1, 2)), ([4, 7], (4, 7)), (range(2), (0, 1))])
def test_seeds_are_counted_or_listed(asked, seeds, expected):
    benchmarks.run("ridge", seeds=seeds)
    assert asked[0].seeds == expected


@pytest.mark.parametrize("seeds", [0, -1, [], [-1], ["a"], "3", 1.5, True])
def test_seeds_that_are_none_are_refused(asked, seeds):
    with pytest.raises(BenchError, match=r"'seeds' .*expected a count \(3\) or a list"):
        benchmarks.run("ridge", seeds=seeds)
    assert asked == []


@pytest.mark.parametrize("given", [["ridge", "eegnet"], ("ridge", "eegnet")])
def test_several_encoders_are_one_run(asked, given):
    benchmarks.run(given)
    assert asked[0].encoders == ("ridge", "eegnet")


def test_a_declaration_runs_under_its_name(asked):
    benchmarks.run(["ridge", EncoderSpec("declared", "package.module:Net")])
    assert asked[0].encoders == ("ridge", "declared")


def test_a_run_without_encoders_is_refused(asked):
    with pytest.raises(BenchError, match="No encoder was given"):
        benchmarks.run([])
    assert asked == []


def test_overrides_change_the_preset(asked):
    benchmarks.run("ridge", overrides={"scores.which": "retrieval", "alignment.batch_size": 7})
    config = asked[0].config
    assert (config.scores.which, config.alignment.batch_size) == ("retrieval", 7)


@pytest.mark.parametrize("overrides", [{"scores.whch": "retrieval"}, {"alignment.batch_size": "many"}, {"": 1}])
def test_overrides_that_are_none_are_refused(asked, overrides):
    with pytest.raises(BenchError):
        benchmarks.run("ridge", overrides=overrides)
    assert asked == []


def test_a_preset_that_is_not_there_is_refused(asked):
    with pytest.raises(BenchError, match="quik"):
        benchmarks.run("ridge", preset="quik")


def test_paths_may_begin_with_the_home_folder(asked, monkeypatch, tmp_path):
    monkeypatch.setenv("HOME", str(tmp_path))
    benchmarks.run("ridge", results="~/results", cache="~/cache")
    assert (asked[0].results, asked[0].cache) == (tmp_path / "results", tmp_path / "cache")


def test_a_data_set_may_be_a_path(asked, tmp_path):
    benchmarks.run("ridge", tmp_path)
    assert asked[0].dataset == str(tmp_path)


@pytest.mark.parametrize(
    "line",
    [
        "from eeg2speech_bench import benchmarks; benchmarks.run",
        "from eeg2speech_bench import leaderboard; leaderboard.read_results; leaderboard.Results",
        "from eeg2speech_bench import core; core.EncoderSpec; core.hookimpl; core.BenchError; core.CONDITIONS",
        "from eeg2speech_bench import core; core.Record; core.load_registry(); core.__version__",
    ],
)
def test_the_front_doors_load_no_torch(line):
    script = f"{line}\nimport sys; print('LOADED', [m for m in ('torch', 'mne', 'lightning') if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "LOADED []"


def test_all_words_of_core_are_found():
    from eeg2speech_bench import core

    assert [name for name in core.__all__ if getattr(core, name, None) is None] == []


@pytest.mark.parametrize("room", ["core", "leaderboard"])
def test_a_word_that_is_not_there_is_an_attribute_error(room):
    import importlib

    with pytest.raises(AttributeError, match="has no attribute 'Encodr'"):
        _ = importlib.import_module(f"eeg2speech_bench.{room}").Encodr
