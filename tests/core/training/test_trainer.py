"""Training: the best weights are kept, a stop by the user stays one, divergence has a name."""

from __future__ import annotations

import subprocess
import sys
import threading

import lightning as L
import pytest
import torch

from eeg2speech_bench.core.training import trainer
from eeg2speech_bench.core.training.read_ahead import ReadAhead
from eeg2speech_bench.core.training.trainer import KeepBest, TrainingProgress, fit, make_trainer


class Toy(L.LightningModule):
    """One weight that follows a script of validation scores."""

    def __init__(self, scores, stop_at=None):
        super().__init__()
        self.weight = torch.nn.Parameter(torch.zeros(()))
        self.scores, self.stop_at = scores, stop_at

    def training_step(self, batch):
        if self.global_step == self.stop_at:
            raise KeyboardInterrupt
        with torch.no_grad():
            self.weight += 1
        return self.weight * 0 + torch.zeros((), requires_grad=True)

    def validation_step(self, batch):
        self.log("score", self.scores[self.current_epoch])

    def configure_optimizers(self):
        return torch.optim.SGD(self.parameters(), lr=0.0)


def train(module, callbacks, epochs):
    batches = torch.utils.data.TensorDataset(torch.zeros(1))
    fit(make_trainer("cpu", "float32", callbacks, max_epochs=epochs), module, batches, batches)


def test_the_weights_of_the_best_epoch_are_put_back():
    best, module = KeepBest("score"), Toy([0.1, 0.9, 0.5])
    train(module, [best], 3)
    assert (module.weight.item(), best.epoch, best.best) == (2.0, 1, pytest.approx(0.9))


def test_batches_that_a_thread_reads_ahead_train_the_same_and_leave_no_thread(monkeypatch):
    def read_ahead(batches, device):
        return ReadAhead(torch.utils.data.DataLoader(batches, batch_size=None))

    monkeypatch.setattr(trainer, "_loader", read_ahead)
    best, module = KeepBest("score"), Toy([0.1, 0.9, 0.5])
    train(module, [best], 3)
    assert (module.weight.item(), best.epoch) == (2.0, 1)
    assert "read-ahead" not in [thread.name for thread in threading.enumerate()]


def test_a_stop_by_the_user_is_passed_on():
    with pytest.raises(KeyboardInterrupt):
        train(Toy([0.0] * 3, stop_at=1), [], 3)


def test_progress_reaches_the_end_and_tells_what_was_logged():
    told = []
    train(Toy([0.1, 0.2]), [TrainingProgress(lambda note, share: told.append((note, share)), 2)], 2)
    assert [share for _, share in told] == [0.5, 1.0]
    assert "score 0.100" in told[1][0]


def test_lightning_says_nothing_when_it_is_imported_late():
    script = (
        "import lightning as L, torch\n"
        "from eeg2speech_bench.core.training.trainer import make_trainer\n"
        "make_trainer('cpu', 'bfloat16', [], max_epochs=1)"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout + done.stderr == ""
