"""Defines the contract of an encoder: a batch of segments goes in, a `Conditioning` comes out."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

import torch
from torch import Tensor, nn

from eeg2speech_bench.core.errors import ContractError
from eeg2speech_bench.core.segments.segment_store import Batch, SignalInfo, TargetInfo

#: frames by which a stretch of sound may be longer or shorter than its rate says: rounding, and a layer's edge
SURPLUS_FRAMES = 2
#: numbers that the loss and the generator compute with; float64 would fail in their first matrix product
COMPUTED = (torch.float32, torch.bfloat16, torch.float16)
#: numbers of an array, and characters of a text, that a plugin's word on itself may have
MOST_VALUES, MOST_CHARS = 300, 1000


@dataclass
class Conditioning:
    """What an encoder or a target says of a batch of segments.

    Attributes
    ----------
    embeddings : Tensor, shape (batch, n_tokens, dim)
    mask : Tensor of bool, shape (batch, n_tokens)
        True where a token is real.
    pooled : Tensor, shape (batch, dim)
        Mean of the real tokens unless the encoder has its own summary.
    """

    embeddings: Tensor
    mask: Tensor
    pooled: Tensor

    @classmethod
    def from_tokens(cls, embeddings: Tensor) -> Conditioning:
        """Wrap tokens that are all real; ``pooled`` is their mean."""
        mask = torch.ones(embeddings.shape[:2], dtype=torch.bool, device=embeddings.device)
        return cls(embeddings, mask, embeddings.mean(1))


class Encoder(nn.Module):
    """Base class of conditioning encoders; subclass it and define `build` and `forward`.

    An encoder that is fitted in closed form also defines ``fit`` and sets ``closed_form = True``; it is then
    not trained by gradient descent.
    """

    #: True when `fit` replaces gradient descent
    closed_form: bool = False

    #: what is changed of the signal to meet the network's needs ("sampling rate": "120 Hz resampled to 200 Hz");
    #: shown by listings and kept in the record, so that nothing is adapted in silence
    adaptations: Mapping[str, str] = MappingProxyType({})

    #: what stands in for a listener whom training never saw ("mean of ..."), kept in the record; empty where `forward`
    #: does not read who listens
    new_listeners: str = ""

    #: what it says of the pretrained weights that it starts from (strategy, weights, revision, data behind them), for
    #: the record; empty for one that has none
    pretraining: Mapping[str, str] = MappingProxyType({})

    #: takes one line on what `fit` is about to need; who fits an encoder puts its own in place
    report: Callable[[str], None] = staticmethod(lambda line: None)

    @classmethod
    def build(cls, signal: SignalInfo, target: TargetInfo, **options: object) -> Encoder:
        """Make an encoder for recordings like ``signal`` that speaks the language of ``target``."""
        return cls(signal, target, **options)

    def forward(self, batch: Batch) -> Conditioning:
        """Encode a batch.

        Returns
        -------
        Conditioning
            ``embeddings`` of shape (batch, n_tokens, target.dim) with n_tokens from 1 to ``target.n_tokens``.
        """
        raise ContractError(f"Encoder '{type(self).__name__}' has no forward", then="Define forward(batch).")

    def begin_training(self) -> None:
        """Get ready for gradient descent: add what is trained and not kept; a second call does nothing."""

    def end_training(self) -> None:
        """Undo `begin_training`: the state has the names again that it had when the encoder was built."""

    def fit(self, train: Iterable[tuple[Batch, Tensor]], valid: Iterable[tuple[Batch, Tensor]]) -> dict[str, float]:
        """Fit in closed form; both arguments can be iterated more than once.

        Parameters
        ----------
        train, valid : iterable of (Batch, Tensor)
            Segments with their target embeddings, shape (batch, target.n_tokens, target.dim).

        Returns
        -------
        dict of str to float
            What was chosen (a ridge penalty, say), for the record.
        """
        raise ContractError(
            f"Encoder '{type(self).__name__}' has no fit", then="Define fit or leave closed_form False."
        )


class Target(nn.Module):
    """Base class of audio targets: the audio side of the pair that encoders are aligned to.

    A target has two parts. `features` is frozen: it turns one uninterrupted stretch of sound (never across a
    split border) into frames once per data set, and the frames are stored. `forward` maps the frames of a
    window to the embedding space and may be trained together with the encoder.
    """

    #: True when `forward` has weights that are trained together with the encoder
    trained_jointly: bool = False

    @classmethod
    def build(cls, sound: SoundInfo, **options: object) -> Target:
        """Make a target for sound like ``sound``, with windows of ``sound.window_s`` seconds."""
        return cls(sound, **options)

    @property
    def info(self) -> TargetInfo:
        """The space that `forward` returns: dim, n_tokens, token_rate_hz."""
        raise ContractError(f"Target '{type(self).__name__}' has no info", then="Define the property info.")

    #: frames per second that `features` returns
    feature_rate_hz: float

    def features(self, sound: Tensor) -> Tensor:
        """Turn one stretch of sound (n_samples,) at ``sound.rate_hz`` into frames (n_frames, n_features)."""
        raise ContractError(f"Target '{type(self).__name__}' has no features", then="Define features(sound).")

    def fit_scaler(self, frames: Tensor) -> None:
        """Fit whatever standardises the frames, from training frames (n_frames, n_features) only."""

    def forward(self, frames: Tensor) -> Tensor:
        """Map windows of frames (batch, n_frames, n_features) to (batch, n_tokens, dim)."""
        raise ContractError(f"Target '{type(self).__name__}' has no forward", then="Define forward(frames).")

    @property
    def content_dim(self) -> int:
        """Width of `content`."""
        return self.info.dim

    def content(self, frames: Tensor) -> Tensor:
        """Map windows of frames to what speech can be made from, (batch, n_tokens, content_dim): the embedding.

        A target that is trained for retrieval may drop what tells one vowel from the other; it returns what it starts
        from here.
        """
        tokens: Tensor = self(frames)
        return tokens


@dataclass(frozen=True)
class SoundInfo:
    """What a target needs to know of a data set's sound.

    Attributes
    ----------
    kind : str
        ``"waveform"``, or ``"envelope"`` for data sets that publish no audio.
    rate_hz : float
        Samples per second of what `Target.features` receives.
    window_s : float
        Length of a segment in seconds.
    """

    kind: str
    rate_hz: float
    window_s: float


def raise_at_once(finite: Tensor, error: ContractError) -> None:
    """Raise an error of values that are not finite."""
    if not bool(finite):
        raise error


def check_conditioning(
    name: str,
    conditioning: object,
    batch_size: int,
    target: TargetInfo,
    note: Callable[[Tensor, ContractError], None] = raise_at_once,
) -> Conditioning:
    """Return ``conditioning`` if it keeps the contract, else raise `ContractError` with what was found.

    Parameters
    ----------
    name : str
        The encoder's.
    conditioning : object
        What it returned.
    batch_size : int
    target : TargetInfo
    note : callable
        Is told whether the values are finite (a boolean tensor of shape ()) and what to raise if they are not; while
        a network trains it may raise later (`core.training.finite_values`).
    """
    if not isinstance(conditioning, Conditioning):
        raise ContractError(
            f"Encoder '{name}' returned the wrong type",
            got=type(conditioning).__name__,
            expected="a Conditioning",
            then="Return Conditioning.from_tokens(embeddings).",
        )
    shape = tuple(conditioning.embeddings.shape)
    if len(shape) != 3 or shape[0] != batch_size or shape[2] != target.dim or not 1 <= shape[1] <= target.n_tokens:
        raise ContractError(
            f"Encoder '{name}' returned embeddings of a wrong shape",
            got=shape,
            expected=f"({batch_size}, 1 to {target.n_tokens}, {target.dim})",
            then="See Encoder.forward for the contract.",
        )
    if flaw := _flaw_beside(conditioning):
        raise ContractError(f"Encoder '{name}' returned a wrong Conditioning", got=flaw)
    not_finite = ContractError(
        f"Encoder '{name}' returned values that are not finite",
        got="NaN or infinity",
        expected="finite embeddings",
        then="Lower the learning rate or check the encoder's normalisation.",
    )
    note(torch.isfinite(conditioning.embeddings).all() & torch.isfinite(conditioning.pooled).all(), not_finite)
    return conditioning


def _flaw_beside(found: Conditioning) -> str:
    """Say what is wrong with types, mask, pooled and devices of embeddings of a good shape; empty if nothing is."""
    n, n_tokens, dim = found.embeddings.shape
    for called in ("mask", "pooled"):
        if not isinstance(getattr(found, called), Tensor):
            return f"{called} of type {type(getattr(found, called)).__name__}, expected a tensor"
    for called, tensor in (("embeddings", found.embeddings), ("pooled", found.pooled)):
        if tensor.dtype not in COMPUTED:
            return f"{called} of {tensor.dtype}, expected torch.float32"
    if found.mask.dtype != torch.bool or found.mask.shape != (n, n_tokens):
        return f"mask of {found.mask.dtype} {tuple(found.mask.shape)}, expected torch.bool {(n, n_tokens)}"
    if found.pooled.shape != (n, dim):
        return f"pooled of shape {tuple(found.pooled.shape)}, expected {(n, dim)}"
    devices = {str(tensor.device) for tensor in (found.embeddings, found.mask, found.pooled)}
    if len(devices) > 1:
        return f"embeddings, mask and pooled on different devices: {', '.join(sorted(devices))}"
    return ""


def plain_values(what: str, values: object) -> dict[str, Any]:
    """Return what a plugin said of itself as values that a record can hold: numbers and texts of one line by name.

    Scalars and small arrays of numpy and torch become numbers and lists.

    Parameters
    ----------
    what : str
        Where it is from, for messages: ``"Encoder 'ridge': fit"``.
    values : mapping of str to object

    Raises
    ------
    ContractError
        With the first name whose value is something else, NaN or infinite.
    """
    if not isinstance(values, Mapping):
        expected = "a dictionary of numbers by name"
        raise ContractError(f"{what} returned no dictionary", got=type(values).__name__, expected=expected)
    return {str(name): _plain(what, str(name), value) for name, value in values.items()}


def _plain(what: str, name: str, value: Any) -> Any:
    if hasattr(value, "tolist"):  # of numpy or torch
        size = value.numel() if isinstance(value, Tensor) else value.size
        value = value.tolist() if size <= MOST_VALUES else value
    if isinstance(value, list | tuple) and len(value) <= MOST_VALUES:
        return [_plain(what, name, inner) for inner in value]
    if isinstance(value, Mapping):
        return {str(key): _plain(what, f"{name}.{key}", inner) for key, inner in value.items()}
    if isinstance(value, str):
        return " ".join("".join(c if c.isprintable() else " " for c in value).split())[:MOST_CHARS]
    if value is None or isinstance(value, bool | int) or (isinstance(value, float) and math.isfinite(value)):
        return value
    shown = value if isinstance(value, float) else type(value).__name__
    raise ContractError(
        f"{what} returned a value that no record can hold",
        got=f"{name}: {shown}",
        expected="finite numbers or texts",
        then="Return float(value), and leave out what is not known.",
    )


def check_frames(name: str, frames: object, seconds: float, rate_hz: float) -> Tensor:
    """Return what a target's `Target.features` made of a stretch of sound if it keeps the contract.

    Parameters
    ----------
    name : str
        The target's.
    frames : Tensor, shape (n_frames, n_features)
    seconds : float
        Length of the stretch.
    rate_hz : float
        The target's `Target.feature_rate_hz`.

    Raises
    ------
    ContractError
        If it is no table of finite numbers, or its length is off by more than two frames: windows would get the
        frames of another moment.
    """
    if not isinstance(frames, Tensor) or frames.ndim != 2 or not frames.is_floating_point():
        got = f"{tuple(frames.shape)} of {frames.dtype}" if isinstance(frames, Tensor) else type(frames).__name__
        raise ContractError(
            f"Target '{name}' returned no frames", got=got, expected="a float tensor (n_frames, n_features)"
        )
    expected = round(seconds * rate_hz)
    if abs(len(frames) - expected) > SURPLUS_FRAMES:
        raise ContractError(
            f"Target '{name}' returned another number of frames than its feature_rate_hz says",
            got=f"{len(frames)} frames for {seconds:g} s",
            expected=f"{expected}, at {rate_hz:g} Hz",
            then="Return frames at the rate that feature_rate_hz says.",
        )
    if not bool(torch.isfinite(frames).all()):
        raise ContractError(f"Target '{name}' returned frames that are not finite", got="NaN or infinity")
    return frames


def check_tokens(name: str, tokens: object, batch_size: int, info: TargetInfo) -> Tensor:
    """Return what a target's forward returned if it is as its `Target.info` says, else raise `ContractError`."""
    shape = tuple(tokens.shape) if isinstance(tokens, Tensor) else type(tokens).__name__
    expected = (batch_size, info.n_tokens, info.dim)
    if not isinstance(tokens, Tensor) or shape != expected or tokens.dtype not in COMPUTED:
        raise ContractError(
            f"Target '{name}' returned tokens of another shape or type than its info says",
            got=f"{shape} of {tokens.dtype}" if isinstance(tokens, Tensor) else shape,
            expected=f"{expected} of torch.float32",
            then="Return (batch, n_tokens, dim) from forward, or correct info.",
        )
    if not bool(torch.isfinite(tokens).all()):
        raise ContractError(f"Target '{name}' returned tokens that are not finite", got="NaN or infinity")
    return tokens


def pool_tokens(embeddings: Tensor, n_tokens: int) -> Tensor:
    """Average ``embeddings`` (batch, T, dim) in time to (batch, n_tokens, dim)."""
    if embeddings.shape[1] == n_tokens:
        return embeddings
    return torch.nn.functional.adaptive_avg_pool1d(embeddings.transpose(1, 2), n_tokens).transpose(1, 2)
