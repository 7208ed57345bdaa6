"""``datasets check audioeeg`` reads every pair, and says what ``run`` would refuse."""

from __future__ import annotations

import pytest

from eeg2speech_bench.core.cli import main


@pytest.fixture
def check(root, tmp_path, capsys):
    """Type the check; return the exit code, what it says and its error."""

    def call(*options):
        code = main(["datasets", "check", f"audioeeg:{root}", "--cache", str(tmp_path / "cache"), *options])
        done = capsys.readouterr()
        return code, done.out, done.err

    return call


def test_whole_data_are_counted(check):
    code, said, _ = check()
    assert code == 0
    assert "Every embedding was read beside its sound: 4 train, 8 valid, 8 test; the parts share no audio." in said


def test_a_defect_is_the_error_that_run_would_give(root, check):
    (root / "dataset" / "embeddings" / "item003.pt").write_bytes(b"no tensor")
    code, _, error = check()
    assert code == 1
    assert "item003.pt cannot be read" in error


def test_another_preset_has_another_window(check):
    code, _, error = check("--preset", "quick")
    assert code == 1
    assert "got 343 frames, expected 346" in error
