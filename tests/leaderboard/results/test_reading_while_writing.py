"""A results folder is read while runs put records into it: nothing is torn, missed or refused."""

from __future__ import annotations

import multiprocessing
from itertools import cycle, islice
from pathlib import Path

import pytest

from eeg2speech_bench.core.records.record import Record
from eeg2speech_bench.core.records.record_store import RecordStore
from eeg2speech_bench.leaderboard.results.merging import copy_cell
from eeg2speech_bench.leaderboard.results.validation import configure_validate, read_results, run_validate

FORK = multiprocessing.get_context("fork")
N_RESTING = 5


@pytest.fixture
def two_runs(tmp_path, cell):
    """Return the records of one cell that was run twice, with other numbers."""
    return [cell(tmp_path / name, shift=shift) for name, shift in (("one", 0.0), ("two", 0.1))]


def write_in_turn(paths: list[Path], results: Path, times: int) -> None:
    """Publish the runs of one cell again and again, each with its files."""
    read = [(path, Record.read(path)) for path in paths]
    for path, record in islice(cycle(read), times):
        copy_cell(path, record, results)


def test_what_is_replaced_while_it_is_read_is_never_refused(tmp_path, cell, two_runs):
    results = tmp_path / "results"
    for number in range(N_RESTING):
        cell(results, f"resting{number}")
    write_in_turn(two_runs, results, 1)
    writer = FORK.Process(target=write_in_turn, args=(two_runs, results, 200))
    writer.start()
    seen = [read_results(results)]
    while writer.is_alive():
        seen.append(read_results(results))
    assert [refusals for _, refusals in seen if refusals] == []
    assert {len(records) for records, _ in seen} == {N_RESTING + 1}


def test_what_a_run_is_writing_is_not_foreign(tmp_path, cell, verb):
    cell(tmp_path)
    with RecordStore(tmp_path).draft("another") as files:
        (files / "segments.parquet").write_text("half")
        assert verb(configure_validate, run_validate, str(tmp_path)) == 0


@pytest.mark.slow
def test_two_thousand_records_are_all_read_while_others_are_written(tmp_path, cell, two_runs):
    path = cell(tmp_path / "results", "resting")
    text, store = path.read_text(), RecordStore(tmp_path / "results")
    for number in range(2000):
        path.with_name(f"many{number:04d}__simulated__quick__seed0__0.json").write_text(
            text.replace("resting__", f"many{number:04d}__").replace('"resting"', f'"many{number:04d}"')
        )
        store.cell_folder(f"many{number:04d}__simulated__quick__seed0__0").symlink_to(store.cell_folder(path.stem))
    write_in_turn(two_runs, store.results, 1)
    writer = FORK.Process(target=write_in_turn, args=(two_runs, store.results, 500))
    writer.start()
    records = store.read_all()
    writer.join(200)
    assert len({record.cell.id for record in records}) == 2002
