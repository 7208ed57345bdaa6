"""Collects what plugins declare, by kind and name, and what became of plugins that failed.

Plugins are loaded one by one, so that none can take another, or the command, down.
"""

from __future__ import annotations

import contextlib
import difflib
import os
import shlex
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import pluggy

from eeg2speech_bench.core import hookspecs
from eeg2speech_bench.core.errors import InterruptedRun, UnknownNameError
from eeg2speech_bench.core.registry.checks import declared_by, flaw_of
from eeg2speech_bench.core.registry.discovery import (
    PluginChoice,
    Provenance,
    Source,
    canonical,
    file_sources,
    installed_sources,
    own_sources,
)
from eeg2speech_bench.core.registry.failures import (
    BrokenPlugin,
    SkippedPlugin,
    SlowPlugin,
    place_of,
    place_of_function,
    plain,
    reason_of,
)
from eeg2speech_bench.core.specs import Spec

#: an import or a hook that takes longer is reported as slow
SLOW_S = 1.0
#: what an attempt returns that raised; None is what a plugin may return
_FAILED = object()


@dataclass
class Registry:
    """Holds all declarations by kind and name.

    Attributes
    ----------
    choice : PluginChoice
        Which plugins are wanted.
    broken : list of BrokenPlugin
        Plugins that failed to import, raised in a hook, reused a name or declared junk; all others work.
    slow : list of SlowPlugin
    skipped : list of SkippedPlugin
    complete : bool
        Whether plugins that do not ship with the suite were loaded too.
    """

    choice: PluginChoice = field(default_factory=PluginChoice)
    _specs: dict[str, dict[str, Spec]] = field(default_factory=dict)
    _provenance: dict[tuple[str, str], Provenance] = field(default_factory=dict)
    broken: list[BrokenPlugin] = field(default_factory=list)
    slow: list[SlowPlugin] = field(default_factory=list)
    skipped: list[SkippedPlugin] = field(default_factory=list)
    complete: bool = False

    def add(self, spec: Spec, provenance: Provenance, step: str = "register", file: str = "") -> None:
        """Take in a declaration; a name that is taken is refused and reported in `broken`."""
        left_out = self.choice.leaves_out_encoder(spec.name) if spec.kind == "encoder" else ""
        if left_out:
            self.skipped.append(SkippedPlugin("encoder", spec.name, provenance.distribution, left_out))
            return
        of_kind = self._specs.setdefault(spec.kind, {})
        if spec.name in of_kind:
            self._refuse_name(spec, provenance, step, file)
            return
        of_kind[spec.name] = spec
        self._provenance[spec.kind, spec.name] = provenance

    def _refuse_name(self, spec: Spec, origin: Provenance, step: str, file: str) -> None:
        owner = self._provenance[spec.kind, spec.name]
        reason = f"{spec.kind} '{spec.name}' is already registered by {owner.distribution} ({owner.entry_point})"
        other = "" if owner.is_ours else f", or leave the other one out: --disable {shlex.quote(owner.entry_point)}"
        self.refuse(origin, step, reason, file, f"Rename it in {origin.distribution}{other}.")

    def refuse(self, origin: Provenance, step: str, reason: str, file: str = "", then: str = "") -> None:
        """Report a plugin, or one declaration of it, as broken."""
        then = f"{then} {origin.remedy}".strip()
        self.broken.append(BrokenPlugin(origin.entry_point, origin.distribution, step, reason, file, then))

    def get(self, kind: str, name: str) -> Any:
        """Return the declaration of that kind and name.

        Raises
        ------
        UnknownNameError
            With the nearest known names, the command that lists them, and the broken plugin that may have meant to
            bring it.
        """
        known = self._specs.get(kind, {})
        if name not in known:
            listing = {"encoder": "encoders", "dataset": "datasets", "command": "--help"}.get(kind)
            then = f"Run 'eeg2speech-bench {listing}' for the list. " if listing else ""
            raise UnknownNameError(kind, name, known, (then + self._what_is_missing(name)).strip())
        return known[name]

    def all(self, kind: str) -> list[Any]:
        """Return all declarations of a kind in the order of registration."""
        return list(self._specs.get(kind, {}).values())

    def provenance(self, kind: str, name: str) -> Provenance:
        """Return where a declaration comes from."""
        return self._provenance[kind, name]

    def _what_is_missing(self, name: str) -> str:
        for skipped in self.skipped:
            if canonical(name) in (canonical(skipped.name), canonical(skipped.distribution)):
                return f"{skipped.what.capitalize()} '{skipped.name}' is left out: {skipped.reason}."
        if not self.broken:
            return ""
        plugin = _alike(name, self.broken)
        what = f"{len(self.broken)} plugin(s) are broken"
        if plugin is not None:
            what = f"Plugin '{plugin.entry_point}' ({plugin.distribution}) is broken: {plugin.reason}"
        return f"{what}. See 'eeg2speech-bench encoders --broken'."


def load_registry(choice: PluginChoice | None = None) -> Registry:
    """Load the suite's own plugins, then those of everybody else that are wanted.

    Parameters
    ----------
    choice : PluginChoice, optional
        By default what the environment variables say.

    Raises
    ------
    UsageError
        If the choice names a file that is no plugin file, or leaves out what is not there.
    InterruptedRun
        If the user stopped it while a plugin was loaded.
    """
    registry = load_own(choice or PluginChoice.from_environment())
    load_others(registry)
    return registry


def load_own(choice: PluginChoice) -> Registry:
    """Load the suite's own plugins alone, without looking for others."""
    registry = Registry(choice)
    for source in own_sources():
        _load(registry, source)
    return registry


def load_others(registry: Registry) -> None:
    """Load the plugins of everybody else, unless they are there already."""
    if registry.complete:
        return
    sources = [*installed_sources(), *file_sources(registry.choice.files)]
    for source in sources:
        left_out = registry.choice.leaves_out(source.provenance)
        if left_out:
            origin = source.provenance
            registry.skipped.append(SkippedPlugin("plugin", origin.entry_point, origin.distribution, left_out))
        else:
            _load(registry, source)
    registry.complete = True
    _refuse_disabling_nothing(registry, [source.provenance for source in sources])


def _refuse_disabling_nothing(registry: Registry, found: list[Provenance]) -> None:
    known = {origin.entry_point for origin in found} | {origin.distribution for origin in found}
    known |= {spec.name for spec in registry.all("encoder")} | {skipped.name for skipped in registry.skipped}
    for name in registry.choice.disabled:
        if canonical(name) not in map(canonical, known):
            raise UnknownNameError("plugin or encoder to disable", name, known)


def _load(registry: Registry, source: Source) -> None:
    module = _attempt(registry, source.provenance, "import", source.load, source.module)
    if module is not _FAILED:
        register_module(registry, module, source.provenance)


def register_module(registry: Registry, module: object, provenance: Provenance) -> None:
    """Call the hooks of one plugin one by one and take in what they declare.

    Parameters
    ----------
    registry : Registry
    module : module or object
        What holds functions that are marked with ``@hookimpl``.
    provenance : Provenance
    """

    plugins = pluggy.PluginManager(hookspecs.PROJECT)
    plugins.add_hookspecs(hookspecs)
    name = str(getattr(module, "__name__", ""))
    if _attempt(registry, provenance, "register", lambda: plugins.register(module), name) is _FAILED:
        return
    if not plugins.get_hookcallers(module):
        then = "Mark its functions with @hookimpl of eeg2speech_bench.core.hookspecs."
        registry.refuse(provenance, "register", "it has no hook", str(getattr(module, "__file__", None) or ""), then)
    _attempt(registry, provenance, "register", plugins.check_pending, name)  # hooks that do not exist
    for hook in _hooks(plugins):
        for implementation in hook.get_hookimpls():
            _take_in(registry, provenance, hook.name, implementation.function, name)


def _take_in(registry: Registry, origin: Provenance, hook: str, function: Callable[..., Any], module: str) -> None:
    """Call one hook of one plugin, which pluggy would not do apart from the others, and take in what is sound."""
    wanted, place = declared_by(hook), place_of_function(function)

    def declare() -> list[tuple[Any, str]]:
        returned = function()
        if not isinstance(returned, list | tuple):
            raise TypeError(f"{hook} returned {type(returned).__name__}, expected a list of {wanted.__name__}")
        return [(spec, flaw_of(spec, wanted)) for spec in returned]

    declared = _attempt(registry, origin, hook, declare, module)
    for spec, flaw in () if declared is _FAILED else declared:
        if flaw:
            registry.refuse(origin, hook, flaw, place)
        else:
            registry.add(spec, origin, hook, place)


def _hooks(plugins: pluggy.PluginManager) -> Iterator[pluggy.HookCaller]:
    for name in sorted(vars(hookspecs)):
        if name.startswith("register_"):
            yield getattr(plugins.hook, name)


def _attempt(registry: Registry, origin: Provenance, step: str, action: Callable[[], Any], module: str) -> Any:
    """Return what ``action`` returns; whatever it raises costs the plugin and nothing else."""
    started = time.perf_counter()
    result: Any = _FAILED
    try:
        with stdout_as_stderr():
            result = action()
    except KeyboardInterrupt as stop:
        what = f"Stopped while plugin '{origin.entry_point}' ({origin.distribution}) was loaded"
        raise InterruptedRun(what, then=origin.remedy) from stop
    except BaseException as error:  # sys.exit() in a plugin must not end us
        missing = error.name if isinstance(error, ModuleNotFoundError) else None
        then = f"Install what it needs: module '{plain(missing)}'." if missing else ""
        registry.refuse(origin, step, reason_of(error), place_of(error, module), then)
    seconds = time.perf_counter() - started
    if seconds > SLOW_S and not origin.is_ours:
        then = (
            f"Import what is heavy in the module that 'target' names, not in {module or 'the plugin'}. {origin.remedy}"
        )
        registry.slow.append(SlowPlugin(origin.entry_point, origin.distribution, step, seconds, then))
    return result


@contextlib.contextmanager
def stdout_as_stderr() -> Iterator[None]:
    """Send what is printed meanwhile to standard error, by Python or by a program that it starts.

    Programs read our own standard output.
    """
    with contextlib.ExitStack() as undo:
        if sys.stdout is not None and sys.stderr is not None:  # None where a service was started with them closed
            sys.stdout.flush()
            kept = os.dup(1)
            undo.callback(os.close, kept)
            undo.callback(os.dup2, kept, 1)
            os.dup2(2, 1)
        undo.enter_context(contextlib.redirect_stdout(sys.stderr))
        yield


def _alike(name: str, broken: list[BrokenPlugin]) -> BrokenPlugin | None:
    """Return the broken plugin that is named like ``name``, or whose reason names it, if there is one."""
    wanted = canonical(name)
    named = {canonical(called): plugin for plugin in broken for called in (plugin.distribution, plugin.entry_point)}
    for called, plugin in named.items():
        if f"'{name}'" in plugin.reason or (len(wanted) > 2 and wanted in called):
            return plugin
    near = difflib.get_close_matches(wanted, named, n=1, cutoff=0.6)
    return named[near[0]] if near else None
