"""Baselines know what they are told, and nothing of the sound from the EEG."""

from __future__ import annotations

from dataclasses import replace

import mne
import pytest
import torch

from eeg2speech_bench.core.errors import DataError
from eeg2speech_bench.core.segments.segment_store import Batch, SignalInfo, TargetInfo
from eeg2speech_bench.plugins.encoders.baselines import MeanTarget, NoiseTrained, RandomWeights, SubjectOnly, TimeOnly

TARGET = TargetInfo(dim=5, n_tokens=12, token_rate_hz=12.0)
SMALL = {"hidden": 8, "depth": 2, "virtual_channels": 6, "initial_linear": 6, "fourier_dim": 32}


@pytest.fixture
def signal() -> SignalInfo:
    montage = mne.channels.make_standard_montage("biosemi16")
    info = mne.create_info(montage.ch_names, 60.0, "eeg").set_montage(montage)
    return SignalInfo(16, 60, 60.0, tuple(info["chs"]), 3)


@pytest.fixture
def batch() -> Batch:
    generator = torch.Generator().manual_seed(0)
    eeg = torch.randn(4, 16, 60, generator=generator)
    return Batch(eeg, torch.tensor([0, 1, 2, 0]), torch.arange(4), elapsed_s=torch.tensor([0.0, 10.0, 20.0, 30.0]))


def test_the_noise_trained_network_meets_surrogates_in_training_and_eeg_in_testing(signal, batch):
    encoder = NoiseTrained(signal, TARGET, **SMALL, merger_dropout=0.0)
    seen = []
    encoder.network.merger.register_forward_hook(lambda module, inputs, output: seen.append(inputs[0]))
    encoder.train()(batch)
    encoder.eval()(batch)
    assert (seen[0] - batch.eeg).abs().mean() > 0.1
    assert torch.equal(seen[1], batch.eeg)
    torch.testing.assert_close(torch.fft.rfft(seen[0]).abs(), torch.fft.rfft(batch.eeg).abs(), rtol=1e-3, atol=1e-3)


def test_random_weights_stay_as_they_were_initialised(signal, batch):
    torch.manual_seed(0)
    encoder = RandomWeights(signal, TARGET, **SMALL)
    before = {name: value.clone() for name, value in encoder.state_dict().items()}
    encoder.fit([(batch, torch.zeros(4, 12, 5))], [])
    assert all(torch.equal(before[name], value) for name, value in encoder.state_dict().items())


@pytest.mark.parametrize("kind", [SubjectOnly, TimeOnly, MeanTarget])
def test_the_eeg_is_not_looked_at(kind, signal, batch):
    encoder = kind(signal, TARGET).eval()
    other = replace(batch, eeg=torch.zeros_like(batch.eeg))
    assert torch.equal(encoder(batch).embeddings, encoder(other).embeddings)
    assert encoder(batch).embeddings.shape == (4, 12, 5)


def test_listeners_have_their_own_answer_and_a_new_one_gets_the_mean(signal, batch):
    encoder = SubjectOnly(signal, TARGET)
    tokens = encoder(replace(batch, subject=torch.tensor([0, 1, 2, 3]))).embeddings
    assert not torch.equal(tokens[0], tokens[1])
    torch.testing.assert_close(tokens[3], tokens[:3].mean(0))


def test_the_answer_to_the_time_changes_with_the_time(signal, batch):
    tokens = TimeOnly(signal, TARGET)(batch).embeddings
    assert not torch.allclose(tokens[0], tokens[1])


def test_segments_without_a_time_are_refused(signal, batch):
    with pytest.raises(DataError, match="time-only' needs the time of each segment"):
        TimeOnly(signal, TARGET)(replace(batch, elapsed_s=None))


def test_the_mean_is_that_of_all_training_segments(signal, batch):
    encoder = MeanTarget(signal, TARGET)
    ones = torch.ones(4, 12, 5)
    fitted = encoder.fit([(batch, ones), (batch, 4 * ones), (batch, ones)], [])
    assert fitted == {"n_segments": 12.0}
    torch.testing.assert_close(encoder(batch).embeddings, 2 * ones)


def test_a_mean_of_nothing_is_refused(signal):
    with pytest.raises(DataError, match="no training segments"):
        MeanTarget(signal, TARGET).fit([], [])
