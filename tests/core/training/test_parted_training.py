"""A batch that is trained on in parts gives the gradients of the whole."""

from __future__ import annotations

import os
from collections.abc import Callable

import psutil
import pytest
import torch
from torch import nn

from eeg2speech_bench.core.errors import BenchError
from eeg2speech_bench.core.training import parted_training
from eeg2speech_bench.core.training.parted_training import PartedTraining


class Squares(PartedTraining):
    """Fits a small network; a weight of its own is never used."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.net = nn.Sequential(nn.Linear(5, 7), nn.GELU(), nn.Linear(7, 3))
        self.unused = nn.Parameter(torch.ones(2))

    def part_loss(self, *tensors: torch.Tensor) -> torch.Tensor:
        given, goal = tensors
        made = self.net(given)
        return (made.float() - goal).square().sum()


class Teller(Squares):
    """Raises what a test wants to know of the process that has the last item."""

    def part_loss(self, *tensors: torch.Tensor) -> torch.Tensor:
        if bool((tensors[1] == 7).any()):
            raise LookupError(self.net(tensors[0]).dtype, len(tensors[0]), os.getpid(), torch.get_num_threads())
        return super().part_loss(*tensors)


@pytest.fixture
def cores(monkeypatch: pytest.MonkeyPatch) -> Callable[[int], None]:
    """Let parts be as many as asked for."""

    def use(n: int) -> None:
        monkeypatch.setattr(parted_training, "count_cores", lambda: n)

    return use


def gradients(module: Squares) -> dict[str, torch.Tensor | None]:
    torch.manual_seed(1)
    given, goal = torch.randn(10, 5), torch.randn(10, 3)
    module.zero_grad()
    loss = module.parted_loss(given, goal)
    module.backward(loss)
    found = {name: None if p.grad is None else p.grad.clone() for name, p in module.named_parameters()}
    return {"loss": loss.detach(), **found}


@pytest.mark.parametrize("n", [2, 3, 10, 64])
def test_loss_and_gradient_are_those_of_the_whole_batch(cores: Callable[[int], None], n: int) -> None:
    module = Squares()
    cores(1)
    whole = gradients(module)
    cores(n)
    parted = gradients(module)
    assert parted.pop("unused") is None and whole.pop("unused") is None
    for name, value in whole.items():
        torch.testing.assert_close(parted[name], value, rtol=1e-5, atol=1e-7)
    module.teardown("fit")


def test_the_same_parts_give_the_same_gradient_to_the_last_digit(cores: Callable[[int], None]) -> None:
    module = Squares()
    cores(4)
    first, second = gradients(module), gradients(module)
    assert all(torch.equal(first[name], second[name]) for name in first if first[name] is not None)


def test_a_part_is_computed_elsewhere_with_one_thread_and_in_the_precision_of_its_caller(
    cores: Callable[[int], None],
) -> None:
    goal = torch.zeros(10, 3)
    goal[9] = 7
    module = Teller()
    cores(3)
    with torch.autocast("cpu", torch.bfloat16), pytest.raises(LookupError) as told:
        module.parted_loss(torch.zeros(10, 5), goal)
    dtype, n_items, pid, n_threads = told.value.args
    assert (dtype, n_items, n_threads) == (torch.bfloat16, 2, 1)
    assert pid != os.getpid()


def test_other_processes_see_how_the_weights_change(cores: Callable[[int], None]) -> None:
    module = Squares()
    cores(2)
    gradients(module)
    with torch.no_grad():
        module.net[0].weight.mul_(2)
    parted = gradients(module)
    cores(1)
    whole = gradients(module)
    torch.testing.assert_close(parted["net.0.weight"], whole["net.0.weight"], rtol=1e-5, atol=1e-7)
    module.teardown("fit")


def test_parts_of_another_size_are_taken_too(cores: Callable[[int], None]) -> None:
    module = Squares()
    cores(2)
    gradients(module)
    given, goal = torch.ones(4, 5), torch.ones(4, 3)
    torch.testing.assert_close(module.parted_loss(given, goal), module.part_loss(given, goal) / 4)
    module.teardown("fit")


def test_nothing_is_left_at_the_end(cores: Callable[[int], None]) -> None:
    before = {child.pid for child in psutil.Process().children()}
    module = Squares()
    cores(3)
    gradients(module)
    assert len({child.pid for child in psutil.Process().children()} - before) == 2
    module.teardown("fit")
    assert {child.pid for child in psutil.Process().children()} == before


def test_a_process_that_was_ended_is_said(cores: Callable[[int], None]) -> None:
    before = {child.pid for child in psutil.Process().children()}
    module = Squares()
    cores(2)
    gradients(module)
    for child in psutil.Process().children():
        if child.pid not in before:
            child.kill()
            child.wait()
    with pytest.raises(BenchError, match="ended from outside"):
        gradients(module)


def test_what_a_part_raises_is_raised(cores: Callable[[int], None]) -> None:
    module = Squares()
    cores(2)
    with pytest.raises(RuntimeError, match="shapes cannot be multiplied"):
        module.parted_loss(torch.zeros(4, 6), torch.zeros(4, 3))


def test_threads_are_as_many_as_before(cores: Callable[[int], None]) -> None:
    before = torch.get_num_threads()
    cores(2)
    gradients(Squares())
    assert torch.get_num_threads() == before


class Images(PartedTraining):
    """Convolves images in the layout in which their gradients come with other strides than the weights."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.net = nn.Sequential(nn.Conv2d(16, 16, 3, padding=1), nn.SiLU(), nn.Conv2d(16, 16, 3, padding=1))

    def part_loss(self, *tensors: torch.Tensor) -> torch.Tensor:
        (image,) = tensors
        return self.net(image.to(memory_format=torch.channels_last)).square().sum()


def test_the_fused_optimiser_changes_weights_as_it_does_for_the_whole_batch(cores: Callable[[int], None]) -> None:
    image, changed = torch.randn(4, 16, 8, 8), []
    for n in (1, 2):
        cores(n)
        module = Images()
        optimizer = torch.optim.AdamW(module.parameters(), lr=0.1, fused=True)
        module.backward(module.parted_loss(image))
        assert all(weight.grad.stride() == weight.stride() for weight in module.parameters())
        optimizer.step()
        changed.append([weight.detach() for weight in module.parameters()])
    for whole, parted in zip(*changed, strict=True):
        torch.testing.assert_close(parted, whole, rtol=1e-3, atol=1e-4)
