"""What tables call metrics and conditions: what the record says of a metric, whoever measured it."""

from __future__ import annotations

import json
import re

import pytest

from eeg2speech_bench.benchmarks.metrics.catalogue import all_metrics
from eeg2speech_bench.core.cli import main
from eeg2speech_bench.core.conditions import SCORED, condition_label
from eeg2speech_bench.core.records.record import Record
from eeg2speech_bench.leaderboard.labels import metric_titles
from eeg2speech_bench.leaderboard.page.folder import build


@pytest.mark.parametrize("spec", all_metrics(), ids=lambda spec: spec.name)
def test_every_metric_of_the_suite_has_a_short_name_with_its_unit_and_a_line_that_explains_it(spec):
    assert 0 < len(spec.label) <= 20
    assert "_" not in spec.label
    assert spec.unit in spec.label
    assert 20 < len(spec.note) <= 110
    assert spec.note.endswith(".")


def test_no_two_metrics_have_one_name():
    labels = [spec.label for spec in all_metrics()]
    assert len(set(labels)) == len(labels)


def test_the_label_of_a_new_record_stands_for_older_ones_too(tmp_path, cell, spoil):
    old, new = cell(tmp_path, "old"), cell(tmp_path, "new")
    for number in range(3):
        spoil(old, f"metrics.{number}.label", "")
    assert metric_titles([Record.read(old)])["top1"] == "top1"
    assert (
        metric_titles(map(Record.read, (old, new)))["top1"]
        == metric_titles(map(Record.read, (new, old)))["top1"]
        == "top-1"
    )


@pytest.fixture
def plugin_metric(tmp_path, cell, spoil):
    """A cell whose median rank is replaced by a headline metric of a plugin, with its label, note and range."""
    path = cell(tmp_path)
    tree = json.loads(path.read_text())
    words = {"label": "joy", "note": "How glad the listener is.", "lowest": 0.0, "highest": 0.9}
    tree["metrics"][:2] = [entry | {"name": "delight"} | words for entry in tree["metrics"][:2]]
    tree["tests"][0]["metric"] = "delight"
    tree["verdict"] = {"delight": tree["verdict"]["top1"]}
    path.write_text(json.dumps(tree))
    return path


@pytest.fixture
def meg(tmp_path, cell, spoil):
    """A results folder with a cell of MEG."""
    path = cell(tmp_path)
    tree = json.loads(path.read_text())
    tree["config"].setdefault("data", {})["picks"] = "mag"
    path.write_text(json.dumps(tree))
    return tmp_path


def test_a_cell_of_meg_is_called_so_in_the_terminal(meg, capsys):
    assert main(["leaderboard", "--results", str(meg), "--controls"]) == 0
    printed = capsys.readouterr().out
    assert "MEG and controls" in printed
    assert "MEG of other segments" in printed
    assert "EEG" not in printed


def test_a_cell_of_meg_is_called_so_on_the_page(meg, tmp_path):
    out = tmp_path / "board"
    build([meg], out)
    pages = {
        path.name: re.sub(r"<script.*?</script>", "", path.read_text(), flags=re.S) for path in out.rglob("*.html")
    }
    assert "Which MEG encoder" in pages["index.html"]
    assert [name for name, page in pages.items() if re.search(r"\bEEG\b", page)] == []


def test_a_metric_of_a_plugin_is_shown_by_its_label_in_the_terminal(tmp_path, plugin_metric, capsys):
    assert main(["leaderboard", "--results", str(tmp_path), "--controls", "--format", "markdown"]) == 0
    assert "joy: above every no-signal control" in capsys.readouterr().out


def test_a_metric_of_a_plugin_is_shown_by_its_label_and_note_on_the_page(tmp_path, plugin_metric):
    out = build([tmp_path], tmp_path / "board").index.parent
    columns = {column["title"]: column["note"] for column in json.loads((out / "board.json").read_text())["columns"]}
    assert columns["joy"] == "How glad the listener is. Higher is better."
    (page,) = (out / "rows").glob("*.html")
    assert re.search(r'<th scope="col" title="How glad the listener is.">joy', page.read_text())


def test_a_value_outside_the_range_that_a_plugin_declared_is_refused(tmp_path, plugin_metric, spoil, capsys):
    spoil(plugin_metric, "metrics.0.high", 0.95)
    assert main(["leaderboard", "--results", str(tmp_path)]) == 1
    assert "0.95 is no value of delight, which goes from 0 to 0.9" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("modality", "said"),
    [
        ("eeg", ["EEG", "EEG at a wrong time", "EEG of other segments"]),
        ("text", ["transcript", "transcript at a wrong time", "transcript of other segments"]),
        ("audio", ["audio", "audio at a wrong time", "audio of other segments"]),
    ],
)
def test_conditions_are_named_for_what_the_encoder_reads(modality, said):
    assert [condition_label(c, modality) for c in ("eeg", "shift", "shuffle")] == said
    assert condition_label("phase", modality) == f"phase-randomised {said[0]}"
    others = [c for c in SCORED if c not in ("eeg", "shift", "phase", "shuffle")]
    assert [condition_label(c, modality) for c in others] == [condition_label(c, "eeg") for c in others]


def test_a_condition_of_a_plugin_keeps_its_name():
    assert condition_label("my_condition", "eeg") == "my_condition"
