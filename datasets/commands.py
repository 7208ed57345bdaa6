"""Runs the verb ``datasets``, which lists data sets, checks or fetches one, or writes a simulated one."""

from __future__ import annotations

import argparse
from pathlib import Path

from eeg2speech_bench.core.cli import default_cache
from eeg2speech_bench.core.errors import UsageError
from eeg2speech_bench.core.registry.registry import Registry
from eeg2speech_bench.core.terminal.progress import make_console, say

ACTIONS = ("list", "check", "fetch", "status", "simulate")


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the actions of ``datasets`` and their options."""
    parser.add_argument("action", nargs="?", choices=list(ACTIONS), default="list")
    _add_check_options(parser)
    _add_fetch_options(parser)
    simulate = parser.add_argument_group("options of simulate")
    simulate.add_argument("--null", action="store_true", help="EEG and speech are independent")
    simulate.add_argument("--listeners", type=int, metavar="N", help="default: 8; fetch: the first N, by default all")
    simulate.add_argument("--channels", type=int, choices=[16, 32, 64], help="BioSemi montage (default: 32)")
    simulate.add_argument("--snr-db", type=float, metavar="DB", help="response over background (default: calibrated)")
    simulate.add_argument("--seed", type=int, metavar="N", help="default: 0")
    simulate.add_argument(
        "--session", type=int, metavar="N", help="other recordings of the same listeners (default: 0)"
    )
    parser.add_argument(
        "--out", type=Path, metavar="DIR", help="folder to write (fetch, simulate: default in the cache)"
    )
    parser.add_argument("--cache", type=Path, default=default_cache(), metavar="DIR", help="default: %(default)s")


def _add_check_options(parser: argparse.ArgumentParser) -> None:
    """Add the options of ``datasets check``."""
    options = parser.add_argument_group("options of check")
    options.add_argument(
        "dataset", nargs="?", metavar="NAME|FOLDER", help="data set or BIDS folder, as for run; what to fetch"
    )
    options.add_argument("--preset", help="whose settings of data are used (default: quick; of audioeeg: eeg2speech)")
    options.add_argument("--set", action="append", default=[], metavar="data.B=V", help="set one configuration key")
    options.add_argument("--picks", choices=("eeg", "mag", "grad", "meg"), help="type of the channels (default: eeg)")
    options.add_argument("--json", action="store_true", help="print what check.json holds instead of tables")


def _add_fetch_options(parser: argparse.ArgumentParser) -> None:
    """Add the options of ``datasets fetch``."""
    options = parser.add_argument_group("options of fetch")
    options.add_argument("--revision", metavar="COMMIT", help="commit, branch or version (default: the latest)")


def datasets(arguments: argparse.Namespace, registry: Registry) -> int:
    """List the data sets, check or fetch one, or simulate one and say how to run on it."""
    if arguments.action == "check":
        from eeg2speech_bench.datasets.check_command import check

        return check(arguments, registry)
    if arguments.action in ("fetch", "status"):
        from eeg2speech_bench.datasets.fetch_command import fetch_named, show_status

        return fetch_named(arguments) if arguments.action == "fetch" else show_status(arguments)
    if arguments.dataset:
        then = f"Type eeg2speech-bench datasets check {arguments.dataset} to check it."
        raise UsageError(f"datasets {arguments.action} takes no data set", got=repr(arguments.dataset), then=then)
    return _simulate(arguments) if arguments.action == "simulate" else _list(registry)


def _list(registry: Registry) -> int:
    from rich.table import Table
    from rich.text import Text

    console = make_console()
    table = Table("type", "what it is", "licence", box=None, pad_edge=False)
    for spec in registry.all("dataset"):
        typed = f"{spec.name}:{spec.argument}" if spec.argument[:1] not in ("", "[") else f"{spec.name}{spec.argument}"
        table.add_row(Text(typed.replace("[", "[:")), spec.summary, spec.licence)
    console.print(table)
    say(console, "Use one: eeg2speech-bench run --encoder NAME --dataset TYPE")
    return 0


def _simulate(arguments: argparse.Namespace) -> int:
    from eeg2speech_bench.datasets.simulation.dataset import open_simulated_root, simulate
    from eeg2speech_bench.datasets.simulation.settings import SimulationSettings

    console = make_console()
    named = {
        "n_listeners": arguments.listeners,
        "n_chans": arguments.channels,
        "snr_db": arguments.snr_db,
        "seed": arguments.seed,
        "session": arguments.session,
    }
    settings = SimulationSettings(null=arguments.null, **{k: v for k, v in named.items() if v is not None})

    def report(line: str) -> None:
        say(console, line)

    if arguments.out:
        root = simulate(arguments.out, settings, report)
    else:
        root = open_simulated_root(arguments.cache / "simulated", settings, report)
    say(console, f"BIDS data set: {root}")
    say(console, f"Next: eeg2speech-bench run --encoder brainmagick --dataset {root}")
    return 0
