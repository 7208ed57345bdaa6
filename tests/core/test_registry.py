"""The registry: what ships is there, names are suggested, and a broken plugin costs itself alone."""

from __future__ import annotations

from types import ModuleType

import pytest

from eeg2speech_bench.core.errors import BenchError, UnknownNameError
from eeg2speech_bench.core.hookspecs import hookimpl
from eeg2speech_bench.core.registry import Provenance, Registry, load_registry, register_module
from eeg2speech_bench.core.specs import EncoderSpec


def plugin(name: str, hook) -> tuple[ModuleType, Provenance]:
    module = ModuleType(name)
    module.register_encoders = hookimpl(hook)
    return module, Provenance(name, f"{name}-package", "1.0")


def test_what_ships_registers_through_the_entry_point_group():
    registry = load_registry()
    assert not registry.broken
    assert {spec.name for spec in registry.all("encoder")} >= {"brainmagick", "ridge"}
    assert {spec.name for spec in registry.all("target")} >= {"mel", "deep_mel", "wav2vec2"}
    assert {spec.name for spec in registry.all("dataset")} >= {"simulated", "bids", "dtu"}
    assert registry.provenance("encoder", "ridge").distribution == "eeg2speech-bench"


@pytest.mark.parametrize("kind", ["encoder", "target", "dataset", "preparation", "metric", "command"])
def test_every_declaration_that_ships_can_be_loaded(kind):
    for spec in load_registry().all(kind):
        assert callable(spec.load())
        assert spec.summary


def test_unknown_name_gets_a_suggestion_and_a_command():
    with pytest.raises(UnknownNameError, match=r"Did you mean 'brainmagick'\? Run 'eeg2speech-bench encoders'"):
        load_registry().get("encoder", "brainmagik")


def test_a_name_that_is_taken_stays_with_its_first_owner_and_names_both():
    registry = Registry()
    for name in ("first", "second"):
        register_module(registry, *plugin(name, lambda name=name: [EncoderSpec("net", f"{name}:Net")]))
    assert registry.get("encoder", "net").target == "first:Net"
    assert "already registered by first-package" in registry.broken[0].reason
    assert registry.broken[0].distribution == "second-package"


def test_a_hook_that_raises_costs_its_own_plugin_only():
    def raises():
        raise RuntimeError("no licence file")

    registry = Registry()
    register_module(registry, *plugin("bad", raises))
    register_module(registry, *plugin("good", lambda: [EncoderSpec("net", "good:Net")]))
    assert [spec.name for spec in registry.all("encoder")] == ["net"]
    assert registry.broken[0].step == "register_encoders"
    assert "no licence file" in registry.broken[0].reason


def test_a_hook_with_an_impossible_signature_is_reported():
    registry = Registry()
    register_module(registry, *plugin("odd", lambda wanted_argument: []))
    assert registry.broken[0].step == "register"
    assert "wanted_argument" in registry.broken[0].reason


def test_loading_what_is_not_there_says_what_to_install():
    with pytest.raises(BenchError, match=r"Encoder 'net' could not be imported from not_installed:Net.*Install"):
        EncoderSpec("net", "not_installed:Net").load()
