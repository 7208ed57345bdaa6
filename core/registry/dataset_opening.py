"""Finds and opens the data set that a user names."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from eeg2speech_bench.core.errors import BenchError, ContractError, DataError, naming_plugin
from eeg2speech_bench.core.registry.failures import plain, reason_of
from eeg2speech_bench.core.registry.registry import Registry
from eeg2speech_bench.core.segments.recordings import SpeechDataset
from eeg2speech_bench.core.specs import DatasetSpec
from eeg2speech_bench.core.stages.disk_trouble import explained
from eeg2speech_bench.core.terminal.progress import OutputClosed

#: what a data set must have
_ASKED = ("name", "about", "is_null", "revision", "sound_kind", "split_fractions", "stimuli", "recordings")


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
    if lacking := [name for name in _ASKED if not _has(opened, name)]:
        got = f"{type(opened).__name__} without {', '.join(lacking)}"
        then = "See SpeechDataset in core/segments/recordings.py."
        raise ContractError(f"Data set '{spec.name}' opened as something else", got=got, then=then)
    return opened


def _has(opened: object, name: str) -> bool:
    """Whether an object has an attribute; a property is not asked, since it may read files."""
    return hasattr(type(opened), name) or name in getattr(opened, "__dict__", {})


def revision_of(dataset: SpeechDataset) -> str:
    """Return the revision of a data set, which may take the reading of all files.

    Raises
    ------
    ContractError
        If a plugin raises meanwhile, or gives no text.
    """
    with naming_plugin(f"Data set '{plain(dataset.name)}'"):
        revision = dataset.revision
    if not isinstance(revision, str) or not revision.isprintable():
        got = plain(repr(revision))
        raise ContractError(f"Data set '{plain(dataset.name)}' has no revision", got=got, expected="a printable text")
    return revision
