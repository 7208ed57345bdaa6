"""The verb ``check``, and that every encoder that ships with the suite passes it."""

from __future__ import annotations

import argparse
import json
from dataclasses import replace

import pytest

from eeg2speech_bench.core.conformance import assert_conforms, check_names
from eeg2speech_bench.core.errors import BenchError, UnknownNameError, UsageError
from eeg2speech_bench.core.registry.registry import load_registry
from eeg2speech_bench.plugins import checking

REGISTRY = load_registry()
QUICK = ("ridge", "mean", "subject-id")


def shipped():
    """Names of the encoders that come with the suite; those that take longer are marked as slow."""
    names = [spec.name for spec in REGISTRY.all("encoder") if not spec.on_request]
    ours = [name for name in names if REGISTRY.provenance("encoder", name).distribution == "eeg2speech-bench"]
    return [pytest.param(name, marks=() if name in QUICK else pytest.mark.slow) for name in ours]


def check(*typed):
    parser = argparse.ArgumentParser()
    checking.configure(parser)
    return checking.check(parser.parse_args(typed), REGISTRY)


@pytest.fixture
def few_checks(monkeypatch):
    """Run the first checks only, where what they find does not matter."""
    from eeg2speech_bench.core.conformance import report

    monkeypatch.setattr(report, "CHECKS", dict(list(report.CHECKS.items())[:2]))


@pytest.mark.parametrize("name", shipped())
def test_a_shipped_encoder_conforms_in_all_twenty_two_checks(name):
    assert len(assert_conforms(name, n_checks=22)) == len(check_names())


def test_every_check_is_a_line_and_the_count_and_the_next_step_follow(capsys):
    assert check("mean") == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "mean: the mean embedding"
    assert [line.split()[1] for line in lines[1:23]] == check_names()
    assert {line.split()[0] for line in lines[1:23]} == {"pass", "skip"}
    assert lines[23].startswith("22 checks: ")
    assert ", 0 failed, " in lines[23]
    assert lines[24] == "Next: 'eeg2speech-bench run --encoder mean' trains and scores it."


@pytest.mark.usefixtures("few_checks")
def test_several_names_are_checked_once_each_in_their_order(capsys):
    assert check("ridge", "mean", "ridge") == 0
    out = capsys.readouterr().out
    assert out.count("2 checks: 2 passed") == 2
    assert out.index("ridge: ") < out.index("mean: ")
    assert "run --encoder ridge --encoder mean' trains and scores them" in out


@pytest.mark.usefixtures("few_checks")
def test_all_stands_for_every_encoder_that_need_not_be_asked_for(capsys, monkeypatch):
    large = replace(REGISTRY.get("encoder", "brainmagick"), on_request="large")
    monkeypatch.setattr(
        REGISTRY, "all", lambda kind: [*(REGISTRY.get("encoder", name) for name in ("ridge", "mean")), large]
    )
    check("all", "--json")
    assert [entry["encoder"] for entry in json.loads(capsys.readouterr().out)] == ["ridge", "mean"]


@pytest.mark.usefixtures("few_checks")
def test_json_holds_every_result_and_nothing_that_the_encoder_prints(capsys, monkeypatch):
    from eeg2speech_bench.plugins.encoders.ridge import Ridge

    build = Ridge.build.__func__

    def noisy(cls, *arguments, **options):
        print("hello from the encoder")
        return build(cls, *arguments, **options)

    monkeypatch.setattr(Ridge, "build", classmethod(noisy))
    assert check("ridge", "--json") == 0
    captured = capsys.readouterr()
    (found,) = json.loads(captured.out)
    assert found["encoder"] == "ridge"
    assert found["summary"] == "2 checks: 2 passed, 0 failed, 0 skipped"
    assert [set(result) for result in found["checks"]] == [{"name", "outcome", "reason", "seconds"}] * 2
    assert "hello from the encoder" in captured.err


@pytest.mark.usefixtures("few_checks")
def test_a_failed_check_makes_the_command_fail_and_names_what_to_type_next(capsys, monkeypatch):
    from eeg2speech_bench.plugins.encoders.ridge import Ridge

    monkeypatch.setattr(Ridge, "forward", lambda self, batch: batch.eeg)
    assert check("mean", "ridge") == 1
    lines = capsys.readouterr().out.splitlines()
    assert any(line.startswith("  fail  output_contract") and "expected a Conditioning" in line for line in lines)
    assert lines[-1].startswith("Next: change what failed (ridge, output_contract: Encoder 'ridge' returned the wrong")
    assert lines[-1].endswith("), then 'eeg2speech-bench check ridge'.")


@pytest.mark.usefixtures("few_checks")
def test_options_of_the_preset_and_of_the_command_line_reach_the_encoder(capsys):
    assert check("ridge", "--set", "token_rate_hz=10") == 0
    assert "embeddings (8, 29, 40)" in capsys.readouterr().out  # 2.883 s at 10 Hz


def test_an_unknown_encoder_is_refused_with_the_nearest_name():
    with pytest.raises(UnknownNameError, match="Did you mean 'ridge'"):
        check("rigde")


def test_an_option_that_the_encoder_does_not_have_is_refused_before_anything_runs():
    with pytest.raises(UnknownNameError, match="Unknown option of encoder 'ridge': got 'hidden'"):
        check("ridge", "--set", "hidden=8")


@pytest.mark.parametrize(("typed", "match"), [(["--device", "tpu"], "device"), (["--set", "hidden"], "not understood")])
def test_what_cannot_be_understood_is_a_usage_error(typed, match):
    with pytest.raises(UsageError, match=match) as raised:
        check("ridge", *typed)
    assert isinstance(raised.value, BenchError)
    assert raised.value.exit_code == 2
