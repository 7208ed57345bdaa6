"""New listeners: no stage that trains sees them, and what stands in for them is chosen by training audio alone."""

from __future__ import annotations

import shutil
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from torch import nn

from eeg2speech_bench.benchmarks.given_encoders import register_encoder
from eeg2speech_bench.benchmarks.models.pair import Pair
from eeg2speech_bench.benchmarks.scoring.scores import Scores
from eeg2speech_bench.benchmarks.stage_inputs import (
    AlignInputs,
    CalibrateInputs,
    ClipsInputs,
    EmbedInputs,
    FeaturesInputs,
    PrepareInputs,
    ScoreInputs,
    StageInputs,
)
from eeg2speech_bench.benchmarks.stage_runs import run_stage
from eeg2speech_bench.benchmarks.stages.calibrate import calibration_rows, read_stand_ins
from eeg2speech_bench.core.conditions import EMBEDDED
from eeg2speech_bench.core.errors import DataError, UsageError
from eeg2speech_bench.core.presets.config import AlignmentConfig, DataConfig, ScoresConfig
from eeg2speech_bench.core.registry.registry import load_registry
from eeg2speech_bench.core.segments.segment_store import SegmentStore
from eeg2speech_bench.core.stages.checkpoints import StageCheckpoints
from eeg2speech_bench.core.stages.json_files import read_json

#: of the tiny data set: EEG samples of a recording, of its training audio and of a window, and per second
N_RECORDING, N_TRAINING, N_TIMES, SFREQ = 1200, 240, 40, 20
TARGET_OPTIONS = {"n_bands": 8, "token_rate_hz": 10.0}
ALIGNMENT = AlignmentConfig(batch_size=4, learning_rate=1e-2, steps_per_epoch=2, max_epochs=2)
NEW = ("2",)


def silent(note: str, share: float) -> None:
    """Report nothing."""


def run(inputs: StageInputs, out: Path) -> Path:
    out.mkdir()
    none = StageCheckpoints(out.parent / "none", {"name": inputs.name, "key": ""}, print)
    run_stage(inputs, out, silent, *([none] if inputs.trains else []))
    return out


def plant(folder: Path) -> None:
    """Let the first channel follow the loudness of the sound, upside down for the first listener."""
    rng = np.random.default_rng(1)
    level = np.repeat(rng.standard_normal(N_RECORDING // 4), 4)
    sound = np.load(folder / "sound.npy")
    np.save(folder / "sound.npy", sound * np.repeat(np.exp(level), len(sound) // len(level)).astype(np.float32))
    eeg = 0.3 * rng.standard_normal((3, N_RECORDING, 3))
    eeg[:, :, 0] += np.array([-1, 1, 1])[:, None] * level
    np.save(folder / "eeg.npy", eeg.reshape(-1, 3).astype(np.float32))


def pair_of(encoder: str, registry) -> Pair:
    return Pair(registry.get("encoder", encoder), {}, registry.get("target", "mel"), TARGET_OPTIONS)


@pytest.fixture(scope="module")
def cell(prepared, tmp_path_factory):
    """A ridge cell with the last listener held out, up to its scores."""
    folder, registry = tmp_path_factory.mktemp("cell"), load_registry()
    shutil.copytree(prepared, folder / "prepared")
    plant(folder / "prepared")
    pair, of_listeners = pair_of("ridge", registry), {"prepared": folder / "prepared", "held_out": NEW}
    features = run(FeaturesInputs(folder / "prepared", pair.target, TARGET_OPTIONS), folder / "features")
    common = of_listeners | {"features": features, "pair": pair, "device": "cpu"}
    align = AlignInputs(**common, alignment=ALIGNMENT, seed=0, precision="float32")
    aligned = run(align, folder / "align")
    calibrate = CalibrateInputs(**common, aligned=aligned, minutes=0.1)
    calibration = run(calibrate, folder / "calibrate")
    clips = run(ClipsInputs(n_clips=2, **of_listeners), folder / "clips")
    embedded = run(
        EmbedInputs(**common, clips=clips, aligned=aligned, calibration=calibration, standardise=True, seed=0),
        folder / "embed",
    )
    score = ScoreInputs(
        **of_listeners,
        embedded=embedded,
        words=None,
        generated=None,
        ceilings=None,
        conditions=EMBEDDED,
        metrics=tuple(registry.get("metric", name) for name in ("top1", "mrr")),
        scores=ScoresConfig(n_bootstrap=50, n_permutations=100, block_s=2.0),
        modality="eeg",
        seed=0,
    )
    scores = Scores.read(run(score, folder / "score"))
    return SimpleNamespace(align=align, calibrate=calibrate, calibration=calibration, folder=folder, scores=scores)


def test_known_listeners_train_and_new_ones_are_tested(store):
    held = SegmentStore(store.path, ("1",))
    assert held.meta.subjects == ["0", "2", "1"]
    assert held.signal.n_subjects == 2
    heard = {part: set(held.segments["subject"][held.indices(part)]) for part in ("train", "valid", "test")}
    assert heard == {"train": {0, 1}, "valid": {0, 1}, "test": {2}}
    assert set(held.segments["recording"][held.indices("test")]) == {1}
    assert set(held.segments["subject"][held.indices("test", "known")]) == {0, 1}


def test_who_is_held_out_is_part_of_the_split(store):
    hashes = {SegmentStore(store.path, asked).meta.split.hash for asked in ((), ("0",), ("1",), ("0", "1"))}
    assert len(hashes) == 4


def test_a_listener_who_heard_nothing_of_the_test_cannot_be_held_out(store):
    table = store.segments
    table[(table["subject"] != 2) | (table["split"] != "test")].to_parquet(store.path / "segments.parquet")
    with pytest.raises(DataError, match=r"Part 'test' has no segment of new listeners: got 2 held out of 3"):
        SegmentStore(store.path, NEW).indices("test")


def test_preparation_is_shared_whoever_is_held_out():
    dataset = SimpleNamespace(name="d", revision="1")
    given = [DataConfig(), DataConfig(held_out_listeners="1/3"), DataConfig(calibration_min=5)]
    first, *others = [PrepareInputs(dataset, None, data).settings() for data in given]
    assert others == [first, first]


def replace_training_eeg(folder: Path, recording: int) -> None:
    """Put something else in place of what a listener's EEG was while training audio was heard."""
    eeg = np.load(folder / "eeg.npy")
    eeg[recording * N_RECORDING :][:N_TRAINING] = 50.0
    np.save(folder / "eeg.npy", eeg)


def weights_of(folder: Path) -> dict[str, torch.Tensor]:
    parts = torch.load(folder / "weights.pt", weights_only=True)
    return {f"{part}.{name}": value for part, state in parts.items() for name, value in state.items()}


def network() -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(nn.Flatten(), nn.Linear(3 * N_TIMES, 20 * 8))


@pytest.mark.parametrize(("recording", "same"), [(2, True), (1, False)])
@pytest.mark.parametrize("kind", ["closed form", "gradient"])
def test_weights_do_not_depend_on_the_training_eeg_of_new_listeners(cell, tmp_path, kind, recording, same):
    shutil.copytree(cell.folder / "prepared", tmp_path / "other")
    replace_training_eeg(tmp_path / "other", recording)
    registry = load_registry()
    pair = pair_of("ridge" if kind == "closed form" else register_encoder(network(), registry), registry)
    given = {"features": cell.folder / "features", "pair": pair, "alignment": ALIGNMENT, "seed": 0}
    found = []
    for number, prepared in enumerate((cell.folder / "prepared", tmp_path / "other")):
        inputs = AlignInputs(prepared, **given, held_out=NEW, device="cpu", precision="float32")
        found.append(weights_of(run(inputs, tmp_path / f"align{number}")))
    assert all(torch.equal(value, found[1][name]) for name, value in found[0].items()) == same


def test_calibration_takes_the_first_minutes_of_training_audio(cell):
    store = SegmentStore(cell.folder / "prepared", NEW)
    rows, used_min = calibration_rows(store, 2, 0.1)  # 6 s: three windows of 2 s
    assert store.segments["eeg_start"].to_numpy()[rows].tolist() == [2 * N_RECORDING + n * N_TIMES for n in range(3)]
    assert used_min == pytest.approx(0.1)


def test_calibration_never_takes_time_of_the_test(cell):
    store = SegmentStore(cell.folder / "prepared", NEW)
    rows, used_min = calibration_rows(store, 2, 1000.0)
    assert set(store.segments["split"].to_numpy()[rows]) == {"train"}
    assert used_min == pytest.approx(0.2)


def test_less_than_a_window_calibrates_nobody(cell):
    with pytest.raises(UsageError, match=r"Listener '2' cannot be calibrated: .*calibration_min=0.01"):
        calibration_rows(SegmentStore(cell.folder / "prepared", NEW), 2, 0.01)


def test_the_known_listener_who_serves_the_calibration_best_stands_in(cell):
    assert read_stand_ins(cell.calibration) == {2: 1}
    (chosen,) = read_json(cell.calibration / "training.json")["chosen"].values()
    assert chosen["stand_in"] == "1"
    assert chosen["recognised"] > chosen["uncalibrated"]


def test_an_encoder_that_does_not_read_who_listens_is_not_calibrated(cell, tmp_path):
    registry = load_registry()
    pair = pair_of(register_encoder(network(), registry), registry)
    given = {"features": cell.folder / "features", "pair": pair, "held_out": NEW, "device": "cpu"}
    prepared = cell.folder / "prepared"
    aligned = run(AlignInputs(prepared, **given, alignment=ALIGNMENT, seed=0, precision="float32"), tmp_path / "align")
    out = run(CalibrateInputs(prepared, **given, aligned=aligned, minutes=0.1), tmp_path / "calibrate")
    assert read_stand_ins(out) == {}
    assert read_json(out / "training.json")["method"] == "none: it makes no difference who listens"


def test_groups_are_scored_among_the_same_windows_with_all_controls(cell):
    groups = cell.scores.groups
    assert list(groups) == ["known", "calibrated"]
    for own, listeners in ((cell.scores, {"2"}), (groups["known"], {"0", "1"}), (groups["calibrated"], {"2"})):
        top1 = next(metric for metric in own.metrics if metric.name == "top1")
        assert (set(top1.per_subject), top1.n_pool) == (listeners, 4)
        assert {test.control for test in own.tests} == {"shift", "phase", "shuffle", "mean", "none"}
        assert own.verdict.keys() == {"top1"}


def test_calibration_raises_what_a_planted_new_listener_scores(cell):
    def mrr(scores) -> float:
        return next(metric.value for metric in scores.metrics if (metric.name, metric.condition) == ("mrr", "eeg"))

    assert mrr(cell.scores) < mrr(cell.scores.groups["calibrated"])
