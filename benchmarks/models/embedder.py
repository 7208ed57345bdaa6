"""What a trained encoder says of test segments and of every control."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from eeg2speech_bench.benchmarks.inputs.controls import ControlSource
from eeg2speech_bench.benchmarks.inputs.target_frames import FrameStore
from eeg2speech_bench.benchmarks.models.pair import Pair
from eeg2speech_bench.core.conditioning import check_conditioning, pool_tokens
from eeg2speech_bench.core.conditions import ENCODED
from eeg2speech_bench.core.contrastive.loss import clip_scores
from eeg2speech_bench.core.segments.segment_store import Batch, SegmentStore
from eeg2speech_bench.core.spacing import evenly_spaced

#: training segments behind the mean condition
N_MEAN_SEGMENTS = 512
BATCH_SIZE = 128


class Embedder:
    """Runs encoder and target over test segments, a batch at a time."""

    def __init__(self, store: SegmentStore, frames: FrameStore, pair: Pair, aligned: Path, device: str) -> None:
        self.store, self.frames, self.pair, self.device = store, frames, pair, device
        loaded = pair.load(store, aligned)
        self.encoder, self.target, self.bridge = loaded.encoder.to(device), loaded.target.to(device), loaded.bridge
        self.mean = self._mean_estimate()

    @torch.no_grad()
    def audio(self, windows: np.ndarray) -> Tensor:
        """Embed stimulus windows, pooled to the encoder's token count."""
        parts = []
        for first in range(0, len(windows), BATCH_SIZE):
            frames = torch.from_numpy(self.frames.gather(windows[first : first + BATCH_SIZE]))
            parts.append(pool_tokens(self.target(frames.to(self.device)), self.mean.shape[1]).cpu())
        return torch.cat(parts)

    @torch.no_grad()
    def _estimate(self, batch: Batch) -> Tensor:
        conditioning = check_conditioning(
            self.pair.encoder.name, self.encoder(batch.to(self.device)), len(batch), self.target.info
        )
        # a view of a parameter still asks for gradients here
        return conditioning.embeddings.detach().cpu()

    def _mean_estimate(self) -> Tensor:
        """Return the mean estimate of evenly spaced training segments, shape (1, n_tokens, dim)."""
        rows = self.store.indices("train")
        rows = rows[evenly_spaced(len(rows), N_MEAN_SEGMENTS)]
        total, n = torch.zeros(()), 0
        for first in range(0, len(rows), BATCH_SIZE):
            estimates = self._estimate(self.pair.gather(self.store, rows[first : first + BATCH_SIZE]))
            total, n = total + estimates.sum(0), n + len(estimates)
        return (total / n)[None]

    def condition(
        self,
        condition: str,
        source: ControlSource,
        n: int,
        clips: np.ndarray,
        candidates: Tensor,
        table: pd.DataFrame,
    ) -> tuple[np.ndarray, Tensor]:
        """Return score matrix (n, n_pool) and the embeddings of the clips (n_clips, n_tokens, dim)."""
        if condition in ENCODED:
            return self._encoded(condition, source, n, clips, candidates)
        if condition == "audio":
            own = candidates[torch.tensor(table["true"].to_numpy())]
            scores = np.concatenate([clip_scores(part, candidates).numpy() for part in own.split(BATCH_SIZE)])
            return scores, own[clips]
        # without a condition there is nothing to compare: all candidates score the same
        estimate = self.mean if condition == "mean" else torch.zeros_like(self.mean)
        scores = clip_scores(estimate, candidates).numpy().repeat(n, 0)
        return scores, estimate.expand(len(clips), -1, -1)

    def _encoded(
        self, condition: str, source: ControlSource, n: int, clips: np.ndarray, candidates: Tensor
    ) -> tuple[np.ndarray, Tensor]:
        scores: list[np.ndarray] = []
        kept: dict[int, Tensor] = {}
        for first in range(0, n, BATCH_SIZE):
            places = np.arange(first, min(first + BATCH_SIZE, n))
            estimates = self._estimate(source.gather(condition, places))
            scores.append(clip_scores(estimates, candidates).numpy())
            kept |= {place: estimates[place - first] for place in np.intersect1d(places, clips)}
        return np.concatenate(scores), torch.stack([kept[place] for place in clips])
