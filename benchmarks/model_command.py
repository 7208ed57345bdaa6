"""Shares what cells trained through the Hugging Face hub (the verb ``model``)."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from eeg2speech_bench.benchmarks.commands import absolute
from eeg2speech_bench.core.registry.registry import Registry
from eeg2speech_bench.core.terminal.progress import make_console, say

if TYPE_CHECKING:
    from rich.console import Console

    from eeg2speech_bench.benchmarks.trained.model_folder import ModelDescription


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the actions of ``model`` with their options."""
    actions = parser.add_subparsers(dest="action", metavar="ACTION", required=True)
    summary = "send a model with its record and a card to a model repository, which is made if it is not there"
    push = actions.add_parser("push", help=summary, description=summary)
    push.add_argument("record", type=Path, metavar="RECORD", help="results/records/<cell>.json, or a model's folder")
    push.add_argument("repository", metavar="OWNER/NAME", help="a model repository of the Hugging Face hub")
    push.add_argument(
        "--licence", default="unknown", metavar="ID", help="of the weights, as the hub spells it (cc-by-nc-4.0)"
    )
    push.add_argument("--private", action="store_true", help="make a repository that others do not see")
    push.add_argument("--dry-run", action="store_true", help="show the card and what would be sent, send nothing")
    push.set_defaults(act=_push)
    summary = "fetch a model into a folder that generate, listen and load_cell read"
    pull = actions.add_parser("pull", help=summary, description=summary)
    pull.add_argument("repository", metavar="OWNER/NAME[@REVISION]", help="a model repository of the Hugging Face hub")
    pull.add_argument("--out", type=absolute, required=True, metavar="FOLDER", help="new folder for the model")
    pull.add_argument("--anyway", action="store_true", help="fetch it although the source of a plugin changed")
    pull.set_defaults(act=_pull)


def run(arguments: argparse.Namespace, registry: Registry) -> int:
    """Send or fetch a model; return 0.

    Raises
    ------
    UsageError
        If a name was not understood, or the folder is there already.
    BenchError
        If the model cannot be used, or the hub refuses.
    """
    arguments.act(arguments, registry, make_console())
    return 0


def _push(arguments: argparse.Namespace, registry: Registry, console: Console) -> None:
    from eeg2speech_bench.benchmarks.trained.hub_models import model_upload, push_model
    from eeg2speech_bench.benchmarks.trained.model_folder import CARD, read_description
    from eeg2speech_bench.benchmarks.trained.model_places import find_model

    folder = find_model(arguments.record, Path("results"))
    upload = model_upload(folder, arguments.repository, registry, arguments.licence)
    _say_model(read_description(folder), console)
    sizes = {name: len(c) if isinstance(c, bytes) else c.stat().st_size for name, c in upload.items()}
    for name, size in sizes.items():
        say(console, f"{'would send' if arguments.dry_run else 'sending'}: {name} ({size / 1e6:.2f} MB)")
    if arguments.licence == "unknown":
        say(console, "The card says that nobody stated a licence of the weights; --licence ID states one.")
    if arguments.dry_run:
        say(console, bytes(upload[CARD]).decode())
        return
    say(console, f"Sent: {push_model(upload, arguments.repository, private=arguments.private)}")


def _pull(arguments: argparse.Namespace, registry: Registry, console: Console) -> None:
    from eeg2speech_bench.benchmarks.trained.hub_models import fetch_model
    from eeg2speech_bench.benchmarks.trained.model_places import copy_model, refuse_place
    from eeg2speech_bench.core.stages.disk_trouble import explained

    refuse_place(arguments.out)
    with explained(arguments.out):
        description = copy_model(fetch_model(arguments.repository, registry, anyway=arguments.anyway), arguments.out)
    _say_model(description, console)
    verb = "generate" if description.generates else "listen"
    say(console, f"Model: {arguments.out}; next: 'eeg2speech-bench {verb} {arguments.out} recording.vhdr ...'")


def _say_model(description: ModelDescription, console: Console) -> None:
    """Say what a model is, what its own test found, and what it needs that it does not carry."""
    from eeg2speech_bench.benchmarks.trained.model_card import weights_elsewhere

    about = description.cell
    say(console, f"{about.title}, trained on {about.dataset} (preset {about.preset}, seed {about.seed})")
    for line in description.verdict_lines() or ["no verdict: the cell has no headline metric"]:
        say(console, f"Verdict on its test set, {line}")
    for setting, name in weights_elsewhere(description):
        say(console, f"It was built on weights of others, whose licence holds too: {setting} = {name}")
