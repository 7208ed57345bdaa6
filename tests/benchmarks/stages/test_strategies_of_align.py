"""Alignment under a strategy: what is trained is told, and what is kept is the network alone."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from eeg2speech_bench.benchmarks.given_encoders import register_encoder
from eeg2speech_bench.benchmarks.models.pair import Pair
from eeg2speech_bench.benchmarks.stage_inputs import AlignInputs, FeaturesInputs
from eeg2speech_bench.benchmarks.stage_runs import run_stage
from eeg2speech_bench.core.conditioning import Conditioning, Encoder
from eeg2speech_bench.core.presets.config import AlignmentConfig
from eeg2speech_bench.core.records.training import Training
from eeg2speech_bench.core.registry.registry import load_registry
from eeg2speech_bench.core.segments.segment_store import SegmentStore
from eeg2speech_bench.core.stages.checkpoints import StageCheckpoints
from eeg2speech_bench.core.weights.body import Body

TARGET_OPTIONS = {"n_bands": 8, "token_rate_hz": 5.0, "hidden": 8, "depth": 2, "dim": 4}
ALIGNMENT = AlignmentConfig(batch_size=4, learning_rate=1e-2, steps_per_epoch=3, max_epochs=2, bridge="none")
N_INPUTS, HIDDEN = 3 * 40, 16


class SmallPretrained(Encoder):
    """A body with batch norm and a head; "pretrained" is what seed 7 gives."""

    def __init__(self, signal, target, *, strategy: str = "full"):
        super().__init__()
        self.dim = target.dim
        with torch.random.fork_rng():
            torch.manual_seed(7)
            self.inner = nn.Sequential(nn.Flatten(), nn.Linear(N_INPUTS, HIDDEN), nn.BatchNorm1d(HIDDEN), nn.GELU())
        self.head = nn.Linear(HIDDEN, 2 * target.dim)
        self.body = Body(self, ["head"], strategy)
        self.pretraining = {"strategy": strategy, "weights": "seed 7", "initial": "pretrained"}

    def forward(self, batch):
        return Conditioning.from_tokens(self.head(self.inner(batch.eeg)).unflatten(1, (-1, self.dim)))

    def train(self, mode=True):
        super().train(mode)
        if mode and hasattr(self, "body"):
            self.body.set_modes()
        return self

    def begin_training(self):
        self.body.begin_training()

    def end_training(self):
        self.body.end_training()


@pytest.fixture(scope="module")
def align(prepared, tmp_path_factory):
    """Align under a strategy; return the encoder that is loaded from what was kept, and what was told."""
    folder, registry = tmp_path_factory.mktemp("align"), load_registry()
    encoder = registry.get("encoder", register_encoder(SmallPretrained, registry))
    target = registry.get("target", "deep_mel")
    none = StageCheckpoints(folder / "none", {"name": "align", "key": ""}, print)
    (folder / "features").mkdir()
    run_stage(FeaturesInputs(prepared, target, TARGET_OPTIONS), folder / "features", lambda note, share: None)

    def run(strategy: str):
        pair, out = Pair(encoder, {"strategy": strategy}, target, TARGET_OPTIONS), folder / strategy
        out.mkdir()
        given = AlignInputs(prepared, folder / "features", pair, ALIGNMENT, 0, device="cpu", precision="float32")
        run_stage(given, out, lambda note, share: None, none)
        told = Training.model_validate_json((out / "training.json").read_bytes())
        return pair.load(SegmentStore(prepared), out).encoder, told

    return run


def rank_of_change(encoder) -> int:
    change = encoder.inner[1].weight - SmallPretrained(None, Dim).inner[1].weight
    return int(torch.linalg.matrix_rank(change.detach(), rtol=1e-4))


class Dim:
    dim = TARGET_OPTIONS["dim"]


@pytest.mark.parametrize(("strategy", "lowest", "highest"), [("probe", 0, 0), ("lora", 1, 8), ("full", 9, HIDDEN)])
def test_the_body_changes_as_the_strategy_says(align, strategy, lowest, highest):
    encoder, told = align(strategy)
    assert lowest <= rank_of_change(encoder) <= highest
    frozen = strategy != "full"
    assert bool((encoder.inner[2].running_mean == 0).all()) is frozen  # of the batch norm
    n_head = HIDDEN * 2 * Dim.dim + 2 * Dim.dim
    n_body = N_INPUTS * HIDDEN + HIDDEN + 2 * HIDDEN
    n_trained = {"probe": n_head, "lora": n_head + 8 * (N_INPUTS + HIDDEN), "full": n_head + n_body}[strategy]
    about = {"strategy": strategy, "weights": "seed 7", "initial": "pretrained", "n_trained": n_trained}
    assert told.pretraining == about
    assert told.n_parameters["encoder"] == n_head + n_body
