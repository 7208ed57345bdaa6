"""Cells run in processes of their own: whatever a plugin does to its process, it costs its own row."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from eeg2speech_bench.core.records.record_store import RecordStore

INNOCENT = "ridge"
#: how the rows end that do not come through, and what is said of them
FAILED = {
    "exits-in-build": "sys.exit(0) was called; a plugin should raise an error instead",
    "vanishes": "its process ended with exit code 0 and no record; a plugin may have called os._exit",
    "crashes": "its process was ended by SIGSEGV, a crash in native code",
    "is-killed": "its process was ended by SIGKILL, most likely for want of memory: it last used",
    "retypes": "Input type (float) and bias type (double)",
}
DONE = ("moves", "reseeds", "lingers")


def numbers(results: Path, encoder: str) -> dict:
    (path,) = (results / "records").glob(f"{encoder}__*.json")
    record = json.loads(path.read_text())
    return {(m["name"], m["condition"]): (m["value"], m["low"], m["high"], m["per_subject"]) for m in record["metrics"]}


def forget_stages(bench, encoder: str) -> None:
    """Remove what an encoder does not share with others, so that it is made again."""
    for stage in (bench.folder / "cache" / "stages").glob("*/stage.json"):
        if json.loads(stage.read_text())["subject"].get("encoder") == encoder:
            shutil.rmtree(stage.parent)


@pytest.fixture(scope="module")
def alone(prepared_bench, tmp_path_factory):
    """The numbers of an innocent row that ran before all others and by itself; its own stages are made again later."""
    results = tmp_path_factory.mktemp("alone")
    done = prepared_bench.run("--encoder", INNOCENT, "--scores", "retrieval", "--results", str(results))
    assert done.returncode == 0, done.stdout + done.stderr
    forget_stages(prepared_bench, INNOCENT)
    return numbers(results, INNOCENT)


@pytest.fixture(scope="module")
def start_plugin(bench, installed, tmp_path_factory):
    """Start encoders of the plugin that misbehaves; what is returned waits for the end."""

    def start(*encoders, options=()):
        results = tmp_path_factory.mktemp("results")
        typed = [part for name in encoders for part in ("--encoder", name)]
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("PYTHONPATH", str(installed))
            patch.setenv("EEG2SPEECH_BENCH_PLUGINS", "misbehaves")
            typed += [*options, "--scores", "retrieval", "--results", str(results), "--dataset", str(bench.data)]
            process = bench.start(*bench.tiny()[:2], *typed)

        def wait():
            done = bench.wait(process)
            records = {record.cell.encoder: record for record in RecordStore(results).read_all()}
            return done, records, results

        return wait

    return start


@pytest.fixture(scope="module")
def run_plugin(start_plugin):
    """Run encoders of the plugin that misbehaves."""
    return lambda *encoders, options=(): start_plugin(*encoders, options=options)()


@pytest.fixture(scope="module")
def hanging(alone, start_plugin):
    """A command whose encoder hangs, which idles to its limit while others run."""
    return start_plugin("hangs", options=("--time-limit", "0.3"))


@pytest.fixture(scope="module")
def beside(alone, hanging, run_plugin):
    """One command of all encoders that misbehave, and the innocent one after them."""
    return run_plugin(*FAILED, *DONE, INNOCENT)


@pytest.mark.parametrize(("encoder", "message"), FAILED.items())
def test_a_process_that_ends_is_a_failed_row_with_the_reason(beside, encoder, message):
    done, records, _ = beside
    assert done.returncode == 1, done.stdout + done.stderr
    # another default type breaks the target where that is built next
    phase = "embed" if encoder == "retypes" else "align"
    assert (records[encoder].status, records[encoder].error.phase) == ("failed", phase)
    assert records[encoder].error.message.startswith(message)
    assert f"FAILED {encoder}: {phase}: {message}" in done.stdout


@pytest.mark.parametrize("encoder", DONE)
def test_a_row_that_only_spoils_its_process_is_done(beside, encoder):
    done, records, _ = beside
    assert records[encoder].status == "done", done.stdout + done.stderr


def test_the_innocent_row_has_the_numbers_that_it_has_alone(beside, alone):
    assert numbers(beside[2], INNOCENT) == alone


def test_nothing_is_left_of_what_ran(beside):
    assert not (beside[2] / "running").exists()


def test_a_record_says_the_command_that_was_typed(beside):
    _, records, _ = beside
    assert "run --config" in records[INNOCENT].provenance.command


def assert_was_ended(outcome, message):
    done, records, _ = outcome
    (record,) = records.values()
    assert done.returncode == 1
    assert (record.error.phase, record.error.type) == ("align", "LimitExceeded")
    assert record.error.message.endswith(message)


def test_a_cell_that_takes_too_long_is_ended_with_the_reason(hanging):
    assert_was_ended(hanging(), "it took longer than 0.3 min (--time-limit)")


def test_a_cell_that_takes_too_much_memory_is_ended_with_the_reason(alone, run_plugin):
    assert_was_ended(run_plugin("grows", options=("--memory-limit", "2.5")), "GB, more than 2.5 GB (--memory-limit)")


def test_rows_side_by_side_have_the_numbers_that_they_have_alone(bench, alone, run_plugin):
    forget_stages(bench, INNOCENT)
    done, records, results = run_plugin("crashes", INNOCENT, "mean", options=("--jobs", "2"))
    assert {name: record.status for name, record in records.items()} == {
        "crashes": "failed", INNOCENT: "done", "mean": "done",
    }, done.stdout + done.stderr  # fmt: skip
    assert numbers(results, INNOCENT) == alone


def test_a_row_without_others_is_told_of_too(alone, run_plugin):
    done, records, _ = run_plugin("crashes")
    assert (done.returncode, records["crashes"].error.type) == (1, "SIGSEGV")
