"""Embeds sound by hidden states of a frozen wav2vec 2.0."""

from __future__ import annotations

import math
from dataclasses import replace
from functools import cached_property

import torch
from torch import Tensor, nn
from torch.nn.functional import pad

from eeg2speech_bench.core.conditioning import SoundInfo
from eeg2speech_bench.core.errors import DataError, UsageError
from eeg2speech_bench.core.weights.filling import Origin
from eeg2speech_bench.core.weights.pretrained import load_config, load_network
from eeg2speech_bench.plugins.targets.frames import FrameTarget

RATE_HZ = 16_000
#: attention grows with the square of a stretch: longer ones go through in pieces with some context on either side
PIECE_S = 30
CONTEXT_S = 2
OPTION = "target.options.wav2vec2.model"
#: the vector of masked moments is read in training only; heads and what pretraining compares with embed nothing
ORIGIN = Origin(
    "the model",
    OPTION,
    "wav2vec 2.0",
    optional=r"^masked_spec_embed$",
    leftovers=r"^(lm_head|quantizer|project_q|project_hid|projector|classifier|layer_weights|tdnn|objective)\b",
)


class Wav2Vec2Target(FrameTarget):
    """Averages some hidden layers of a frozen wav2vec 2.0, and standardises them.

    Three choices of layers circulate for Defossez et al. (2023): its code averages entries 14 to 18 of the 25 hidden
    states, which is the default; its text is also read as the last four.

    Parameters
    ----------
    sound : SoundInfo
        Must be a waveform.
    model : str
        Hugging Face id, pinned if it ends in ``@revision``; or a local folder in the format of transformers.
    layers : sequence of int
        Entries of the hidden-state tuple that are averaged; 0 is what enters the first block.
    token_rate_hz : float
        Tokens per second; the model's own 50 Hz are repeated to that rate.
    random : bool
        Random weights instead of the trained ones: the control that tells what the training of the model is worth.

    Raises
    ------
    DataError
        If the data set publishes envelopes only.
    UsageError
        If ``layers`` names a layer that the model does not have.
    BenchError
        If the model can neither be downloaded nor found in a folder.
    """

    def __init__(
        self,
        sound: SoundInfo,
        *,
        model: str = "facebook/wav2vec2-large-xlsr-53",
        layers: tuple[int, ...] = (14, 15, 16, 17, 18),
        token_rate_hz: float = 120.0,
        random: bool = False,
    ) -> None:
        if sound.kind != "waveform":
            raise DataError(
                "Target 'wav2vec2' needs audio",
                got=f"sound of kind '{sound.kind}'",
                expected="'waveform'",
                then="Choose target.name=mel or deep_mel for this data set.",
            )
        from transformers import AutoConfig

        self.model_name, self.random, self.layers = model, random, tuple(layers)
        self.origin = replace(ORIGIN, source=f"Model {model} of target 'wav2vec2'")
        config = load_config(AutoConfig, model, self.origin)
        if not self.layers or not all(0 <= layer <= config.num_hidden_layers for layer in self.layers):
            raise UsageError(
                f"Option layers of target 'wav2vec2' does not fit {model}",
                got=list(self.layers),
                expected=f"numbers from 0 to {config.num_hidden_layers}",
            )
        super().__init__(sound, config.hidden_size, token_rate_hz)
        self.config = config

    @cached_property
    def network(self) -> nn.Module:
        """Return the frozen network, loaded when the first stretch of sound arrives.

        Kept out of the module tree: only the scaler belongs into the state that a cell stores.
        """
        from transformers import AutoModel

        if self.random:
            return AutoModel.from_config(self.config).eval()
        return load_network(AutoModel, self.config, self.model_name, self.origin)

    @torch.no_grad()
    def features(self, sound: Tensor) -> Tensor:
        """Turn a stretch of sound (n_samples,) into frames (n_frames, hidden size) at `feature_rate_hz`."""
        from torchaudio.functional import resample

        wave = resample(sound, int(self.sound.rate_hz), RATE_HZ)
        wave = (wave - wave.mean()) / (wave.std() + 1e-7)
        step = self.config.inputs_to_logits_ratio
        piece, context = PIECE_S * RATE_HZ // step, CONTEXT_S * RATE_HZ // step
        frames = []
        for first in range(0, math.ceil(len(wave) / step), piece):
            start = max(0, first - context)
            hidden = self._hidden(wave[start * step : (first + piece + context) * step])
            frames.append(hidden[first - start :][:piece])
        return self._at_token_rate(torch.cat(frames), RATE_HZ / step, len(sound))

    def _hidden(self, wave: Tensor) -> Tensor:
        # The window of a frame is a little longer than its step: without the silence the last moment has no frame.
        padded = pad(wave, (0, self.config.inputs_to_logits_ratio))
        states = self.network.to(wave.device)(padded[None], output_hidden_states=True).hidden_states
        return torch.stack([states[layer][0] for layer in self.layers]).mean(0)

    def forward(self, frames: Tensor) -> Tensor:
        """Standardise windows of frames (batch, n_tokens, hidden size)."""
        return self.standardise(frames)
