"""Declares the metrics of retrieval that ship with the suite."""

from __future__ import annotations

from typing import Any

from eeg2speech_bench.core.specs import MetricSpec

_METRICS = "eeg2speech_bench.benchmarks.metrics"

#: metrics of retrieval among all test windows
_RETRIEVAL = [
    MetricSpec(
        "top1",
        f"{_METRICS}.retrieval:top_1",
        "true window ranked first in the pool",
        label="top-1",
        note="How often the heard window comes first of all test windows by the encoder's estimate; 1 is best.",
        low=0.0,
        high=1.0,
        headline=True,
    ),
    MetricSpec(
        "top5",
        f"{_METRICS}.retrieval:top_5",
        "true window among the first five",
        label="top-5",
        note="How often the heard window is among the first five of all test windows; 1 is best.",
        low=0.0,
        high=1.0,
    ),
    MetricSpec(
        "top10",
        f"{_METRICS}.retrieval:top_10",
        "true window among the first ten",
        label="top-10",
        note="How often the heard window is among the first ten of all test windows; 1 is best.",
        low=0.0,
        high=1.0,
    ),
    MetricSpec(
        "mrr",
        f"{_METRICS}.retrieval:reciprocal_rank",
        "mean reciprocal rank of the true window",
        label="MRR",
        note="Mean reciprocal rank: the mean of 1 / rank of the heard window; 1 is best.",
        low=0.0,
        high=1.0,
    ),
    MetricSpec(
        "median_rank",
        f"{_METRICS}.retrieval:relative_rank",
        "median rank of the true window as a share of the pool",
        label="median rank",
        note="Median rank of the heard window as a share of the pool: 0 is best, 0.5 is chance.",
        low=0.0,
        high=1.0,
        higher_is_better=False,
        aggregate="median",
    ),
]
_TOP1, _AMONG = f"{_METRICS}.retrieval:top_1", "true window ranked first among"
_TWO_WAY = f"{_METRICS}.retrieval:match_mismatch"
#: metrics of retrieval in the other pools, each named for the doubt that it answers
_RETRIEVAL_IN_POOLS = [
    MetricSpec(
        "top1_of_50",
        f"{_METRICS}.retrieval:top_1_of_50",
        f"{_AMONG} any 50",
        label="top-1 of 50",
        note="Top-1 among the heard window and any 49 others: the same chance on every data set, 0.02.",
        low=0.0,
        high=1.0,
        pool="fixed-50",
    ),
    MetricSpec(
        "top10_of_50",
        f"{_METRICS}.retrieval:top_10_of_50",
        "true window among the first ten of any 50",
        label="top-10 of 50",
        note="Top-10 among the heard window and any 49 others; chance is 0.2 on every data set.",
        low=0.0,
        high=1.0,
        pool="fixed-50",
    ),
    MetricSpec(
        "top1_same_recording",
        _TOP1,
        f"{_AMONG} those heard in one recording",
        label="top-1, recording",
        note="Top-1 among the windows that this listener heard in this recording.",
        low=0.0,
        high=1.0,
        pool="same-recording",
    ),
    MetricSpec(
        "top1_same_sentence",
        _TOP1,
        f"{_AMONG} those of its sentence",
        label="top-1, sentence",
        note="Top-1 among the windows of the heard one's sentence.",
        low=0.0,
        high=1.0,
        pool="same-sentence",
    ),
    MetricSpec(
        "top1_other_sentences",
        _TOP1,
        f"{_AMONG} those of other sentences",
        label="top-1, other sent.",
        note="Top-1 among the heard window and those of other sentences.",
        low=0.0,
        high=1.0,
        pool="other-sentences",
    ),
    MetricSpec(
        "top1_matched",
        _TOP1,
        f"{_AMONG} equally loud ones with as much speech",
        label="top-1, matched",
        note="Top-1 among windows of the same loudness with as much speech.",
        low=0.0,
        high=1.0,
        pool="matched",
    ),
    MetricSpec(
        "match_mismatch",
        _TWO_WAY,
        "share of the other windows of the recording that the true one beats",
        label="match/mismatch",
        note="Share of the recording's other windows that the heard one beats; chance is 0.5.",
        low=0.0,
        high=1.0,
        pool="same-recording",
    ),
    MetricSpec(
        "match_mismatch_matched",
        _TWO_WAY,
        "share of equally loud windows with as much speech that the true one beats",
        label="m/m, matched",
        note="Match/mismatch against windows of the same loudness with as much speech; chance is 0.5.",
        low=0.0,
        high=1.0,
        pool="matched",
    ),
]
_ONSET: dict[str, Any] = {"pool": "word-onset", "extended": True}
#: the metrics of the published protocol, whose windows start at words
_RETRIEVAL_AT_WORDS = [
    MetricSpec(
        "top1_word_onset",
        f"{_METRICS}.retrieval:top_1",
        "true window at a word ranked first",
        label="top-1, onsets",
        note="Top-1 among all windows that start at a word; neighbours overlap and are errors.",
        low=0.0,
        high=1.0,
        **_ONSET,
    ),
    MetricSpec(
        "top10_word_onset",
        f"{_METRICS}.retrieval:top_10",
        "true window at a word among ten",
        label="top-10, onsets",
        note="Top-10 among all windows that start at a word, as published; neighbours overlap.",
        low=0.0,
        high=1.0,
        **_ONSET,
    ),
    MetricSpec(
        "word_top1",
        f"{_METRICS}.word_retrieval:word_top_1",
        "true word ranked first",
        label="word top-1",
        note="How often the true word is the most probable one; chance is naming frequent words.",
        low=0.0,
        high=1.0,
        takes=("words",),
        **_ONSET,
    ),
    MetricSpec(
        "word_top10",
        f"{_METRICS}.word_retrieval:word_top_10",
        "true word among ten",
        label="word top-10",
        note="How often the true word is among the ten most probable; chance is naming frequent words.",
        low=0.0,
        high=1.0,
        takes=("words",),
        **_ONSET,
    ),
]


def metrics_of_retrieval() -> list[MetricSpec]:
    """Return the metrics of scores: among all test windows, in other pools, and at words."""
    return [*_RETRIEVAL, *_RETRIEVAL_IN_POOLS, *_RETRIEVAL_AT_WORDS]
