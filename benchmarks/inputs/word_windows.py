"""Cuts windows at word onsets, as the published protocol does, from the EEG and audio of the test segments."""

from __future__ import annotations

from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from eeg2speech_bench.benchmarks.inputs.target_frames import FrameStore
from eeg2speech_bench.benchmarks.metrics.word_retrieval import identity
from eeg2speech_bench.core.segments.segment_store import SegmentStore
from eeg2speech_bench.core.segments.transcripts import words_in_windows

#: seconds of a window before its word (Defossez et al. 2023)
LEAD_S = 0.5
#: what the column ``split`` holds for windows at words and their segments
SPLIT = "word"
#: rounding of start times, in seconds
_TOLERANCE_S = 1e-3


class OnsetStore(SegmentStore):
    """Adds windows to a prepared data set that start `LEAD_S` before a word of the test split.

    A window at a word lies inside two test windows, one right after the other, and has a segment for every
    presentation of which both are segments. Its EEG and audio are samples that test segments have too, and never
    those of another split. The rows of the original tables keep their numbers; the new ones come last.
    """

    @cached_property
    def onsets(self) -> pd.DataFrame:
        """One row per window at a word: stimulus, start_s, word (its spelling), and where it lies.

        It starts ``in_s`` seconds after the start of window ``first`` and reaches into window ``next``.
        """
        return self._placed[0]

    @cached_property
    def windows(self) -> pd.DataFrame:
        """One row per stimulus window."""
        windows, onsets = self._table("windows"), self.onsets
        sound_start = windows["sound_start"].to_numpy(dtype=np.int64)
        inside = np.round(onsets["in_s"].to_numpy() * self.sound_rate_hz).astype(np.int64)
        first = np.minimum(sound_start[onsets["first"]] + inside, sound_start[onsets["next"]])
        added = onsets[["stimulus", "start_s"]].assign(sound_start=first, split=SPLIT, text=self._texts())
        return pd.concat([windows, added], ignore_index=True)

    @cached_property
    def segments(self) -> pd.DataFrame:
        """One row per segment (listener x stimulus window x presentation)."""
        segments = self._table("segments")
        return pd.concat([segments, self._placed[1][segments.columns]], ignore_index=True)

    @cached_property
    def _placed(self) -> tuple[pd.DataFrame, pd.DataFrame]:
        """Windows at words that somebody heard, and their segments."""
        windows = self._table("windows")
        candidates = _between_tested(_onsets(self.words), windows, self.window_s)
        found = _heard(candidates, self._table("segments"), self.window_s * self.signal.sfreq, self.signal.sfreq)
        kept = np.unique(found["onset"])
        found["window"] = len(windows) + np.searchsorted(kept, found["onset"])
        return candidates.loc[kept].reset_index(drop=True), found.assign(split=SPLIT)

    def _texts(self) -> np.ndarray:
        """Return the words in each window, as of any other window."""
        texts = np.full(len(self.onsets), "", dtype=object)
        for stimulus, rows in self.onsets.groupby("stimulus", sort=False).indices.items():
            words = self.words[self.words["stimulus"] == stimulus]
            middles_s = (words["start_s"] + words["stop_s"]).to_numpy() / 2
            starts_s = self.onsets["start_s"].to_numpy()[rows]
            texts[rows] = words_in_windows(words["text"].tolist(), middles_s, starts_s, self.window_s)
        return texts


class OnsetFrames(FrameStore):
    """Gathers target frames by the windows of an `OnsetStore`: from the end of one window and the start of the next.

    Parameters
    ----------
    path : Path
        Folder of a finished ``features`` stage.
    store : OnsetStore
    """

    def __init__(self, path: Path, store: OnsetStore) -> None:
        super().__init__(path, store)
        self._onsets = store.onsets
        self._n_windows = len(store.windows) - len(store.onsets)

    def gather(self, windows: np.ndarray) -> np.ndarray:
        """Return frames of windows at words, float32 (batch, n_frames, n_features)."""
        onsets = self._onsets.iloc[windows - self._n_windows]
        before, after = super().gather(onsets["first"].to_numpy()), super().gather(onsets["next"].to_numpy())
        both = np.concatenate([before, after], axis=1)
        skipped = np.round(onsets["in_s"].to_numpy() * self.rate_hz).astype(np.int64)
        taken = np.minimum(skipped, self.n_frames)[:, None] + np.arange(self.n_frames)
        return np.take_along_axis(both, taken[:, :, None], axis=1)


def _onsets(words: pd.DataFrame) -> pd.DataFrame:
    """Return where windows of test words would start, each start once."""
    words = words[words["split"] == "test"]
    spelling = [identity(text) for text in words["text"]]
    onsets = words[["stimulus"]].assign(start_s=words["start_s"] - LEAD_S, word=spelling)
    return onsets.drop_duplicates(["stimulus", "start_s"])


def _between_tested(onsets: pd.DataFrame, windows: pd.DataFrame, window_s: float) -> pd.DataFrame:
    """Keep the onsets whose window lies in two test windows in a row, and say where in which: first, next, in_s."""
    tested = windows.loc[windows["split"] == "test", ["stimulus", "start_s"]].reset_index(names="window")
    tested = tested.sort_values("start_s")
    placed = _nearest(onsets, "start_s", tested, "first", direction="backward", tolerance=window_s)
    placed["in_s"] = placed["start_s"] - windows["start_s"].to_numpy()[placed["first"]]
    placed["next_s"] = windows["start_s"].to_numpy()[placed["first"]] + window_s
    exact = placed[placed["in_s"] <= _TOLERANCE_S]
    between = _nearest(placed, "next_s", tested, "next", direction="nearest", tolerance=_TOLERANCE_S)
    placed = pd.concat([exact.assign(next=exact["first"]), between[between["in_s"] > _TOLERANCE_S]])
    return placed.drop(columns="next_s").sort_values(["stimulus", "start_s"], ignore_index=True)


def _nearest(table: pd.DataFrame, key: str, tested: pd.DataFrame, name: str, **how: Any) -> pd.DataFrame:
    """Keep the rows whose ``key`` is matched by the start of a test window, and number that window in a new column."""
    joined = pd.merge_asof(
        table.sort_values(key),
        tested.rename(columns={"start_s": "_start_s", "window": name}),
        left_on=key,
        right_on="_start_s",
        by="stimulus",
        **how,
    )
    return joined.dropna(subset=[name]).drop(columns="_start_s").astype({name: np.int64})


def _heard(candidates: pd.DataFrame, segments: pd.DataFrame, n_window: float, sfreq: float) -> pd.DataFrame:
    """Return the presentations of both windows that a candidate lies in, as rows of the segment table.

    Parameters
    ----------
    n_window : float
        Samples from one window to the next.
    """
    tested = segments[segments["split"] == "test"].drop(columns="split")
    pairs = candidates[["first", "next", "in_s"]].reset_index(names="onset")
    pairs = pairs.merge(tested, left_on="first", right_on="window")
    following = tested[["recording", "window", "eeg_start"]].rename(columns={"window": "next", "eeg_start": "_next"})
    pairs = pairs.merge(following, on=["recording", "next"])
    step = np.where(pairs["first"] == pairs["next"], 0, n_window)
    # a recording may hold several presentations of a stimulus; starts are rounded to samples
    pairs = pairs[np.abs(pairs["_next"] - pairs["eeg_start"] - step) <= 1]
    start = pairs["eeg_start"] + np.round(pairs["in_s"] * sfreq).astype(np.int64)
    return pairs.assign(eeg_start=np.minimum(start, pairs["_next"])).sort_values(["recording", "eeg_start"])
