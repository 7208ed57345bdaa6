"""Trains part of a pretrained network: what is new alone, or with changes of low rank to the frozen rest."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from torch import Tensor, nn

from eeg2speech_bench.core.errors import BenchError, DataError
from eeg2speech_bench.core.weights.strategies import FREEZING

#: rank of the changes, and their factor as a multiple of it: the defaults of Hu et al. (2022) as peft has them
RANK, ALPHA = 8, 16
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
        If nothing would be trained.
    """

    def __init__(self, network: nn.Module, new: Sequence[str], strategy: str) -> None:
        self.network, self.new, self.strategy = network, tuple(new), strategy
        self._adapters: Any = None
        if strategy not in FREEZING:
            return
        for name, weight in network.named_parameters():
            if self._holds(name):
                weight.requires_grad_(False)
        if not any(weight.requires_grad for weight in network.parameters()):
            raise DataError(
                f"Strategy '{strategy}' would train nothing of {type(network).__name__}",
                got=f"no parameter of {', '.join(self.new)}",
                then="Choose strategy 'full'.",
            )

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
        names = self.layers()
        return f"{said}, and changes of rank {RANK} to {len(names)} layers; batch norms keep their statistics"

    def layers(self) -> list[str]:
        """Return the names of the body's linear and attention layers."""
        modules = dict(self.network.named_modules())
        attention = [name for name, layer in modules.items() if type(layer) is nn.MultiheadAttention]
        linear = [
            name
            for name, layer in modules.items()
            if type(layer) is nn.Linear and not name.startswith(tuple(f"{outer}." for outer in attention))
        ]
        return [name for name in (*linear, *attention) if self._holds(name)]

    def set_modes(self) -> None:
        """Put layers whose state must not move into evaluation mode; for the end of ``Module.train``."""
        if self.strategy not in FREEZING:
            return
        for name, layer in self.network.named_modules():
            if self._holds(name) and (self.strategy == "probe" or isinstance(layer, _NORMS)):
                layer.training = False

    def begin_training(self) -> None:
        """Add what ``lora`` trains; nothing for other strategies, or the second time.

        Raises
        ------
        BenchError
            If peft is not installed, or the body has no layer that can be changed.
        """
        if self.strategy != "lora" or self._adapters is not None:
            return
        trained = [weight for weight in self.network.parameters() if weight.requires_grad]
        self._adapters = _adapt(self.network, self.layers())
        for weight in trained:
            weight.requires_grad_(True)

    def end_training(self) -> None:
        """Add the changes to the weights that they change, so that the network is what it was before, but for them."""
        if self._adapters is not None:
            self._adapters.merge_and_unload()
            self._adapters = None


def _adapt(network: nn.Module, names: list[str]) -> Any:
    try:
        from peft import LoraConfig, LoraModel
        from peft.tuners.lora.layer import Linear
    except ImportError as error:
        raise BenchError(
            "Strategy 'lora' needs peft", got=str(error), then="Type: pip install 'eeg2speech-bench[lora]'"
        ) from error
    if not names:
        raise DataError(
            f"Strategy 'lora' has nothing to change in {type(network).__name__}",
            got="no linear and no attention layer before the head",
            then="Choose strategy 'probe' or 'full'.",
        )

    class ReadableLinear(Linear):  # type: ignore[misc]  # of a library without types
        """Gives its changed weight to whoever reads it; peft gives the unchanged one, and LaBraM's attention reads."""

        @property
        def weight(self) -> Tensor:
            weight: Tensor = self.get_base_layer().weight
            for name in () if self.merged else self.lora_A:
                weight = weight + self.get_delta_weight(name)
            return weight

    config = LoraConfig(r=RANK, lora_alpha=ALPHA, target_modules=names)
    config._register_custom_module({nn.Linear: ReadableLinear})
    return LoraModel(network, config, "default")
