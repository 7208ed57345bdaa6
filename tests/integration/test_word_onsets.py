"""The published protocol, whose test windows start at words, from recordings to a record that validates."""

from __future__ import annotations

import pandas as pd
import pytest

from eeg2speech_bench.core.records.record import Record
from eeg2speech_bench.core.records.record_store import RecordStore
from eeg2speech_bench.leaderboard.results.validation import validate_record


@pytest.fixture(scope="module")
def record(prepared_bench) -> Record:
    done = prepared_bench.run("--encoder", "ridge", "--scores", "retrieval", "--set", "scores.extended=true")
    assert done.returncode == 0, done.stderr + done.stdout
    (path,) = (prepared_bench.folder / "results" / "records").glob("*.json")
    return validate_record(path)


def test_windows_at_words_are_scored_by_a_stage_of_their_own(record):
    assert [stage.name for stage in record.provenance.stages][-2:] == ["words", "score"]
    onset, headline = record.metric("top10_word_onset"), record.metric("top1")
    assert onset.n_pool > 2 * headline.n_pool  # a word starts every 0.4 s, a test window every 2.88 s
    assert onset.n == 2 * onset.n_pool  # both listeners heard every window
    assert onset.chance == pytest.approx(10 / onset.n_pool)


def test_naming_frequent_words_is_the_chance_of_words(record):
    word = record.metric("word_top10")
    assert 0 < word.chance_uniform < word.chance < 1
    assert record.metric("word_top10", "none").value == pytest.approx(word.chance)
    assert record.metric("word_top10", "audio").value > 0.9


def test_no_window_at_a_word_is_scored_twice_for_one_listener(bench, record):
    table = pd.read_parquet(RecordStore(bench.folder / "results").results / record.files["segments"])
    own = table[(table["metric"] == "top1_word_onset") & (table["condition"] == "eeg")]
    assert not own.duplicated(["recording", "stimulus", "start_s"]).any()
    assert (own.groupby("subject").size() == own["stimulus"].size / 2).all()
