"""What tables call metrics and conditions: every metric of the suite has a short name and a line of explanation."""

from __future__ import annotations

import pytest

from eeg2speech_bench.benchmarks.metrics.catalogue import all_metrics
from eeg2speech_bench.core.conditions import SCORED, condition_label
from eeg2speech_bench.leaderboard.labels import LABELS, NOTES, label


@pytest.mark.parametrize("spec", all_metrics(), ids=lambda spec: spec.name)
def test_every_metric_of_the_suite_has_a_short_name_with_its_unit_and_a_line_that_explains_it(spec):
    assert len(label(spec.name)) <= 20
    assert "_" not in label(spec.name)
    assert spec.unit in label(spec.name)
    assert 20 < len(NOTES[spec.name]) <= 110
    assert NOTES[spec.name].endswith(".")


def test_no_two_metrics_have_one_name_and_none_is_explained_that_does_not_exist():
    names = {spec.name for spec in all_metrics()}
    assert len(set(LABELS.values())) == len(LABELS)
    assert LABELS.keys() == NOTES.keys() == names


def test_a_metric_of_a_plugin_keeps_its_name():
    assert label("my_metric") == "my_metric"


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
