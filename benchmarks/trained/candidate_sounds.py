"""Embeds candidate sounds as the target of a model does, and ranks them by how well they go with the EEG."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

from eeg2speech_bench.benchmarks.trained.model_folder import ModelDescription
from eeg2speech_bench.core.conditioning import check_frames
from eeg2speech_bench.core.contrastive.loss import clip_scores
from eeg2speech_bench.core.errors import DataError, naming_plugin
from eeg2speech_bench.core.generator.conditioner import Conditioner

if TYPE_CHECKING:
    import pandas as pd

#: what a sound is read from by its ending
SOUND_SUFFIXES = {".wav", ".flac", ".ogg", ".mp3"}


class CandidateSound:
    """One sound that may have been heard, as the frames of the model's target.

    Parameters
    ----------
    name : str
    samples : array of float32, shape (n_samples,)
        At the rate of the model's sound.
    conditioner : Conditioner
    description : ModelDescription
    device : str
    """

    def __init__(
        self, name: str, samples: np.ndarray, conditioner: Conditioner, description: ModelDescription, device: str
    ) -> None:
        self.name, self._conditioner, self._device = name, conditioner, device
        target, rate_hz = conditioner.target, description.sound.rate_hz
        self.seconds = len(samples) / rate_hz
        self.rate_hz = float(target.feature_rate_hz)
        self.window_s = description.config.data.window_s
        self.n_frames = round(self.window_s * self.rate_hz)
        if self.seconds < self.window_s:
            expected = f"at least {self.window_s:g} s"
            raise DataError(f"Candidate '{name}' is too short", got=f"{self.seconds:.2f} s", expected=expected)
        called = f"Target '{description.target.name}'"
        with naming_plugin(called), torch.no_grad():
            sound = torch.from_numpy(np.ascontiguousarray(samples, dtype=np.float32)).to(device)
            frames = target.features(sound)
        self._frames = check_frames(description.target.name, frames, self.seconds, self.rate_hz).cpu()

    def reaches(self, starts_s: np.ndarray) -> np.ndarray:
        """Return which windows lie within the sound, bool (n,)."""
        return (starts_s > -1e-6) & (starts_s + self.window_s < self.seconds + 1e-6)

    def embed(self, starts_s: np.ndarray) -> Tensor:
        """Embed windows that start at some seconds of the sound, (n, n_tokens, dim) on the CPU."""
        first = np.round(starts_s * self.rate_hz).astype(np.int64)
        # rounding may put the last window one frame past the end
        first = np.minimum(first, max(0, len(self._frames) - self.n_frames))
        frames = self._frames[torch.from_numpy(first[:, None] + np.arange(self.n_frames))]
        parts = [self._conditioner.embed_audio(part.to(self._device)).cpu() for part in frames.split(128)]
        return torch.cat(parts)


def score_candidates(estimates: Tensor, starts_s: np.ndarray, candidates: Sequence[CandidateSound]) -> np.ndarray:
    """Score each candidate at the moment of each window.

    Parameters
    ----------
    estimates : Tensor, shape (n, n_tokens, dim)
        What the encoder says of the EEG.
    starts_s : array, shape (n,)
        Seconds of the candidates at which the windows start.
    candidates : sequence of CandidateSound

    Returns
    -------
    array of float32, shape (n, n_candidates)
        NaN where a candidate does not reach.
    """
    scores = np.full((len(estimates), len(candidates)), np.nan, dtype=np.float32)
    for column, candidate in enumerate(candidates):
        reached = candidate.reaches(starts_s)
        if not reached.any():
            continue
        embedded = candidate.embed(starts_s[reached])
        own = estimates[torch.from_numpy(reached)]
        scores[reached, column] = [
            float(clip_scores(one[None], other[None])) for one, other in zip(own, embedded, strict=True)
        ]
    return scores


def rank_table(scores: np.ndarray, starts_s: np.ndarray, names: Sequence[str]) -> pd.DataFrame:
    """Return one row per window and candidate: start_s, candidate, score, rank (1: goes best with the EEG)."""
    import pandas as pd

    table = pd.DataFrame(
        {
            "start_s": np.repeat(starts_s, len(names)),
            "candidate": np.tile(np.asarray(names, dtype=object), len(starts_s)),
            "score": scores.ravel(),
        }
    ).dropna(ignore_index=True)
    table["rank"] = table.groupby("start_s")["score"].rank(ascending=False, method="average")
    return table


def read_candidates(
    sounds: Mapping[str, np.ndarray | Path | str], description: ModelDescription
) -> dict[str, np.ndarray]:
    """Return the samples of candidates at the rate of the model's sound; files are read and resampled.

    Raises
    ------
    DataError
        If there are none, or the model was trained on envelopes, which no file of sound is.
    """
    if not sounds:
        raise DataError("There are no candidate sounds", expected=f"files such as {', '.join(sorted(SOUND_SUFFIXES))}")
    return {
        name: sound if isinstance(sound, np.ndarray) else _read(Path(sound), description)
        for name, sound in sounds.items()
    }


def _read(path: Path, description: ModelDescription) -> np.ndarray:
    import soundfile
    from torchaudio.functional import resample

    sound = description.sound
    if sound.kind != "waveform":
        then = "Give arrays of the envelope at that rate, or name the data set with --dataset."
        got, expected = str(path), f"the {sound.kind} at {sound.rate_hz:g} Hz"
        raise DataError("The model was not trained on sounds", got=got, expected=expected, then=then)
    try:
        samples, rate_hz = soundfile.read(path, dtype="float32", always_2d=True)
    except (soundfile.LibsndfileError, RuntimeError, OSError) as error:
        raise DataError(f"Candidate {path} cannot be read", got=str(error)) from None
    mono = torch.from_numpy(samples.mean(1))
    # as data sets are read: torchaudio's default of 6 zero crossings takes more of what is below 8 kHz
    wave: np.ndarray = resample(mono, rate_hz, round(sound.rate_hz), lowpass_filter_width=64).numpy()
    return wave
