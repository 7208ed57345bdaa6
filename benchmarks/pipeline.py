"""Declares the stages of a cell and what each depends on."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import cached_property, partial
from pathlib import Path
from typing import Any

from eeg2speech_bench.benchmarks.cells import Cell
from eeg2speech_bench.benchmarks.models.pair import Pair
from eeg2speech_bench.benchmarks.plugin_source import code_of_options, code_of_spec
from eeg2speech_bench.benchmarks.resolved_cell import ResolvedCell
from eeg2speech_bench.benchmarks.stage_inputs import (
    AlignInputs,
    AutoencoderInputs,
    CalibrateInputs,
    CeilingsInputs,
    ClipsInputs,
    DiffuseInputs,
    EmbedInputs,
    FeaturesInputs,
    GenerateInputs,
    PrepareInputs,
    ProbesInputs,
    ScoreInputs,
    StageInputs,
    TuneInputs,
    WordsInputs,
)
from eeg2speech_bench.benchmarks.stage_runs import run_stage
from eeg2speech_bench.core.registry.registry import Registry
from eeg2speech_bench.core.segments.prepared import Prepared
from eeg2speech_bench.core.segments.recordings import SpeechDataset
from eeg2speech_bench.core.segments.segment_store import SPLITS, SegmentStore
from eeg2speech_bench.core.stages.import_closure import code_behind
from eeg2speech_bench.core.stages.keys import KeyParts
from eeg2speech_bench.core.stages.stage_store import Stage, StageStore
from eeg2speech_bench.core.training.seeding import derive_seed

STAGES = "eeg2speech_bench.benchmarks.stages"


class Pipeline(ResolvedCell):
    """Makes the stages of one cell when they are asked for; equal stages of two cells have equal keys.

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
        super().__init__(cell, dataset, registry)
        self.store, self.device, self.precision = store, device, precision

    def stages(self) -> list[Stage]:
        """Return all stages in the order in which they run."""
        first = [self.prepare, self.features, self.clips]
        encoded = [
            *([self.tune] if self.tunes else []),
            self.align,
            *([self.calibrate] if self.calibrate else []),
            self.embed,
            *([self.words] if self.at_words else []),
            *([self.probes] if self.config.scores.probes else []),
        ]
        if not self.generates:
            return [*first, *encoded, self.score]
        return [*first, self.autoencoder, self.ceilings, *encoded, self.diffuse, self.generate, self.score]

    def known_stages(self) -> list[Stage]:
        """Return all stages; none of an encoder whose source is not there, which fails in its own cell."""
        try:
            return self.stages()
        except (Exception, SystemExit):
            return []

    def prepared(self) -> Prepared:
        """Describe the prepared segments as the stages of this cell see them, with its listeners held out."""
        folder, held_out = self.place(self.prepare), self.config.data.held_out_listeners
        if not held_out:
            return Prepared.read(folder)
        store = SegmentStore(folder, held_out)
        return store.meta.model_copy(update={"n_segments": {part: len(store.indices(part)) for part in SPLITS}})

    def place(self, stage: Stage) -> Path:
        """Return the folder of a stage's results."""
        return self.store.place(stage)

    @cached_property
    def _pair(self) -> Pair:
        return Pair(self.encoder, self.encoder_options, self.target, self.target_options)

    def _seed(self, stage: str) -> int:
        """Return the seed of a stage.

        The encoder's name keeps apart what two encoders draw; controls and clips use the bare seed, so that every
        encoder meets the same shifts, shuffles and sampling noise.
        """
        return derive_seed(self.cell.seed, self.cell.encoder, stage)

    def _stage(
        self,
        inputs: StageInputs,
        after: tuple[Stage, ...],
        code: Iterable[str],
        *,
        of_cell: bool,
        options: Mapping[str, Any] | None = None,
    ) -> Stage:
        """Make a stage whose key holds all that decides its result.

        Parameters
        ----------
        inputs : StageInputs
        after : tuple of Stage
            Whose results it reads.
        code : iterable of str
            Targets of the code of plugins that it runs, beside the stage's own module.
        of_cell : bool
            Whether it belongs to this cell alone and not to the data set.
        options : mapping of str to object, optional
            Of a plugin that it runs; they may name code too.
        """
        settings = inputs.settings()
        closure = code_behind((f"{STAGES}.{inputs.name}", *code)).joined(code_of_options(options or {}))
        keys = {stage.name: stage.key for stage in after}
        parts = KeyParts.of(settings, keys, closure, inputs.weights(), self.store.hashes)
        subject = {"dataset": self.dataset.name}
        if of_cell:
            subject |= {"encoder": self.cell.encoder, "seed": str(self.cell.seed)}
        return Stage(inputs.name, parts, partial(run_stage, inputs), after, subject, inputs.trains)

    @cached_property
    def _listeners(self) -> dict[str, Any]:
        return {"prepared": self.place(self.prepare), "held_out": self.config.data.held_out_listeners}

    @cached_property
    def prepare(self) -> Stage:
        """Recordings and audio become segments."""
        inputs = PrepareInputs(self.dataset, self.preparation, self.config.data)
        of_dataset = f"{type(self.dataset).__module__}:{type(self.dataset).__name__}"
        return self._stage(inputs, (), (self.preparation.target, of_dataset), of_cell=False)

    @cached_property
    def features(self) -> Stage:
        """Stimuli become target frames."""
        inputs = FeaturesInputs(self.place(self.prepare), self.target, self.target_options)
        return self._stage(inputs, (self.prepare,), code_of_spec(self.target), of_cell=False)

    @cached_property
    def clips(self) -> Stage:
        """Test segments are chosen that speech is generated for."""
        inputs = ClipsInputs(n_clips=self.config.sampling.n_clips, **self._listeners)
        return self._stage(inputs, (self.prepare,), (), of_cell=False)

    @cached_property
    def autoencoder(self) -> Stage:
        """Training audio becomes an autoencoder; all audio becomes latents."""
        machine = (self.device, self.precision, self.config.n_devices, self.config.compile)
        inputs = AutoencoderInputs(self.place(self.prepare), self.config.autoencoder, *machine)
        return self._stage(inputs, (self.prepare,), (), of_cell=False)

    @cached_property
    def ceilings(self) -> Stage:
        """True clips go through parts of the generator."""
        inputs = CeilingsInputs(
            prepared=self.place(self.prepare),
            clips=self.place(self.clips),
            latents=self.place(self.autoencoder),
            autoencoder=self.config.autoencoder,
            vocoder=self.config.vocoder,
            device=self.device,
        )
        return self._stage(inputs, (self.prepare, self.clips, self.autoencoder), (), of_cell=False)

    @cached_property
    def tune(self) -> Stage:
        """Settings of the encoder's training are searched, once for all seeds."""
        inputs = TuneInputs(
            **self._listeners,
            features=self.place(self.features),
            pair=self._pair,
            alignment=self.alignment,
            common=self.config.alignment,
            seed=derive_seed(0, self.cell.encoder, "tune"),
            device=self.device,
            precision=self.precision,
            n_devices=self.config.n_devices,
        )
        return self._encoder_stage(inputs, (self.prepare, self.features))

    def _encoder_stage(self, inputs: TuneInputs | AlignInputs, after: tuple[Stage, ...]) -> Stage:
        code = (*code_of_spec(self.encoder), *code_of_spec(self.target))
        return self._stage(inputs, after, code, of_cell=True, options=self.encoder_options)

    @cached_property
    def align_inputs(self) -> AlignInputs:
        """What the encoder is trained with."""
        return AlignInputs(
            **self._listeners,
            features=self.place(self.features),
            pair=self._pair,
            alignment=self.alignment,
            seed=self._seed("align"),
            device=self.device,
            precision=self.precision,
            n_devices=self.config.n_devices,
            compiled=self.config.compile,
            tuned=self.place(self.tune) if self.tunes else None,
        )

    @cached_property
    def align(self) -> Stage:
        """Encoder and target learn one space."""
        return self._encoder_stage(
            self.align_inputs, (self.prepare, self.features, *([self.tune] if self.tunes else []))
        )

    @cached_property
    def calibrate(self) -> Stage | None:
        """New listeners get a place among known ones, where any are held out and given minutes for it."""
        minutes = self.config.data.calibration_min
        if not self.config.data.held_out_listeners or not minutes or self.encoder.modality != "eeg":
            return None
        inputs = CalibrateInputs(
            **self._listeners,
            features=self.place(self.features),
            aligned=self.place(self.align),
            pair=self._pair,
            minutes=minutes,
            device=self.device,
        )
        return self._stage(inputs, (self.prepare, self.features, self.align), (), of_cell=True)

    @cached_property
    def embed(self) -> Stage:
        """Test EEG and controls become scores and conditions."""
        calibrated = (self.calibrate,) if self.calibrate else ()
        inputs = EmbedInputs(
            calibration=self.place(calibrated[0]) if calibrated else None,
            **self._listeners,
            features=self.place(self.features),
            clips=self.place(self.clips),
            aligned=self.place(self.align),
            pair=self._pair,
            standardise=self.config.diffusion.standardise,
            seed=self.cell.seed,
            device=self.device,
        )
        return self._stage(inputs, (self.prepare, self.features, self.clips, self.align, *calibrated), (), of_cell=True)

    @cached_property
    def words(self) -> Stage:
        """Test EEG and controls at word onsets become scores."""
        inputs = WordsInputs(
            **self._listeners,
            features=self.place(self.features),
            aligned=self.place(self.align),
            pair=self._pair,
            seed=self.cell.seed,
            device=self.device,
        )
        return self._stage(inputs, (self.prepare, self.features, self.align), (), of_cell=True)

    @cached_property
    def probes(self) -> Stage:
        """Embeddings of test EEG and controls are read out by linear models."""
        inputs = ProbesInputs(
            **self._listeners,
            features=self.place(self.features),
            aligned=self.place(self.align),
            pair=self._pair,
            block_s=self.config.scores.block_s,
            seed=self.cell.seed,
            device=self.device,
        )
        return self._stage(inputs, (self.prepare, self.features, self.align), (), of_cell=True)

    @cached_property
    def diffuse(self) -> Stage:
        """Latents and conditions become a denoiser."""
        inputs = DiffuseInputs(
            **self._listeners,
            features=self.place(self.features),
            aligned=self.place(self.align),
            latents=self.place(self.autoencoder),
            pair=self._pair,
            autoencoder=self.config.autoencoder,
            denoiser=self.config.denoiser,
            diffusion=self.config.diffusion,
            seed=self._seed("diffuse"),
            device=self.device,
            precision=self.precision,
            n_devices=self.config.n_devices,
            compiled=self.config.compile,
        )
        return self._stage(inputs, (self.prepare, self.features, self.align, self.autoencoder), (), of_cell=True)

    @cached_property
    def generate(self) -> Stage:
        """Conditions become speech."""
        inputs = GenerateInputs(
            prepared=self.place(self.prepare),
            clips=self.place(self.clips),
            embedded=self.place(self.embed),
            latents=self.place(self.autoencoder),
            diffused=self.place(self.diffuse),
            conditions=self.conditions,
            autoencoder=self.config.autoencoder,
            denoiser=self.config.denoiser,
            diffusion=self.config.diffusion,
            sampling=self.config.sampling,
            vocoder=self.config.vocoder,
            seed=self.cell.seed,
            device=self.device,
        )
        after = (self.prepare, self.clips, self.embed, self.autoencoder, self.diffuse)
        return self._stage(inputs, after, (), of_cell=True)

    @cached_property
    def score(self) -> Stage:
        """Scores and speech become metrics with intervals and tests."""
        words = self.words if self.at_words else None
        probes = self.probes if self.config.scores.probes else None
        generate, ceilings = (self.generate, self.ceilings) if self.generates else (None, None)
        metrics = tuple(m for m in self.metrics if self.config.scores.extended or not m.extended)
        inputs = ScoreInputs(
            **self._listeners,
            embedded=self.place(self.embed),
            words=self.place(words) if words else None,
            generated=self.place(generate) if generate else None,
            ceilings=self.place(ceilings) if ceilings else None,
            conditions=self.conditions,
            metrics=metrics,
            scores=self.config.scores,
            modality=self.encoder.modality,
            seed=self.cell.seed,
            probes=self.place(probes) if probes else None,
        )
        after = tuple(stage for stage in (self.prepare, self.embed, words, probes, ceilings, generate) if stage)
        code = (target for metric in metrics for target in code_of_spec(metric))
        return self._stage(inputs, after, code, of_cell=True)
