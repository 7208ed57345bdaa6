"""Says which of several sounds was heard, and when: how well each goes with the EEG, beside itself at wrong times."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from eeg2speech_bench.benchmarks.inputs.controls import FAR
from eeg2speech_bench.benchmarks.trained.candidate_sounds import CandidateSound
from eeg2speech_bench.core.errors import DataError

#: wrong times that each candidate is compared with at most, and those that a band needs at least
N_SHIFTS, FEWEST_SHIFTS = 200, 9
#: seconds over which the match is averaged along time
SMOOTHED_S = 30.0
#: share of guesses that the band holds
BAND = 0.95


@dataclass(frozen=True)
class HeardWindows:
    """Windows of a recording, and the moment of the candidates that each goes with.

    Attributes
    ----------
    starts_s : array, shape (n,)
        Times of the sound, in seconds from the recording's first sample.
    moments_s : array, shape (n,)
        The same times in seconds from the start of the candidates.
    heard : tuple of str, optional
        Name of the candidate that was heard in each window, where that is known.
    """

    starts_s: np.ndarray
    moments_s: np.ndarray
    heard: tuple[str, ...] | None = None

    def __len__(self) -> int:
        return len(self.starts_s)


@dataclass(frozen=True)
class Candidate:
    """What is found of one candidate over all windows that it reaches.

    Attributes
    ----------
    name : str
    mean_match : float
        Mean match, in standard deviations of matches at wrong times.
    first_share : float
        Share of windows in which it goes best with the EEG.
    p : float
        Share of wrong times at which it goes as well as at the right one.
    heard_s : list of (float, float)
        Stretches of time in which its match lies above the band of guessing.
    """

    name: str
    mean_match: float
    first_share: float
    p: float
    heard_s: list[tuple[float, float]]


def listen(estimates: Tensor, windows: HeardWindows, candidates: Sequence[CandidateSound]) -> pd.DataFrame:
    """Match every candidate with every window.

    Parameters
    ----------
    estimates : Tensor, shape (n, n_tokens, dim)
        What the encoder says of the windows.
    windows : HeardWindows
    candidates : sequence of CandidateSound

    Returns
    -------
    DataFrame
        One row per window and candidate that reaches it: start_s, candidate, score, rank, match (the score in standard
        deviations of that at wrong times), smoothed (the mean match of `SMOOTHED_S` seconds), low and high (the band of
        guessing), p (of the whole recording), and heard, where that is known.

    Raises
    ------
    DataError
        If a candidate reaches too few windows for a band.
    """
    tables = [_of_candidate(estimates, windows, candidate) for candidate in candidates]
    table = pd.concat(tables, ignore_index=True)
    table["rank"] = table.groupby("start_s")["score"].rank(ascending=False, method="average")
    return table.sort_values(["start_s", "candidate"], ignore_index=True)


def _of_candidate(estimates: Tensor, windows: HeardWindows, candidate: CandidateSound) -> pd.DataFrame:
    reached = np.flatnonzero(candidate.reaches(windows.moments_s))
    shifts = wrong_times(len(reached))
    if len(shifts) < FEWEST_SHIFTS:
        raise DataError(
            f"Candidate '{candidate.name}' reaches too few windows to tell a match from guessing",
            got=len(reached),
            expected=f"at least {FEWEST_SHIFTS + 2 * FAR - 1}",
            then="Give a longer recording, or longer sounds.",
        )
    sound = candidate.embed(windows.moments_s[reached]).flatten(1).float()
    sound = sound / (1e-8 + sound.norm(dim=1, keepdim=True))  # as in core.contrastive.loss.clip_scores
    own = estimates[torch.from_numpy(reached)].flatten(1).float()
    score = (own * sound).sum(1).numpy()
    wrong = np.stack([(own * sound.roll(-int(shift), 0)).sum(1).numpy() for shift in shifts])
    level, spread = wrong.mean(0), wrong.std(0).clip(1e-12)
    match, guesses = (score - level) / spread, (wrong - level) / spread
    width = max(1, round(SMOOTHED_S / candidate.window_s))
    smoothed = np.stack([_running_mean(guess, width) for guess in guesses])
    low, high = np.quantile(smoothed, [(1 - BAND) / 2, (1 + BAND) / 2], axis=0)
    p = (1 + int((guesses.mean(1) >= match.mean()).sum())) / (1 + len(shifts))
    values = {"score": score, "match": match, "smoothed": _running_mean(match, width), "low": low, "high": high, "p": p}
    table = pd.DataFrame({"start_s": windows.starts_s[reached], "candidate": candidate.name, **values})
    return table if windows.heard is None else table.assign(heard=np.asarray(windows.heard, dtype=object)[reached])


def wrong_times(n: int) -> np.ndarray:
    """Return the circular shifts, in windows, that count as wrong times of ``n`` windows: `FAR` or more either way."""
    shifts = np.arange(FAR, n - FAR + 1)
    if len(shifts) <= N_SHIFTS:
        return shifts
    return shifts[np.linspace(0, len(shifts) - 1, N_SHIFTS).round().astype(int)]


def _running_mean(values: np.ndarray, width: int) -> np.ndarray:
    """Return the mean of ``width`` neighbours, of fewer at the ends."""
    kernel = np.ones(width)
    mean: np.ndarray = np.convolve(values, kernel, "same") / np.convolve(np.ones(len(values)), kernel, "same")
    return mean[: len(values)]


def summarise(table: pd.DataFrame, window_s: float) -> list[Candidate]:
    """Return what is found of each candidate, best match first."""
    found = [
        Candidate(
            str(name),
            float(own["match"].mean()),
            float((own["rank"] == 1).mean()),
            float(own["p"].iloc[0]),
            _stretches(own, window_s),
        )
        for name, own in table.groupby("candidate")
    ]
    return sorted(found, key=lambda candidate: -candidate.mean_match)


def _stretches(own: pd.DataFrame, window_s: float) -> list[tuple[float, float]]:
    """Return the stretches of time in which the smoothed match lies above the band."""
    stretches: list[tuple[float, float]] = []
    for start_s in own.loc[own["smoothed"] > own["high"], "start_s"].tolist():
        if stretches and start_s - stretches[-1][1] < window_s / 2:
            stretches[-1] = (stretches[-1][0], start_s + window_s)
        else:
            stretches.append((start_s, start_s + window_s))
    return stretches


def share_right(table: pd.DataFrame) -> tuple[float, float, int]:
    """Return how often the candidate that was heard is the best one, how often guessing would be, and of how many."""
    n = table.groupby("start_s")["candidate"].transform("count")
    own = table[(table["candidate"] == table["heard"]) & (n > 1)]
    if own.empty:
        return float("nan"), float("nan"), 0
    return float((own["rank"] == 1).mean()), float((1 / n[own.index]).mean()), len(own)


def retrieval_scores(estimates: Tensor, pool: Sequence[tuple[CandidateSound, float]]) -> np.ndarray:
    """Score every window against every sound of a pool, (n, n_pool), as the cell's own retrieval does.

    Parameters
    ----------
    estimates : Tensor, shape (n, n_tokens, dim)
    pool : sequence of (CandidateSound, float)
        Sounds, each with the second at which its window starts.
    """
    from eeg2speech_bench.core.contrastive.loss import clip_scores

    sounds = torch.cat([candidate.embed(np.asarray([start_s])) for candidate, start_s in pool])
    scores: np.ndarray = clip_scores(estimates, sounds).numpy()
    return scores
