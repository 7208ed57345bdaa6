"""What embeddings hold: its table, the sentence on a leak, and records of which it was tampered with."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from eeg2speech_bench.core.errors import StorageError
from eeg2speech_bench.core.records.record import Record
from eeg2speech_bench.leaderboard.frames import read_results
from eeg2speech_bench.leaderboard.page.folder import build
from eeg2speech_bench.leaderboard.results.validation import foreign_files, validate_record
from eeg2speech_bench.leaderboard.tables.export import to_csv
from eeg2speech_bench.leaderboard.tables.probes import probes_table

LISTENERS = ("01", "02")
#: what is read out under the EEG, a control and the ceiling, and what guessing reaches
READ = {"envelope": (0.0, 0.0, 0.5, 0.0), "listener": (0.97, 0.5, 0.5, 0.5)}
SENTENCE = "The listener is read out of the embeddings (0.97, chance 0.50), the speech is not: a leak looks like this."


def entry(name: str, condition: str, value: float, chance: float) -> dict[str, Any]:
    what = {"name": name, "label": name, "version": 1, "condition": condition, "unit": "", "higher_is_better": True}
    level = {"value": value, "low": value - 0.01, "high": value + 0.01, "confidence": 0.95, "chance": chance}
    return what | level | {"n": 4, "n_pool": 2, "per_subject": dict.fromkeys(LISTENERS, value)}


def probes_of(read: dict[str, tuple[float, float, float, float]]) -> dict[str, Any]:
    """Scores of probes, of which those count as read out that lie above their control."""
    entries, tests, verdict = [], [], {}
    for name, (eeg, shuffle, audio, chance) in read.items():
        values = {"eeg": eeg, "shuffle": shuffle, "audio": audio}
        entries += [entry(name, condition, value, chance) for condition, value in values.items()]
        p = 0.01 if eeg > shuffle else 0.6
        test = {"metric": name, "control": "shuffle", "p": p, "effect": eeg - shuffle, "dz": None, "n_units": 4}
        tests.append(test | {"exact": True})
        verdict[name] = {"distinguishable": p < 0.05, "p": p, "hardest_control": "shuffle", "alpha": 0.05}
    return {"metrics": entries, "tests": tests, "verdict": verdict}


@pytest.fixture
def probed(cell):
    """Return a function that writes a cell with scores of probes."""

    def write(results: Path, read: dict[str, tuple[float, float, float, float]]) -> Path:
        path = cell(results)
        shutil.rmtree(results / "cells" / path.stem / "audio")
        tree, name = json.loads(path.read_text()), f"cells/{path.stem}/segments-probes.parquet"
        del tree["files"]["audio"]
        tree["files"]["segments-probes"], tree["probes"] = name, probes_of(read)
        tree["skipped"] = {"probe pitch": "the data set publishes an envelope and no audio"}
        rows = [
            (one["name"], one["condition"], listener, one["value"])
            for one in tree["probes"]["metrics"]
            for listener in LISTENERS * 2
        ]
        pd.DataFrame(rows, columns=["metric", "condition", "subject", "value"]).to_parquet(results / name)
        path.write_text(json.dumps(tree))
        return path

    return write


def test_every_probe_stands_beside_chance_control_and_ceiling(tmp_path, probed):
    table = probes_table([Record.read(probed(tmp_path, READ))])
    envelope, listener = (dict(zip(table.columns, row, strict=True)) for row in table.rows)
    assert listener["read out"] == "0.970 [0.960, 0.980]"
    assert (listener["chance"], listener["hardest control"]) == ("0.500", "0.500 EEG of other segments")
    assert (listener["verdict"], envelope["verdict"]) == ("signal, p = 0.010", "not distinguishable from no signal")
    assert envelope["ceiling"] == "0.500"
    assert to_csv(table).splitlines()[1].startswith("net,simulated,0,envelope,")


def test_a_leak_is_said_in_one_sentence_on_terminal_and_page(tmp_path, probed):
    path = probed(tmp_path, READ)
    table = probes_table([Record.read(path)])
    assert table.notes[0] == f"net on simulated, seed 0: {SENTENCE}"
    assert "Not read out: pitch: the data set publishes an envelope and no audio." in table.notes
    board = build([tmp_path], tmp_path / "board").index.parent
    (page,) = (board / "rows").glob("*.html")
    assert f"<p>net on simulated, seed 0: {SENTENCE}</p>" in page.read_text()


@pytest.mark.parametrize(
    "read",
    [
        READ | {"envelope": (0.1, 0.0, 0.5, 0.0)},  # speech is read out too
        READ | {"envelope": (0.0, 0.0, 0.0, 0.0)},  # nor can it be read out of the true audio
        READ | {"listener": (0.6, 0.5, 0.5, 0.5)},  # above chance and not far
        READ | {"listener": (0.97, 0.98, 0.5, 0.5)},  # EEG of others says as much
        {"listener": READ["listener"]},
    ],
)
def test_anything_else_is_no_leak(tmp_path, probed, read):
    assert Record.read(probed(tmp_path, read)).probes.leak == ""


def test_a_listener_who_is_not_read_out_is_not_held_against_the_true_audio(tmp_path, probed):
    table = probes_table([Record.read(probed(tmp_path, {"listener": (0.5, 0.5, 0.5, 0.5)}))])
    assert table.rows[0][-1] == "not distinguishable from no signal"


def test_a_record_without_probes_has_no_such_table(tmp_path, cell):
    assert probes_table([Record.read(cell(tmp_path))]) is None


def test_probes_are_a_table_of_pandas(tmp_path, probed):
    probed(tmp_path, READ)
    frame = read_results(tmp_path).probes
    assert frame["metric"].unique().tolist() == ["envelope", "listener"]
    assert frame.set_index(["metric", "condition"])["value"]["listener", "eeg"] == 0.97


def test_a_record_of_probes_is_valid_with_its_values_beside_it(tmp_path, probed):
    assert validate_record(probed(tmp_path, READ)).probes is not None
    assert list(foreign_files(tmp_path)) == []


def test_values_of_probes_that_were_changed_are_found(tmp_path, probed, spoil):
    path = probed(tmp_path, READ)
    spoil(path, "probes.metrics.0.value", 0.005)
    with pytest.raises(StorageError, match="does not agree with its segments"):
        validate_record(path)


def test_a_verdict_of_a_probe_that_its_tests_do_not_bear_is_refused(tmp_path, probed, spoil):
    path = probed(tmp_path, READ)
    spoil(path, "probes.verdict.listener.p", 0.02)
    with pytest.raises(StorageError, match="probes: the verdict on listener is not that of its hardest control"):
        Record.read(path)
