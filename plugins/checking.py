"""Runs the verb ``check``.

torch is imported when a check runs.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import sys
from collections.abc import Iterator, Mapping
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from eeg2speech_bench.core.presets.config import load_config
from eeg2speech_bench.core.registry.registry import Registry
from eeg2speech_bench.core.terminal.progress import make_console, say

if TYPE_CHECKING:
    from rich.console import Console

    from eeg2speech_bench.core.conformance import CheckResult
    from eeg2speech_bench.core.specs import EncoderSpec


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the options of ``check``."""
    parser.add_argument("name", nargs="+", metavar="NAME", help="encoders, or all (less those that run on request)")
    parser.add_argument("--set", action="append", default=[], metavar="KEY=V", help="set one option of the encoder")
    parser.add_argument("--device", default="cpu", help="auto, cpu, cuda or cuda:N (default: cpu)")
    parser.add_argument("--json", action="store_true", help="print the results as JSON")


def check(arguments: argparse.Namespace, registry: Registry) -> int:
    """Check encoders one after the other; return 1 if a check failed.

    Raises
    ------
    UsageError
        For an unknown encoder, option or device, before any check runs.
    """
    from eeg2speech_bench.core.conformance import run_checks
    from eeg2speech_bench.core.machine.environment import choose_device

    specs = _requested_encoders(arguments.name, registry)
    options = {spec.name: _options(spec, arguments.set) for spec in specs}
    device = choose_device(arguments.device)
    console = make_console()
    found: dict[str, list[CheckResult]] = {}
    with contextlib.redirect_stdout(sys.stderr):  # what an encoder prints must not end up in the JSON
        for spec in specs:
            results = run_checks(spec, options=options[spec.name], device=device)
            found[spec.name] = list(results) if arguments.json else _print_results(spec, results, console)
    failing = {name: bad for name, results in found.items() if (bad := [r for r in results if r.outcome == "fail"])}
    if arguments.json:
        print(json.dumps([_as_json(name, results) for name, results in found.items()], indent=2))
    else:
        say(console, _next_step(list(found), failing))
    return 1 if failing else 0


def _requested_encoders(names: list[str], registry: Registry) -> list[EncoderSpec]:
    """Return the encoders of these names, each once; ``all`` stands for those that need not be asked for."""
    every = [spec.name for spec in registry.all("encoder") if not spec.on_request]
    wanted = [each for name in names for each in (every if name == "all" else [name])]
    return [registry.get("encoder", name) for name in dict.fromkeys(wanted)]


def _options(spec: EncoderSpec, assignments: list[str]) -> dict[str, Any]:
    overrides = [f"encoder.{spec.name}.{assignment}" for assignment in assignments]
    options = load_config("quick", overrides=overrides).encoder.get(spec.name, {})
    if assignments:
        spec.check_options(options)
    return options


def _print_results(spec: EncoderSpec, results: Iterator[CheckResult], console: Console) -> list[CheckResult]:
    """Print every result as soon as it is there, then the count."""
    from eeg2speech_bench.core.conformance import check_names, summary

    say(console, f"{spec.name}: {spec.summary}")
    width, seen = max(map(len, check_names())), []
    for result in results:
        say(console, f"  {result.outcome}  {result.name:<{width}}  {result.reason}")
        seen.append(result)
    say(console, f"{summary(seen)} in {sum(result.seconds for result in seen):.0f} s")
    return seen


def _as_json(name: str, results: list[CheckResult]) -> dict[str, Any]:
    from eeg2speech_bench.core.conformance import summary

    return {"encoder": name, "summary": summary(results), "checks": [asdict(result) for result in results]}


def _next_step(names: list[str], failing: Mapping[str, list[CheckResult]]) -> str:
    if failing:
        first = [f"{name}, {results[0].name}: {results[0].reason.rstrip('.')}" for name, results in failing.items()]
        return f"Next: change what failed ({'; '.join(first)}), then 'eeg2speech-bench check {' '.join(failing)}'."
    named, them = " ".join(f"--encoder {name}" for name in names), "it" if len(names) == 1 else "them"
    return f"Next: 'eeg2speech-bench run {named}' trains and scores {them}."
