"""Measures every metric under every condition, with intervals and tests (stage ``score``)."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from eeg2speech_bench.benchmarks.scoring.metric_calls import skipping
from eeg2speech_bench.benchmarks.scoring.retrieval import RetrievalScores, describe_windows, measure_scores
from eeg2speech_bench.benchmarks.scoring.scores import Scores
from eeg2speech_bench.benchmarks.scoring.values import (
    MetricValues,
    SetValue,
    keep_defined,
    keep_defined_sets,
    number_blocks,
    segment_rows,
)
from eeg2speech_bench.benchmarks.scoring.verdicts import (
    compare_with_controls,
    decide,
    implausible,
    summarise,
    summarise_set,
)
from eeg2speech_bench.benchmarks.stage_inputs import ScoreInputs
from eeg2speech_bench.core.presets.config import ScoresConfig
from eeg2speech_bench.core.records.groups import GROUPS, Group, GroupScores, segments_name
from eeg2speech_bench.core.records.probes import PROBES, ProbeScores
from eeg2speech_bench.core.segments.segment_store import SegmentStore
from eeg2speech_bench.core.specs import MetricSpec
from eeg2speech_bench.core.terminal.progress import Progress

#: the pool whose segments start at words, and are scored by a stage of their own
WORD_ONSET = "word-onset"


def run(inputs: ScoreInputs, out: Path, progress: Progress) -> None:
    """Write ``segments.parquet`` (one row per segment, metric and condition) and ``scores.json``."""
    store, config = inputs.store(), inputs.scores
    metrics, skipped = _choose(inputs.metrics, config, with_clips=inputs.generated is not None)
    table = _located(pd.read_parquet(inputs.embedded / "segments.parquet"), store, config.block_s)
    measured, without_pool = _retrieval(inputs, table, metrics, store)
    sets: list[SetValue] = []
    if inputs.generated is not None and inputs.ceilings is not None:
        clips = table[table["clip"] >= 0].sort_values("clip")
        of_clips, sets, failed = _generation(inputs, clips, metrics, store, progress)
        measured += of_clips
        skipped |= failed
    sets, undefined_sets = keep_defined_sets(sets)
    of_sets = [summarise_set(made) for made in sets]
    wrong = implausible(of_sets)
    scores, undefined = _judge(
        inputs, [v for v in measured if v.metric.name not in wrong], store, out / "segments.parquet"
    )
    probes, unread = _of_probes(inputs, store, out)
    Scores(
        **dict(scores),
        sets=[entry for entry in of_sets if entry.name not in wrong and entry.name not in undefined],
        groups=_of_groups(inputs, metrics, store, out),
        probes=probes,
        skipped=skipped | without_pool | undefined | undefined_sets | wrong | unread,
    ).write(out)


def _judge(
    inputs: ScoreInputs, measured: list[MetricValues], store: SegmentStore, file: Path
) -> tuple[GroupScores, dict[str, str]]:
    """Summarise and test the values of a group of listeners, and write them segment by segment.

    Returns
    -------
    scores : GroupScores
    skipped : dict of str to str
        Metrics without a value that a record could hold, with the reason.
    """
    config, seed = inputs.scores, inputs.seed
    measured, undefined = keep_defined(measured)
    entries = [summarise(v, config, seed, store.meta.subjects) for v in measured]
    # a plugin's metric that leaves its own range costs itself, and not the record
    wrong = implausible(entries)
    measured = [v for v in measured if v.metric.name not in wrong]
    tests = compare_with_controls(measured, config, seed, inputs.modality)
    segment_rows(measured, store).to_parquet(file)
    headline = list({v.metric.name: v.metric for v in measured if v.metric.headline}.values())
    scores = GroupScores(
        metrics=[entry for entry in entries if entry.name not in wrong],
        tests=tests,
        verdict=decide(tests, headline, config.alpha),
    )
    return scores, undefined | wrong


def _of_groups(
    inputs: ScoreInputs, metrics: list[MetricSpec], store: SegmentStore, out: Path
) -> dict[Group, GroupScores]:
    """Score the groups that were embedded beside the new listeners, by retrieval among the test windows."""
    asked = [m for m in metrics if m.needs == "scores" and m.pool != WORD_ONSET]
    pool = pd.read_parquet(inputs.embedded / "pool.parquet")["window"].to_numpy()
    found: dict[Group, GroupScores] = {}
    for group in (group for group in GROUPS if (inputs.embedded / group).is_dir()):
        folder = inputs.embedded / group
        table = _located(pd.read_parquet(folder / "segments.parquet"), store, inputs.scores.block_s)
        scored = RetrievalScores(folder, inputs.conditions, table, describe_windows(store, pool))
        measured, _ = measure_scores(scored, asked, confidence=inputs.scores.confidence, seed=inputs.seed)
        found[group], _ = _judge(inputs, measured, store, out / segments_name(group))
    return found


def _of_probes(inputs: ScoreInputs, store: SegmentStore, out: Path) -> tuple[ProbeScores | None, dict[str, str]]:
    """Judge what was read out of the embeddings, if that was asked for, and say what was not and why."""
    if inputs.probes is None:
        return None, {}
    from eeg2speech_bench.benchmarks.scoring.probe_scores import judge_probes, read_readings

    measured, skipped = read_readings(inputs.probes)
    made, kept, undefined = judge_probes(measured, inputs.scores, inputs.seed, inputs.modality, store.meta.subjects)
    segment_rows(kept, store).to_parquet(out / segments_name(PROBES))
    return made, {f"probe {name}": reason for name, reason in (skipped | undefined).items()}


def _choose(
    metrics: Sequence[MetricSpec], config: ScoresConfig, *, with_clips: bool
) -> tuple[list[MetricSpec], dict[str, str]]:
    """Return the metrics that are measured, and why those are not that were asked for."""
    wanted = [m for m in metrics if (config.extended or not m.extended) and (with_clips or m.needs == "scores")]
    skipped: dict[str, str] = {}
    for metric in wanted:
        with skipping(metric, skipped):
            if reason := metric.unavailable(config.models):
                skipped[metric.name] = reason
    return [m for m in wanted if m.name not in skipped], skipped


def _located(segments: pd.DataFrame, store: SegmentStore, block_s: float) -> pd.DataFrame:
    """Add to segments where in the audio they lie, and in which block of it."""
    windows = store.windows.iloc[segments["window"].to_numpy()]
    table = segments.assign(**{name: windows[name].to_numpy() for name in ("stimulus", "start_s")})
    return table.assign(block=number_blocks(table, block_s))


def _retrieval(
    inputs: ScoreInputs, table: pd.DataFrame, metrics: list[MetricSpec], store: SegmentStore
) -> tuple[list[MetricValues], dict[str, str]]:
    """Measure metrics of scores, those of words among the windows that start at words."""
    pool = pd.read_parquet(inputs.embedded / "pool.parquet")["window"].to_numpy()
    tested = RetrievalScores(inputs.embedded, inputs.conditions, table, describe_windows(store, pool))
    at_words = tested
    if (words := inputs.words) is not None:
        segments = pd.read_parquet(words / "segments.parquet")
        segments["block"] = number_blocks(segments, inputs.scores.block_s)
        conditions = inputs.conditions if len(segments) else ()  # too few windows at words have no scores
        at_words = RetrievalScores(words, conditions, segments, pd.read_parquet(words / "windows.parquet"))
    measured: list[MetricValues] = []
    skipped: dict[str, str] = {}
    for scored, own_pool in ((tested, False), (at_words, True)):
        asked = [m for m in metrics if m.needs == "scores" and (m.pool == WORD_ONSET) == own_pool]
        values, reasons = measure_scores(scored, asked, confidence=inputs.scores.confidence, seed=inputs.seed)
        measured += values
        skipped |= reasons
    return measured, skipped


def _generation(
    inputs: ScoreInputs, clips: pd.DataFrame, metrics: list[MetricSpec], store: SegmentStore, progress: Progress
) -> tuple[list[MetricValues], list[SetValue], dict[str, str]]:
    """Measure metrics of clips and of sets; imported here, because retrieval alone needs no torch."""
    from eeg2speech_bench.benchmarks.inputs.audio_files import load_clips
    from eeg2speech_bench.benchmarks.scoring.generated import JudgedClips, measure_clips, training_speech
    from eeg2speech_bench.benchmarks.stages.ceilings import CEILINGS

    assert inputs.generated is not None and inputs.ceilings is not None
    folders = dict.fromkeys(inputs.conditions, inputs.generated)
    folders |= dict.fromkeys((*CEILINGS, "reference"), inputs.ceilings)
    heard = JudgedClips(
        folders=folders,
        table=clips,
        texts=store.text(clips["window"].to_numpy()),
        reference=load_clips(inputs.ceilings, "reference"),
        other=training_speech(store, len(clips)),
        models=inputs.scores.models,
    )
    return measure_clips(heard, metrics, progress, confidence=inputs.scores.confidence, seed=inputs.seed)
