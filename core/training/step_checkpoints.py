"""Writes the whole state of a training now and then, and goes on from it as if nothing had happened."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

import lightning as L
from lightning.fabric.plugins import CheckpointIO
from torch.nn.parameter import is_lazy

from eeg2speech_bench.core.machine.ranks import this_rank
from eeg2speech_bench.core.stages.checkpoints import CheckpointFile
from eeg2speech_bench.core.training.seeding import random_states, restore_random_states
from eeg2speech_bench.core.training.training_batches import TrainingBatches

#: seconds between two checkpoints, if writing one takes no larger share of them than this
EVERY_S, MAX_SHARE = 30.0, 0.02
#: however long that takes, a killed training loses no more seconds than these and the step that it was in
LONGEST_S = 60.0


def pause_s(write_s: float) -> float:
    """Return the seconds until the next checkpoint, after one that took ``write_s`` to write."""
    return min(max(EVERY_S, write_s / MAX_SHARE), LONGEST_S)


class StepCheckpoints(L.Callback):
    """Writes the state between two steps, and once more when the last one is done.

    Between two steps means before a batch is used: validation is over, the average of the weights is up to date, and
    the position in the data is the number of batches behind it. A run that is stopped in the middle of a step writes
    nothing, since half a step can neither be kept nor undone.

    Parameters
    ----------
    file : CheckpointFile
    """

    def __init__(self, file: CheckpointFile) -> None:
        self.file = file
        self._next_s = time.monotonic() + EVERY_S
        self._at: dict[str, int] = {}
        self._finished = False
        self._random: dict[str, Any] | None = None

    def on_fit_start(self, trainer: L.Trainer, module: L.LightningModule) -> None:
        """Let a training that was finished end at once."""
        trainer.should_stop = self._finished

    def on_train_batch_start(
        self, trainer: L.Trainer, module: L.LightningModule, batch: object, batch_idx: int
    ) -> None:
        """Go on with the random numbers of the state that was read, or write one if it is time."""
        self._restore_random_states()
        started_s = time.monotonic()
        if trainer.strategy.broadcast(started_s >= self._next_s):  # all write together, or none does
            self._write(trainer, batch_idx)
            now_s = time.monotonic()
            self._next_s = now_s + pause_s(now_s - started_s)

    def on_train_end(self, trainer: L.Trainer, module: L.LightningModule) -> None:
        """Write the end, so that what the stage does with the weights can be killed, too."""
        self._finished = True
        self._write(trainer, 0)

    def on_fit_end(self, trainer: L.Trainer, module: L.LightningModule) -> None:
        """Go on with the random numbers of a training that was finished."""
        self._restore_random_states()

    def state_dict(self) -> dict[str, Any]:
        """Return where the training is, and the states of the random numbers."""
        return {"at": self._at, "finished": self._finished, "random": random_states()}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Take the state over; random numbers are drawn until the first batch is there, so theirs wait."""
        self._finished, self._random = state_dict["finished"], state_dict["random"]

    def _write(self, trainer: L.Trainer, batch: int) -> None:
        self._at = {"epoch": trainer.current_epoch, "batch": batch, "step": trainer.global_step}
        trainer.save_checkpoint(self.file.path)

    def _restore_random_states(self) -> None:
        if self._random is not None and not this_rank().number:  # the others' were not kept; they draw others
            restore_random_states(self._random)
        self._random = None


class _CheckedState(CheckpointIO):
    """Gives Lightning the state that was read and checked already, and writes states as checkpoint files."""

    def __init__(self, file: CheckpointFile, state: dict[str, Any]) -> None:
        self.file, self.state = file, state

    def save_checkpoint(self, checkpoint: dict[str, Any], path: object, storage_options: Any = None) -> None:
        self.file.write(checkpoint)

    def load_checkpoint(
        self, path: object, map_location: Any = None, weights_only: bool | None = None
    ) -> dict[str, Any]:
        return self.state

    def remove_checkpoint(self, path: object) -> None:
        raise NotImplementedError("a stage removes its checkpoints itself")


def keep_checkpoints(
    trainer: L.Trainer, module: L.LightningModule, train: TrainingBatches, file: CheckpointFile
) -> str | None:
    """Let a training write its state into a file, and prepare it to go on from what lies there.

    Returns
    -------
    str or None
        What Lightning is asked to go on from.
    """
    state = file.read()
    if state is not None and (misfit := _misfit(state, module)):
        file.refuse(misfit)
        state = None
    trainer.callbacks.append(callback := StepCheckpoints(file))  # type: ignore[attr-defined]
    trainer.strategy.checkpoint_io = _CheckedState(file, state or {})
    if state is None:
        return None
    at = state["callbacks"][callback.state_key]["at"]
    train.start_at(at["epoch"], at["batch"])
    file.goes_on(at["step"])
    return str(file.path)


def _misfit(state: dict[str, Any], module: L.LightningModule) -> str:
    """Say which weights are not those of the module, as after a plugin that grows while it trains; empty if none."""
    kept, own = _shapes(state["state_dict"]), _shapes(module.state_dict())
    other = sorted(name for name in {*kept, *own} if kept.get(name) != own.get(name))
    return f"{other[0]} has another shape" if other else ""


def _shapes(weights: Mapping[str, Any]) -> dict[str, Any]:
    """Return the shapes of what is in a state dict; None for what has none, as an extra state or a lazy weight."""
    return {name: None if is_lazy(value) else getattr(value, "shape", None) for name, value in weights.items()}
