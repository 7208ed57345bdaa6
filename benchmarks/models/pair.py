"""Builds an encoder and the audio target that it is aligned to, for a prepared data set."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from eeg2speech_bench.core.errors import DataError
from eeg2speech_bench.core.segments.segment_store import Batch, SegmentStore
from eeg2speech_bench.core.specs import EncoderSpec, TargetSpec

if TYPE_CHECKING:
    from eeg2speech_bench.core.conditioning import Encoder, Target
    from eeg2speech_bench.core.contrastive.bridge import Bridge
    from eeg2speech_bench.core.generator.conditioner import Conditioner

#: file of an aligned pair
WEIGHTS = "weights.pt"
#: what a data set may lack: what is needed, what was found, what was expected, what to do
NEEDS = {
    "positions": (
        "electrode positions",
        "channels without a position",
        "a montage (electrodes.tsv in BIDS)",
        "Add positions to the data set, or choose an encoder that does not need them.",
    ),
    "transcript": (
        "the words of the stimuli",
        "no window with text",
        "transcripts with word times",
        "Add them to the data set (docs/data.md), or choose an encoder that reads the recording.",
    ),
    "audio": (
        "the audio of the stimuli",
        "envelopes only",
        "waveforms",
        "Choose an encoder that reads the recording.",
    ),
}


def build_target(spec: TargetSpec, options: dict[str, Any], store: SegmentStore) -> Target:
    """Build a target for the sound of a prepared data set."""
    from eeg2speech_bench.core.conditioning import SoundInfo

    sound = SoundInfo(store.meta.sound.kind, store.sound_rate_hz, store.window_s)
    return spec.load().build(sound, **options)


@dataclass(frozen=True)
class Pair:
    """Names an encoder and the target that it is aligned to, each with its options."""

    encoder: EncoderSpec
    encoder_options: dict[str, Any]
    target: TargetSpec
    target_options: dict[str, Any]

    def build(self, store: SegmentStore) -> tuple[Encoder, Target]:
        """Build both for a prepared data set, untrained."""
        self._check_needs(store)
        target = build_target(self.target, self.target_options, store)
        return self.encoder.load().build(store.signal, target.info, **self.encoder_options), target

    def _check_needs(self, store: SegmentStore) -> None:
        met = {
            "positions": store.signal.has_positions,
            "transcript": any(store.windows["text"]),
            "audio": store.has_audio,
        }
        for need in self.encoder.needs:
            if not met.get(need, True):
                what, got, expected, then = NEEDS[need]
                raise DataError(f"Encoder '{self.encoder.name}' needs {what}", got=got, expected=expected, then=then)

    def gather(self, store: SegmentStore, rows: np.ndarray) -> Batch:
        """Gather segments with what the encoder reads."""
        return store.gather(rows, with_sound=self.encoder.modality == "audio")

    def load(self, store: SegmentStore, path: Path) -> AlignedPair:
        """Build both and load the weights that `AlignedPair.save` wrote."""
        import torch

        from eeg2speech_bench.core.contrastive.bridge import Bridge

        encoder, target = self.build(store)
        weights = torch.load(path / WEIGHTS, map_location="cpu", weights_only=True)
        encoder.load_state_dict(weights["encoder"])
        target.load_state_dict(weights["target"])
        bridge = Bridge.from_state(weights["bridge"]) if weights["bridge"] else None
        return AlignedPair(encoder.eval(), target.eval(), bridge)


@dataclass(frozen=True)
class AlignedPair:
    """Holds an aligned pair, and what maps the encoder's estimates to the generator's condition, where there is one."""

    encoder: Encoder
    target: Target
    bridge: Bridge | None

    def save(self, path: Path) -> None:
        """Write all weights into a folder; `Pair.load` reads them."""
        import torch

        parts = {"encoder": self.encoder, "target": self.target, "bridge": self.bridge}
        torch.save({name: {} if part is None else part.state_dict() for name, part in parts.items()}, path / WEIGHTS)

    def conditioner(self, name: str, *, standardise: bool) -> Conditioner:
        """Return the way from a batch to the condition of the generator, the same in training and test.

        Parameters
        ----------
        name : str
            The encoder's, for messages.
        standardise : bool
            See `core.generator.conditioner.make_condition`.
        """
        from eeg2speech_bench.core.generator.conditioner import Conditioner

        return Conditioner(name, self.encoder, self.target, self.bridge, standardise=standardise)
