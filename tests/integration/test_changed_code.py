"""Code that changed is run again: what an earlier source made is never reported as the work of the present one."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

from eeg2speech_bench.core.records.record import Record
from eeg2speech_bench.core.records.record_store import RecordStore

#: three runs in processes of their own, in the fixture of the first test
pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]

ROOT = Path(__file__).resolve().parents[2]
ROOMS = ("core", "plugins", "datasets", "benchmarks", "leaderboard")
TRAINER = "eeg2speech_bench.core.training.trainer"
SCRIPT = """
import sys
import eeg2speech_bench.core
from eeg2speech_bench.core.cli import main
print("CODE", eeg2speech_bench.core.__file__)
sys.exit(main())
"""
CHOSEN = ("--encoder", "brainmagick", "--scores", "retrieval")
STAGES = ("prepare", "features", "clips", "align", "embed", "score")


@dataclass(frozen=True)
class Run:
    """What one run said, where its code lies, and the numbers that it recorded."""

    said: str
    code: str
    record: Record

    def stages(self, end: str) -> list[str]:
        """Return the stages whose line ends so: ``reused``, or ``done in`` with the seconds."""
        return re.findall(rf"^\s*(\w+) +{end}", self.said, flags=re.MULTILINE)


@dataclass(frozen=True)
class Runs:
    """One command, three times: as the source is, with other words in it, and with zeroed weights."""

    package: Path
    first: Run
    other_words: Run
    zeroed: Run


@pytest.fixture(scope="module")
def runs(bench, tmp_path_factory: pytest.TempPathFactory) -> Runs:
    """Run a copy of the source, so that it can be changed."""
    package = tmp_path_factory.mktemp("copy") / "eeg2speech_bench"
    left_out = shutil.ignore_patterns("__pycache__", "speed", "validity")
    for room in ROOMS:
        shutil.copytree(ROOT / room, package / room, ignore=left_out)
    trainer = package / "core" / "training" / "trainer.py"
    source = trainer.read_text(encoding="utf8")

    def run(changed: str) -> Run:
        trainer.write_text(changed, encoding="utf8")
        path = {"PYTHONPATH": str(package.parent), "PYTHONDONTWRITEBYTECODE": "1"}
        done = subprocess.run(
            [sys.executable, "-c", SCRIPT, "run", *bench.tiny(), "--dataset", str(bench.data), *CHOSEN],
            cwd=bench.folder,
            env={**os.environ, "EEG2SPEECH_BENCH_CACHE": str(bench.folder / "cache"), **path},
            capture_output=True,
            text=True,
        )
        said = done.stdout + done.stderr
        assert done.returncode == 0, said
        (record,) = RecordStore(bench.folder / "results").read_all()
        return Run(said, re.findall("^CODE (.*)$", said, flags=re.MULTILINE)[0], record)

    return Runs(package, run(source), run(with_other_words(source)), run(with_zeroed_weights(source)))


def with_other_words(source: str) -> str:
    """Change a comment and a docstring."""
    changed = source.replace('"""Train on iterables', '"""Train, to say it differently, on iterables')
    return changed.replace("    module.cpu()\n", "    # back to where it came from\n    module.cpu()\n")


def with_zeroed_weights(source: str) -> str:
    """Set every trained weight to zero."""
    zero = "    for weights in module.parameters():\n        weights.data.zero_()\n"
    return source.replace("    module.cpu()\n", f"    module.cpu()\n{zero}")


def values(run: Run) -> dict[tuple[str, str], float | None]:
    return {(metric.name, metric.condition): metric.value for metric in run.record.metrics}


def test_the_changes_are_changes():
    source = (ROOT / "core" / "training" / "trainer.py").read_text(encoding="utf8")
    assert "differently" in with_other_words(source)
    assert "# back to where" in with_other_words(source)
    assert "weights.data.zero_()" in with_zeroed_weights(source)


def test_every_run_was_of_the_copy(runs):
    copied = str(runs.package / "core" / "__init__.py")
    assert [run.code for run in (runs.first, runs.other_words, runs.zeroed)] == [copied] * 3


def test_the_first_run_reuses_nothing(runs):
    assert runs.first.stages("done in") == list(STAGES)
    assert "never run" in runs.first.said


def test_another_comment_and_docstring_run_nothing_again(runs):
    assert runs.other_words.stages("reused") == list(STAGES)
    assert values(runs.other_words) == values(runs.first)


def test_zeroed_weights_are_trained_and_scored_again(runs):
    assert runs.zeroed.stages("reused") == ["prepare", "features", "clips"]
    assert runs.zeroed.stages("done in") == ["align", "embed", "score"]


def test_the_plan_says_which_module_changed(runs):
    said = " ".join(runs.zeroed.said.split())
    assert f"Why align (brainmagick, seed 0): module {TRAINER} changed." in said


def test_zeroed_weights_have_other_scores(runs):
    for metric in ("top1", "median_rank"):
        assert values(runs.zeroed)[metric, "eeg"] != values(runs.first)[metric, "eeg"]
