"""Finds and opens the data set that a user names."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from eeg2speech_bench.core.errors import BenchError, DataError
from eeg2speech_bench.core.registry.failures import reason_of
from eeg2speech_bench.core.registry.registry import Registry
from eeg2speech_bench.core.segments.recordings import SpeechDataset
from eeg2speech_bench.core.specs import DatasetSpec
from eeg2speech_bench.core.stages.disk_trouble import explained
from eeg2speech_bench.core.terminal.progress import OutputClosed


def find_dataset(text: str, registry: Registry) -> tuple[DatasetSpec, str | None]:
    """Return the declaration and argument of a data set, given as a name, ``name:argument`` or a BIDS folder."""
    name, _, argument = text.partition(":")
    known = {spec.name for spec in registry.all("dataset")}
    if name not in known and (Path(text).expanduser().exists() or "/" in text):
        return registry.get("dataset", "bids"), text
    return registry.get("dataset", name), argument or None


def open_dataset(spec: DatasetSpec, argument: str | None, cache: Path, report: Callable[[str], None]) -> SpeechDataset:
    """Open a data set; whatever a plugin raises meanwhile becomes a `DataError`."""
    opens = spec.load()
    try:
        with explained(cache):
            opened: SpeechDataset = opens(argument, cache, report)
    except (BenchError, OutputClosed):
        raise
    except (Exception, SystemExit) as error:  # whatever a plugin does; ours say what is wrong
        then = f"Ask the authors of '{spec.target.partition(':')[0]}'."
        raise DataError(f"Data set '{spec.name}' cannot be opened", got=reason_of(error), then=then) from error
    return opened
