"""Runs the stage that takes given inputs; its libraries are imported when it runs."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from functools import partial, singledispatch
from pathlib import Path
from typing import Any

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
from eeg2speech_bench.core.machine.ranks import others_beside
from eeg2speech_bench.core.stages.checkpoints import StageCheckpoints
from eeg2speech_bench.core.terminal.progress import Progress
from eeg2speech_bench.core.terminal.quiet import silence_libraries


@singledispatch
def run_stage(inputs: StageInputs, out: Path, progress: Progress, *checkpoints: StageCheckpoints) -> None:
    """Run the stage that takes these inputs.

    Parameters
    ----------
    inputs : StageInputs
        Their class says which stage it is.
    out : Path
        An empty folder, which the results are written into.
    progress : Progress
    checkpoints : StageCheckpoints
        Only for a stage that trains: what an earlier attempt has left, and where this one leaves its own.

    Raises
    ------
    NotImplementedError
        If no stage takes inputs of this class.
    """
    raise NotImplementedError(f"No stage takes {type(inputs).__name__}")


def _train(
    run: Callable[..., None],
    inputs: AutoencoderInputs | TuneInputs | AlignInputs | DiffuseInputs,
    out: Path,
    progress: Progress,
    checkpoints: StageCheckpoints,
) -> None:
    """Run a stage that trains, beside as many processes that do the same as there are further devices."""
    follow = partial(_follow, inputs, checkpoints.folder, dict(checkpoints.about))
    with others_beside(inputs.n_devices, follow):
        run(inputs, out, progress, checkpoints)


def _follow(inputs: StageInputs, folder: Path, about: dict[str, Any]) -> None:
    """Run a stage for the sake of the process that writes its results."""
    silence_libraries()
    with tempfile.TemporaryDirectory() as out:
        checkpoints = StageCheckpoints(folder, about, lambda line: None)
        run_stage(inputs, Path(out), lambda note, share: None, checkpoints)


@run_stage.register
def _(inputs: PrepareInputs, out: Path, progress: Progress, *checkpoints: StageCheckpoints) -> None:
    kept = checkpoints if inputs.preparation.resumes else ()
    inputs.preparation.load()(inputs.dataset, inputs.data, out, progress, *kept)


@run_stage.register
def _(inputs: FeaturesInputs, out: Path, progress: Progress) -> None:
    from eeg2speech_bench.benchmarks.stages.features import run

    run(inputs, out, progress)


@run_stage.register
def _(inputs: ClipsInputs, out: Path, progress: Progress) -> None:
    from eeg2speech_bench.benchmarks.stages.clips import run

    run(inputs, out, progress)


@run_stage.register
def _(inputs: AutoencoderInputs, out: Path, progress: Progress, checkpoints: StageCheckpoints) -> None:
    from eeg2speech_bench.benchmarks.stages.autoencoder import run

    _train(run, inputs, out, progress, checkpoints)


@run_stage.register
def _(inputs: CeilingsInputs, out: Path, progress: Progress) -> None:
    from eeg2speech_bench.benchmarks.stages.ceilings import run

    run(inputs, out, progress)


@run_stage.register
def _(inputs: TuneInputs, out: Path, progress: Progress, checkpoints: StageCheckpoints) -> None:
    from eeg2speech_bench.benchmarks.stages.tune import run

    _train(run, inputs, out, progress, checkpoints)


@run_stage.register
def _(inputs: AlignInputs, out: Path, progress: Progress, checkpoints: StageCheckpoints) -> None:
    from eeg2speech_bench.benchmarks.stages.align import run

    _train(run, inputs, out, progress, checkpoints)


@run_stage.register
def _(inputs: CalibrateInputs, out: Path, progress: Progress) -> None:
    from eeg2speech_bench.benchmarks.stages.calibrate import run

    run(inputs, out, progress)


@run_stage.register
def _(inputs: EmbedInputs, out: Path, progress: Progress) -> None:
    from eeg2speech_bench.benchmarks.stages.embed import run

    run(inputs, out, progress)


@run_stage.register
def _(inputs: WordsInputs, out: Path, progress: Progress) -> None:
    from eeg2speech_bench.benchmarks.stages.words import run

    run(inputs, out, progress)


@run_stage.register
def _(inputs: ProbesInputs, out: Path, progress: Progress) -> None:
    from eeg2speech_bench.benchmarks.stages.probes import run

    run(inputs, out, progress)


@run_stage.register
def _(inputs: DiffuseInputs, out: Path, progress: Progress, checkpoints: StageCheckpoints) -> None:
    from eeg2speech_bench.benchmarks.stages.diffuse import run

    _train(run, inputs, out, progress, checkpoints)


@run_stage.register
def _(inputs: GenerateInputs, out: Path, progress: Progress) -> None:
    from eeg2speech_bench.benchmarks.stages.generate import run

    run(inputs, out, progress)


@run_stage.register
def _(inputs: ScoreInputs, out: Path, progress: Progress) -> None:
    from eeg2speech_bench.benchmarks.stages.score import run

    run(inputs, out, progress)
