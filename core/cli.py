"""The command line: finds the verbs that plugins registered, and turns errors into messages and exit codes."""

from __future__ import annotations

import argparse
import os
import sys
from importlib import metadata
from pathlib import Path

from eeg2speech_bench.core.errors import BenchError, UnknownNameError
from eeg2speech_bench.core.registry import Registry, load_registry

DESCRIPTION = "Benchmark EEG encoders as conditions of a speech generator, every score beside its controls."


def default_cache() -> Path:
    """Return where stages and simulated data are kept: $EEG2SPEECH_BENCH_CACHE, else the user's cache folder."""
    own = os.environ.get("EEG2SPEECH_BENCH_CACHE")
    if own:
        return Path(own)
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "eeg2speech-bench"


def build_parser(registry: Registry) -> argparse.ArgumentParser:
    """Return the parser with one sub-command per registered verb."""
    parser = argparse.ArgumentParser(prog="eeg2speech-bench", description=DESCRIPTION)
    parser.add_argument("--version", action="version", version=metadata.version("eeg2speech-bench"))
    verbs = parser.add_subparsers(dest="verb", metavar="COMMAND", required=True)
    for spec in registry.all("command"):
        verb = verbs.add_parser(spec.name, help=spec.summary, description=spec.summary)
        spec.load_configure()(verb)
        verb.set_defaults(command=spec)
    return parser


def main(arguments: list[str] | None = None) -> int:
    """Run one command and return its exit code: 0 good, 1 failed, 2 usage, 130 interrupted."""
    try:
        registry = load_registry()
        arguments = sys.argv[1:] if arguments is None else arguments
        _refuse_unknown_verb(arguments, registry)
        return run_verb(registry, arguments)
    except BenchError as error:
        print(f"error: {error}", file=sys.stderr)
        return error.exit_code
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        return 130
    except BrokenPipeError:  # the reader of our output (head, less) went away; nothing is wrong
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0


def run_verb(registry: Registry, arguments: list[str]) -> int:
    """Run another verb from within one, by what a user would type; rooms meet here and not by import."""
    parsed = build_parser(registry).parse_args(arguments)
    return int(parsed.command.load()(parsed, registry) or 0)


def _refuse_unknown_verb(arguments: list[str], registry: Registry) -> None:
    # argparse lists all choices; a suggestion is what somebody who mistyped needs
    verbs = [spec.name for spec in registry.all("command")]
    if arguments and not arguments[0].startswith("-") and arguments[0] not in verbs:
        raise UnknownNameError("command", arguments[0], verbs, "Run 'eeg2speech-bench --help'.")
