"""Speech of a recording that was left out of training: another session of the same simulated listeners."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from eeg2speech_bench.benchmarks import load_cell
from eeg2speech_bench.benchmarks.inputs.audio_files import load_clips
from eeg2speech_bench.benchmarks.metrics.identification import identification
from eeg2speech_bench.core.cli import main
from eeg2speech_bench.core.records.record import Record
from eeg2speech_bench.core.records.record_store import RecordStore
from eeg2speech_bench.core.segments.clips import Clips
from eeg2speech_bench.core.segments.segment_store import SegmentStore
from eeg2speech_bench.datasets.simulation.dataset import simulate
from eeg2speech_bench.datasets.simulation.settings import SimulationSettings

#: of 78 guesses among as many clips, more than this many are right once in 2,000 times (binomial distribution)
MOST_GUESSED = 5 / 78
#: seconds between the EEG of the control and that of what was heard
WRONG_BY_S = 20.0


@pytest.fixture(scope="module")
def default_run(tmp_path_factory: pytest.TempPathFactory) -> tuple[Record, Path, Path]:
    """The record of the README's first command, its results folder, and the stages of its cache.

    A run that is there already is taken where TRIED_RUN names its folder, with ``results`` and ``cache`` in it.
    """
    named = os.environ.get("TRIED_RUN")
    folder = Path(named) if named else tmp_path_factory.mktemp("default")
    results, cache = folder / "results", folder / "cache"
    if not named:
        typed = ["run", "--encoder", "brainmagick", "--results", str(results), "--cache", str(cache)]
        assert main(typed) == 0
    return RecordStore(results).read_all()[0], results, cache / "stages"


@pytest.fixture(scope="module")
def another_session(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return simulate(tmp_path_factory.mktemp("sessions") / "again", SimulationSettings(session=1))


def clips_of(record: Record, stages: Path) -> tuple[pd.DataFrame, Clips]:
    """What each clip of the cell's test is of: listener, stimulus, and second of it; and the true clips."""
    keys = {stage.name: stages / f"{stage.name}-{stage.key[:20]}" for stage in record.stages}
    store = SegmentStore(keys["prepare"])
    table = pd.read_parquet(keys["embed"] / "segments.parquet")
    table = table[table["clip"] >= 0].sort_values("clip")
    window = store.windows.iloc[table["window"]]
    facts = {
        "listener": [store.meta.recordings[number].subject for number in table["recording"]],
        "stimulus": [store.meta.stimuli[number].name for number in window["stimulus"]],
        "second": window["start_s"].to_numpy(),
    }
    return pd.DataFrame(facts), load_clips(keys["ceilings"], "reference")


def speak(cell, clips: pd.DataFrame, data: Path, wrong_by_s: float) -> Clips:
    """Generate every clip from when the same stretch of sound was heard in another data set, or from another time."""
    waves, mels = {}, {}
    for listener, own in clips.groupby("listener"):
        (recording,) = (data / f"sub-{listener}").rglob("*.vhdr")
        events = pd.read_csv(next(recording.parent.glob("*_events.tsv")), sep="\t")
        onsets = {Path(row.stim_file).name: row.onset for row in events.itertuples()}
        starts = np.array([onsets[row.stimulus] + row.second for row in own.itertuples()])
        starts += np.where(starts > WRONG_BY_S, -wrong_by_s, wrong_by_s)
        made = cell.generate(cell.encode(recording, listener=listener, starts_s=starts), seed=[*map(int, own.index)])
        waves |= dict(zip(own.index, made.waveform, strict=True))
        mels |= dict(zip(own.index, made.mel, strict=True))
    return Clips(*(np.stack([of_clip[number] for number in clips.index]) for of_clip in (waves, mels)))


@pytest.mark.slow
@pytest.mark.timeout(3000)
def test_clips_of_another_session_are_identified_as_in_the_cells_own_test(default_run, another_session):
    record, results, stages = default_run
    cell = load_cell(results / record.files["model"], device="cpu")
    clips, reference = clips_of(record, stages)
    heard, wrong = (speak(cell, clips, another_session, by_s) for by_s in (0.0, WRONG_BY_S))
    own = record.metric("identification")
    found, guessed = (float(np.nanmean(identification(made, reference))) for made in (heard, wrong))
    said = f"own test {own.value:.3f} [{own.low:.3f}, {own.high:.3f}]"
    print(f"{said}, another session {found:.3f}, wrong time {guessed:.3f}")
    assert own.low <= found <= own.high
    assert guessed <= MOST_GUESSED < found
