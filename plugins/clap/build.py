"""Builds CLAP's towers from options: frozen with weights, small and trainable without."""

from __future__ import annotations

from pathlib import Path

from eeg2speech_bench.core.errors import UsageError
from eeg2speech_bench.plugins.clap.front_end import mel_scale_of
from eeg2speech_bench.plugins.clap.tokenizer import load_tokenizer
from eeg2speech_bench.plugins.clap.towers import FrozenAudioTower, FrozenTextTower, SmallAudioTower, SmallTextTower
from eeg2speech_bench.plugins.clap.weights import load_clap

#: sizes of the towers that are trained from scratch
DIM, AUDIO_HIDDEN = 64, 48
TEXT_HIDDEN, TEXT_DEPTH = 64, 1
#: whose tokenizer LAION used; its checkpoint files bring none
TOKENIZER = "FacebookAI/roberta-base"


def audio_tower(
    owner: str, weights: str | None, mel_scale: str, dim: int | None, hidden: int | None
) -> SmallAudioTower | FrozenAudioTower:
    """Build the audio tower of ``owner``; see `targets.clap.ClapTarget` for the options and errors."""
    if weights is None:
        return SmallAudioTower(
            DIM if dim is None else dim,
            AUDIO_HIDDEN if hidden is None else hidden,
            mel_scale_of(fused=False, option=mel_scale),
        )
    _refuse_options(owner, "with", {"dim": dim, "hidden": hidden}, "the weights decide the sizes")
    return FrozenAudioTower(load_clap(weights, _setting(owner)), mel_scale)


def text_tower(
    dim: int, weights: str | None, tokenizer: str | None, hidden: int | None, depth: int | None
) -> SmallTextTower | FrozenTextTower:
    """Build the text tower; see `encoders.clap.ClapText` for the options and errors."""
    owner = "encoder 'clap-text'"
    if weights is None:
        _refuse_options(owner, "without", {"tokenizer": tokenizer}, "the small tower reads bytes")
        return SmallTextTower(dim, TEXT_HIDDEN if hidden is None else hidden, TEXT_DEPTH if depth is None else depth)
    _refuse_options(owner, "with", {"hidden": hidden, "depth": depth}, "the weights decide the sizes")
    if tokenizer is None:
        tokenizer = TOKENIZER if Path(weights).expanduser().is_file() else weights
    return FrozenTextTower(load_clap(weights, _setting(owner)), load_tokenizer(tokenizer))


def _setting(owner: str) -> str:
    """Name the setting of the weights of ``target 'NAME'`` or ``encoder 'NAME'``."""
    kind, name = owner.replace("'", "").split()
    return f"target.options.{name}.weights" if kind == "target" else f"encoder.{name}.weights"


def _refuse_options(owner: str, given: str, options: dict[str, object], why: str) -> None:
    """Refuse options that would have no effect."""
    for name, value in options.items():
        if value is not None:
            raise UsageError(
                f"Option {name} of {owner} has no effect {given} weights",
                got=value,
                expected=f"nothing ({why})",
                then=f"Leave out {name}, or " + ("leave out weights." if given == "with" else "give weights."),
            )
