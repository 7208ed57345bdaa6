"""Twenty cells on a real Slurm that meet trouble of six kinds: none is lost, none is done twice."""

from __future__ import annotations

import json
import os
import time
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace

import pytest

from eeg2speech_bench.benchmarks.launchers.cell_states import CellState, read_states
from eeg2speech_bench.benchmarks.launchers.job_store import JobStore
from eeg2speech_bench.core.records.record_store import RecordStore

pytestmark = [pytest.mark.slurm, pytest.mark.timeout(2700)]

TROUBLED = ("raises-once", "exits-always", "killed-once", "told-once", "preempted-once", "requeued-once")
ENCODERS = (*TROUBLED, "sound-1", "sound-2", "sound-3", "sound-4")
CELLS = tuple(part for name in ENCODERS for part in ("--encoder", name))
LONG_S = 1200.0


@dataclass(frozen=True)
class Story:
    """How all cells stood after the first and after the second submission, and what each printed."""

    first: list[CellState]
    second: list[CellState]
    said: tuple[str, str, str]
    results: Path


def details(states: list[CellState], encoder: str) -> set[str]:
    """What is said of the cells of an encoder that are not done; which seed meets trouble first is chance."""
    return {state.detail for state in states if state.label == encoder and state.state != "done"}


def submit(bench: SimpleNamespace, results: Path, cache: Path) -> str:
    folders = ("--results", str(results), "--cache", str(cache))
    options = ("--partition", "main", "--cpus", "1", "--tries", "2", "--seeds", "2", "--scores", "retrieval")
    process = bench.start(*bench.tiny()[:2], "--dataset", str(bench.data), *CELLS, *options, *folders, verb="submit")
    said, errors = process.communicate(timeout=240)
    assert not errors, errors
    return said


def wait_for_jobs(slurm: SimpleNamespace, marks: Path) -> None:
    """Wait until no job is left; a job that is more urgent takes the place of the one that waits for it."""
    deadline, sent = time.monotonic() + LONG_S, marks / "urgent"
    while slurm.jobs():
        assert time.monotonic() < deadline, slurm.jobs()
        if (marks / "PreemptedOnce").exists() and not sent.exists():
            slurm.ask("sbatch", "--partition=urgent", "--cpus-per-task=2", "--output=/dev/null", "--wrap=sleep 1")
            sent.touch()
        time.sleep(0.5)


@pytest.fixture(scope="module")
def undisturbed(bench, installed, tmp_path_factory):
    """The numbers of all cells that can be done, from one command on this machine."""
    results = tmp_path_factory.mktemp("undisturbed")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTHONPATH", str(installed))
        patch.setenv("EEG2SPEECH_BENCH_PLUGINS", "troubled")
        options = ("--seeds", "2", "--scores", "retrieval", "--dataset", str(bench.data))
        process = bench.start(*bench.tiny(), *CELLS, *options, "--results", str(results))
        said, errors = process.communicate(timeout=LONG_S)
    assert process.returncode == 0, said + errors
    return numbers(results)


@pytest.fixture(scope="module")
def story(bench, installed, slurm, tmp_path_factory):
    folder = tmp_path_factory.mktemp("cluster")
    results, cache, marks = folder / "results", folder / "cache", folder / "marks"
    marks.mkdir()
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTHONPATH", str(installed))
        patch.setenv("EEG2SPEECH_BENCH_PLUGINS", "troubled")
        patch.setenv("TROUBLE_MARKS", str(marks))
        patch.setenv("SLURM_CONF", slurm.environment["SLURM_CONF"])
        began = submit(bench, results, cache)
        wait_for_jobs(slurm, marks)
        first = read_states(results)
        again = submit(bench, results, cache)
        wait_for_jobs(slurm, marks)
        return Story(first, read_states(results), (began, again, submit(bench, results, cache)), results)


def numbers(results: Path) -> dict:
    found = {}
    for path in (results / "records").glob("*.json"):
        record = json.loads(path.read_text())
        if record["status"] == "done":
            values = {(m["name"], m["condition"]): (m["value"], m["low"], m["high"]) for m in record["metrics"]}
            found[record["cell"]["encoder"], record["cell"]["seed"]] = values
    return found


def test_all_is_sent_once_after_the_stages_that_cells_share(story):
    assert "20 to send (20 new)" in story.said[0]
    assert "Sent: prepare, features, clips as job 1; the cells wait for it." in story.said[0]


def test_a_first_round_leaves_what_could_not_go_on_by_itself(story):
    open_cells = Counter((state.label, state.state) for state in story.first if state.state != "done")
    assert open_cells == {("raises-once", "failed"): 1, ("killed-once", "lost"): 1, ("exits-always", "failed"): 2}


def test_a_failed_cell_says_why(story):
    assert details(story.first, "raises-once") == {"align: it rains"}
    vanished = "align: its process ended with exit code 7 and no record; a plugin may have called os._exit"
    assert details(story.first, "exits-always") == {vanished}
    (killed,) = details(story.first, "killed-once")
    assert killed.endswith("ended without a word")


def test_the_same_command_sends_only_what_is_not_done(story):
    assert "16 done, 0 waiting or running, 0 out of tries, 4 to send (3 failed, 1 lost)" in story.said[1]


def test_in_the_end_all_is_done_but_what_cannot_be(story):
    assert Counter(state.state for state in story.second) == {"done": 18, "failed": 2}
    assert [state.label for state in story.second if state.state == "failed"] == ["exits-always", "exits-always"]


def test_a_cell_that_always_fails_is_not_sent_for_ever(story):
    assert "18 done, 0 waiting or running, 2 out of tries, none to send" in story.said[2]
    assert "Not sent: exits-always, seed 1, after 2 tries: align: its process ended" in story.said[2]


def test_the_numbers_are_those_of_an_undisturbed_run(story, undisturbed):
    assert numbers(story.results) == {name: undisturbed[name] for name in numbers(story.results)}
    assert len(numbers(story.results)) == 18


def test_no_cell_is_done_twice(story):
    store = JobStore(story.results)
    for state in story.second:
        ends = [start.ended for start in store.starts(state.cell)]
        assert ends.count("done") == (state.state == "done"), (state, ends)


@pytest.mark.parametrize("encoder", ["told-once", "preempted-once", "requeued-once"])
def test_a_stopped_job_goes_on_by_itself(story, encoder):
    store = JobStore(story.results)
    ends = [[start.ended for start in store.starts(one.cell)] for one in story.second if one.label == encoder]
    assert ["requeued", "done"] in ends


def test_every_cell_has_one_whole_record_and_no_sign_of_life_is_left(story):
    assert len(RecordStore(story.results).read_all()) == 20
    assert not list((story.results / "running").glob("*"))


def test_status_reads_it_all_from_files(bench, story):
    said, _ = bench.start("--results", str(story.results), verb="status").communicate(timeout=60)
    assert "20 cells: 18 done, 2 failed" in said
    assert "SLURM_CONF" not in os.environ
