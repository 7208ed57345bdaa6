"""Trains an encoder, and a target that has weights, to share one embedding space."""

from __future__ import annotations

from typing import Any

import lightning as L
import torch
from torch import Tensor

from eeg2speech_bench.core.conditioning import Encoder, Target, check_conditioning, pool_tokens
from eeg2speech_bench.core.contrastive.loss import ClipLoss, clip_scores
from eeg2speech_bench.core.errors import ContractError
from eeg2speech_bench.core.machine.ranks import this_rank
from eeg2speech_bench.core.presets.config import AlignmentConfig
from eeg2speech_bench.core.segments.segment_store import Batch
from eeg2speech_bench.core.training.finite_values import FiniteValues


class DivergedError(ContractError):
    """A training whose loss is not finite."""


class Alignment(L.LightningModule):
    """Trains encoder and target with the CLIP loss; validates by retrieval among unseen windows.

    Parameters
    ----------
    name : str
        The encoder's name, for messages.
    encoder : Encoder
    target : Target
        Trained along if ``target.trained_jointly``, else frozen.
    config : AlignmentConfig
    valid_windows : Tensor of int, shape (n_pool,)
        Stimulus windows of the validation pool.
    valid_frames : Tensor, shape (n_pool, n_frames, n_features)
        Their frames.
    """

    valid_windows: Tensor
    valid_frames: Tensor

    def __init__(
        self,
        name: str,
        encoder: Encoder,
        target: Target,
        config: AlignmentConfig,
        valid_windows: Tensor,
        valid_frames: Tensor,
    ) -> None:
        super().__init__()
        self.name, self.encoder, self.target, self.config = name, encoder, target, config
        self.target.requires_grad_(target.trained_jointly)
        self.loss = ClipLoss(symmetric=config.symmetric)
        self.register_buffer("valid_windows", valid_windows, persistent=False)
        self.register_buffer("valid_frames", valid_frames, persistent=False)
        self.n_pool = len(valid_windows)
        self.finite = FiniteValues()
        self.history: list[dict[str, float]] = []
        self._losses: list[Tensor] = []
        self._reciprocal_ranks: list[Tensor] = []

    def estimate(self, batch: Batch) -> Tensor:
        """Return the encoder's tokens (batch, n_tokens, dim), checked against the contract."""
        found = check_conditioning(self.name, self.encoder(batch), len(batch), self.target.info, self.finite)
        return found.embeddings

    def training_step(self, item: tuple[Batch, Tensor, Tensor]) -> Tensor:
        """Return the loss of (segments, frames of their windows, which of them share audio)."""
        batch, frames, same_audio = item
        estimates = self.estimate(batch)
        candidates = pool_tokens(self.target(frames), estimates.shape[1])
        estimates, candidates = self._of_all(estimates), self._of_all(candidates)
        loss = self.loss(estimates, candidates, same_audio if self.config.mask_same_audio else None)
        diverged = DivergedError(
            f"Training of encoder '{self.name}' diverged at step {self.global_step}",
            got="a loss that is not finite",
            then="Lower it with --set alignment.learning_rate=1e-4.",
        )
        self.finite(torch.isfinite(loss.detach()), diverged)
        self._losses.append(loss.detach())
        return loss

    def _of_all(self, tokens: Tensor) -> Tensor:
        """Join the tokens of all processes that train together, so that the negatives are those of the whole batch."""
        if this_rank().count == 1:
            return tokens
        return self.all_gather(tokens, sync_grads=True).flatten(0, 1)  # type: ignore[union-attr]  # a tensor gives one

    def on_validation_epoch_start(self) -> None:
        """Embed the validation pool once."""
        self._pool = self.target(self.valid_frames)

    def validation_step(self, item: tuple[Batch, Tensor]) -> None:
        """Rank the true window of each segment in the pool."""
        batch, _ = item
        estimates = self.estimate(batch)
        scores = clip_scores(estimates, pool_tokens(self._pool, estimates.shape[1]))
        true = torch.searchsorted(self.valid_windows, batch.window)
        own = scores.gather(1, true[:, None])
        rank = (scores > own).sum(1) + 0.5 * ((scores == own).sum(1) - 1)
        self._reciprocal_ranks.append(1 / (1 + rank))

    def on_validation_epoch_end(self) -> None:
        """Log the mean reciprocal rank, by which the best weights are chosen."""
        self.finite.look()
        reciprocal_rank = torch.cat(self._reciprocal_ranks).mean()
        self._reciprocal_ranks.clear()
        self.log("valid_mrr", reciprocal_rank, sync_dist=True)  # every process validates on everything
        if not self.trainer.sanity_checking:
            losses = [loss.to(self.device) for loss in self._losses]  # those of a checkpoint come from the CPU
            loss = torch.stack(losses).mean() if losses else torch.tensor(0.0)
            self._losses.clear()
            row = {"epoch": self.current_epoch, "step": self.global_step}
            self.history.append({**row, "train_loss": float(loss), "valid_mrr": float(reciprocal_rank)})

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Add what was noted on the way."""
        self.finite.look()
        checkpoint["noted"] = {"history": self.history, "losses": self._losses}

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Go on with what was noted on the way."""
        self.history, self._losses = checkpoint["noted"]["history"], checkpoint["noted"]["losses"]

    def configure_optimizers(self) -> torch.optim.Optimizer:
        """Return Adam as in brainmagick (Defossez et al. 2023), with decoupled weight decay if asked for."""
        weights = [p for p in self.parameters() if p.requires_grad]
        config = self.config
        fused = self.device.type == "cuda"
        return torch.optim.AdamW(weights, config.learning_rate, weight_decay=config.weight_decay, fused=fused)
