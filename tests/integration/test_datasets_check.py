"""``datasets check`` as it is typed: what it prints, what it writes, and how it ends."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from eeg2speech_bench.core.cli import main
from eeg2speech_bench.datasets.checking.report import CheckReport
from eeg2speech_bench.datasets.simulation.dataset import simulate
from eeg2speech_bench.datasets.simulation.settings import SimulationSettings


@pytest.fixture(scope="module")
def two_listeners(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("check") / "listeners"
    return simulate(root, SimulationSettings(n_listeners=2, n_chans=16, stories=3, snr_db=-12.0))


def typed(*arguments: object) -> int:
    return main(["datasets", "check", *map(str, arguments)])


def test_a_sound_data_set_ends_well_and_nothing_is_found(two_listeners, tmp_path, capsys):
    assert typed(two_listeners, "--cache", tmp_path / "cache", "--out", tmp_path / "out") == 0
    assert "nothing found in 2 recordings" in capsys.readouterr().out
    assert len(list((tmp_path / "out").glob("*.png"))) == 2
    report = CheckReport.model_validate_json((tmp_path / "out" / "check.json").read_bytes())
    assert [one.alignment.outcome for one in report.recordings] == ["aligned", "aligned"]


def test_a_fault_ends_badly_and_json_alone_is_printed(two_listeners, tmp_path, capsys):
    arguments = ("--json", "--cache", tmp_path, "--set", "data.split=subject")
    assert typed(two_listeners, *arguments) == 1
    report = json.loads(capsys.readouterr().out)
    assert [finding["check"] for finding in report["findings"]] == ["split"]


def test_tables_are_checked_where_the_eeg_was_not_downloaded(realdata, tmp_path, capsys):
    assert typed(realdata / "brennan2019_nm000180", "--cache", tmp_path) == 1
    said = capsys.readouterr().out
    assert "Recordings not downloaded" in said
    assert "labels are off by +1" in said


def test_a_data_set_has_to_be_named(capsys):
    assert typed() == 2
    assert "datasets check FOLDER" in capsys.readouterr().err


def test_other_actions_refuse_a_data_set_that_they_would_ignore(capsys):
    assert main(["datasets", "simulate", "my_bids"]) == 2
    assert "datasets check my_bids" in capsys.readouterr().err
