"""Makes encoders of braindecode's EEG classifiers, with one output for each number of the tokens."""

from __future__ import annotations

import copy
import inspect
import warnings
from collections.abc import Mapping
from typing import Any, ClassVar, Self

import torch
from torch import Tensor, nn

from eeg2speech_bench.core.conditioning import Conditioning, Encoder, pool_tokens
from eeg2speech_bench.core.errors import DataError, UnknownNameError, UsageError
from eeg2speech_bench.core.segments.segment_store import Batch, SignalInfo, TargetInfo
from eeg2speech_bench.core.weights.body import Body
from eeg2speech_bench.core.weights.strategies import WeightsUse
from eeg2speech_bench.plugins.encoders.braindecode import montage
from eeg2speech_bench.plugins.encoders.braindecode.adaptation import Adaptation
from eeg2speech_bench.plugins.encoders.braindecode.cards import ModelCard, WeightsCard
from eeg2speech_bench.plugins.encoders.braindecode.network import (
    construct,
    count_steps,
    model_parameters,
    unused_parameters,
)
from eeg2speech_bench.plugins.encoders.braindecode.pretrained import HEAD, Checkpoint, load_backbone, open_checkpoint

#: what published weights of a model ask for that has none: nothing
NOTHING_ASKED = WeightsCard(hub=(), trained_on="")


class BraindecodeEncoder(Encoder):
    """Encodes EEG by one class of `braindecode.models`.

    `encoder_class` makes the subclasses.

    The network is braindecode's own, unchanged. What the EEG needs to fit it (rate, length, scale, channels) is done
    before it and declared in ``adaptations``, and so is every parameter that the output does not depend on.

    Parameters
    ----------
    signal : SignalInfo
    target : TargetInfo
    weights : str, optional
        Pretrained weights: a file, a folder, or ``owner/name`` on the Hugging Face Hub. The head is new.
    strategy : str, optional
        ``"full"``, ``"probe"``, ``"lora"`` or ``"scratch"``, see `core.weights.strategies`; ``"full"`` if not given.
    random_weights : bool
        The twin: random values where the pretrained ones were, all else the same.
    n_tokens : int, optional
        Tokens per segment, from 1 to ``target.n_tokens``; as many as the target if not given.
    n_slices : int, optional
        Overlapping slices that a segment is cut into; all have the same share of the tokens. If not given, six of 1 s,
        or the whole segment for a network that itself answers step by step.
    slice_s : float, optional
        Their length in seconds; three times their distance if not given.
    **options
        Parameters of the braindecode class.

    Raises
    ------
    UnknownNameError
        For an option that neither the encoder nor the class has.
    UsageError
        If the tokens or slices do not fit the target, or the weights are not found.
    DataError
        If the data set or the weights do not meet what the network needs, with the reason.
    """

    card: ClassVar[ModelCard]
    network_class: ClassVar[type[nn.Module]]

    def __init__(
        self,
        signal: SignalInfo,
        target: TargetInfo,
        *,
        weights: str | None = None,
        strategy: str | None = None,
        random_weights: bool = False,
        n_tokens: int | None = None,
        n_slices: int | None = None,
        slice_s: float | None = None,
        **options: Any,
    ) -> None:
        super().__init__()
        self._check(signal, options)
        use = WeightsUse.of({"weights": weights, "strategy": strategy, "random_weights": random_weights})
        if use:
            use.check()
        if n_slices is None:
            n_slices, slice_s = min(self.card.n_slices, n_tokens or target.n_tokens), slice_s or self.card.slice_s
        self.n_tokens = count_tokens(n_tokens, n_slices, target)
        self.dim = target.dim
        self.notes: dict[str, str] = {}
        checkpoint = self._read(weights) if weights else None
        self.adaptation = Adaptation(
            signal,
            sfreq=(checkpoint.config.get("sfreq") if checkpoint else None) or self.card.sfreq,
            patch=self.card.patch,
            tiles=self.card.tiles,
            n_slices=n_slices,
            slice_s=slice_s,
            matrix=self._mixing(signal, checkpoint),
            scale=self._scale(checkpoint),
        )
        self.names = self._names(signal)
        self.network = self._build(signal, checkpoint, self._settings(signal, checkpoint, options))
        new = self._load(checkpoint, use) if checkpoint and use else [HEAD]
        self._freeze_unused()
        self.body = Body(self.network, new, use.strategy if use else "scratch")
        if self.body.summary:
            self.notes["strategy"] = self.body.summary
        self.adaptations = {**self.adaptation.notes, **self.notes}

    def _check(self, signal: SignalInfo, options: Mapping[str, Any]) -> None:
        known = model_parameters(self.network_class)
        for name in options:
            if name not in known:
                raise UnknownNameError(f"option of encoder '{self.card.name}'", name, [*own_parameters(), *known])
        if self.card.spec.needs and not signal.has_positions:
            raise DataError(
                f"Encoder '{self.card.name}' needs electrode positions",
                got="channels without a position",
                expected="a montage (electrodes.tsv in BIDS)",
                then="Add positions to the data set, or choose an encoder that does not need them.",
            )

    def _read(self, weights: str) -> Checkpoint:
        if self.card.weights and self.card.weights.refused:
            raise UsageError(
                f"Weights of '{self.card.name}' cannot be used",
                got=self.card.weights.refused,
                then="Train from scratch.",
            )
        return open_checkpoint(weights)

    def _load(self, checkpoint: Checkpoint, use: WeightsUse) -> list[str]:
        """Load all but the head, in the twin only to see that they fit; return what is new."""
        asked = self.card.weights or NOTHING_ASKED
        network = copy.deepcopy(self.network) if use.random else self.network
        new, said = load_backbone(network, checkpoint, new=asked.new, first_rows=asked.first_rows)
        self.notes["weights"] = f"random, in place of {said}" if use.random else said
        self.pretraining = {
            "strategy": use.strategy,
            "weights": checkpoint.source,
            "revision": checkpoint.revision,
            "trained_on": checkpoint.trained_on(dict.fromkeys(asked.hub, asked.trained_on)),
            "initial": "random" if use.random else "pretrained",
        }
        return new

    def train(self, mode: bool = True) -> Self:
        """Switch to training or evaluation; what is frozen stays as in evaluation."""
        super().train(mode)
        if mode and hasattr(self, "body"):
            self.body.set_modes()
        return self

    def begin_training(self) -> None:
        """Add the changes of low rank that strategy ``lora`` trains."""
        self.body.begin_training()

    def end_training(self) -> None:
        """Add them to the weights."""
        self.body.end_training()

    def _weights_card(self, checkpoint: Checkpoint | None) -> WeightsCard:
        """Say what the weights ask for; nothing when the network is trained from scratch."""
        return (self.card.weights if checkpoint else None) or NOTHING_ASKED

    def _scale(self, checkpoint: Checkpoint | None) -> float:
        asked = self._weights_card(checkpoint)
        if asked.unit:
            self.notes["scale"] = asked.unit
        return asked.scale

    def _mixing(self, signal: SignalInfo, checkpoint: Checkpoint | None) -> Tensor | None:
        """Mix channels for weights that know only derivations, or sort them where their order has weights."""
        asked = self._weights_card(checkpoint).channels
        if asked == "bipolar":
            derivations = montage.biot_derivations()
            n_chans = checkpoint.config.get("n_chans", len(derivations)) if checkpoint else 0
            matrix, self.notes["channels"] = montage.bipolar(signal, derivations[:n_chans])
        elif self.card.channels == "positions":
            matrix, self.notes["channels"] = montage.sorting(signal), "in alphabetical order"
        else:
            return None
        return matrix

    def _names(self, signal: SignalInfo) -> list[str] | None:
        """Names that the network is told with every batch."""
        if self.card.channels == "hemispheres":
            self.notes["channels"] = montage.check_hemispheres(signal)
        if self.card.channels != "names":
            return None
        names, self.notes["channels"] = montage.known_names(signal, montage.labram_names())
        return names

    def _settings(
        self, signal: SignalInfo, checkpoint: Checkpoint | None, options: Mapping[str, Any]
    ) -> dict[str, Any]:
        """Join settings: the table's, then the checkpoint's, then the user's."""
        n_patches = self.adaptation.n_times // self.card.patch[1] if self.card.patch else 0
        follows = {
            "n_chans": signal.n_chans,
            "channel_indices": list(range(signal.n_chans)),
            "all_patches": signal.n_chans * n_patches,
        }
        settings = dict(self.card.options)
        # Weights bring names of their own for the channels; only without them is there nothing to look up.
        if checkpoint is None:
            settings |= {key: follows[what] for key, what in self.card.from_signal.items()}
        else:
            known = model_parameters(self.network_class)
            settings |= {key: value for key, value in checkpoint.config.items() if key in known}
        return {**settings, **options}

    def _build(self, signal: SignalInfo, checkpoint: Checkpoint | None, settings: dict[str, Any]) -> nn.Module:
        adapted = self.adaptation
        told: dict[str, Any] = {"n_chans": adapted.n_chans, "n_times": adapted.n_times, "sfreq": adapted.sfreq}
        looks_up = self._weights_card(checkpoint).channels == "own"
        if self.card.channels in ("positions", "bank", "hemispheres") or looks_up:
            channels = [dict(channel) for channel in signal.chs_info]
            told["chs_info"] = montage.sorted_channels(channels) if self.card.channels == "positions" else channels
        if self.card.channels == "bank" and not looks_up:
            self.notes["channels"] = "the data set's own positions, in metres"
            with montage.position_bank(signal):
                return self._construct(told, settings)
        network = self._construct(told, settings)
        if looks_up and "channel" in self.notes.get("network", ""):
            raise DataError(f"Weights of '{self.card.name}' do not know the channels", got=self.notes["network"])
        return network

    def _construct(self, told: dict[str, Any], settings: dict[str, Any]) -> nn.Module:
        n_outputs = self.dim * self._tokens_per_step(told, settings)
        network, changed = construct(self.network_class, n_outputs, told, settings)
        if changed:
            self.notes["network"] = f"braindecode: {changed}"
        return network

    def _tokens_per_step(self, told: dict[str, Any], settings: dict[str, Any]) -> int:
        """Return how many tokens the network is asked for at each of its steps in time; most have one step."""
        n_each = self.n_tokens // self.adaptation.n_slices
        if self.card.sequence:
            return 1
        if self.card.tiles is None:
            return n_each
        with torch.random.fork_rng(devices=[]):
            network, _ = construct(self.network_class, 2, told, settings)
        n_steps = count_steps(network, self.adaptation.n_chans, self.adaptation.n_times)
        self.notes["tokens"] = f"{n_steps} steps in time with the same weights"
        return max(1, n_each // n_steps)

    def _freeze_unused(self) -> None:
        """Freeze what the output does not depend on (auxiliary heads, decoders of the pretraining) and name it."""
        adapted, weights = self.adaptation, dict(self.network.named_parameters())
        unused = unused_parameters(self.network, self._outputs, adapted.n_chans, adapted.n_times)
        unused += [key for key in weights if key not in unused and any(part in key for part in self.card.frozen)]
        for key in unused:
            weights[key].requires_grad_(False)
        if unused:
            parts = sorted({".".join(key.split(".")[:2]) for key in unused})
            self.notes["frozen"] = f"{', '.join(parts)}: the output does not depend on them"

    def _outputs(self, slices: Tensor) -> Tensor:
        """Run the network on (n, n_chans, n_times): (n, n_outputs), or (n, time, dim) for a sequence."""
        return self.network(slices) if self.names is None else self.network(slices, ch_names=self.names)

    def forward(self, batch: Batch) -> Conditioning:
        """Encode a batch to at most ``n_tokens`` tokens per segment, shape (batch, n, dim)."""
        outputs = self._outputs(self.adaptation(batch.eeg))
        if self.card.tiles and outputs.ndim == 3:  # (n, n_outputs, steps), as braindecode's cropped decoding has it
            outputs = outputs.transpose(1, 2)
        tokens = outputs.reshape(len(outputs), -1, self.dim)
        tokens = pool_tokens(tokens, min(self.n_tokens // self.adaptation.n_slices, tokens.shape[1]))
        return Conditioning.from_tokens(tokens.reshape(len(batch), -1, self.dim).float())


class RefusedEncoder(Encoder):
    """Stands for a class of `braindecode.models` that cannot be an encoder; building it says why."""

    card: ClassVar[ModelCard]

    def __init__(self, signal: SignalInfo, target: TargetInfo, **options: Any) -> None:
        raise UsageError(
            f"braindecode's {self.card.cls} cannot be an encoder",
            got=self.card.refused,
            then="Run 'eeg2speech-bench encoders' for those that can.",
        )


def count_tokens(asked: int | None, n_slices: int, target: TargetInfo) -> int:
    """Return how many tokens a segment gets: a multiple of its slices, at most the target's.

    Raises
    ------
    UsageError
        If there are more slices than tokens, or more tokens than the target has.
    """
    most = target.n_tokens if asked is None else asked
    if not 1 <= n_slices <= most <= target.n_tokens:
        raise UsageError(
            "Options n_tokens and n_slices do not fit the target",
            got=f"{most} tokens, {n_slices} slices",
            expected=f"1 to {target.n_tokens} tokens, and no more slices than tokens",
        )
    return most // n_slices * n_slices


def own_parameters() -> list[str]:
    """Return the options that every encoder of braindecode has."""
    parameters = inspect.signature(BraindecodeEncoder.__init__).parameters.values()
    return [p.name for p in parameters if p.kind is p.KEYWORD_ONLY]


def encoder_class(card: ModelCard, module: str) -> type[Encoder]:
    """Make the encoder of one class of `braindecode.models`.

    ``module`` is where it can be found again.

    Its constructor shows braindecode's parameters, so that options are checked before anything runs.
    """
    if card.refused:
        return type(card.cls, (RefusedEncoder,), {"card": card, "__module__": module})
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # braindecode uses names that MNE has deprecated
        import braindecode.models

    network_class = getattr(braindecode.models, card.cls)

    def initialise(self: BraindecodeEncoder, signal: SignalInfo, target: TargetInfo, **options: Any) -> None:
        BraindecodeEncoder.__init__(self, signal, target, **options)

    shown = inspect.signature(BraindecodeEncoder.__init__).parameters.values()
    own = [p for p in shown if p.kind is not p.VAR_KEYWORD]
    theirs = [p.replace(kind=p.KEYWORD_ONLY) for p in model_parameters(network_class).values()]
    initialise.__signature__ = inspect.Signature([*own, *theirs])  # type: ignore[attr-defined]
    body = {"__init__": initialise, "__module__": module, "__doc__": card.spec.summary}
    return type(card.cls, (BraindecodeEncoder,), {**body, "card": card, "network_class": network_class})
