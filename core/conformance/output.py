"""Checks what an encoder returns: type, shapes, numbers, and equal answers to equal questions."""

from __future__ import annotations

from dataclasses import fields, replace

import torch

from eeg2speech_bench.core.conditioning import Conditioning
from eeg2speech_bench.core.conformance.case import Case, Verdict, distance, failed, passed, select_output, skipped
from eeg2speech_bench.core.conformance.fixtures import N_SEGMENTS, select_segments
from eeg2speech_bench.core.errors import ContractError
from eeg2speech_bench.core.segments.segment_store import Batch

#: where prepared EEG is clamped (``data.clamp_iqr``)
CLAMP_IQR = 20.0


def builds(case: Case) -> Verdict:
    """It is imported, takes its options, and becomes an `Encoder`."""
    case.spec.check_options(case.options)
    encoder = case.build()
    sizes = [weight.numel() for weight in encoder.parameters()]
    adapted = "; ".join(f"{what}: {how}" for what, how in encoder.adaptations.items())
    return passed(f"{sum(sizes):,} parameters" + (f"; adapted: {adapted}" if adapted else ""))


def output_contract(case: Case) -> Verdict:
    """It returns a `Conditioning` of the promised shapes, in training as in eval mode."""
    batch, encoder = case.batch().to(case.device), case.build_fitted()
    for training in (True, False):
        with torch.no_grad():
            found = encoder.train(training)(batch)
        if isinstance(found, Conditioning):  # numbers that are not finite, or too long, are another check's matter
            numbers = {name: getattr(found, name).float().nan_to_num() for name in ("embeddings", "pooled")}
            found = replace(found, **numbers)
        try:
            kept = case.check(found, N_SEGMENTS)
        except ContractError as error:
            return failed(f"{error} (in {'training' if training else 'eval'} mode)")
    return passed(f"embeddings {tuple(kept.embeddings.shape)}")


def dtype_and_finite(case: Case) -> Verdict:
    """Embeddings and ``pooled`` are finite float32 numbers."""
    found = case.encode(case.encoder, case.batch())
    for name, tensor in (("embeddings", found.embeddings), ("pooled", found.pooled)):
        if tensor.dtype != torch.float32:
            return failed(f"{name}: got {tensor.dtype}, expected torch.float32")
        if not tensor.isfinite().all():
            return failed(f"{name}: got NaN or infinity, expected finite numbers")
    return passed("float32, all finite")


def deterministic_in_eval(case: Case) -> Verdict:
    """In eval mode the same batch gives the same output twice."""
    verdict = case.compare(*(case.encode(case.encoder, case.batch()) for _ in range(2)))
    if verdict.outcome == "fail":
        return failed(f"two calls, two answers ({verdict.reason}): ask self.training before drawing random numbers")
    return verdict


def silent_and_clamped(case: Case) -> Verdict:
    """Silence, a dead channel, peaks at the clamp and windows without words give finite numbers."""
    for name, batch in _awkward(case).items():
        try:
            found = case.encode(case.encoder, batch)
        except ContractError as error:
            return failed(f"{name}: {error}")
        if not found.pooled.isfinite().all():
            return failed(f"{name}: pooled is not finite")
    return passed(f"finite for {', '.join(_awkward(case))}")


def _awkward(case: Case) -> dict[str, Batch]:
    batch = case.batch()
    if case.spec.modality == "text":
        return {"windows without words": replace(batch, text=("",) * N_SEGMENTS)}
    if batch.sound is not None:
        return {"silent sound": replace(batch, sound=torch.zeros_like(batch.sound))}
    dead = batch.eeg.clone()
    dead[:, 3] = 0.0
    return {
        "silent EEG": replace(batch, eeg=torch.zeros_like(dead)),
        "a dead channel": replace(batch, eeg=dead),
        f"peaks at {CLAMP_IQR:g}": replace(batch, eeg=batch.eeg.sign() * CLAMP_IQR),
    }


def mask(case: Case) -> Verdict:
    """Every segment has a real token, and tokens that are not real have no part in ``pooled``."""
    found = case.encode(case.encoder, case.batch())
    if not found.mask.any(1).all():
        return failed("a segment without any real token: set mask True where a token is real")
    if found.mask.all():
        return passed("all tokens are real")
    weight = found.mask[..., None].float()
    of_real = (found.embeddings * weight).sum(1) / weight.sum(1)
    means = [replace(found, pooled=mean) for mean in (of_real, found.embeddings.mean(1))]
    near_real, near_all = (distance(found, mean) for mean in means)
    if near_all < 1e-5 < near_real:
        return failed("pooled is the mean of all tokens: leave out those whose mask is False")
    n_padded = int((~found.mask).sum())
    summary = "the mean of the rest" if near_real < 1e-5 else "their own summary"
    return passed(f"{n_padded} masked tokens; pooled is {summary}")


def batch_order(case: Case) -> Verdict:
    """In eval mode segments in another order get the same answers in that order."""
    order = [5, 2, 7, 0, 3, 6, 1, 4]
    whole = case.encode(case.encoder, case.batch())
    return case.compare(select_output(whole, order), case.encode(case.encoder, select_segments(case.batch(), order)))


def batch_size(case: Case) -> Verdict:
    """In eval mode a segment gets the same answer alone as in company."""
    batch = case.batch()
    whole = case.encode(case.encoder, batch)
    verdicts = [
        case.compare(select_output(whole, rows), case.encode(case.encoder, select_segments(batch, rows)))
        for rows in ([0], [3], [4, 5, 6])
    ]
    return next((verdict for verdict in verdicts if verdict.outcome == "fail"), verdicts[-1])


def leaves_the_batch(case: Case) -> Verdict:
    """It changes nothing in the batch, which others read after it."""
    batch, untouched = case.batch().to(case.device), case.batch().to(case.device)
    with torch.no_grad():
        case.encoder(batch)  # not through case.encode, which hands out copies
    for item in fields(Batch):
        one, other = getattr(batch, item.name), getattr(untouched, item.name)
        if not (torch.equal(one, other) if isinstance(one, torch.Tensor) else one == other):
            return failed(f"batch.{item.name} was changed in place: work on a copy")
    return passed("as it was")


def cpu_gpu(case: Case) -> Verdict:
    """CPU and GPU give the same answer."""
    if not torch.cuda.is_available():
        return skipped("no CUDA device")
    on_cpu, on_gpu = replace(case, device="cpu"), replace(case, device="cuda")
    encoder = on_cpu.build_trained()
    expected = on_cpu.encode(encoder, case.batch())
    return on_gpu.compare(expected, on_gpu.encode(encoder.to("cuda"), case.batch()))
