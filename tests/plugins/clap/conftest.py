"""A small CLAP of random weights, and the sounds, texts and spaces that its towers meet."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from transformers import ClapConfig, ClapModel

from eeg2speech_bench.core.conditioning import SoundInfo
from eeg2speech_bench.core.segments.segment_store import Batch, SignalInfo, TargetInfo

TEXTS = ("the lighthouse stood", "", "so did the keeper and his dog")


def draw(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def gather(text: tuple[str, ...] | None = None, sound: torch.Tensor | None = None) -> Batch:
    """Return segments with a text or a sound each."""
    n = len(text if text is not None else sound)
    return Batch(torch.zeros(n, 2, 4), torch.zeros(n, dtype=torch.long), torch.arange(n), text, sound)


@pytest.fixture(scope="session")
def speech() -> SoundInfo:
    return SoundInfo("waveform", 16_000.0, 2.88)


@pytest.fixture(scope="session")
def signal() -> SignalInfo:
    return SignalInfo(n_chans=2, n_times=4, sfreq=10.0, chs_info=({}, {}), n_subjects=1, sound_rate_hz=16_000.0)


@pytest.fixture
def other_space() -> TargetInfo:
    """A target that is not CLAP."""
    return TargetInfo(dim=10, n_tokens=5, token_rate_hz=2.0)


@pytest.fixture
def texts() -> tuple[str, ...]:
    return TEXTS


@pytest.fixture
def noise() -> Callable[..., torch.Tensor]:
    """See `draw`."""
    return draw


@pytest.fixture(scope="session")
def batch_of() -> Callable[..., Batch]:
    """See `gather`."""
    return gather


@pytest.fixture(scope="session")
def clap() -> ClapModel:
    torch.manual_seed(0)
    audio = {
        "patch_embeds_hidden_size": 16,
        "hidden_size": 32,
        "depths": [2, 1],
        "num_attention_heads": [2, 4],
        "num_hidden_layers": 2,
    }
    text = {
        "vocab_size": 300,
        "hidden_size": 128,
        "num_attention_heads": 2,
        "num_hidden_layers": 2,
        "intermediate_size": 32,
        "layer_norm_eps": 1e-5,
        "max_position_embeddings": 90,
    }
    network = ClapModel(ClapConfig(audio_config=audio, text_config=text, projection_dim=24)).eval()
    with torch.no_grad():
        for weight in network.parameters():
            weight.add_(0.1 * torch.randn_like(weight))  # nothing is zero or one, so that no weight can be mixed up
        norm = network.audio_model.audio_encoder.batch_norm
        norm.running_mean.copy_(torch.linspace(-50, -40, 64))
        norm.running_var.fill_(400.0)
    return network


@pytest.fixture(scope="session")
def folder(clap: ClapModel, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder with the small CLAP and a tokenizer, as they come from the hub."""
    from tokenizers import ByteLevelBPETokenizer
    from transformers import RobertaTokenizer

    path = tmp_path_factory.mktemp("clap")
    clap.save_pretrained(path)
    pieces = ByteLevelBPETokenizer()
    pieces.train_from_iterator(TEXTS, vocab_size=290, special_tokens=["<s>", "<pad>", "</s>", "<unk>", "<mask>"])
    pieces.save_model(str(path))
    RobertaTokenizer(str(path / "vocab.json"), str(path / "merges.txt")).save_pretrained(path)
    return path
