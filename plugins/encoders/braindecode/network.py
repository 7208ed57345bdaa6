"""Builds braindecode's networks, and finds their options and the parameters that go unused."""

from __future__ import annotations

import inspect
import re
import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn

from eeg2speech_bench.core.errors import DataError

#: what the adapter itself tells a network
SIGNAL_PARAMETERS = frozenset({"n_chans", "n_outputs", "n_times", "sfreq", "chs_info", "input_window_seconds"})
#: parameters of braindecode's classes that change what they return
OUTPUT_PARAMETERS = frozenset({"final_layer", "pretrain_mode", "neural_tokenizer", "log_softmax"})
#: words of those of braindecode's warnings that are about the signal
ABOUT_SIGNAL = re.compile(r"chan|window|length|sampl|kernel|sfreq|Hz", re.IGNORECASE)


def model_parameters(network_class: type[nn.Module]) -> dict[str, inspect.Parameter]:
    """Return the parameters of a braindecode class that the user sets.

    The others are the signal's or the output's.
    """
    fixed = SIGNAL_PARAMETERS | OUTPUT_PARAMETERS | {"self"}
    return {
        name: parameter
        for name, parameter in inspect.signature(network_class.__init__).parameters.items()
        if name not in fixed and not name.startswith(("_", "return_")) and parameter.kind is not parameter.VAR_KEYWORD
    }


def construct(
    network_class: type[nn.Module], n_outputs: int, told: Mapping[str, Any], settings: Mapping[str, Any]
) -> tuple[nn.Module, str]:
    """Build a network.

    Parameters
    ----------
    network_class : type
        A class of `braindecode.models`.
    n_outputs : int
    told : mapping
        The signal; what the class does not take is left out.
    settings : mapping
        Parameters of the class; classes of layers may be given by their dotted names.

    Returns
    -------
    (nn.Module, str)
        The network, and what braindecode changes of its own accord, which it only warns of.

    Raises
    ------
    DataError
        If the class refuses the signal or the settings, with its reason.
    """
    from braindecode.models.util import resolve_type_kwargs

    taken = inspect.signature(network_class.__init__).parameters
    told = {key: value for key, value in told.items() if key in taken}
    with warnings.catch_warnings(record=True) as raised, as_data_errors(network_class):
        warnings.simplefilter("always")
        network = network_class(n_outputs=n_outputs, **told, **resolve_type_kwargs(network_class, dict(settings)))
    said = [" ".join(str(warning.message).split()) for warning in raised if warning.category is UserWarning]
    return network, "; ".join(dict.fromkeys(text for text in said if ABOUT_SIGNAL.search(text)))


@contextmanager
def as_data_errors(network_class: type[nn.Module]) -> Iterator[None]:
    """Turn any error of a network into a `DataError`.

    einops, torch and braindecode each have their own.
    """
    try:
        yield
    except Exception as error:
        raise DataError(
            f"braindecode's {network_class.__name__} cannot be built for these channels, segments and options",
            got=f"{type(error).__name__}: {' '.join(str(error).split())[:300]}",
            then="Change data.window_s, data.sfreq or the encoder's options, or choose another encoder.",
        ) from error


@contextmanager
def restored_state(network: nn.Module) -> Iterator[None]:
    """Restore a network's running statistics and the random numbers after a trial run."""
    network.eval()
    with torch.random.fork_rng(devices=[]), torch.enable_grad():
        torch.manual_seed(0)
        yield
    network.train()


def count_steps(network: nn.Module, n_chans: int, n_times: int) -> int:
    """Return at how many steps in time a network answers: those of (n, n_outputs, steps), or one."""
    with restored_state(network), as_data_errors(type(network)):
        found = network(torch.zeros(1, n_chans, n_times))
    return int(found.shape[2]) if found.ndim == 3 else 1


def unused_parameters(network: nn.Module, run: Callable[[Tensor], Tensor], n_chans: int, n_times: int) -> list[str]:
    """Return the trainable parameters that the output of ``run`` does not depend on."""
    trained = {key: value for key, value in network.named_parameters() if value.requires_grad}
    with restored_state(network), as_data_errors(type(network)):
        output = run(torch.randn(2, n_chans, n_times))
        found = torch.autograd.grad(output.square().sum(), list(trained.values()), allow_unused=True)
    return [key for key, gradient in zip(trained, found, strict=True) if gradient is None]
