"""Training steps read no number of the device, and still tell what diverged before its weights are kept."""

from __future__ import annotations

import lightning as L
import pytest
import torch
from torch import nn
from torch.utils._python_dispatch import TorchDispatchMode

from eeg2speech_bench.core.conditioning import Conditioning, Encoder, Target
from eeg2speech_bench.core.contrastive.alignment import Alignment
from eeg2speech_bench.core.errors import ContractError
from eeg2speech_bench.core.generator.conditioner import Conditioner
from eeg2speech_bench.core.generator.denoiser import ConditionedDenoiser
from eeg2speech_bench.core.generator.diffusion import DiffusionBatch, LatentDiffusion
from eeg2speech_bench.core.presets.config import AlignmentConfig, DenoiserConfig, DiffusionConfig
from eeg2speech_bench.core.segments.segment_store import Batch, TargetInfo
from eeg2speech_bench.core.stages.checkpoints import StageCheckpoints
from eeg2speech_bench.core.training import finite_values, trainer
from eeg2speech_bench.core.training.trainer import KeepBest, TrainingProgress, fit, make_trainer
from eeg2speech_bench.core.training.training_batches import TrainingBatches

N, N_STEPS = 4, 6
INFO = TargetInfo(dim=4, n_tokens=8, token_rate_hz=10.0)
DENOISER = DenoiserConfig(
    channels=(4, 4),
    attention=(False, True),
    attention_heads=(1, 1),
    layers_per_block=1,
    norm_groups=2,
    frame_channels=1,
)


class Mixed(Encoder):
    """Mixes channels, and gives NaN from a call on."""

    def __init__(self, spoilt_from):
        super().__init__()
        self.layer, self.spoilt_from, self.n_calls = nn.Linear(3, INFO.dim), spoilt_from, 0

    def forward(self, batch):
        self.n_calls += 1
        tokens = self.layer(batch.eeg.transpose(1, 2))
        return Conditioning.from_tokens(tokens * (1 if self.n_calls < self.spoilt_from else float("nan")))


class Same(Target):
    """Returns frames as they are."""

    info = INFO

    def forward(self, frames):
        return frames


class Reads(TorchDispatchMode):
    """Counts numbers that are read from tensors, by float(), bool() or item()."""

    n = 0

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        self.n += function is torch.ops.aten._local_scalar_dense.default
        return function(*args, **(kwargs or {}))


class ReadsOfSteps(L.Callback):
    """Notes how many numbers were read until each step."""

    def __init__(self, reads):
        self.reads, self.until_step = reads, []

    def on_train_batch_start(self, *_):
        self.until_step.append(self.reads.n)


class Given(TrainingBatches):
    """Yields one batch without end, or a number of times."""

    def __init__(self, batch, n=None):
        self.batch, self.n = batch, n

    def batches(self, epoch, first):
        number = 0
        while self.n is None or number < self.n:
            number += 1
            yield self.batch


def segments():
    return Batch(torch.randn(N, 3, INFO.n_tokens), torch.zeros(N, dtype=torch.long), torch.arange(N))


def alignment(spoilt_from=1000):
    torch.manual_seed(0)
    frames = torch.randn(N, INFO.n_tokens, INFO.dim)
    module = Alignment("mixed", Mixed(spoilt_from), Same(), AlignmentConfig(batch_size=N), torch.arange(N), frames)
    return module, (segments(), frames, torch.eye(N, dtype=torch.bool))


def denoising(spoilt_from=1000):
    torch.manual_seed(0)
    conditioner = Conditioner("mixed", Mixed(spoilt_from), Same(), None, standardise=True)
    module = LatentDiffusion(
        ConditionedDenoiser(DENOISER, 2, 4, INFO.dim, DiffusionConfig()), conditioner, DiffusionConfig()
    )
    return module, DiffusionBatch(torch.randn(N, 2, 8, 4), torch.ones(N, 2, 8, 4), None, segments())


@pytest.fixture
def waiting(monkeypatch):
    """Let reading a number of the CPU count as waiting, as that of a GPU does."""
    for module in (finite_values, trainer):
        monkeypatch.setattr(module, "reading_waits", lambda device: True)


def reads_of_steps(module, batch):
    fused = torch.optim.AdamW(module.parameters(), fused=True)  # as on a GPU; others read their step
    module.configure_optimizers = lambda: fused
    with Reads() as reads:
        watch = ReadsOfSteps(reads)
        progress = TrainingProgress(lambda note, share: None, N_STEPS)
        fit(make_trainer("cpu", "float32", [progress, watch], max_steps=N_STEPS), module, Given(batch))
    return watch.until_step[-1] - watch.until_step[1]


@pytest.mark.parametrize("make", [alignment, denoising])
def test_steps_read_no_number_where_reading_waits(waiting, make):
    assert reads_of_steps(*make()) == 0


@pytest.mark.parametrize("make", [alignment, denoising])
def test_steps_on_the_cpu_look_at_every_loss(make):
    assert reads_of_steps(*make()) >= N_STEPS - 2


@pytest.mark.parametrize("make", [alignment, denoising])
def test_an_encoder_that_gives_nan_is_named_though_nothing_waited_for_it(waiting, tmp_path, make):
    module, batch = make(spoilt_from=3)
    checkpoint = StageCheckpoints(tmp_path / "kept", {"name": "n", "key": ""}, print).file("net")
    with pytest.raises(ContractError, match="Encoder 'mixed' returned values that are not finite"):
        fit(make_trainer("cpu", "float32", [], max_steps=N_STEPS), module, Given(batch), checkpoint=checkpoint)
    assert not checkpoint.path.exists()


def test_a_loss_that_is_not_finite_is_named_with_its_step(waiting):
    module, batch = denoising()
    batch.std.fill_(torch.inf)
    with pytest.raises(ContractError, match="denoiser diverged at step 0"):
        fit(make_trainer("cpu", "float32", [], max_steps=N_STEPS), module, Given(batch))


def test_weights_that_are_not_finite_are_never_the_best(waiting):
    module, batch = alignment(spoilt_from=3)
    best = KeepBest("valid_mrr")
    with pytest.raises(ContractError, match="not finite"):
        fit(make_trainer("cpu", "float32", [best], max_epochs=1), module, Given(batch, 3), [(batch[0], batch[1])])
    assert best.state_dict()["weights"] is None


def test_progress_is_told_now_and_then_where_telling_waits(waiting, monkeypatch):
    module, batch = denoising()
    monkeypatch.setattr(trainer, "REPORT_S", 1e9)
    told = []
    progress = TrainingProgress(lambda note, share: told.append(share), N_STEPS)
    fit(make_trainer("cpu", "float32", [progress], max_steps=N_STEPS), module, Given(batch))
    assert told == [pytest.approx(1 / N_STEPS), 1.0]
