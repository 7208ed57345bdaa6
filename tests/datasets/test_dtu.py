from __future__ import annotations

import numpy as np
import pytest

from eeg2speech_bench.core.errors import DataError, LeakageError
from eeg2speech_bench.core.presets.config import DataConfig
from eeg2speech_bench.core.segments.prepared import Prepared
from eeg2speech_bench.core.segments.segment_store import SegmentStore
from eeg2speech_bench.datasets.dtu import open_dtu
from eeg2speech_bench.datasets.preparation.prepare import prepare


@pytest.fixture
def dtu_root(tmp_path):
    """Two listeners with two trials each, of the published shape."""
    rng = np.random.default_rng(0)
    envelope = rng.random((3200, 1), dtype=np.float32)
    folder = tmp_path / "evaluation_datasets" / "DTU"
    folder.mkdir(parents=True)
    for name in ("S1_000", "S1_001", "S2_000", "S10_000"):
        eeg = 4 * rng.standard_normal((3200, 64), dtype=np.float32)
        np.savez(folder / f"DTU_{name}.npz", eeg=eeg, envelope=envelope)
    return tmp_path


def test_every_file_is_a_recording_of_the_same_stimulus(dtu_root):
    dataset = open_dtu(dtu_root)
    assert len(dataset.stimuli) == 1
    assert [(r.recording_id, r.subject) for r in dataset.recordings] == [
        ("DTU_S1_000", "S1"),
        ("DTU_S1_001", "S1"),
        ("DTU_S2_000", "S2"),
        ("DTU_S10_000", "S10"),
    ]


def test_eeg_comes_in_volts_with_biosemi_positions(dtu_root):
    raw = open_dtu(dtu_root).recordings[0].load()
    assert (raw.ch_names[0], raw.ch_names[63], raw.info["sfreq"]) == ("Fp1", "O2", 64.0)
    assert raw.get_data().std() == pytest.approx(4e-6, rel=0.01)
    assert np.linalg.norm(raw.info["chs"][0]["loc"][:3]) == pytest.approx(0.095, abs=0.01)


def test_the_revision_follows_content(dtu_root):
    before = open_dtu(dtu_root).revision
    path = next(dtu_root.rglob("DTU_S2_000.npz"))
    arrays = dict(np.load(path))
    arrays["eeg"][0, 0] += 1
    np.savez(path, **arrays)
    assert open_dtu(dtu_root).revision != before


def test_a_folder_without_files_is_refused(tmp_path):
    with pytest.raises(DataError, match="has no DTU recordings"):
        open_dtu(tmp_path)


def test_a_truncated_file_is_refused(dtu_root):
    path = next(dtu_root.rglob("DTU_S2_000.npz"))
    path.write_bytes(path.read_bytes()[:100_000])
    with pytest.raises(DataError, match=r"DTU_S2_000\.npz cannot be read.*download it again"):
        open_dtu(dtu_root)


def test_a_missing_array_is_named(dtu_root):
    path = next(dtu_root.rglob("DTU_S2_000.npz"))
    np.savez(path, eeg=np.load(path)["eeg"])
    with pytest.raises(DataError, match=r"Array 'envelope' of .*DTU_S2_000\.npz is wrong: got no such array"):
        open_dtu(dtu_root)


def test_an_array_of_another_shape_is_named(dtu_root):
    path = next(dtu_root.rglob("DTU_S2_000.npz"))
    np.savez(path, eeg=np.load(path)["eeg"].T, envelope=np.load(path)["envelope"])
    with pytest.raises(DataError, match=r"Array 'eeg' .*got \(64, 3200\), expected \(3200, 64\)"):
        open_dtu(dtu_root)


def test_the_recommended_split_tests_on_the_second_half(dtu_root, tmp_path):
    prepare(open_dtu(dtu_root), DataConfig(), tmp_path / "out")
    store = SegmentStore(tmp_path / "out")
    windows = store.windows[store.windows["split"] == "test"]
    assert (len(windows), windows["start_s"].min()) == (8, 26.5)
    assert not store.has_audio


@pytest.mark.parametrize("kind", ["subject", "recording"])
def test_real_recordings_refuse_a_split_by_listener_or_recording(realdata, tmp_path, kind):
    proof = (
        r"shares 50\.0 of 50\.0 s of test stimulus audio with train \(stimulus \w+ heard in DTU_\w+ \(train\) and in"
    )
    with pytest.raises(LeakageError, match=proof):
        prepare(open_dtu(realdata), DataConfig(split=kind), tmp_path)


def test_real_recordings_hold_one_stimulus_heard_sixty_times(realdata, tmp_path):
    dataset = open_dtu(realdata)
    assert (len(dataset.stimuli), len(dataset.recordings)) == (1, 60)
    prepare(dataset, DataConfig(), tmp_path)
    meta = Prepared.read(tmp_path)
    assert meta.subjects == ["S1", "S2", "S3", "S4", "S5", "S6"]
    assert meta.n_segments["test"] == 8 * 60
    assert meta.split.evidence.shared_s["train-test"] == 0.0


@pytest.mark.slow
def test_the_command_of_its_page_runs_to_a_record(dtu_root, typed):
    ran = typed(f"dtu:{dtu_root}")
    assert ran.record.dataset.name == "dtu"
