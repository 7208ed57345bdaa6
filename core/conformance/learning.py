"""Checks how an encoder learns, is stored, and what it costs."""

from __future__ import annotations

import io
import statistics
import time
from collections.abc import Iterator
from itertools import repeat

import torch
from torch import Tensor

from eeg2speech_bench.core.conditioning import Encoder, pool_tokens
from eeg2speech_bench.core.conformance.case import Case, Verdict, failed, passed, skipped, trainable
from eeg2speech_bench.core.conformance.fixtures import N_SEGMENTS, select_segments, tiny_embeddings
from eeg2speech_bench.core.contrastive.loss import clip_scores
from eeg2speech_bench.core.machine.environment import peak_memory_mb, reset_peak_memory
from eeg2speech_bench.core.segments.segment_store import Batch

#: at most so many batches for the gradient check: dropout may silence a parameter in one, a head at zero in the first
N_GRADIENT_BATCHES = 4
#: learning rates that are tried until eight segments are learned; one that the encoder declares comes first
LEARNING_RATES = (1e-3, 3e-3, 3e-4)
N_STEPS = 200
STEPS_PER_LOOK = 10
#: seconds of processor time, not of the clock: a busy machine must not change a verdict
BUDGET_S = 20.0
N_TIMED = 5


def gradient(case: Case) -> Verdict:
    """The CLIP loss reaches every parameter that is to be trained."""
    encoder = case.build().to(case.device)
    if encoder.closed_form:
        return skipped("fitted in closed form")
    encoder.begin_training()
    weights = trainable(encoder)
    frozen = [name for name, weight in encoder.named_parameters() if not weight.requires_grad]
    if not weights:
        return skipped("has no parameter to train")
    reached: set[str] = set()
    for _ in case.train(encoder, [_pair(case, k) for k in range(N_GRADIENT_BATCHES)]):
        gradients = {name: weight.grad for name, weight in weights.items() if weight.grad is not None}
        broken = [name for name, slope in gradients.items() if not slope.isfinite().all()]
        if broken:
            return failed(f"gradient is not finite: {_names(broken)}")
        reached |= {name for name, slope in gradients.items() if slope.any()}
        if len(reached) == len(weights):
            break
    missed = [name for name in weights if name not in reached]
    if missed:
        return failed(f"no gradient reaches {_names(missed)}: use it in embeddings, or set requires_grad False")
    return passed(f"reaches all {len(weights)}" + (f"; frozen: {_names(frozen)}" if frozen else ""))


def overfits_8_segments(case: Case) -> Verdict:
    """It can learn to tell eight segments from each other."""
    encoder = case.build()
    if encoder.closed_form:
        pair = _pair(case, 0)
        case.fit(encoder, [pair])
        return _learned(case, _correct(case, encoder.to(case.device), pair), "fitted in closed form")
    if not trainable(encoder):
        return skipped("has no parameter to train")
    own = case.spec.alignment.get("learning_rate")
    rates = [own] if own else []
    rates += [rate for rate in LEARNING_RATES if rate != own]
    return _by_gradient(case, rates[:1] if case.spec.baseline else rates)


def _by_gradient(case: Case, rates: list[float]) -> Verdict:
    start_s, best, done = time.process_time(), -1, ""
    for rate in rates:
        for step, found in _looks(case, rate):
            if found > best:
                best, done = found, f"step {step} at learning rate {rate:g}"
            if best == N_SEGMENTS:
                return passed(f"8 of 8 after {done}")
            if time.process_time() - start_s > BUDGET_S:
                if step < N_STEPS and rate == rates[0]:
                    return skipped(f"undecided: {best} of 8 by step {step}, when {BUDGET_S:g} s of computing were over")
                return _learned(case, best, done)
    return _learned(case, best, done)


def _looks(case: Case, rate: float) -> Iterator[tuple[int, int]]:
    """Train on the same eight segments; every few steps yield (step, how many are told apart in eval mode)."""
    encoder, pair = case.build().to(case.device), _pair(case, 0)
    for step, _ in enumerate(case.train(encoder, repeat(pair, N_STEPS + 1), rate)):
        if step and step % STEPS_PER_LOOK == 0:
            yield step, _correct(case, encoder, pair)
            encoder.train()


def _learned(case: Case, found: int, how: str) -> Verdict:
    if found == N_SEGMENTS:
        return passed(f"8 of 8, {how}")
    if case.spec.baseline:
        return skipped(f"a baseline, which need not learn from its input: {found} of 8, {how}")
    return failed(f"at best {found} of 8, {how}: look for a signal that is lost, or too much dropout")


def _correct(case: Case, encoder: Encoder, pair: tuple[Batch, Tensor]) -> int:
    batch, embeddings = pair
    estimates = case.encode(encoder, batch).embeddings.cpu()
    scores = clip_scores(estimates, pool_tokens(embeddings, estimates.shape[1]))
    return int((scores.argmax(1) == torch.arange(N_SEGMENTS)).sum())


def deterministic_by_seed(case: Case) -> Verdict:
    """The same seed gives the same encoder after training, and building leaves the global seed alone."""
    draws = []
    for seed in (1, 2):
        case.build(seed)
        draws.append(torch.rand(4))
    if torch.equal(*draws):
        return failed("building it sets torch's global seed, so all seeds of a run would be one: use a Generator")
    return case.compare(*(case.encode(encoder, case.batch()) for encoder in (case.encoder, case.build_trained())))


def save_load(case: Case) -> Verdict:
    """Its state gives the same answers after it is stored and loaded into a new one."""
    encoder, stored = case.encoder, io.BytesIO()
    torch.save(encoder.state_dict(), stored)
    stored.seek(0)
    again = case.build(seed=1)
    again.load_state_dict(torch.load(stored, map_location="cpu", weights_only=True))
    verdict = case.compare(case.encode(encoder, case.batch()), case.encode(again.to(case.device), case.batch()))
    if verdict.outcome == "fail":
        return failed(f"something is not in the state: register it as buffer or parameter; {verdict.reason}")
    return verdict


def bfloat16(case: Case) -> Verdict:
    """In training, under bfloat16 autocast as on GPUs, the output is finite."""
    encoder = case.build().to(case.device)
    if not trainable(encoder):
        return skipped("fitted in closed form" if encoder.closed_form else "has no parameter to train")
    # Two segments without gradients: CPUs that do not compute in bfloat16 emulate it, up to a hundred times slower.
    batch = select_segments(case.batch(), [0, 1]).to(case.device)
    with torch.no_grad(), torch.autocast(case.device.partition(":")[0], dtype=torch.bfloat16):
        found = case.check(encoder.train()(batch), len(batch))
    return passed(f"finite, returned as {found.embeddings.dtype}")


def cost(case: Case) -> Verdict:
    """Time and memory of encoding eight segments are measured."""
    on_gpu, batch = case.device.startswith("cuda"), case.batch()
    torch.cuda.reset_peak_memory_stats(case.device) if on_gpu else reset_peak_memory()
    seconds = []
    for _ in range(N_TIMED):
        start_s = time.perf_counter()
        case.encode(case.encoder, batch).embeddings.cpu()  # the copy waits for a GPU
        seconds.append(time.perf_counter() - start_s)
    peak_mb = torch.cuda.max_memory_allocated(case.device) / 1e6 if on_gpu else peak_memory_mb()
    state_mb = sum(tensor.nbytes for tensor in case.encoder.state_dict().values()) / 1e6
    per_segment_ms = 1e3 * statistics.median(seconds) / N_SEGMENTS
    where = "on the GPU" if on_gpu else "of the whole process"
    return passed(f"{per_segment_ms:.2f} ms per segment, {state_mb:.1f} MB of weights, peak {peak_mb:.0f} MB {where}")


def _pair(case: Case, seed: int) -> tuple[Batch, Tensor]:
    return case.batch(seed), tiny_embeddings(case.target, seed)


def _names(names: list[str]) -> str:
    return ", ".join(names[:5]) + (f" and {len(names) - 5} more" if len(names) > 5 else "")
