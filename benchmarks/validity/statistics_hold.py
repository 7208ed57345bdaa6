"""Simulates cells whose truth is known, and counts how often verdicts, intervals and comparisons are right.

Usage: ``python benchmarks/validity/statistics_hold.py``. The functions of the stage ``score`` itself are run on values
like those of a cell: 8 listeners, 78 windows of 2.88 s of one piece of audio, blocks of 15 s.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np
import pandas as pd
from scipy.stats import binomtest, norm

from eeg2speech_bench.benchmarks.scoring.values import MetricValues, ReferenceLevels
from eeg2speech_bench.benchmarks.scoring.verdicts import compare_with_controls, decide, exchangeable_units, summarise
from eeg2speech_bench.core.conditions import CONTROLS
from eeg2speech_bench.core.presets.config import ScoresConfig
from eeg2speech_bench.core.specs import MetricSpec
from eeg2speech_bench.core.statistics.min_f import crossed_p, pairwise_p
from eeg2speech_bench.core.statistics.resampling import hierarchical_bootstrap, holm, paired_sign_flip

N_LISTENERS, N_WINDOWS, WINDOW_S, BLOCK_S = 8, 78, 2.88, 15.0
LISTENER, WINDOW = (a.ravel() for a in np.indices((N_LISTENERS, N_WINDOWS)))
BLOCK = (WINDOW * WINDOW_S // BLOCK_S).astype(np.int64)
#: as of generated speech: every window is heard by one listener, in rotation
CLIPS = LISTENER == WINDOW % N_LISTENERS
TABLE = pd.DataFrame({"subject": LISTENER, "recording": LISTENER, "window": WINDOW, "block": BLOCK})
#: standard deviation of a window's correlation
R_SPREAD = 0.2


class Variances(NamedTuple):
    """Holds variances by listener, by block and by listener x block.

    With that of windows they add up to 1.
    """

    listener: float = 0.0
    block: float = 0.0
    both: float = 0.0


#: windows, listeners and stretches of audio are easy or hard under every condition alike
COMMON = Variances(0.05, 0.05, 0.05)
#: a condition scores better on some stretches of audio by itself, for all listeners
OWN_AUDIO = Variances(block=0.05)
#: an encoder that reads EEG does so better for some listeners and some audio
OWN_ALL = Variances(0.05, 0.05, 0.05)


@dataclass(frozen=True)
class SimulatedMetric:
    """Makes a metric's values from standard normal deviates, with exactly the mean that is asked for."""

    metric: MetricSpec
    chance: float
    planted: tuple[float, ...]
    values: Callable[[np.ndarray, float], np.ndarray]


SIMULATED_METRICS = (
    SimulatedMetric(
        MetricSpec("top1", "simulated:none", "hit or miss", headline=True),
        1 / N_WINDOWS,
        (0.03, 0.05, 0.1),
        lambda deviate, mean: (deviate > norm.isf(mean)).astype(float),
    ),
    SimulatedMetric(
        MetricSpec("r", "simulated:none", "a correlation", headline=True),
        0.0,
        (0.03, 0.05, 0.1),
        lambda deviate, mean: mean + R_SPREAD * deviate,
    ),
)


def deviates(rng: np.random.Generator, spread: Variances) -> np.ndarray:
    """Draw effects with these variances, shape (n_segments,)."""
    listener, block = rng.standard_normal(N_LISTENERS), rng.standard_normal(BLOCK.max() + 1)
    both = rng.standard_normal((N_LISTENERS, BLOCK.max() + 1))
    parts = (listener[LISTENER], block[BLOCK], both[LISTENER, BLOCK])
    return sum((v**0.5 * part for v, part in zip(spread, parts, strict=True)), np.zeros(len(LISTENER)))


def condition(rng: np.random.Generator, common: np.ndarray, own: Variances) -> np.ndarray:
    """Return deviates of one condition: a part that all share, a part of its own, and a part per window."""
    rest = 1 - sum(COMMON) - sum(own)
    return common + deviates(rng, own) + rest**0.5 * rng.standard_normal(len(LISTENER))


def cell(
    rng: np.random.Generator, kind: SimulatedMetric, mean: float, own_eeg: Variances, own_control: Variances
) -> list[MetricValues]:
    """Draw one cell: EEG with this mean, and every control at chance."""
    common = deviates(rng, COMMON)
    settings = [("eeg", mean, own_eeg), *((name, kind.chance, own_control) for name in CONTROLS)]
    return [
        MetricValues(
            kind.metric,
            name,
            kind.values(condition(rng, common, own), m),
            TABLE,
            ReferenceLevels(N_WINDOWS, kind.chance),
        )
        for name, m, own in settings
    ]


def verdicts(
    kind: SimulatedMetric,
    mean: float,
    own_eeg: Variances,
    own_control: Variances,
    config: ScoresConfig,
    n: int,
    seed: int,
) -> tuple[int, int, int]:
    """Return how many of ``n`` verdicts say 'signal', how many intervals cover, and how many first tests reject.

    The test against one control is the worst case of the verdict: where an encoder does badly under all others.
    """
    rng, n_signal, n_covered, n_first = np.random.default_rng(seed), 0, 0, 0
    for number in range(n):
        measured = cell(rng, kind, mean, own_eeg, own_control)
        tests = compare_with_controls(measured, config, number, "eeg")
        n_first += tests[0].p < config.alpha
        verdict = decide(tests, [kind.metric], config.alpha)
        n_signal += verdict[kind.metric.name].distinguishable
        interval = summarise(measured[0], config, number, [f"{i:02d}" for i in range(N_LISTENERS)])
        n_covered += interval.low <= mean <= interval.high
    return n_signal, n_covered, n_first


def reference_verdicts(kind: SimulatedMetric, config: ScoresConfig, n: int, seed: int) -> tuple[int, int]:
    """Return how many of ``n`` verdicts on a text or audio reference say 'signal'.

    By blocks, and if every listener counted.

    What is read from a wrong transcript is right by chance, in the same windows for all listeners.
    """
    rng, n_signal = np.random.default_rng(seed), [0, 0]
    for number in range(n):
        drawn = cell(rng, kind, kind.chance, OWN_AUDIO, OWN_AUDIO)
        alike = [replace(one, values=np.tile(one.values[:N_WINDOWS], N_LISTENERS)) for one in drawn]
        for place, modality in enumerate(("text", "eeg")):
            verdict = decide(compare_with_controls(alike, config, number, modality), [kind.metric], config.alpha)
            n_signal[place] += verdict[kind.metric.name].distinguishable
    return n_signal[0], n_signal[1]


def clip_verdicts(
    kind: SimulatedMetric, mean: float, own: Variances, config: ScoresConfig, n: int, seed: int
) -> tuple[int, int, int]:
    """Return the same as `verdicts` of clips.

    'signal', covered, and equal encoders told apart by min F'.
    """
    rng, n_signal, n_covered, n_told = np.random.default_rng(seed), 0, 0, 0
    table = TABLE[CLIPS].reset_index(drop=True)
    for number in range(n):
        drawn = [replace(one, values=one.values[CLIPS], table=table) for one in cell(rng, kind, mean, own, Variances())]
        verdict = decide(compare_with_controls(drawn, config, number, "eeg"), [kind.metric], config.alpha)
        n_signal += verdict[kind.metric.name].distinguishable
        interval = summarise(drawn[0], config, number, [f"{i:02d}" for i in range(N_LISTENERS)])
        n_covered += interval.low <= mean <= interval.high
        a, b = encoders(rng, kind, (mean, mean))[CLIPS].T
        n_told += crossed_p(a - b, LISTENER[CLIPS], BLOCK[CLIPS]) < config.alpha
    return n_signal, n_covered, n_told


def comparison_errors(kind: SimulatedMetric, mean: float, config: ScoresConfig, n: int, seed: int) -> tuple[int, int]:
    """Return how often two encoders that are equal on average differ.

    By min F', and by flips of listener x block.
    """
    rng, n_crossed, n_units = np.random.default_rng(seed), 0, 0
    units = exchangeable_units(TABLE, "eeg")
    for number in range(n):
        a, b = encoders(rng, kind, (mean, mean)).T
        flips = paired_sign_flip(
            a - b, units, n_permutations=config.n_permutations, seed=number, alternative="two-sided"
        )
        n_units += flips.p < config.alpha
        n_crossed += crossed_p(a - b, LISTENER, BLOCK) < config.alpha
    return n_crossed, n_units


def encoders(rng: np.random.Generator, kind: SimulatedMetric, means: Sequence[float]) -> np.ndarray:
    """Draw encoders with these means on the same segments, shape (n_segments, n_encoders)."""
    common = deviates(rng, COMMON)
    return np.stack([kind.values(condition(rng, common, OWN_ALL), mean) for mean in means], axis=1)


def board_errors(
    kind: SimulatedMetric, mean: float, best: float, config: ScoresConfig, n: int, seed: int
) -> tuple[int, int]:
    """Return on how many boards a letter display errs, and on how many it finds the best encoder.

    Errs: two of 20 equal encoders share no letter. Finds: a better one stands alone.
    """
    rng, n_parted, n_alone = np.random.default_rng(seed), 0, 0
    upper = np.triu_indices(20, 1)
    for _ in range(n):
        equal, one_better = (encoders(rng, kind, (first, *[mean] * 19)) for first in (mean, best))
        adjusted = [holm(pairwise_p(values, LISTENER, BLOCK)[upper]) for values in (equal, one_better)]
        n_parted += adjusted[0].min() < config.alpha
        n_alone += adjusted[1][:19].max() < config.alpha  # the first 19 pairs are those of the first encoder
    return n_parted, n_alone


def training_coverage(
    kind: SimulatedMetric, mean: float, config: ScoresConfig, n: int, n_seeds: int, seed: int
) -> tuple[int, int]:
    """Return how many intervals cover the mean over all trainings, with seeds drawn and without.

    Trainings differ as listeners do.
    """
    rng, covered = np.random.default_rng(seed), [0, 0]
    labels = [np.tile(label, n_seeds) for label in (LISTENER, BLOCK)]
    run = np.repeat(np.arange(n_seeds), len(LISTENER))
    for number in range(n):
        common = deviates(rng, COMMON)
        shifts = OWN_ALL.listener**0.5 * rng.standard_normal(n_seeds)
        rest = Variances()
        drawn = [condition(rng, common, rest) * (1 - OWN_ALL.listener) ** 0.5 + shift for shift in shifts]
        values = np.concatenate([kind.values(one, mean) for one in drawn])
        for place, known in enumerate((run, None)):
            interval = hierarchical_bootstrap(
                values, *labels, n_resamples=config.n_bootstrap, confidence=config.confidence, seed=number, run=known
            )
            covered[place] += interval.low <= mean <= interval.high
    return covered[0], covered[1]


def print_row(what: str, promised: str, hits: int, n: int) -> None:
    """Print a line of the table: a share with its exact 95 % interval (Clopper and Pearson 1934)."""
    bounds = binomtest(hits, n).proportion_ci(0.95, method="exact")
    print(f"| {what} | {promised} | {hits / n:.3f} [{bounds.low:.3f}, {bounds.high:.3f}] | {n} |", flush=True)


def print_rows(kind: SimulatedMetric, config: ScoresConfig, n: int, seed: int) -> None:
    """Print the lines of one kind of values."""
    name = kind.metric.name
    for label, own in (("conditions alike", Variances()), ("conditions differ by audio", OWN_AUDIO)):
        signal, covered, first = verdicts(kind, kind.chance, own, own, config, n, seed)
        print_row(f"{name}: false 'signal', {label}", "<= 0.05", signal, n)
        print_row(f"{name}: false 'signal' if there were one control only, {label}", "0.05", first, n)
        print_row(f"{name}: interval of EEG covers the truth, no signal, {label}", "0.95", covered, n)
    by_block, by_listener = reference_verdicts(kind, config, n, seed)
    print_row(f"{name}: false 'signal' of an encoder that reads no EEG", "<= 0.05", by_block, n)
    print_row(f"{name}: the same if its listeners counted apart", "0.05", by_listener, n)
    for mean in kind.planted:
        signal, covered, _ = verdicts(kind, mean, OWN_ALL, Variances(), config, n // 2, seed)
        print_row(f"{name}: 'signal' at a planted {mean:g}", "power", signal, n // 2)
        print_row(f"{name}: interval covers a planted {mean:g}", "0.95", covered, n // 2)
    signal, covered, _ = clip_verdicts(kind, kind.chance, Variances(), config, n, seed)
    print_row(f"{name} of 78 clips, one listener each: false 'signal'", "<= 0.05", signal, n)
    print_row(f"{name} of clips: interval covers the truth, no signal", "0.95", covered, n)
    signal, covered, told = clip_verdicts(kind, 2 * kind.planted[-1], OWN_ALL, config, n // 2, seed)
    print_row(f"{name} of clips: 'signal' at a planted {2 * kind.planted[-1]:g}", "power", signal, n // 2)
    print_row(f"{name} of clips: interval covers it", "0.95", covered, n // 2)
    print_row(f"{name} of clips: equal encoders there told apart by min F'", "<= 0.05", told, n // 2)
    # at the largest mean hits are spread most, so that the encoders' own effects count most
    mean = kind.planted[-1]
    crossed, units = comparison_errors(kind, mean, config, n, seed)
    print_row(f"{name}: equal encoders at {mean:g} told apart by min F'", "<= 0.05", crossed, n)
    print_row(f"{name}: the same by flips of listener x block, which nothing here does", "0.05", units, n)
    parted, alone = board_errors(kind, mean, 3 * mean, config, n, seed)
    print_row(f"{name}: of 20 equal encoders at {mean:g} some share no letter", "<= 0.05", parted, n)
    print_row(f"{name}: one at {3 * mean:g} among 19 at {mean:g} has a letter of its own", "power", alone, n)
    for n_seeds in (3, 8):
        drawn, not_drawn = training_coverage(kind, mean, config, n // 2, n_seeds, seed)
        print_row(f"{name}: interval over {n_seeds} trainings covers, trainings drawn", "0.95", drawn, n // 2)
        print_row(f"{name}: the same, trainings not drawn", "0.95", not_drawn, n // 2)


def main() -> int:
    """Print a Markdown table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--datasets", type=int, default=400, help="simulated cells; half of them for power")
    parser.add_argument("--permutations", type=int, default=ScoresConfig().n_permutations)
    parser.add_argument("--bootstrap", type=int, default=ScoresConfig().n_bootstrap)
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    config = ScoresConfig(n_permutations=arguments.permutations, n_bootstrap=arguments.bootstrap)
    print("| what | promised | measured [95 %] | cells |\n| --- | --- | --- | --- |")
    for kind in SIMULATED_METRICS:
        print_rows(kind, config, arguments.datasets, arguments.seed)
    return 0


if __name__ == "__main__":
    sys.exit(main())
