"""Every metric has a card."""

from __future__ import annotations

import re
from pathlib import Path

from eeg2speech_bench.benchmarks.metrics.pools import POOLS
from eeg2speech_bench.core.registry.registry import load_registry

CARDS = (Path(__file__).resolve().parents[2] / "docs" / "metrics.md").read_text(encoding="utf8")


def test_cards_are_those_of_the_registered_metrics_of_the_suite() -> None:
    registry = load_registry()
    ours = [m.name for m in registry.all("metric") if m.target.startswith("eeg2speech_bench.")]
    assert set(ours) == set(re.findall(r"^### `(\w+)`$", CARDS, re.MULTILINE))


def test_every_pool_is_described() -> None:
    assert set(POOLS) == set(re.findall(r"^\| `([a-z0-9-]+)`", CARDS, re.MULTILINE))
