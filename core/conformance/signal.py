"""Checks what an encoder does with listeners, with channels, and with signals that it did not declare."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial

import torch

from eeg2speech_bench.core.conditioning import Conditioning
from eeg2speech_bench.core.conformance.case import Case, Verdict, distance, failed, passed, select_output, skipped
from eeg2speech_bench.core.conformance.fixtures import MONTAGES, N_SEGMENTS, N_SUBJECTS, select_segments
from eeg2speech_bench.core.errors import BenchError, ContractError
from eeg2speech_bench.core.registry.failures import reason_of
from eeg2speech_bench.core.segments.segment_store import Batch

#: how the reason of a refusal begins
REFUSED = "refused"


def subject(case: Case) -> Verdict:
    """The listener of a segment changes that segment's answer alone."""
    batch = case.batch()
    other = batch.subject.clone()
    other[0] = (other[0] + 1) % N_SUBJECTS
    before, after = (case.encode(case.encoder, b) for b in (batch, replace(batch, subject=other)))
    rest = list(range(1, N_SEGMENTS))
    verdict = case.compare(select_output(before, rest), select_output(after, rest))
    if verdict.outcome == "fail":
        return failed(f"another listener in segment 0 changes the other segments: {verdict.reason}")
    uses = distance(select_output(before, [0]), select_output(after, [0])) > 0
    return passed("uses the listener, each segment its own" if uses else "does not use the listener")


def unseen_subject(case: Case) -> Verdict:
    """A listener who was not in the training data is encoded by what is declared for it, or refused in words."""
    batch = case.batch()
    stranger = replace(batch, subject=torch.full_like(batch.subject, N_SUBJECTS))
    # On the CPU: an index out of range would end the whole process on a GPU.
    on_cpu = replace(case, device="cpu")
    encoder = on_cpu.build_fitted()
    advice = "give indices that are not below signal.n_subjects an answer (a mean, say), or raise a DataError"
    verdict = _works_or_refuses(lambda: on_cpu.encode(encoder, stranger), ("subject", "listener"), advice)
    if verdict.outcome == "fail" or verdict.reason.startswith(REFUSED):
        return verdict
    if encoder.new_listeners:
        return passed(f"{verdict.reason}, by {encoder.new_listeners}")
    others = replace(batch, subject=(batch.subject + 1) % N_SUBJECTS)
    if distance(*(on_cpu.encode(encoder, one) for one in (batch, others))) == 0:
        return verdict
    return failed(
        "reads batch.subject: say what stands in for a new listener, new_listeners = 'mean of ...' in the class"
    )


def reads_only_its_signal(case: Case) -> Verdict:
    """The answer depends on the signal that is declared, and on no other field of the batch."""
    batch, other = case.batch(0), case.batch(1)
    own = {"eeg": "eeg", "text": "text", "audio": "sound"}[case.spec.modality]
    # A baseline may answer to the time: that is what it is there for.
    foreign = {"eeg", "text", "sound", "window"} | (set() if case.spec.baseline else {"elapsed_s"})
    before = case.encode(case.encoder, batch)
    noise = 2 * distance(before, case.encode(case.encoder, batch))  # 0 but for sums in changing order on a GPU
    for name in sorted(foreign - {own}):
        changed = replace(batch, **{name: getattr(other, name)})
        if distance(before, case.encode(case.encoder, changed)) > noise:
            return failed(f"reads batch.{name}, but declares modality '{case.spec.modality}'")
    reads = distance(before, case.encode(case.encoder, replace(batch, **{own: getattr(other, own)}))) > noise
    if reads:
        return passed(f"reads batch.{own} and no other signal")
    if case.spec.baseline:
        return passed(f"a baseline that does not look at batch.{own}")
    return failed(f"gives the same answer to any batch.{own}: declare it as baseline, or use the signal")


def channel_permutation(case: Case) -> Verdict:
    """Channels in another order, positions along with them, give the same answer."""
    if case.spec.modality != "eeg":
        return skipped(f"reads {case.spec.modality}, not EEG")
    if "positions" not in case.spec.needs:
        return skipped("does not use positions")
    order = torch.randperm(case.n_chans, generator=torch.Generator().manual_seed(0)).tolist()
    signal, batch = case.signal(), case.batch()
    permuted = replace(signal, chs_info=tuple(signal.chs_info[channel] for channel in order))
    # The same seed gives the same weights. Untrained: gradients would carry rounding apart.
    one, other = (case.build(0, s).to(case.device) for s in (signal, permuted))
    return case.compare(case.encode(one, batch), case.encode(other, replace(batch, eeg=batch.eeg[:, order])))


def montages(case: Case) -> Verdict:
    """With 8, 19, 32, 64 and 128 channels it works, or refuses in words."""
    if case.spec.modality != "eeg":
        return skipped(f"reads {case.spec.modality}, not EEG")
    advice = "take the number of channels from signal.n_chans, or raise a DataError"
    encoded: list[int] = []
    refused: dict[int, str] = {}
    for n_chans in MONTAGES:
        batch = select_segments(case.batch(n_chans=n_chans), [0, 1])
        outcome, reason = _works_or_refuses(
            partial(_encode_with, case, n_chans, batch), ("channel", "electrode", "montage", "derivation"), advice
        )
        if outcome == "fail":
            return failed(f"{n_chans} channels: {reason}")
        if reason.startswith("refused"):
            refused[n_chans] = reason.removeprefix("refused: ")
        else:
            encoded.append(n_chans)
    said = [f"encodes {_numbers(encoded)} channels"] if encoded else []
    said += [f"refuses {_numbers(list(refused))}: {next(iter(refused.values()))}"] if refused else []
    return passed("; ".join(said))


def _encode_with(case: Case, n_chans: int, batch: Batch) -> Conditioning:
    return case.encode(case.build_fitted(signal=case.signal(n_chans)), batch)


def _numbers(found: list[int]) -> str:
    *first, last = map(str, found)
    return f"{', '.join(first)} and {last}" if first else last


def _works_or_refuses(encode: Callable[[], Conditioning], matter: tuple[str, ...], advice: str) -> Verdict:
    """Pass a good output, and a refusal that names one of the words of ``matter``; fail anything else."""
    try:
        found = encode()
    except ContractError:
        raise
    except BenchError as error:
        named = any(word in str(error).lower() for word in matter)
        return passed(f"{REFUSED}: {error}") if named else failed(f"refused without naming the {matter[0]}: {error}")
    except Exception as error:
        return failed(f"{reason_of(error)}; {advice}")
    return passed(f"encoded, embeddings {tuple(found.embeddings.shape)}")
