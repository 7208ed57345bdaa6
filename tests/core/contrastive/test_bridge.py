"""The bridge finds the target in estimates that say it in another way."""

from __future__ import annotations

import torch

from eeg2speech_bench.core.contrastive.bridge import Bridge, fit_bridge


def speech_like(n: int, seed: int = 0) -> torch.Tensor:
    """Embeddings (n, 20 tokens, 4 dimensions) of unequal variance."""
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(n, 20, 4, generator=generator) * torch.tensor([3.0, 1.0, 0.5, 0.1]) + 2.0


def test_a_rotation_and_rescaling_of_the_space_is_undone():
    mixing = torch.tensor([[0.2, 0.9, 0.0, 0.1], [-1.0, 0.3, 0.2, 0.0], [0.0, 0.1, 2.0, 0.3], [0.1, 0.0, 0.4, 5.0]])
    train, test = speech_like(64), speech_like(16, seed=1)
    bridge = fit_bridge([(train[:32] @ mixing, train[:32]), (train[32:] @ mixing, train[32:])], token_rate_hz=5.0)
    error = (bridge(test @ mixing) - test).square().mean() / test.var()
    assert error < 0.01


def test_what_a_neighbouring_token_says_is_used():
    train, test = speech_like(64), speech_like(16, seed=1)
    late = fit_bridge([(train.roll(2, 1), train)], token_rate_hz=40.0)  # 0.05 s are two tokens
    blind = fit_bridge([(train.roll(2, 1), train)], token_rate_hz=2.0)
    inner = slice(2, -2)
    assert (late(test.roll(2, 1)) - test)[:, inner].square().mean() < 0.05 * test.var()
    assert (blind(test.roll(2, 1)) - test)[:, inner].square().mean() > 0.5 * test.var(1).mean()


def test_uncertain_estimates_shrink_towards_the_mean():
    train = speech_like(256)
    noisy = train + 3 * torch.randn(train.shape, generator=torch.Generator().manual_seed(2))
    mapped = fit_bridge([(noisy, train)], token_rate_hz=1.0)(noisy)
    assert mapped[..., 3].var() < 0.05 * train[..., 0].var()
    torch.testing.assert_close(mapped.mean((0, 1)), train.mean((0, 1)), atol=1e-2, rtol=0)


def test_an_estimate_that_never_changes_is_mapped_to_the_mean_target():
    train = speech_like(64)
    mapped = fit_bridge([(torch.zeros_like(train), train)], token_rate_hz=10.0)(torch.zeros(2, 20, 4))
    torch.testing.assert_close(mapped, train.mean((0, 1)).expand(2, 20, 4))


def test_wide_embeddings_look_at_fewer_neighbours_so_that_the_fit_stays_small():
    wide = torch.randn(2, 20, 600, generator=torch.Generator().manual_seed(0))
    assert fit_bridge([(wide, wide)], token_rate_hz=50.0).radius == 1


def test_single_tokens_have_no_neighbours():
    single = torch.randn(32, 1, 4, generator=torch.Generator().manual_seed(0))
    assert fit_bridge([(single, single)], token_rate_hz=0.35).radius == 0


def test_what_the_target_says_may_be_wider_than_the_estimates():
    mixing = torch.linalg.qr(torch.randn(6, 4, generator=torch.Generator().manual_seed(3))).Q
    frames, unseen = (torch.randn(32, 20, 6, generator=torch.Generator().manual_seed(i)) for i in (4, 5))
    wide = mixing.T  # what four numbers can tell of six
    bridge = fit_bridge([(frames @ mixing, frames @ mixing @ wide)], token_rate_hz=10.0, to_frames=True)
    assert bool(bridge.to_frames)
    told = unseen @ mixing @ wide
    assert (bridge(unseen @ mixing) - told).square().mean() < 0.01 * told.var()


def test_a_stored_bridge_maps_as_before():
    train = speech_like(32)
    bridge = fit_bridge([(train, train.flip(2))], token_rate_hz=10.0)
    again = Bridge(**bridge.state_dict())
    assert torch.equal(again(train), bridge(train))
