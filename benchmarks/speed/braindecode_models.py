"""Writes ``docs/braindecode.md``, which lists every model of braindecode with its adaptations and its cost.

Usage: ``python benchmarks/speed/braindecode_models.py [SEGMENTS]``, from the root of the repository. Training steps are
timed at the preset quick in seconds of processor time, which other work on the machine leaves alone, with SEGMENTS
segments (default: the preset's batch) and scaled to the batch. Models that are not free for commercial use or too
large for a laptop are not run.
"""

from __future__ import annotations

import gc
import logging
import sys
import time
import warnings
from pathlib import Path

import mne
import numpy as np
import torch

from eeg2speech_bench.core.conditioning import Encoder, pool_tokens
from eeg2speech_bench.core.contrastive.loss import ClipLoss
from eeg2speech_bench.core.errors import BenchError
from eeg2speech_bench.core.presets.config import RunConfig, load_config
from eeg2speech_bench.core.registry.registry import load_registry
from eeg2speech_bench.core.segments.segment_store import Batch, SignalInfo, TargetInfo
from eeg2speech_bench.core.specs import EncoderSpec

#: what the encoders of braindecode are told by
MODULE = "eeg2speech_bench.plugins.encoders.braindecode:"
#: networks with more parameters are built and not run
MAX_PARAMETERS = 100_000_000
OUT = Path("docs/braindecode.md")
#: a step that would take longer is scaled from two segments
PATIENCE_S = 60.0
HEAD = """\
# The models of braindecode

Each class of `braindecode.models` ({version}) is an encoder, unless the table says why not. The network is
braindecode's own. It is asked for as many outputs as the tokens have numbers: of six overlapping slices of 1 s per
segment, all encoded with the same weights, or, for EEGNet, Deep4Net and ShallowFBCSPNet, at each step in time
("cropped decoding"). `--set encoder.NAME.n_slices=1` asks for all tokens of a segment at once.

- Options of the class are options of the encoder: `--set encoder.eegnet.F1=16`. An unknown one is refused.
- Rate, length and channels are adapted before the network where it needs it. The record of a run lists what was done;
  the table shows it for 32 electrodes and 2.88 s at 120 Hz. Segments are mirrored at their ends or cut by 5 % at most,
  never filled with zeros; what cannot be met is refused.
- `--set encoder.labram.weights=braindecode/labram-pretrained` starts from published weights (a file or folder does as
  well). All but the head must fit, tensor by tensor. The scale that the weights expect is then met, too.
  `--strategy probe` and its like run them beside a twin with random weights ([weights.md](weights.md)).
- "on request" runs only when named, not with `--encoder all`.

`step` is a training step at the preset `quick` on a processor, relative to a step of `brainmagick` there
({reference:.2f} s of one core). `~`: scaled from {few} segments. Written by `benchmarks/speed/braindecode_models.py`.

"""
COLUMNS = ("encoder", "class", "runs", "parameters", "step", "seconds", "adapted", "licence", "weights to start from")


def quick_signal(config: RunConfig) -> SignalInfo:
    """Return 32 electrodes at the window of the preset."""
    names = mne.channels.make_standard_montage("biosemi32").ch_names
    info = mne.create_info(names, config.data.sfreq, "eeg").set_montage("biosemi32")
    chs_info = tuple({"ch_name": c["ch_name"], "loc": np.array(c["loc"])} for c in info["chs"])
    n_times = round(config.data.window_s * config.data.sfreq)
    return SignalInfo(len(names), n_times, config.data.sfreq, chs_info, 8)


def quick_target(config: RunConfig) -> TargetInfo:
    """Return the space of the preset's target."""
    options = config.target.options[config.target.name]
    rate_hz = options["token_rate_hz"]
    return TargetInfo(options["dim"], round(config.data.window_s * rate_hz), rate_hz)


def build(spec: EncoderSpec, config: RunConfig) -> Encoder:
    torch.manual_seed(0)
    options = config.encoder.get(spec.name, {})
    return spec.load().build(quick_signal(config), quick_target(config), **options)


def step_s(encoder: Encoder, config: RunConfig, n_segments: int) -> float:
    """Return processor seconds of one training step."""
    signal, target = quick_signal(config), quick_target(config)
    batch = Batch(
        torch.randn(n_segments, signal.n_chans, signal.n_times), torch.arange(n_segments) % 8, torch.arange(n_segments)
    )
    embeddings = torch.randn(n_segments, target.n_tokens, target.dim)
    optimiser = torch.optim.AdamW([p for p in encoder.parameters() if p.requires_grad], 1e-4)
    start_s = time.process_time()
    tokens = encoder.train()(batch).embeddings
    ClipLoss()(tokens, pool_tokens(embeddings, tokens.shape[1])).backward()
    optimiser.step()
    return time.process_time() - start_s


def measure(encoder: Encoder, config: RunConfig, n_segments: int) -> tuple[float, int]:
    """Return processor seconds of a step at the preset's batch, and the segments they were measured with."""
    few_s = step_s(encoder, config, 2)  # the first call of a network is not typical, and counts only if it is long
    if few_s < PATIENCE_S:
        few_s = step_s(encoder, config, 2)
    if few_s * n_segments / 2 > PATIENCE_S:
        n_segments, spent_s = 2, few_s
    else:
        spent_s = step_s(encoder, config, n_segments)
    return spent_s * config.alignment.batch_size / n_segments, n_segments


def row(spec: EncoderSpec, config: RunConfig, n_segments: int, reference_s: float) -> tuple[str, ...]:
    """Return the cells of one model."""
    cls = spec.target.removeprefix(MODULE)
    licence, weights = spec.licence, spec.pretrained or "-"
    if spec.on_request.startswith("cannot run"):
        return spec.name, cls, spec.on_request.replace("cannot run:", "no:"), "", "", "", "", licence, weights
    if "licence" in spec.on_request:
        return spec.name, cls, f"on request: {spec.on_request}", "", "not run", "", "", licence, weights
    try:
        encoder = build(spec, config)
    except BenchError as error:
        return spec.name, cls, f"no: {error}", "", "", "", "", licence, weights
    size = sum(p.numel() for p in encoder.parameters())
    adapted = "; ".join(f"{what}: {how}" for what, how in encoder.adaptations.items()) or "-"
    runs = f"on request: {spec.on_request}" if spec.on_request else "yes"
    if size > MAX_PARAMETERS:
        return spec.name, cls, runs, f"{size:,}", "not run", "", adapted, licence, weights
    spent_s, measured = measure(encoder, config, n_segments)
    mark = "" if measured == config.alignment.batch_size else "~"
    step, seconds = f"{mark}{spent_s / reference_s:.1f} x", f"{mark}{spent_s:.1f}"
    return spec.name, cls, runs, f"{size:,}", step, seconds, adapted, licence, weights


def main(n_segments: int | None = None) -> None:
    """Measure and write the page."""
    import braindecode

    torch.set_num_threads(1)
    warnings.simplefilter("ignore")
    logging.disable(logging.WARNING)
    config, registry = load_config("quick"), load_registry()
    few = n_segments or config.alignment.batch_size
    reference_s, _ = measure(build(registry.get("encoder", "brainmagick"), config), config, few)
    lines = ["| " + " | ".join(COLUMNS) + " |", "|" + " --- |" * len(COLUMNS)]
    for spec in registry.all("encoder"):
        if spec.target.startswith(MODULE):
            cells = row(spec, config, few, reference_s)
            lines.append("| " + " | ".join(cell.replace("|", "/") for cell in cells) + " |")
            print(lines[-1], flush=True)
            gc.collect()
    text = HEAD.format(version=braindecode.__version__, reference=reference_s, few=few)
    OUT.write_text(text + "\n".join(lines) + "\n", encoding="utf8")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else None)
