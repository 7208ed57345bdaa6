"""A run as a whole: what is found out before anything is trained, and what a run gives back."""

from __future__ import annotations

import io
import multiprocessing
import shutil
import signal
from collections.abc import Callable
from contextlib import nullcontext
from functools import partial
from multiprocessing.synchronize import Barrier
from pathlib import Path
from types import SimpleNamespace

import pytest
from rich.console import Console

from eeg2speech_bench.benchmarks import session
from eeg2speech_bench.benchmarks.pipeline import Pipeline
from eeg2speech_bench.benchmarks.session import RunRequest, plan_cells, run_cells
from eeg2speech_bench.core.errors import DataError, StorageError, UnknownNameError, UsageError
from eeg2speech_bench.core.presets.config import load_config
from eeg2speech_bench.core.records.record_store import RecordStore
from eeg2speech_bench.core.registry.registry import Registry, load_registry
from eeg2speech_bench.core.terminal.progress import OutputClosed

DATASET = {"name": "odd", "revision": "r", "about": "", "is_null": False, "sound_kind": "envelope", "stimuli": ()}
DATASET |= {"split_fractions": (0.7, 0.15, 0.15), "recordings": ()}


class Untrained:
    """Stands for the runner: notes the cells, and does ``what`` in each."""

    cells: list[str]
    what: Callable[[], object]

    def __init__(
        self,
        registry: object = None,
        stages: object = None,
        records: object = None,
        console: object = None,
        keeps_models: bool = True,
        keeps_usage: bool = False,
    ):
        Untrained.cells = []
        self.registry, self.records, self.console, self.failed_stages = registry, records, console, {}

    def run(self, pipeline: SimpleNamespace) -> str:
        Untrained.cells.append(f"{pipeline.cell.encoder} {pipeline.cell.seed}")
        Untrained.what()
        return Untrained.cells[-1]


@pytest.fixture
def request_for(tmp_path, monkeypatch):
    """Make requests whose data set opens as ``opens`` does; no cell trains."""
    monkeypatch.setattr(session, "Runner", Untrained)
    workers = SimpleNamespace(at_once=1, run=lambda *_: (_ for _ in ()))
    monkeypatch.setattr(session, "Workers", lambda limits, jobs, preload: nullcontext(workers))
    monkeypatch.setattr(session, "_is_object", lambda *_: True)  # cells run here
    monkeypatch.setattr(session, "silence_libraries", lambda: None)
    monkeypatch.setattr(session, "forget_sources", lambda: None)  # reading them again takes a second
    monkeypatch.setattr(session, "print_plan", lambda *_: None)  # which reads the source of all stages
    monkeypatch.setattr(Untrained, "what", lambda: None, raising=False)

    def make(opens: Callable[..., object] = lambda *_: SimpleNamespace(**DATASET), **fields: object) -> RunRequest:
        spec = SimpleNamespace(name="odd", target="odd_data:open", load=lambda: opens)
        monkeypatch.setattr(session, "find_dataset", lambda *_: (spec, None))
        folders = {"results": tmp_path / "results", "cache": tmp_path / "cache"}
        asked = {"encoders": ("ridge",), "dataset": "odd", "config": load_config("quick"), "device": "cpu", **folders}
        return RunRequest(**{**asked, **fields})

    return make


def start(request: RunRequest) -> list:
    return run_cells(request, load_registry(), Console(file=io.StringIO()))


def test_folders_stay_where_they_were_when_a_plugin_changes_the_working_directory(request_for, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    request = request_for(results=Path("results"), cache=Path("cache"))
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    assert (request.results, request.cache) == (tmp_path / "results", tmp_path / "cache")


def test_cells_run_one_after_the_other_and_their_records_come_back(request_for):
    records = start(request_for(encoders=("ridge", "mean"), seeds=(0, 3)))
    assert records == Untrained.cells == ["ridge 0", "ridge 3", "mean 0", "mean 3"]


def test_a_plan_runs_nothing(request_for, tmp_path):
    (pipeline,) = plan_cells(request_for(), load_registry(), Console(file=io.StringIO()))
    assert pipeline.cell.encoder == "ridge"
    assert not (tmp_path / "results").exists()


def test_a_scheduler_that_ends_the_run_ends_it_as_a_user_does(request_for, monkeypatch):
    monkeypatch.setattr(Untrained, "what", partial(signal.raise_signal, signal.SIGTERM))
    with pytest.raises(KeyboardInterrupt):
        start(request_for(seeds=(0, 1)))
    assert Untrained.cells == ["ridge 0"]


@pytest.mark.parametrize(
    ("error", "said"), [(KeyError("subject"), "KeyError: 'subject'"), (SystemExit(0), "SystemExit: 0")]
)
def test_a_data_set_plugin_that_raises_is_named(request_for, error, said):
    def opens(*_: object) -> None:
        raise error

    with pytest.raises(DataError, match=f"Data set 'odd' cannot be opened: got {said}.*authors of 'odd_data'"):
        start(request_for(opens))


def test_an_encoder_that_does_not_exist_is_refused_before_data_are_opened(request_for):
    with pytest.raises(UnknownNameError, match="Did you mean 'ridge'"):
        start(request_for(lambda *_: pytest.fail("it was opened"), encoders=("rigde",)))


@pytest.mark.parametrize("folder", ["results", "cache"])
def test_a_folder_that_cannot_be_written_is_found_before_a_cell_runs(request_for, tmp_path, folder):
    (tmp_path / folder).symlink_to(tmp_path / "gone")
    Untrained()
    with pytest.raises(StorageError, match=r"is a link that leads nowhere.*Choose another folder"):
        start(request_for())
    assert Untrained.cells == []


def test_a_closed_output_is_not_blamed_on_the_data_set(request_for):
    def opens(*_: object) -> None:
        raise OutputClosed

    with pytest.raises(OutputClosed):
        start(request_for(opens))


def test_a_results_folder_that_was_removed_does_not_take_the_plan_with_it(request_for):
    request, registry = request_for(), load_registry()
    pipelines = plan_cells(request, registry, Console(file=io.StringIO()))
    with session._plan_file(request, registry, pipelines) as plan:
        shutil.rmtree(request.results)
        assert plan().is_file()
    assert not (request.results / "running").exists()


def _begin_often(request: RunRequest, registry: Registry, pipelines: list[Pipeline], barrier: Barrier) -> None:
    for _ in range(20):
        barrier.wait(60)
        RecordStore(request.results).require_writable(pipeline.cell.id for pipeline in pipelines)
        with session._plan_file(request, registry, pipelines) as plan:
            assert plan().is_file()


def test_two_commands_that_begin_together_in_one_results_folder_do_not_trip_twenty_times(request_for):
    request, registry = request_for(seeds=(0, 1)), load_registry()
    pipelines = plan_cells(request, registry, Console(file=io.StringIO()))
    fork = multiprocessing.get_context("fork")
    begun = (request, registry, pipelines, fork.Barrier(2))
    runs = [fork.Process(target=_begin_often, args=begun) for _ in range(2)]
    for run in runs:
        run.start()
    for run in runs:
        run.join(200)
    assert [run.exitcode for run in runs] == [0, 0]
    assert not (request.results / "running").exists()


def test_a_budget_of_minutes_is_refused_for_cells_side_by_side(request_for):
    config = load_config("quick", overrides={"alignment.budget_minutes": 2.0})
    with pytest.raises(UsageError, match="take each other's time"):
        start(request_for(config=config, jobs=2))
