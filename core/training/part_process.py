"""A copy of this process that computes loss and gradients of one part of every batch."""

from __future__ import annotations

import mmap
import multiprocessing
import weakref
from collections.abc import Callable, Sequence
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess

import torch
from torch import Tensor

from eeg2speech_bench.core.errors import BenchError
from eeg2speech_bench.core.machine.forks import become_a_copy

#: where a tensor begins in shared memory: vector instructions want whole cache lines
ALIGNMENT_BYTES = 64
PartLoss = Callable[..., Tensor]


def shared_like(tensors: Sequence[Tensor]) -> list[Tensor]:
    """Return tensors of the same sizes and memory layouts, which this process shares with copies of itself.

    Their memory is nobody's file: it needs no descriptor and no place in ``/dev/shm``, and ends with its processes.
    """
    sizes = [-(-max(t.numel() * t.element_size(), 1) // ALIGNMENT_BYTES) * ALIGNMENT_BYTES for t in tensors]
    memory = mmap.mmap(-1, max(sum(sizes), 1))
    made, first = [], 0
    for tensor, size in zip(tensors, sizes, strict=True):
        flat = torch.frombuffer(memory, dtype=tensor.dtype, count=max(tensor.numel(), 1), offset=first)
        made.append(flat[: tensor.numel()].as_strided(tensor.shape, torch.empty_like(tensor).stride()))
        first += size
    return made


class PartProcess:
    """Computes loss and gradients of parts of batches in a copy of this process, which sees how the weights change.

    Parameters
    ----------
    part_loss : callable
        Takes tensors and returns a loss, shape ().
    weights : sequence of Tensor
        In memory that both processes share (`shared_like`).
    part : sequence of Tensor
        The first part; those that follow have the same shapes and types.
    """

    def __init__(self, part_loss: PartLoss, weights: Sequence[Tensor], part: Sequence[Tensor]) -> None:
        self._inputs, self._gradients = shared_like(part), shared_like(weights)
        context = multiprocessing.get_context("fork")
        self._connection, theirs = context.Pipe()
        work = (theirs, self._connection, part_loss, weights, self._inputs, self._gradients)
        self._process = context.Process(target=_compute_parts, args=work, daemon=True)
        self._process.start()
        theirs.close()
        self.close = weakref.finalize(self, _end, self._process, self._connection)

    def takes(self, part: Sequence[Tensor]) -> bool:
        """Return whether a part has the shapes and types that this process was made for."""
        return [(t.shape, t.dtype) for t in part] == [(t.shape, t.dtype) for t in self._inputs]

    def begin(self, part: Sequence[Tensor], scale: float) -> None:
        """Let it compute ``scale`` times the loss of a part, and the gradients of that, under the caller's autocast."""
        for ours, given in zip(self._inputs, part, strict=True):
            ours.copy_(given)
        self._tell((scale, torch.is_autocast_enabled("cpu"), torch.get_autocast_dtype("cpu")))

    def finish(self) -> tuple[Tensor, Sequence[Tensor | None]]:
        """Wait for the loss and the gradients; the latter change when the next part begins.

        Raises
        ------
        BenchError
            If the process was ended from outside.
        Exception
            What the loss raises.
        """
        try:
            answer = self._connection.recv()
        except (EOFError, OSError):
            raise self._ended() from None
        if isinstance(answer, BaseException):
            raise answer
        loss, is_used = answer
        pairs = zip(self._gradients, is_used, strict=True)
        return torch.tensor(loss), [gradient if used else None for gradient, used in pairs]

    def _tell(self, order: tuple[float, bool, torch.dtype]) -> None:
        try:
            self._connection.send(order)
        except OSError:
            raise self._ended() from None

    def _ended(self) -> BenchError:
        self._process.join()
        return BenchError(
            "A process that trains beside this one was ended from outside",
            got=f"exit code {self._process.exitcode}",
            expected="its part of the gradient",
            then="It may have wanted more memory than there is. The same command goes on from the last checkpoint.",
        )


def _end(process: BaseProcess, connection: Connection) -> None:
    connection.close()
    process.kill()
    process.join()


def _compute_parts(
    connection: Connection,
    of_parent: Connection,
    part_loss: PartLoss,
    weights: Sequence[Tensor],
    inputs: Sequence[Tensor],
    gradients: Sequence[Tensor],
) -> None:
    """Compute in the copy, part after part, until nobody asks for one."""
    of_parent.close()
    become_a_copy()
    while True:
        try:
            scale, is_half, dtype = connection.recv()
        except (EOFError, OSError):
            return
        try:
            with torch.enable_grad(), torch.autocast("cpu", dtype, enabled=is_half):
                loss, made = loss_and_gradients(part_loss, weights, inputs, scale)
            for ours, gradient in zip(gradients, made, strict=True):
                if gradient is not None:
                    ours.copy_(gradient)
            answer: object = (float(loss), [gradient is not None for gradient in made])
        except Exception as error:
            answer = error
        connection.send(answer)


def loss_and_gradients(
    part_loss: PartLoss, weights: Sequence[Tensor], part: Sequence[Tensor], scale: float
) -> tuple[Tensor, Sequence[Tensor | None]]:
    """Return ``scale`` times the loss of a part, and its gradient for every weight; None where it has none."""
    loss = part_loss(*part) * scale
    return loss.detach(), torch.autograd.grad(loss, weights, allow_unused=True)
