"""Builds vocoders: Griffin-Lim without weights, the network that is shipped, or AudioLDM's HiFi-GAN."""

from __future__ import annotations

import math
import re
from dataclasses import replace
from pathlib import Path

import torch
from torch import Tensor, nn
from transformers import SpeechT5HifiGan, SpeechT5HifiGanConfig

from eeg2speech_bench.core.errors import BenchError, UsageError
from eeg2speech_bench.core.generator.checkpoints import VOCODER, load_original_vocoder
from eeg2speech_bench.core.generator.griffin_lim import GriffinLimVocoder
from eeg2speech_bench.core.generator.mel import HOP, N_MELS, SAMPLE_RATE_HZ
from eeg2speech_bench.core.generator.pretrained import load_pretrained_vocoder
from eeg2speech_bench.core.presets.config import VocoderConfig
from eeg2speech_bench.core.weights.checkpoint_file import read_checkpoint
from eeg2speech_bench.core.weights.filling import COUNTERS
from eeg2speech_bench.core.weights.pretrained import load_config, load_network


def audioldm_vocoder_config(width: int = 1024) -> SpeechT5HifiGanConfig:
    """Return the configuration of AudioLDM's hifigan_16k_64bins.

    With 1024 channels at the start it has 55 264 897 parameters.
    """
    return SpeechT5HifiGanConfig(
        model_in_dim=N_MELS,
        sampling_rate=SAMPLE_RATE_HZ,
        upsample_initial_channel=width,
        upsample_rates=[5, 4, 2, 2, 2],
        upsample_kernel_sizes=[16, 16, 8, 4, 4],
        resblock_kernel_sizes=[3, 7, 11],
        resblock_dilation_sizes=[[1, 3, 5]] * 3,
        initializer_range=0.01,
        leaky_relu_slope=0.1,
        normalize_before=False,
    )


class HifiGanVocoder(nn.Module):
    """Runs HiFi-GAN (Kong et al. 2020) of transformers and cuts its surplus samples.

    Parameters
    ----------
    network : SpeechT5HifiGan
        Must read 64 mel bands at 16 kHz and write 160 samples per frame.

    Raises
    ------
    BenchError
        If the network was made for other spectrograms.
    """

    def __init__(self, network: SpeechT5HifiGan) -> None:
        super().__init__()
        config = network.config
        made_for = (config.model_in_dim, config.sampling_rate, math.prod(config.upsample_rates))
        if made_for != (N_MELS, SAMPLE_RATE_HZ, HOP):
            raise BenchError(
                "The vocoder was made for other spectrograms",
                got="{} mel bands, {} Hz, hop {}".format(*made_for),
                expected=f"{N_MELS} mel bands, {SAMPLE_RATE_HZ} Hz, hop {HOP}",
                then="Use a vocoder of the AudioLDM family (hifigan_16k_64bins).",
            )
        self.network = network

    @torch.no_grad()
    def forward(self, mel: Tensor) -> Tensor:
        """Turn log-mel (batch, n_frames, 64) into waveforms (batch, 160 * n_frames) at 16 kHz."""
        wave: Tensor = self.network(mel)
        # The first two upsampling layers each write surplus samples, 32 in the end; AudioLDM cuts them off.
        return wave[:, : HOP * mel.shape[1]]


def build_vocoder(config: VocoderConfig) -> nn.Module:
    """Make the vocoder that the configuration names, with its weights.

    Parameters
    ----------
    config : VocoderConfig
        ``checkpoint`` of a HiFi-GAN is a file (original ``hifigan_16k_64bins.ckpt``), a folder saved by
        transformers, or a hub id, with a subfolder where there is one (``owner/name/vocoder``).

    Raises
    ------
    UsageError
        If HiFi-GAN has no checkpoint, or another has one.
    BenchError
        If the checkpoint cannot be read or belongs to another network.
    """
    if config.name != "hifi-gan" and config.checkpoint is not None:
        raise UsageError(
            f"vocoder.checkpoint has no effect on {config.name}",
            got=config.checkpoint,
            then="Set vocoder.name=hifi-gan or vocoder.checkpoint=null.",
        )
    if config.name == "spectrum":
        return load_pretrained_vocoder(n_iter=config.n_iter)
    if config.name == "griffin-lim":
        return GriffinLimVocoder(config.n_iter)
    if config.checkpoint is None:
        raise UsageError(
            "vocoder.name=hifi-gan needs weights",
            got="no vocoder.checkpoint",
            expected="a file, a folder or a hub id",
            then="Set vocoder.checkpoint=cvssp/audioldm-s-full-v2/vocoder (CC BY-NC-SA 4.0) or use griffin-lim.",
        )
    return HifiGanVocoder(_load_network(config.checkpoint)).eval()


def _load_network(checkpoint: str) -> SpeechT5HifiGan:
    path = Path(checkpoint).expanduser()
    if path.is_file():
        return _load_original(path)
    source, subfolder = (str(path), "") if path.is_dir() else _hub_id(checkpoint)
    origin = replace(VOCODER, source=f"Vocoder {checkpoint}")
    config = load_config(SpeechT5HifiGanConfig, source, origin, subfolder)
    if config.normalize_before:
        origin = replace(origin, optional=COUNTERS)  # the mean and the scale of the input are used
    return load_network(SpeechT5HifiGan, config, source, origin, subfolder)


def _hub_id(checkpoint: str) -> tuple[str, str]:
    """Split ``owner/name/sub/folder@revision`` into ``owner/name@revision`` and ``sub/folder``."""
    found = re.fullmatch(r"([\w.-]+/[\w.-]+)(?:/([\w./-]+))?(@.+)?", checkpoint)
    return (found[1] + (found[3] or ""), found[2] or "") if found else (checkpoint, "")


def _load_original(path: Path) -> SpeechT5HifiGan:
    state = read_checkpoint(path)
    network = SpeechT5HifiGan(audioldm_vocoder_config())
    load_original_vocoder(network, state, source=str(path))
    return network
