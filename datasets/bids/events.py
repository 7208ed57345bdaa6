"""Reads from the rows of an events.tsv which stretch of which stimulus was heard when."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from eeg2speech_bench.core.errors import DataError
from eeg2speech_bench.core.segments.recordings import Presentation, Stimulus
from eeg2speech_bench.datasets.sounds.sound_files import StimulusFolder

if TYPE_CHECKING:
    import pandas as pd

#: columns that say where inside the sound file a row lies, in seconds
IN_FILE_COLUMNS = ("stim_onset", "start")

#: seconds by which rows of one presentation may disagree on when the file started
JITTER_S = 0.1

#: a stimulus may lose this share, and at most these seconds, to the end of the recording or to the next stimulus
LOST_SHARE, LOST_S = 0.1, 5.0


class _Start(NamedTuple):
    """The recording's time at which a stimulus would have started from its first sample."""

    onset_s: float
    stimulus: Stimulus


def read_stimulus_rows(path: Path) -> tuple[pd.DataFrame | None, str]:
    """Read the rows of an events.tsv that name a ``stim_file``.

    Returns
    -------
    rows : DataFrame or None
        Columns onset, stim_file and in_file (NaN where the table has no such column), sorted by onset; None
        where there is nothing to join.
    reason : str
        Why there is nothing to join.
    """
    import pandas as pd

    if not path.is_file():
        return None, f"no {path.name}"
    table = pd.read_csv(path, sep="\t", encoding="utf-8-sig", dtype=str, keep_default_na=False)
    if "stim_file" not in table or "onset" not in table:
        return None, f"{path.name} has no column stim_file"
    table = table[~table["stim_file"].str.strip().isin(["", "n/a"])]
    if table.empty:
        return None, f"no row of {path.name} names a stim_file"
    in_file = next((name for name in IN_FILE_COLUMNS if name in table), None)
    rows = pd.DataFrame({"onset": _seconds(table["onset"]), "stim_file": table["stim_file"].str.strip()})
    rows["in_file"] = _seconds(table[in_file]) if in_file else np.nan
    if rows["onset"].isna().any():
        raise DataError(f"A row of {path} names a stim_file but its onset is no number", expected="seconds")
    return rows.sort_values("onset", kind="stable"), ""


def _seconds(column: pd.Series) -> pd.Series:
    import pandas as pd

    return pd.to_numeric(column, errors="coerce").astype(float)


def presentations(
    rows: pd.DataFrame, folder: StimulusFolder, recording_s: float, source: Path
) -> tuple[Presentation, ...]:
    """Join the rows of `read_stimulus_rows` to the stimuli.

    A row is the start of its file, unless the table has a column ``stim_onset`` (or ``start``) with the time
    inside the file. BIDS has no such column of its own and real data sets use rows in five ways
    (reference: datasets, 6.3), so rows that cannot all be starts are refused rather than guessed at.

    Parameters
    ----------
    rows : DataFrame
    folder : StimulusFolder
    recording_s : float
        Length of the recording in seconds.
    source : Path
        The events file, for messages.

    Raises
    ------
    DataError
        If the rows contradict each other, or more than a tenth or 5 s of a stimulus lies outside the recording
        or under the next stimulus.
    """
    starts: list[_Start] = []
    for stim_file, own in rows.groupby("stim_file", sort=False):
        stimulus = folder.find(str(stim_file), str(source))
        timed = own[own["in_file"].notna()]
        onsets = _starts_from_times(timed, stimulus, source) if len(timed) else _starts_from_rows(own, stimulus, source)
        starts += [_Start(onset, stimulus) for onset in onsets]
    starts.sort(key=lambda start: start.onset_s)
    following = [start.onset_s for start in starts[1:]] + [np.inf]
    return tuple(_heard(s, next_s, recording_s, source) for s, next_s in zip(starts, following, strict=True))


def _starts_from_rows(rows: pd.DataFrame, stimulus: Stimulus, source: Path) -> list[float]:
    onsets = rows["onset"].tolist()
    closest = float(np.min(np.diff(onsets), initial=np.inf))
    if closest < stimulus.duration_s - _may_lose_s(stimulus):
        raise DataError(
            f"{source} names '{rows['stim_file'].iloc[0]}' in rows that cannot all be its start",
            got=f"{len(rows)} rows, {closest:.2f} s apart at the closest, for {stimulus.duration_s:.2f} s of sound",
            expected="one row where the file starts, or a column with the time inside the file",
            then="Add a column stim_onset (seconds inside the file at each row's onset), or leave one row per start.",
        )
    return onsets


def _starts_from_times(rows: pd.DataFrame, stimulus: Stimulus, source: Path) -> list[float]:
    """Return onset minus in-file time, once per run of rows that agree on it."""
    in_file = rows["in_file"].to_numpy()
    wrong = (in_file < 0) | (in_file > stimulus.duration_s + JITTER_S)
    if wrong.any():
        raise DataError(
            f"{source} places a row outside '{rows['stim_file'].iloc[0]}'",
            got=f"{in_file[wrong][0]:g} s inside the file",
            expected=f"0 to {stimulus.duration_s:.2f} s",
            then="The column stim_onset (or start) holds seconds inside the sound file; correct or rename it.",
        )
    origin = rows["onset"].to_numpy() - in_file
    restarts = (np.diff(in_file) <= 0) & (np.abs(np.diff(origin)) > JITTER_S)
    return [_agreed(run, rows, source) for run in np.split(origin, np.flatnonzero(restarts) + 1)]


def _agreed(origins: np.ndarray, rows: pd.DataFrame, source: Path) -> float:
    start = float(np.median(origins))
    off = float(np.max(np.abs(origins - start)))
    if off > JITTER_S:
        raise DataError(
            f"Rows of {source} disagree on when '{rows['stim_file'].iloc[0]}' started",
            got=f"{off:.3f} s apart",
            expected=f"within {JITTER_S} s of each other",
            then="Correct the columns onset and stim_onset, or delete the rows that are off.",
        )
    return start


def _heard(start: _Start, next_s: float, recording_s: float, source: Path) -> Presentation:
    stimulus = start.stimulus
    begin = max(start.onset_s, 0.0)
    end = min(start.onset_s + stimulus.duration_s, recording_s, next_s)
    lost_s = stimulus.duration_s - max(0.0, end - begin)
    if lost_s > _may_lose_s(stimulus):
        raise DataError(
            f"{source} places '{stimulus.name}' at {start.onset_s:.2f} s, where it does not fit",
            got=f"{lost_s:.2f} of {stimulus.duration_s:.2f} s lost",
            expected=f"it to end within the recording ({recording_s:.2f} s)"
            + (f" and before the next stimulus ({next_s:.2f} s)" if np.isfinite(next_s) else ""),
            then="Correct the onset, or set stim_file to n/a in that row to leave the presentation out.",
        )
    return Presentation(stimulus.stimulus_id, begin, end - begin, begin - start.onset_s)


def _may_lose_s(stimulus: Stimulus) -> float:
    return min(LOST_SHARE * stimulus.duration_s, LOST_S)
