"""Pictures in the terminal: marks where the numbers are, made of what the terminal can show."""

from __future__ import annotations

import io
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import soundfile
from rich.console import Console

from eeg2speech_bench.core.cli import main
from eeg2speech_bench.core.records.metrics import Verdict
from eeg2speech_bench.core.records.record import Record
from eeg2speech_bench.leaderboard.terminal.charts import draw
from eeg2speech_bench.leaderboard.terminal.glyphs import ASCII, BLOCKS, ColumnScale, mosaic, shrink, sparkline, strip

HOSTILE = "\x1b[31mred[bold]x[/bold] :warning:\x07"
CONDITIONS = ("reference", "eeg", "shuffle", "audio")
#: frequency of the tone that a condition sounds as
TONES_HZ = {"reference": 200, "eeg": 7000, "shuffle": 200, "audio": 7000}


def terminal(encoding: str = "utf8", **options: Any) -> Console:
    """Return a console of 80 columns that keeps what it is told as bytes of an encoding."""
    return Console(file=io.TextIOWrapper(io.BytesIO(), encoding=encoding, newline="\n"), width=80, **options)


def drawn(record: Record, results: Path = Path("nowhere"), console: Console | None = None) -> list[str]:
    """Return the lines that are printed of a cell."""
    console = console or terminal()
    draw(record, results, console)
    console.file.flush()
    return console.file.buffer.getvalue().decode(console.encoding).splitlines()


def scored(eeg: dict[str, float], **changes: Any) -> Record:
    """Return a record of one headline metric; ``shift`` and others in ``changes`` are scores of listeners."""
    controls = {name: changes.pop(name) for name in ("shift", "mean") if name in changes}
    common = {"name": "top1", "label": "top-1", "version": 1, "value": 0.5, "low": 0.0, "high": 1.0, "unit": ""}
    common |= {
        "confidence": 0.95,
        "n": 20 * len(eeg),
        "n_pool": 20,
        "chance": 0.05,
        "higher_is_better": True,
        **changes,
    }
    entries = [common | {"condition": name, "per_subject": own} for name, own in {"eeg": eeg, **controls}.items()]
    return made(metrics=entries, verdict={"top1": VERDICT})


def trained(**histories: list[dict[str, Any]]) -> Record:
    return made(training={stage: {"history": history} for stage, history in histories.items()})


VERDICT = {"distinguishable": True, "p": 0.01, "hardest_control": "shuffle", "alpha": 0.05}


def made(**sections: Any) -> Record:
    """Return a record with these sections."""
    cell = {"id": "net__0", "encoder": "net", "dataset": "d", "dataset_argument": "d", "preset": "quick", "seed": 0}
    encoder = {"name": "net", "distribution": "dist", "version": "1", "source_hash": "a"}
    origins = {"encoder": encoder, "dataset": {"name": "d", "revision": "1"}, "target": {"name": "mel"}}
    return Record(cell=cell, status="done", config={}, **origins, **sections)


@pytest.fixture
def heard(tmp_path: Path, cell: Callable[..., Path]) -> Record:
    """Return the record of a cell in ``tmp_path`` with two clips of tones under four conditions, and their scores."""
    record = Record.read(cell(tmp_path))
    record.verdict["identification"] = Verdict(**VERDICT)
    folder = tmp_path / record.files["audio"]
    rows = []
    for condition in CONDITIONS:
        (folder / condition).mkdir(exist_ok=True)
        for number in range(2):
            tone = 0.3 * np.sin(np.arange(16_000) * 2 * np.pi * TONES_HZ[condition] / 16_000)
            soundfile.write(folder / condition / f"clip_{number:03d}.flac", tone, 16_000)
    for condition, value in {"eeg": 0.25, "shuffle": -0.125, "audio": 0.75, "vocoder": 1.0}.items():
        origin = {"metric": "mel_correlation", "condition": condition, "subject": "07", "stimulus": 3}
        rows += [{**origin, "start_s": 2.88 * number, "value": value - number} for number in range(2)]
    pd.DataFrame(rows).to_parquet(tmp_path / record.files["segments"])
    return record


@pytest.mark.parametrize(
    ("score", "control", "chance", "expected"),
    [
        (0.7, 0.2, (0.0, 0.3), "░░×░   ●   "),
        (0.74, None, (0.16, 0.16), "  ░    ●   "),  # columns 7.4 and 1.6
        (0.26, 0.34, None, "   ⊗       "),
        (1.5, -1.0, None, "×         ●"),
    ],
)
def test_a_mark_stands_in_the_column_nearest_to_its_value(score, control, chance, expected):
    assert strip(score, control, chance, ColumnScale(0, 1, 11), BLOCKS) == expected


def test_bars_rise_from_the_lowest_to_the_highest_value():
    assert sparkline([0, 1, 2, 3, 4, 5, 6, 7], 8, BLOCKS) == "▁▂▃▄▅▆▇█"
    assert sparkline([3, 1, 1, 2.1], 8, ASCII) == "@__="  # 1.1 of 2 is 3.85 of 7 steps
    assert sparkline([2.0, 2.0], 8, BLOCKS) == "▁▁"


def test_more_values_than_bars_become_means():
    assert sparkline([0, 2, 7, 7, 14, 16], 3, BLOCKS) == "▁▄█"  # means 1, 7, 15: 6/14 of 7 steps is 3


def test_a_picture_is_shrunk_to_means_of_its_blocks_and_never_grows():
    picture = np.arange(24.0).reshape(4, 6)
    assert shrink(picture, 2, 3).tolist() == [[3.5, 5.5, 7.5], [15.5, 17.5, 19.5]]
    assert shrink(picture, 4, 100).tolist() == picture.tolist()


def test_two_rows_of_a_picture_are_one_line_of_half_blocks():
    palette = [0, 0, 0, 10, 20, 30, 255, 255, 255]
    (line,) = mosaic(np.array([[0.0, 1.0], [0.5, 0.0]]), BLOCKS, palette)
    assert line.plain == "▀▀"
    colours = [(tuple(span.style.color.triplet), tuple(span.style.bgcolor.triplet)) for span in line.spans]
    assert colours == [((0, 0, 0), (10, 20, 30)), ((255, 255, 255), (0, 0, 0))]


def test_without_colours_a_picture_is_made_of_shades():
    picture = np.array([[0.0, 0.2, 0.5, 0.8, 1.0], [0.0, 0.3, 0.5, 0.7, 1.0]])
    assert [line.plain for line in mosaic(picture, BLOCKS, None)] == [" ░▒▓█"]
    assert [line.plain for line in mosaic(picture, ASCII, [0, 0, 0, 255, 255, 255])] == [" .:*#"]


def test_every_listener_has_a_line_with_the_band_of_as_many_guesses_as_the_listener_has():
    # 20 guesses at 1/20: P(X = 0) = 0.358 and P(X <= 2) = 0.925 < 0.975 <= P(X <= 3) = 0.984, so 0 to 3 of 20
    lines = drawn(scored({"01": 0.98, "listener two": 0.0}, shift={"01": 0.1, "listener two": 0.0}))
    assert lines[1:5] == [
        "top-1 of every listener; strips go from 0 to 0.980",
        "01           │░░░░░×░░░" + " " * 40 + "●│  0.980",  # 0.15 is column 7.5 of 49, 0.1 column 5
        "listener two │⊗░░░░░░░░" + " " * 41 + "│  0.000",
        "● EEG  × best no-signal control  ⊗ both  ░ 95 % of guessers, 20 segments each",
    ]


def test_windows_presented_twice_are_no_further_guesses():
    assert "20 segments each" in drawn(scored({"01": 0.5, "02": 0.5}, n=160))[4]


def test_the_control_of_a_listener_is_the_best_of_all_that_it_has():
    scores = {"01": 1.0, "02": 1.0}
    lines = drawn(scored(scores, shift={"01": 0.3, "02": 0.8}, mean={"01": 0.6}, chance=None))
    assert [line.index("×") - line.index("│") - 1 for line in lines[2:4]] == [29, 39]  # 0.6 and 0.8 of 49
    lines = drawn(scored(scores, shift={"01": 0.3, "02": 0.8}, mean={"01": 0.6}, chance=None, higher_is_better=False))
    assert [line.index("×") - line.index("│") - 1 for line in lines[2:4]] == [15, 39]


def test_chance_that_is_not_one_hit_among_the_pool_is_a_line():
    lines = drawn(scored({"01": 1.0}, chance=0.5))
    assert lines[2] == "01 │" + " " * 25 + "░" + " " * 23 + "●│  1.000"
    assert lines[3] == "● EEG  ░ chance 0.500"


def test_many_listeners_are_sorted_and_thinned_from_the_best_to_the_worst():
    lines = drawn(scored({f"{i:03d}": (37 * i % 100) / 100 for i in range(100)}))
    assert lines[1] == "top-1 of 24 of 100 listeners, sorted and thinned; strips go from 0 to 0.990"
    shown = [float(line.split()[-1]) for line in lines if "│" in line]
    assert (len(shown), shown[0], shown[-1]) == (24, 0.99, 0.0)
    assert shown == sorted(shown, reverse=True)
    assert np.abs(np.diff(shown) + 99 / 23 / 100).max() < 0.01


def test_a_narrow_terminal_has_shorter_strips():
    console = terminal()
    console.width = 30
    assert max(map(len, drawn(scored({"01": 0.5, "02": 0.25}), console=console))) <= 30


def test_learning_curves_say_first_last_and_best_and_leave_out_their_axis():
    losses = enumerate([0.5, 0.25, 0.3])
    history = [{"epoch": i, "step": 10 * i, "train_loss": v, "valid_mrr": 1 - v} for i, v in losses]
    lines = drawn(trained(align=history, diffuse=[], fitted=[{"step": 1, "alone": 2.0}]))
    assert lines[1:-1] == [
        "Learning, each curve from its own lowest to its own highest value",
        "align: train loss  █▁▂  first 0.5, last 0.3, lowest 0.25",
        "align: valid mrr   ▁█▇  first 0.5, last 0.7, highest 0.75",
        "At the end of its budget: align not judged",  # three points are too few
    ]


def test_a_clip_is_drawn_under_four_conditions_with_its_own_correlation(heard, tmp_path):
    lines = drawn(heard, tmp_path)
    start = lines.index("Mel spectrograms of clip 1 (listener 07, stimulus 3, 0.0 s), 1.00 s by 8 kHz")
    titles = ["true speech", "EEG, mel r 0.25"]
    titles += ["hardest control: EEG of other segments, mel r -0.12", "ceiling: true audio embedding, mel r 0.75"]
    assert lines[start + 1 :: 9][:4] == titles
    pictures = [lines[start + 2 + 9 * i : start + 10 + 9 * i] for i in range(4)]
    assert {len(line) for picture in pictures for line in picture} == {70}
    brightest = [max(range(8), key=picture_line_brightness(picture)) for picture in pictures]
    assert brightest == [7, 0, 7, 0]  # low tones at the bottom, high ones at the top


def picture_line_brightness(picture: list[str]) -> Callable[[int], int]:
    return lambda number: sum(map(BLOCKS.shades.index, picture[number]))


def test_colours_are_used_only_where_the_terminal_has_them(heard, tmp_path):
    coloured, plain, few = (
        "\n".join(drawn(heard, tmp_path, terminal(force_terminal=True, **options)))
        for options in (
            {"color_system": "truecolor"},
            {"color_system": "truecolor", "no_color": True},
            {"color_system": "standard"},
        )
    )
    assert coloured.count("▀") == 4 * 8 * 70
    assert "\x1b[38;2;" in coloured
    for text in (plain, few):
        assert "▀" not in text
        assert "\x1b" not in text


@pytest.mark.parametrize("encoding", ["ascii", "latin-1", "cp437"])
def test_a_terminal_without_the_marks_gets_plain_ones(heard, tmp_path, encoding):
    heard.metrics[0].per_subject = {"Zoë ☃": 0.5, "02": 0.6}
    console = terminal(encoding, force_terminal=True, color_system="truecolor")
    text = "\n".join(drawn(heard, tmp_path, console))
    assert "o EEG  x best no-signal control  * both  : 95 % of guessers" in text
    assert "#" in text.split("true speech")[1]
    assert "?" in text
    assert not set("●×░█▀☃") & set(text)


def test_a_cell_that_only_retrieved_has_no_spectrograms(tmp_path, cell):
    record = Record.read(cell(tmp_path))
    del record.files["audio"]
    text = "\n".join(drawn(record, tmp_path))
    assert "top-1 of every listener" in text
    assert "pectrogram" not in text


def test_a_cell_without_verdict_and_history_draws_nothing():
    assert drawn(made(training={"align": {"method": "closed form"}})) == [""]


def test_audio_that_is_not_there_is_said_and_the_rest_is_drawn(tmp_path, cell):
    record = Record.read(cell(tmp_path))
    text = " ".join(drawn(record, tmp_path))
    assert "No spectrograms drawn: No true speech in" in text
    assert "top-1 of every listener" in text


def test_a_record_cannot_have_files_drawn_from_elsewhere(heard, tmp_path):
    heard.files["audio"] = "../elsewhere"
    said = "No spectrograms drawn: A record names a file outside its results folder"
    assert said in " ".join(drawn(heard, tmp_path))


def test_segments_that_are_no_table_are_said_and_the_rest_is_drawn(heard, tmp_path):
    (tmp_path / heard.files["segments"]).write_text("no parquet")
    text = " ".join(drawn(heard, tmp_path))
    assert "No spectrograms drawn: segments.parquet is no table of segments" in text
    assert "top-1 of every listener" in text


def test_nothing_is_divided_by_a_range_of_zero(heard, tmp_path):
    for condition in CONDITIONS:
        folder = tmp_path / heard.files["audio"] / condition
        soundfile.write(folder / "clip_000.flac", np.zeros(160), 16_000)
    heard.metrics = scored({"01": 0.0, "02": 0.0}, shift={"01": 0.0, "02": 0.0}, chance=None).metrics
    heard.training = trained(align=[{"step": i, "loss": 0.0} for i in range(3)]).training
    lines = drawn(heard, tmp_path)
    assert "nan" not in "\n".join(lines)
    assert "01 │⊗" + " " * 49 + "│  0.000" in lines
    silence = lines[lines.index("true speech") + 1 :][:8]
    assert {line.strip() for line in silence} == {""}


def test_names_cannot_steer_the_terminal(heard, tmp_path):
    heard.metrics[0].per_subject = {HOSTILE: 0.5, "02": 0.6}
    heard.training = trained(**{HOSTILE: [{"step": i, HOSTILE: i} for i in range(3)]}).training
    heard.verdict["identification"].hardest_control = HOSTILE
    frame = pd.read_parquet(tmp_path / heard.files["segments"])
    frame.assign(subject=HOSTILE).to_parquet(tmp_path / heard.files["segments"])
    text = "\n".join(drawn(heard, tmp_path, terminal(force_terminal=True, color_system="standard")))
    assert text.count(" [31mred[bold]x[") == 3  # the listener, the stage, and the clip's listener
    assert not {c for c in text if not c.isprintable()} - {"\n"}


def show(*arguments: str) -> int:
    return main(["leaderboard", "show", *arguments])


def test_pictures_stand_between_the_controls_of_a_cell_and_those_of_the_next(tmp_path, cell, capsys):
    for name in ("a", "b"):
        cell(tmp_path, name)
    assert show("--results", str(tmp_path), "--pictures") == 0
    text = capsys.readouterr().out
    order = ["a on simulated", "top-1 of every", "b on simulated", "top-1 of every", "Leaderboard"]
    places = [text.index(order[0])]
    for part in order[1:]:
        places.append(text.index(part, places[-1] + 1))
    assert text.count("top-1 of every") == 2


def test_pictures_of_three_cells_name_the_command_for_the_others(tmp_path, cell, capsys):
    for name in ("a", "b", "c", "d", "failed"):
        cell(tmp_path, name, status="failed" if name == "failed" else "done")
    assert show("--results", str(tmp_path), "--pictures") == 0
    text = capsys.readouterr().out
    assert text.count("top-1 of every listener") == 3
    assert text.count("EEG and controls") == 4
    typed = f"'eeg2speech-bench leaderboard show --results {tmp_path} --pictures --cell d__simulated__quick__seed0__0'"
    assert f"Pictures of another cell: {typed}." in text


@pytest.mark.parametrize("form", ["markdown", "csv", "svg"])
def test_pictures_in_another_format_are_refused_with_what_to_type(tmp_path, cell, capsys, form):
    cell(tmp_path)
    assert show("--results", str(tmp_path), "--pictures", "--format", form) == 2
    said = f"Pictures in the terminal go with its table only: got --format {form}, expected table. Leave out --format"
    assert said in capsys.readouterr().err


def test_the_option_may_stand_before_the_action(tmp_path, cell, capsys):
    cell(tmp_path)
    assert main(["leaderboard", "--results", str(tmp_path), "--pictures", "show"]) == 0
    assert "top-1 of every listener" in capsys.readouterr().out


def test_without_the_option_nothing_of_it_is_loaded(tmp_path, cell, monkeypatch):
    cell(tmp_path)
    monkeypatch.setitem(sys.modules, "eeg2speech_bench.leaderboard.terminal.charts", None)
    assert show("--results", str(tmp_path), "--controls") == 0
