"""Declares the metrics that ship with the suite and take all clips of a condition together."""

from __future__ import annotations

from typing import Any

from eeg2speech_bench.core.specs import MetricSpec

_METRICS = "eeg2speech_bench.benchmarks.metrics"

#: metrics of all clips of a condition together
_SETS = [
    MetricSpec(
        "frechet_cepstral",
        f"{_METRICS}.distribution:frechet_cepstral",
        "Frechet distance of cepstra from the references', at infinite n",
        label="Fréchet, cepstra",
        note="Fréchet distance of all cepstra from those of true speech; 0 is best.",
        needs="set",
        higher_is_better=False,
    ),
    MetricSpec(
        "variance_ratio",
        f"{_METRICS}.collapse:variance_ratio",
        "variance over clips as a share of the references'",
        label="variance ratio",
        note="Variance over clips as a share of true speech's: aims at 1; 0 is one clip for everything.",
        low=0.0,
        needs="set",
    ),
    MetricSpec(
        "pairwise_similarity",
        f"{_METRICS}.collapse:pairwise_similarity",
        "correlation of different clips less that of different references",
        label="pairwise r",
        note="How much more alike generated clips are than true ones: 0 is best, towards 1 all are one.",
        low=-2.0,
        high=2.0,
        needs="set",
        higher_is_better=False,
    ),
]
_EXTENDED: dict[str, Any] = {"needs": "set", "extended": True}
_TAGGER: dict[str, Any] = {
    **_EXTENDED,
    "model": "tagger",
    "takes": ("model",),
    "available": f"{_METRICS}.audioset:available",
}
#: metrics of all clips together that need packages or weights
_EXTENDED_SETS = [
    MetricSpec(
        "frechet_wakeword",
        f"{_METRICS}.distribution:frechet_wakeword",
        "Frechet distance of a keyword spotter's embeddings, at infinite n",
        label="Fréchet, KWS",
        note="Fréchet distance of a keyword spotter's (KWS) embeddings from true speech's; 0 is best.",
        higher_is_better=False,
        available=f"{_METRICS}.embeddings:wakeword_available",
        **_EXTENDED,
    ),
    MetricSpec(
        "frechet_whisper",
        f"{_METRICS}.recognition:frechet_whisper",
        "Frechet distance of Whisper's encoder frames, at infinite n",
        label="Fréchet, Whisper",
        note="Fréchet distance of Whisper's frames from those of true speech; 0 is best.",
        higher_is_better=False,
        model="whisper",
        takes=("model",),
        available=f"{_METRICS}.recognition:available",
        **_EXTENDED,
    ),
    MetricSpec(
        "kl",
        f"{_METRICS}.audioset:mean_divergence",
        "divergence of a sound tagger's tags from the references'",
        label="KL, nat",
        note="Divergence of a sound tagger's tags from those of the true clip, in nats; 0 is best.",
        unit="nat",
        higher_is_better=False,
        **_TAGGER,
    ),
    MetricSpec(
        "inception_score",
        f"{_METRICS}.audioset:inception_score",
        "how clearly and how differently a sound tagger tags the clips",
        label="inception score",
        note="How clearly and how differently a sound tagger tags the clips; speech is near 1.",
        low=0.0,
        **_TAGGER,
    ),
]


def metrics_of_sets() -> list[MetricSpec]:
    """Return the metrics of sets of clips; those that need packages or weights are extended."""
    return [*_SETS, *_EXTENDED_SETS]
