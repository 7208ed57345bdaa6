"""Keeps what is found in a stream: a row per window and sound, written at once, and a summary at the end."""

from __future__ import annotations

import csv
import io
import math
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import soundfile

from eeg2speech_bench.benchmarks.live.stream_decoder import DecodedWindow, DroppedWindow
from eeg2speech_bench.benchmarks.live.stream_windows import StreamWindows
from eeg2speech_bench.benchmarks.trained.trained_cell import TrainedCell
from eeg2speech_bench.core.segments.clips import CLIP_RATE_HZ
from eeg2speech_bench.core.stages.json_files import write_atomically, write_json
from eeg2speech_bench.core.training.seeding import derive_seed

TABLE, SUMMARY = "matches.csv", "live.json"
COLUMNS = ("start_s", "candidate", "score", "rank", "match", "delay_s")


@dataclass
class LiveResults:
    """What was found in the windows of a stream.

    Parameters
    ----------
    folder : Path
        Where the table is written, row by row.
    names : list of str
        Of the candidates.
    """

    folder: Path
    names: list[str]
    decoded: list[tuple[DecodedWindow, float]] = field(default_factory=list)
    dropped: list[DroppedWindow] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._append([COLUMNS])

    def add(self, window: DecodedWindow, delay_s: float) -> None:
        """Keep a window, and how long after its newest sample it was known."""
        self.decoded.append((window, delay_s))
        ranks = rank(window.scores)
        found = zip(self.names, window.scores.tolist(), ranks.tolist(), window.matches.tolist(), strict=True)
        rows: list[tuple[Any, ...]] = [
            (f"{window.start_s:.6f}", name, f"{score:.9g}", place, "" if math.isnan(match) else f"{match:.6g}")
            for name, score, place, match in found
            if not math.isnan(score)
        ]
        if not self.names:
            rows = [(f"{window.start_s:.6f}", "", "", "", "")]
        self._append([(*row, f"{delay_s:.4f}") for row in rows])

    def _append(self, rows: list[tuple[Any, ...]]) -> None:
        with (self.folder / TABLE).open("a", newline="", encoding="utf8") as file:
            csv.writer(file, lineterminator="\n").writerows(rows)

    def delays(self) -> dict[str, float | None]:
        """Return the median and the worst delay from the newest sample of a window to its result, in seconds."""
        delays = [delay_s for _, delay_s in self.decoded]
        if not delays:
            return {"median_s": None, "worst_s": None}
        return {"median_s": float(np.median(delays)), "worst_s": max(delays)}

    def candidates(self) -> list[dict[str, Any]]:
        """Return what is found of each candidate over all windows that it reaches, best first."""
        scores = np.array([window.scores for window, _ in self.decoded]).reshape(len(self.decoded), len(self.names))
        matches = np.array([window.matches for window, _ in self.decoded]).reshape(scores.shape)
        ranks = np.array([rank(row) for row in scores]).reshape(scores.shape)
        found = []
        for column, name in enumerate(self.names):
            reached = ~np.isnan(scores[:, column])
            known = matches[reached & ~np.isnan(matches[:, column]), column]
            found.append(
                {
                    "name": name,
                    "n_windows": int(reached.sum()),
                    "first_share": float((ranks[reached, column] == 1).mean()) if reached.any() else None,
                    "mean_match": float(known.mean()) if len(known) else None,
                }
            )
        return sorted(found, key=lambda one: -(one["mean_match"] or 0.0))

    def write_summary(self, windows: StreamWindows, about: dict[str, Any]) -> dict[str, Any]:
        """Write what can be said of the whole stream, and return it.

        Parameters
        ----------
        windows : StreamWindows
        about : dict
            What only the caller knows.
        """
        buffer = windows.buffer
        lasted_s = buffer.last_stamp - buffer.first_stamp if buffer.first_stamp is not None else 0.0
        rate = (buffer.n_received + buffer.n_lost - 1) / lasted_s if lasted_s > 0 else None
        summary = about | {
            "sfreq": buffer.sfreq,
            "measured_sfreq": rate,
            "n_received": buffer.n_received,
            "n_lost": buffer.n_lost,
            "gaps_s": [[gap.first / buffer.sfreq, gap.stop / buffer.sfreq] for gap in buffer.gaps],
            "losses_seen_from_n_samples": math.floor(buffer.clock.tolerance) + 1,
            "window_s": windows.settings.window_s,
            "waits_s": windows.ahead_s[0],
            "calibrated_s": windows.calibrated_s,
            "notes": list(windows.notes),
            "n_windows": len(self.decoded),
            "dropped": [{"start_s": one.start_s, "why": one.why} for one in self.dropped],
            "delay": self.delays(),
            "candidates": self.candidates(),
        }
        write_json(self.folder / SUMMARY, summary)
        return summary


def rank(scores: np.ndarray) -> np.ndarray:
    """Return the rank of each score, (n,): 1 for the highest, the mean of their ranks for equal ones, NaN for NaN."""
    higher = (scores[None] > scores[:, None]).sum(1)
    equal = (scores[None] == scores[:, None]).sum(1)
    return np.where(np.isnan(scores), np.nan, higher + (equal + 1) / 2)


class WindowSpeech:
    """Speaks windows, each into a file of its own.

    Parameters
    ----------
    cell : TrainedCell
    folder : Path
        Made here.
    seed : int
    n_steps : int, optional
        Sampling steps; by default the cell's.
    """

    def __init__(self, cell: TrainedCell, folder: Path, seed: int, n_steps: int | None) -> None:
        self.cell, self.folder, self.seed, self.n_steps = cell, folder, seed, n_steps
        self.spoken: list[str] = []
        self.skipped = 0
        _ = cell.generator  # a cell of retrieval alone is refused before anything is read
        folder.mkdir(parents=True, exist_ok=True)

    def write(self, window: DecodedWindow) -> Path:
        """Write what is generated of a window, whole or not at all, and return its place."""
        seed = derive_seed(self.seed, "clip", window.number)
        clips = self.cell.generate(self.cell.condition(window.estimate), [seed], n_steps=self.n_steps)
        sound = io.BytesIO()
        soundfile.write(sound, clips.waveform[0].clip(-1, 1), CLIP_RATE_HZ, "PCM_16", format="WAV")
        path = self.folder / f"{window.start_s:09.2f}s.wav"
        write_atomically(path, sound.getvalue())
        self.spoken.append(path.name)
        return path
