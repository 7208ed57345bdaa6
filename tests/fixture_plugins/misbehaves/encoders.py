"""Encoders that are sound but for one thing each."""

import os
import signal
import sys
import threading
import time

import torch

from eeg2speech_bench.core.conditioning import Conditioning, Encoder


class Sound(Encoder):
    """One layer over averages of the EEG, after whatever a subclass does."""

    def __init__(self, signal, target):
        super().__init__()
        self.n_tokens = target.n_tokens
        self.layer = torch.nn.Linear(signal.n_chans, target.dim)
        self.misbehave()

    def misbehave(self):
        """Do what this kind of plugin does."""

    def forward(self, batch):
        eeg = torch.nn.functional.adaptive_avg_pool1d(batch.eeg, self.n_tokens)
        return Conditioning.from_tokens(self.layer(eeg.transpose(1, 2).to(self.layer.weight.dtype)).float())


class ExitsInBuild(Sound):
    def misbehave(self):
        sys.exit(0)


class ExitsInFit(Sound):
    def fit(self, *_):
        sys.exit(0)


class Vanishes(Sound):
    def misbehave(self):
        os._exit(0)


class Crashes(Sound):
    def misbehave(self):
        os.kill(os.getpid(), signal.SIGSEGV)


class IsKilled(Sound):
    def misbehave(self):
        os.kill(os.getpid(), signal.SIGKILL)


class Hangs(Sound):
    def misbehave(self):
        time.sleep(3600)


class Grows(Sound):
    def misbehave(self):
        held = []
        while True:
            held.append(torch.ones(25_000_000))
            time.sleep(0.05)


class Moves(Sound):
    def misbehave(self):
        os.chdir("/")


class Retypes(Sound):
    def misbehave(self):
        torch.set_default_dtype(torch.float64)


class Reseeds(Sound):
    def misbehave(self):
        torch.manual_seed = lambda seed: torch.default_generator


class Lingers(Sound):
    def misbehave(self):
        threading.Thread(target=time.sleep, args=(3600,)).start()
