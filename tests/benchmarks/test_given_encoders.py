"""Encoders that are given as Python objects: what they are called, what they return, and what their keys hold."""

from __future__ import annotations

import importlib
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from sklearn.linear_model import LogisticRegression
from sklearn.linear_model import Ridge as PlainRidge
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from torch import nn

from eeg2speech_bench.benchmarks import check
from eeg2speech_bench.benchmarks.given_encoders import GivenEncoderSpec, register_encoder, usual_target
from eeg2speech_bench.benchmarks.pipeline import Pipeline
from eeg2speech_bench.benchmarks.plan import make_cells
from eeg2speech_bench.benchmarks.plugin_source import code_of_options
from eeg2speech_bench.core.conditioning import Conditioning, Encoder
from eeg2speech_bench.core.errors import ContractError, DataError, UsageError
from eeg2speech_bench.core.presets.config import load_config
from eeg2speech_bench.core.registry.registry import Registry, load_registry
from eeg2speech_bench.core.segments.segment_store import Batch, TargetInfo
from eeg2speech_bench.core.specs import EncoderSpec
from eeg2speech_bench.core.stages.import_closure import forget_sources
from eeg2speech_bench.core.stages.source_code import OURS
from eeg2speech_bench.core.stages.stage_store import Stage, StageStore

N_CHANS, N_TIMES, DIM = 4, 20, 8
TARGET = TargetInfo(DIM, 5, 2.5)


class MyNet(Encoder):
    """An encoder as a user writes it."""

    def __init__(self, signal: object, target: TargetInfo) -> None:
        super().__init__()
        self.dim = target.dim

    def forward(self, batch: Batch) -> Conditioning:
        return Conditioning.from_tokens(torch.zeros(len(batch.eeg), 1, self.dim))


class Tokens(nn.Module):
    """A built network with one plain attribute, whose output has three axes."""

    def __init__(self, scale: float = 1.0) -> None:
        super().__init__()
        self.scale = scale
        self.layer = nn.Linear(N_TIMES, DIM)

    def forward(self, eeg: torch.Tensor) -> torch.Tensor:
        return self.layer(eeg) * self.scale


def flat(width: int) -> nn.Module:
    """Return a built network whose output has two axes."""
    return nn.Sequential(nn.Flatten(), nn.Linear(N_CHANS * N_TIMES, width))


def seeded(make: object, *arguments: object) -> nn.Module:
    torch.manual_seed(0)
    return make(*arguments)


@pytest.fixture
def registry() -> Registry:
    return load_registry()


@pytest.fixture
def batch() -> Batch:
    eeg = torch.zeros(3, N_CHANS, N_TIMES)
    return Batch(eeg, subject=torch.zeros(3, dtype=torch.long), window=torch.arange(3))


def built(registry: Registry, network: nn.Module) -> Encoder:
    """Return the encoder that a run would make of a network."""
    return registry.get("encoder", register_encoder(network, registry)).load().build(None, TARGET)


def align(registry: Registry, encoder: object, folder: Path) -> Stage:
    """Return the stage that trains an encoder."""

    class Dataset:
        __module__ = f"{OURS}.datasets.bids"  # where its code is looked for
        name, revision, sound_kind, stimuli = "made-up", "1", "waveform", ()

    config = load_config("quick")
    name = register_encoder(encoder, registry)
    (cell,) = make_cells([name], "made-up", "made-up", [0], config, registry, revision="1")
    return Pipeline(cell, Dataset(), registry, StageStore(folder), "cpu", "float32").align


def test_a_name_stands_for_itself(registry):
    assert register_encoder("ridge", registry) == "ridge"


def test_a_declaration_is_added_under_its_name(registry):
    spec = EncoderSpec("declared", "package.module:Net")
    assert register_encoder(spec, registry) == "declared"
    assert registry.get("encoder", "declared") is spec
    assert registry.provenance("encoder", "declared").distribution == "python"


def test_a_declaration_may_be_given_twice(registry):
    spec = EncoderSpec("declared", "package.module:Net")
    assert [register_encoder(spec, registry) for _ in range(2)] == ["declared"] * 2
    assert registry.broken == []


def test_a_class_is_called_as_it_is_in_kebab_case(registry):
    assert register_encoder(MyNet, registry) == "my-net"
    assert registry.get("encoder", "my-net").load() is MyNet


def test_a_class_is_named_by_its_file_so_that_its_source_is_in_the_key(registry):
    register_encoder(MyNet, registry)
    assert registry.get("encoder", "my-net").target in ("", f"{MyNet.__module__}:MyNet")


def test_a_network_with_three_axes_gives_its_tokens(registry, batch):
    made = built(registry, Tokens())(batch)
    assert made.embeddings.shape == (3, N_CHANS, DIM)


def test_a_network_with_two_axes_gives_tokens_side_by_side(registry, batch):
    network = flat(2 * DIM)
    made = built(registry, network)(batch)
    assert made.embeddings.shape == (3, 2, DIM)
    assert torch.equal(made.embeddings.flatten(1), network(batch.eeg))


@pytest.mark.parametrize("network", [flat(DIM + 1), nn.Linear(N_TIMES, DIM + 1), nn.Unflatten(2, (5, 4))])
def test_a_network_of_another_width_is_refused_with_what_to_do(registry, batch, network):
    with pytest.raises(ContractError, match=r"expected \(batch, n_tokens, 8\).*Give its last layer"):
        built(registry, network)(batch)


def test_training_leaves_the_network_that_was_given_as_it_was(registry):
    network = flat(DIM)
    with torch.no_grad():
        next(built(registry, network).parameters()).zero_()
    assert bool(next(network.parameters()).any())


def test_an_encoder_that_is_built_already_reads_whole_batches(registry, batch):
    assert built(registry, MyNet(None, TARGET))(batch).embeddings.shape == (3, 1, DIM)


def test_two_networks_of_one_class_are_two_encoders(registry):
    names = [register_encoder(flat(DIM), registry) for _ in range(2)]
    assert len(set(names)) == 2
    assert all(name.startswith("sequential-") for name in names)


def test_one_network_given_twice_is_one_encoder(registry):
    network = flat(DIM)
    assert register_encoder(network, registry) == register_encoder(network, registry)
    assert registry.broken == []


def test_equal_weights_find_their_stage_again(registry, tmp_path):
    keys = {align(load_registry(), seeded(flat, DIM), tmp_path).key for _ in range(2)}
    assert len(keys) == 1


def test_other_weights_are_trained_by_themselves(registry, tmp_path):
    network = seeded(flat, DIM)
    before = align(registry, network, tmp_path)
    with torch.no_grad():
        next(network.parameters())[0, 0] += 1
    assert align(registry, network, tmp_path).key != before.key


def test_a_plain_attribute_of_a_network_is_in_the_key(registry, tmp_path):
    keys = {align(registry, seeded(Tokens, scale), tmp_path).key for scale in (1.0, 2.0)}
    assert len(keys) == 2


def test_frozen_weights_are_in_the_key(registry, tmp_path):
    network = seeded(flat, DIM)
    before = align(registry, network, tmp_path)
    assert align(registry, network.requires_grad_(False), tmp_path).key != before.key


def test_the_code_of_a_layer_within_a_network_is_in_the_key(registry, tmp_path):
    def layer(sign: int) -> nn.Module:
        made: dict = {"__name__": "__main__", "nn": nn}
        exec(f"class Layer(nn.Module):\n    def forward(self, x): return {sign} * x", made)
        return nn.Sequential(made["Layer"]())

    keys = {align(registry, layer(sign), tmp_path).key for sign in (1, -1)}
    assert len(keys) == 2


def test_the_code_of_a_class_of_a_notebook_is_in_the_key(tmp_path):
    def notebook(sign: int) -> type[Encoder]:
        made: dict = {"__name__": "__main__", "Encoder": Encoder}
        exec(f"class Net(Encoder):\n    def forward(self, batch): return {sign}", made)
        return made["Net"]

    keys = [align(load_registry(), notebook(sign), tmp_path).key for sign in (1, -1, 1)]
    assert keys[0] == keys[2] != keys[1]


def test_the_class_of_a_network_of_torch_is_told_by_the_version_of_torch(registry, tmp_path):
    assert "torch" not in align(registry, flat(DIM), tmp_path).parts.code


LOCAL = """
from eeg2speech_bench.core.conditioning import Encoder
from the_layers_of_mine import VALUE
def make():
    class Net(Encoder):
        pass
    return Net
"""


def test_a_class_within_a_function_keeps_the_source_of_its_file_in_the_key(registry, tmp_path, monkeypatch):
    (tmp_path / "a_file_of_mine.py").write_text(LOCAL)
    (tmp_path / "the_layers_of_mine.py").write_text("VALUE = 1")
    monkeypatch.syspath_prepend(tmp_path)
    forget_sources()
    local = importlib.import_module("a_file_of_mine").make()
    assert {"a_file_of_mine", "the_layers_of_mine"} <= align(registry, local, tmp_path).parts.code.keys()
    forget_sources()
    for name in ("a_file_of_mine", "the_layers_of_mine"):
        sys.modules.pop(name)


def test_buffers_that_numpy_has_no_type_for_are_hashed(registry):
    network = flat(DIM)
    network.register_buffer("scales", torch.ones(3, dtype=torch.bfloat16))
    before = register_encoder(network, registry)
    network.scales[0] = 2
    assert register_encoder(network, registry) != before


def test_buffers_that_are_not_saved_are_hashed(registry):
    network = flat(DIM)
    network.register_buffer("passing", torch.ones(3), persistent=False)
    before = register_encoder(network, registry)
    network.passing[0] = 2
    assert register_encoder(network, registry) != before


@pytest.mark.parametrize("layer", [nn.LazyLinear(DIM), nn.Linear(N_CHANS * N_TIMES, DIM, device="meta")])
def test_a_network_whose_weights_are_not_made_yet_is_refused_with_what_to_do(registry, layer):
    with pytest.raises(UsageError, match=r"weights are not made yet.*Call it once"):
        register_encoder(nn.Sequential(nn.Flatten(), layer), registry)


@pytest.mark.gpu
def test_a_network_on_a_gpu_is_the_same_encoder_as_on_the_cpu(registry):
    network = flat(DIM)
    on_cpu = register_encoder(network, registry)
    assert register_encoder(network.cuda(), registry) == on_cpu
    assert next(built(registry, network).parameters()).device.type == "cpu"


def test_a_name_that_is_taken_is_refused(registry):
    with pytest.raises(UsageError, match=r"'ridge' is registered already.*another name"):
        register_encoder(EncoderSpec("ridge", "package.module:Net"), registry)


def test_two_classes_of_one_name_are_refused(registry):
    one, other = (type("Twice", (MyNet,), {"__module__": "__main__", "width": width}) for width in (1, 2))
    register_encoder(one, registry)
    with pytest.raises(UsageError, match="'twice' is registered already"):
        register_encoder(other, registry)


@pytest.mark.parametrize("nonsense", [None, 3, nn.Linear, object(), np.zeros(3), lambda eeg: eeg])
def test_what_is_no_encoder_is_refused(registry, nonsense):
    with pytest.raises(UsageError, match=r"That is no encoder.*expected a name, an EncoderSpec"):
        register_encoder(nonsense, registry)


def test_the_declaration_of_a_given_encoder_says_so(registry):
    spec = registry.get("encoder", register_encoder(flat(DIM), registry))
    assert isinstance(spec, GivenEncoderSpec)
    assert spec.summary == "given as a Python object"


def test_an_estimator_is_an_encoder_of_its_parameters_before_it_is_fitted(registry):
    names = [register_encoder(PlainRidge(alpha), registry) for alpha in (1.0, 1.0, 2.0)]
    names.append(register_encoder(PlainRidge(1.0).fit([[0.0], [1.0]], [0.0, 1.0]), registry))
    assert names[0] == names[1] == names[3] != names[2]
    assert names[0].startswith("ridge-")


def test_an_estimator_is_fitted_to_the_target_and_by_the_code_of_the_adapter(registry, tmp_path):
    stage = align(registry, make_pipeline(StandardScaler(), PlainRidge()), tmp_path)
    assert f"{OURS}.plugins.encoders.sklearn.encoder" in stage.parts.code
    assert stage.parts.settings["pair"]["target"]["name"] == "mel"


def test_no_classifier_is_an_encoder(registry):
    with pytest.raises(ContractError, match="no regressor"):
        register_encoder(LogisticRegression(), registry)


@pytest.mark.parametrize(
    ("named", "code", "library"),
    [("estimator_of_mine:Mine", "estimator_of_mine", None), ("pandas:DataFrame", None, "pandas")],
)
def test_code_that_an_option_names_is_in_the_key(registry, tmp_path, monkeypatch, named, code, library):
    (tmp_path / "estimator_of_mine.py").write_text("class Mine: pass")
    monkeypatch.syspath_prepend(tmp_path)
    forget_sources()
    found = code_of_options({"estimator": named, "lags_s": [0.0, 0.1], "other": "gone_for_good:Class"})
    assert (found.modules, found.libraries) == ((code,) if code else (), (library,) if library else ())
    forget_sources()


def test_a_network_that_is_built_for_other_eeg_says_so(registry):
    wide = Batch(torch.zeros(3, 9, N_TIMES), subject=torch.zeros(3, dtype=torch.long), window=torch.arange(3))
    with pytest.raises(DataError, match="'Sequential' does not take this signal: got 9 channels, 20 samples: mat1"):
        built(registry, flat(DIM))(wide)


class Sized(nn.Sequential):
    """A built network that says what it is for, as those of braindecode do."""

    n_chans, n_times = N_CHANS, N_TIMES


def test_a_built_network_is_checked_at_its_own_size_against_the_usual_target(registry, capsys):
    network = Sized(*flat(2 * usual_target(registry).dim))
    found = check(network, only=["builds", "output_contract", "montages"])
    assert [result.outcome for result in found] == ["pass"] * 3
    assert f"(8, 2, {usual_target(registry).dim})" in found[1].reason
    assert "refuses 8, 19, 32, 64 and 128: Network 'Sized' does not take this signal" in found[2].reason
    assert capsys.readouterr().out.splitlines()[-1].endswith("3 checks: 3 passed, 0 failed, 0 skipped")


def test_a_built_network_of_another_width_is_told_what_to_change():
    (found,) = check(Sized(*flat(7)), only=["output_contract"])
    assert found.outcome == "fail"
    assert "Give its last layer that many outputs" in found.reason


def test_an_estimator_is_checked_without_being_fitted_itself():
    estimator = PlainRidge()
    found = check(estimator, only=["builds", "output_contract", "save_load"])
    assert [result.outcome for result in found] == ["pass"] * 3
    assert not hasattr(estimator, "coef_")
