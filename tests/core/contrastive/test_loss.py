"""The contrastive score and loss, against the values of the published description."""

from __future__ import annotations

import math

import pytest
import torch

from eeg2speech_bench.core.contrastive.loss import ClipLoss, clip_scores

ESTIMATES = torch.tensor([[[1.0, 0], [0, 2]], [[0, 1], [1, 0]]])
CANDIDATES = torch.tensor([[[2.0, 0], [0, 1]], [[0, 3], [4, 0]], [[1, 1], [1, 1]]])


def test_scores_agree_with_the_reference():
    expected = torch.tensor([[1.788854, 0, 1.5], [0, 1.4, 1.0]])
    torch.testing.assert_close(clip_scores(ESTIMATES, CANDIDATES), expected, atol=1e-5, rtol=0)


def test_probabilities_agree_with_the_reference():
    expected = torch.tensor([[0.521846, 0.087227, 0.390926], [0.128642, 0.521671, 0.349687]])
    torch.testing.assert_close(clip_scores(ESTIMATES, CANDIDATES).softmax(1), expected, atol=1e-5, rtol=0)


@pytest.mark.parametrize(("n_candidates", "expected"), [(3, 0.650550), (2, 0.187492)])
def test_loss_agrees_with_the_reference(n_candidates, expected):
    assert ClipLoss()(ESTIMATES, CANDIDATES[:n_candidates]).item() == pytest.approx(expected, abs=1e-5)


def test_scaling_a_candidate_leaves_its_scores():
    torch.testing.assert_close(clip_scores(ESTIMATES, 3 * CANDIDATES), clip_scores(ESTIMATES, CANDIDATES))


def test_scaling_an_estimate_scales_its_scores():
    torch.testing.assert_close(clip_scores(3 * ESTIMATES, CANDIDATES), 3 * clip_scores(ESTIMATES, CANDIDATES))


def test_a_silent_candidate_scores_zero():
    assert clip_scores(ESTIMATES, torch.zeros(1, 2, 2)).tolist() == [[0.0], [0.0]]


def test_loss_of_candidates_that_are_all_alike_is_the_log_of_their_number():
    estimates = torch.randn(16, 3, 5, generator=torch.Generator().manual_seed(0))
    candidates = estimates[:1].expand(16, 3, 5)
    assert ClipLoss()(estimates, candidates).item() == pytest.approx(math.log(16), abs=1e-5)


def test_loss_of_random_estimates_is_near_the_log_of_the_batch():
    rng = torch.Generator().manual_seed(0)
    estimates, candidates = torch.randn(2, 256, 20, 10, generator=rng) * 0.1
    assert ClipLoss()(estimates, candidates).item() == pytest.approx(math.log(256), abs=0.05)


def test_the_same_audio_in_the_batch_is_no_negative():
    same = torch.tensor([[True, True, False], [True, True, False]])
    scores = clip_scores(ESTIMATES, CANDIDATES)
    expected = -torch.stack([scores[0, [0, 2]].log_softmax(0)[0], scores[1, [1, 2]].log_softmax(0)[0]]).mean()
    assert ClipLoss()(ESTIMATES, CANDIDATES, same).item() == pytest.approx(expected.item(), abs=1e-6)


def test_a_batch_of_one_audio_only_costs_nothing_and_has_finite_gradients():
    estimates = ESTIMATES.clone().requires_grad_()
    loss = ClipLoss(symmetric=True)(estimates, CANDIDATES[:2], torch.ones(2, 2, dtype=torch.bool))
    loss.backward()
    assert loss.item() == 0
    assert estimates.grad.isfinite().all()


def test_the_symmetric_loss_averages_both_directions():
    scores = clip_scores(ESTIMATES, CANDIDATES[:2])
    rows, columns = (-s.log_softmax(1).diagonal().mean() for s in (scores, scores.T))
    symmetric = ClipLoss(symmetric=True)(ESTIMATES, CANDIDATES[:2])
    torch.testing.assert_close(symmetric, (rows + columns) / 2)


def test_scores_stay_in_single_precision_under_autocast():
    with torch.autocast("cpu", torch.bfloat16):
        scores = clip_scores(ESTIMATES.bfloat16(), CANDIDATES)
    assert scores.dtype == torch.float32
    torch.testing.assert_close(scores, clip_scores(ESTIMATES, CANDIDATES))
