"""Lists the metrics that ship with the suite; ``docs/metrics.md`` says what they mean."""

from __future__ import annotations

from eeg2speech_bench.benchmarks.metrics.catalogue_retrieval import metrics_of_retrieval
from eeg2speech_bench.benchmarks.metrics.catalogue_sets import metrics_of_sets
from eeg2speech_bench.benchmarks.metrics.catalogue_speech import metrics_of_speech
from eeg2speech_bench.core.specs import MetricSpec


def all_metrics() -> list[MetricSpec]:
    """Return metrics of retrieval (from scores), of generated clips, and of all clips of a condition together."""
    return [*metrics_of_retrieval(), *metrics_of_speech(), *metrics_of_sets()]
