"""Matches a window of EEG with candidate sounds that are known before they are heard."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from eeg2speech_bench.benchmarks.inputs.controls import FAR
from eeg2speech_bench.benchmarks.trained.candidate_sounds import CandidateSound, score_candidates
from eeg2speech_bench.benchmarks.trained.listening import FEWEST_SHIFTS


class KnownSounds:
    """Candidate sounds, embedded from their start to their end.

    Parameters
    ----------
    candidates : sequence of CandidateSound

    Attributes
    ----------
    names : list of str
    n_windows : int
        Windows side by side that the longest sound holds.
    """

    def __init__(self, candidates: Sequence[CandidateSound]) -> None:
        self.candidates = candidates
        self.names = [candidate.name for candidate in candidates]
        self._moments = [_embedded(candidate) for candidate in candidates]
        self.n_windows = max(map(len, self._moments), default=0)

    def score(self, estimate: Tensor, number: int) -> tuple[np.ndarray, np.ndarray]:
        """Score every sound at the moment of a window.

        Parameters
        ----------
        estimate : Tensor, shape (1, n_tokens, dim)
            What the encoder says of the EEG.
        number : int
            Number of the window, counted from the start of the sounds.

        Returns
        -------
        scores : array of float32, shape (n_candidates,)
            As `listen` and `TrainedCell.rank` compute them; NaN behind the end of a sound.
        matches : array of float, shape (n_candidates,)
            The score in standard deviations of the scores of the same sound at other moments, three windows away or
            more; NaN of a sound too short for that.
        """
        if not self.candidates:
            return np.zeros(0, np.float32), np.zeros(0)
        start_s = number * self.candidates[0].window_s
        scores = score_candidates(estimate, np.array([start_s]), self.candidates)[0]
        own = estimate.flatten().float()
        pairs = zip(self._moments, scores.tolist(), strict=True)
        return scores, np.array([_match(moments, own, number, score) for moments, score in pairs])


def _embedded(candidate: CandidateSound) -> Tensor:
    """Embed the windows of a sound, (n, n_tokens * dim), each of length 1."""
    n = int((candidate.seconds + 1e-6) // candidate.window_s)
    moments = candidate.embed(candidate.window_s * np.arange(n)).flatten(1).float()
    return moments / (1e-8 + moments.norm(dim=1, keepdim=True))  # as in core.contrastive.loss.clip_scores


def _match(moments: Tensor, own: Tensor, number: int, score: float) -> float:
    wrong = moments[(torch.arange(len(moments)) - number).abs() >= FAR] @ own
    if len(wrong) < FEWEST_SHIFTS:
        return float("nan")
    return float((score - wrong.mean()) / wrong.std(correction=0).clip(1e-12))
