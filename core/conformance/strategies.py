"""Checks that each way to use pretrained weights trains what it says, and nothing else."""

from __future__ import annotations

import inspect
from dataclasses import replace

import torch
from torch import Tensor

from eeg2speech_bench.core.conditioning import Encoder
from eeg2speech_bench.core.conformance.case import Case, Verdict, failed, passed, skipped
from eeg2speech_bench.core.weights.strategies import FREEZING


def strategies(case: Case) -> Verdict:
    """Under ``probe`` the body stays as it is, under ``lora`` it changes and keeps the names of its weights."""
    if "strategy" not in inspect.signature(case.spec.load().__init__).parameters:
        return skipped("has no option 'strategy'")
    if not case.spec.pretrained and not case.options.get("weights"):
        return skipped("no weights of it are known; to check its strategies, give --set weights=PATH")
    said = []
    for strategy in FREEZING:
        # random weights stand for the pretrained ones, which need not be there
        options = {**case.options, "strategy": strategy, "random_weights": True}
        flaw, n_trained = _train(replace(case, options=options), strategy)
        if flaw:
            return failed(f"strategy '{strategy}': {flaw}")
        said.append(f"{strategy} trains {n_trained:,}")
    return passed(f"{'; '.join(said)} of {sum(p.numel() for p in case.encoder.parameters()):,} parameters")


def _train(case: Case, strategy: str) -> tuple[str, int]:
    """Train two steps; return what is wrong with that, empty if nothing is, and how many parameters are trained."""
    encoder = case.build()
    body = _body(encoder)
    before = {name: value.clone() for name, value in encoder.state_dict().items()}
    encoder.to(case.device)
    encoder.begin_training()
    n_trained = sum(weight.numel() for weight in encoder.parameters() if weight.requires_grad)
    for _ in case.train(encoder, case.pairs()):
        pass
    merged_from = case.encode(encoder, case.batch())
    encoder.end_training()
    verdict = case.compare(merged_from, case.encode(encoder, case.batch()))
    after = {name: value.cpu() for name, value in encoder.state_dict().items()}
    if before.keys() != after.keys():
        return "names in its state differ after end_training: merge what begin_training added", n_trained
    if verdict.outcome == "fail":
        return f"end_training changes what it answers: {verdict.reason}", n_trained
    moved = [name for name in before if not _equal(before[name], after[name])]
    if strategy == "probe" and body & set(moved):
        return f"{sorted(body & set(moved))[0]} is frozen and moves: keep it in evaluation mode in train()", n_trained
    if strategy == "lora" and not body & set(moved):
        return "nothing of the body changes: call begin_training of its core.weights.body.Body", n_trained
    return "" if set(moved) - body else "nothing new learns: leave the head out of what is frozen", n_trained


def _body(encoder: Encoder) -> set[str]:
    """Return the names of frozen weights, and of the statistics that lie beside them."""
    frozen = {name for name, weight in encoder.named_parameters() if not weight.requires_grad}
    places = {name.rpartition(".")[0] for name in frozen}
    return frozen | {name for name, _ in encoder.named_buffers() if name.rpartition(".")[0] in places}


def _equal(one: object, other: object) -> bool:
    return isinstance(one, Tensor) and isinstance(other, Tensor) and torch.equal(one, other)
