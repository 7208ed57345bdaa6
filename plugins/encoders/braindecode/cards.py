"""Lists the models of braindecode in a table that needs neither torch nor braindecode."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from importlib import resources
from typing import Any, Literal

from eeg2speech_bench.core.specs import EncoderSpec


@dataclass(frozen=True)
class WeightsCard:
    """Holds what published weights of a model ask for.

    Nothing of it applies to a network that is trained from scratch.

    Attributes
    ----------
    hub : tuple of str
        Repositories on the Hugging Face Hub, as braindecode names them.
    trained_on : str
        Data behind them.
    scale : float
        What one inter-quartile range is multiplied by.
    unit : str
        That scale in words.
    channels : str
        ``"bipolar"`` derivations; ``"own"``: the network looks up the channels itself, and what it does not find is
        refused.
    first_rows : tuple of str
        Embeddings over time of which a shorter window uses the first rows.
    refused : str
        Why they cannot be used all the same.
    new : tuple of str
        Layers beside the head that are trained anew where the weights do not have them.
    """

    hub: tuple[str, ...]
    trained_on: str
    scale: float = 1.0
    unit: str = ""
    channels: Literal["any", "bipolar", "own"] = "any"
    first_rows: tuple[str, ...] = ()
    new: tuple[str, ...] = ()
    refused: str = ""

    @property
    def summary(self) -> str:
        """Say where they are and what they were trained on, or why they cannot be used."""
        return f"not usable: {self.refused}" if self.refused else f"{', '.join(self.hub)}: {self.trained_on}"


@dataclass(frozen=True)
class ModelCard:
    """Holds what the table says of one class of `braindecode.models`.

    Attributes
    ----------
    name : str
        Name of the encoder.
    cls : str
        Name of the class.
    summary, citation, licence : str
        For listings.
    refused : str
        Why it cannot be an encoder; empty if it can.
    on_request : str
        Why it runs only when named: its licence, its size.
    sfreq : float, optional
        Sampling rate that the network is made for, where its patches or kernels have no meaning at another.
    patch : (int, int), optional
        Window lengths that it takes: first + k * second samples.
    tiles : (int, int), optional
        Receptive field and stride, in samples, of a network whose last layer is moved over time ("cropped decoding");
        segments are extended until the steps cover them.
    channels : str
        ``"positions"``: every electrode needs one; ``"bank"``: so, and the network reads them from a file;
        ``"names"``: the network is told names of the 10-10 system; ``"hemispheres"``: names must pair left with right.
    options : dict
        Settings other than braindecode's defaults, with the reason beside them in the table.
    from_signal : dict
        Settings that follow the signal: option -> ``"n_chans"``, ``"channel_indices"`` or ``"all_patches"`` (those of
        all channels together).
    frozen : tuple of str
        Parts of names of parameters that segments of seconds never reach.
    n_slices, slice_s : int, float
        Slices that a segment is cut into unless the user says otherwise, and their length. A classifier says one
        thing of all it sees: asked for the tokens of a whole segment at once, EEGNet stays at chance for the steps of
        the preset ``quick``, and most heads have ten times the weights.
    learning_rate : float, optional
        Instead of the preset's.
    sequence : bool
        It returns a sequence over time instead of one vector.
    weights : WeightsCard, optional
        Published weights.
    """

    name: str
    cls: str
    summary: str
    citation: str = ""
    licence: str = "BSD-3-Clause"
    refused: str = ""
    on_request: str = ""
    sfreq: float | None = None
    patch: tuple[int, int] | None = None
    tiles: tuple[int, int] | None = None
    channels: Literal["any", "positions", "bank", "names", "hemispheres"] = "any"
    options: Mapping[str, Any] = field(default_factory=dict)
    from_signal: Mapping[str, str] = field(default_factory=dict)
    frozen: tuple[str, ...] = ()
    n_slices: int = 6
    slice_s: float | None = 1.0
    learning_rate: float | None = None
    sequence: bool = False
    weights: WeightsCard | None = None

    @property
    def spec(self) -> EncoderSpec:
        """Return the declaration of this model; one that is refused says why when it is named."""
        return EncoderSpec(
            self.name,
            f"{__package__}:{self.cls}",
            f"{self.summary} (braindecode {self.cls})",
            needs=("positions",) if self.channels in ("positions", "bank") else (),
            on_request=f"cannot run: {self.refused}" if self.refused else self.on_request,
            alignment={"learning_rate": self.learning_rate} if self.learning_rate else {},
            pretrained=self.weights.summary if self.weights else "",
            licence=self.licence,
            citation=self.citation,
        )


@cache
def catalogue() -> dict[str, ModelCard]:
    """Return the table, by name of the encoder."""
    text = resources.files(__package__).joinpath("models.toml").read_text(encoding="utf8")
    cards = (_read(row) for row in tomllib.loads(text)["model"])
    return {card.name: card for card in cards}


def _read(row: dict[str, Any]) -> ModelCard:
    row = _frozen(row)
    if "weights" in row:
        row["weights"] = WeightsCard(**_frozen(row["weights"]))
    if "tiles" in row or row.get("sequence"):
        row.setdefault("n_slices", 1)
    if row.get("n_slices") == 1:
        row["slice_s"] = None
    return ModelCard(cls=row.pop("class"), **row)


def _frozen(row: dict[str, Any]) -> dict[str, Any]:
    return {key: tuple(value) if isinstance(value, list) else value for key, value in row.items()}


def specs() -> list[EncoderSpec]:
    """Return the declarations of all models, torch-free."""
    return [card.spec for card in catalogue().values()]
