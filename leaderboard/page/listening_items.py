"""Chooses the test clips to listen to: evenly spaced, the same for every encoder."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

from eeg2speech_bench.core.conditions import CONDITIONS
from eeg2speech_bench.core.errors import DataError
from eeg2speech_bench.core.records.record import Record
from eeg2speech_bench.core.stages.json_files import write_atomically
from eeg2speech_bench.leaderboard.labels import metric_titles
from eeg2speech_bench.leaderboard.results.aggregates import MAX_SEGMENTS_BYTES

if TYPE_CHECKING:
    import pandas as pd

#: where a clip is from
ORIGIN = ("subject", "stimulus", "start_s")
#: items per data set; the first and the last clip are always among them
N_ITEMS = 8
#: scores shown beside a clip
SHOWN_SCORES = ("identification", "mel_correlation", "estoi")
#: a longer file is no clip
MAX_CLIP_BYTES = 4_000_000


@dataclass(frozen=True)
class ListeningItem:
    """One test clip: where it is from, and what it scored under each condition.

    Attributes
    ----------
    number : int
        Of the clip among all clips of the cell, from 0.
    origin : tuple of (str, str, float), optional
        Listener, stimulus and start in seconds.
    scores : dict of str to dict of str to float
        Metric, then condition.
    titles : dict of str to str
        What tables call the metrics.
    """

    number: int
    origin: tuple[str, str, float] | None
    scores: dict[str, dict[str, float]] = field(default_factory=dict)
    titles: dict[str, str] = field(default_factory=dict)

    def shown(self, condition: str) -> list[tuple[str, str]]:
        """Return label and text of the scores that stand beside the clip."""
        found = [(name, self.scores.get(name, {}).get(condition)) for name in SHOWN_SCORES]
        return [(self.titles.get(name, name), _score_text(name, value)) for name, value in found if value is not None]


@dataclass(frozen=True)
class CellClips:
    """The items of one cell, and their files named by content, so that cells share equal ones.

    Attributes
    ----------
    n_clips : int
        Clips that the cell generated, of which ``items`` is the choice.
    files : dict of str to list of str
        Condition, then for each item the name of its audio file without ending; empty where there is none.
    seconds : float
        Length of a clip.
    """

    items: tuple[ListeningItem, ...]
    n_clips: int
    files: dict[str, list[str]]
    seconds: float

    @property
    def same_items(self) -> str:
        """Equal for cells whose items are the same pieces of speech."""
        return hashlib.sha256(repr([(i.number, i.origin) for i in self.items]).encode()).hexdigest()[:12]


def clip_numbers(n_clips: int) -> list[int]:
    """Return the numbers of the clips that can be heard: evenly spaced, nobody's pick."""
    n = min(N_ITEMS, n_clips)
    return [round(i * (n_clips - 1) / max(n - 1, 1)) for i in range(n)]


def path_inside(results: Path, name: str) -> Path:
    """Return a path that a record names, which must lie inside the results folder.

    Raises
    ------
    DataError
        If it leads elsewhere, by ``..``, as an absolute path or by a link.
    """
    path = results / name
    # most records have nothing to hear, and asking the disk for every link in ten thousand paths takes its time
    inner = not Path(name).is_absolute() and ".." not in Path(name).parts
    if inner and path.exists():
        path = path.resolve()
        inner = path.is_relative_to(_resolved(results))
    if not inner:
        then = "The record was not used; ask whoever made it."
        raise DataError("A record names a file outside its results folder", got=repr(name), then=then)
    return path


_resolved = lru_cache(Path.resolve)


def collect_clips(record: Record, results: Path, out: Path) -> CellClips | None:
    """Copy the chosen items of a cell with a picture of each, and return them; None if it has no audio here.

    Raises
    ------
    DataError
        If a path of the record leads out of the results folder or a clip is not audio.
    """
    paths = {name: path_inside(results, value) for name, value in record.files.items()}
    audio = paths.get("audio")
    if audio is None or not (audio / "reference").is_dir():
        return None
    n_clips = len(list((audio / "reference").glob("clip_*.flac")))
    numbers = clip_numbers(n_clips)
    files: dict[str, list[str]] = {}
    seconds = 0.0
    for condition in (known.name for known in CONDITIONS):
        names = []
        for number in numbers:
            source = path_inside(results, str(Path(record.files["audio"]) / condition / f"clip_{number:03d}.flac"))
            name, length_s = _copy_clip(source, out) if source.is_file() else ("", 0.0)
            names.append(name)
            seconds = max(seconds, length_s)
        if any(names):
            files[condition] = names
    items = read_items(paths.get("segments"), numbers, n_clips, metric_titles([record]))
    return CellClips(tuple(items), n_clips, files, seconds)


def segment_content(record: Record, results: Path) -> bytes | None:
    """Return the file of a cell's per-segment values, on which ranks rest; None if there is none.

    Raises
    ------
    DataError
        If its path leads out of the results folder.
    """
    named = record.files.get("segments")
    path = None if named is None else path_inside(results, named)
    if path is None or path.suffix != ".parquet" or not path.is_file() or path.stat().st_size > MAX_SEGMENTS_BYTES:
        return None
    return path.read_bytes()


def clip_content(source: Path) -> bytes:
    """Return the bytes of a clip.

    Raises
    ------
    DataError
        If there are more than a clip has.
    """
    if source.stat().st_size > MAX_CLIP_BYTES:
        raise DataError(f"Clip {source.name} is too large", got=f"{source.stat().st_size} bytes")
    return source.read_bytes()


def read_items(segments: Path | None, numbers: list[int], n_clips: int, called: dict[str, str]) -> list[ListeningItem]:
    """Join clips with their scores.

    Parameters
    ----------
    segments : Path, optional
        The cell's ``segments.parquet``; without it, or if it is of other clips, items have neither origin nor scores.
    numbers : list of int
        Of the clips.
    n_clips : int
        All that the cell generated.
    called : dict of str to str
        What tables call the metrics.

    Raises
    ------
    DataError
        If the file is no table of segments.
    """
    if segments is None or not segments.is_file():
        return [ListeningItem(number, None) for number in numbers]
    table = _read_clips(segments, n_clips)
    of_clip = ((number, table[table["clip"] == number]) for number in numbers)
    return [_item(number, rows, called) if len(rows) else ListeningItem(number, None) for number, rows in of_clip]


def _item(number: int, rows: pd.DataFrame, called: dict[str, str]) -> ListeningItem:
    subject, stimulus, start_s = rows.iloc[0][list(ORIGIN)]
    scores: dict[str, dict[str, float]] = {}
    for metric, condition, value in zip(rows["metric"], rows["condition"], rows["value"], strict=True):
        scores.setdefault(metric, {})[condition] = float(value)
    return ListeningItem(number, (str(subject), str(stimulus), float(start_s)), scores, called)


def _score_text(name: str, value: float) -> str:
    if name == "identification" and value in (0, 1):
        return "yes" if value else "no"
    return f"{value:.2f}"


def _copy_clip(source: Path, out: Path) -> tuple[str, float]:
    """Copy a clip under the hash of its content, with its picture; return that name and its length in s."""
    from eeg2speech_bench.leaderboard.page.spectrogram import draw_mel, read_clip

    content = clip_content(source)
    name = hashlib.sha256(content).hexdigest()[:16]
    samples, rate_hz = read_clip(content, source)
    if not (out / f"{name}.png").exists():
        out.mkdir(parents=True, exist_ok=True)
        write_atomically(out / f"{name}.flac", content)
        write_atomically(out / f"{name}.png", draw_mel(samples, rate_hz))
    return name, len(samples) / rate_hz


def _read_clips(segments: Path, n_clips: int) -> pd.DataFrame:
    """Return the values of all segments with the number of their clip, -1 where there is none."""
    import pandas as pd
    import pyarrow

    try:
        table = pd.read_parquet(segments)
        table = table.astype({"subject": str, "start_s": float, "value": float})
        return table if "clip" in table else _numbered(table, n_clips)
    except (pyarrow.ArrowException, OSError, ValueError, TypeError, LookupError) as error:
        got = f"{type(error).__name__}: {error!s:.200}"
        raise DataError(f"{segments.name} is no table of segments", got=got, then="Run that cell again.") from error


def _numbered(table: pd.DataFrame, n_clips: int) -> pd.DataFrame:
    """Number clips by the order of rows, for files of before their number was kept."""
    # only metrics of generated speech are also computed for the true audio through the vocoder
    table = table[table["metric"].isin(table.loc[table["condition"] == "vocoder", "metric"])]
    by_metric = table[table["condition"] == "eeg"].groupby("metric", sort=False)
    complete = [rows for _, rows in by_metric if len(rows) == n_clips]
    if not complete:
        return table.assign(clip=-1)
    numbers = complete[0][list(ORIGIN)].assign(clip=range(n_clips))
    joined = table.merge(numbers, on=list(ORIGIN), how="left")
    return joined.assign(clip=joined["clip"].fillna(-1).astype(int))
