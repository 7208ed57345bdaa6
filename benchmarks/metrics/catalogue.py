"""Declares the metrics that ship with the suite.

What they mean is in ``docs/metrics.md``.
"""

from __future__ import annotations

from typing import Any

from eeg2speech_bench.core.registry.specs import MetricSpec

_METRICS = "eeg2speech_bench.benchmarks.metrics"


def all_metrics() -> list[MetricSpec]:
    """Return metrics of retrieval (from scores), of generated clips, and of all clips of a condition together."""
    return [
        *_retrieval(),
        *_retrieval_in_pools(),
        *_retrieval_at_words(),
        *_likeness(),
        *_identification(),
        *_sets(),
        *_extended_likeness(),
        *_recognition(),
        *_opinions(),
        *_extended_sets(),
    ]


def _retrieval() -> list[MetricSpec]:
    """Return metrics of retrieval among all test windows."""
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
    ]


def _retrieval_in_pools() -> list[MetricSpec]:
    """Return metrics of retrieval in the other pools, each named for the doubt that it answers."""
    top1, among = f"{_METRICS}.retrieval:top_1", "true window ranked first among"
    two_way = f"{_METRICS}.retrieval:match_mismatch"
    return [
        MetricSpec("top1_of_50", f"{_METRICS}.retrieval:top_1_of_50", f"{among} any 50", pool="fixed-50"),
        MetricSpec(
            "top10_of_50",
            f"{_METRICS}.retrieval:top_10_of_50",
            "true window among the first ten of any 50",
            pool="fixed-50",
        ),
        MetricSpec("top1_same_recording", top1, f"{among} those heard in one recording", pool="same-recording"),
        MetricSpec("top1_same_sentence", top1, f"{among} those of its sentence", pool="same-sentence"),
        MetricSpec("top1_other_sentences", top1, f"{among} those of other sentences", pool="other-sentences"),
        MetricSpec("top1_matched", top1, f"{among} equally loud ones with as much speech", pool="matched"),
        MetricSpec(
            "match_mismatch",
            two_way,
            "share of the other windows of the recording that the true one beats",
            pool="same-recording",
        ),
        MetricSpec(
            "match_mismatch_matched",
            two_way,
            "share of equally loud windows with as much speech that the true one beats",
            pool="matched",
        ),
    ]


def _retrieval_at_words() -> list[MetricSpec]:
    """Return the metrics of the published protocol, whose windows start at words."""
    onset: dict[str, Any] = {"pool": "word-onset", "extended": True}
    return [
        MetricSpec("top1_word_onset", f"{_METRICS}.retrieval:top_1", "true window at a word ranked first", **onset),
        MetricSpec("top10_word_onset", f"{_METRICS}.retrieval:top_10", "true window at a word among ten", **onset),
        MetricSpec(
            "word_top1", f"{_METRICS}.word_retrieval:word_top_1", "true word ranked first", takes=("words",), **onset
        ),
        MetricSpec(
            "word_top10", f"{_METRICS}.word_retrieval:word_top_10", "true word among ten", takes=("words",), **onset
        ),
    ]


def _likeness() -> list[MetricSpec]:
    """Return metrics of how like the true clip the generated one is."""
    mel: dict[str, Any] = {"needs": "clips", "baseline": f"{_METRICS}.quality:mean_spectrum_level"}
    distance: dict[str, Any] = {**mel, "unit": "dB", "higher_is_better": False}
    return [
        MetricSpec(
            "mel_correlation",
            f"{_METRICS}.quality:mel_correlation",
            "correlation over time per mel band, mean over bands",
            chance=0.0,
            **mel,
        ),
        MetricSpec(
            "mel_correlation_over_bands",
            f"{_METRICS}.quality:mel_correlation_over_bands",
            "correlation over bands per mel frame, which the mean spectrum inflates",
            **mel,
        ),
        MetricSpec(
            "mel_correlation_flattened",
            f"{_METRICS}.quality:mel_correlation_flattened",
            "correlation over all frames and bands, which the mean spectrum inflates",
            **mel,
        ),
        MetricSpec(
            "estoi",
            f"{_METRICS}.intelligibility:estoi",
            "extended short-time objective intelligibility",
            needs="clips",
            chance=0.0,
        ),
        MetricSpec(
            "lsd", f"{_METRICS}.quality:log_spectral_distance", "log-spectral distance on mel bands", **distance
        ),
        MetricSpec(
            "mcd",
            f"{_METRICS}.cepstral:mel_cepstral_distortion",
            "mel-cepstral distortion, frame by frame",
            **distance,
        ),
    ]


def _identification() -> list[MetricSpec]:
    """Return metrics of whether the true clip is told from the others by the generated one."""
    first: dict[str, Any] = {"needs": "clips", "identifies_by": f"{_METRICS}.retrieval:top_1"}
    two_way: dict[str, Any] = {"needs": "clips", "identifies_by": f"{_METRICS}.retrieval:match_mismatch"}
    wakeword: dict[str, Any] = {"extended": True, "available": f"{_METRICS}.embeddings:wakeword_available"}
    return [
        MetricSpec(
            "identification",
            f"{_METRICS}.identification:identification",
            "true clip picked first from the generated one",
            headline=True,
            **first,
        ),
        MetricSpec(
            "identification_rank",
            f"{_METRICS}.identification:identification_rank",
            "median rank of the true clip as a share of all",
            needs="clips",
            identifies_by=f"{_METRICS}.retrieval:relative_rank",
            higher_is_better=False,
            aggregate="median",
        ),
        MetricSpec(
            "two_way",
            f"{_METRICS}.identification:two_way_identification",
            "share of the other clips that the true one beats",
            **two_way,
        ),
        MetricSpec(
            "wakeword_identified",
            f"{_METRICS}.identification:wakeword_identification",
            "true clip picked first in a keyword spotter's embedding, which no stage trained on",
            **first,
            **wakeword,
        ),
        MetricSpec(
            "wakeword_two_way",
            f"{_METRICS}.identification:wakeword_two_way",
            "share of the other clips that the true one beats in that embedding",
            **two_way,
            **wakeword,
        ),
    ]


def _sets() -> list[MetricSpec]:
    """Return metrics of all clips of a condition together."""
    return [
        MetricSpec(
            "frechet_cepstral",
            f"{_METRICS}.distribution:frechet_cepstral",
            "Frechet distance of cepstra from the references', at infinite n",
            needs="set",
            higher_is_better=False,
        ),
        MetricSpec(
            "variance_ratio",
            f"{_METRICS}.collapse:variance_ratio",
            "variance over clips as a share of the references'",
            needs="set",
        ),
        MetricSpec(
            "pairwise_similarity",
            f"{_METRICS}.collapse:pairwise_similarity",
            "correlation of different clips less that of different references",
            needs="set",
            higher_is_better=False,
        ),
    ]


def _extended_likeness() -> list[MetricSpec]:
    """Return metrics against the reference that cost more or need packages."""
    extended: dict[str, Any] = {"needs": "clips", "extended": True}
    return [
        MetricSpec("stoi", f"{_METRICS}.intelligibility:stoi", "short-time objective intelligibility", **extended),
        MetricSpec(
            "mcd_dtw",
            f"{_METRICS}.cepstral:warped_cepstral_distortion",
            "mel-cepstral distortion after time warping",
            unit="dB",
            higher_is_better=False,
            baseline=f"{_METRICS}.quality:mean_spectrum_level",
            **extended,
        ),
        MetricSpec(
            "pesq",
            f"{_METRICS}.perception:pesq",
            "perceptual evaluation of speech quality, wide band",
            available=f"{_METRICS}.perception:pesq_available",
            **extended,
        ),
        MetricSpec(
            "speaker",
            f"{_METRICS}.speaker:speaker_similarity",
            "cosine of speaker embeddings",
            available=f"{_METRICS}.speaker:available",
            **extended,
        ),
    ]


def _recognition() -> list[MetricSpec]:
    """Return metrics of what Whisper hears."""
    module = f"{_METRICS}.recognition"
    whisper: dict[str, Any] = {
        "needs": "clips",
        "extended": True,
        "model": "whisper",
        "available": f"{module}:available",
    }
    texts: dict[str, Any] = {**whisper, "takes": ("texts", "model")}
    return [
        MetricSpec("wer", f"{module}:word_error_rate", "word error rate", higher_is_better=False, **texts),
        MetricSpec("cer", f"{module}:character_error_rate", "character error rate", higher_is_better=False, **texts),
        MetricSpec("word_hits", f"{module}:word_hits", "share of the true words that are heard, in order", **texts),
        MetricSpec(
            "content",
            f"{module}:content_similarity",
            "cosine of Whisper's encoder frames, each clip's mean removed",
            takes=("model",),
            **whisper,
        ),
        MetricSpec(
            "whisper_identified",
            f"{module}:whisper_identification",
            "true clip picked first in Whisper's embedding, which no stage trained on",
            identifies_by=f"{_METRICS}.retrieval:top_1",
            takes=("model",),
            **whisper,
        ),
    ]


def _opinions() -> list[MetricSpec]:
    """Return metrics of the voice alone, whatever it says."""
    module = f"{_METRICS}.perception"
    extended: dict[str, Any] = {"needs": "clips", "extended": True}
    dnsmos: dict[str, Any] = {**extended, "available": f"{module}:dnsmos_available"}
    return [
        MetricSpec("dnsmos", f"{module}:dnsmos_overall", "DNSMOS P.835, overall", **dnsmos),
        MetricSpec("dnsmos_signal", f"{module}:dnsmos_signal", "DNSMOS P.835, speech", **dnsmos),
        MetricSpec("dnsmos_background", f"{module}:dnsmos_background", "DNSMOS P.835, background", **dnsmos),
        MetricSpec("dnsmos_p808", f"{module}:dnsmos_p808", "DNSMOS P.808, overall", **dnsmos),
        MetricSpec(
            "distillmos",
            f"{module}:distillmos",
            "DistillMOS, overall",
            available=f"{module}:distillmos_available",
            **extended,
        ),
    ]


def _extended_sets() -> list[MetricSpec]:
    """Return metrics of all clips together that need packages or weights."""
    extended: dict[str, Any] = {"needs": "set", "extended": True}
    tagger: dict[str, Any] = {
        **extended,
        "model": "tagger",
        "takes": ("model",),
        "available": f"{_METRICS}.audioset:available",
    }
    return [
        MetricSpec(
            "frechet_wakeword",
            f"{_METRICS}.distribution:frechet_wakeword",
            "Frechet distance of a keyword spotter's embeddings, at infinite n",
            higher_is_better=False,
            available=f"{_METRICS}.embeddings:wakeword_available",
            **extended,
        ),
        MetricSpec(
            "frechet_whisper",
            f"{_METRICS}.recognition:frechet_whisper",
            "Frechet distance of Whisper's encoder frames, at infinite n",
            higher_is_better=False,
            model="whisper",
            takes=("model",),
            available=f"{_METRICS}.recognition:available",
            **extended,
        ),
        MetricSpec(
            "kl",
            f"{_METRICS}.audioset:mean_divergence",
            "divergence of a sound tagger's tags from the references'",
            unit="nat",
            higher_is_better=False,
            **tagger,
        ),
        MetricSpec(
            "inception_score",
            f"{_METRICS}.audioset:inception_score",
            "how clearly and how differently a sound tagger tags the clips",
            **tagger,
        ),
    ]
