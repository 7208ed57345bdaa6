"""Trains with Lightning, reports progress, and keeps the best weights."""

from __future__ import annotations

import copy
import logging
import signal
import time
from collections.abc import Iterable, Sequence
from datetime import timedelta
from typing import Any

import lightning as L
import torch
from lightning.pytorch.plugins.environments import LightningEnvironment
from lightning.pytorch.strategies import DDPStrategy

from eeg2speech_bench.core.errors import ContractError
from eeg2speech_bench.core.machine.ranks import this_rank
from eeg2speech_bench.core.stages.checkpoints import CheckpointFile
from eeg2speech_bench.core.terminal.progress import Progress
from eeg2speech_bench.core.training.finite_values import reading_waits
from eeg2speech_bench.core.training.read_ahead import ReadAhead
from eeg2speech_bench.core.training.seeding import derive_seed, seed_everything
from eeg2speech_bench.core.training.step_checkpoints import keep_checkpoints
from eeg2speech_bench.core.training.training_batches import TrainingBatches

# Lightning sets its loggers to INFO when it is imported, so they are silenced here and not before
for _name in ("lightning", "lightning.pytorch", "lightning.fabric", "lightning_utilities"):
    logging.getLogger(_name).setLevel(logging.ERROR)


#: how long a process waits for the others it trains with; one that died while they meet is not noticed earlier
WAIT_FOR_OTHERS = timedelta(minutes=10)
#: seconds between two reports, where a report waits for the device
REPORT_S = 0.5


class KeepBest(L.Callback):
    """Keeps a copy of the weights with the highest monitored value and puts it back after training."""

    def __init__(self, monitor: str) -> None:
        self.monitor = monitor
        self.best = -float("inf")
        self.epoch = -1
        self._weights: dict[str, Any] | None = None

    def on_validation_end(self, trainer: L.Trainer, module: L.LightningModule) -> None:
        """Copy the weights if they are the best so far."""
        value = float(trainer.callback_metrics[self.monitor])
        if not trainer.sanity_checking and value > self.best:
            self.best, self.epoch = value, trainer.current_epoch
            self._weights = copy.deepcopy(module.state_dict())

    def state_dict(self) -> dict[str, Any]:
        """Return the best weights so far, and how good they are."""
        return {"best": self.best, "epoch": self.epoch, "weights": self._weights}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Go on from what `state_dict` returned."""
        self.best, self.epoch, self._weights = (state_dict[name] for name in ("best", "epoch", "weights"))

    def on_fit_end(self, trainer: L.Trainer, module: L.LightningModule) -> None:
        """Put the best weights back."""
        if self._weights is not None:
            module.load_state_dict(self._weights)


class TrainingProgress(L.Callback):
    """Reports steps done, and what was logged last, to a stage's progress line."""

    def __init__(self, report: Progress, n_steps: int) -> None:
        self.report, self.n_steps = report, max(n_steps, 1)
        self._last_s = -float("inf")

    def on_train_batch_end(self, trainer: L.Trainer, module: L.LightningModule, *_: Any) -> None:
        """Report after every step; now and then where reading what was logged waits for the device."""
        now = time.monotonic()
        if reading_waits(module.device) and now - self._last_s < REPORT_S and trainer.global_step < self.n_steps:
            return
        self._last_s = now
        logged = ", ".join(f"{name} {float(v):.3f}" for name, v in trainer.callback_metrics.items())
        note = f"step {trainer.global_step}" + (f", {logged}" if logged else "")
        self.report(note, min(trainer.global_step / self.n_steps, 1.0))


class DrawApart(L.Callback):
    """Lets the processes that train together draw different random numbers for their shares of a batch."""

    def on_train_start(self, trainer: L.Trainer, module: L.LightningModule) -> None:
        """Seed all but the first anew, by their number and the step that they begin at."""
        if number := this_rank().number:
            seed_everything(derive_seed(torch.initial_seed(), "rank", number, trainer.global_step))


def make_trainer(
    device: str, precision: str, callbacks: Sequence[L.Callback], *, max_epochs: int = -1, max_steps: int = -1
) -> L.Trainer:
    """Return a Lightning trainer that writes nothing and shows nothing by itself.

    Where several processes train together it is one of them; each then gets its share of every batch, and the whole
    of the validation data, since samplers that share them out would repeat some.

    Parameters
    ----------
    device : str
        ``cpu`` or ``cuda`` (with an index for one GPU of several).
    precision : str
        ``float32`` or ``bfloat16`` (autocast; weights stay float32).
    """
    cuda = device.startswith("cuda")
    rank = this_rank()
    together: dict[str, Any] = {}
    if rank.count > 1:
        # encoders have layers that not every step uses
        strategy = DDPStrategy(find_unused_parameters=True, timeout=WAIT_FOR_OTHERS)
        together = {"strategy": strategy, "sync_batchnorm": cuda}
        callbacks = [*callbacks, DrawApart()]
    index = [int(device.split(":")[1])] if ":" in device else 1
    return L.Trainer(
        accelerator="gpu" if cuda else "cpu",
        devices=rank.count if together else index if cuda else 1,
        precision="bf16-mixed" if precision == "bfloat16" else "32-true",
        max_epochs=max_epochs,
        max_steps=max_steps,
        callbacks=list(callbacks),
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        num_sanity_val_steps=0,
        use_distributed_sampler=False,
        # even in a job of Slurm, where Lightning would count its tasks and answer its signals
        plugins=[LightningEnvironment()],
        **together,
    )


def fit(
    trainer: L.Trainer,
    module: L.LightningModule,
    train: Iterable[Any],
    valid: Iterable[Any] | None = None,
    checkpoint: CheckpointFile | None = None,
) -> None:
    """Train on iterables of whole batches (training, and validation if there is one).

    Parameters
    ----------
    checkpoint : CheckpointFile, optional
        Where the state is kept meanwhile, and gone on from if one is there. ``train`` is a `TrainingBatches` then.

    Raises
    ------
    KeyboardInterrupt
        If the user stopped it. Lightning would end the process instead, and leave Ctrl-C switched off.
    ContractError
        If what is trained tried to end the process.
    """
    handler = signal.getsignal(signal.SIGINT)
    start = None
    if checkpoint is not None:
        assert isinstance(train, TrainingBatches)
        start = keep_checkpoints(trainer, module, train, checkpoint)
    loaders = [_loader(batches, trainer.strategy.root_device) for batches in (train, valid) if batches is not None]
    try:
        judged = loaders[1] if len(loaders) > 1 else None
        trainer.fit(module, loaders[0], judged, ckpt_path=start, weights_only=True)
    except SystemExit as stop:
        signal.signal(signal.SIGINT, handler)
        if not isinstance(stop.__context__, KeyboardInterrupt):
            name = type(module).__name__
            raise ContractError(f"What {name} trains called sys.exit", then="Raise an error instead.") from stop
        raise KeyboardInterrupt from stop
    finally:
        for loader in loaders:
            if isinstance(loader, ReadAhead):
                loader.close()
    if trainer.interrupted:
        raise KeyboardInterrupt
    module.cpu()


def _loader(batches: Any, device: torch.device) -> torch.utils.data.DataLoader[Any] | ReadAhead:
    """Return what Lightning reads; batches that are made on the host are made and pinned ahead for a GPU."""
    for_gpu = device.type == "cuda" and not getattr(batches, "on_device", False)
    loader = torch.utils.data.DataLoader(batches, batch_size=None, pin_memory=for_gpu)  # these are batches already
    return ReadAhead(loader) if for_gpu else loader
