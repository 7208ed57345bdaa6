"""A model that was built and not trained, sounds, and a recording to stream."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import mne
import numpy as np
import pytest
import soundfile
import torch

from eeg2speech_bench.benchmarks.plugin_source import source_hash_of
from eeg2speech_bench.benchmarks.trained.model_folder import PAIR, ModelDescription, write_model
from eeg2speech_bench.benchmarks.trained.trained_cell import TrainedCell, load_cell
from eeg2speech_bench.benchmarks.trained.trained_parts import _build_pair
from eeg2speech_bench.core.presets.config import load_config
from eeg2speech_bench.core.registry.registry import Registry, load_registry

STREAM_HZ, MODEL_HZ, WINDOW_S = 256.0, 128.0, 1.0
#: seconds of the recording, and of the sounds
RECORDED_S, SOUND_S = 24.0, 20.0
NARROW = {"hidden": 8, "depth": 2, "virtual_channels": 8, "initial_linear": 8, "fourier_dim": 32}
MEL = {"n_bands": 4, "token_rate_hz": 10.0}


@pytest.fixture(scope="session")
def registry() -> Registry:
    return load_registry()


def make_recording(seed: int = 0, sfreq: float = STREAM_HZ) -> mne.io.RawArray:
    """Return noise with the spectrum and the size of EEG on 16 electrodes."""
    montage = mne.channels.make_standard_montage("biosemi16")
    info = mne.create_info(montage.ch_names, sfreq, "eeg")
    eeg = np.random.default_rng(seed).standard_normal((len(montage.ch_names), round(RECORDED_S * sfreq)))
    eeg = 1e-6 * (eeg + np.cumsum(eeg, axis=1) / 3)
    return mne.io.RawArray(eeg, info, verbose="ERROR").set_montage(montage, verbose="ERROR")


@pytest.fixture(scope="session")
def recording() -> mne.io.RawArray:
    return make_recording()


@pytest.fixture(scope="session")
def write_cell(registry: Registry) -> Callable[..., Path]:
    """Write a model of random weights, with what is different of its preparation."""

    def write(folder: Path, **data: object) -> Path:
        spec, target_spec = registry.get("encoder", "brainmagick"), registry.get("target", "mel")

        def origin(spec, options):
            kept = {"distribution": "eeg2speech-bench", "version": "0.1.0", "target": spec.target}
            return {"name": spec.name, "source_hash": source_hash_of(spec), "options": options, **kept}

        chs_info = [
            {"ch_name": c["ch_name"], "loc": np.nan_to_num(c["loc"]).tolist(), "kind": 2, "coil_type": 1, "unit": 107}
            | {"coord_frame": 4}
            for c in make_recording().info["chs"]
        ]
        overrides = {f"data.{key}": value for key, value in {"window_s": WINDOW_S, "sfreq": MODEL_HZ, **data}.items()}
        config = load_config("quick", overrides=overrides)
        n_times = round(config.data.window_s * config.data.sfreq)
        about = {"id": "c", "encoder": "brainmagick", "dataset": "d", "dataset_argument": "d", "preset": "quick"}
        recorded = {"recording_id": "r", "listener": "01", "scale_from": "recording", "recorded_sfreq": STREAM_HZ}
        description = ModelDescription.model_validate(
            {
                "suite": "0.1.0",
                "cell": {**about, "seed": 0},
                "dataset": {"name": "d", "revision": "1"},
                "encoder": origin(spec, NARROW),
                "target": origin(target_spec, MEL),
                "modality": "eeg",
                "signal": {"n_chans": 16, "n_times": n_times, "sfreq": config.data.sfreq, "chs_info": chs_info},
                "sound": {"kind": "waveform", "rate_hz": 16000.0},
                "listeners": ["01"],
                "recordings": [recorded],
                "config": config.model_dump(mode="json"),
                "verdict": {},
                "packages": {},
            }
        )
        torch.manual_seed(1)
        encoder, target = _build_pair(description, registry, anyway=False)
        parts = {"encoder": encoder.state_dict(), "target": target.state_dict()}
        weights = {f"{part}.{key}": value for part, state in parts.items() for key, value in state.items()}
        mean = {"mean.tokens": torch.zeros(1, 10, 4), "mean.pooled": torch.zeros(1, 4)}
        write_model(folder, description, {PAIR: {**weights, **mean, "scale": torch.full((1, 16), 3.0)}})
        return folder

    return write


@pytest.fixture(scope="session")
def model(write_cell: Callable[..., Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_cell(tmp_path_factory.mktemp("live") / "model")


@pytest.fixture(scope="session")
def cell(model: Path, registry: Registry) -> TrainedCell:
    return load_cell(model, device="cpu", registry=registry)


@pytest.fixture(scope="session")
def sounds(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of three sounds."""
    folder = tmp_path_factory.mktemp("sounds")
    for number, name in enumerate(("one", "two", "three")):
        samples = 0.1 * np.random.default_rng(number).standard_normal(round(SOUND_S * 16000))
        soundfile.write(folder / f"{name}.wav", samples, 16000)
    return folder
