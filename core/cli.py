"""Runs the command line: finds the verbs of all plugins, and turns errors into messages and exit codes."""

from __future__ import annotations

import argparse
import errno
import os
import sys
from importlib import metadata
from pathlib import Path

from platformdirs import user_cache_path

from eeg2speech_bench.core.errors import BenchError
from eeg2speech_bench.core.registry.discovery import OURS, PluginChoice
from eeg2speech_bench.core.registry.failures import plain
from eeg2speech_bench.core.registry.registry import Registry, load_others, load_own
from eeg2speech_bench.core.terminal.harmless_text import harmless

DESCRIPTION = "Benchmark EEG encoders as conditions of a speech generator, every score beside its controls."
PROGRAM = "eeg2speech-bench"


def default_cache() -> Path:
    """Return the folder of stages and simulated data.

    The environment variable EEG2SPEECH_BENCH_CACHE names it; else it is the user's cache folder.
    """
    named = os.environ.get("EEG2SPEECH_BENCH_CACHE")
    return Path(named) if named else user_cache_path(PROGRAM, appauthor=False)


def plugin_options() -> argparse.ArgumentParser:
    """Return the options that choose plugins.

    They are read before any verb is known, so they may stand anywhere.
    """
    parser = argparse.ArgumentParser(prog=PROGRAM, add_help=False, allow_abbrev=False)
    group = parser.add_argument_group("plugins (before or after the command; may be repeated)")
    group.add_argument(
        "--plugin",
        action="append",
        default=[],
        type=Path,
        metavar="FILE.py",
        help="load a file as a plugin, uninstalled",
    )
    group.add_argument(
        "--disable",
        action="append",
        default=[],
        metavar="NAME",
        help="leave out a plugin, its distribution or an encoder",
    )
    return parser


def build_parser(registry: Registry, verb: str | None) -> argparse.ArgumentParser:
    """Return the parser with one sub-command per registered verb.

    Parameters
    ----------
    registry : Registry
    verb : str, optional
        The one whose options are needed; the others are listed only, and none of their modules is imported.
    """
    parser = argparse.ArgumentParser(
        prog=PROGRAM,
        description=DESCRIPTION,
        parents=[plugin_options()],
        allow_abbrev=False,
        epilog=f"'{PROGRAM} encoders' lists encoders, commands of other plugins, and plugins that are broken.",
    )
    parser.add_argument("--version", action="version", version=metadata.version(OURS))
    verbs = parser.add_subparsers(dest="verb", metavar="COMMAND", required=True)
    epilog = f"--plugin FILE.py and --disable NAME work here too; see '{PROGRAM} --help'."
    for spec in registry.all("command"):
        summary = plain(spec.summary).replace("%", "%%")  # argparse would fill it in
        one = verbs.add_parser(spec.name, help=summary, description=summary, epilog=epilog)
        if spec.name == verb:
            spec.load_configure()(one)
            one.set_defaults(command=spec)
    return parser


def main(arguments: list[str] | None = None) -> int:
    """Run one command and return its exit code: 0 good, 1 failed, 2 usage, 130 interrupted."""
    try:
        chosen, rest = plugin_options().parse_known_args(sys.argv[1:] if arguments is None else arguments)
        registry = load_own(PluginChoice.from_environment(chosen.plugin, chosen.disable))
        return _run(registry, rest)
    except BenchError as error:
        print(harmless(f"error: {error}"), file=sys.stderr)
        return error.exit_code
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        return 130
    except BrokenPipeError:  # the reader of our output (head, less) went away; nothing is wrong
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except OSError as error:
        if error.errno not in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
            raise
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # what is left to be flushed has no room either
        print(f"error: The disk is full ({error.strerror}). Free some space and type it again.", file=sys.stderr)
        return 1


def _run(registry: Registry, arguments: list[str]) -> int:
    verb = arguments[0] if arguments and not arguments[0].startswith("-") else None
    if verb is not None and verb not in [spec.name for spec in registry.all("command")]:
        load_others(registry)
        registry.get("command", verb)  # a suggestion is what somebody who mistyped needs; argparse lists all choices
    parsed = build_parser(registry, verb).parse_args(arguments)  # --help ends here, before others' plugins are loaded
    if parsed.command.loads_plugins:
        load_others(registry)
    return int(parsed.command.load()(parsed, registry) or 0)


def run_verb(registry: Registry, arguments: list[str]) -> int:
    """Run another verb from within one, by what a user would type.

    Rooms meet here and not by import.
    """
    parsed = build_parser(registry, arguments[0]).parse_args(arguments)
    return int(parsed.command.load()(parsed, registry) or 0)
