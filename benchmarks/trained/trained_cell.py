"""A trained cell: encodes recordings, makes speech of what it finds, and tells candidate sounds apart."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

from eeg2speech_bench.benchmarks.models.generator import decode, vocode
from eeg2speech_bench.benchmarks.trained.candidate_sounds import (
    CandidateSound,
    rank_table,
    read_candidates,
    score_candidates,
)
from eeg2speech_bench.benchmarks.trained.hub_models import UNKNOWN, fetch_model, model_upload, push_model
from eeg2speech_bench.benchmarks.trained.model_folder import ModelDescription, read_description
from eeg2speech_bench.benchmarks.trained.model_places import copy_model, find_model
from eeg2speech_bench.benchmarks.trained.recording_windows import ReadingChoice, RecordingWindows, open_windows
from eeg2speech_bench.benchmarks.trained.trained_parts import (
    TrainedGenerator,
    TrainedPair,
    latent_shape_of,
    load_generator,
    load_pair,
    signal_of,
)
from eeg2speech_bench.core.conditioning import Conditioning
from eeg2speech_bench.core.errors import DataError, UnknownNameError, UsageError
from eeg2speech_bench.core.generator.mel import MelSpectrogram
from eeg2speech_bench.core.generator.sampling import sample_latents
from eeg2speech_bench.core.machine.environment import choose_device
from eeg2speech_bench.core.presets.config import SamplingConfig
from eeg2speech_bench.core.records.metrics import Verdict
from eeg2speech_bench.core.records.record import Record
from eeg2speech_bench.core.registry.registry import Registry, load_registry
from eeg2speech_bench.core.segments.clips import Clips
from eeg2speech_bench.core.segments.segment_store import Batch, SignalInfo
from eeg2speech_bench.core.training.seeding import derive_seed

if TYPE_CHECKING:
    import mne
    import pandas as pd

#: windows that are encoded at once, as in the stage `embed`
BATCH_SIZE = 128
#: stands for a listener that the model was not trained on
NEW_LISTENER = "new"
_AS_IS = ReadingChoice()


class TrainedCell:
    """A cell's trained model; `load_cell` makes it.

    Attributes
    ----------
    description : ModelDescription
    signal : SignalInfo
        The EEG of a window.
    """

    def __init__(
        self, folder: Path, description: ModelDescription, pair: TrainedPair, registry: Registry, device: str
    ) -> None:
        self.folder, self.description, self.pair = folder, description, pair
        self.registry, self.device = registry, device
        self.signal: SignalInfo = signal_of(description)

    @property
    def verdict(self) -> dict[str, Verdict]:
        """Whether the cell is told from every control without signal, by headline metric."""
        return self.description.verdict

    def verdict_lines(self) -> list[str]:
        """Return the verdict as lines of text, one per headline metric."""
        return self.description.verdict_lines()

    @property
    def listeners(self) -> list[str]:
        """Names of the listeners that it was trained on."""
        return self.description.listeners

    @cached_property
    def uses_listener(self) -> bool:
        """Whether the encoder's estimate of the same EEG depends on who listened."""
        if len(self.listeners) < 2:
            return False
        eeg = torch.randn(2, self.signal.n_chans, self.signal.n_times, generator=torch.Generator().manual_seed(0))
        batch = window_batch(eeg.numpy(), np.zeros(2, dtype=np.int64), 0, self.signal.sfreq)
        one, other = (self.estimate_batch(replace(batch, subject=torch.full((2,), k))) for k in range(2))
        return not torch.equal(one, other)

    @cached_property
    def generator(self) -> TrainedGenerator:
        """Autoencoder, denoiser and vocoder, loaded when they are first used."""
        return load_generator(self.folder, self.description, self.device)

    def encode(
        self,
        eeg: mne.io.BaseRaw | np.ndarray | Path | str,
        *,
        listener: str | None = None,
        starts_s: Sequence[float] | np.ndarray | None = None,
        reading: ReadingChoice = _AS_IS,
    ) -> Conditioning:
        """Encode windows of a recording, prepared as in training, to conditions of the generator.

        Parameters
        ----------
        eeg : mne.io.BaseRaw, array of shape (n_chans, n_samples), or Path
            A recording; volts in the channels and at the rate of ``signal``; or a file that MNE reads.
        listener : str, optional
            One of ``listeners``, or ``"new"``; needed where the encoder uses it.
        starts_s : sequence of float, optional
            Times of the sound, in seconds from the first sample, at which windows start; their EEG is read
            ``data.shift_s`` later. By default side by side from 0 on.
        reading : ReadingChoice
            What to do with another montage or rate, and whose scale to use (by default the recording's own).

        Returns
        -------
        Conditioning
            One item per window, on the CPU.

        Raises
        ------
        DataError
            If the model cannot read the recording, or a window leaves it.
        UsageError
            If the encoder needs to know who listened.
        """
        windows = self.open(eeg, listener=listener, reading=reading)
        starts = windows.side_by_side() if starts_s is None else np.asarray(starts_s, dtype=float)
        estimates = self.estimate(windows, windows.rows(starts), listener)
        return _on(self.condition(estimates), "cpu")

    def open(
        self,
        eeg: mne.io.BaseRaw | np.ndarray | Path | str,
        *,
        listener: str | None = None,
        reading: ReadingChoice = _AS_IS,
    ) -> RecordingWindows:
        """Open a recording whose windows are read as in training; parameters and errors as in `encode`."""
        self.subject(listener)
        source = Path(eeg) if isinstance(eeg, str) else eeg
        return open_windows(source, self.description, self.pair.scales, self.registry, reading, listener)

    def subject(self, listener: str | None) -> int:
        """Return the index of a listener, as the encoder is told it.

        Raises
        ------
        UsageError
            If the encoder uses it and none is given.
        UnknownNameError
            If the model was not trained on the listener.
        """
        known = [*self.listeners, *self.description.held_out]
        if listener in known:
            return known.index(str(listener))
        if listener == NEW_LISTENER or not self.uses_listener:
            return len(self.listeners) if listener else 0
        then = f"'{NEW_LISTENER}' stands for somebody whom the model was not trained on."
        if listener is None:
            raise UsageError(
                f"Encoder '{self.description.encoder.name}' needs to know who listened",
                got="no listener",
                expected=", ".join(known[:20]),
                then=f"Give one with --listener (listener=...); {then}",
            )
        raise UnknownNameError("listener", listener, known, then)

    @torch.no_grad()
    def estimate(self, windows: RecordingWindows, rows: np.ndarray, listener: str | None = None) -> Tensor:
        """Return what the encoder says of windows of EEG, (n, n_tokens, dim) on the CPU; for retrieval.

        Parameters
        ----------
        windows : RecordingWindows
        rows : array of int, shape (n,)
            First rows of the windows.
        listener : str, optional
        """
        if not len(rows):
            raise DataError("There is no window to encode", then="Give a longer recording, or other starts.")
        subject = self.subject(listener)
        parts = []
        for first in range(0, len(rows), BATCH_SIZE):
            part = rows[first : first + BATCH_SIZE]
            batch = window_batch(windows.gather(part), part, subject, self.signal.sfreq)
            parts.append(self.estimate_batch(batch).cpu())
        return torch.cat(parts)

    def estimate_batch(self, batch: Batch) -> Tensor:
        """Return what the encoder says of a batch, (batch, n_tokens, dim) on the model's device."""
        return self.pair.conditioner.estimate(batch.to(self.device))

    def condition(self, estimates: Tensor) -> Conditioning:
        """Return the generator's condition that is made of the encoder's estimates, on the model's device."""
        return self.pair.conditioner.from_estimate(estimates.to(self.device))

    def generate(
        self, conditioning: Conditioning, seed: int | Sequence[int] = 0, *, n_steps: int | None = None
    ) -> Clips:
        """Make speech, one clip per item, as the stage ``generate`` does.

        Parameters
        ----------
        conditioning : Conditioning
            What `encode` returned.
        seed : int or sequence of int
            Of the noise that sampling starts from; a sequence gives that of each item.
        n_steps : int, optional
            Sampling steps; by default those of the cell.

        Returns
        -------
        Clips
            Windows of `description.config.data.window_s` seconds at 16 kHz.

        Raises
        ------
        BenchError
            If the cell was scored by retrieval alone.
        """
        config = self.description.config
        items = range(len(conditioning.embeddings))
        seeds = list(seed) if isinstance(seed, Sequence) else [derive_seed(seed, "clip", item) for item in items]
        generator, given = self.generator, _on(conditioning, self.device)
        latent = sample_latents(
            generator.denoiser, given, self.latent_shape, self.sampling(n_steps), config.diffusion, seeds
        )
        n_samples = round(config.data.window_s * self.description.sound.rate_hz)
        wave = vocode(generator.vocoder, decode(generator.autoencoder, latent), "eeg", n_samples)
        wave = (wave * 32767).round() / 32767  # 16-bit samples are what listeners get
        return Clips(wave.numpy(), MelSpectrogram()(wave).numpy())

    def rank(
        self,
        eeg: mne.io.BaseRaw | np.ndarray | Path | str,
        candidates: Mapping[str, np.ndarray | Path | str],
        *,
        listener: str | None = None,
        starts_s: Sequence[float] | np.ndarray | None = None,
        onset_s: float = 0.0,
        reading: ReadingChoice = _AS_IS,
    ) -> pd.DataFrame:
        """Rank candidate sounds by how well they go with the EEG, window by window.

        Parameters
        ----------
        eeg, listener, starts_s, reading
            As in `encode`.
        candidates : mapping of str to array or Path
            Sounds by name: files, or samples at the rate of the training's sound.
        onset_s : float
            Time of the recording, in seconds, at which all candidates begin.

        Returns
        -------
        DataFrame
            Columns start_s, candidate, score and rank; the one of rank 1 goes best with the EEG.

        Raises
        ------
        DataError
            As in `encode`; also if a candidate cannot be read or is shorter than a window.
        """
        windows = self.open(eeg, listener=listener, reading=reading)
        starts = windows.side_by_side() if starts_s is None else np.asarray(starts_s, dtype=float)
        estimates = self.estimate(windows, windows.rows(starts), listener)
        sounds = self.candidates(candidates)
        scores = score_candidates(estimates, starts - onset_s, sounds)
        return rank_table(scores, starts, [sound.name for sound in sounds])

    def candidates(self, sounds: Mapping[str, np.ndarray | Path | str]) -> list[CandidateSound]:
        """Return sounds as the model's target sees them; errors as in `rank`."""
        samples = read_candidates(sounds, self.description)
        about = (self.pair.conditioner, self.description, self.device)
        return [CandidateSound(name, sound, *about) for name, sound in samples.items()]

    def sampling(self, n_steps: int | None = None) -> SamplingConfig:
        """Return how the cell samples, with another number of steps if one is given."""
        sampling = self.description.config.sampling
        return sampling if n_steps is None else sampling.model_copy(update={"n_steps": n_steps})

    @property
    def latent_shape(self) -> tuple[int, int, int]:
        """(latent_channels, n_latent_frames, n_latent_bands) of a window."""
        return latent_shape_of(self.description)

    def save(self, folder: Path | str) -> Path:
        """Copy the model, with the cell's record if it is there, into a folder of its own.

        Raises
        ------
        UsageError
            If there is something at that place.
        """
        copy_model(self.folder, Path(folder))
        return Path(folder)

    def push_to_hub(self, repository: str, *, licence: str = UNKNOWN, private: bool = False) -> str:
        """Send the model with its record and a card to the Hugging Face hub, as ``model push`` does.

        Parameters
        ----------
        repository : str
            ``OWNER/NAME``; made if it is not there.
        licence : str
            Of the weights, as the hub spells it (``"cc-by-nc-4.0"``).
        private : bool
            Of a repository that is made.

        Returns
        -------
        str
            Where it can be seen.

        Raises
        ------
        BenchError
            If there is no record of this run, the model is damaged, or the hub refuses.
        """
        return push_model(model_upload(self.folder, repository, self.registry, licence), repository, private=private)

    @classmethod
    def from_hub(cls, repository: str, *, device: str = "auto", anyway: bool = False) -> TrainedCell:
        """Load a model from the hub through its cache, as ``model pull`` and `load_cell` do.

        Parameters
        ----------
        repository : str
            ``OWNER/NAME``, or ``OWNER/NAME@REVISION``.
        device, anyway
            As in `benchmarks.load_cell`; errors too.
        """
        registry = load_registry()
        folder = fetch_model(repository, registry, anyway=anyway)
        return load_cell(folder, device=device, anyway=anyway, registry=registry)


def load_cell(
    source: Path | str | Record,
    *,
    results: Path | str = "results",
    device: str = "auto",
    anyway: bool = False,
    registry: Registry | None = None,
) -> TrainedCell:
    """Load the model that a cell has kept, as `benchmarks.load_cell` does, with the plugins of a registry.

    Parameters
    ----------
    source, results, device, anyway
        As there; errors too.
    registry : Registry, optional
        Brings encoder and target; by default all that is installed.
    """
    folder = find_model(source, Path(results))
    description = read_description(folder)
    registry = registry or load_registry()
    chosen = choose_device(device)
    pair = load_pair(folder, description, registry, chosen, anyway=anyway)
    return TrainedCell(folder, description, pair, registry, chosen)


def window_batch(eeg: np.ndarray, rows: np.ndarray, subject: int, sfreq: float) -> Batch:
    """Wrap windows of one listener, (n, n_chans, n_times), whose EEG begins at some rows of the recording."""
    n = len(rows)
    return Batch(
        torch.from_numpy(eeg),
        torch.full((n,), subject, dtype=torch.int64),
        torch.arange(n),
        ("",) * n,
        None,
        torch.from_numpy(rows / sfreq).float(),
    )


def _on(conditioning: Conditioning, device: str) -> Conditioning:
    return Conditioning(
        conditioning.embeddings.to(device), conditioning.mask.to(device), conditioning.pooled.to(device)
    )
