"""``submit --local`` and ``status``: cells side by side, and the same command again for what is not done."""

from __future__ import annotations

import json
import shutil
import signal
from types import SimpleNamespace

import pytest

from eeg2speech_bench.benchmarks.launchers.cell_states import read_states
from eeg2speech_bench.benchmarks.launchers.job_store import JobStore

pytestmark = pytest.mark.timeout(900)

ENCODERS = ("sound-1", "raises-once", "exits-always")


@pytest.fixture(scope="module")
def submit(prepared_bench, installed, tmp_path_factory):
    """Start ``submit`` on the tiny data set with encoders of the fixture packages; stages that they share are to do."""
    bench = prepared_bench
    for name in ("features", "clips"):
        (place,) = (bench.folder / "cache" / "stages").glob(f"{name}-*")
        shutil.rmtree(place)
    marks = tmp_path_factory.mktemp("marks")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTHONPATH", str(installed))
        patch.setenv("EEG2SPEECH_BENCH_PLUGINS", "troubled,misbehaves")
        patch.setenv("TROUBLE_MARKS", str(marks))

        def start(*options, results="results", encoders=ENCODERS):
            named = [part for name in encoders for part in ("--encoder", name)]
            folders = ("--results", str(bench.folder / results), "--dataset", str(bench.data))
            options = ("--scores", "retrieval", *options)
            return bench.start(*bench.tiny()[:2], *named, *options, *folders, verb="submit")

        yield start


def finished(process):
    said, errors = process.communicate(timeout=240)
    return SimpleNamespace(code=process.returncode, said=said, errors=errors)


def states(bench, results="results"):
    return {state.label: (state.state, state.tries) for state in read_states(bench.folder / results)}


@pytest.fixture(scope="module")
def rounds(bench, submit):
    """How each of three equal commands ended, and how cells stood after it."""
    ended = []
    for _ in range(3):
        one = finished(submit("--local", "2", "--tries", "2"))
        ended.append((one, states(bench)))
    return ended


def numbers(results, encoder):
    (path,) = (results / "records").glob(f"{encoder}__*.json")
    return {(m["name"], m["condition"]): m["value"] for m in json.loads(path.read_text())["metrics"]}


def test_cells_run_beside_each_other_and_one_that_fails_costs_itself(rounds):
    first, after = rounds[0]
    assert after == {"sound-1": ("done", 1), "raises-once": ("failed", 1), "exits-always": ("failed", 1)}, first.errors
    assert first.code == 1
    assert "failed  [2/3] raises-once on two_listeners, seed 0: align: it rains" in first.said


def test_the_same_command_sends_what_is_not_done(rounds):
    again, after = rounds[1]
    assert "1 done, 0 waiting or running, 0 out of tries, 2 to send (2 failed)" in again.said
    assert after == {"sound-1": ("done", 1), "raises-once": ("done", 2), "exits-always": ("failed", 2)}


def test_a_cell_without_tries_left_is_told_and_not_sent(rounds):
    last, after = rounds[2]
    assert "2 done, 0 waiting or running, 1 out of tries, none to send" in last.said
    assert "Not sent: exits-always, seed 0, after 2 tries: align: its process ended with exit code 7" in last.said
    assert (last.code, after["exits-always"]) == (1, ("failed", 2))


@pytest.mark.slow
def test_the_numbers_are_those_of_run(bench, rounds):
    results = bench.folder / "run"
    shutil.rmtree(bench.folder / "cache" / "stages")
    done = bench.run("--encoder", "raises-once", "--scores", "retrieval", "--results", str(results))
    assert done.returncode == 0, done.stdout + done.stderr
    assert numbers(results, "raises-once") == numbers(bench.folder / "results", "raises-once")


def test_what_a_cell_printed_lies_in_its_log(bench, rounds):
    (log,) = (bench.folder / "results" / "jobs" / "logs").glob("sound-1__*.log")
    assert "align        done in" in log.read_text()


def test_status_tells_how_all_stand_and_what_to_type(bench, rounds):
    one = finished(bench.start("--results", str(bench.folder / "results"), verb="status"))
    assert one.code == 0
    assert "3 cells: 2 done, 1 failed" in one.said
    assert "Next: the same 'eeg2speech-bench submit ...' again" in one.said


def test_status_of_a_folder_without_plans_says_how_to_begin(bench, tmp_path):
    one = finished(bench.start("--results", str(tmp_path), verb="status"))
    assert (one.code, one.said.split(".")[0]) == (0, f"Nothing was submitted to {tmp_path}")


@pytest.mark.slow
def test_ctrl_c_ends_all_in_order_and_the_same_command_would_go_on(bench, submit):
    process = submit("--local", "2", results="stopped", encoders=("hangs", "sound-2"))
    for line in process.stdout:
        if line.startswith("done"):
            break
    process.send_signal(signal.SIGINT)
    assert finished(process).code == 130
    assert states(bench, "stopped") == {"hangs": ("interrupted", 1), "sound-2": ("done", 1)}
    starts = JobStore(bench.folder / "stopped").starts(read_states(bench.folder / "stopped")[0].cell)
    assert [start.ended for start in starts] == ["interrupted"]


def test_a_dry_run_says_what_would_be_asked_and_leaves_nothing(bench, submit):
    one = finished(submit("--dry-run", "--partition", "long", "--memory", "8", "--module", "cuda", results="dry"))
    assert one.code == 0, one.errors
    assert "Slurm: partition = long" in one.said
    assert "Slurm: mem = 8000MB" in one.said
    assert "module load cuda" in one.said
    assert not (bench.folder / "dry" / "plans").exists()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--local", "2", "--gpus", "1"), "--local runs cells here, where Slurm's options mean nothing: got --gpus"),
        (("--device", "cuda"), "Device 'cuda' needs GPUs that no job asks for. Add --gpus 1."),
        (("--gpus", "1", "--devices", "2"), "Device 'cuda' needs GPUs that no job asks for. Add --gpus 2."),
        (("--tries", "0"), "0 is not a number from 1 on"),
    ],
)
def test_options_that_contradict_each_other_are_refused(submit, options, message):
    one = finished(submit(*options))
    assert (one.code, message in one.errors) == (2, True), one.errors
