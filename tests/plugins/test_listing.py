"""The verb ``encoders`` over a registry that was made by hand."""

from __future__ import annotations

import argparse
import json
from types import MappingProxyType

import pytest

from eeg2speech_bench.core.registry.discovery import Provenance
from eeg2speech_bench.core.registry.failures import SkippedPlugin, SlowPlugin
from eeg2speech_bench.core.registry.registry import Registry
from eeg2speech_bench.core.specs import EncoderSpec
from eeg2speech_bench.plugins.listing import encoders

ORIGIN = Provenance("mine", "my-package", "2.1")


@pytest.fixture
def show(capsys):
    def run(registry: Registry, **options: bool) -> str:
        assert encoders(argparse.Namespace(**{"broken": False, "json": False, **options}), registry) == 0
        return capsys.readouterr().out

    return run


@pytest.fixture
def troubled() -> Registry:
    registry = Registry()
    registry.add(EncoderSpec("sound", "m:Sound", "sound"), ORIGIN)
    registry.refuse(ORIGIN, "import", "ValueError: [bold]", "/there/mine.py:3", "Install it.")
    registry.slow.append(SlowPlugin("late", "late-package", "import", 5.04, "Move it."))
    registry.slow.append(SlowPlugin("late", "late-package", "register_encoders", 1.96, "Move it."))
    registry.skipped.append(SkippedPlugin("plugin", "gone", "gone-package", "--disable"))
    return registry


def test_a_row_says_what_is_needed_what_it_starts_from_and_where_it_is_from(show):
    registry = Registry()
    spec = EncoderSpec("net", "m:Net", "a net", needs=("positions", "text"), pretrained="9 h of EEG", licence="MIT")
    registry.add(spec, ORIGIN)
    head, row, last = show(registry).splitlines()
    assert head.split("  ")[0] == "encoder"
    assert [part.strip() for part in row.split("  ") if part] == [
        "net",
        "a net",
        "positions, text",
        "9 h of EEG",
        "MIT",
        "my-package 2.1",
    ]
    assert last == "Run one: eeg2speech-bench run --encoder NAME"


def test_marks_stand_beside_the_name(show):
    registry = Registry()
    registry.add(EncoderSpec("floor", "m:F", baseline=True), ORIGIN)
    registry.add(EncoderSpec("roof", "m:R", ceiling=True, on_request="2 GB of weights"), ORIGIN)
    said = show(registry)
    assert "floor (baseline)" in said
    assert "roof (ceiling) (on request: 2 GB of weights)" in said


def test_what_plugins_write_is_neither_markup_nor_control(show):
    registry = Registry()
    registry.add(EncoderSpec("net", "m:Net", "[red]x[/red]\x1b[2J\nsecond", licence="[link=http://x]y"), ORIGIN)
    said = show(registry)
    assert "[red]x[/red] [2J second" in said
    assert "[link=http://x]y" in said
    assert "\x1b" not in said


def test_troubles_stand_below_the_table_with_where_to_read_more(show, troubled):
    assert show(troubled).splitlines()[2:-1] == [
        "broken: mine (my-package) in import: ValueError: [bold]",
        "slow: 5.0 s to import: late (late-package)",
        "slow: 2.0 s to run register_encoders: late (late-package)",
        "Where, and what to type: eeg2speech-bench encoders --broken",
        "left out: plugin gone (gone-package): --disable",
    ]


def test_broken_shows_file_reason_and_what_to_type_and_nothing_that_works(show, troubled):
    said = show(troubled, broken=True).splitlines()
    assert said[:3] == [
        "broken: mine (my-package), in import",
        "  reason: ValueError: [bold]",
        "  file: /there/mine.py:3",
    ]
    assert said[3].startswith("  type: Install it. Leave it out with --disable mine (always: ")
    assert said[4:6] == ["slow: late (late-package), 5.0 s to import", "  type: Move it."]
    assert not any("sound" in line for line in said)


def test_broken_says_so_where_nothing_is(show):
    assert show(Registry(), broken=True) == "No plugin is broken, none is slow.\n"


def test_json_holds_every_field_and_every_trouble(show, troubled):
    troubled.add(EncoderSpec("tuned", "m:T", alignment=MappingProxyType({"learning_rate": 0.1})), ORIGIN)
    said = json.loads(show(troubled, json=True))
    assert [row["name"] for row in said["encoders"]] == ["sound", "tuned"]
    assert said["encoders"][1]["alignment"] == {"learning_rate": 0.1}
    assert said["encoders"][1]["distribution"] == "my-package"
    assert said["broken"][0]["file"] == "/there/mine.py:3"
    assert said["slow"][0]["seconds"] == 5.04
    assert said["skipped"] == [
        {"what": "plugin", "name": "gone", "distribution": "gone-package", "reason": "--disable"}
    ]
