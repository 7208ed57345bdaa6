"""Finds plugins: entry points of installed distributions, and single files that the user names."""

from __future__ import annotations

import hashlib
import importlib.util
import keyword
import os
import re
import shlex
import sys
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import partial
from importlib import metadata
from pathlib import Path
from types import ModuleType

from eeg2speech_bench.core.errors import UsageError
from eeg2speech_bench.core.hookspecs import PROJECT
from eeg2speech_bench.core.registry.failures import plain

#: the distribution of the suite itself; it is always loaded, and first, so that who reuses a name is the one refused
OURS = "eeg2speech-bench"
#: environment variables: comma lists of what to leave out, and of the only plugins to load (empty: none but ours)
DISABLE = "EEG2SPEECH_BENCH_DISABLE"
ALLOW = "EEG2SPEECH_BENCH_PLUGINS"


@dataclass(frozen=True)
class Provenance:
    """Names where a declaration comes from.

    Attributes
    ----------
    entry_point : str
        Name of the entry point; of a single file, its stem.
    distribution, version : str
        Of a single file: its name and the start of its SHA-256.
    file : str
        Path of a single file; empty for what is installed.
    """

    entry_point: str
    distribution: str
    version: str
    file: str = ""

    @property
    def is_ours(self) -> bool:
        """Tell whether it ships with the suite."""
        return self.distribution == OURS

    @property
    def remedy(self) -> str:
        """Return what to type to be rid of the plugin."""
        if self.file:
            return f"Correct {self.file}, or leave out --plugin."
        name = shlex.quote(self.entry_point)
        removed = f"remove it: pip uninstall {shlex.quote(self.distribution)}"
        return f"Leave it out with --disable {name} (always: {DISABLE}={name}), or {removed}."


@dataclass(frozen=True)
class Source:
    """Names a plugin that was found: its origin, the module it starts in, and how to import it."""

    provenance: Provenance
    module: str
    load: Callable[[], object]


@dataclass(frozen=True)
class PluginChoice:
    """Chooses the plugins that are loaded beside the suite's own.

    Holds plain values, so that it can be sent to another process.

    Attributes
    ----------
    files : tuple of Path
        Single files to load as plugins; naming one is asking for it, whatever is allowed.
    disabled, disabled_by_environment : tuple of str
        Entry points, distributions or encoders to leave out.
    allowed : tuple of str, optional
        The only entry points or distributions to load; None for all.
    """

    files: tuple[Path, ...] = ()
    disabled: tuple[str, ...] = ()
    disabled_by_environment: tuple[str, ...] = ()
    allowed: tuple[str, ...] | None = None

    @classmethod
    def from_environment(cls, files: Iterable[Path] = (), disabled: Iterable[str] = ()) -> PluginChoice:
        """Join what was typed with the environment variables `DISABLE` and `ALLOW`."""
        allowed = os.environ.get(ALLOW)
        return cls(
            tuple(files),
            tuple(disabled),
            _comma_list(os.environ.get(DISABLE, "")),
            None if allowed is None else _comma_list(allowed),
        )

    def leaves_out(self, origin: Provenance) -> str:
        """Return by what a plugin is left out; empty if it is loaded."""
        names = {canonical(origin.entry_point), canonical(origin.distribution)}
        by = self._disabled_by(names)
        if not by and self.allowed is not None and not origin.file and names.isdisjoint(map(canonical, self.allowed)):
            return f"it is not in {ALLOW}"
        return by

    def leaves_out_encoder(self, name: str) -> str:
        """Return by what an encoder is left out; empty if it is kept."""
        return self._disabled_by({canonical(name)})

    def _disabled_by(self, names: set[str]) -> str:
        if not names.isdisjoint(map(canonical, self.disabled)):
            return "--disable"
        return "" if names.isdisjoint(map(canonical, self.disabled_by_environment)) else DISABLE


def canonical(name: str) -> str:
    """Return the one spelling by which names are compared (as for distributions, PEP 503)."""
    return re.sub(r"[-_.]+", "-", name).lower()


def own_sources() -> list[Source]:
    """Return the suite's own plugins, by looking at its own distribution alone."""
    found = metadata.distribution(OURS)
    entries = sorted(found.entry_points.select(group=PROJECT), key=lambda entry: entry.name)
    return [_installed(entry, OURS, found.version) for entry in entries]


def installed_sources() -> list[Source]:
    """Return the plugins of all other distributions, by name.

    Metadata that cannot be read costs its owner alone.
    """
    sources: list[Source] = []
    seen = {canonical(OURS)}
    for distribution in metadata.distributions():
        # importlib.metadata.entry_points() parses everybody's file, and one bad line in any of them ends it
        if f"[{PROJECT}]" not in _entry_points_text(distribution):
            continue
        name, version = _identity(distribution)
        if canonical(name) not in seen:
            seen.add(canonical(name))
            sources += _entries(distribution, name, version)
    return sorted(sources, key=lambda s: (s.provenance.entry_point, s.provenance.distribution))


def _entry_points_text(distribution: metadata.Distribution) -> str:
    try:
        return distribution.read_text("entry_points.txt") or ""
    except (OSError, ValueError):
        return ""


def _identity(distribution: metadata.Distribution) -> tuple[str, str]:
    try:
        return plain(distribution.metadata["Name"] or "unknown"), plain(distribution.metadata["Version"] or "unknown")
    except Exception:  # no METADATA, or one that is not what it should be
        return "unknown", "unknown"


def _entries(distribution: metadata.Distribution, name: str, version: str) -> Iterator[Source]:
    try:
        yield from [_installed(entry, name, version) for entry in distribution.entry_points.select(group=PROJECT)]
    except Exception as error:
        yield Source(Provenance(name, name, version), "", partial(_fail, error))


def _fail(error: Exception) -> None:
    raise error


def _installed(entry: metadata.EntryPoint, name: str, version: str) -> Source:
    return Source(Provenance(plain(entry.name), name, version), entry.value.partition(":")[0].strip(), entry.load)


def file_sources(files: Iterable[Path]) -> list[Source]:
    """Return single files as plugins.

    Raises
    ------
    UsageError
        If a file is not there, or cannot be imported under its own name without hiding another module.
    """
    sources: dict[str, Source] = {}
    for path in dict.fromkeys(Path(file).expanduser().resolve() for file in files):
        _refuse_unusable_name(path, taken=sources)
        digest = hashlib.sha256(_read(path)).hexdigest()[:12]
        origin = Provenance(path.stem, path.name, digest, str(path))
        sources[path.stem] = Source(origin, path.stem, partial(_load_file, path))
    return list(sources.values())


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        then = "Give --plugin a Python file that can be read."
        raise UsageError(f"Plugin file {path} cannot be read", got=error.strerror, then=then) from None


def _refuse_unusable_name(path: Path, taken: Iterable[str]) -> None:
    if path.suffix != ".py" or not path.stem.isidentifier() or keyword.iskeyword(path.stem):
        expected = "a name that Python can import, such as my_encoder.py"
        raise UsageError("Option --plugin was not understood", got=path.name, expected=expected)
    hidden = f"another --plugin {path.name}" if path.stem in taken else _hidden_by(path)
    if hidden:
        then = "Give the file a name of its own."
        raise UsageError(f"Plugin file {path} would hide a module of the same name", got=hidden, then=then)


def _hidden_by(path: Path) -> str:
    """Return the module that is imported under a file's stem so far; empty if there is none, or it is this file."""
    try:
        found = importlib.util.find_spec(path.stem)
    except ValueError:  # a module that was made and not imported, such as __main__
        return path.stem
    if found is None or (found.origin and Path(found.origin).resolve() == path):
        return ""
    return str(found.origin or f"package {found.name}")


def _load_file(path: Path) -> ModuleType:
    """Import a file under its stem, where `Spec.load` and the hash of its source find it."""
    spec = importlib.util.spec_from_file_location(path.stem, path)
    assert spec and spec.loader, "a path that ends in .py has a loader"
    module = importlib.util.module_from_spec(spec)
    sys.modules[path.stem] = module
    try:
        spec.loader.exec_module(module)
    except BaseException:
        sys.modules.pop(path.stem, None)
        raise
    return module


def _comma_list(text: str) -> tuple[str, ...]:
    return tuple(part.strip() for part in text.split(",") if part.strip())
