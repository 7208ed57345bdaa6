"""Judges from a training curve whether the training had come to its end."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import numpy as np

from eeg2speech_bench.core.records.training import Training
from eeg2speech_bench.core.statistics.trend import MIN_POINTS, rising_p

#: ``stopped early`` did not use its budget up, ``not judged`` has too few points, and empty was not trained by steps
Convergence = Literal["still improving", "levelled off", "stopped early", "not judged", ""]

ALPHA = 0.05
#: a smaller rise within the judged part, as a share of what is reached, is no matter of budget
SMALLEST_RISE = 0.02
#: what is judged of a history, the first that it has, and whether more of it is better
JUDGED = {"valid_mrr": 1, "train_loss": -1}


def judge(training: Training, patience: int | None = None) -> Convergence:
    """Say whether a training had levelled off when its budget ended.

    Validation is judged where there is any, else the training loss. The last half of the curve, of four points at
    least, is still improving if it rises in the test of Mann and Kendall (one-sided, 5 %) and its second half is better
    than its first by 2 % or more.

    Parameters
    ----------
    training : Training
    patience : int, optional
        Points without a better one after which the training ended; None if it always takes its whole budget.
    """
    history = training.history
    name = next((name for name in JUDGED if history and name in history[0]), None)
    if name is None:
        return ""
    curve = [JUDGED[name] * float(entry[name]) for entry in history if entry.get(name) is not None]
    if patience is not None and len(curve) - 1 - int(np.argmax(curve)) >= patience:
        return "stopped early"
    if len(curve) < MIN_POINTS:
        return "not judged"
    return "still improving" if _improves(curve[-max(MIN_POINTS, (len(curve) + 1) // 2) :]) else "levelled off"


def _improves(values: Sequence[float]) -> bool:
    half = len(values) // 2
    reached = float(np.mean(values[half:]))
    rise = reached - float(np.mean(values[:half]))
    return rise >= SMALLEST_RISE * abs(reached) and rising_p(values) < ALPHA


def improving_seeds(judged: Sequence[Convergence]) -> bool:
    """Whether a run is still improving: at least half of its seeds that were judged are."""
    known = [one for one in judged if one not in ("", "not judged")]
    return bool(known) and 2 * sum(one == "still improving" for one in known) >= len(known)
