"""Says how much of the speech a condition holds, and which bridge from EEG to it is best, from the stages of a cell.

``python -m eeg2speech_bench.benchmarks.pretraining.conditions RECORD --cache DIR --whisper FOLDER`` prints two Markdown
tables. The first plays what a linear map makes of a condition: the best map from training windows to latents, as the
denoiser's own guess is fitted (`core.generator.latent_prior`). The second tells among validation windows, which no test
sees, whose speech a bridge makes of the encoder's estimates.
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from eeg2speech_bench.benchmarks.inputs.audio_files import load_clips
from eeg2speech_bench.benchmarks.inputs.target_frames import FrameStore
from eeg2speech_bench.benchmarks.metrics.identification import similarity_matrix
from eeg2speech_bench.benchmarks.metrics.intelligibility import estoi
from eeg2speech_bench.benchmarks.metrics.recognition import word_error_rate
from eeg2speech_bench.benchmarks.models.generator import decode, load_autoencoder, vocode, window_mels
from eeg2speech_bench.benchmarks.models.pair import Pair
from eeg2speech_bench.benchmarks.stage_inputs import FeaturesInputs
from eeg2speech_bench.benchmarks.stages import features
from eeg2speech_bench.benchmarks.stages.clips import read_clips
from eeg2speech_bench.core.contrastive.bridge import fit_bridge
from eeg2speech_bench.core.generator.conditioner import Conditioner, make_condition
from eeg2speech_bench.core.generator.latent_prior import LatentPrior
from eeg2speech_bench.core.generator.mel import MelSpectrogram
from eeg2speech_bench.core.generator.vocoder import build_vocoder
from eeg2speech_bench.core.records.record import Record
from eeg2speech_bench.core.registry.registry import load_registry
from eeg2speech_bench.core.segments.clips import Clips
from eeg2speech_bench.core.segments.segment_store import SegmentStore
from eeg2speech_bench.core.statistics.spacing import evenly_spaced

#: windows that a map is fitted on, and segments that a bridge is
N_WINDOWS, N_SEGMENTS = 2500, 2048
BATCH_SIZE = 64
#: mel bands, and how often a second they are told
FRONT_ENDS = ((40, 30.0), (40, 50.0), (64, 30.0), (64, 50.0), (64, 100.0))
REACHES_S = (0.05, 0.1, 0.2, 0.4)
PENALTIES = (0.01, 0.1, 1.0)

#: what is told of stimulus windows, (n, n_tokens, width)
Told = Callable[[np.ndarray], Tensor]


@dataclass(frozen=True)
class FinishedCell:
    """Finds the stages of a cell, and what is made of them.

    Parameters
    ----------
    record : Record
    cache : Path
        Where the cell was run.
    """

    record: Record
    cache: Path

    def stage(self, name: str) -> Path:
        """Return the folder of a finished stage."""
        (key,) = (stage.key for stage in self.record.provenance.stages if stage.name == name)
        return self.cache / "stages" / f"{name}-{key}"

    @cached_property
    def store(self) -> SegmentStore:
        """The segments."""
        return SegmentStore(self.stage("prepare"))

    @cached_property
    def latents(self) -> np.ndarray:
        """Latents of all windows."""
        return np.load(self.stage("autoencoder") / "mean.npy", mmap_mode="r")

    @cached_property
    def conditioner(self) -> Conditioner:
        """The trained pair."""
        registry, config, cell = load_registry(), self.record.settings, self.record.cell
        target = registry.get("target", self.record.target.name)
        encoder = registry.get("encoder", cell.encoder)
        options = dict(config.encoder.get(encoder.name, {})), dict(config.target.options.get(target.name, {}))
        pair = Pair(encoder, options[0], target, options[1])
        made = pair.load(self.store, self.stage("align")).conditioner(encoder.name, standardise=True)
        made.estimate(pair.gather(self.store, self.store.indices("train")[:2]))  # learns the encoder's token count
        return made

    @cached_property
    def map_windows(self) -> np.ndarray:
        """Training windows that maps are fitted on."""
        windows = np.flatnonzero((self.store.windows["split"] == "train").to_numpy())
        return windows[evenly_spaced(len(windows), N_WINDOWS)]

    def latent_of(self, windows: np.ndarray) -> Tensor:
        """Return the latents of windows."""
        return torch.from_numpy(np.asarray(self.latents[windows]).astype(np.float32))

    def fit_map(self, told: Told) -> LatentPrior:
        """Fit the linear map from what is told to latents."""
        width = told(self.map_windows[:1]).shape[2]
        made = LatentPrior(width, self.latents.shape[1], self.latents.shape[3], self.record.settings.diffusion)
        parts = np.array_split(self.map_windows, max(1, len(self.map_windows) // BATCH_SIZE))
        made.fit((told(part), self.latent_of(part)) for part in parts)
        return made

    def guess(self, latent_map: LatentPrior, told: Tensor) -> Tensor:
        """Return the latents that a map makes of what is told."""
        return latent_map.guess(told, self.latents.shape[2], None)[0]

    def decoded(self, latent: Tensor) -> Tensor:
        """Return the log-mel spectrograms of latents."""
        return decode(load_autoencoder(self.stage("autoencoder"), self.record.settings.autoencoder), latent)


def front_end(cell: FinishedCell, n_bands: int, rate_hz: float, folder: Path) -> Told:
    """Return what the mel target's frames tell, scaled as it scales them."""
    options = {"n_bands": n_bands, "token_rate_hz": rate_hz}
    (out := folder / f"{n_bands}-{rate_hz:g}").mkdir()
    features.run(
        FeaturesInputs(cell.stage("prepare"), load_registry().get("target", "mel"), options), out, lambda *_: None
    )
    frames = FrameStore(out, cell.store)
    known = frames.train_frames()
    mean, scale = known.mean(), known.std()
    return lambda windows: torch.from_numpy((frames.gather(windows) - mean) / scale)


def standardised(told: Told) -> Told:
    """Return what is told as the denoiser is given it."""
    return lambda windows: make_condition(told(windows), standardise=True).embeddings


def conditions(cell: FinishedCell, folder: Path) -> Iterator[tuple[str, Told]]:
    """Yield what a generator could be told, with its name."""
    frames = FrameStore(cell.stage("features"), cell.store)
    embedding: Told = lambda windows: cell.conditioner.embed_audio(torch.from_numpy(frames.gather(windows)))  # noqa: E731
    yield "embedding of the target, standardised", standardised(embedding)
    for n_bands, rate_hz in FRONT_ENDS:
        told = front_end(cell, n_bands, rate_hz, folder)
        yield f"{n_bands} mel bands at {rate_hz:g} Hz, standardised", standardised(told)
        yield f"{n_bands} mel bands at {rate_hz:g} Hz", told


def print_conditions(cell: FinishedCell, whisper: str) -> None:
    """Print how well the speech can be understood that the best linear map makes of each condition."""
    windows = read_clips(cell.stage("clips"))["window"].to_numpy()
    reference, texts = load_clips(cell.stage("ceilings"), "reference"), cell.store.text(windows)
    voice = build_vocoder(cell.record.settings.vocoder).eval()
    print("| what the generator is told | numbers a second | ESTOI | WER |")
    print("| --- | --- | --- | --- |")

    def print_row(name: str, rate: str, latent: Tensor) -> None:
        wave = vocode(voice, cell.decoded(latent), name, reference.waveform.shape[1])
        clips = Clips(wave.numpy(), MelSpectrogram()(wave).numpy())
        error = np.nanmean(word_error_rate(clips, reference, texts, whisper))
        print(f"| {name} | {rate} | {np.nanmean(estoi(clips, reference)):.3f} | {error:.2f} |", flush=True)

    with tempfile.TemporaryDirectory() as folder:
        for name, told in conditions(cell, Path(folder)):
            said = told(windows)
            rate = said.shape[1] * said.shape[2] / cell.store.window_s
            print_row(name, f"{rate:.0f}", cell.guess(cell.fit_map(told), said))
    print_row("the latents themselves", "", cell.latent_of(windows))


def estimates(cell: FinishedCell, rows: np.ndarray) -> Iterator[tuple[np.ndarray, Tensor]]:
    """Yield segments with what the encoder says of them, a batch at a time."""
    for first in range(0, len(rows), BATCH_SIZE):
        part = rows[first : first + BATCH_SIZE]
        yield part, cell.conditioner.estimate(cell.store.gather(part))


def print_bridges(cell: FinishedCell) -> None:
    """Print how often speech by each bridge, decoded, is told to be of the true one among the validation windows."""
    store, frames = cell.store, FrameStore(cell.stage("features"), cell.store)
    of_row, target = store.segments["window"].to_numpy(), cell.conditioner.target
    content: Told = lambda windows: target.content(torch.from_numpy(frames.gather(windows)))  # noqa: E731
    latent_map = cell.fit_map(standardised(content))
    rows = store.indices("train")
    fitted = [
        (said, content(of_row[part])) for part, said in estimates(cell, rows[evenly_spaced(len(rows), N_SEGMENTS)])
    ]
    valid = store.indices("valid")
    heard = torch.cat([said for _, said in estimates(cell, valid)])
    pool, true = np.unique(of_row[valid], return_inverse=True)
    candidates = window_mels(store, pool, None).numpy()

    def identified(reach_s: float, penalty: float) -> float:
        bridge = fit_bridge(fitted, target.info.token_rate_hz, reach_s=reach_s, penalty=penalty)
        latent = cell.guess(latent_map, make_condition(bridge(heard), standardise=True).embeddings)
        alike = similarity_matrix(cell.decoded(latent).numpy(), candidates)
        return float((alike.argmax(1) == true).mean())

    print(f"\n{len(valid)} validation segments, {len(pool)} windows, chance {1 / len(pool):.3f}\n")
    print(f"| neighbours on each side | {' | '.join(f'penalty {penalty:g}' for penalty in PENALTIES)} |")
    print("| --- |" + " --- |" * len(PENALTIES))
    for reach_s in REACHES_S:
        values = (f"{identified(reach_s, penalty):.3f}" for penalty in PENALTIES)
        print(f"| {reach_s:g} s | {' | '.join(values)} |", flush=True)


@torch.no_grad()
def main(arguments: list[str] | None = None) -> None:
    """Print both tables."""
    parser = argparse.ArgumentParser(prog="conditions", description=__doc__.partition("\n")[0])
    parser.add_argument("record", type=Path, metavar="RECORD", help="of a network on EEG, with generated speech")
    parser.add_argument("--cache", type=Path, required=True, help="where it was run")
    parser.add_argument("--whisper", required=True, metavar="FOLDER", help="model of faster-whisper, or its hub id")
    asked = parser.parse_args(arguments)
    cell = FinishedCell(Record.read(asked.record), asked.cache)
    print_conditions(cell, asked.whisper)
    print_bridges(cell)


if __name__ == "__main__":
    main()
