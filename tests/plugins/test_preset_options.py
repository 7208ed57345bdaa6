"""The options that presets name are options of what they name them for."""

from __future__ import annotations

import pytest

from eeg2speech_bench.core.presets.config import load_config, preset_names
from eeg2speech_bench.core.registry.registry import load_registry

OPTIONS = [
    (preset, kind, name, tuple(options))
    for preset in preset_names()
    for kind, section in (("encoder", load_config(preset).encoder), ("target", load_config(preset).target.options))
    for name, options in section.items()
]


@pytest.mark.parametrize(("preset", "kind", "name", "options"), OPTIONS)
def test_a_preset_names_only_options_that_there_are(preset, kind, name, options):
    load_registry().get(kind, name).check_options(options)


def test_without_options_nothing_is_imported():
    spec = load_registry().get("encoder", "brainmagick")
    type(spec)("odd", "module_that_is_not_there:Odd").check_options([])
