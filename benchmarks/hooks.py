"""What the benchmarks room registers: metrics and the verbs that run cells."""

from __future__ import annotations

from typing import Any

from eeg2speech_bench.core.hookspecs import hookimpl
from eeg2speech_bench.core.specs import CommandSpec, MetricSpec

_METRICS = "eeg2speech_bench.benchmarks.metrics"
_COMMANDS = "eeg2speech_bench.benchmarks.commands"


@hookimpl
def register_metrics() -> list[MetricSpec]:
    """Return retrieval metrics (from scores) and metrics of generated speech (from clips)."""
    return [
        MetricSpec("top1", f"{_METRICS}.retrieval:top_1", "true window ranked first in the pool", headline=True),
        MetricSpec("top5", f"{_METRICS}.retrieval:top_5", "true window among the first five"),
        MetricSpec("top10", f"{_METRICS}.retrieval:top_10", "true window among the first ten"),
        MetricSpec("mrr", f"{_METRICS}.retrieval:reciprocal_rank", "mean reciprocal rank of the true window"),
        MetricSpec(
            "median_rank",
            f"{_METRICS}.retrieval:relative_rank",
            "median rank of the true window as a share of the pool",
            higher_is_better=False,
            aggregate="median",
        ),
        MetricSpec(
            "identification",
            f"{_METRICS}.identification:identification",
            "true clip picked first from the generated one",
            needs="clips",
            chance="1/n",
            headline=True,
        ),
        MetricSpec(
            "mel_correlation",
            f"{_METRICS}.quality:mel_correlation",
            "correlation over time per mel band, mean over bands",
            needs="clips",
            chance=0.0,
        ),
        MetricSpec(
            "estoi",
            f"{_METRICS}.intelligibility:estoi",
            "extended short-time objective intelligibility",
            needs="clips",
            chance=0.0,
        ),
        MetricSpec(
            "lsd",
            f"{_METRICS}.quality:log_spectral_distance",
            "log-spectral distance on mel bands",
            needs="clips",
            unit="dB",
            higher_is_better=False,
        ),
        MetricSpec(
            "match_mismatch",
            f"{_METRICS}.retrieval:match_mismatch",
            "share of the other windows that the true one beats",
        ),
        MetricSpec(
            "two_way",
            f"{_METRICS}.identification:two_way_identification",
            "share of the other clips that the true one beats",
            needs="clips",
            chance=0.5,
        ),
        MetricSpec(
            "mcd",
            f"{_METRICS}.cepstral:mel_cepstral_distortion",
            "mel-cepstral distortion, frame by frame",
            needs="clips",
            unit="dB",
            higher_is_better=False,
        ),
        *_extended_metrics(),
    ]


def _extended_metrics() -> list[MetricSpec]:
    """Return what is measured where ``scores.extended`` asks for it."""
    packages: dict[str, Any] = {"needs": "clips", "extended": True}
    whisper: dict[str, Any] = {**packages, "model": "whisper", "available": f"{_METRICS}.recognition:available"}
    dnsmos: dict[str, Any] = {**packages, "available": f"{_METRICS}.perception:dnsmos_available"}
    return [
        MetricSpec("stoi", f"{_METRICS}.intelligibility:stoi", "short-time objective intelligibility", **packages),
        MetricSpec(
            "mcd_dtw",
            f"{_METRICS}.cepstral:warped_cepstral_distortion",
            "mel-cepstral distortion after time warping",
            unit="dB",
            higher_is_better=False,
            **packages,
        ),
        MetricSpec(
            "pesq",
            f"{_METRICS}.perception:pesq",
            "perceptual evaluation of speech quality, wide band",
            available=f"{_METRICS}.perception:pesq_available",
            **packages,
        ),
        MetricSpec("dnsmos", f"{_METRICS}.perception:dnsmos_overall", "DNSMOS P.835, overall", **dnsmos),
        MetricSpec(
            "speaker",
            f"{_METRICS}.speaker:speaker_similarity",
            "cosine of speaker embeddings",
            available=f"{_METRICS}.speaker:available",
            **packages,
        ),
        MetricSpec(
            "wer",
            f"{_METRICS}.recognition:word_error_rate",
            "word error rate as Whisper hears it",
            higher_is_better=False,
            takes=("texts", "model"),
            **whisper,
        ),
        MetricSpec(
            "cer",
            f"{_METRICS}.recognition:character_error_rate",
            "character error rate as Whisper hears it",
            higher_is_better=False,
            takes=("texts", "model"),
            **whisper,
        ),
        MetricSpec(
            "whisper_identified",
            f"{_METRICS}.recognition:whisper_identification",
            "true clip picked first in Whisper's embedding, which no stage trained on",
            chance="1/n",
            takes=("model",),
            **whisper,
        ),
    ]


@hookimpl
def register_commands() -> list[CommandSpec]:
    """Return the verbs ``run``, ``rerun`` and ``env``."""
    return [
        CommandSpec(
            "run",
            f"{_COMMANDS}:run",
            "train and score encoders, beside their controls",
            configure=f"{_COMMANDS}:configure_run",
        ),
        CommandSpec(
            "rerun",
            "eeg2speech_bench.benchmarks.rerun:run",
            "repeat the cell of a record and compare the numbers",
            configure="eeg2speech_bench.benchmarks.rerun:configure",
        ),
        CommandSpec(
            "env",
            f"{_COMMANDS}:env",
            "show versions, hardware and folders",
            configure=f"{_COMMANDS}:configure_nothing",
            loads_plugins=False,
        ),
    ]
