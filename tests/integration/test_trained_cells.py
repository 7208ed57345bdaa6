"""What a cell trained is used: it says of a recording what the cell's own test said of the same windows."""

from __future__ import annotations

import json
import shutil
from dataclasses import dataclass
from pathlib import Path

import mne
import numpy as np
import pandas as pd
import pytest
import torch

from eeg2speech_bench.benchmarks import load_cell
from eeg2speech_bench.benchmarks.inputs.target_frames import FrameStore
from eeg2speech_bench.benchmarks.trained.listening import retrieval_scores
from eeg2speech_bench.benchmarks.trained.recording_windows import ReadingChoice
from eeg2speech_bench.benchmarks.trained.trained_cell import TrainedCell
from eeg2speech_bench.core.conditioning import Conditioning
from eeg2speech_bench.core.contrastive.loss import clip_scores
from eeg2speech_bench.core.errors import BenchError, DataError, UnknownNameError, UsageError
from eeg2speech_bench.core.records.record import Record
from eeg2speech_bench.core.records.record_store import RecordStore
from eeg2speech_bench.core.segments.segment_store import SegmentStore
from eeg2speech_bench.core.training.seeding import derive_seed

#: largest difference of conditions, which have unit variance
CLOSE = 1e-5


@dataclass(frozen=True)
class TestedCell:
    """A finished cell, and what its stages left."""

    __test__ = False

    record: Record
    results: Path
    stages: Path

    @property
    def path(self) -> Path:
        return RecordStore(self.results).path(self.record.cell.id)

    @property
    def model(self) -> Path:
        return self.results / self.record.files["model"]

    def stage(self, name: str) -> Path:
        (key,) = [stage.key for stage in self.record.stages if stage.name == name]
        return self.stages / f"{name}-{key[:20]}"

    def test_segments(self) -> pd.DataFrame:
        """Test segments with the name of their recording, the sound's time in it, and their listener."""
        store = SegmentStore(self.stage("prepare"))
        table = pd.read_parquet(self.stage("embed") / "segments.parquet")
        recordings = [store.meta.recordings[number] for number in table["recording"]]
        rows = table["eeg_start"].to_numpy() - np.array([recording.start for recording in recordings])
        return table.assign(
            recording_id=[recording.recording_id for recording in recordings],
            listener=[recording.subject for recording in recordings],
            sound_s=rows / store.signal.sfreq - store.meta.shift_s,
        )


def run(bench, *encoders: str, options: tuple[str, ...] = ()) -> dict[str, TestedCell]:
    typed = [part for name in encoders for part in ("--encoder", name)]
    done = bench.run(*typed, *options)
    assert done.returncode == 0, done.stderr + done.stdout
    results = bench.folder / "results"
    records = {record.cell.encoder: record for record in RecordStore(results).read_all()}
    return {name: TestedCell(records[name], results, bench.folder / "cache" / "stages") for name in encoders}


def recording_of(data: Path, listener: str) -> Path:
    (path,) = (data / f"sub-{listener}").rglob("*.vhdr")
    return path


@pytest.fixture(scope="module")
def tested(finished_bench) -> TestedCell:
    """A cell that went the whole way."""
    results = finished_bench.folder / "results"
    (record,) = RecordStore(results).read_all()
    return TestedCell(record, results, finished_bench.folder / "cache" / "stages")


@pytest.fixture(scope="module")
def cell(tested) -> TrainedCell:
    return load_cell(tested.path, device="cpu")


@pytest.fixture(scope="module")
def recording(tiny_bids) -> Path:
    return recording_of(tiny_bids, "01")


def assert_encodes_as_tested(tested: TestedCell, cell: TrainedCell, data: Path) -> None:
    """Encode all test segments from the files of the data set, and compare scores and conditions with the test's."""
    table = tested.test_segments()
    store = SegmentStore(tested.stage("prepare"))
    frames = FrameStore(tested.stage("features"), store)
    pool = pd.read_parquet(tested.stage("embed") / "pool.parquet")["window"].to_numpy()
    scores = np.load(tested.stage("embed") / "scores_eeg.npy")
    with np.load(tested.stage("embed") / "condition_eeg.npz") as file:
        tokens, pooled = file["tokens"], file["pooled"]
    for (name, listener), own in table.groupby(["recording_id", "listener"]):
        windows = cell.open(recording_of(data, listener), listener=listener, reading=ReadingChoice(scale=name))
        estimates = cell.estimate(windows, windows.rows(own["sound_s"].to_numpy()), listener)
        sounds = cell.pair.conditioner.embed_audio(torch.from_numpy(frames.gather(pool)))
        here = clip_scores(estimates, sounds).numpy()
        np.testing.assert_allclose(here, scores[own.index], atol=1e-5 * np.abs(scores).max())
        clips = own["clip"].to_numpy()
        made = cell.condition(estimates[torch.from_numpy(clips >= 0)])
        np.testing.assert_allclose(made.embeddings.numpy(), tokens[clips[clips >= 0]], atol=CLOSE)
        np.testing.assert_allclose(made.pooled.numpy(), pooled[clips[clips >= 0]], atol=CLOSE)


def test_the_model_lies_beside_the_record_and_its_size_is_said(tested, finished_run):
    model = finished_run.folder / "results" / tested.record.files["model"]
    assert f"Model:  {model} (" in finished_run.stdout
    assert {path.name for path in tested.model.iterdir()} == {"model.json", "pair.safetensors", "generator.safetensors"}


def test_a_recording_is_encoded_as_the_test_encoded_its_windows(tested, cell, tiny_bids):
    assert_encodes_as_tested(tested, cell, tiny_bids)


@pytest.fixture(scope="module")
def by_retrieval(bench, tested, installed) -> dict[str, TestedCell]:
    """Cells of other kinds of encoders, by retrieval alone; one is of an installed package that is not ours."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTHONPATH", str(installed))
        patch.setenv("EEG2SPEECH_BENCH_PLUGINS", "works")
        options = ("--scores", "retrieval", "--set", "alignment.max_epochs=1")
        return run(bench, "ridge", "eegnet", "works", options=options)


@pytest.mark.parametrize("encoder", ["ridge", "eegnet"])
def test_every_kind_of_encoder_comes_back_from_its_model(by_retrieval, encoder, tiny_bids):
    tested = by_retrieval[encoder]
    assert_encodes_as_tested(tested, load_cell(tested.path, device="cpu"), tiny_bids)


def test_a_cell_of_retrieval_alone_keeps_no_generator_and_says_so(by_retrieval, recording):
    tested = by_retrieval["ridge"]
    assert {path.name for path in tested.model.iterdir()} == {"model.json", "pair.safetensors"}
    cell = load_cell(tested.path, device="cpu")
    with pytest.raises(BenchError, match="makes no speech: got a cell of retrieval alone"):
        cell.generate(cell.encode(recording, listener="01", starts_s=[3.0]))


def test_clips_are_generated_as_the_stage_generated_them(tested, cell):
    table = tested.test_segments()
    windows = table[table["clip"] >= 0].sort_values("clip")["window"].to_numpy()
    with np.load(tested.stage("embed") / "condition_eeg.npz") as file:
        tokens, pooled = (torch.from_numpy(file[name]) for name in ("tokens", "pooled"))
    given = Conditioning(tokens, torch.ones(tokens.shape[:2], dtype=torch.bool), pooled)
    clips = cell.generate(given, [derive_seed(tested.record.cell.seed, "clip", int(window)) for window in windows])
    stored = np.load(tested.stage("generate") / "eeg.npy") / 32767
    np.testing.assert_allclose(clips.waveform, stored, atol=1e-4)


def test_the_verdict_is_that_of_the_record(tested, cell):
    assert cell.verdict == tested.record.verdict
    assert "not distinguishable from no signal" in cell.verdict_lines()[0]


def test_a_raw_and_the_array_of_its_samples_are_encoded_as_its_file(cell, recording):
    raw = mne.io.read_raw(recording, preload=True, verbose="ERROR").crop(0, 60)
    one = cell.encode(raw, listener="01")
    kept = cell.description.config.data
    assert len(one.embeddings) == int((raw.n_times / raw.info["sfreq"] - kept.shift_s) // kept.window_s)
    resampled = (
        raw.copy().resample(cell.signal.sfreq, verbose="ERROR").pick([c["ch_name"] for c in cell.signal.chs_info])
    )
    other = cell.encode(resampled.get_data(), listener="01")
    # MNE's resampling is another one than ours
    np.testing.assert_allclose(one.pooled.numpy(), other.pooled.numpy(), atol=0.1)


def test_the_true_sound_is_ranked_among_others(cell, recording, tiny_bids):
    sounds = {path.stem: path for path in sorted((tiny_bids / "stimuli").glob("*.ogg"))}
    table = cell.rank(recording, sounds, listener="01", starts_s=[5.0, 10.0], onset_s=3.0)
    assert list(table.columns) == ["start_s", "candidate", "score", "rank"]
    assert sorted(table[table["start_s"] == 5.0]["rank"]) == [1, 2, 3, 4, 5, 6]


def test_a_model_works_when_its_folder_and_the_cache_are_moved_away(tested, recording, tmp_path, monkeypatch):
    load_cell(tested.path, device="cpu").save(tmp_path / "elsewhere")
    monkeypatch.setenv("EEG2SPEECH_BENCH_CACHE", str(tmp_path / "empty"))
    hidden = tested.model.with_name("hidden")
    tested.model.rename(hidden)
    stages = tested.stages.with_name("hidden")
    tested.stages.rename(stages)
    try:
        cell = load_cell(tmp_path / "elsewhere", device="cpu")
        clips = cell.generate(cell.encode(recording, listener="01", starts_s=[3.0, 9.0]))
        with pytest.raises(BenchError, match="is not here"):
            load_cell(tested.path)
    finally:
        hidden.rename(tested.model)
        stages.rename(tested.stages)
    assert clips.waveform.shape == (2, 46080)


def test_a_plugin_whose_source_changed_is_refused_unless_it_is_taken_anyway(tested, tmp_path):
    shutil.copytree(tested.model, tmp_path / "model")
    file = tmp_path / "model" / "model.json"
    tree = json.loads(file.read_text())
    tree["encoder"]["source_hash"] = "0" * 16
    file.write_text(json.dumps(tree))
    with pytest.raises(BenchError, match=r"Encoder 'brainmagick' is not the code that was trained: .*--anyway"):
        load_cell(tmp_path / "model", device="cpu")
    assert load_cell(tmp_path / "model", device="cpu", anyway=True).listeners == ["01", "02"]


def test_a_preparation_whose_source_changed_is_said(tested, recording, tmp_path):
    shutil.copytree(tested.model, tmp_path / "model")
    file = tmp_path / "model" / "model.json"
    file.write_text(json.dumps(json.loads(file.read_text()) | {"preparation_hash": "0" * 16}))
    notes = [
        load_cell(folder, device="cpu").open(recording, listener="01").notes for folder in (tested.model, file.parent)
    ]
    assert [sum("other code than in training" in note for note in of_one) for of_one in notes] == [0, 1]


def test_no_model_is_kept_when_nobody_wants_it(bench, tested, tmp_path):
    done = bench.run("--encoder", "brainmagick", "--no-model", "--results", str(tmp_path))
    assert done.returncode == 0, done.stderr + done.stdout
    (record,) = RecordStore(tmp_path).read_all()
    assert "model" not in record.files
    with pytest.raises(BenchError, match=r"kept no model.*Run that cell again without --no-model"):
        load_cell(RecordStore(tmp_path).path(record.cell.id))


def test_an_encoder_of_a_stranger_comes_back_from_its_model(by_retrieval, installed, tiny_bids, monkeypatch):
    monkeypatch.setenv("EEG2SPEECH_BENCH_PLUGINS", "works")
    monkeypatch.syspath_prepend(str(installed))
    of_stranger = by_retrieval["works"]
    assert_encodes_as_tested(of_stranger, load_cell(of_stranger.path, device="cpu"), tiny_bids)


def test_a_model_of_a_stranger_names_the_package_that_is_missing(by_retrieval):
    of_stranger = by_retrieval["works"]
    with pytest.raises(BenchError, match=r"needs encoder 'works', which is not here: .*Install fixture-works 1.0"):
        load_cell(of_stranger.path, device="cpu")


class TestListening:
    """Which sound was heard, by a cell of retrieval alone."""

    def test_the_scores_of_the_test_come_out_again_among_the_same_stretches_of_sound(self, by_retrieval, tiny_bids):
        tested = by_retrieval["ridge"]
        cell = load_cell(tested.path, device="cpu")
        store, table = SegmentStore(tested.stage("prepare")), tested.test_segments()
        zones = store.zones[store.zones["split"] == "test"]
        bounds = zip(zones["sound_start"], zones["sound_stop"], strict=True)
        sounds = cell.candidates({str(k): np.array(store.sound[a:b]) for k, (a, b) in enumerate(bounds)})
        windows = store.windows.iloc[pd.read_parquet(tested.stage("embed") / "pool.parquet")["window"]]
        first = zones["sound_start"].to_numpy()
        of_zone = np.searchsorted(first, windows["sound_start"].to_numpy(), side="right") - 1
        starts_s = windows["start_s"].to_numpy() - zones["start_s"].to_numpy()[of_zone]
        pairs = [(sounds[k], start_s) for k, start_s in zip(of_zone, starts_s, strict=True)]
        scores = np.load(tested.stage("embed") / "scores_eeg.npy")
        for (name, listener), own in table.groupby(["recording_id", "listener"]):
            opened = cell.open(recording_of(tiny_bids, listener), listener=listener, reading=ReadingChoice(scale=name))
            estimates = cell.estimate(opened, opened.rows(own["sound_s"].to_numpy()), listener)
            here = retrieval_scores(estimates, pairs)
            np.testing.assert_allclose(here, scores[own.index], atol=1e-5 * np.abs(scores).max())

    def test_the_command_says_how_often_it_is_right_on_a_recording_of_the_data_set(
        self, bench, by_retrieval, tiny_bids
    ):
        tested = by_retrieval["ridge"]
        out = bench.folder / "heard"
        recording = tested.test_segments()["recording_id"].iloc[0]
        typed = [str(tested.path), recording, "--dataset", str(tiny_bids), "--listener", "01", "--out", str(out)]
        process = bench.start(*typed, verb="listen")
        said, errors = process.communicate(timeout=240)
        assert process.returncode == 0, said + errors
        assert "This recording was part of the training" in said
        assert "Right in " in said and "guessing: 1" in said
        assert {path.name for path in out.iterdir()} == {"matches.csv", "matches.png", "listen.json"}
        known = json.loads((out / "listen.json").read_text())["known"]
        assert known["top1"] > 1 / known["n_pool"]

    def test_sounds_of_a_folder_are_matched(self, bench, by_retrieval, tiny_bids, recording):
        tested = by_retrieval["ridge"]
        out = bench.folder / "matched"
        typed = [str(tested.path), str(recording), "--candidates", str(tiny_bids / "stimuli"), "--onset", "3"]
        process = bench.start(*typed, "--listener", "01", "--out", str(out), verb="listen")
        said, errors = process.communicate(timeout=240)
        assert process.returncode == 0, said + errors
        names = {path.stem for path in (tiny_bids / "stimuli").glob("*.ogg")}
        assert set(pd.read_csv(out / "matches.csv")["candidate"]) == names
        assert "Right in " not in said


class TestRefusals:
    """What a model was not trained for is refused, with what to type."""

    def test_a_listener_who_is_not_given(self, cell, recording):
        with pytest.raises(UsageError, match=r"needs to know who listened: got no listener, expected 01, 02"):
            cell.encode(recording)

    def test_a_listener_who_is_unknown(self, cell, recording):
        with pytest.raises(UnknownNameError, match=r"(?s)'03'.*'new' stands for somebody"):
            cell.encode(recording, listener="03")

    def test_a_new_listener_is_taken_when_told_so(self, cell, recording):
        one, other = (cell.encode(recording, listener=name, starts_s=[3.0]) for name in ("new", "01"))
        assert not torch.equal(one.embeddings, other.embeddings)

    def test_another_rate(self, cell, recording):
        raw = mne.io.read_raw(recording, preload=True, verbose="ERROR").crop(0, 30).resample(100, verbose="ERROR")
        with pytest.raises(DataError, match=r"got 100 Hz, expected 60 Hz or 128 Hz.*--resample"):
            cell.encode(raw, listener="01")
        cell.encode(raw, listener="01", reading=ReadingChoice(resample=True))

    def test_missing_channels(self, cell, recording):
        raw = mne.io.read_raw(recording, preload=True, verbose="ERROR").crop(0, 30).drop_channels(["Cz"])
        with pytest.raises(DataError, match=r"another montage than the model: .*without Cz.*--map-channels"):
            cell.encode(raw, listener="01")

    def test_samples_that_are_not_finite(self, cell, recording):
        raw = mne.io.read_raw(recording, preload=True, verbose="ERROR").crop(0, 30)
        raw._data[0, 5] = np.nan
        with pytest.raises(DataError, match="samples that are not finite"):
            cell.encode(raw, listener="01")

    def test_a_recording_shorter_than_a_window(self, cell, recording):
        raw = mne.io.read_raw(recording, preload=True, verbose="ERROR").crop(0, 2)
        with pytest.raises(DataError, match=r"is shorter than a window: got 2.02 s, expected at least 3.03 s"):
            cell.encode(raw, listener="01")

    def test_windows_that_leave_the_recording(self, cell, recording):
        with pytest.raises(DataError, match="Windows leave the recording"):
            cell.encode(recording, listener="01", starts_s=[1e6])

    def test_a_file_that_is_no_recording(self, cell, tmp_path):
        (tmp_path / "a.txt").write_text("words")
        with pytest.raises(DataError, match=r"a.txt cannot be read"):
            cell.encode(tmp_path / "a.txt", listener="01")
