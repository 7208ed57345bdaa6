"""The actions ``fetch`` and ``status`` of the verb ``datasets``, as they are typed."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time

import pytest

from eeg2speech_bench.core.cli import main
from eeg2speech_bench.datasets.fetching.fetch import default_folder, working_folder


@pytest.fixture
def typed(tmp_path, capsys):
    """Type an action of ``datasets``; return the exit code, what it says and its error."""

    def call(*arguments):
        code = main(["datasets", *arguments, "--cache", str(tmp_path)])
        done = capsys.readouterr()
        return code, " ".join(done.out.split()), done.err

    return call


@pytest.fixture
def prototype(hub, make_zip):
    """The repository of ``audioeeg``, with an archive of a megabyte."""
    hub.repository = "inogii/audioeeg"
    hub.files = {"audioeeg.zip": make_zip({"metadata/dataset_root.json": b"{}", "a.bin": os.urandom(1_000_000)})}
    return hub


def test_fetch_says_where_it_lies_what_it_is_and_what_to_type_next(prototype, typed, tmp_path):
    code, said, _ = typed("fetch", "audioeeg")
    assert code == 0
    assert f"{default_folder(tmp_path, 'audioeeg')}: 2 files, 1.0 MB, revision bbbbbbbbbbbb, verified" in said
    assert "Next: eeg2speech-bench run --dataset audioeeg --encoder precomputed --preset eeg2speech" in said


def test_fetch_goes_to_the_folder_that_is_named(prototype, typed, tmp_path):
    assert typed("fetch", "audioeeg", "--out", str(tmp_path / "here"))[0] == 0
    assert (tmp_path / "here" / "metadata" / "dataset_root.json").read_bytes() == b"{}"


@pytest.mark.parametrize("sent", [signal.SIGKILL, signal.SIGINT])
def test_a_fetch_that_is_killed_or_stopped_goes_on_from_its_last_byte(prototype, typed, tmp_path, sent):
    prototype.stalls_after = 300_000
    environment = {**os.environ, "HF_ENDPOINT": prototype.url, "HF_HUB_OFFLINE": "0"}
    command = [sys.executable, "-m", "eeg2speech_bench.core", "datasets", "fetch", "audioeeg", "--cache", str(tmp_path)]
    process = subprocess.Popen(
        command,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )
    waiting = working_folder(default_folder(tmp_path, "audioeeg")) / "downloads"
    while sum(path.stat().st_size for path in waiting.glob("*.part")) < 300_000:
        assert process.poll() is None, process.communicate()
        time.sleep(0.01)
    process.send_signal(sent)
    prototype.closed.set()
    process.communicate(timeout=60)
    assert process.returncode == {signal.SIGKILL: -9, signal.SIGINT: 130}[sent]
    assert "0.3 MB have arrived" in typed("status", "audioeeg")[1]
    prototype.stalls_after = None
    prototype.log.clear()
    assert typed("fetch", "audioeeg")[0] == 0
    assert prototype.log == [("audioeeg.zip", "bytes=300000-")]


def test_a_name_that_nothing_stands_for_gets_a_suggestion(typed):
    code, _, error = typed("fetch", "audioeg")
    assert code == 2
    assert "Did you mean 'audioeeg'?" in error


def test_fetch_without_a_name_says_what_can_be_fetched(typed):
    code, _, error = typed("fetch")
    assert code == 2
    assert "audioeeg, audioldm-checkpoints, nm000180" in error


def test_status_lists_everything_that_can_be_fetched(prototype, typed):
    typed("fetch", "audioeeg")
    _, said, _ = typed("status")
    assert "audioeeg not stated yes 1.0 MB none" in said
    assert "ds004408 20.6 CC0 no" in said


def test_status_names_what_is_missing_of_one(prototype, typed, tmp_path):
    typed("fetch", "audioeeg")
    (default_folder(tmp_path, "audioeeg") / "a.bin").unlink()
    code, said, _ = typed("status", "audioeeg")
    assert code == 1
    assert "1 of 2 files missing, or of another size: a.bin Next: eeg2speech-bench datasets fetch audioeeg" in said


def test_status_of_a_whole_one_says_its_revision(prototype, typed):
    typed("fetch", "audioeeg")
    code, said, _ = typed("status", "audioeeg")
    assert code == 0
    assert f"revision {'b' * 40}; 1.0 MB" in said
