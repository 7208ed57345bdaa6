"""A Slurm of one node for the tests that need one."""

from __future__ import annotations

import importlib.util
import os
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest


def _load() -> ModuleType:
    path = Path(__file__).with_name("one_node.py")
    spec = importlib.util.spec_from_file_location("one_node", path)
    assert spec and spec.loader
    module = sys.modules["one_node"] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="session")
def slurm() -> Iterator[object]:
    """Start a Slurm of one node; a machine without its programs skips, unless it was told to have them."""
    one_node = _load()
    if missing := one_node.missing_programs():
        reason = f"not installed: {', '.join(missing)} (Debian: slurmctld slurmd slurm-client munge)"
        assert not os.environ.get("REQUIRE_SLURM"), reason
        pytest.skip(reason)
    with tempfile.TemporaryDirectory(prefix="slurm-") as folder:
        Path(folder).chmod(0o755)  # munge refuses a socket that others cannot reach, as in the folders of pytest
        with one_node.one_node_slurm(Path(folder)) as node:
            yield node
