"""A batch that is trained on in parts gives the gradients of the whole."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import nn

from eeg2speech_bench.core.training import parted_training
from eeg2speech_bench.core.training.parted_training import PartedTraining


class Squares(PartedTraining):
    """Fits a small network; a weight of its own is never used."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.net = nn.Sequential(nn.Linear(5, 7), nn.GELU(), nn.Linear(7, 3))
        self.unused = nn.Parameter(torch.ones(2))
        self.seen: list[tuple[int, bool]] = []

    def part_loss(self, *tensors: torch.Tensor) -> torch.Tensor:
        given, goal = tensors
        made = self.net(given)
        self.seen.append((len(given), made.dtype == torch.bfloat16))
        return (made.float() - goal).square().sum()


@pytest.fixture
def cores(monkeypatch: pytest.MonkeyPatch) -> Callable[[int], None]:
    """Let parts be as many as asked for."""

    def use(n: int) -> None:
        for module in (parted_training, __import__("sys").modules["eeg2speech_bench.core.machine.core_threads"]):
            monkeypatch.setattr(module, "count_cores", lambda: n)

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
    assert sum(n_items for n_items, _ in module.seen) == 20 and len(module.seen) == 1 + -(-10 // -(-10 // min(n, 10)))


def test_the_same_parts_give_the_same_gradient_to_the_last_digit(cores: Callable[[int], None]) -> None:
    module = Squares()
    cores(4)
    first, second = gradients(module), gradients(module)
    assert all(torch.equal(first[name], second[name]) for name in first if first[name] is not None)


def test_parts_compute_in_the_precision_of_their_caller(cores: Callable[[int], None]) -> None:
    module = Squares()
    cores(2)
    with torch.autocast("cpu", torch.bfloat16):
        gradients(module)
    assert module.seen == [(5, True), (5, True)]


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
