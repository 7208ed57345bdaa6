"""The stages of a cell and how they hang together."""

from __future__ import annotations

from collections.abc import Callable
from functools import cached_property
from pathlib import Path
from typing import Any

from eeg2speech_bench.benchmarks.cells import Cell
from eeg2speech_bench.core.errors import ContractError
from eeg2speech_bench.core.presets.config import AlignmentConfig
from eeg2speech_bench.core.registry.registry import Registry
from eeg2speech_bench.core.registry.specs import Spec
from eeg2speech_bench.core.segments.recordings import SpeechDataset
from eeg2speech_bench.core.stages.source_code import modules_used
from eeg2speech_bench.core.stages.stage_store import Stage, StageStore
from eeg2speech_bench.core.training.seeding import derive_seed

ROOM = "eeg2speech_bench"
#: what an encoder may choose for itself; everything else of the alignment is the budget
OWN_SETTINGS = {"learning_rate", "weight_decay"}
#: why the generator's stages are left out
NO_AUDIO = "the data set publishes an envelope and no audio, so there is nothing to generate"
RETRIEVAL_ONLY = "only retrieval was asked for (--scores retrieval)"
#: why no windows are cut at words
NO_WORDS = "the data set has no words with their times, so no window can start at one"


class Pipeline:
    """Stages of one cell, made when they are asked for; equal stages of two cells have equal keys.

    Parameters
    ----------
    cell : Cell
    dataset : SpeechDataset
    registry : Registry
    store : StageStore
    device, precision : str
        Where to compute and in which numbers; the precision is part of the keys, the device is not.
    """

    def __init__(
        self, cell: Cell, dataset: SpeechDataset, registry: Registry, store: StageStore, device: str, precision: str
    ) -> None:
        self.cell, self.dataset, self.store, self.device, self.precision = cell, dataset, store, device, precision
        self.config = cell.config
        self.encoder = registry.get("encoder", cell.encoder)
        self.target = registry.get("target", self.encoder.audio_target or self.config.target.name)
        self.preparation = registry.get("preparation", "windows")
        self.metrics = registry.all("metric")

    @property
    def target_options(self) -> dict[str, Any]:
        """Options of the target from the configuration."""
        return dict(self.config.target.options.get(self.target.name, {}))

    @property
    def encoder_options(self) -> dict[str, Any]:
        """Options of the encoder from the configuration."""
        return dict(self.config.encoder.get(self.cell.encoder, {}))

    def check_options(self) -> None:
        """Refuse options that encoder or target do not have, before anything runs."""
        _ = self.alignment  # refuses settings that are not an encoder's to choose
        self.encoder.check_options(self.encoder_options)
        self.target.check_options(self.target_options)

    @property
    def no_generation(self) -> str:
        """Why no speech is generated; empty if it is."""
        if self.dataset.sound_kind != "waveform":
            return NO_AUDIO
        return RETRIEVAL_ONLY if self.config.scores.which == "retrieval" else ""

    @property
    def generates(self) -> bool:
        """Whether speech is generated and scored."""
        return not self.no_generation

    @cached_property
    def at_words(self) -> bool:
        """Whether retrieval is also scored in windows that start at words."""
        return self.config.scores.extended and any(stimulus.words for stimulus in self.dataset.stimuli)

    @cached_property
    def alignment(self) -> AlignmentConfig:
        """The preset's budget, with the optimiser settings that the encoder declares for itself.

        Raises
        ------
        ContractError
            If it declares anything else: the budget is the same for all.
        """
        own = dict(self.encoder.alignment)
        if unknown := sorted(set(own) - OWN_SETTINGS):
            raise ContractError(
                f"Encoder '{self.encoder.name}' declares settings that belong to the budget",
                got=", ".join(unknown),
                expected=", ".join(sorted(OWN_SETTINGS)),
                then="The budget is the same for all encoders; users change it with --set alignment.KEY=VALUE.",
            )
        return self.config.alignment.model_copy(update=own)

    def stages(self) -> list[Stage]:
        """Return all stages in the order in which they run."""
        first = [self.prepare, self.features]
        encoded = [self.align, self.embed, *([self.words] if self.at_words else [])]
        if not self.generates:
            return [*first, *encoded, self.score]
        return [*first, self.autoencoder, self.ceilings, *encoded, self.diffuse, self.generate, self.score]

    def skipped(self) -> dict[str, str]:
        """Return the stages that are left out, with the reason."""
        skipped = {"words": NO_WORDS} if self.config.scores.extended and not self.at_words else {}
        if not self.generates:
            skipped |= dict.fromkeys(("autoencoder", "ceilings", "diffuse", "generate"), self.no_generation)
        return skipped

    def place(self, stage: Stage) -> Path:
        """Return the folder of a stage's results."""
        return self.store.place(stage)

    @cached_property
    def _pair(self) -> Any:
        from eeg2speech_bench.benchmarks.models.pair import Pair

        return Pair(self.encoder, self.encoder_options, self.target, self.target_options)

    @cached_property
    def _generator(self) -> Any:
        from eeg2speech_bench.benchmarks.models.generator import GeneratorConfig

        return GeneratorConfig(self.config.autoencoder, self.config.denoiser, self.config.diffusion)

    @cached_property
    def _seed(self) -> Callable[[str], int]:
        # the encoder's name keeps apart what two encoders draw; controls and clips use the bare seed, so that every
        # encoder meets the same shifts, shuffles and sampling noise
        return lambda stage: derive_seed(self.cell.seed, self.cell.encoder, stage)

    @cached_property
    def prepare(self) -> Stage:
        """Recordings and audio become segments."""
        settings = {"dataset": self.dataset.name, "revision": self.dataset.revision, **_dump(self.config.data)}
        function = self.preparation

        def run(out: Path, progress: Callable[[str, float], None]) -> None:
            function.load()(self.dataset, self.config.data, out, progress)

        return Stage("prepare", settings, (f"{ROOM}.datasets", f"{ROOM}.core.segments.store"), run)

    @cached_property
    def features(self) -> Stage:
        """Stimuli become target frames."""
        settings = {"target": self.target.name, "options": self.target_options}
        code = (*modules_used(f"{ROOM}.benchmarks.stages.features", ROOM), *plugin_code(self.target))
        arguments = {"prepared": self.place(self.prepare), "target": self.target, "options": self.target_options}
        return Stage("features", settings, code, _later("features", arguments), (self.prepare,))

    @cached_property
    def autoencoder(self) -> Stage:
        """Training audio becomes an autoencoder; all audio becomes latents."""
        arguments = {
            "prepared": self.place(self.prepare),
            "config": self.config.autoencoder,
            "device": self.device,
            "precision": self.precision,
        }
        settings = {**_dump(self.config.autoencoder), "precision": self.precision}
        code = modules_used(f"{ROOM}.benchmarks.stages.autoencoder", ROOM)
        return Stage("autoencoder", settings, code, _later("autoencoder", arguments), (self.prepare,))

    @cached_property
    def ceilings(self) -> Stage:
        """True clips through parts of the generator."""
        arguments = {
            "prepared": self.place(self.prepare),
            "latents": self.place(self.autoencoder),
            "autoencoder": self.config.autoencoder,
            "n_clips": self.config.sampling.n_clips,
            "vocoder": self.config.vocoder,
            "device": self.device,
        }
        settings = {"n_clips": self.config.sampling.n_clips, **_dump(self.config.vocoder)}
        code = modules_used(f"{ROOM}.benchmarks.stages.ceilings", ROOM)
        return Stage("ceilings", settings, code, _later("ceilings", arguments), (self.autoencoder,))

    @cached_property
    def align(self) -> Stage:
        """Encoder and target learn one space."""
        seed = self._seed("align")
        arguments = {
            "prepared": self.place(self.prepare),
            "features": self.place(self.features),
            "pair": self._pair,
            "config": self.alignment,
            "seed": seed,
            "device": self.device,
            "precision": self.precision,
        }
        settings = {
            "encoder": self.encoder.name,
            "options": self.encoder_options,
            "seed": seed,
            "precision": self.precision,
            **_dump(self.alignment),
        }
        code = (*modules_used(f"{ROOM}.benchmarks.stages.align", ROOM), *plugin_code(self.encoder))
        return Stage("align", settings, code, _later("align", arguments), (self.prepare, self.features))

    @cached_property
    def embed(self) -> Stage:
        """Test EEG and controls become scores and conditions."""
        arguments = {
            "prepared": self.place(self.prepare),
            "features": self.place(self.features),
            "aligned": self.place(self.align),
            "pair": self._pair,
            "n_clips": self.config.sampling.n_clips,
            "standardise": self.config.diffusion.standardise,
            "seed": self.cell.seed,
            "device": self.device,
        }
        settings = {name: arguments[name] for name in ("n_clips", "standardise", "seed")}
        code = modules_used(f"{ROOM}.benchmarks.stages.embed", ROOM)
        return Stage("embed", settings, code, _later("embed", arguments), (self.align,))

    @cached_property
    def words(self) -> Stage:
        """Test EEG and controls at word onsets become scores."""
        arguments = {
            "prepared": self.place(self.prepare),
            "features": self.place(self.features),
            "aligned": self.place(self.align),
            "pair": self._pair,
            "seed": self.cell.seed,
            "device": self.device,
        }
        code = modules_used(f"{ROOM}.benchmarks.stages.words", ROOM)
        return Stage("words", {"seed": self.cell.seed}, code, _later("words", arguments), (self.align,))

    @cached_property
    def diffuse(self) -> Stage:
        """Latents and conditions become a denoiser."""
        seed = self._seed("diffuse")
        arguments = {
            "prepared": self.place(self.prepare),
            "features": self.place(self.features),
            "aligned": self.place(self.align),
            "latents": self.place(self.autoencoder),
            "pair": self._pair,
            "config": self._generator,
            "seed": seed,
            "device": self.device,
            "precision": self.precision,
        }
        settings = {
            "seed": seed,
            "precision": self.precision,
            "denoiser": _dump(self.config.denoiser),
            **_dump(self.config.diffusion),
        }
        code = modules_used(f"{ROOM}.benchmarks.stages.diffuse", ROOM)
        return Stage("diffuse", settings, code, _later("diffuse", arguments), (self.align, self.autoencoder))

    @cached_property
    def generate(self) -> Stage:
        """Conditions become speech."""
        arguments = {
            "prepared": self.place(self.prepare),
            "embedded": self.place(self.embed),
            "latents": self.place(self.autoencoder),
            "diffused": self.place(self.diffuse),
            "config": self._generator,
            "sampling": self.config.sampling,
            "vocoder": self.config.vocoder,
            "seed": self.cell.seed,
            "device": self.device,
        }
        settings = {**_dump(self.config.sampling), "vocoder": _dump(self.config.vocoder), "seed": self.cell.seed}
        code = modules_used(f"{ROOM}.benchmarks.stages.generate", ROOM)
        return Stage("generate", settings, code, _later("generate", arguments), (self.embed, self.diffuse))

    @cached_property
    def score(self) -> Stage:
        """Scores and speech become metrics with intervals and tests."""
        arguments = {
            "prepared": self.place(self.prepare),
            "embedded": self.place(self.embed),
            "words": self.place(self.words) if self.at_words else None,
            "generated": self.place(self.generate) if self.generates else None,
            "ceilings": self.place(self.ceilings) if self.generates else None,
            "metrics": self.metrics,
            "config": self.config.scores,
            "modality": self.encoder.modality,
            "seed": self.cell.seed,
        }
        settings = {
            "metrics": sorted(repr(metric) for metric in self.metrics),
            "modality": self.encoder.modality,
            "seed": self.cell.seed,
            **_dump(self.config.scores),
        }
        code = (
            *modules_used(f"{ROOM}.benchmarks.stages.score", ROOM),
            *sorted({module for metric in self.metrics for module in plugin_code(metric)}),
        )
        inputs = (self.embed, *((self.words,) if self.at_words else ()))
        inputs += (self.ceilings, self.generate) if self.generates else ()
        return Stage("score", settings, code, _later("score", arguments), inputs)


def plugin_code(spec: Spec) -> tuple[str, ...]:
    """Return what decides what a plugin does: its module and those of ours it uses, or an outsider's whole package."""
    module = spec.target.partition(":")[0]
    package = module.partition(".")[0]
    if package != ROOM:
        return (package,)
    return modules_used(module, ".".join(module.split(".")[:2]))


def _later(name: str, arguments: dict[str, Any]) -> Callable[..., None]:
    """Return the stage's function, imported (with torch) when it runs."""

    def run(out: Path, progress: Callable[[str, float], None]) -> None:
        import importlib

        importlib.import_module(f"{ROOM}.benchmarks.stages.{name}").run(out, progress, **arguments)

    return run


def _dump(section: Any) -> dict[str, Any]:
    return section.model_dump(mode="json")
