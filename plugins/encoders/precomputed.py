"""Hands on embeddings that a data set brings."""

from __future__ import annotations

from collections.abc import Iterable

from torch import Tensor

from eeg2speech_bench.core.conditioning import Conditioning, Encoder, pool_tokens
from eeg2speech_bench.core.errors import DataError
from eeg2speech_bench.core.segments.segment_store import MISC_KIND, Batch, SignalInfo, TargetInfo


class Precomputed(Encoder):
    """Gives the embeddings that a data set holds in place of EEG, and learns nothing.

    Parameters
    ----------
    signal : SignalInfo
        Its channels are the dimensions of the embeddings, its samples their frames.
    target : TargetInfo

    Raises
    ------
    DataError
        If the data set holds EEG, or its embeddings are of another width than the target's.
    """

    closed_form = True

    def __init__(self, signal: SignalInfo, target: TargetInfo) -> None:
        super().__init__()
        if any(channel.get("kind") != MISC_KIND for channel in signal.chs_info):
            then = "Use --dataset audioeeg, or an encoder that reads EEG."
            raise DataError("Encoder 'precomputed' needs a data set of embeddings", got="one of EEG", then=then)
        if signal.n_chans != target.dim:
            raise DataError(
                "The embeddings of the data set are of another width than those of the target",
                got=signal.n_chans,
                expected=target.dim,
                then="Choose the target that they were aligned to: --preset eeg2speech has that of audioeeg.",
            )
        self.n_tokens = min(signal.n_times, target.n_tokens)

    def forward(self, batch: Batch) -> Conditioning:
        """Return the embeddings, averaged in time where they have more frames than the target has tokens."""
        return Conditioning.from_tokens(pool_tokens(batch.eeg.transpose(1, 2), self.n_tokens))

    def fit(self, train: Iterable[tuple[Batch, Tensor]], valid: Iterable[tuple[Batch, Tensor]]) -> dict[str, float]:
        """Leave everything as it is."""
        return {}
