"""The registry: what plugins declared, where each declaration comes from, and which plugins are broken."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from importlib import metadata
from types import ModuleType
from typing import Any

import pluggy

from eeg2speech_bench.core import hookspecs
from eeg2speech_bench.core.errors import UnknownNameError
from eeg2speech_bench.core.specs import Spec


@dataclass(frozen=True)
class Provenance:
    """Where a declaration comes from: entry point, distribution and its version."""

    entry_point: str
    distribution: str
    version: str


@dataclass(frozen=True)
class BrokenPlugin:
    """A plugin that could not be used, at which step, and why."""

    entry_point: str
    distribution: str
    step: str
    reason: str


@dataclass
class Registry:
    """Declarations by kind and name.

    Attributes
    ----------
    broken : list of BrokenPlugin
        Plugins that failed to import, raised in a hook or reused a name; all others work.
    """

    _specs: dict[str, dict[str, Spec]] = field(default_factory=dict)
    _provenance: dict[tuple[str, str], Provenance] = field(default_factory=dict)
    broken: list[BrokenPlugin] = field(default_factory=list)

    def add(self, spec: Spec, provenance: Provenance) -> None:
        """Take in a declaration; a name that is taken is refused and reported in `broken`."""
        of_kind = self._specs.setdefault(spec.kind, {})
        if spec.name in of_kind:
            owner = self._provenance[spec.kind, spec.name]
            reason = f"{spec.kind} '{spec.name}' is already registered by {owner.distribution} ({owner.entry_point})"
            self._report(provenance, "register", reason)
            return
        of_kind[spec.name] = spec
        self._provenance[spec.kind, spec.name] = provenance

    def _report(self, provenance: Provenance, step: str, reason: str) -> None:
        self.broken.append(BrokenPlugin(provenance.entry_point, provenance.distribution, step, reason))

    def get(self, kind: str, name: str) -> Any:
        """Return the declaration of that kind and name.

        Raises
        ------
        UnknownNameError
            With the nearest known names and the command that lists them.
        """
        known = self._specs.get(kind, {})
        if name not in known:
            then = f"Run 'eeg2speech-bench {kind}s' for the list." if kind in ("encoder", "dataset") else ""
            raise UnknownNameError(kind, name, known, then)
        return known[name]

    def all(self, kind: str) -> list[Any]:
        """Return all declarations of a kind in the order of registration."""
        return list(self._specs.get(kind, {}).values())

    def provenance(self, kind: str, name: str) -> Provenance:
        """Return where a declaration comes from."""
        return self._provenance[kind, name]


def load_registry() -> Registry:
    """Load every installed plugin of the entry-point group, one by one, so that none can take another down."""
    registry = Registry()
    for entry_point in sorted(metadata.entry_points(group=hookspecs.PROJECT), key=lambda e: (not _ours(e), e.name)):
        distribution = entry_point.dist
        provenance = Provenance(
            entry_point.name,
            distribution.name if distribution else "unknown",
            distribution.version if distribution else "",
        )
        try:
            module = entry_point.load()
        except Exception as error:  # a plugin may fail in any way it likes; it costs itself alone
            registry._report(provenance, "import", f"{type(error).__name__}: {error}")
            continue
        register_module(registry, module, provenance)
    return registry


def register_module(registry: Registry, module: ModuleType, provenance: Provenance) -> None:
    """Call the hooks of one plugin module and take in what they declare."""
    plugins = pluggy.PluginManager(hookspecs.PROJECT)
    plugins.add_hookspecs(hookspecs)
    try:
        plugins.register(module)
    except Exception as error:  # pluggy raises for impossible signatures
        registry._report(provenance, "register", f"{type(error).__name__}: {error}")
        return
    for hook in _hooks(plugins):
        try:
            declared = [spec for specs in hook() for spec in specs]
        except Exception as error:
            registry._report(provenance, hook.name, f"{type(error).__name__}: {error}")
            continue
        for spec in declared:
            registry.add(spec, provenance)


def _hooks(plugins: pluggy.PluginManager) -> Iterator[pluggy.HookCaller]:
    for name in sorted(vars(hookspecs)):
        if name.startswith("register_"):
            yield getattr(plugins.hook, name)


def _ours(entry_point: metadata.EntryPoint) -> bool:
    # What ships comes first, so that an outsider who reuses a name is the one refused.
    return entry_point.dist is not None and entry_point.dist.name == "eeg2speech-bench"
