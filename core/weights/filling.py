"""Fills a network with weights, or says why they are not its own."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from eeg2speech_bench.core.errors import DataError
from eeg2speech_bench.core.weights.checkpoint_file import State

#: counters that only training reads; old files lack them
COUNTERS = r"\.num_batches_tracked$|^n_averaged$"


@dataclass(frozen=True)
class Origin:
    """Says in error messages where weights are from, and what may differ.

    Attributes
    ----------
    source : str
        What messages call the file or the folder.
    option : str
        The setting that names it.
    network : str
        What messages call the network.
    optional : str
        Pattern of the network's weights that a file may lack, since the outputs do not depend on them.
    leftovers : str
        Pattern of what a file may have beside: heads of other tasks, and what is computed anew.
    sizes : str
        The settings that decide the network's sizes; empty if the file itself does.
    """

    source: str
    option: str
    network: str
    optional: str = COUNTERS
    leftovers: str = COUNTERS
    sizes: str = ""

    @property
    def may_lack(self) -> re.Pattern[str]:
        """Return the pattern of what may be absent, with the counters."""
        return re.compile(f"{self.optional}|{COUNTERS}")

    @property
    def may_have(self) -> re.Pattern[str]:
        """Return the pattern of what may be left over, with the counters."""
        return re.compile(f"{self.leftovers}|{COUNTERS}")


def fill(module: nn.Module, state: State, origin: Origin) -> None:
    """Copy weights into a network: every one must be there, in its shape, and none may be left over.

    Parameters
    ----------
    module : Module
    state : dict of str to Tensor
        Under the network's own names.
    origin : Origin

    Raises
    ------
    DataError
        If weights are missing, left over, quantised or of another shape.
    """
    wanted = module.state_dict()
    shapes = [(key, state[key].shape, wanted[key].shape) for key in wanted if key in state]
    check_names(wanted.keys() - state.keys(), state.keys() - wanted.keys(), len(wanted), origin)
    check_shapes([(key, ours, theirs) for key, ours, theirs in shapes if ours != theirs], origin)
    check_numbers(state, wanted, origin)
    module.load_state_dict(state, strict=False)  # what may be absent keeps its value


def check_names(missing: Collection[str], unexpected: Collection[str], n_wanted: int, origin: Origin) -> None:
    """Refuse weights that do not fill a network, or that no part of it takes.

    Parameters
    ----------
    missing, unexpected : collection of str
        Names that the file lacks, and that the network lacks.
    n_wanted : int
        Number of the network's weights.
    origin : Origin

    Raises
    ------
    DataError
        If one of them may not be ignored.
    """
    absent = sorted(key for key in missing if not origin.may_lack.search(key))
    more = sorted(key for key in unexpected if not origin.may_have.search(key))
    if not absent and not more:
        return
    shown = [f"no {key}" for key in absent[:3]] + [f"also {key}" for key in more[:3]]
    if not absent:
        problem = f"{origin.source} has weights that this {origin.network} does not"
    elif len(missing) < n_wanted:
        problem = f"{origin.source} is incomplete"
    else:
        problem = f"{origin.source} is not a checkpoint of this {origin.network}"
    raise DataError(
        problem,
        got=f"{', '.join(shown)} ({len(absent)} missing and {len(more)} unexpected keys)",
        expected=f"the {n_wanted} weights of the {origin.network} and no others",
        then=_then(origin),
    )


def check_shapes(differing: Collection[tuple[str, torch.Size, torch.Size]], origin: Origin) -> None:
    """Refuse weights of another shape.

    Parameters
    ----------
    differing : collection of tuple of str, Size and Size
        Name, shape in the file and shape in the network.
    origin : Origin

    Raises
    ------
    DataError
        If there is one.
    """
    if differing:
        key, found, expected = min(differing)
        others = f" (and {len(differing) - 1} others)" if len(differing) > 1 else ""
        raise DataError(
            f"{origin.source} was made by a {origin.network} of another size",
            got=f"{key} of shape {tuple(found)}{others}",
            expected=tuple(expected),
            then=_then(origin),
        )


def check_numbers(state: State, wanted: Mapping[str, Tensor], origin: Origin) -> None:
    """Refuse weights that are whole numbers where the network has fractions: they are quantised.

    Raises
    ------
    DataError
        If there is one.
    """
    for key in sorted(wanted.keys() & state.keys()):
        if wanted[key].is_floating_point() and not state[key].is_floating_point():
            raise DataError(
                f"{origin.source} holds quantised weights",
                got=f"{key} of type {str(state[key].dtype).removeprefix('torch.')}",
                expected="float32, float16 or bfloat16",
                then=_then(origin),
            )


def _then(origin: Origin) -> str:
    sizes = f", or set {origin.sizes} as it was when the file was made" if origin.sizes else ""
    return f"Set {origin.option} to the whole weights of this network{sizes}."
