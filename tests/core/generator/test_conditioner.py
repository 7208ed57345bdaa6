"""The generator is conditioned on one space, whether its condition comes from EEG, from audio, or from nothing."""

from __future__ import annotations

import torch

from eeg2speech_bench.core.conditioning import SoundInfo
from eeg2speech_bench.core.contrastive.bridge import fit_bridge
from eeg2speech_bench.core.generator.conditioner import Conditioner, make_condition
from eeg2speech_bench.plugins.targets.deep_mel import DeepMelTarget

SOUND = SoundInfo(kind="waveform", rate_hz=16_000.0, window_s=0.5)


def target_of(dim: int, n_bands: int) -> DeepMelTarget:
    torch.manual_seed(0)
    return DeepMelTarget(SOUND, n_bands=n_bands, token_rate_hz=20.0, hidden=8, depth=2, dim=dim).eval()


def conditioner(to_frames: bool) -> tuple[Conditioner, torch.Tensor]:
    """Return a conditioner whose encoder would say the target's embedding, with eight windows of frames."""
    target = target_of(dim=4, n_bands=6)
    frames = torch.randn(8, 10, 6, generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        said = target.content(frames) if to_frames else target(frames)
        bridge = fit_bridge([(target(frames), said)], token_rate_hz=20.0, to_frames=to_frames)
    return Conditioner("same", torch.nn.Identity(), target, bridge, standardise=False), frames


def test_a_bridge_to_frames_conditions_on_what_the_target_starts_from():
    made, frames = conditioner(to_frames=True)
    assert made.width == 6
    torch.testing.assert_close(made.from_audio(frames).embeddings, made.target.standardise(frames))
    assert made.embed_audio(frames).shape == (8, 10, 4)  # what is retrieved stays the embedding


def test_a_bridge_to_embeddings_conditions_on_them():
    made, frames = conditioner(to_frames=False)
    assert made.width == 4
    torch.testing.assert_close(made.from_audio(frames).embeddings, made.target(frames))


def test_conditions_of_eeg_of_audio_and_of_nothing_have_one_shape():
    for to_frames in (True, False):
        made, frames = conditioner(to_frames)
        with torch.no_grad():
            estimates = made.target(frames)
        made.n_tokens = 10
        shapes = {
            made.from_estimate(estimates).embeddings.shape,
            made.from_audio(frames).embeddings.shape,
            made.from_nothing(8, "cpu").embeddings.shape,
        }
        assert shapes == {(8, 10, made.width)}


def test_audio_is_pooled_to_the_tokens_that_the_encoder_gives():
    made, frames = conditioner(to_frames=True)
    made.n_tokens = 5
    pairs = made.target.standardise(frames).unflatten(1, (5, 2)).mean(2)
    torch.testing.assert_close(made.from_audio(frames).embeddings, pairs)


def test_a_target_without_finer_content_gives_its_embedding():
    from eeg2speech_bench.plugins.targets.mel import MelTarget

    target = MelTarget(SOUND, n_bands=6, token_rate_hz=20.0)
    frames = torch.randn(2, 10, 6, generator=torch.Generator().manual_seed(1))
    assert target.content_dim == target.info.dim == 6
    assert torch.equal(target.content(frames), target(frames))


def test_without_a_bridge_estimates_are_taken_as_they_are():
    estimates = torch.randn(2, 10, 4, generator=torch.Generator().manual_seed(1))
    made = Conditioner("same", torch.nn.Identity(), target_of(4, 6), None, standardise=True)
    expected = make_condition(estimates, standardise=True).embeddings
    assert torch.equal(made.from_estimate(estimates).embeddings, expected)
