"""Searches what an encoder trains with by successive halving, on validation alone (stage ``tune``)."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from eeg2speech_bench.benchmarks.halving import rungs
from eeg2speech_bench.benchmarks.stage_inputs import TuneInputs
from eeg2speech_bench.benchmarks.stages.align import TUNED, TrialSetup, fit_by_gradient, with_settings
from eeg2speech_bench.core.contrastive.alignment import DivergedError
from eeg2speech_bench.core.presets.config import AlignmentConfig
from eeg2speech_bench.core.stages.checkpoints import CheckpointFile, StageCheckpoints
from eeg2speech_bench.core.stages.json_files import write_json
from eeg2speech_bench.core.terminal.progress import Progress

#: what is drawn is the same for every encoder, data set and cell
SEARCH_SEED = 0


def draw_candidates(config: AlignmentConfig, common: AlignmentConfig, n_segments: int) -> list[dict[str, Any]]:
    """Return the settings that are tried: the encoder's own first, then others that are the same for all encoders.

    Learning rates are spread evenly on a logarithmic scale, between a tenth of the common one and ten times that;
    weight decay is drawn between 1e-4 and 1e-1, and the batch is half of the common one, as large, or twice as large.

    Parameters
    ----------
    config : AlignmentConfig
        The encoder's own, with ``n_trials``.
    common : AlignmentConfig
        The preset's.
    n_segments : int
        For training; no batch is larger.
    """
    rng = np.random.default_rng(SEARCH_SEED)
    n = config.n_trials - 1
    largest = max(2, n_segments)
    rates = common.learning_rate * 10 ** np.linspace(-1, 1, n + 2)[1:-1]
    batches = rng.choice([common.batch_size // 2, common.batch_size, 2 * common.batch_size], n)
    others = [
        {
            "learning_rate": float(rate),
            "weight_decay": float(10 ** rng.uniform(-4, -1)),
            "batch_size": min(max(2, int(size)), largest),
        }
        for rate, size in zip(rates, batches, strict=True)
    ]
    own = {name: getattr(config, name) for name in ("learning_rate", "weight_decay", "batch_size")}
    return [own, *others]


def shortened(training: TrialSetup, share: float) -> TrialSetup:
    """Return the same training with a share of its budget, of which no step is more."""
    config = training.config
    minutes = None if config.budget_minutes is None else config.budget_minutes * share
    n_steps = max(1, int(share * config.max_epochs * len(training.batches())))
    max_epochs = max(1, min(n_steps, round(share * config.max_epochs)))
    changes = {"max_epochs": max_epochs, "steps_per_epoch": n_steps // max_epochs, "budget_minutes": minutes}
    if minutes is not None:  # the clock ends it, and it is validated as often as the whole training
        changes["steps_per_epoch"] = config.steps_per_epoch
    return replace(training, config=config.model_copy(update=changes))


def run(inputs: TuneInputs, out: Path, progress: Progress, checkpoints: StageCheckpoints) -> None:
    """Write the settings that validate best, and all that were tried; none where there is nothing to choose."""
    training = TrialSetup.of(inputs)
    encoder, _ = training.start()
    if encoder.closed_form:
        write_json(out / TUNED, {"settings": {}, "trials": []})
        return
    trials: list[dict[str, Any]] = [
        {**settings, "rounds": []}
        for settings in draw_candidates(inputs.alignment, inputs.common, len(training.store.indices("train")))
    ]
    left = list(range(len(trials)))
    rounds = rungs(len(trials))
    for number, (n_kept, share) in enumerate(rounds):
        left = sorted(left, key=lambda i: -_reached(trials[i]))[:n_kept]
        for place, i in enumerate(left):
            done = (number + place / len(left)) / len(rounds)
            one = replace(training, config=with_settings(training.config, _settings(trials[i])))
            file = checkpoints.file(f"round {number + 1} candidate {i + 1}")
            trials[i]["rounds"].append(_try(shortened(one, share), _told(progress, i, number, done), file))
    best = max(left, key=lambda i: _reached(trials[i]))
    write_json(out / TUNED, {"settings": _settings(trials[best]), "trials": trials})


def _try(training: TrialSetup, progress: Progress, file: CheckpointFile) -> dict[str, Any]:
    """Train for a while and return what came of it; a training that diverges loses."""
    encoder, target = training.start()
    try:
        facts = fit_by_gradient(training, encoder, target, progress, file)
    except DivergedError:
        return {"n_steps": None, "valid_mrr": None}
    return {"n_steps": facts["n_steps"], "valid_mrr": facts["chosen"]["valid_mrr"]}


def _settings(trial: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in trial.items() if name != "rounds"}


def _reached(trial: dict[str, Any]) -> float:
    """Return what a candidate reached in its last round: 0 before the first, and less if it diverged."""
    if not trial["rounds"]:
        return 0.0
    value = trial["rounds"][-1]["valid_mrr"]
    return -1.0 if value is None else float(value)


def _told(progress: Progress, candidate: int, number: int, done: float) -> Progress:
    return lambda note, share: progress(f"candidate {candidate + 1}, round {number + 1}, {note}", done)
