"""A machine that is not as it was planned is refused in words before anything is computed."""

from __future__ import annotations

import shutil
from importlib import metadata

import pytest

from eeg2speech_bench.benchmarks.launchers.environment_check import check_environment, origin_of
from eeg2speech_bench.core.errors import StorageError, UsageError
from eeg2speech_bench.core.registry.discovery import OURS, PluginChoice
from eeg2speech_bench.core.registry.registry import load_own


@pytest.fixture
def registry():
    return load_own(PluginChoice())


@pytest.fixture
def plan(room, registry):
    room.plan.cache.mkdir()
    update = {"suite": metadata.version(OURS), "origins": {"ridge": origin_of("ridge", registry)}}
    return room.plan.model_copy(update=update)


def test_the_machine_that_planned_is_as_it_was_planned(plan, registry):
    check_environment(plan, 0, registry)
    assert not list((plan.results / "records").iterdir())


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"suite": "0.0.9"}, r"The suite on .* is not the one that was planned with: got .*, expected 0\.0\.9"),
        ({"origins": {"ridge": "mine 2"}}, r"Encoder 'ridge' on .*expected mine 2\. Let the jobs use"),
        ({"device": "cuda:99"}, r"Device 'cuda:99' is not available"),
    ],
)
def test_another_version_or_device_is_named(plan, registry, change, message):
    with pytest.raises(UsageError, match=message):
        check_environment(plan.model_copy(update=change), 0, registry)


def test_an_encoder_that_is_not_installed_is_named(plan, registry):
    run = plan.cells[0].model_copy(update={"encoder": "elsewhere"})
    with pytest.raises(UsageError, match="Unknown encoder: got 'elsewhere'"):
        check_environment(plan.model_copy(update={"cells": (run,)}), 0, registry)


def test_a_cache_that_is_not_shared_is_named(plan, registry):
    shutil.rmtree(plan.cache)
    with pytest.raises(StorageError, match=r"cache is not there on .*Choose a folder with --cache that all machines"):
        check_environment(plan, 0, registry)
