"""Names the ways in which an encoder uses pretrained weights, and the twins to hold them against; torch-free."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, get_args

from eeg2speech_bench.core.errors import UnknownNameError, UsageError

#: ``full``: all weights go on learning; ``probe``: the body is frozen, only what is new learns; ``lora``: what is new
#: learns, and a change of low rank to each layer of the body; ``scratch``: the same network from random weights
Strategy = Literal["full", "probe", "lora", "scratch"]
STRATEGIES: tuple[str, ...] = get_args(Strategy)
#: those under which the body keeps its weights
FREEZING = ("probe", "lora")


@dataclass(frozen=True)
class WeightsUse:
    """Says which weights an encoder starts from and how it uses them.

    Attributes
    ----------
    weights : str
        File, folder or repository, as it was typed; empty if there are none.
    strategy : str
        One of `STRATEGIES`.
    random : bool
        The twin: the same network under the same strategy, with random weights in place of the pretrained ones.
    """

    weights: str
    strategy: str
    random: bool

    @classmethod
    def of(cls, options: Mapping[str, Any]) -> WeightsUse | None:
        """Read the options of an encoder; None if they name neither weights nor a strategy."""
        weights, strategy = options.get("weights") or "", options.get("strategy") or ""
        if not isinstance(weights, str) or not (weights or strategy):
            return None
        strategy = str(strategy or "full")
        return cls(weights, strategy, strategy == "scratch" or bool(options.get("random_weights")))

    def check(self) -> None:
        """Refuse a strategy that does not exist, or that has nothing to start from.

        Raises
        ------
        UsageError
        """
        if self.strategy not in STRATEGIES:
            raise UnknownNameError("strategy", self.strategy, STRATEGIES)
        if not self.weights and not self.random:
            raise UsageError(
                f"Strategy '{self.strategy}' needs pretrained weights",
                got="none",
                expected="a file, a folder, or owner/name on the hub",
                then="Name them with --set encoder.NAME.weights=..., or leave the strategy out.",
            )

    @property
    def name(self) -> str:
        """What tables call the weights: the end of a path, or of a repository's name."""
        return self.weights.rstrip("/").rpartition("/")[2]


def pretrained_options(options: Mapping[str, Any]) -> dict[str, Any]:
    """Return the options of the run that a twin belongs to; those of a run that is no twin are its own, in full."""
    use = WeightsUse.of(options)
    kept = {name: value for name, value in options.items() if name != "random_weights"}
    if use is None or not use.weights:
        return dict(options)
    return kept | {"strategy": "full" if use.strategy == "scratch" else use.strategy}


def twin_options(options: Mapping[str, Any]) -> dict[str, Any]:
    """Return the options of the twin with random weights; that of ``full`` is ``scratch``."""
    own = pretrained_options(options)
    return own | ({"strategy": "scratch"} if own["strategy"] == "full" else {"random_weights": True})


def title_of(encoder: str, options: Mapping[str, Any]) -> str:
    """Return what tables call an encoder under its options: ``labram (probe, labram-pretrained)``."""
    use = WeightsUse.of(options)
    if use is None:
        return encoder
    what = "" if use.strategy == "scratch" else "random weights" if use.random else use.name
    said = ", ".join(part for part in (str(options.get("strategy") or ""), what) if part)
    return f"{encoder} ({said})" if said else encoder
