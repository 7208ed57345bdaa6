"""What a check prints is short, with faults first."""

from __future__ import annotations

import io

import pytest
from rich.console import Console

from eeg2speech_bench.datasets.checking.report import CheckedRecording, CheckReport, Finding
from eeg2speech_bench.datasets.checking.summary import print_report


@pytest.fixture
def printed():
    def printed(**fields):
        console = Console(file=io.StringIO(), width=200)
        print_report(CheckReport(dataset="listeners", **fields), console)
        return console.file.getvalue().splitlines()

    return printed


def finding(severity, recording="", found="odd", then="Mend it."):
    return Finding(check="check", severity=severity, recording=recording, found=found, then=then)


def test_a_sound_data_set_is_a_line_and_a_table(printed):
    lines = printed(recordings=[CheckedRecording(recording="sub-01", subject="01")])
    assert lines[0] == "listeners: nothing found in 1 recordings."
    assert len(lines) == 3


def test_what_is_said_of_many_recordings_is_one_line(printed):
    lines = printed(findings=[finding("wrong", "sub-01"), finding("wrong", "sub-02")])
    assert lines[1:] == ["- sub-01, sub-02: odd. Mend it."]


def test_many_findings_of_a_kind_are_counted(printed):
    lines = printed(findings=[finding("told", found=f"sound {k}") for k in range(9)])
    assert lines[-1] == "  and 6 more of this kind: --json has them"


def test_brackets_in_names_are_printed_as_they_are(printed):
    lines = printed(findings=[finding("refused", found="'[red]a[/red].wav' is silent")])
    assert lines[1] == "- '[red]a[/red].wav' is silent. Mend it."


def test_a_report_reads_back_as_it_was_written():
    report = CheckReport(dataset="d", findings=[finding("told")])
    assert CheckReport.model_validate_json(report.model_dump_json()) == report
