from __future__ import annotations

from types import SimpleNamespace

from eeg2speech_bench.benchmarks.commands import MOST_NOTES, _reading_notes


def records(*notes_of_each):
    made = [[{"recording": f"r{k}", "note": note} for k, note in enumerate(notes)] for notes in notes_of_each]
    return [SimpleNamespace(dataset=SimpleNamespace(reading_notes=notes)) for notes in made]


def test_a_note_of_several_recordings_is_said_once():
    assert _reading_notes(records(["64 EEG channels", "64 EEG channels", "a cut"])) == [
        "Read: 64 EEG channels (2 recordings)",
        "Read: a cut",
    ]


def test_the_notes_are_those_of_the_first_record_that_has_any():
    assert _reading_notes(records([], ["a cut"], ["a cut"])) == ["Read: a cut"]


def test_many_different_notes_end_in_their_number():
    lines = _reading_notes(records([f"note {k}" for k in range(MOST_NOTES + 3)]))
    assert len(lines) == MOST_NOTES + 1
    assert lines[-1] == "Read: 3 more notes in the record"


def test_without_notes_nothing_is_said():
    assert _reading_notes(records([], [])) == []
