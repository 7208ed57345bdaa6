"""The two actions of sharing over a local server that speaks the hub's protocol."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from hub_server import Hub

from eeg2speech_bench.leaderboard.results.sharing import configure_pull, configure_push, run_pull, run_push
from eeg2speech_bench.leaderboard.results.validation import read_results

REPO = "lab/records"


@pytest.fixture
def hub(serve_hub: Callable[..., Hub]) -> Hub:
    """Serve a data set repository."""
    return serve_hub(REPO)


@pytest.fixture
def push(verb: Callable[..., int], tmp_path: Path) -> Callable[..., int]:
    """Push what is below ``own``."""
    own = str(tmp_path / "own")
    return lambda *options, place=REPO: verb(configure_push, run_push, place, "--results", own, *options)


@pytest.fixture
def pull(verb: Callable[..., int], tmp_path: Path) -> Callable[..., int]:
    """Pull into what is below ``own``."""
    own = str(tmp_path / "own")
    return lambda *options, place=REPO: verb(configure_pull, run_pull, place, "--results", own, *options)


def list_encoders(results: Path) -> list[str]:
    """Return the encoders of the records in a folder, none of which may be refused."""
    records, refusals = read_results(results)
    assert not refusals
    return [record.cell.encoder for record in records]


@pytest.fixture
def encoders() -> Callable[[Path], list[str]]:
    """See `list_encoders`."""
    return list_encoders
