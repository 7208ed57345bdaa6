"""The ridge encoder: recovers a known filter, keeps listeners apart, chooses its penalty on validation data."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hidden_sound import DIM, N_CHANS, N_TIMES, SFREQ, SIGNAL, TARGET, segments
from sklearn.linear_model import Ridge as ReferenceRidge

from eeg2speech_bench.core.errors import DataError
from eeg2speech_bench.core.segments.segment_store import Batch, SignalInfo, TargetInfo
from eeg2speech_bench.plugins.encoders.ridge import PENALTIES, Ridge


def fitted(**options):
    ridge = Ridge.build(SIGNAL, TARGET, **options)
    return ridge, ridge.fit(segments(10), segments(3, seed=1))


def correlation(ridge, batches):
    estimate = torch.cat([ridge(batch).embeddings for batch, _ in batches]).flatten()
    truth = torch.cat([tokens for _, tokens in batches]).flatten()
    return torch.corrcoef(torch.stack([estimate, truth]))[0, 1].item()


def test_a_lagged_mixture_is_unmixed_on_new_segments():
    ridge, _ = fitted()
    assert correlation(ridge, segments(3, seed=2)) > 0.95


def test_the_report_names_a_penalty_of_the_grid_and_the_validation_correlation():
    _, report = fitted()
    assert report["penalty"] in PENALTIES
    assert 0.9 < report["valid_r"] <= 1


def test_pooled_weights_cannot_follow_listeners_of_opposite_sign():
    _, report = fitted(per_subject=False)
    assert abs(report["valid_r"]) < 0.2


def test_lags_that_miss_the_response_find_nothing():
    _, report = fitted(lags_s=(-0.15, 0.0))
    assert abs(report["valid_r"]) < 0.2


def test_noise_is_given_no_correlation():
    rng = torch.Generator().manual_seed(0)
    noise = [(Batch(torch.randn(8, 4, 60, generator=rng), b.subject, b.window), t) for b, t in segments(6)]
    ridge = Ridge.build(SIGNAL, TARGET)
    assert abs(ridge.fit(noise[:4], noise[4:])["valid_r"]) < 0.1


def test_the_penalty_with_the_best_validation_correlation_is_chosen(monkeypatch):
    train, valid = segments(1, noise=3.0), segments(3, noise=3.0, seed=1)
    report = Ridge.build(SIGNAL, TARGET).fit(train, valid)
    alone = {}
    for penalty in PENALTIES:
        monkeypatch.setattr("eeg2speech_bench.plugins.encoders.ridge.PENALTIES", (penalty,))
        alone[penalty] = Ridge.build(SIGNAL, TARGET).fit(train, valid)["valid_r"]
    assert report == {"penalty": max(alone, key=alone.get), "valid_r": max(alone.values())}


def test_weights_agree_with_scikit_learn(monkeypatch):
    monkeypatch.setattr("eeg2speech_bench.plugins.encoders.ridge.PENALTIES", (0.1,))
    train = segments(3)
    ridge = Ridge.build(SIGNAL, TARGET, per_subject=False)
    ridge.fit(train, train)
    features = torch.cat([ridge._lagged(b.eeg, torch.float64) for b, _ in train]).flatten(0, 1).numpy()[:, :-1]
    tokens = torch.cat([t for _, t in train]).flatten(0, 1).numpy()
    alpha = 0.1 * np.trace(features.T @ features) / features.shape[1]
    reference = ReferenceRidge(alpha=alpha).fit(features, tokens)
    expected = np.vstack([reference.coef_.T, reference.intercept_])
    np.testing.assert_allclose(ridge.weights[-1].numpy(), expected, atol=1e-5)


@pytest.mark.parametrize("unseen", [-1, 2])
def test_a_listener_never_seen_gets_the_pooled_weights(unseen):
    ridge = Ridge.build(SIGNAL, TARGET)
    ridge.fit(segments(10, signs=(1.0, 1.0)), segments(3, signs=(1.0, 1.0), seed=1))
    batch, tokens = segments(1, signs=(1.0, 1.0), seed=2)[0]
    stranger = Batch(batch.eeg, torch.full_like(batch.subject, unseen), batch.window)
    assert correlation(ridge, [(stranger, tokens)]) > 0.95


def test_a_listener_without_training_segments_gets_the_pooled_weights():
    ridge = Ridge.build(SignalInfo(N_CHANS, N_TIMES, SFREQ, (), 3), TARGET)
    ridge.fit(segments(2), segments(1, seed=1))
    assert torch.equal(ridge.weights[2], ridge.weights[3])


def test_the_fit_survives_its_state():
    ridge, _ = fitted()
    copy = Ridge.build(SIGNAL, TARGET)
    copy.load_state_dict(ridge.state_dict(), strict=True)
    batch, _ = segments(1, seed=2)[0]
    assert torch.equal(copy(batch).embeddings, ridge(batch).embeddings)


def test_the_offset_and_slow_level_of_the_eeg_do_not_matter():
    ridge, _ = fitted()
    batch, _ = segments(1, seed=2)[0]
    raised = Batch(batch.eeg + 7, batch.subject, batch.window)
    torch.testing.assert_close(ridge(raised).embeddings, ridge(batch).embeddings, atol=1e-3, rtol=0)


@pytest.mark.parametrize(
    ("n_tokens", "rate", "expected"), [(346, 30.0, 86), (346, 10.0, 29), (20, 30.0, 20), (1, 30.0, 1)]
)
def test_tokens_come_at_the_asked_rate_but_never_more_than_the_target_has(n_tokens, rate, expected):
    signal, target = SignalInfo(N_CHANS, 346, 120.0, (), 2), TargetInfo(DIM, n_tokens, n_tokens / 2.88)
    ridge = Ridge.build(signal, target, token_rate_hz=rate)
    batch = Batch(torch.randn(2, N_CHANS, 346), torch.tensor([0, 1]), torch.tensor([0, 1]))
    assert ridge(batch).embeddings.shape == (2, expected, DIM)


def test_lags_cover_150_ms_on_either_side():
    ridge = Ridge.build(SignalInfo(N_CHANS, 240, 120.0, (), 2), TargetInfo(DIM, 240, 120.0), token_rate_hz=20.0)
    assert list(ridge.lags) == [-3, -2, -1, 0, 1, 2, 3]


def test_features_are_zero_beyond_the_window():
    ridge = Ridge.build(SIGNAL, TARGET, lags_s=(-1 / 30, 1 / 30))
    lagged = ridge._lagged(torch.randn(1, N_CHANS, N_TIMES))[0]
    assert not lagged[0, :N_CHANS].any()
    assert not lagged[-1, 2 * N_CHANS : 3 * N_CHANS].any()


def test_a_silent_signal_gives_the_mean_of_the_target():
    silent = [(Batch(torch.zeros_like(b.eeg), b.subject, b.window), t) for b, t in segments(2)]
    ridge = Ridge.build(SIGNAL, TARGET, per_subject=False)
    ridge.fit(silent, silent)
    mean = torch.cat([t for _, t in silent]).mean((0, 1))
    torch.testing.assert_close(ridge(silent[0][0]).embeddings[0, 0], mean)


@pytest.mark.parametrize(("train", "valid", "word"), [([], None, "training"), (None, [], "validation")])
def test_an_empty_split_is_refused(train, valid, word):
    ridge = Ridge.build(SIGNAL, TARGET)
    with pytest.raises(DataError, match=f"has no {word} segments"):
        ridge.fit(segments(1) if train is None else train, segments(1) if valid is None else valid)
