"""A results folder: what is finished stays, and a record and its files are of one run."""

from __future__ import annotations

import errno
import json
import os
import shutil
import subprocess
import sys
from contextlib import nullcontext
from pathlib import Path

import pytest
from filelock import FileLock

from eeg2speech_bench.core.errors import StorageError
from eeg2speech_bench.core.machine.processes import own_name
from eeg2speech_bench.core.records import record_store
from eeg2speech_bench.core.records.record import Record
from eeg2speech_bench.core.records.record_store import WAITING, RecordStore

CELL = "net__simulated__quick__seed0__0"
ERROR = {"phase": "align", "type": "KeyboardInterrupt", "message": "stopped by the user"}


def record(value: float | None = None) -> Record:
    """Return a finished record with one number, or one that was interrupted."""
    cell = {"id": CELL, "encoder": "net", "dataset": "simulated", "dataset_argument": "simulated", "preset": "quick"}
    cell |= {"preset_version": 1, "seed": 0}
    tree = {
        "cell": cell,
        "config": {"preset": "quick"},
        "encoder": {"name": "net", "distribution": "dist", "version": "1", "source_hash": "a"},
        "dataset": {"name": "simulated", "revision": "r", "n_subjects": 1},
        "target": {"name": "mel"},
    }
    if value is None:
        return Record(**tree, status="interrupted", error=ERROR)
    entry = {"name": "top1", "version": 1, "condition": "eeg", "value": 0.5, "low": 0.0, "high": 1.0, "n": 1}
    entry |= {"confidence": 0.95, "n_pool": 10, "chance": 0.1, "unit": "", "higher_is_better": True}
    entry |= {"per_subject": {"01": 0.5}}
    files = {"segments": f"cells/{CELL}/segments.parquet"}
    made = Record(**tree, status="done", metrics=[entry], split={"hash": "5c" * 32}, files=files)
    made.metrics[0].value = value
    return made


def publish(store: RecordStore, value: float) -> None:
    with store.draft(CELL) as files:
        (files / "segments.parquet").write_text(str(value))
        store.publish(record(value), files)


def pair(store: RecordStore) -> tuple[float, float]:
    """Return the number of the record that stands, and that of the file beside it."""
    recorded = json.loads(store.path(CELL).read_text())["metrics"][0]["value"]
    return recorded, float((store.cell_folder(CELL) / "segments.parquet").read_text())


def hidden(store: RecordStore) -> set[str]:
    """Return what is left in the results folder beside records, cells and locks."""
    return {path.name for path in store.results.rglob(".*") if path.suffix != ".lock"}


def test_a_finished_record_stays_and_the_attempt_lies_beside_it(tmp_path):
    store = RecordStore(tmp_path)
    publish(store, 0.5)
    before = store.path(CELL).read_bytes()
    assert store.write(record()) == store.attempt_path(CELL) == tmp_path / "attempts" / f"{CELL}.json"
    assert store.path(CELL).read_bytes() == before
    assert json.loads(store.attempt_path(CELL).read_text())["status"] == "interrupted"


def test_an_attempt_that_finishes_takes_the_place_of_all_before(tmp_path):
    store = RecordStore(tmp_path)
    publish(store, 0.5)
    store.write(record())
    publish(store, 0.75)
    assert pair(store) == (0.75, 0.75)
    assert not store.attempt_path(CELL).exists()


def test_a_record_without_numbers_is_replaced_by_the_next_one(tmp_path):
    store = RecordStore(tmp_path)
    assert store.write(record()) == store.write(record()) == store.path(CELL)
    assert not (tmp_path / "attempts").exists()


def test_a_record_of_another_version_is_not_lost_to_an_attempt(tmp_path):
    store = RecordStore(tmp_path)
    store.path(CELL).parent.mkdir()
    store.path(CELL).write_text('{"schema": 99}')
    assert store.write(record()) == store.attempt_path(CELL)


@pytest.mark.parametrize("fails_at", [".partial", ".replaced", WAITING])
def test_what_stops_a_replacement_leaves_the_old_pair(tmp_path, monkeypatch, fails_at):
    store = RecordStore(tmp_path)
    publish(store, 0.5)
    moves = {name: getattr(Path, name) for name in ("rename", "replace")}

    def moved(name):
        def move(self, target):
            if (self.name if fails_at != ".replaced" else Path(target).name).startswith(fails_at):
                monkeypatch.undo()
                raise KeyboardInterrupt
            return moves[name](self, target)

        return move

    for name in moves:
        monkeypatch.setattr(Path, name, moved(name))
    with pytest.raises(KeyboardInterrupt):
        publish(store, 0.75)
    assert pair(store) == (0.5, 0.5)
    assert hidden(store) == set()


def test_a_record_that_is_no_json_leaves_the_old_pair(tmp_path):
    store = RecordStore(tmp_path)
    publish(store, 0.5)
    with pytest.raises(ValueError, match="JSON compliant"):
        publish(store, float("nan"))
    assert pair(store) == (0.5, 0.5)


def test_a_kill_before_the_new_files_were_in_place_is_mended_backwards(tmp_path):
    store = RecordStore(tmp_path)
    publish(store, 0.5)
    store.cell_folder(CELL).rename(tmp_path / "cells" / f".replaced-{CELL}@elsewhere-1-0")
    store.require_writable([CELL])
    assert pair(store) == (0.5, 0.5)
    assert hidden(store) == set()


def test_a_kill_before_the_new_record_was_in_place_is_mended_forwards(tmp_path):
    store, other = RecordStore(tmp_path / "a"), RecordStore(tmp_path / "b")
    publish(store, 0.5)
    publish(other, 0.75)
    store.cell_folder(CELL).rename(store.cell_folder(CELL).with_name(f".replaced-{CELL}@elsewhere-1-0"))
    other.path(CELL).rename(other.cell_folder(CELL) / WAITING)
    other.cell_folder(CELL).rename(store.cell_folder(CELL))
    store.require_writable([CELL])
    assert pair(store) == (0.75, 0.75)
    assert hidden(store) == set()


def together(script: str, *arguments: str) -> None:
    """Run a script in two processes at once, and let it be wrong if one of them fails."""
    typed = [[sys.executable, "-c", script, *arguments, str(number)] for number in (0, 1)]
    both = [subprocess.Popen(one, stderr=subprocess.PIPE, text=True) for one in typed]
    said = [process.communicate(timeout=120)[1] for process in both]
    assert [process.returncode for process in both] == [0, 0], said


PROBING = """
import sys
from pathlib import Path
from eeg2speech_bench.core.records.record_store import RecordStore
for _ in range(150):
    RecordStore(Path(sys.argv[1])).require_writable(["cell"])
"""


def test_two_commands_in_one_folder_do_not_trip_over_each_others_probe(tmp_path):
    together(PROBING, str(tmp_path))
    assert hidden(RecordStore(tmp_path)) == set()


def test_of_two_runs_of_one_cell_the_pair_of_one_stands(tmp_path):
    script = (
        "import sys, importlib.util\n"
        "from pathlib import Path\n"
        "spec = importlib.util.spec_from_file_location('t', sys.argv[1])\n"
        "t = importlib.util.module_from_spec(spec); spec.loader.exec_module(t)\n"
        "store = t.RecordStore(Path(sys.argv[2]))\n"
        "for number in range(40): t.publish(store, number / 64 + int(sys.argv[3]))\n"
    )
    together(script, __file__, str(tmp_path))
    recorded, beside = pair(RecordStore(tmp_path))
    assert recorded == beside
    assert hidden(RecordStore(tmp_path)) == set()


def test_a_folder_that_can_be_written_is_left_as_it_was(tmp_path):
    RecordStore(tmp_path / "new" / "results").require_writable([CELL])
    assert hidden(RecordStore(tmp_path)) == set()


@pytest.mark.parametrize("room", [".", "records", "cells", f"cells/{CELL}"])
def test_a_file_in_place_of_a_folder_is_found_before_training(tmp_path, room):
    place = tmp_path / "results" / room
    place.parent.mkdir(parents=True, exist_ok=True)
    place.write_text("")
    with pytest.raises(StorageError, match=r"(results|records|cells|0) is .*hoose another folder"):
        RecordStore(tmp_path / "results").require_writable([CELL])


@pytest.mark.parametrize("room", [".", "records", "cells"])
def test_a_link_to_nowhere_is_found_before_training(tmp_path, room):
    place = tmp_path / "results" / room
    place.parent.mkdir(parents=True, exist_ok=True)
    place.symlink_to(tmp_path / "gone")
    with pytest.raises(StorageError, match=r"is a link that leads nowhere.*Choose another folder"):
        RecordStore(tmp_path / "results").require_writable([CELL])


def test_a_folder_in_place_of_a_record_is_found_before_training(tmp_path):
    RecordStore(tmp_path).path(CELL).mkdir(parents=True)
    with pytest.raises(StorageError, match=r"\.json is in the way .*Remove it or choose another folder"):
        RecordStore(tmp_path).require_writable([CELL])


def test_a_name_that_records_refuse_is_found_before_training(tmp_path):
    with pytest.raises(StorageError, match=r"got 201 bytes, .*at most 200 bytes.*a shorter name"):
        RecordStore(tmp_path).require_writable(["a", "a" * 201])


def test_a_name_that_the_disk_refuses_is_found_before_training(tmp_path):
    deep = tmp_path.joinpath(*["d" * 250] * 20)
    with pytest.raises(StorageError, match=r"is too long for its disk.*a shorter name"):
        RecordStore(deep).require_writable([CELL])


def test_the_longest_name_that_records_take_can_be_written(tmp_path):
    store, cell = RecordStore(tmp_path), "a" * 200
    store.require_writable([cell])
    long = record(0.5)
    long.cell.id = cell
    with store.draft(cell) as files:
        (files / "segments.parquet").write_text("0.5")
        store.publish(long, files)
    assert store.path(cell).is_file()


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_folder_that_belongs_to_somebody_else_is_found_before_training(tmp_path):
    (tmp_path / "cells").mkdir(mode=0o500)
    with pytest.raises(StorageError, match="cannot be written"):
        RecordStore(tmp_path).require_writable([CELL])


def test_a_results_folder_that_disappears_before_the_record_is_named(tmp_path):
    store = RecordStore(tmp_path / "results")
    said = r"results disappeared: got FileNotFoundError.*Type the same command"
    with pytest.raises(StorageError, match=said), store.draft(CELL) as files:
        shutil.rmtree(store.results)
        (files / "segments.parquet").write_text("0.5")


def test_a_record_is_not_published_without_the_files_that_it_names(tmp_path):
    store = RecordStore(tmp_path)
    with (
        pytest.raises(StorageError, match=r"disappeared: got no cells/.*segments\.parquet"),
        store.draft(CELL) as files,
    ):
        store.publish(record(0.5), files)
    assert not store.path(CELL).exists()


def test_a_draft_of_a_process_that_was_killed_is_removed(tmp_path):
    gone = subprocess.Popen([sys.executable, "-c", ""])
    gone.wait()
    host = own_name().partition("-")[0]
    (tmp_path / "cells" / f".partial-{CELL}@{host}-{gone.pid}-0f0f0f0f").mkdir(parents=True)
    publish(RecordStore(tmp_path), 0.5)
    assert hidden(RecordStore(tmp_path)) == set()


def test_a_draft_of_a_living_process_stays(tmp_path):
    left = tmp_path / "cells" / f".partial-{CELL}@{own_name()}"
    left.mkdir(parents=True)
    publish(RecordStore(tmp_path), 0.5)
    assert left.is_dir()


@pytest.mark.parametrize("number", [errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP])
def test_a_disk_without_locks_takes_records(tmp_path, monkeypatch, number):
    def refuse(lock, **_):
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(FileLock, "acquire", refuse)
    store = RecordStore(tmp_path)
    publish(store, 0.5)
    assert pair(store) == (0.5, 0.5)


def test_files_that_another_run_put_in_place_first_are_replaced_with_their_record(tmp_path, monkeypatch):
    store, other = RecordStore(tmp_path), RecordStore(tmp_path)
    monkeypatch.setattr(record_store, "file_lock", lambda path: nullcontext())
    publish(store, 0.25)
    swap = store._replace

    def interrupted(cell, files, replaced):
        publish(other, 0.5)  # as a run on another machine does whose locks are not ours
        swap(cell, files, replaced)

    monkeypatch.setattr(store, "_replace", interrupted)
    publish(store, 0.75)
    assert pair(store) == (0.75, 0.75)
    assert hidden(store) == set()
