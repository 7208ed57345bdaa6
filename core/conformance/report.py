"""Runs the checks one by one and reports each result."""

from __future__ import annotations

import random
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any
from unittest import SkipTest

import numpy as np
import torch

import eeg2speech_bench.core.conformance.learning as learning
import eeg2speech_bench.core.conformance.output as output
import eeg2speech_bench.core.conformance.signal as signal
import eeg2speech_bench.core.conformance.strategies as strategies
from eeg2speech_bench.core.conformance.case import Case, Outcome, Verdict, failed, skipped
from eeg2speech_bench.core.conformance.fixtures import N_CHANS, N_TIMES, TINY_TARGET
from eeg2speech_bench.core.errors import UnknownNameError, UsageError
from eeg2speech_bench.core.presets.config import load_config
from eeg2speech_bench.core.registry.failures import place_of, reason_of
from eeg2speech_bench.core.registry.registry import load_registry
from eeg2speech_bench.core.segments.segment_store import TargetInfo
from eeg2speech_bench.core.specs import EncoderSpec

#: the four checks that the others build on; where one of them fails, what follows would fail for the same reason
GATES = ("builds", "output_contract", "dtype_and_finite", "deterministic_in_eval")

#: all checks by name, in the order in which they run
CHECKS: dict[str, Callable[[Case], Verdict]] = {
    check.__name__: check
    for check in (
        output.builds,
        output.output_contract,
        output.dtype_and_finite,
        output.deterministic_in_eval,
        output.silent_and_clamped,
        output.mask,
        output.batch_order,
        output.batch_size,
        output.leaves_the_batch,
        signal.subject,
        signal.unseen_subject,
        signal.reads_only_its_signal,
        signal.channel_permutation,
        signal.montages,
        learning.gradient,
        learning.overfits_8_segments,
        learning.deterministic_by_seed,
        learning.save_load,
        strategies.strategies,
        learning.bfloat16,
        output.cpu_gpu,
        learning.cost,
    )
}


@dataclass(frozen=True)
class CheckResult:
    """Says what one check found.

    Attributes
    ----------
    name : str
    outcome : str
        ``"pass"``, ``"fail"`` or ``"skip"``.
    reason : str
        What was seen, what to change, or why the question does not arise.
    seconds : float
    """

    name: str
    outcome: Outcome
    reason: str
    seconds: float


def check_names() -> list[str]:
    """Return the names of all checks in the order in which they run."""
    return list(CHECKS)


def summary(results: Sequence[CheckResult]) -> str:
    """Count results in words: ``22 checks: 19 passed, 0 failed, 3 skipped``."""
    n = Counter(result.outcome for result in results)
    return f"{len(results)} checks: {n['pass']} passed, {n['fail']} failed, {n['skip']} skipped"


def run_checks(
    spec: EncoderSpec,
    *,
    options: Mapping[str, Any] | None = None,
    target: TargetInfo | None = None,
    device: str = "cpu",
    only: Sequence[str] | None = None,
    size: tuple[int, int] | None = None,
) -> Iterator[CheckResult]:
    """Run the checks and yield each result when it is there; see `check_encoder`."""
    names = _requested_checks(only)
    quick = load_config("quick").encoder.get(spec.name, {})
    case = Case(spec, {**quick, **(options or {})}, target or TINY_TARGET, device, *(size or (N_CHANS, N_TIMES)))
    stopped_by = ""
    for name in names:
        start_s = time.perf_counter()
        verdict = skipped(f"not asked, since {stopped_by} failed") if stopped_by else _verdict(name, case)
        if name in GATES and verdict.outcome == "fail":
            stopped_by = name
        yield CheckResult(name, verdict.outcome, verdict.reason, time.perf_counter() - start_s)


def check_encoder(
    spec: EncoderSpec,
    *,
    options: Mapping[str, Any] | None = None,
    target: TargetInfo | None = None,
    device: str = "cpu",
    only: Sequence[str] | None = None,
    size: tuple[int, int] | None = None,
) -> list[CheckResult]:
    """Run all checks on tiny data: eight segments of 32 channels, 2.88 s, three listeners.

    A check that raises fails alone. Where one of `GATES` fails, the checks after it are skipped and say so.

    Parameters
    ----------
    spec : EncoderSpec
    options : mapping of str to object, optional
        Options of the encoder, over those of the preset ``quick``.
    target : TargetInfo, optional
        Space of the embeddings; default 86 tokens of 40 numbers.
    device : str
        ``cpu``, ``cuda`` or ``cuda:N``.
    only : sequence of str, optional
        Names of the checks to run.
    size : (int, int), optional
        Channels and samples of a segment; default 32 and 346.

    Returns
    -------
    list of CheckResult
        One per check, in the order of `check_names`.

    Raises
    ------
    UsageError
        If ``only`` names no check, or one that does not exist.
    """
    return list(run_checks(spec, options=options, target=target, device=device, only=only, size=size))


def assert_conforms(
    encoder: str | EncoderSpec,
    *,
    options: Mapping[str, Any] | None = None,
    target: TargetInfo | None = None,
    device: str = "cpu",
    only: Sequence[str] | None = None,
    n_checks: int | None = None,
) -> list[CheckResult]:
    """Assert that an encoder passes; for the test suite of whoever wrote it.

    One test for all checks, or one test per check, skipped where its check is::

        def test_my_encoder_conforms():
            assert_conforms("my-encoder")

        @pytest.mark.parametrize("check", check_names())
        def test_my_encoder(check):
            assert_conforms("my-encoder", only=[check])

    Parameters
    ----------
    encoder : str or EncoderSpec
        The name of a registered encoder, or a declaration.
    options, target, device, only
        See `check_encoder`.
    n_checks : int, optional
        How many checks must have run; default: all there are, or all that ``only`` names.

    Raises
    ------
    AssertionError
        With every check that failed and its reason, or if another number of checks ran.
    unittest.SkipTest
        If a single check was asked for and is skipped (pytest shows the reason).
    UsageError
        If no encoder, or no check, has that name.
    """
    spec = load_registry().get("encoder", encoder) if isinstance(encoder, str) else encoder
    results = check_encoder(spec, options=options, target=target, device=device, only=only)
    expected = len(_requested_checks(only)) if n_checks is None else n_checks
    if len(results) != expected:
        raise AssertionError(f"{len(results)} checks of encoder '{spec.name}' ran, expected {expected}")
    broken = [f"  {result.name}: {result.reason}" for result in results if result.outcome == "fail"]
    if broken:
        raise AssertionError("\n".join([f"Encoder '{spec.name}': {summary(results)}", *broken]))
    if len(results) == 1 and results[0].outcome == "skip":
        raise SkipTest(results[0].reason)
    return results


def _requested_checks(only: Sequence[str] | None) -> list[str]:
    if only is None:
        return check_names()
    for name in only:
        if name not in CHECKS:
            raise UnknownNameError("check", name, CHECKS)
    if not only:
        raise UsageError("No check was asked for", got=[], expected="names of checks, or only=None for all")
    return [name for name in CHECKS if name in only]


def _verdict(name: str, case: Case) -> Verdict:
    try:
        with _restored_randomness():
            return CHECKS[name](case)
    except (Exception, SystemExit) as error:  # an encoder may fail in any way it likes; it costs this check alone
        place = place_of(error, case.spec.target.partition(":")[0])
        return failed(reason_of(error) + (f" ({place})" if place else ""))


@contextmanager
def _restored_randomness() -> Iterator[None]:
    """Let checks set seeds without a trace in the random numbers of the test suite around them."""
    python, legacy = random.getstate(), np.random.get_state()
    with torch.random.fork_rng(range(torch.cuda.device_count())):
        try:
            yield
        finally:
            random.setstate(python)
            np.random.set_state(legacy)
