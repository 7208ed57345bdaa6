"""An encoder that forgets the tokens' axis."""

import torch

from eeg2speech_bench.core.conditioning import Conditioning, Encoder


class Flat(Encoder):
    def __init__(self, signal, target):
        super().__init__()
        self.layer = torch.nn.Linear(signal.n_chans, target.dim)

    def forward(self, batch):
        pooled = self.layer(batch.eeg.mean(-1))
        return Conditioning(pooled, torch.ones(len(batch), 1, dtype=torch.bool), pooled)
