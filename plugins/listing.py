"""Runs the verb ``encoders``: lists encoders, their origin, and plugins that do not work."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterator
from dataclasses import asdict, fields
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from eeg2speech_bench.core.registry.failures import plain
from eeg2speech_bench.core.registry.registry import Registry
from eeg2speech_bench.core.specs import EncoderSpec
from eeg2speech_bench.core.terminal.progress import make_console, say

COLUMNS = ("encoder", "what it is", "needs", "pretrained", "licence", "from")


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the options of ``encoders``."""
    parser.add_argument("--broken", action="store_true", help="only plugins that are broken or slow, with what to type")
    parser.add_argument("--json", action="store_true", help="everything as JSON, for programs")


def encoders(arguments: argparse.Namespace, registry: Registry) -> int:
    """List encoders with their needs and origin, then plugins that are broken, slow or left out."""
    if arguments.json:
        sys.stdout.write(json.dumps(describe(registry), indent=2) + "\n")
        return 0
    console = make_console()
    if arguments.broken:
        _print_troubles(registry, console)
        return 0
    table = Table(*COLUMNS, box=None, pad_edge=False)
    for spec in registry.all("encoder"):
        # Text, because a plugin's words may hold what rich takes for markup
        table.add_row(*(Text(plain(cell)) for cell in row(spec, registry)))
    console.print(table)
    for line in notes(registry):
        say(console, line)
    say(console, "Run one: eeg2speech-bench run --encoder NAME")
    return 0


def row(spec: EncoderSpec, registry: Registry) -> tuple[str, ...]:
    """Return the cells of one encoder, in the order of `COLUMNS`."""
    origin = registry.provenance("encoder", spec.name)
    marks = [mark for mark, holds in (("baseline", spec.baseline), ("ceiling", spec.ceiling)) if holds]
    marks += [f"on request: {spec.on_request}"] if spec.on_request else []
    name = spec.name + "".join(f" ({mark})" for mark in marks)
    needs = ", ".join(spec.needs) or "-"
    source = f"{origin.distribution} {origin.version}"
    return name, spec.summary, needs, spec.pretrained or "-", spec.licence, source


def notes(registry: Registry) -> Iterator[str]:
    """Yield a line for each plugin that is broken, slow or left out, and for each verb that a plugin adds."""
    for broken in registry.broken:
        yield f"broken: {broken.entry_point} ({broken.distribution}) in {broken.step}: {broken.reason}"
    for slow in registry.slow:
        yield f"slow: {slow.seconds:.1f} s to {_step_in_words(slow.step)}: {slow.entry_point} ({slow.distribution})"
    if registry.broken or registry.slow:
        yield "Where, and what to type: eeg2speech-bench encoders --broken"
    for skipped in registry.skipped:
        yield f"left out: {skipped.what} {skipped.name} ({skipped.distribution}): {skipped.reason}"
    for spec in registry.all("command"):
        origin = registry.provenance("command", spec.name)
        if not origin.is_ours:
            yield f"command: {spec.name} ({origin.distribution}): {plain(spec.summary)}"


def describe(registry: Registry) -> dict[str, Any]:
    """Return encoders, and plugins that do not work, as JSON values."""
    encoders = []
    for spec in registry.all("encoder"):
        declared = {field.name: getattr(spec, field.name) for field in fields(EncoderSpec)}
        origin = asdict(registry.provenance("encoder", spec.name))
        encoders.append({**declared, "alignment": dict(spec.alignment), **origin})
    troubles = {name: [asdict(item) for item in getattr(registry, name)] for name in ("broken", "slow", "skipped")}
    return {"encoders": encoders, **troubles}


def _print_troubles(registry: Registry, console: Console) -> None:
    for broken in registry.broken:
        say(console, f"broken: {broken.entry_point} ({broken.distribution}), in {broken.step}")
        _say_fields(console, reason=broken.reason, file=broken.file or "not known", type=broken.then)
    for slow in registry.slow:
        step = _step_in_words(slow.step)
        say(console, f"slow: {slow.entry_point} ({slow.distribution}), {slow.seconds:.1f} s to {step}")
        _say_fields(console, type=slow.then)
    if not registry.broken and not registry.slow:
        say(console, "No plugin is broken, none is slow.")


def _step_in_words(step: str) -> str:
    return "import" if step == "import" else f"run {step}"


def _say_fields(console: Console, **named: str) -> None:
    for name, text in named.items():
        say(console, f"  {name}: {text}")
