"""Trains part of a pretrained network: what is new alone, or with changes of low rank to the frozen rest."""

from __future__ import annotations

from collections.abc import Sequence

from torch import nn

from eeg2speech_bench.core.errors import DataError
from eeg2speech_bench.core.weights.low_rank import RANK, add_changes, changeable, merge_changes
from eeg2speech_bench.core.weights.strategies import FREEZING

#: layers whose running statistics belong to the weights
_NORMS = nn.modules.batchnorm._BatchNorm


class Body:
    """The part of a network that pretrained weights fill.

    Parameters
    ----------
    network : Module
    new : sequence of str
        What names of parameters begin with that the weights do not fill: the head. It is trained under every strategy.
    strategy : str
        ``"probe"`` freezes the body: no gradient, no optimiser state, batch norm and dropout as in evaluation.
        ``"lora"`` freezes it too, but for a change of low rank to each linear and attention layer (Hu et al. 2022);
        its batch norms keep their statistics. Any other leaves all to be trained.

    Raises
    ------
    DataError
        If nothing would be trained, or ``"lora"`` finds no such layer.
    """

    def __init__(self, network: nn.Module, new: Sequence[str], strategy: str) -> None:
        self.network, self.new, self.strategy = network, tuple(new), strategy
        self._changed: dict[str, tuple[nn.Module, str]] = {}
        self._used: set[str] = set()
        if strategy not in FREEZING:
            return
        body = {name: weight for name, weight in network.named_parameters() if self._holds(name)}
        # what is frozen already is frozen because the output does not depend on it
        self._used = {name for name, weight in body.items() if weight.requires_grad}
        for weight in body.values():
            weight.requires_grad_(False)
        if not any(weight.requires_grad for weight in network.parameters()):
            raise DataError(
                f"Strategy '{strategy}' would train nothing of {type(network).__name__}",
                got=f"no parameter of {', '.join(self.new)}",
                then="Choose strategy 'full'.",
            )
        if strategy == "lora" and not self.layers:
            raise DataError(
                f"Strategy 'lora' has nothing to change in {type(network).__name__}",
                got="no linear and no attention layer before the head",
                then="Choose strategy 'probe' or 'full'.",
            )
        self.set_modes()  # a network is built in training mode, and Lightning trains it in the modes that it finds

    def _holds(self, name: str) -> bool:
        return not name.startswith(self.new)

    @property
    def summary(self) -> str:
        """Say in words what is trained and what is not; empty where all is trained."""
        if self.strategy not in FREEZING:
            return ""
        n = sum(weight.numel() for name, weight in self.network.named_parameters() if self._holds(name))
        said = f"{n:,} parameters frozen; trained: {', '.join(self.new)}"
        if self.strategy == "probe":
            return f"{said}; batch norm and dropout of the rest as in evaluation"
        return f"{said}, and changes of rank {RANK} to {len(self.layers)} weights; batch norms keep their statistics"

    @property
    def layers(self) -> dict[str, tuple[nn.Module, str]]:
        """The weights of the body's linear and attention layers that are used, see `core.weights.low_rank`."""
        return changeable(self.network, self._used)

    def set_modes(self) -> None:
        """Put layers whose state must not move into evaluation mode, as once here; for the end of ``Module.train``."""
        if self.strategy not in FREEZING:
            return
        for name, layer in self.network.named_modules():
            if self._holds(name) and (self.strategy == "probe" or isinstance(layer, _NORMS)):
                layer.training = False

    def begin_training(self) -> None:
        """Add what ``lora`` trains; nothing for other strategies, or the second time."""
        if self.strategy == "lora" and not self._changed:
            self._changed = self.layers
            add_changes(self._changed)

    def end_training(self) -> None:
        """Add the changes to the weights, so that the network has its own weights again and no others."""
        merge_changes(self._changed)
        self._changed = {}
