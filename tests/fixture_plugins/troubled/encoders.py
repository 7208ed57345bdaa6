"""Encoders that learn nothing, and meet trouble once each where a folder for its marks is named."""

import os
import signal
import subprocess
import time
from pathlib import Path

import psutil
import torch

from eeg2speech_bench.core.conditioning import Conditioning, Encoder


class Sound(Encoder):
    """One layer over averages of the EEG, as it was initialised."""

    closed_form = True

    def __init__(self, signal, target):
        super().__init__()
        self.n_tokens = target.n_tokens
        self.layer = torch.nn.Linear(signal.n_chans, target.dim)

    def fit(self, train, valid):
        folder = os.environ.get("TROUBLE_MARKS")
        if folder:
            self.meet(_is_first(Path(folder) / type(self).__name__))
        return {}

    def meet(self, is_first):
        """Meet what this kind meets."""

    def forward(self, batch):
        eeg = torch.nn.functional.adaptive_avg_pool1d(batch.eeg, self.n_tokens)
        return Conditioning.from_tokens(self.layer(eeg.transpose(1, 2).to(self.layer.weight.dtype)).float())


def _is_first(mark):
    """Leave a mark, and tell whether it is the first: two cells of one kind may come at once."""
    try:
        mark.touch(exist_ok=False)
    except FileExistsError:
        return False
    return True


class RaisesOnce(Sound):
    def meet(self, is_first):
        if is_first:
            raise ValueError("it rains")


class ExitsAlways(Sound):
    def meet(self, is_first):
        os._exit(7)


class KilledOnce(Sound):
    def meet(self, is_first):
        if is_first:
            job = [one for one in psutil.Process().parents() if "submitit.core._submit" in one.cmdline()]
            server = [one for one in psutil.Process().parents() if job[0] in one.parents()]
            for one in (*job, *server):
                one.kill()
            os.kill(os.getpid(), signal.SIGKILL)


class Stopped(Sound):
    """Has somebody stop its job, and waits for that."""

    command = ()

    def meet(self, is_first):
        if is_first:
            array, task = os.environ.get("SLURM_ARRAY_JOB_ID"), os.environ.get("SLURM_ARRAY_TASK_ID")
            job = f"{array}_{task}" if array else os.environ["SLURM_JOB_ID"]
            if self.command:
                subprocess.run([*self.command, job], check=True)
            time.sleep(120)
            raise TimeoutError("nobody stopped it")


class ToldOnce(Stopped):
    command = ("scancel", "--signal=USR2")


class PreemptedOnce(Stopped):
    pass


class RequeuedOnce(Stopped):
    command = ("scontrol", "requeue")
