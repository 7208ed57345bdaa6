"""Times a training step of each encoder on this machine, for the minutes that a plan expects."""

from __future__ import annotations

import hashlib
import json
import multiprocessing
import time
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from eeg2speech_bench.benchmarks.stage_inputs import AlignInputs
from eeg2speech_bench.core.machine.environment import hardware
from eeg2speech_bench.core.stages.json_files import read_json, write_json

if TYPE_CHECKING:
    from multiprocessing.connection import Connection

    from eeg2speech_bench.core.terminal.progress import Progress

#: steps that are timed after one that warms up and is counted; the fastest counts
N_TIMED = 2
#: side and number of the matrix products that say how fast this machine is
MATRIX_SIDE, N_PRODUCTS = 1024, 5
#: share of the cores below which a machine is called busy
UNDISTURBED = 0.8
#: a pass without gradients costs about a third of a training step
VALIDATION_SHARE = 1 / 3
#: seconds in which an encoder must be built and timed
PATIENCE_S = 300.0


@dataclass(frozen=True)
class StepTime:
    """What one training step of an encoder takes on this machine.

    Attributes
    ----------
    seconds : float
        Of a step; 0 for a fit in closed form, which has none.
    gflop : float
        Billions of floating-point operations of a step, forward and backward, as torch counts them.
    gflop_per_s : float
        What this machine reaches in a matrix product, with as many threads.
    core_share : float
        Share of the cores that the matrix product got; less than 1 where other programs use them.
    n_steps, n_valid_batches : int
        Steps of a whole budget of epochs, and batches of all its validations.
    """

    seconds: float
    gflop: float
    gflop_per_s: float
    core_share: float
    n_steps: int
    n_valid_batches: int

    @property
    def budget_s(self) -> float:
        """Seconds of a whole budget of steps."""
        return self.seconds * (self.n_steps + VALIDATION_SHARE * self.n_valid_batches)

    @property
    def is_disturbed(self) -> bool:
        """Whether other programs used the machine, so that it takes longer than it would alone."""
        return self.core_share < UNDISTURBED

    @property
    def peak_share(self) -> float:
        """Share of what the machine reaches in a matrix product; 0 for a closed form."""
        return self.gflop / self.seconds / self.gflop_per_s if self.seconds else 0.0


class StepTimes:
    """Step times that were measured on this machine, kept in the cache.

    Parameters
    ----------
    cache : Path
    """

    def __init__(self, cache: Path) -> None:
        self.path = cache / "step-times.json"

    def find(self, inputs: AlignInputs) -> StepTime | None:
        """Return what was measured of an encoder on this data and machine, else None."""
        known = self._read().get(_key(inputs))
        with suppress(TypeError):
            return None if known is None else StepTime(**known)
        return None

    def keep(self, inputs: AlignInputs, measured: StepTime) -> None:
        """Add what was measured."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        write_json(self.path, self._read() | {_key(inputs): asdict(measured)})

    def _read(self) -> dict[str, Any]:
        with suppress(OSError, ValueError):
            return dict(read_json(self.path))
        return {}


def _key(inputs: AlignInputs) -> str:
    """Hash what decides how long a step takes: the pair, the data, the batch and the machine; not its settings."""
    machine = {name: value for name, value in hardware().items() if name in ("cpu", "n_cores")}
    size = (inputs.alignment.batch_size, inputs.alignment.max_epochs, inputs.alignment.steps_per_epoch)
    places = (inputs.prepared.name, inputs.features.name, inputs.device, inputs.precision)
    named = [inputs.settings()["pair"], places, size, machine]
    return hashlib.sha256(json.dumps(named, sort_keys=True).encode()).hexdigest()[:20]


def measure(several: Iterable[AlignInputs], progress: Progress) -> Iterator[tuple[AlignInputs, StepTime | str]]:
    """Time a step of each encoder in a process that needs torch, so that this one does not.

    Yields
    ------
    (AlignInputs, StepTime or str)
        Or the reason why it was not timed: an encoder that cannot be built, or ends the process, costs itself.
    """
    left = list(several)
    n, process, here = len(left), None, None
    for number, inputs in enumerate(left):
        progress(inputs.pair.encoder.name, number / n)
        if process is None or here is None or not process.is_alive():
            process, here = _start()
        yield inputs, _ask(here, process, inputs)
    if process is not None:
        process.terminate()


def _start() -> tuple[Any, Connection]:
    context = multiprocessing.get_context("spawn")
    here, there = context.Pipe()
    process = context.Process(target=_serve, args=(there,), daemon=True)
    process.start()
    there.close()
    return process, here


def _ask(here: Connection, process: Any, inputs: AlignInputs) -> StepTime | str:
    reason = f"it takes more than {PATIENCE_S:.0f} s"
    try:
        here.send(inputs)
        if here.poll(PATIENCE_S):
            answer: StepTime | str = here.recv()
            return answer
    except Exception as error:  # an encoder that is an object of this process, or one that ended the other
        reason = f"{type(error).__name__}: {error}"
    process.terminate()
    process.join()  # so that the next one is not asked of it
    return reason


def _serve(there: Connection) -> None:
    """Time what is sent until the other end is closed."""
    from eeg2speech_bench.core.terminal.quiet import silence_libraries

    silence_libraries()
    peak = None
    while True:
        try:
            inputs = there.recv()
        except EOFError:
            return
        try:
            peak = peak or _matrix_rate(inputs.device)
            there.send(time_step(inputs, *peak))
        except Exception as error:  # of a plugin
            there.send(f"{type(error).__name__}: {error}")


def time_step(inputs: AlignInputs, gflop_per_s: float, core_share: float) -> StepTime:
    """Train an encoder for a few steps, and count and time them."""
    import torch
    from torch.utils.flop_counter import FlopCounterMode

    from eeg2speech_bench.benchmarks.stages.align import TrialSetup

    training = TrialSetup.of(inputs)
    encoder, target = training.start()
    batches = training.batches()
    config = inputs.alignment
    n_steps, n_valid = config.max_epochs * len(batches), config.max_epochs * len(list(training.ordered("valid")))
    if encoder.closed_form:
        return StepTime(0.0, 0.0, gflop_per_s, core_share, 0, 0)
    module = training.alignment(encoder, target, config).to(inputs.device)
    batch, frames, same_audio = next(batches.batches(0, 0))
    item = batch.to(inputs.device), frames.to(inputs.device), same_audio.to(inputs.device)
    optimizer = module.configure_optimizers()

    def step() -> None:
        optimizer.zero_grad()
        module.training_step(item).backward()
        optimizer.step()
        if inputs.device.startswith("cuda"):
            torch.cuda.synchronize()

    with FlopCounterMode(display=False) as counter:
        step()
    return StepTime(_fastest(step), counter.get_total_flops() / 1e9, gflop_per_s, core_share, n_steps, n_valid)


def _fastest(step: Any) -> float:
    taken = []
    for _ in range(N_TIMED):
        started = time.perf_counter()
        step()
        taken.append(time.perf_counter() - started)
    return min(taken)


def _matrix_rate(device: str) -> tuple[float, float]:
    """Return billions of operations per second of a product of square float32 matrices, and its share of the cores."""
    import torch

    a = torch.randn(MATRIX_SIDE, MATRIX_SIDE, device=device)

    def product() -> None:
        for _ in range(N_PRODUCTS):
            a @ a
        if device.startswith("cuda"):
            torch.cuda.synchronize()

    product()
    started_s, cpu_s = time.perf_counter(), time.process_time()
    fastest_s = _fastest(product)
    cores = (time.process_time() - cpu_s) / (time.perf_counter() - started_s) / torch.get_num_threads()
    return N_PRODUCTS * 2 * MATRIX_SIDE**3 / 1e9 / fastest_s, 1.0 if device.startswith("cuda") else min(cores, 1.0)
