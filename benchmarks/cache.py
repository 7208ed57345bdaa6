"""Shows the stages that the cache keeps and their size, and removes old ones (the verb ``cache``)."""

from __future__ import annotations

import argparse
import re
import time
from pathlib import Path
from typing import TYPE_CHECKING

from rich.table import Table
from rich.text import Text

from eeg2speech_bench.core.cli import default_cache
from eeg2speech_bench.core.errors import UsageError
from eeg2speech_bench.core.registry.registry import Registry
from eeg2speech_bench.core.terminal.progress import make_console, say

if TYPE_CHECKING:
    from rich.console import Console

    from eeg2speech_bench.core.stages.stage_store import StageStore
    from eeg2speech_bench.core.stages.usage import KeptStage

DAY_S = 24 * 3600.0
_UNITS = {"": 1, "K": 10**3, "M": 10**6, "G": 10**9, "T": 10**12}


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the options of ``cache``."""
    parser.add_argument("action", nargs="?", choices=("show", "prune"), default="show", help="default: show")
    parser.add_argument(
        "--cache", type=Path, default=default_cache(), metavar="DIR", help="folder of the stages (default: %(default)s)"
    )
    parser.add_argument("--older-than", type=days, metavar="DAYS", help="prune: what was not used for so long")
    parser.add_argument("--keep", type=size, metavar="SIZE", help="prune: oldest first until the rest fits, e.g. 20G")
    parser.add_argument("--dry-run", action="store_true", help="prune: say what would be removed, remove nothing")


def days(text: str) -> float:
    """Read a number of days; what lies in the future would be everything."""
    number = float(text)
    if not number >= 0:
        raise argparse.ArgumentTypeError(f"got '{text}', expected a number of days from 0 on")
    return number


def size(text: str) -> int:
    """Read a number of bytes such as ``500M`` or ``20G``."""
    match = re.fullmatch(r"(\d+(?:\.\d+)?)\s*([KMGT]?)B?", text.strip().upper())
    if match is None:
        raise argparse.ArgumentTypeError(f"got '{text}', expected a size such as 500M or 20G")
    return round(float(match[1]) * _UNITS[match[2]])


def run(arguments: argparse.Namespace, registry: Registry) -> int:
    """Show or prune the cache; return 0.

    Raises
    ------
    UsageError
        If pruning is asked for without a limit.
    """
    from eeg2speech_bench.core.stages.stage_store import StageStore
    from eeg2speech_bench.core.stages.usage import kept_stages

    console = make_console()
    root = arguments.cache / "stages"
    if not root.is_dir():
        say(console, f"No stages are kept in {root}.")
        return 0
    store = StageStore(root)
    kept = kept_stages(store)
    if arguments.action == "prune":
        _prune(arguments, store, kept, console)
        return 0
    console.print(_table(kept))
    say(console, f"{len(kept)} stages in {root}: {_text(sum(stage.n_bytes for stage in kept))}.")
    say(console, "Next: 'eeg2speech-bench cache prune --older-than 30' or '--keep 20G' removes what is not in use.")
    return 0


def _table(kept: list[KeptStage]) -> Table:
    groups: dict[tuple[str, str], list[KeptStage]] = {}
    for stage in kept:
        groups.setdefault((stage.dataset, stage.name), []).append(stage)
    table = Table(box=None, pad_edge=False)
    for column in ("data set", "stage", "kept", "size", "last used"):
        table.add_column(column, justify="right" if column in ("kept", "size") else "left")
    for (dataset, name), stages in sorted(groups.items()):
        last = max(stage.used for stage in stages)
        n_bytes = sum(stage.n_bytes for stage in stages)
        table.add_row(Text(dataset), Text(name), str(len(stages)), _text(n_bytes), _age(last))
    return table


def _prune(arguments: argparse.Namespace, store: StageStore, kept: list[KeptStage], console: Console) -> None:
    from eeg2speech_bench.core.stages.usage import choose_for_removal, in_use, remove_unused

    if arguments.older_than is None and arguments.keep is None:
        raise UsageError(
            "'cache prune' was not told what to remove", then="Add --older-than DAYS, --keep SIZE or both."
        )
    older_than_s = None if arguments.older_than is None else arguments.older_than * DAY_S
    chosen = choose_for_removal(kept, in_use(store), older_than_s=older_than_s, keep_bytes=arguments.keep)
    removed = chosen if arguments.dry_run else remove_unused(store, chosen)
    what = "Would remove" if arguments.dry_run else "Removed"
    for stage in removed:
        of = f" of {stage.encoder}" if stage.encoder else ""
        say(
            console, f"{what} {stage.name}{of} on {stage.dataset}: {_text(stage.n_bytes)}, last used {_age(stage.used)}"
        )
    left = sum(stage.n_bytes for stage in kept) - sum(stage.n_bytes for stage in removed)
    say(console, f"{what} {len(removed)} of {len(kept)} stages; the rest takes {_text(left)}.")


def _text(n_bytes: int) -> str:
    return f"{n_bytes / 1e9:.2f} GB" if n_bytes >= 1e9 else f"{n_bytes / 1e6:.1f} MB"


def _age(used: float) -> str:
    days = (time.time() - used) / DAY_S
    return f"{days:.0f} days ago" if days >= 2 else f"{days * 24:.0f} hours ago"
