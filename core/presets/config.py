"""The configuration of a run: frozen models, presets as TOML files, overrides with suggestions for typing errors."""

from __future__ import annotations

import difflib
import math
import tomllib
from collections.abc import Iterable, Mapping
from importlib import resources
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, NonNegativeInt, ValidationError, field_validator, model_validator

from eeg2speech_bench.core.errors import UnknownNameError, UsageError


class Section(BaseModel):
    """Base of all sections: frozen, and an unknown key is an error."""

    model_config = ConfigDict(frozen=True, extra="forbid")


#: seconds of a window in the protocol of Defossez et al. (2023), before the EEG's shift takes 0.15 of them
PUBLISHED_WINDOW_S = 3.0

#: the K-th of N parts that share all listeners out
ListenerFold = Annotated[str, Field(pattern=r"^[1-9]\d*/[1-9]\d*$")]

DECAY = Field(0.0, ge=0, le=1, description="share of the steps, at the end, in which the learning rate falls to zero")


class DataConfig(Section):
    """How recordings become segments (reference: brainmagick's protocol, with its border leaks closed)."""

    protocol: Literal["own", "brainmagick2023"] = Field(
        "own",
        description="brainmagick2023: parts are blocks of sentences drawn by their words, without a guard, and test "
        "windows start 0.5 s before words (Defossez et al. 2023)",
    )
    picks: Literal["eeg", "mag", "grad", "meg"] = Field(
        "eeg", description="type of the channels: EEG, magnetometers, planar gradiometers, or both (meg)"
    )
    window_s: float = Field(2.88, gt=0, description="length of a segment; 2.88 s = 288 mel frames")
    stride_s: float = Field(0.5, gt=0, description="step between training windows")
    sfreq: float = Field(120.0, gt=0, description="EEG sampling rate after resampling, Hz")
    shift_s: float = Field(0.15, ge=0, description="EEG at t + shift is paired with audio at t")
    baseline_s: float = Field(0.5, ge=0, description="start of a window whose mean is subtracted, per channel")
    clamp_iqr: float = Field(20.0, gt=0, description="clamp after scaling, in inter-quartile ranges")
    highpass_hz: float | None = Field(None, description="high-pass edge; none by default, as in brainmagick")
    lowpass_hz: float | None = Field(None, description="low-pass edge")
    split: Literal["stimulus-time", "story", "sentence", "subject", "recording"] = Field(
        "stimulus-time",
        description="what parts are made of; story: whole sounds; sentence: cut between two",
    )
    held_out_listeners: NonNegativeInt | ListenerFold | tuple[str, ...] = Field(
        0, description="listeners never trained on: how many, a fold such as 1/3, or their names"
    )
    calibration_min: float = Field(
        2.0, ge=0, description="minutes of training audio that a held-out listener is calibrated by; 0: none is"
    )
    fractions: tuple[float, float, float] | None = Field(None, description="train, valid, test; null: data set's own")
    guard_s: float = Field(3.0, ge=0, description="stimulus time left unused between splits")
    channels: Literal["common", "interpolate"] = Field(
        "common", description="recordings of different channels: use those that all have, or interpolate the lacking"
    )

    @field_validator("held_out_listeners")
    @classmethod
    def _part_of_all(cls, asked: int | str | tuple[str, ...]) -> int | str | tuple[str, ...]:
        """Refuse a fold that is not there, or that is everybody."""
        if isinstance(asked, str):
            number, n_folds = map(int, asked.split("/"))
            if number > n_folds or n_folds < 2:
                raise ValueError("a fold K/N with K from 1 to N, and N from 2 on")
        return asked

    @model_validator(mode="after")
    def _protocol_alone(self) -> DataConfig:
        """Refuse a split beside a protocol that has one of its own."""
        fixed = ("split", "fractions", "guard_s")
        asked = [name for name in fixed if getattr(self, name) != type(self).model_fields[name].default]
        if self.protocol != "own" and asked:
            raise ValueError(f"protocol '{self.protocol}' has a split of its own: leave out {', '.join(asked)}")
        if self.protocol != "own" and self.window_s > PUBLISHED_WINDOW_S:
            raise ValueError(f"protocol '{self.protocol}' has windows of {PUBLISHED_WINDOW_S:g} s: window_s is longer")
        return self


class TargetConfig(Section):
    """Which audio target the encoders are aligned to; options per target, since some encoders bring their own."""

    name: str = "deep_mel"
    options: dict[str, dict[str, Any]] = {}


class AlignmentConfig(Section):
    """Contrastive training of encoder (and target)."""

    batch_size: int = Field(128, ge=2)
    learning_rate: float = Field(3e-4, gt=0)
    weight_decay: float = Field(0.0, ge=0)
    max_epochs: int = Field(10, ge=1)
    steps_per_epoch: int = Field(1200, ge=1, description="an epoch ends here at the latest, as in brainmagick")
    patience: int = Field(3, ge=1, description="epochs without better validation retrieval before stopping")
    mask_same_audio: bool = Field(True, description="windows of overlapping audio are not each other's negatives")
    bridge: Literal["none", "embedding", "frames"] = Field(
        "embedding", description="what estimates are mapped to before they condition the generator (docs/scores.md)"
    )
    train_on: Literal["signal", "surrogate"] = Field("signal", description="surrogate: EEG of randomised phases")
    n_trials: int = Field(1, ge=1, description="settings tried by successive halving; 1 is the preset's own")
    budget_minutes: float | None = Field(None, gt=0, description="training time instead of max_epochs; null: epochs")
    symmetric: bool = Field(False, description="also classify the EEG for each audio (not in brainmagick)")


#: factor and latent channels of the shipped autoencoder
SHIPPED_SHAPE = (8, 8)


class AutoencoderConfig(Section):
    """Mel autoencoder: diffusers' AutoencoderKL, trained on training audio, or the one that is shipped."""

    train: bool = Field(True, description="false: the shipped weights, of 8 channels and factor 8 (trained on speech)")
    channels: tuple[int, ...] = (128, 256, 512)
    patch: int = Field(1, ge=1, description="side of the squares of mel values that enter as channels of one place")
    layers_per_block: int = 2
    latent_channels: int = 8
    norm_groups: int = 32
    clip_s: float | None = Field(None, description="length that clips are zero-padded to; null: the window's own")
    kl_weight: float = Field(0.0305, description="weight on the summed KL; AudioLDM's 1000/32768")
    batch_size: int = 16
    learning_rate: float = 1e-4
    warmup_steps: int = 0
    decay: float = DECAY
    max_steps: int = 400
    checkpoint: str | None = Field(None, description="AudioLDM VAE checkpoint instead of training")

    @property
    def factor(self) -> int:
        """Mel frames per latent frame, and mel bands per latent band."""
        return self.patch * 2 ** (len(self.channels) - 1)

    @model_validator(mode="after")
    def _shipped_as_it_is(self) -> AutoencoderConfig:
        """Refuse another shape than the shipped weights have."""
        shape = (self.factor, self.latent_channels)
        if not self.train and self.checkpoint is None and shape != SHIPPED_SHAPE:
            there = "the shipped autoencoder has factor {} and {} latent channels".format(*SHIPPED_SHAPE)
            raise ValueError(f"{there}, not {shape[0]} and {shape[1]}: set autoencoder.train=true for others")
        return self


class DenoiserConfig(Section):
    """Latent diffusion UNet and how the condition enters it."""

    channels: tuple[int, ...] = (128, 256, 384, 640)
    attention: tuple[bool, ...] = (False, True, True, True)
    attention_heads: tuple[int, ...] = (4, 8, 12, 20)
    layers_per_block: int = 2
    norm_groups: int = 32
    condition_by: tuple[Literal["frames", "tokens", "film"], ...] = ("frames",)
    frame_channels: int = Field(64, description="channels of the projected condition that join the latent")
    prior: Literal["none", "linear"] = Field(
        "none", description="linear: a regression of the latent on the tokens is fitted first; the network corrects it"
    )
    checkpoint: str | None = Field(None, description="AudioLDM UNet checkpoint to start from")


class DiffusionConfig(Section):
    """Training of the denoiser."""

    condition_on: Literal["audio", "eeg", "both"] = "audio"
    standardise: bool = Field(True, description="conditions of zero mean over time and unit variance, per segment")
    prediction: Literal["epsilon", "v_prediction", "sample"] = "epsilon"
    n_train_timesteps: int = 1000
    beta_start: float = 0.0015
    beta_end: float = 0.0195
    condition_dropout: float = Field(0.1, ge=0, le=1, description="share of items trained without condition")
    min_snr_gamma: float | None = None
    batch_size: int = 32
    learning_rate: float = 1e-4
    warmup_steps: int = 0
    decay: float = DECAY
    weight_decay: float = 0.01
    max_steps: int = 300
    ema_decay: float = 0.9999


class SamplingConfig(Section):
    """Generation from the trained denoiser."""

    scheduler: Literal["dpm-solver++", "ddim"] = "dpm-solver++"
    n_steps: int = 20
    eta: float = Field(0.0, description="DDIM noise; AudioLDM's own sampler uses 1")
    guidance_scale: float = 2.5
    n_clips: int = Field(64, ge=2, description="test windows that are generated, for the EEG and for every control")
    batch_size: int = 64


class VocoderConfig(Section):
    """Mel to waveform."""

    name: Literal["griffin-lim", "hifi-gan", "spectrum"] = Field(
        "griffin-lim", description="spectrum: the shipped network finds magnitudes and first phases"
    )
    n_iter: int = Field(32, description="iterations of Griffin-Lim; hifi-gan needs none")
    checkpoint: str | None = Field(None, description="HiFi-GAN weights (hub id, folder or original .ckpt)")


class ScoresConfig(Section):
    """Which scores are made, and the resampling behind intervals and tests."""

    which: Literal["all", "retrieval"] = Field("all", description="retrieval: stop after alignment")
    extended: bool = Field(False, description="also metrics that cost much or need more packages")
    probes: bool = Field(False, description="also read speech and listener out of the embeddings by linear models")
    models: dict[str, str] = Field(default={}, description="folder or hub id of what judges: whisper, tagger")
    n_bootstrap: int = Field(2000, ge=1)
    n_permutations: int = Field(10_000, ge=1)
    block_s: float = Field(15.0, gt=0, description="length of a block of neighbouring segments")
    confidence: float = Field(0.95, gt=0, lt=1)
    alpha: float = Field(0.05, gt=0, lt=1)


class RunConfig(Section):
    """Everything that decides a cell's numbers, beside the encoder, the data set and the seed."""

    preset: str = "quick"
    version: int = 1
    precision: Literal["auto", "float32", "bfloat16"] = "auto"
    n_devices: int = Field(1, ge=1, description="devices of this machine that train one cell together")
    compile: bool = Field(False, description="torch.compile what is trained; pays in long trainings on a GPU only")
    data: DataConfig = DataConfig()
    target: TargetConfig = TargetConfig()
    encoder: dict[str, dict[str, Any]] = Field(default={}, description="options per encoder name")
    alignment: AlignmentConfig = AlignmentConfig()
    autoencoder: AutoencoderConfig = AutoencoderConfig()
    denoiser: DenoiserConfig = DenoiserConfig()
    diffusion: DiffusionConfig = DiffusionConfig()
    sampling: SamplingConfig = SamplingConfig()
    vocoder: VocoderConfig = VocoderConfig()
    scores: ScoresConfig = ScoresConfig()


def preset_names() -> list[str]:
    """Names of the presets that ship with the suite."""
    files = resources.files("eeg2speech_bench.core.presets").iterdir()
    return sorted(f.name.removesuffix(".toml") for f in files if f.name.endswith(".toml"))


def load_config(
    preset: str = "quick", file: Path | None = None, overrides: Iterable[str] | Mapping[str, object] | None = None
) -> RunConfig:
    """Resolve a configuration: preset, then ``file`` (TOML), then ``overrides``.

    Parameters
    ----------
    preset : str
    file : Path, optional
    overrides : iterable of str, or mapping of str to object, optional
        ``"section.key=value"`` as typed, or values by ``"section.key"``.

    Raises
    ------
    UsageError
        For an unknown preset or key (with the nearest known one), a value of the wrong type or a bad file.
    """
    if preset not in preset_names():
        raise UnknownNameError("preset", preset, preset_names())
    tree = {**_preset_tree(preset), "preset": preset}
    if file is not None:
        _merge(tree, _read_toml(file))
    if isinstance(overrides, Mapping):
        for key, value in overrides.items():
            _merge(tree, _nested(key, value))
    else:
        for override in overrides or []:
            _merge(tree, _parse_override(override))
    return config_from_tree(tree)


def _preset_tree(preset: str) -> dict[str, Any]:
    """Read a preset, over the one that it extends if it names one."""
    text = resources.files("eeg2speech_bench.core.presets").joinpath(f"{preset}.toml").read_text(encoding="utf8")
    own = tomllib.loads(text)
    base = own.pop("extends", "")
    tree = _preset_tree(base) if base else {}
    _merge(tree, own)
    return tree


def config_from_tree(tree: dict[str, Any]) -> RunConfig:
    """Validate a resolved tree, as it stands in a record or a preset."""
    _refuse_infinite(tree, ())
    try:
        return RunConfig.model_validate(tree)
    except ValidationError as error:
        raise _explain(error) from None


def _refuse_infinite(tree: Any, path: tuple[str, ...]) -> None:
    """Refuse NaN and infinity, which TOML has, and neither a record nor any computation can use."""
    if isinstance(tree, Mapping):
        for key, inner in tree.items():
            _refuse_infinite(inner, (*path, str(key)))
    elif isinstance(tree, list | tuple):
        for inner in tree:
            _refuse_infinite(inner, path)
    elif isinstance(tree, float) and not math.isfinite(tree):
        raise UsageError(f"Configuration key '{'.'.join(path)}' is wrong", got=tree, expected="a finite number")


def _read_toml(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(Path(path).read_text(encoding="utf8"))
    except FileNotFoundError:
        raise UsageError(f"Configuration file {path} does not exist", then="Give --config an existing file.") from None
    except OSError as error:
        then = "Give --config a TOML file."
        raise UsageError(f"Configuration file {path} cannot be read", got=error.strerror, then=then) from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise UsageError(f"Configuration file {path} is not TOML", got=str(error)) from None


def _parse_override(text: str) -> dict[str, Any]:
    """Turn ``a.b=v`` into ``{"a": {"b": v}}``; v is read as TOML, and as plain text where that fails."""
    path, separator, value = text.partition("=")
    if not separator or not path:
        raise UsageError("Option --set was not understood", got=repr(text), expected="section.key=value")
    try:
        parsed = tomllib.loads(f"v = {value}")["v"]
    except tomllib.TOMLDecodeError:
        parsed = None if value.lower() == "null" else value
    return _nested(path, parsed)


def _nested(path: str, value: Any) -> dict[str, Any]:
    """Turn ``a.b`` and v into ``{"a": {"b": v}}``."""
    for key in reversed(path.split(".")):
        value = {key: value}
    tree: dict[str, Any] = value
    return tree


def _merge(tree: dict[str, Any], other: dict[str, Any]) -> None:
    for key, value in other.items():
        if isinstance(value, dict) and isinstance(tree.get(key), dict):
            _merge(tree[key], value)
        else:
            tree[key] = value


def _explain(error: ValidationError) -> UsageError:
    first = error.errors()[0]
    path = [str(part) for part in first["loc"]]
    if first["type"] == "extra_forbidden":
        known = _known_keys(path[:-1])
        near = difflib.get_close_matches(path[-1], known, n=1, cutoff=0.4)
        hint = f"Did you mean '{'.'.join([*path[:-1], near[0]])}'?" if near else ""
        return UsageError(f"Unknown configuration key '{'.'.join(path)}'", expected=", ".join(known), then=hint)
    expected = first["msg"].removeprefix("Value error, ").removeprefix("Input should be ")
    return UsageError(f"Configuration key '{'.'.join(path)}' is wrong", got=repr(first["input"]), expected=expected)


def _known_keys(path: list[str]) -> list[str]:
    model: Any = RunConfig
    for part in path:
        model = model.model_fields[part].annotation
    return list(model.model_fields)
