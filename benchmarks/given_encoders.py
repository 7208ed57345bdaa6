"""Takes encoders as Python objects: declarations, classes, built networks and scikit-learn estimators."""

from __future__ import annotations

import copy
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from eeg2speech_bench.core.errors import ContractError, DataError, UsageError
from eeg2speech_bench.core.presets.config import load_config
from eeg2speech_bench.core.registry.discovery import Provenance
from eeg2speech_bench.core.registry.registry import Registry
from eeg2speech_bench.core.specs import EncoderSpec
from eeg2speech_bench.core.stages.live_code import is_in_a_file, live_hash

if TYPE_CHECKING:
    from torch.nn import Module

    from eeg2speech_bench.core.conditioning import Encoder
    from eeg2speech_bench.core.segments import TargetInfo

#: what tells an estimator of scikit-learn's kind
ESTIMATOR = ("fit", "predict", "get_params")
#: classes of encoders that were given, by their identity
_GIVEN: dict[str, type[Encoder]] = {}


@dataclass(frozen=True)
class GivenEncoderSpec(EncoderSpec):
    """Declares an encoder that was given as a Python object, and is identified by its code and weights."""

    def load(self) -> Any:
        """Return the class that was given."""
        return _GIVEN[self.identity]


def register_encoder(encoder: str | EncoderSpec | type[Encoder] | Module | Any, registry: Registry) -> str:
    """Return the name under which an encoder runs; an encoder given as an object is added to the registry.

    Parameters
    ----------
    encoder : str, EncoderSpec, class, Module or estimator
        A name; a declaration; a subclass of `core.conditioning.Encoder`; a network that maps EEG (batch, n_chans,
        n_times) to tokens, (batch, n_tokens, dim) or (batch, n_tokens * dim), and starts from its present weights; or
        a regressor or pipeline of scikit-learn's kind, whose clones are fitted to time-lagged EEG.
    registry : Registry

    Raises
    ------
    UsageError
        If it is none of these.
    """
    if isinstance(encoder, str):
        return encoder
    spec = encoder if isinstance(encoder, EncoderSpec) else _spec_of(encoder, registry)
    known = {known.name: known for known in registry.all("encoder")}
    if known.get(spec.name) != spec:
        _refuse_taken_name(spec, known)
        registry.add(spec, Provenance("python", "python", "unversioned"))
    return spec.name


def _refuse_taken_name(spec: EncoderSpec, known: dict[str, EncoderSpec]) -> None:
    if spec.name in known:
        then = "Give the class another name, or the declaration another 'name'."
        raise UsageError(
            f"An encoder named '{spec.name}' is registered already", got=known[spec.name].target, then=then
        )


def _spec_of(encoder: object, registry: Registry) -> GivenEncoderSpec:
    from torch.nn import Module

    from eeg2speech_bench.core.conditioning import Encoder

    if not isinstance(encoder, type) and all(hasattr(encoder, name) for name in ESTIMATOR):
        return _spec_of_estimator(encoder, registry)
    made: type[Encoder]
    cls: type
    if isinstance(encoder, type) and issubclass(encoder, Encoder):
        made, cls, is_built = encoder, encoder, False
    elif isinstance(encoder, Module):
        _refuse_without_weights(encoder)
        made, cls, is_built = _class_around(encoder), type(encoder), True
    else:
        raise UsageError(
            "That is no encoder",
            got=f"{type(encoder).__name__} {encoder!r:.80}",
            expected="a name, an EncoderSpec, a subclass of Encoder, a torch.nn.Module, or a scikit-learn estimator",
            then="See docs/encoders.md.",
        )
    identity = live_hash(encoder)
    _GIVEN[identity] = made
    # two networks of one class are two encoders
    name = f"{_kebab(cls)}-{identity[:8]}" if is_built else _kebab(cls)
    # a class within a function is named by the function
    target = f"{cls.__module__}:{cls.__qualname__.partition('.<locals>')[0]}" if is_in_a_file(cls) else ""
    return GivenEncoderSpec(name, target, "given as a Python object", identity=identity)


def _kebab(cls: type) -> str:
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "-", cls.__name__).lower().replace("_", "-")


def _spec_of_estimator(estimator: Any, registry: Registry) -> GivenEncoderSpec:
    """Declare an estimator of scikit-learn's kind by what it is before it is fitted."""
    from sklearn.base import clone

    adapter = registry.get("encoder", "sklearn")
    unfitted = clone(estimator)
    made = adapter.load().around(unfitted)
    identity = live_hash(unfitted)
    _GIVEN[identity] = made
    return GivenEncoderSpec(
        f"{_kebab(type(estimator))}-{identity[:8]}",
        adapter.target,
        "given as a Python object",
        audio_target=adapter.audio_target,
        identity=identity,
    )


def _refuse_without_weights(module: Module) -> None:
    from torch.nn.parameter import is_lazy

    if any(is_lazy(held) or held.is_meta for held in (*module.parameters(), *module.buffers())):
        raise UsageError(
            f"Network '{type(module).__name__}' has layers whose weights are not made yet",
            then="Call it once with EEG of shape (1, n_chans, n_times); fill weights that are on device 'meta'.",
        )


def _class_around(module: Module) -> type[Encoder]:
    """Return a class whose encoders are copies of a network that is built already."""
    from eeg2speech_bench.core.conditioning import Conditioning, Encoder
    from eeg2speech_bench.core.segments import Batch, SignalInfo

    class BuiltEncoder(Encoder):
        """Copies a network that was given, already built."""

        def __init__(self, signal: SignalInfo, target: TargetInfo) -> None:
            super().__init__()
            self.network = copy.deepcopy(module).cpu()
            self.dim, self.title = target.dim, type(module).__name__

        def forward(self, batch: Batch) -> Conditioning:
            made = self._run(batch)
            return made if isinstance(made, Conditioning) else Conditioning.from_tokens(self._tokens(made))

        def _run(self, batch: Batch) -> Any:
            if isinstance(self.network, Encoder):
                return self.network(batch)
            try:
                return self.network(batch.eeg)
            except (RuntimeError, ValueError) as error:  # torch's, and einops' and braindecode's own
                _, n_chans, n_times = batch.eeg.shape
                raise DataError(
                    f"Network '{self.title}' does not take this signal",
                    got=f"{n_chans} channels, {n_times} samples: {' '.join(str(error).split())[:200]}",
                    then="Build it for the channels and samples of the data set.",
                ) from error

        def _tokens(self, made: Any) -> Any:
            if made.ndim == 2 and made.shape[1] % self.dim == 0:
                return made.unflatten(1, (-1, self.dim))
            if made.ndim == 3 and made.shape[2] == self.dim:
                return made
            raise ContractError(
                f"Network '{self.title}' does not speak the target's language",
                got=f"an output of shape {tuple(made.shape)}",
                expected=f"(batch, n_tokens, {self.dim}) or (batch, n_tokens * {self.dim})",
                then="Give its last layer that many outputs, or choose another target with 'target.name'.",
            )

    return BuiltEncoder


def built_size(encoder: object) -> tuple[int, int] | None:
    """Return the channels and samples that a built network says it is for, as braindecode's do; None if it does not."""
    try:
        n_chans, n_times = encoder.n_chans, encoder.n_times  # type: ignore[attr-defined]
    except (AttributeError, ValueError):  # braindecode's say that they were not told
        return None
    return (n_chans, n_times) if isinstance(n_chans, int) and isinstance(n_times, int) else None


def usual_target(registry: Registry) -> TargetInfo:
    """Return the space of the audio target that the preset ``quick`` aligns encoders to."""
    from eeg2speech_bench.core.conditioning import SoundInfo

    config = load_config("quick")
    target = registry.get("target", config.target.name).load()
    sound = SoundInfo("waveform", 16_000.0, config.data.window_s)
    info: TargetInfo = target.build(sound, **config.target.options.get(config.target.name, {})).info
    return info
