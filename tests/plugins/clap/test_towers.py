"""Both towers together: trained on chords and the names of their tones, they find each other in one convention."""

from __future__ import annotations

import pytest
import torch
from torch.nn.functional import cosine_similarity

from eeg2speech_bench.core.contrastive.loss import ClipLoss, clip_scores
from eeg2speech_bench.plugins.clap.front_end import log_mel
from eeg2speech_bench.plugins.encoders.clap import ClapText
from eeg2speech_bench.plugins.targets.clap import ClapTarget

TONES = {"low": 300.0, "middle": 900.0, "high": 2700.0, "piercing": 6000.0}
CHORDS = [[name for i, name in enumerate(TONES) if number >> i & 1] for number in range(1, 16)]
TEXTS_OF_CHORDS = tuple(" ".join(chord) for chord in CHORDS)


def frames_of_chords(mel_scale):
    time = torch.arange(24_000) / 48_000
    sounds = [sum(torch.sin(2 * torch.pi * TONES[name] * time) for name in chord) for chord in CHORDS]
    return log_mel(torch.stack(sounds), 48_000, mel_scale)[:, :50]


@pytest.fixture(scope="module")
def trained(speech, signal, batch_of):
    """A target and a text encoder that were trained on chords and the names of their tones."""
    torch.manual_seed(0)
    target = ClapTarget.build(speech, dim=16, hidden=8)
    encoder = ClapText.build(signal, target.info, hidden=16)
    optimiser = torch.optim.AdamW([*encoder.parameters(), *target.parameters()], 5e-3)
    loss, batch, frames = ClipLoss(), batch_of(TEXTS_OF_CHORDS), frames_of_chords("slaney")
    for _ in range(90):
        optimiser.zero_grad()
        loss(encoder(batch).embeddings, target(frames)).backward()
        optimiser.step()
    return target.eval(), encoder.eval()


@pytest.fixture
def identified(trained, batch_of):
    """Return the share of texts that find their chord, given its frames."""
    target, encoder = trained

    @torch.no_grad()
    def share(frames):
        scores = clip_scores(encoder(batch_of(TEXTS_OF_CHORDS)).embeddings, target(frames))
        return (scores.argmax(1) == torch.arange(len(CHORDS))).float().mean().item()

    return share


def test_text_and_sound_of_a_data_set_find_each_other(identified):
    assert identified(frames_of_chords("slaney")) > 0.9


def test_sound_in_the_wrong_convention_is_not_found(identified):
    assert identified(frames_of_chords("htk")) < 0.5


@torch.no_grad()
def test_embeddings_of_the_two_conventions_are_nearly_unrelated(trained):
    right, wrong = (trained[0](frames_of_chords(mel_scale))[:, 0] for mel_scale in ("slaney", "htk"))
    assert cosine_similarity(right, wrong).mean() < 0.5
