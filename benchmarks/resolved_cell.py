"""Resolves what a cell names: its plugins, what they are given, and which stages they call for."""

from __future__ import annotations

from functools import cached_property
from typing import Any

from eeg2speech_bench.benchmarks.cells import Cell
from eeg2speech_bench.core.conditions import embedded_conditions
from eeg2speech_bench.core.errors import ContractError
from eeg2speech_bench.core.presets.config import AlignmentConfig, load_config
from eeg2speech_bench.core.registry.registry import Registry
from eeg2speech_bench.core.segments.recordings import SpeechDataset
from eeg2speech_bench.core.weights.strategies import WeightsUse

#: what an encoder may choose for itself; everything else of the alignment is the budget
OWN_SETTINGS = {"learning_rate", "weight_decay"}
#: why the generator's stages are left out
NO_AUDIO = "the data set publishes an envelope and no audio, so there is nothing to generate"
RETRIEVAL_ONLY = "only retrieval was asked for (--scores retrieval)"
#: why no windows are cut at words
NO_WORDS = "the data set has no words with their times, so no window can start at one"


class ResolvedCell:
    """Knows the plugins that a cell names, their options, and which stages it needs.

    Parameters
    ----------
    cell : Cell
    dataset : SpeechDataset
    registry : Registry
    """

    def __init__(self, cell: Cell, dataset: SpeechDataset, registry: Registry) -> None:
        self.cell, self.dataset, self.config = cell, dataset, cell.config
        self.encoder = registry.get("encoder", cell.encoder)
        self.target = registry.get("target", self.encoder.audio_target or self.config.target.name)
        self.preparation = registry.get("preparation", getattr(dataset, "preparation", "windows"))
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
        """Refuse options that encoder or target do not have, before anything runs.

        Those that the preset names are right; to see whether others are takes the import of what they belong to.
        """
        _ = self.alignment  # refuses settings that are not an encoder's to choose
        if use := WeightsUse.of(self.encoder_options):
            use.check()
        preset = load_config(self.config.preset)
        for spec, options, usual in (
            (self.encoder, self.encoder_options, preset.encoder),
            (self.target, self.target_options, preset.target.options),
        ):
            spec.check_options(sorted(set(options) - set(usual.get(spec.name, {}))))

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

    @property
    def tunes(self) -> bool:
        """Whether settings are searched before the encoder is trained."""
        return self.alignment.n_trials > 1

    @cached_property
    def conditions(self) -> tuple[str, ...]:
        """Names of the conditions that the encoder is run under."""
        return embedded_conditions(self.encoder.modality)

    def skipped(self) -> dict[str, str]:
        """Return the stages that are left out, with the reason."""
        skipped = {"words": NO_WORDS} if self.config.scores.extended and not self.at_words else {}
        if not self.generates:
            skipped |= dict.fromkeys(("autoencoder", "ceilings", "diffuse", "generate"), self.no_generation)
        return skipped
