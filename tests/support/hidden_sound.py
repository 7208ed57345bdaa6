"""EEG that follows a hidden sound, which a lagged regression finds exactly."""

from __future__ import annotations

import numpy as np
import torch

from eeg2speech_bench.core.segments.segment_store import Batch, SignalInfo, TargetInfo

N_CHANS, N_TIMES, SFREQ, DIM = 4, 60, 30.0, 2
SIGNAL = SignalInfo(N_CHANS, N_TIMES, SFREQ, (), 2)
TARGET = TargetInfo(DIM, N_TIMES, SFREQ)


def segments(n_batches, signs=(1.0, -1.0), noise=0.1, seed=0):
    """EEG of two listeners that follows a hidden sound 2 samples late, with a sign of each listener's own."""
    rng = np.random.default_rng(seed)
    mixing = np.random.default_rng(99).standard_normal((N_CHANS, DIM))
    batches = []
    for _ in range(n_batches):
        sound = rng.standard_normal((8, DIM, N_TIMES))
        subject = np.arange(8) % 2
        late = np.roll(sound, 2, axis=-1) * np.asarray(signs)[subject][:, None, None]
        eeg = mixing @ late + noise * rng.standard_normal((8, N_CHANS, N_TIMES))
        tokens = torch.from_numpy(sound.transpose(0, 2, 1)).float() + 5
        batches.append((Batch(torch.from_numpy(eeg).float(), torch.from_numpy(subject), torch.arange(8)), tokens))
    return batches
