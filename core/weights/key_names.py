"""Finds the weights of one network among those of a file, whose names may have a prefix or another layout."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from eeg2speech_bench.core.errors import DataError
from eeg2speech_bench.core.weights.checkpoint_file import State

#: what wrappers, trainers and AudioLDM's whole checkpoint put before the names of a network's weights; averages of
#: the weights (model_ema, ema_model) are not among them
WRAPPERS = (
    *("module", "_forward_module", "model", "net", "network", "generator"),
    *("first_stage_model", "vocoder", "diffusion_model", "cond_stage_model", "clap"),
)
#: the two ways in which PyTorch names the length and the direction of a weight under weight norm
_NORM_NAMES = (("weight_g", "weight_v"), ("parametrizations.weight.original0", "parametrizations.weight.original1"))


@dataclass(frozen=True)
class Selection:
    """Holds the weights that were found for a network.

    Attributes
    ----------
    state : dict of str to Tensor
        Under the network's own names as far as they are known; some may be missing, and others too many.
    ignored : list of str
        Keys of the file outside the prefix that was taken off.
    """

    state: State
    ignored: list[str]


def select(
    state: State,
    wanted: Mapping[str, Tensor],
    source: str,
    *,
    convert: Callable[[State], State] = dict,
    more_wrappers: Iterable[str] = (),
    optional: re.Pattern[str] | None = None,
) -> Selection:
    """Take off the prefix with which the names fit a network, and convert their layout.

    Parameters
    ----------
    state : dict of str to Tensor
        All weights of a file.
    wanted : mapping of str to Tensor
        The network's own state, on any device; names and shapes are read.
    source : str
        The file, for messages.
    convert : callable
        Brings names without a prefix from the file's layout to the network's.
    more_wrappers : iterable of str
        Parts of prefixes beside `WRAPPERS`.
    optional : pattern, optional
        Names that need not be there.

    Returns
    -------
    Selection
        Whole names are taken as they are; otherwise the one prefix with which all fit. Where none does, the one with
        which most fit, for a message about the rest.

    Raises
    ------
    DataError
        If the names fit with more than one prefix: which network is meant cannot be known.
    """
    needed = {name for name in wanted if optional is None or not optional.search(name)}
    found = {}
    for prefix in _prefixes(state, (*WRAPPERS, *more_wrappers)):
        inner = {key.removeprefix(prefix): value for key, value in state.items() if key.startswith(prefix)}
        found[prefix] = match_weight_norm(convert(inner), wanted)
    whole = [prefix for prefix, inner in found.items() if needed <= inner.keys()]
    if len(whole) > 1 and "" not in whole:
        raise DataError(
            f"{source} holds several networks of this kind",
            got=f"all {len(needed)} weights under {' and under '.join(sorted(whole))}",
            expected="one network",
            then="Store the right one alone by torch.save.",
        )
    # sorted is stable: without a prefix comes first
    best = whole[0] if whole else max(found, key=lambda prefix: len(needed & found[prefix].keys()))
    return Selection(found[best], [key for key in state if not key.startswith(best)])


def match_weight_norm(state: State, wanted: Mapping[str, Tensor]) -> State:
    """Bring weights under weight norm to the form in which a network has them.

    A weight is ``g * v / |v|`` (Salimans and Kingma 2016); files hold g and v under either of two pairs of names, or
    their product.

    Parameters
    ----------
    state : dict of str to Tensor
        In the network's names, but for the weight norm.
    wanted : mapping of str to Tensor
        The network's own state.
    """
    matched = dict(state)
    own = {stem: pair for pair in _NORM_NAMES for stem in _stems(wanted, pair)}
    for g, v in _NORM_NAMES:
        for stem in _stems(state, (g, v)):
            length, direction = matched.pop(stem + g), matched.pop(stem + v)
            if stem in own:
                matched |= {stem + own[stem][0]: length, stem + own[stem][1]: direction}
            else:
                matched[f"{stem}weight"] = length * direction / _length(direction, length)
    for stem, (g, v) in own.items():
        if f"{stem}weight" in matched:
            weight = matched.pop(f"{stem}weight")
            matched |= {stem + g: _length(weight, wanted[stem + g]), stem + v: weight}
    return matched


def _stems(state: Mapping[str, Tensor], pair: tuple[str, str]) -> list[str]:
    """Return what is before both names of a pair, such as ``"encoder.conv."``."""
    g, v = pair
    stems = [key.removesuffix(v) for key in state if key == v or key.endswith(f".{v}")]
    return [stem for stem in stems if stem + g in state]


def _length(v: Tensor, g: Tensor) -> Tensor:
    """Return the norm of ``v`` over the axes on which ``g`` has one entry."""
    if g.ndim != v.ndim:
        return v.float().norm()
    return torch.linalg.vector_norm(v.float(), dim=[axis for axis, n in enumerate(g.shape) if n == 1], keepdim=True)


def _prefixes(state: State, wrappers: tuple[str, ...]) -> list[str]:
    """Return the prefixes made of wrappers alone that keys have, the shortest first."""
    found = {""}
    for key in state:
        prefix = ""
        for part in key.split(".")[:-1]:
            if part not in wrappers:
                break
            prefix += f"{part}."
            found.add(prefix)
    return sorted(found, key=lambda prefix: (prefix.count("."), prefix))
