"""Makes the tables of zones, windows and segments, and proves that no EEG sample serves two splits."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import combinations

import numpy as np
import pandas as pd

from eeg2speech_bench.core.errors import DataError, LeakageError
from eeg2speech_bench.core.presets.config import PUBLISHED_WINDOW_S, DataConfig
from eeg2speech_bench.core.segments.recordings import Presentation, Stimulus, Word
from eeg2speech_bench.core.segments.segment_store import SPLITS
from eeg2speech_bench.core.segments.transcripts import words_in_windows
from eeg2speech_bench.datasets.preparation.sound_track import SoundTrack
from eeg2speech_bench.datasets.preparation.splits.plan import SplitPlan
from eeg2speech_bench.datasets.preparation.splits.zones import TOLERANCE_S

#: seconds of a published window before its word (Defossez et al. 2023)
LEAD_S = 0.5


def zone_table(plan: SplitPlan, stimuli: list[Stimulus], track: SoundTrack) -> pd.DataFrame:
    """Make the table of zones: stimulus, start_s, stop_s, sound_start, sound_stop, split."""
    index = {s.stimulus_id: i for i, s in enumerate(stimuli)}
    rows = sorted((index[z.stimulus_id], z.start_s, z.stop_s, z.split) for z in plan.zones)
    table = pd.DataFrame(rows, columns=["stimulus", "start_s", "stop_s", "split"])
    stimulus = table["stimulus"].to_numpy()
    table["sound_start"] = track.row(stimulus, table["start_s"].to_numpy())
    table["sound_stop"] = track.row(stimulus, table["stop_s"].to_numpy())
    return table


def window_table(zones: pd.DataFrame, stimuli: list[Stimulus], settings: DataConfig, track: SoundTrack) -> pd.DataFrame:
    """Make the table of stimulus windows: stimulus, start_s, split, sound_start, text.

    Training windows lie on a grid of ``settings.stride_s``, the others side by side; each within one zone. In a
    published protocol those that validate lie on the grid, too, and those of the test start at words.
    """
    parts: list[pd.DataFrame] = []
    for zone in zones.to_dict("records"):
        kept = {key: zone[key] for key in ("stimulus", "split")}
        if settings.protocol != "own" and zone["split"] == "test":
            starts_s = starts_at_words(zone["start_s"], zone["stop_s"], stimuli[zone["stimulus"]].words)
        else:
            on_grid = zone["split"] == "train" or settings.protocol != "own"
            step_s = settings.stride_s if on_grid else settings.window_s
            n = math.floor((zone["stop_s"] - zone["start_s"] - settings.window_s + TOLERANCE_S) / step_s) + 1
            starts_s = zone["start_s"] + step_s * np.arange(n)
        parts.append(pd.DataFrame({**kept, "start_s": starts_s}))
    windows = pd.concat(parts, ignore_index=True)
    n_samples = round(settings.window_s * track.rate_hz)
    windows["sound_start"] = track.row(windows["stimulus"].to_numpy(), windows["start_s"].to_numpy(), n_samples)
    windows["text"] = _texts(windows, stimuli, settings.window_s)
    return windows


def starts_at_words(start_s: float, stop_s: float, words: Sequence[Word]) -> np.ndarray:
    """Return the starts of windows at words, `LEAD_S` before each; all `PUBLISHED_WINDOW_S` of one lie in the zone."""
    starts_s = np.unique([word.start_s for word in words]) - LEAD_S
    return starts_s[(starts_s >= start_s - TOLERANCE_S) & (starts_s + PUBLISHED_WINDOW_S <= stop_s + TOLERANCE_S)]


def word_table(zones: pd.DataFrame, stimuli: list[Stimulus]) -> pd.DataFrame:
    """Make the table of words within one zone: stimulus, start_s, stop_s, text, sentence (-1: unknown), split."""
    columns = ["stimulus", "start_s", "stop_s", "text", "sentence", "split"]
    rows = [
        (zone["stimulus"], w.start_s, w.stop_s, w.text, -1 if w.sentence is None else w.sentence, zone["split"])
        for zone in zones.to_dict("records")
        for w in stimuli[zone["stimulus"]].words
        if zone["start_s"] <= w.start_s and w.stop_s <= zone["stop_s"]
    ]
    return pd.DataFrame(rows, columns=columns).astype({"stimulus": np.int64, "sentence": np.int64})


def phone_table(zones: pd.DataFrame, stimuli: list[Stimulus]) -> pd.DataFrame:
    """Make the table of phonemes within one zone: stimulus, start_s, stop_s, symbol, split."""
    rows = [
        (zone["stimulus"], phone.start_s, phone.stop_s, phone.symbol, zone["split"])
        for zone in zones.to_dict("records")
        for word in stimuli[zone["stimulus"]].words
        for phone in word.phones
        if zone["start_s"] <= phone.start_s and phone.stop_s <= zone["stop_s"]
    ]
    return pd.DataFrame(rows, columns=["stimulus", "start_s", "stop_s", "symbol", "split"])


def _texts(windows: pd.DataFrame, stimuli: list[Stimulus], window_s: float) -> list[str]:
    texts: list[str] = []
    for stimulus in windows["stimulus"].unique().tolist():
        starts_s = windows.loc[windows["stimulus"] == stimulus, "start_s"].to_numpy()
        words = stimuli[stimulus].words
        middles_s = np.array([(w.start_s + w.stop_s) / 2 for w in words])
        texts += words_in_windows([w.text for w in words], middles_s, starts_s, window_s)
    return texts


def segment_table(
    presentations: Sequence[Presentation],
    windows: pd.DataFrame,
    stimulus_ids: Sequence[str],
    settings: DataConfig,
    n_samples: int,
) -> pd.DataFrame:
    """Make the segments of one recording from what was heard in it: window, eeg_start (row of its own EEG), split.

    The EEG of a window starts ``settings.shift_s`` after its sound (reference: brainmagick, 4.4). Windows that
    a presentation covers only in part, or whose EEG leaves the recording, give no segment.
    """
    stimulus, start_s = windows["stimulus"].to_numpy(), windows["start_s"].to_numpy()
    n_times = round(settings.window_s * settings.sfreq)
    parts = []
    for p in presentations:
        covered = (
            (stimulus == stimulus_ids.index(p.stimulus_id))
            & (start_s >= p.start_s - TOLERANCE_S)
            & (start_s + settings.window_s <= p.start_s + p.duration_s + TOLERANCE_S)
        )
        window = np.flatnonzero(covered)
        time_s = p.onset_s + (start_s[window] - p.start_s) * p.clock_ratio + settings.shift_s
        first = np.round(time_s * settings.sfreq).astype(np.int64)
        inside = (first >= 0) & (first + n_times <= n_samples)
        parts.append(pd.DataFrame({"window": window[inside], "eeg_start": first[inside]}))
    segments = pd.concat(parts, ignore_index=True) if parts else pd.DataFrame({"window": [], "eeg_start": []})
    segments = segments.astype(np.int64)
    segments["split"] = windows["split"].to_numpy()[segments["window"]]
    return segments


def drop_unheard(windows: pd.DataFrame, segments: pd.DataFrame) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Drop windows without any segment and renumber the others in both tables."""
    heard = np.unique(segments["window"])
    renumbered = segments.assign(window=np.searchsorted(heard, segments["window"]))
    return windows.iloc[heard].reset_index(drop=True), renumbered


def count_segments(segments: pd.DataFrame) -> dict[str, int]:
    """Count segments per split; a split without any is a `DataError`."""
    counts = {split: int((segments["split"] == split).sum()) for split in SPLITS}
    if not all(counts.values()):
        raise DataError(
            "A split has no segment",
            got=", ".join(f"{split}: {n}" for split, n in counts.items()),
            expected="at least one in each",
            then="Change data.fractions, or check that the recordings cover the stimuli.",
        )
    return counts


def prove_eeg_apart(segments: pd.DataFrame, n_times: int, sfreq: float) -> float | None:
    """Return the smallest gap in seconds between EEG windows of different splits in one recording.

    Raises
    ------
    LeakageError
        If windows of two splits share recorded samples (more than the one that rounding to samples can cause).
    """
    gaps = [
        np.min(np.abs(one - other)) - n_times
        for _, own in segments.groupby("recording")
        for a, b in combinations(SPLITS, 2)
        for one, other in [_nearest(own, a, b)]
        if len(one)
    ]
    if not gaps:
        return None
    gap_s = float(min(gaps)) / sfreq
    if gap_s < -1.5 / sfreq:
        raise LeakageError(
            "Windows of different splits share recorded samples",
            got=f"an overlap of {-gap_s:.3f} s",
            expected="none",
            then="Check the onsets in events.tsv: two stimuli seem to sound at the same time.",
        )
    return gap_s


def _nearest(segments: pd.DataFrame, one: str, other: str) -> tuple[np.ndarray, np.ndarray]:
    """Pair each start in one split with the nearest start in the other."""
    first, second = (np.sort(segments.loc[segments["split"] == s, "eeg_start"].to_numpy()) for s in (one, other))
    if not len(first) or not len(second):
        return first[:0], second[:0]
    right = np.searchsorted(second, first).clip(0, len(second) - 1)
    left = (right - 1).clip(0)
    nearer = np.abs(second[left] - first) < np.abs(second[right] - first)
    return first, np.where(nearer, second[left], second[right])
