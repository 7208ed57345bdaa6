"""A target that fails is named, and its frames cover each stretch of sound wholly."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from eeg2speech_bench.benchmarks.inputs.target_frames import FrameStore
from eeg2speech_bench.benchmarks.stage_inputs import FeaturesInputs
from eeg2speech_bench.benchmarks.stages import features
from eeg2speech_bench.core.errors import ContractError
from eeg2speech_bench.core.specs import TargetSpec

RATE_HZ = 25.0


class Loudness:
    """Frames of one value, by a function that may be another."""

    feature_rate_hz = RATE_HZ

    def __init__(self, sound_rate_hz, change=lambda frames: frames):
        self.hop, self.change = round(sound_rate_hz / RATE_HZ), change

    def features(self, sound):
        frames = sound[: len(sound) // self.hop * self.hop].reshape(-1, self.hop).abs().mean(1, keepdim=True)
        return self.change(frames.float())


def run(monkeypatch, store, out, change):
    monkeypatch.setattr(features, "build_target", lambda *arguments: Loudness(store.sound_rate_hz, change))
    out.mkdir()
    inputs = FeaturesInputs(prepared=store.path, target=TargetSpec("mine", "nowhere:Mine"), target_options={})
    features.run(inputs, out, lambda note, share: None)
    return FrameStore(out, store)


def exits(frames):
    raise SystemExit(3)


def raises(frames):
    raise RuntimeError("my codebook is missing")


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (raises, "Target 'mine' failed: got RuntimeError: my codebook is missing"),
        (exits, "Target 'mine' called sys.exit: got 3"),
        (lambda frames: frames[::2], "another number of frames than its feature_rate_hz says"),
        (lambda frames: frames / 0 * 0, "frames that are not finite"),
        (lambda frames: frames.numpy(), "returned no frames: got ndarray"),
    ],
)
def test_a_target_that_breaks_its_contract_is_named(monkeypatch, tmp_path, store, change, said):
    with pytest.raises(ContractError, match=said):
        run(monkeypatch, store, tmp_path / "out", change)


def test_a_frame_that_is_missing_at_the_end_is_that_before_it(monkeypatch, tmp_path, store):
    whole = run(monkeypatch, store, tmp_path / "whole", lambda frames: frames)
    cut = run(monkeypatch, store, tmp_path / "cut", lambda frames: frames[:-1])
    assert cut.frames.shape == whole.frames.shape
    windows = np.arange(len(store.windows))
    given = store.segments["window"].unique()
    np.testing.assert_array_equal(cut.gather(windows[given])[:, :-1], whole.gather(windows[given])[:, :-1])


def test_frames_are_stored_without_their_graph(monkeypatch, tmp_path, store):
    found = run(monkeypatch, store, tmp_path / "out", lambda frames: frames * torch.nn.Parameter(torch.ones(1)))
    assert np.isfinite(found.frames).all()
