"""Plugins that fail in every way there is, installed for real: each costs itself, and the command says what to type."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from eeg2speech_bench.core.records.record_store import RecordStore

OURS = {"brainmagick", "ridge"}


@pytest.fixture
def plugins(installed: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Put the installed packages on the path of commands; return the mark that the slow one leaves when imported."""
    mark = tmp_path / "slow_was_imported"
    monkeypatch.setenv("PYTHONPATH", str(installed))
    monkeypatch.setenv("SLOW_IMPORT_MARK", str(mark))
    monkeypatch.setenv("SLOW_IMPORT_S", "0")
    return mark


def command(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    """Run a command in a process of its own."""
    typed = [sys.executable, "-m", "eeg2speech_bench.core", *map(str, arguments)]
    return subprocess.run(typed, capture_output=True, text=True, env=dict(os.environ), timeout=120)


@pytest.fixture(scope="module")
def listed(installed: Path, tmp_path_factory: pytest.TempPathFactory) -> subprocess.CompletedProcess[str]:
    """What ``encoders --json`` says with everything installed, and a distribution with garbled metadata."""
    garbled = tmp_path_factory.mktemp("garbled")
    (garbled / "garbled-2.0.dist-info").mkdir()
    (garbled / "garbled-2.0.dist-info" / "METADATA").write_text("Metadata-Version: 2.1\nName: garbled\nVersion: 2.0\n")
    (garbled / "garbled-2.0.dist-info" / "entry_points.txt").write_text("[eeg2speech_bench]\nno equals sign\n")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTHONPATH", os.pathsep.join((str(installed), str(garbled))))
        patch.setenv("SLOW_IMPORT_S", "1.2")
        return command("encoders", "--json")


@pytest.fixture(scope="module")
def status(listed: subprocess.CompletedProcess[str]) -> dict:
    return json.loads(listed.stdout)


@pytest.mark.parametrize(
    ("entry_point", "step", "reason", "file"),
    [
        ("raises-on-import", "import", "RuntimeError: no [31mlicence [0m file", "raises_on_import/licence.py:5"),
        ("exits-on-import", "import", "SystemExit: 3", "exits_on_import/__init__.py:5"),
        ("raises-in-hook", "register_encoders", "KeyError: 'weights'", "raises_in_hook/__init__.py:9"),
        ("reuses-name", "register_encoders", "encoder 'brainmagick' is already", "reuses_name/__init__.py:7"),
        ("impossible-signature", "register", "Argument(s) {'recordings'}", "impossible_signature/__init__.py"),
        ("garbled", "import", "TypeError", ""),
    ],
)
def test_each_broken_plugin_has_a_status_of_its_own(status, entry_point, step, reason, file):
    (broken,) = [b for b in status["broken"] if b["entry_point"] == entry_point]
    assert broken["step"] == step
    assert reason in broken["reason"]
    assert broken["file"].endswith(file)
    assert f"--disable {entry_point} (always: EEG2SPEECH_BENCH_DISABLE={entry_point})" in broken["then"]
    assert broken["distribution"] in (f"fixture-{entry_point}", entry_point)


def test_each_piece_of_junk_is_reported_and_the_sound_declaration_beside_it_is_kept(status):
    reasons = [b["reason"] for b in status["broken"] if b["entry_point"] == "declares-junk"]
    assert reasons == [
        "the list holds 42, expected EncoderSpec",
        "encoder 'two words' has an impossible name, expected up to 64 letters, digits and . _ + -",
        "encoder '<script>alert(1)</script>' has an impossible name, expected up to 64 letters, digits and . _ + -",
        "encoder 'no-target': target is 'declares_junk', expected 'package.module:attribute'",
        "encoder 'not-there': target names module 'not_installed_anywhere', which is not installed",
        "encoder 'needy': needs is 'positions', expected tuple[str, ...]",
    ]
    assert "sound" in {encoder["name"] for encoder in status["encoders"]}


def test_every_other_encoder_keeps_its_row(status):
    rows = {encoder["name"]: encoder["distribution"] for encoder in status["encoders"]}
    assert rows.keys() >= OURS | {"works", "slow", "own-name", "sound", "returns-nan", "wrong-shape", "out-of-memory"}
    assert rows["brainmagick"] == "eeg2speech-bench"
    assert rows["works"] == "fixture-works"
    assert "impossible" not in rows


def test_a_slow_plugin_works_and_is_named_with_its_seconds(status):
    (slow,) = status["slow"]
    assert (slow["entry_point"], slow["step"]) == ("slow-import", "import")
    assert slow["seconds"] >= 1.2
    assert "slow" in {encoder["name"] for encoder in status["encoders"]}


def test_what_plugins_print_on_import_is_kept_out_of_standard_output(listed, status):
    assert "printed on import by Python" in listed.stderr
    assert "printed on import by a program" in listed.stderr
    assert "printed" not in listed.stdout


@pytest.mark.parametrize("typed", ["--help", "--version", "run --help", "encoders --help", "env", "leaderboard"])
def test_help_and_what_repairs_load_no_plugin(plugins, tmp_path, typed):
    done = command(*typed.split(), *(["--results", tmp_path] if typed == "leaderboard" else []))
    assert "Traceback" not in done.stderr
    assert "fixture" not in done.stdout + done.stderr
    assert "printed" not in done.stdout + done.stderr
    assert not plugins.exists()


def test_broken_lists_reason_file_and_what_to_type_and_no_encoder(plugins):
    done = command("encoders", "--broken")
    assert done.returncode == 0
    lines = done.stdout.splitlines()
    first = lines.index("broken: raises-on-import (fixture-raises-on-import), in import")
    assert lines[first + 1] == "  reason: RuntimeError: no [31mlicence [0m file"
    assert lines[first + 2].startswith("  file: ") and lines[first + 2].endswith("licence.py:5")
    assert lines[first + 3].startswith("  type: Leave it out with --disable raises-on-import")
    assert "one convolution" not in done.stdout
    assert "\x1b" not in done.stdout


def test_the_listing_shows_what_plugins_write_as_they_wrote_it(plugins):
    done = command("encoders")
    assert "100% of it [red]works[/red]" in done.stdout
    assert "broken: reuses-name (fixture-reuses-name) in register_encoders: encoder 'brainmagick' is" in done.stdout
    assert "command: greet (fixture-works): greets 100%" in done.stdout
    assert done.stdout.splitlines()[-1] == "Run one: eeg2speech-bench run --encoder NAME"


@pytest.mark.parametrize("name", ["slow-import", "slow_import", "fixture-slow-import"])
def test_disable_leaves_out_a_plugin_by_entry_point_or_distribution(plugins, name):
    done = command("encoders", "--disable", name)
    assert "left out: plugin slow-import (fixture-slow-import): --disable" in done.stdout
    assert "comes late" not in done.stdout
    assert not plugins.exists()


def test_disable_before_the_verb_leaves_out_one_encoder_and_keeps_its_plugin(plugins):
    rows = json.loads(command("--disable", "own-name", "encoders", "--json").stdout)
    assert "own-name" not in {encoder["name"] for encoder in rows["encoders"]}
    assert {
        "what": "encoder",
        "name": "own-name",
        "distribution": "fixture-reuses-name",
        "reason": "--disable",
    } in rows["skipped"]


def test_disabling_what_is_not_there_is_refused_with_a_suggestion(plugins):
    done = command("encoders", "--disable", "slow-imprt")
    assert done.returncode == 2
    assert "Did you mean 'slow-import'" in done.stderr


def test_an_environment_variable_leaves_out_for_good(plugins, monkeypatch):
    monkeypatch.setenv("EEG2SPEECH_BENCH_DISABLE", "slow-import, uninstalled-long-ago")
    done = command("encoders")
    assert "left out: plugin slow-import (fixture-slow-import): EEG2SPEECH_BENCH_DISABLE" in done.stdout
    assert not plugins.exists()


@pytest.mark.parametrize(("allowed", "kept"), [("", set()), ("fixture-works", {"works"}), ("works", {"works"})])
def test_the_allow_list_keeps_ours_and_what_it_names(plugins, monkeypatch, allowed, kept):
    monkeypatch.setenv("EEG2SPEECH_BENCH_PLUGINS", allowed)
    status = json.loads(command("encoders", "--json").stdout)
    outside = {row["name"] for row in status["encoders"] if row["distribution"] != "eeg2speech-bench"}
    assert outside == kept
    assert not status["broken"]
    assert not plugins.exists()


def test_a_verb_of_a_plugin_is_a_verb(plugins):
    done = command("greet", "Ada")
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("Hello Ada, there are ")


def test_an_unknown_verb_is_told_those_of_plugins(plugins):
    done = command("gret", "Ada")
    assert done.returncode == 2
    assert "Did you mean 'greet'" in done.stderr


def test_an_encoder_whose_plugin_is_broken_is_told_of_it(plugins):
    done = command("run", "--encoder", "raises-on-import")
    assert done.returncode == 2
    assert "Plugin 'raises-on-import' (fixture-raises-on-import) is broken: RuntimeError: no" in done.stderr
    assert "See 'eeg2speech-bench encoders --broken'" in done.stderr


SINGLE_FILE = """
import torch
from eeg2speech_bench.core.conditioning import Conditioning, Encoder
from eeg2speech_bench.core.hookspecs import hookimpl
from eeg2speech_bench.core.specs import EncoderSpec

class Mine(Encoder):
    def __init__(self, signal, target):
        super().__init__()
        self.n_tokens = target.n_tokens
        self.layer = torch.nn.Linear(signal.n_chans, target.dim)

    def forward(self, batch):
        eeg = torch.nn.functional.adaptive_avg_pool1d(batch.eeg, self.n_tokens)
        return Conditioning.from_tokens(self.layer(eeg.transpose(1, 2)))

@hookimpl
def register_encoders():
    return [EncoderSpec("mine", "mine:Mine", "in one file")]
"""


@pytest.fixture(scope="module")
def trained(prepared_bench, installed):
    """One command that trains encoders that fail in training between two that do not, one of them a single file."""
    (prepared_bench.folder / "mine.py").write_text(SINGLE_FILE)
    names = ["returns-nan", "works", "wrong-shape", "out-of-memory", "mine"]
    typed = [part for name in names for part in ("--encoder", name)]
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTHONPATH", str(installed))
        patch.setenv("EEG2SPEECH_BENCH_DISABLE", "slow-import")
        done = prepared_bench.run(*typed, "--plugin", "mine.py", "--scores", "retrieval")
    records = {record.cell.encoder: record for record in RecordStore(prepared_bench.folder / "results").read_all()}
    return done, records


@pytest.mark.parametrize(
    ("encoder", "message"),
    [
        ("returns-nan", "Encoder 'returns-nan' returned values that are not finite"),
        ("wrong-shape", "Encoder 'wrong-shape' returned embeddings of a wrong shape: got (16, 8)"),
        ("out-of-memory", "Unable to allocate"),
    ],
)
def test_an_encoder_that_fails_in_training_is_a_failed_record_with_phase_and_reason(trained, encoder, message):
    done, records = trained
    assert done.returncode == 1
    failed = records[encoder]
    assert failed.status == "failed"
    assert failed.error.phase == "align"
    assert message in failed.error.message
    assert f"FAILED {encoder}: align: " in done.stdout


@pytest.mark.parametrize("encoder", ["works", "mine"])
def test_encoders_beside_failing_ones_are_scored(trained, encoder):
    done, records = trained
    assert records[encoder].status == "done", done.stdout + done.stderr
    assert records[encoder].metric("top1").value >= 0


def test_a_single_file_is_recorded_by_name_and_hash(trained, bench):
    _, records = trained
    digest = hashlib.sha256((bench.folder / "mine.py").read_bytes()).hexdigest()
    assert records["mine"].encoder.distribution == "mine.py"
    assert records["mine"].encoder.version == digest[:12]
    assert len(records["mine"].encoder.source_hash) == 16


@pytest.mark.slow
def test_a_changed_single_file_trains_again(trained, bench):
    (bench.folder / "mine.py").write_text(SINGLE_FILE.replace("target.dim)", "target.dim, bias=False)"))
    done = bench.run("--encoder", "mine", "--plugin", "mine.py", "--scores", "retrieval")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "align        done in" in done.stdout
    assert "features     reused" in done.stdout
