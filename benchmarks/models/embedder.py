"""Runs a trained pair over test segments: scores among candidates and conditions of the generator."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from eeg2speech_bench.benchmarks.inputs.controls import ControlSource
from eeg2speech_bench.benchmarks.inputs.target_frames import FrameStore
from eeg2speech_bench.benchmarks.models.pair import Pair
from eeg2speech_bench.core.conditioning import Conditioning, pool_tokens
from eeg2speech_bench.core.conditions import ENCODED
from eeg2speech_bench.core.contrastive.loss import clip_scores
from eeg2speech_bench.core.generator.conditioner import Conditioner
from eeg2speech_bench.core.segments.segment_store import SegmentStore
from eeg2speech_bench.core.statistics.spacing import evenly_spaced

#: training segments behind the mean condition
N_MEAN_SEGMENTS = 512
BATCH_SIZE = 128


@dataclass(frozen=True)
class Candidates:
    """Holds test segments, and the windows among which each is looked for.

    Attributes
    ----------
    source : ControlSource
        Gives the test segments under every condition.
    embeddings : Tensor, shape (n_pool, n_tokens, dim)
        What the target says of the windows.
    windows : array of int, shape (n_pool,)
        Which windows those are.
    true : array of int, shape (n,)
        The place of each segment's own window among them.
    """

    source: ControlSource
    embeddings: Tensor
    windows: np.ndarray
    true: np.ndarray


class Embedder:
    """Runs encoder and target over test segments, a batch at a time.

    Parameters
    ----------
    store : SegmentStore
    frames : FrameStore
    pair : Pair
    conditioner : Conditioner
        Of the trained pair; the same code that made the conditions of training.
    device : str
    """

    def __init__(
        self, store: SegmentStore, frames: FrameStore, pair: Pair, conditioner: Conditioner, device: str
    ) -> None:
        self.store, self.frames, self.pair, self.device = store, frames, pair, device
        self.conditioner = conditioner.to(device)
        self.mean = self._mean_estimate()

    def audio(self, windows: np.ndarray) -> Tensor:
        """Embed stimulus windows, pooled to the encoder's token count."""
        parts = []
        for first in range(0, len(windows), BATCH_SIZE):
            frames = torch.from_numpy(self.frames.gather(windows[first : first + BATCH_SIZE]))
            parts.append(self.conditioner.embed_audio(frames.to(self.device)).cpu())
        return torch.cat(parts)

    def scores(self, condition: str, candidates: Candidates) -> np.ndarray:
        """Score all candidates for every test segment, shape (n, n_pool)."""
        parts = (clip_scores(part, candidates.embeddings).numpy() for _, part in self._estimates(condition, candidates))
        return self._of_all(condition, np.concatenate(list(parts)), candidates)

    def embeddings(self, condition: str, candidates: Candidates, n_tokens: int) -> np.ndarray:
        """Embed every test segment, averaged in time to float32 (n, n_tokens, dim)."""
        parts = (pool_tokens(part, n_tokens).numpy() for _, part in self._estimates(condition, candidates))
        return self._of_all(condition, np.concatenate(list(parts)).astype(np.float32), candidates)

    def scores_and_conditions(
        self, condition: str, candidates: Candidates, clips: np.ndarray
    ) -> tuple[np.ndarray, Conditioning]:
        """Score all candidates, and return what the generator is given for some segments, in one pass.

        Parameters
        ----------
        condition : str
        candidates : Candidates
        clips : array of int, shape (n_clips,)
            Places of the segments whose conditions are wanted.
        """
        scores: list[np.ndarray] = []
        kept: dict[int, Tensor] = {}
        for places, estimates in self._estimates(condition, candidates):
            scores.append(clip_scores(estimates, candidates.embeddings).numpy())
            kept |= {place: estimates[place - places[0]] for place in np.intersect1d(places, clips)}
        scored = self._of_all(condition, np.concatenate(scores), candidates)
        if condition == "none":
            return scored, self.conditioner.from_nothing(len(clips), self.device)
        if condition == "audio":
            frames = self.frames.gather(candidates.windows[candidates.true[clips]])
            return scored, self.conditioner.from_audio(torch.from_numpy(frames).to(self.device))
        own = condition in ENCODED
        raw = torch.stack([kept[place] for place in clips]) if own else estimates.expand(len(clips), -1, -1)
        return scored, self.conditioner.from_estimate(raw.to(self.device))

    def _estimates(self, condition: str, candidates: Candidates) -> Iterator[tuple[np.ndarray, Tensor]]:
        """Yield places and embeddings; where all segments have the same, one row stands for all of them."""
        if condition == "mean":
            yield np.zeros(1, dtype=np.int64), self.mean
        elif condition == "none":  # there is nothing to compare: all candidates score the same
            yield np.zeros(1, dtype=np.int64), torch.zeros_like(self.mean)
        else:
            yield from self._batches(condition, candidates)

    def _batches(self, condition: str, candidates: Candidates) -> Iterator[tuple[np.ndarray, Tensor]]:
        n = len(candidates.true)
        for first in range(0, n, BATCH_SIZE):
            places = np.arange(first, min(first + BATCH_SIZE, n))
            if condition == "audio":
                yield places, candidates.embeddings[torch.tensor(candidates.true[places])]
            else:
                batch = candidates.source.gather(condition, places)
                yield places, self.conditioner.estimate(batch.to(self.device)).cpu()

    @staticmethod
    def _of_all(condition: str, made: np.ndarray, candidates: Candidates) -> np.ndarray:
        return made.repeat(len(candidates.true), 0) if condition in ("mean", "none") else made

    def _mean_estimate(self) -> Tensor:
        """Return the mean estimate of evenly spaced training segments, shape (1, n_tokens, dim)."""
        rows = self.store.indices("train")
        rows = rows[evenly_spaced(len(rows), N_MEAN_SEGMENTS)]
        total, n = torch.zeros(()), 0
        for first in range(0, len(rows), BATCH_SIZE):
            batch = self.pair.gather(self.store, rows[first : first + BATCH_SIZE])
            estimates = self.conditioner.estimate(batch.to(self.device)).cpu()
            total, n = total + estimates.sum(0), n + len(estimates)
        return (total / n)[None]
