"""Makes one continuous sound of a recording, span by span, under its own condition or under that of a control."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor

from eeg2speech_bench.benchmarks.inputs.controls import FAR
from eeg2speech_bench.benchmarks.models.generator import decode
from eeg2speech_bench.benchmarks.trained.joining import (
    EDGE_FRAMES,
    SHARED_FRAMES,
    OverlapGrid,
    PieceJoiner,
    TrackWriter,
)
from eeg2speech_bench.benchmarks.trained.recording_windows import RecordingWindows
from eeg2speech_bench.benchmarks.trained.trained_cell import BATCH_SIZE, TrainedCell, window_batch
from eeg2speech_bench.core.conditioning import Conditioning
from eeg2speech_bench.core.errors import ContractError, DataError
from eeg2speech_bench.core.generator.mel import FRAME_RATE_HZ, HOP, N_MELS
from eeg2speech_bench.core.generator.sampling import guided_prediction, make_scheduler
from eeg2speech_bench.core.presets.config import SamplingConfig
from eeg2speech_bench.core.segments.surrogates import turn_phases
from eeg2speech_bench.core.training.seeding import derive_seed

#: windows that are sampled together
SPAN_WINDOWS = 24
#: what a recording is spoken under: itself, and the controls that can be made of the same file
SPOKEN = ("eeg", "shift", "phase", "mean")


@dataclass(frozen=True)
class SpeechPlan:
    """What is to be spoken of a recording.

    Attributes
    ----------
    starts_s : array, shape (n_windows,)
        Times of the sound at which windows start, in seconds from the recording's first sample.
    rows : array of int, shape (n_windows,)
        First rows of their EEG.
    shifted : array of int, shape (n_windows,)
        The same at a wrong time of the recording.
    grid : OverlapGrid
        In latent frames.
    """

    starts_s: np.ndarray
    rows: np.ndarray
    shifted: np.ndarray
    grid: OverlapGrid

    @property
    def n_windows(self) -> int:
        """Number of windows."""
        return len(self.rows)


def plan_speech(
    cell: TrainedCell, windows: RecordingWindows, start_s: float, stop_s: float | None, seed: int
) -> SpeechPlan:
    """Place overlapping windows between two times of a recording.

    Parameters
    ----------
    cell : TrainedCell
    windows : RecordingWindows
    start_s, stop_s : float
        In seconds from the first sample; None for the end.
    seed : int
        Of the wrong time.

    Raises
    ------
    DataError
        If no window fits between them, one spans a pause of the recording, or it is too short for a wrong time.
    """
    settings = windows.settings
    factor = cell.description.config.autoencoder.factor
    grid = OverlapGrid.halved(round(settings.window_s * FRAME_RATE_HZ) // factor)
    hop_s = grid.hop * factor / FRAME_RATE_HZ
    last_s = windows.last_start_s if stop_s is None else min(stop_s - settings.window_s, windows.last_start_s)
    n = int((last_s - start_s) / hop_s + 1e-6) + 1
    if start_s < 0 or last_s < start_s:
        raise DataError(
            "No window fits between the start and the stop that were asked for",
            got=f"{start_s:g} s to {'the end' if stop_s is None else f'{stop_s:g} s'}",
            expected=f"at least {settings.window_s:g} s within {windows.recorded_s:.2f} s",
            then="Change --start or --stop.",
        )
    starts_s = start_s + hop_s * np.arange(n)
    rows = windows.rows(starts_s)
    _refuse_cuts(windows, rows, starts_s)
    return SpeechPlan(starts_s, rows, _shifted(windows, rows, seed), grid)


def _refuse_cuts(windows: RecordingWindows, rows: np.ndarray, starts_s: np.ndarray) -> None:
    met = windows.meets_cut(rows)
    if met.any():
        cuts = [cut for cut in windows.eeg.cuts_s if cut >= starts_s[met][0]]
        raise DataError(
            "The recording was paused or edited within the time that is to be spoken",
            got=f"a cut at {cuts[0]:.3f} s",
            expected="a stretch without a cut",
            then="Choose one with --start and --stop.",
        )


def _shifted(windows: RecordingWindows, rows: np.ndarray, seed: int) -> np.ndarray:
    """Shift all windows by one random amount, circularly within the recording, as the control of the cell does."""
    n_times = windows.n_times
    room = windows.eeg.n_rows - n_times
    if room < (2 * FAR + 1) * n_times:
        raise DataError(
            "The recording is too short for the wrong-time control",
            got=f"{windows.recorded_s:.1f} s",
            expected=f"at least {(2 * FAR + 2) * windows.settings.window_s:.1f} s",
            then="Give a longer recording; --start and --stop choose what is spoken of it.",
        )
    shift = np.random.default_rng(derive_seed(seed, "shift")).integers(FAR * n_times, room - FAR * n_times)
    return (rows + shift) % room


class Speaker:
    """Speaks a recording; the noise that sampling starts from is the same under every condition.

    Parameters
    ----------
    cell : TrainedCell
    windows : RecordingWindows
    plan : SpeechPlan
    listener : str, optional
    seed : int
    n_steps : int, optional
        Sampling steps; by default the cell's.
    """

    def __init__(
        self,
        cell: TrainedCell,
        windows: RecordingWindows,
        plan: SpeechPlan,
        listener: str | None,
        seed: int,
        n_steps: int | None = None,
    ) -> None:
        self.cell, self.windows, self.plan, self.seed = cell, windows, plan, seed
        self.subject, self.sampling = cell.subject(listener), cell.sampling(n_steps)
        #: samples at which pieces of the last sound were joined
        self.joins: list[int] = []

    def speak(self, condition: str) -> Iterator[tuple[float, np.ndarray]]:
        """Yield the share that is done, and the next samples at 16 kHz, float32; some may lie beyond -1 and 1.

        Parameters
        ----------
        condition : str
            One of `SPOKEN`.
        """
        joiner = PieceJoiner(SHARED_FRAMES * HOP, EDGE_FRAMES * HOP)
        mel = torch.zeros(0, N_MELS)
        n_shared = 0
        for done, frames in self._mel(condition):
            mel = torch.cat([mel, frames])
            if len(mel) >= 2 * SHARED_FRAMES or (done == 1.0 and len(mel) > n_shared):
                yield done, joiner.add(self._sound(mel, condition))
                mel, n_shared = mel[-SHARED_FRAMES:], SHARED_FRAMES
        yield 1.0, joiner.end()
        self.joins = joiner.joins

    def _sound(self, mel: Tensor, condition: str) -> np.ndarray:
        with torch.no_grad():
            wave: np.ndarray = self.cell.generator.vocoder(mel[None].to(self.cell.device))[0].float().cpu().numpy()
        if not np.isfinite(wave).all():
            raise ContractError(f"The vocoder made values that are not finite under condition '{condition}'")
        return wave

    def _mel(self, condition: str) -> Iterator[tuple[float, Tensor]]:
        """Yield the share that is done and the next frames of log-mel, (n, 64)."""
        generator, plan = self.cell.generator, self.plan
        factor = generator.autoencoder.factor
        writer = TrackWriter(plan.grid.scaled(factor), N_MELS)
        held: list[Tensor] = []
        for first in range(0, plan.n_windows, SPAN_WINDOWS):
            span = np.arange(first, min(first + SPAN_WINDOWS, plan.n_windows))
            latent, held = self._sample(condition, span, held)
            mel = decode(generator.autoencoder, latent).float().cpu()
            yield 0.999 * (span[-1] + 1) / plan.n_windows, writer.add(mel[:, : plan.grid.n_window * factor])
        yield 1.0, writer.end()

    @torch.no_grad()
    def _sample(self, condition: str, span: np.ndarray, held: list[Tensor]) -> tuple[Tensor, list[Tensor]]:
        """Sample the latents of a span, and say what the next one is held to: the overlap after every step."""
        cell, grid = self.cell, self.plan.grid
        diffusion = cell.description.config.diffusion
        conditioning = self.conditions(condition, span)
        scheduler = make_scheduler(self.sampling, diffusion)
        latent = self._noise(span).to(cell.device)
        generators = [torch.Generator().manual_seed(derive_seed(self.seed, "step", int(k))) for k in span]
        noise = {"eta": self.sampling.eta, "generator": generators} if self.sampling.scheduler == "ddim" else {}
        ends = []
        for step, timestep in enumerate(scheduler.timesteps):
            prediction = self._predict(latent, timestep.to(cell.device), conditioning, self.sampling)
            latent = scheduler.step(prediction.float(), timestep, latent, **noise).prev_sample
            latent = grid.agree(latent)
            if held:
                latent = self._held(latent, held[step])
            ends.append(latent[-1, :, grid.hop : grid.n_window].clone())
        if not bool(torch.isfinite(latent).all()):
            raise ContractError(
                f"Sampling under condition '{condition}' diverged",
                got="latents that are not finite",
                then="Train the denoiser longer, or lower sampling.guidance_scale.",
            )
        return latent, ends

    def _held(self, latent: Tensor, end: Tensor) -> Tensor:
        """Put what the span before said of the overlap in its place, in all windows that see it."""
        grid = self.plan.grid
        for k in range(min(len(latent), -(-grid.overlap // grid.hop))):
            rest = end[:, k * grid.hop :]
            latent[k, :, : rest.shape[1]] = rest
        return latent

    def _predict(
        self, latent: Tensor, timestep: Tensor, conditioning: Conditioning, sampling: SamplingConfig
    ) -> Tensor:
        parts = []
        for first in range(0, len(latent), sampling.batch_size):
            part = slice(first, first + sampling.batch_size)
            items = Conditioning(conditioning.embeddings[part], conditioning.mask[part], conditioning.pooled[part])
            denoiser = self.cell.generator.denoiser
            parts.append(guided_prediction(denoiser, latent[part], timestep, items, sampling.guidance_scale))
        return torch.cat(parts)

    def _noise(self, span: np.ndarray) -> Tensor:
        """Return the noise of a span: that of the sound belongs to its time, that of the padding to its window."""
        channels, n_frames, n_bands = self.cell.latent_shape
        grid = self.plan.grid
        blocks = range(int(span[0]), int(span[0]) + -(-grid.length(len(span)) // grid.hop))
        track = torch.cat([self._drawn("noise", k, (channels, grid.hop, n_bands)) for k in blocks], 1)
        padding = [self._drawn("padding", int(k), (channels, n_frames - grid.n_window, n_bands)) for k in span]
        return torch.cat([grid.cut(track, len(span)), torch.stack(padding)], 2)

    def _drawn(self, what: str, number: int, shape: tuple[int, ...]) -> Tensor:
        generator = torch.Generator().manual_seed(derive_seed(self.seed, what, number))
        return torch.randn(shape, generator=generator)

    def conditions(self, condition: str, span: np.ndarray) -> Conditioning:
        """Return the generator's conditions of some windows, on the model's device.

        Parameters
        ----------
        condition : str
            One of `SPOKEN`.
        span : array of int, shape (n,)
            Numbers of windows.
        """
        if condition == "mean":
            mean = self.cell.pair.mean
            n = len(span)
            return Conditioning(mean.embeddings.expand(n, -1, -1), mean.mask.expand(n, -1), mean.pooled.expand(n, -1))
        estimates = [self._estimate(condition, span[k : k + BATCH_SIZE]) for k in range(0, len(span), BATCH_SIZE)]
        return self.cell.condition(torch.cat(estimates))

    def _estimate(self, condition: str, span: np.ndarray) -> Tensor:
        rows = (self.plan.shifted if condition == "shift" else self.plan.rows)[span]
        batch = window_batch(self.windows.gather(rows), self.plan.rows[span], self.subject, self.cell.signal.sfreq)
        if condition == "phase":
            n_frequencies = batch.eeg.shape[-1] // 2 + 1
            seeds = [derive_seed(self.seed, "phase", int(k)) for k in span]
            turns = np.stack([np.random.default_rng(seed).random(n_frequencies) for seed in seeds])
            batch = replace(batch, eeg=turn_phases(batch.eeg, torch.from_numpy(turns).float()))
        return self.cell.estimate_batch(batch)
