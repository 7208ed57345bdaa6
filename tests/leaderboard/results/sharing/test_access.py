"""The way to the hub: tokens that stay secret, and what to do where it is shut."""

from __future__ import annotations

import subprocess
import sys

import pytest
from huggingface_hub import constants

from eeg2speech_bench.core.errors import StorageError, UsageError
from eeg2speech_bench.leaderboard.results.remotes import open_remote


def test_no_token_reaches_a_file_or_the_output(hub, tmp_path, cell, push, pull, capsys):
    cell(tmp_path / "own", "a")
    push("--direct")
    (tmp_path / "own" / "records").rename(tmp_path / "own" / "old")
    pull()
    hub.refuses = "SomethingElse"
    with pytest.raises(StorageError, match="does not let you in") as caught:
        pull()
    shown = capsys.readouterr()
    assert hub.token not in shown.out + shown.err + str(caught.value)
    assert not [p for p in tmp_path.rglob("*") if p.is_file() and hub.token.encode() in p.read_bytes()]
    assert hub.token not in repr(hub.files)


def test_a_repository_that_is_not_there_says_how_to_make_it(hub, pull):
    with pytest.raises(StorageError, match=r"was not found, or is private.*hf repo create lab/nothing --repo-type"):
        pull(place="lab/nothing")


def test_a_gated_repository_says_where_to_ask(hub, pull):
    hub.refuses = "GatedRepo"
    with pytest.raises(StorageError, match=r"is gated\. Ask for access on its page"):
        pull()


def test_pushing_without_a_login_says_how_to_log_in(hub, tmp_path, cell, push, monkeypatch):
    cell(tmp_path / "own", "a")
    monkeypatch.delenv("HF_TOKEN")
    monkeypatch.setattr(constants, "HF_TOKEN_PATH", str(tmp_path / "none"))
    with pytest.raises(StorageError, match=r"does not let you in.*Type 'hf auth login'"):
        push()


def test_offline_says_which_variable_does_it(hub, pull, monkeypatch):
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    with pytest.raises(StorageError, match="Unset HF_HUB_OFFLINE"):
        pull()


def test_without_a_network_the_command_says_so(hub, pull):
    hub.shutdown()
    hub.server_close()
    with pytest.raises(StorageError, match=f"{hub.repo} could not be reached: got ConnectError.*Check the network"):
        pull()


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("records", "Unknown place"),
        ("/home/me/results", "file:///PATH"),
        ("lab/..", "Unknown place"),
        ("zip::s3://bucket/x.zip", "Unknown place"),
        ("hf://models/lab/x", "Unknown place"),
        ("s3://key:secret@bucket/x", "shell histories"),
    ],
)
def test_a_place_that_is_none_is_refused(text, said):
    with pytest.raises(UsageError, match=said) as caught:
        open_remote(text)
    assert "secret" not in str(caught.value)


def test_the_actions_parse_without_the_hubs_library():
    script = (
        "import argparse, sys\n"
        "from eeg2speech_bench.leaderboard.results import merging, sharing, validation\n"
        "for f in (sharing.configure_push, sharing.configure_pull, merging.configure_merge,"
        " validation.configure_validate): f(argparse.ArgumentParser())\n"
        "heavy = ('huggingface_hub', 'fsspec', 'pyarrow', 'pandas', 'torch', 'scipy')\n"
        "print([m for m in heavy if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"
