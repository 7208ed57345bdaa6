"""The registry: what ships is there, names are suggested, and a broken plugin costs itself alone."""

from __future__ import annotations

import re
import sys
from types import ModuleType

import pytest

from eeg2speech_bench.core.errors import BenchError, InterruptedRun, UnknownNameError
from eeg2speech_bench.core.hookspecs import hookimpl
from eeg2speech_bench.core.registry import registry as registry_module
from eeg2speech_bench.core.registry.discovery import PluginChoice, Provenance, Source
from eeg2speech_bench.core.registry.registry import Registry, load_own, load_registry, register_module
from eeg2speech_bench.core.specs import CommandSpec, EncoderSpec, MetricSpec, TargetSpec

NET = f"{__name__}:Net"


def plugin(name: str, **hooks) -> tuple[ModuleType, Provenance]:
    """Return a module with hooks, each given as a function or as what it returns."""
    module = ModuleType(name)
    for hook, given in (hooks or {"register_encoders": []}).items():
        setattr(module, hook, hookimpl(given if callable(given) else lambda given=given: given))
    return module, Provenance(name, f"{name}-package", "1.0")


def registered(**hooks) -> Registry:
    registry = Registry()
    register_module(registry, *plugin("odd", **hooks))
    return registry


@pytest.fixture(autouse=True)
def importable(monkeypatch):
    """Make the module of ``NET`` one that can be found."""
    monkeypatch.setitem(sys.modules, __name__, ModuleType(__name__))


def test_what_ships_registers_through_the_entry_point_group():
    registry = load_own(PluginChoice())
    assert not registry.broken
    assert {spec.name for spec in registry.all("encoder")} >= {"brainmagick", "ridge"}
    assert {spec.name for spec in registry.all("target")} >= {"mel", "deep_mel", "wav2vec2"}
    assert {spec.name for spec in registry.all("dataset")} >= {"simulated", "bids", "dtu"}
    assert registry.provenance("encoder", "ridge").distribution == "eeg2speech-bench"


@pytest.mark.parametrize("kind", ["encoder", "target", "dataset", "preparation", "metric", "command"])
def test_every_declaration_that_ships_can_be_loaded(kind):
    for spec in load_own(PluginChoice()).all(kind):
        assert callable(spec.load())
        assert spec.summary


def test_unknown_name_gets_a_suggestion_and_a_command():
    with pytest.raises(UnknownNameError, match=r"Did you mean 'brainmagick'.*\? Run 'eeg2speech-bench encoders'"):
        load_own(PluginChoice()).get("encoder", "brainmagik")


def test_a_name_that_is_taken_stays_with_its_first_owner_and_says_how_to_let_the_other_in():
    registry = Registry()
    for name in ("first", "second"):
        register_module(registry, *plugin(name, register_encoders=[EncoderSpec("net", NET, name)]))
    assert registry.get("encoder", "net").summary == "first"
    (broken,) = registry.broken
    assert broken.distribution == "second-package"
    assert broken.reason == "encoder 'net' is already registered by first-package (first)"
    assert "leave the other one out: --disable first." in broken.then


def test_a_name_of_the_suite_cannot_be_freed_by_disabling_the_suite():
    registry = load_own(PluginChoice())
    register_module(registry, *plugin("second", register_encoders=[EncoderSpec("ridge", NET)]))
    assert registry.broken[0].then.startswith("Rename it in second-package. Leave it out with --disable second (")


def test_a_hook_that_raises_costs_its_own_plugin_only_and_names_its_line():
    def raises():
        raise RuntimeError("no licence file")

    registry = registered(register_encoders=raises, register_targets=[TargetSpec("sound", NET)])
    register_module(registry, *plugin("good", register_encoders=[EncoderSpec("net", NET)]))
    assert [spec.name for spec in registry.all("encoder")] == ["net"]
    assert [spec.name for spec in registry.all("target")] == ["sound"]
    (broken,) = registry.broken
    assert (broken.step, broken.reason) == ("register_encoders", "RuntimeError: no licence file")


class Mute(Exception):  # noqa: N818
    def __str__(self):
        raise ValueError("cannot say")


@pytest.mark.parametrize(
    ("error", "reason"), [(SystemExit(3), "SystemExit: 3"), (Mute(), "Mute"), (GeneratorExit(), "GeneratorExit")]
)
def test_whatever_a_hook_raises_is_a_reason(error, reason):
    def raises():
        raise error

    assert [broken.reason for broken in registered(register_encoders=raises).broken] == [reason]


def test_a_module_that_is_missing_is_what_to_install():
    def needs():
        import mamba_that_is_not_here  # noqa: F401

    (broken,) = registered(register_encoders=needs).broken
    assert broken.then.startswith("Install what it needs: module 'mamba_that_is_not_here'. Leave it out with")


def test_ctrl_c_while_a_plugin_loads_names_it_and_how_to_leave_it_out(monkeypatch):
    def stop():
        raise KeyboardInterrupt

    monkeypatch.setattr(
        registry_module, "installed_sources", lambda: [Source(Provenance("endless", "endless-net", "1"), "", stop)]
    )
    with pytest.raises(InterruptedRun, match=r"plugin 'endless' \(endless-net\) was loaded.*--disable endless"):
        load_registry(PluginChoice())


def test_a_hook_with_an_impossible_signature_is_reported():
    (broken,) = registered(register_encoders=lambda wanted_argument: []).broken
    assert broken.step == "register"
    assert "wanted_argument" in broken.reason


def test_a_hook_that_does_not_exist_is_reported_and_the_others_count():
    registry = registered(register_encoder=[], register_encoders=[EncoderSpec("net", NET)])
    assert [spec.name for spec in registry.all("encoder")] == ["net"]
    assert "unknown hook 'register_encoder'" in registry.broken[0].reason


def test_a_module_whose_hooks_are_not_marked_is_told_how_to_mark_them():
    module, origin = plugin("odd")
    module.register_encoders = lambda: [EncoderSpec("net", NET)]
    registry = Registry()
    register_module(registry, module, origin)
    assert registry.broken[0].reason == "it has no hook"
    assert registry.broken[0].then.startswith("Mark its functions with @hookimpl")


def generator():
    yield EncoderSpec("net", NET)


@pytest.mark.parametrize(
    ("returned", "called"),
    [(lambda: None, "NoneType"), (generator, "generator"), (lambda: "net", "str"), (lambda: {"net": 1}, "dict")],
)
def test_a_hook_that_returns_no_list_is_broken(returned, called):
    registry = registered(register_encoders=returned)
    assert (
        registry.broken[0].reason == f"TypeError: register_encoders returned {called}, expected a list of EncoderSpec"
    )
    assert not registry.all("encoder")


class Odd(EncoderSpec):
    kind = "target"


@pytest.mark.parametrize(
    ("spec", "reason"),
    [
        (EncoderSpec, "the list holds <class"),
        (MetricSpec("m", NET), "expected EncoderSpec"),
        (EncoderSpec("two words", NET), "'two words' has an impossible name"),
        (EncoderSpec("a/b", NET), "impossible name"),
        (EncoderSpec("..", NET), "impossible name"),
        (EncoderSpec("--net", NET), "impossible name"),
        (EncoderSpec("net\x1b[31m", NET), "impossible name"),
        (EncoderSpec("[red]", NET), "impossible name"),
        (EncoderSpec("<script>", NET), "impossible name"),
        (EncoderSpec("n" * 65, NET), "impossible name"),
        (EncoderSpec("", NET), "impossible name"),
        (EncoderSpec(7, NET), "encoder 7 has an impossible name"),
        (EncoderSpec("all", NET), "stands for a group"),
        (EncoderSpec("net", "no_colon"), "target is 'no_colon', expected 'package.module:attribute'"),
        (EncoderSpec("net", "a.b:c:d"), "target is 'a.b:c:d'"),
        (EncoderSpec("net", "../a:b"), "target is '../a:b'"),
        (EncoderSpec("net", "not_installed_at_all:Net"), "module 'not_installed_at_all', which is not installed"),
        (EncoderSpec("net", None), "target is None, expected str"),
        (EncoderSpec("net", NET, summary=None), "summary is None, expected str"),
        (EncoderSpec("net", NET, needs="positions"), r"needs is 'positions', expected tuple"),
        (EncoderSpec("net", NET, needs=(1,)), r"needs is \(1,\)"),
        (EncoderSpec("net", NET, modality="meg"), "modality is 'meg', expected Literal"),
        (EncoderSpec("net", NET, baseline="no"), "baseline is 'no', expected bool"),
        (EncoderSpec("net", NET, alignment={"learning_rate": "fast"}), "alignment is"),
        (Odd("net", NET), "kind is 'target', expected 'encoder'"),
    ],
)
def test_a_declaration_that_is_none_is_broken_with_what_is_wrong(spec, reason):
    registry = registered(register_encoders=[spec, EncoderSpec("sound", NET)])
    (broken,) = registry.broken
    assert re.search(reason, broken.reason)
    assert broken.reason.isprintable()
    assert broken.file.partition(":")[0] == __file__
    assert [spec.name for spec in registry.all("encoder")] == ["sound"]


@pytest.mark.parametrize(
    ("spec", "reason"),
    [
        (MetricSpec("joy", NET, label="j\ny"), r"label is 'j\\ny', expected at most 300 printable characters"),
        (MetricSpec("joy", NET, note="x" * 301), "note is "),
        (MetricSpec("joy", NET, unit="\u202e"), "unit is "),
        (
            MetricSpec("joy", NET, low=1.0, high=1.0),
            r"low is 1\.0 and high is 1\.0, expected finite numbers with low < high",
        ),
        (MetricSpec("joy", NET, low=float("nan")), "low is nan"),
        (MetricSpec("joy", NET, high=float("inf")), "high is inf"),
    ],
)
def test_a_metric_whose_words_or_range_would_spoil_records_is_broken(spec, reason):
    registry = registered(register_metrics=[spec, MetricSpec("sound", NET, label="sound", low=0.0)])
    (broken,) = registry.broken
    assert re.search(reason, broken.reason)
    assert [spec.name for spec in registry.all("metric")] == ["sound"]


def test_a_verb_needs_a_function_that_adds_its_options():
    assert "configure is ''" in registered(register_commands=[CommandSpec("greet", NET)]).broken[0].reason


def test_what_a_hook_prints_goes_to_standard_error(capfd):
    registered(register_encoders=lambda: print("noise") or [])
    assert capfd.readouterr() == ("", "noise\n")


def test_a_hook_that_takes_long_is_reported_as_slow_and_counts(monkeypatch):
    monkeypatch.setattr(registry_module, "SLOW_S", -1.0)
    registry = registered(register_encoders=[EncoderSpec("net", NET)])
    assert {slow.step for slow in registry.slow} >= {"register", "register_encoders"}
    assert registry.get("encoder", "net")


def test_an_encoder_that_was_left_out_says_by_what():
    registry = Registry(PluginChoice(disabled=("net",)))
    register_module(registry, *plugin("odd", register_encoders=[EncoderSpec("net", NET)]))
    with pytest.raises(UnknownNameError, match=r"Encoder 'net' is left out: --disable\."):
        registry.get("encoder", "net")


@pytest.mark.parametrize("asked", ["brokenish", "broken-ish", "brokenisch", "lost"])
def test_an_unknown_name_is_told_of_the_broken_plugin_it_may_be_from(asked):
    registry = Registry()
    registry.refuse(Provenance("other", "other", "1"), "import", "ValueError: 1")
    registry.refuse(Provenance("broken_ish", "brokenish", "1"), "import", "KeyError: 'lost'")
    with pytest.raises(UnknownNameError, match=r"Plugin 'broken_ish' \(brokenish\) is broken: KeyError: 'lost'"):
        registry.get("encoder", asked)


def test_an_unknown_name_like_no_broken_plugin_is_told_how_many_there_are():
    registry = Registry()
    registry.refuse(Provenance("other", "another", "1"), "import", "ValueError: 1")
    with pytest.raises(UnknownNameError, match=r"1 plugin\(s\) are broken. See 'eeg2speech-bench encoders --broken'"):
        registry.get("encoder", "zzz")


def test_loading_what_is_not_there_says_what_to_install():
    with pytest.raises(BenchError, match=r"Encoder 'net' could not be imported from not_installed:Net.*Install"):
        EncoderSpec("net", "not_installed:Net").load()


@pytest.mark.parametrize(
    ("hook", "spec", "field"),
    [
        ("register_encoders", EncoderSpec("net", NET, alignment={"learning_rate": float("nan")}), "alignment"),
        ("register_metrics", MetricSpec("joy", NET, chance=float("inf")), "chance"),
    ],
)
def test_a_declared_number_that_is_not_finite_is_broken_with_its_field(hook, spec, field):
    (broken,) = registered(**{hook: [spec]}).broken
    assert re.search(f"{field} is .*(nan|inf).*, expected ", broken.reason)
