"""
Bring your own encoder
======================

An encoder is a module that turns a batch of EEG windows into embeddings. In a notebook, pass the class itself.
"""

import matplotlib.pyplot as plt
import torch

from eeg2speech_bench import benchmarks, leaderboard
from eeg2speech_bench.core import Batch, Conditioning, Encoder, SignalInfo, TargetInfo


class Smooth(Encoder):
    """Two convolutions over time."""

    def __init__(self, signal: SignalInfo, target: TargetInfo, *, hidden: int = 64) -> None:
        super().__init__()
        self.n_tokens = target.n_tokens
        self.inner = torch.nn.Conv1d(signal.n_chans, hidden, 9, padding=4)
        self.outer = torch.nn.Conv1d(hidden, target.dim, 9, padding=4)

    def forward(self, batch: Batch) -> Conditioning:
        """Return one token per step of the target."""
        maps = torch.nn.functional.adaptive_avg_pool1d(self.outer(self.inner(batch.eeg).relu()), self.n_tokens)
        return Conditioning.from_tokens(maps.transpose(1, 2))  # (batch, n_tokens, dim)


few_steps = {"scores.which": "retrieval", "alignment.max_epochs": 2, "alignment.steps_per_epoch": 40}
(record,) = benchmarks.run(Smooth, overrides=few_steps, results="results")

# %%
# Is it told from no signal? One value per listener, and the level of guessing:

segments = leaderboard.read_results("results").segments("top1").query("encoder == @record.cell.title")
segments.pivot_table(index="subject", columns="condition", values="value")[["eeg", "shuffle"]].plot.bar(ylabel="top-1")
plt.show()
