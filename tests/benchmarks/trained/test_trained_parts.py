"""Encoder and target are rebuilt through the registry, from what a model says of them; else the reason is told."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from eeg2speech_bench.benchmarks.models.pair import Pair
from eeg2speech_bench.benchmarks.plugin_source import source_hash_of
from eeg2speech_bench.benchmarks.trained.model_folder import PAIR, ModelDescription, read_description, write_model
from eeg2speech_bench.benchmarks.trained.trained_parts import load_pair
from eeg2speech_bench.core.errors import BenchError
from eeg2speech_bench.core.presets.config import load_config
from eeg2speech_bench.core.registry.registry import Registry, load_registry
from eeg2speech_bench.core.segments.segment_store import SegmentStore

pytestmark = pytest.mark.filterwarnings("ignore")

ROWS = [0, 5, 17]
NARROW = {"hidden": 8, "depth": 2, "virtual_channels": 8, "initial_linear": 8, "fourier_dim": 32}
MEL = {"n_bands": 4, "token_rate_hz": 5.0}


@pytest.fixture(scope="module")
def registry() -> Registry:
    return load_registry()


@pytest.fixture(scope="module")
def store(prepared, tmp_path_factory) -> SegmentStore:
    """The tiny prepared data set, with electrodes in places of their own."""
    folder = shutil.copytree(prepared, tmp_path_factory.mktemp("located") / "prepared")
    meta = json.loads((folder / "meta.json").read_text())
    for number, channel in enumerate(meta["signal"]["chs_info"]):
        channel["loc"][0] += 0.02 * number
        channel["loc"][1] += 0.01 * number**2
    (folder / "meta.json").write_text(json.dumps(meta))
    return SegmentStore(folder)


def write_pair(
    folder: Path, registry: Registry, store: SegmentStore, name: str, options: dict[str, Any]
) -> tuple[ModelDescription, torch.Tensor]:
    """Write the model of an encoder that was built and not trained; return what it says of some segments."""
    spec, target_spec = registry.get("encoder", name), registry.get("target", "mel")
    torch.manual_seed(1)
    encoder, target = Pair(spec, options, target_spec, MEL).build(store)
    encoder.eval()

    def origin(spec, options):
        kept = {"distribution": "eeg2speech-bench", "version": "0.1.0", "target": spec.target}
        return {"name": spec.name, "source_hash": source_hash_of(spec), "options": options, **kept}

    description = ModelDescription.model_validate(
        {
            "suite": "0.1.0",
            "cell": {"id": "c", "encoder": name, "dataset": "d", "dataset_argument": "d", "preset": "quick", "seed": 0},
            "dataset": {"name": "d", "revision": "1"},
            "encoder": origin(spec, options),
            "target": origin(target_spec, MEL),
            "modality": "eeg",
            "signal": store.meta.signal.model_dump(),
            "sound": store.meta.sound.model_dump(),
            "listeners": store.meta.subjects,
            "recordings": [],
            "config": load_config("quick", overrides={"data.window_s": store.window_s}).model_dump(mode="json"),
            "verdict": {},
            "packages": {},
        }
    )
    parts = {"encoder": encoder.state_dict(), "target": target.state_dict()}
    weights = {f"{part}.{key}": value for part, state in parts.items() for key, value in state.items()}
    mean = {"mean.tokens": torch.zeros(1, 2, 4), "mean.pooled": torch.zeros(1, 4)}
    write_model(folder, description, {PAIR: {**weights, **mean, "scale": torch.ones(1, 3)}})
    with torch.no_grad():
        return read_description(folder), encoder(store.gather(ROWS)).embeddings


@pytest.mark.parametrize(
    ("name", "options"),
    [("brainmagick", NARROW), ("eegnet", {"n_slices": 1, "n_tokens": 2}), ("mean", {}), ("subject-id", {})],
)
def test_an_encoder_says_after_loading_what_it_said_before(tmp_path, registry, store, name, options):
    description, said = write_pair(tmp_path / "model", registry, store, name, options)
    pair = load_pair(tmp_path / "model", description, registry, "cpu", anyway=False)
    torch.testing.assert_close(pair.conditioner.estimate(store.gather(ROWS)), said, rtol=0, atol=0)


def test_an_encoder_that_started_from_pretrained_weights_comes_back_with_its_own(tmp_path, registry, store):
    options = {"n_slices": 1, "n_tokens": 2}
    pair = Pair(registry.get("encoder", "eegnet"), options, registry.get("target", "mel"), MEL)
    pair.build(store)[0].network.save_pretrained(tmp_path / "weights")
    given = {**options, "weights": str(tmp_path / "weights")}
    description, said = write_pair(tmp_path / "model", registry, store, "eegnet", given)
    loaded = load_pair(tmp_path / "model", description, registry, "cpu", anyway=False)
    torch.testing.assert_close(loaded.conditioner.estimate(store.gather(ROWS)), said, rtol=0, atol=0)
    shutil.rmtree(tmp_path / "weights")
    with pytest.raises(BenchError, match=str(tmp_path / "weights")):
        load_pair(tmp_path / "model", description, registry, "cpu", anyway=False)


@pytest.fixture
def model(tmp_path, registry, store) -> tuple[Path, ModelDescription]:
    return tmp_path / "model", write_pair(tmp_path / "model", registry, store, "brainmagick", NARROW)[0]


def changed(description: ModelDescription, **values: str) -> ModelDescription:
    return description.model_copy(update={"encoder": description.encoder.model_copy(update=values)})


def test_a_plugin_that_is_not_installed_is_named_with_its_package(model, registry):
    folder, description = model
    other = changed(description, name="stranger", distribution="stranger-net", version="2.1")
    with pytest.raises(BenchError, match=r"needs encoder 'stranger', which is not here: .*Install stranger-net 2.1"):
        load_pair(folder, other, registry, "cpu", anyway=False)


def test_an_encoder_that_was_a_python_object_says_what_to_do(model, registry):
    folder, description = model
    other = changed(description, name="my-net", distribution="python", version="unversioned")
    with pytest.raises(BenchError, match="make a plugin of it"):
        load_pair(folder, other, registry, "cpu", anyway=False)


def test_source_that_changed_is_refused_and_taken_anyway_when_told(model, registry):
    folder, description = model
    other = changed(description, source_hash="0" * 16)
    with pytest.raises(BenchError, match=r"not the code that was trained: got .*, expected .*source 0{16}.*--anyway"):
        load_pair(folder, other, registry, "cpu", anyway=False)
    load_pair(folder, other, registry, "cpu", anyway=True)


def test_a_target_whose_source_changed_is_refused_too(model, registry):
    folder, description = model
    target = description.target.model_copy(update={"source_hash": "0" * 16})
    with pytest.raises(BenchError, match="Target 'mel' is not the code that was trained"):
        load_pair(folder, description.model_copy(update={"target": target}), registry, "cpu", anyway=False)


def test_weights_that_do_not_fit_the_code_name_the_plugin(model, registry):
    folder, description = model
    options = {**NARROW, "hidden": 16}
    encoder = description.encoder.model_copy(update={"options": options})
    with pytest.raises(BenchError, match="Encoder 'brainmagick' failed: got RuntimeError"):
        load_pair(folder, description.model_copy(update={"encoder": encoder}), registry, "cpu", anyway=False)


def test_the_hash_of_a_declaration_is_that_of_its_code_and_identity(registry):
    spec = registry.get("encoder", "ridge")
    assert source_hash_of(spec) == source_hash_of(replace(spec, summary="other words"))
    assert source_hash_of(spec) != source_hash_of(replace(spec, identity="weights in memory"))
