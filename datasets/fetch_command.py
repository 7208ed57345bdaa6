"""Runs ``datasets fetch`` and ``datasets status``: downloads what is public, and says what of it is here."""

from __future__ import annotations

import argparse
from pathlib import Path

from rich.console import Console
from rich.table import Table
from rich.text import Text

from eeg2speech_bench.core.errors import InterruptedRun, StorageError, UsageError
from eeg2speech_bench.core.stages.disk_trouble import explained
from eeg2speech_bench.core.stages.file_hashes import FileHashes
from eeg2speech_bench.core.terminal.interruption import stoppable
from eeg2speech_bench.core.terminal.progress import StageProgress, make_console, say
from eeg2speech_bench.datasets.fetching.fetch import Wanted, default_folder, fetch, working_folder
from eeg2speech_bench.datasets.fetching.manifest import Manifest
from eeg2speech_bench.datasets.fetching.sources import SOURCES, Source, find_source

#: missing files that are listed by name
N_LISTED = 10


def fetch_named(arguments: argparse.Namespace) -> int:
    """Fetch what is named, and say where it lies and what to type next."""
    if not arguments.dataset:
        names = ", ".join(source.name for source in SOURCES)
        raise UsageError("Nothing to fetch is named", expected=names, then="Type eeg2speech-bench datasets fetch NAME.")
    source, console = find_source(arguments.dataset), make_console()
    folder = _folder(source, arguments)
    say(console, f"{source.summary}; licence: {source.licence}")
    try:
        with stoppable(), explained(folder), StageProgress(console).stage(f"fetching {source.name}") as progress:
            manifest = fetch(
                source,
                folder,
                FileHashes(arguments.cache),
                progress,
                lambda line: say(console, line),
                Wanted(arguments.revision or "", arguments.listeners),
            )
    except KeyboardInterrupt:
        then = "Type the same command again: what has arrived is kept."
        raise InterruptedRun(f"Fetching {source.name} was stopped", then=then) from None
    said = f"{len(manifest.files)} files, {_size(manifest.size)}, revision {manifest.revision[:12]}, verified"
    say(console, f"{folder}: {said}")
    say(console, f"Next: {source.next_step.format(folder=folder)}")
    return 0


def show_status(arguments: argparse.Namespace) -> int:
    """Say what is here of what can be fetched, or of one of them; return 1 if the one is not whole."""
    console = make_console()
    if not arguments.dataset:
        console.print(_table(arguments))
        say(console, "Fetch one: eeg2speech-bench datasets fetch NAME")
        return 0
    return _show_one(find_source(arguments.dataset), arguments, console)


def _show_one(source: Source, arguments: argparse.Namespace, console: Console) -> int:
    folder = _folder(source, arguments)
    manifest = Manifest.read(folder)
    say(console, f"{source.name}: {source.summary}")
    say(console, f"from {source.host} {source.repository}; licence: {source.licence}")
    say(console, f"{folder}: {_state(folder, manifest)}")
    lacking = manifest.lacking(folder) if manifest else []
    for path in lacking[:N_LISTED]:
        say(console, f"  missing, or of another size: {path}")
    if len(lacking) > N_LISTED:
        say(console, f"  and {len(lacking) - N_LISTED} more")
    if manifest and not lacking:
        say(console, f"revision {manifest.revision}; {_size(manifest.size)}; sound: {_hours(manifest)}")
        return 0
    say(console, f"Next: eeg2speech-bench datasets fetch {source.name}")
    return 1


def _table(arguments: argparse.Namespace) -> Table:
    table = Table("name", "hours", "licence", "here", "size", "sound", "folder", box=None, pad_edge=False)
    for source in SOURCES:
        folder = _folder(source, arguments)
        try:
            manifest = Manifest.read(folder)
        except StorageError as error:
            state, size, sound = error.problem, "", ""
        else:
            state = _state(folder, manifest)
            size, sound = (_size(manifest.size), _hours(manifest)) if manifest else ("", "")
        hours = f"{source.hours:g}" if source.hours else ""
        table.add_row(source.name, hours, source.licence, Text(state), size, sound, Text(str(folder)))
    return table


def _state(folder: Path, manifest: Manifest | None) -> str:
    if manifest is None:
        waiting = working_folder(folder) / "downloads"
        n_bytes = sum(path.stat().st_size for path in waiting.iterdir()) if waiting.is_dir() else 0
        return f"no; {_size(n_bytes)} have arrived" if n_bytes else "no"
    lacking = manifest.lacking(folder)
    if lacking:
        return f"{len(manifest.files) - len(lacking)} of {len(manifest.files)} files"
    return f"yes, {manifest.n_listeners} listeners" if manifest.n_listeners else "yes"


def _folder(source: Source, arguments: argparse.Namespace) -> Path:
    return (arguments.out or default_folder(arguments.cache, source.name)).expanduser().absolute()


def _size(n_bytes: int) -> str:
    return f"{n_bytes / 1e9:.2f} GB" if n_bytes >= 1e8 else f"{n_bytes / 1e6:.1f} MB"


def _hours(manifest: Manifest) -> str:
    return f"{manifest.sound_s / 3600:.2f} h" if manifest.sound_s else "none"
