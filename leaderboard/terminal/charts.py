"""Draws small pictures of a cell in the terminal: its listeners, how it learnt, and one clip."""

from __future__ import annotations

import math
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from rich.cells import cell_len, set_cell_size
from rich.console import Console
from rich.text import Text

from eeg2speech_bench.core.conditions import CONTROLS, condition_label
from eeg2speech_bench.core.errors import BenchError, DataError
from eeg2speech_bench.core.records.metrics import Metric
from eeg2speech_bench.core.records.record import Record
from eeg2speech_bench.core.statistics.proportions import guessing_band
from eeg2speech_bench.core.statistics.spacing import evenly_spaced
from eeg2speech_bench.leaderboard.labels import metric_titles
from eeg2speech_bench.leaderboard.page.listening_items import (
    ListeningItem,
    clip_content,
    clip_numbers,
    path_inside,
    read_items,
)
from eeg2speech_bench.leaderboard.page.plots import short
from eeg2speech_bench.leaderboard.page.spectrogram import TOP_HZ, log_mel_db, palette, read_clip
from eeg2speech_bench.leaderboard.results.history import convergence_of_stage, learning_series
from eeg2speech_bench.leaderboard.tables.export import printable
from eeg2speech_bench.leaderboard.terminal.glyphs import (
    PER_LINE,
    ColumnScale,
    GlyphSet,
    mosaic,
    shrink,
    sparkline,
    strip,
)

#: listeners that get a line each
MAX_LISTENERS = 24
#: columns of a listener's name, a strip, a sparkline and a spectrogram, where the terminal has them
NAME_WIDTH, STRIP_WIDTH, SPARK_WIDTH, MEL_WIDTH = 16, 50, 40, 70
#: columns beside a strip (edges and the number) and beside a sparkline (the numbers)
_STRIP_REST, _SPARK_REST = 10, 46
#: lines of a spectrogram, and decibels from its darkest to its brightest character
MEL_HEIGHT, MEL_RANGE_DB = 8, 50.0
#: a clip whose loudest place is softer than this is drawn as what it is, silence
_SILENCE_DB = -30.0


def draw(record: Record, results: Path, console: Console) -> None:
    """Print the pictures of a cell, or why one cannot be drawn.

    Parameters
    ----------
    record : Record
        Of a cell that is done.
    results : Path
        The folder that the record's files are in.
    console : Console
        Its encoding, width and colours decide what pictures are made of.
    """
    called = metric_titles([record])
    parts = {f"listeners' {called.get(name, name)}": listeners(record, name, console) for name in record.verdict}
    parts |= {"learning curves": learning(record, console), "spectrograms": mels(record, results, console)}
    console.print()
    for name, part in parts.items():
        try:
            lines = list(part)
        except BenchError as error:
            lines = [Text(printable(f"No {name} drawn: {error}", console))]
        for line in [*lines, Text()] if lines else []:
            console.print(line)


def listeners(record: Record, metric: str, console: Console) -> Iterator[Text]:
    """Yield a caption and one line per listener: the score under the signal, the best control, and where guesses fall.

    More than `MAX_LISTENERS` are sorted by score and thinned evenly, the highest and the lowest among them.
    """
    entry = record.metric(metric)
    if entry is None:
        return
    scores, marks = entry.per_subject, GlyphSet.of(console)
    best = _best_controls(record, entry)
    shown = _thinned(scores)
    chance, said = _chance(entry)
    values = [0.0, *(chance or ()), *(scores[name] for name in shown), *(best[name] for name in shown if name in best)]
    names = {name: printable(name, console) for name in shown}
    name_width = min(max(map(cell_len, names.values())), NAME_WIDTH)
    width = max(min(STRIP_WIDTH, console.width - name_width - _STRIP_REST), 10)
    scale = ColumnScale(min(values), max(values), width)
    who = f"{len(shown)} of {len(scores)} listeners, sorted and thinned"
    who = "every listener" if len(shown) == len(scores) else who
    title = f"{entry.title} of {who}; strips go from {scale.low:.3g} to {scale.high:.3f}"
    yield Text(printable(title, console))
    for name in shown:
        line = strip(scores[name], best.get(name), chance, scale, marks)
        yield Text(f"{set_cell_size(names[name], name_width)} {marks.edge}{line}{marks.edge} {scores[name]:6.3f}")
    key = f"{marks.signal} {condition_label('eeg', record.reads)}"
    key += f"  {marks.control} best no-signal control  {marks.both} both" if best else ""
    yield Text(key + (f"  {marks.chance} {said}" if said else ""))


def learning(record: Record, console: Console) -> Iterator[Text]:
    """Yield a caption and one line per series of numbers that a stage noted while it learnt."""
    series = [
        (printable(one.title, console), one.name, [y for _, y in one.points])
        for one in learning_series(record.training)
    ]
    if not series:
        return
    marks = GlyphSet.of(console)
    name_width = min(max(cell_len(title) for title, _, _ in series), 2 * NAME_WIDTH)
    width = max(min(SPARK_WIDTH, console.width - name_width - _SPARK_REST), 8)
    width = min(width, max(len(values) for _, _, values in series))
    yield Text("Learning, each curve from its own lowest to its own highest value")
    for title, name, values in series:
        best = f"lowest {short(min(values))}" if "loss" in name else f"highest {short(max(values))}"
        line = sparkline(values, width, marks).ljust(width)
        yield Text(
            f"{set_cell_size(title, name_width)}  {line}  first {short(values[0])}, last {short(values[-1])}, {best}"
        )
    endings = {stage: convergence_of_stage(record, stage) for stage in record.training}
    if told := [f"{stage} {ending}" for stage, ending in endings.items() if ending]:
        yield Text(printable(f"At the end of its budget: {', '.join(told)}", console))


def mels(record: Record, results: Path, console: Console) -> Iterator[Text]:
    """Yield the spectrograms of one clip: true speech, what was generated from the signal, a control, and the ceiling.

    The clip is the first of those that can be heard on the page; the control is the hardest of generated speech.

    Raises
    ------
    DataError
        If a path of the record leads out of the results folder or a clip is not audio.
    """
    if "audio" not in record.files:
        return
    item = _first_item(record, results)
    marks = GlyphSet.of(console)
    colours = palette() if console.color_system in ("256", "truecolor") and not console.no_color else None
    verdict = record.verdict.get("identification")
    hardest = [] if verdict is None else [verdict.hardest_control]
    said = {c: condition_label(c, record.reads) for c in ("reference", "eeg", *hardest, "audio")}
    said |= {c: f"hardest control: {said[c]}" for c in hardest}
    for condition, title in said.items():
        if (heard := _level_db(record, results, condition, item.number)) is None:
            continue
        level_db, length_s, top_hz = heard
        if condition == "reference":
            yield Text(printable(_mel_caption(item, length_s, top_hz), console))
        r = item.scores.get("mel_correlation", {}).get(condition)
        yield Text(printable(title + ("" if r is None else f", mel r {r:.2f}"), console))
        level_db = shrink(level_db[::-1], PER_LINE * MEL_HEIGHT, min(MEL_WIDTH, console.width))
        share = 1 + (level_db - max(float(level_db.max()), _SILENCE_DB)) / MEL_RANGE_DB
        yield from mosaic(np.clip(share, 0, 1), marks, colours)


def _best_controls(record: Record, entry: Metric) -> dict[str, float]:
    """Return the best score that each listener reaches without signal."""
    best = max if entry.higher_is_better else min
    controls = [record.metric(entry.name, condition) for condition in CONTROLS]
    found: dict[str, float] = {}
    for control in filter(None, controls):
        for name, score in control.per_subject.items():
            found[name] = best(found.get(name, score), score)
    return found


def _thinned(scores: dict[str, float]) -> list[str]:
    if len(scores) <= MAX_LISTENERS:
        return list(scores)
    names = sorted(scores, key=lambda name: -scores[name])
    return [names[i] for i in evenly_spaced(len(names), MAX_LISTENERS)]


def _chance(entry: Metric) -> tuple[tuple[float, float] | None, str]:
    """Return where guesses of one listener fall, and what that is called.

    The record's own band is of guesses at all test windows, and too narrow for a listener who heard some of them. Two
    presentations of a window are no two guesses, so a listener has at most as many as the pool has windows.
    """
    chance, n_pool = entry.chance, entry.n_pool
    if chance is None:
        return None, ""
    if n_pool < 2 or not math.isclose(chance * n_pool, 1):
        return (chance, chance), f"chance {chance:.3f}"
    n_each = max(min(round(entry.n / len(entry.per_subject)), n_pool), 1)
    return guessing_band(n_each, chance), f"95 % of guessers, {n_each} segments each"


def _first_item(record: Record, results: Path) -> ListeningItem:
    """Return the first clip that was kept, with its scores."""
    audio = path_inside(results, record.files["audio"])
    n_clips = len(list((audio / "reference").glob("clip_*.flac")))
    if not n_clips:
        then = "Copy the audio beside the record, or run that cell again."
        raise DataError(f"No true speech in {audio}", then=then)
    segments = record.files.get("segments")
    return read_items(path_inside(results, segments) if segments else None, clip_numbers(n_clips)[:1], n_clips, {})[0]


def _level_db(record: Record, results: Path, condition: str, number: int) -> tuple[np.ndarray, float, float] | None:
    """Return the spectrogram of a clip, its length in s and its highest frequency in Hz; None if there is no clip."""
    source = path_inside(results, f"{record.files['audio']}/{condition}/clip_{number:03d}.flac")
    if not source.is_file():
        return None
    samples, rate_hz = read_clip(clip_content(source), source)
    return log_mel_db(samples, rate_hz), len(samples) / rate_hz, min(TOP_HZ, rate_hz / 2)


def _mel_caption(item: ListeningItem, length_s: float, top_hz: float) -> str:
    origin = ""
    if item.origin is not None:
        listener, stimulus, start_s = item.origin
        origin = f" (listener {listener}, stimulus {stimulus}, {start_s:.1f} s)"
    return f"Mel spectrograms of clip {item.number + 1}{origin}, {length_s:.2f} s by {top_hz / 1000:g} kHz"
