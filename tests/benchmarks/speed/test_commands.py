"""The script that times commands compares what two installations did, and says when their numbers differ."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from eeg2speech_bench.benchmarks.speed import commands

#: an installation that sleeps, and writes a record of each encoder it was asked for
SIDE = """#!{python}
import json, sys, time
from pathlib import Path
a = sys.argv[1:]
time.sleep({seconds})
given = lambda name: [a[i + 1] for i, word in enumerate(a) if word == name]
if a[0] == "run" and given("--results"):
    folder = Path(given("--results")[0]) / "records"
    folder.mkdir(parents=True, exist_ok=True)
    for encoder in given("--encoder"):
        value = 0.5 + {differs} * (given("--jobs") == ["2"])
        metrics = [dict(name="top1", condition="eeg", value=value)]
        stages = [dict(name="align", seconds={seconds}, peak_memory_mb=2000.0, reused=False)]
        record = dict(cell=dict(encoder=encoder), metrics=metrics, provenance=dict(stages=stages))
        (folder / (encoder + ".json")).write_text(json.dumps(record))
sys.exit({code})
"""


def side(folder: Path, name: str, seconds: float, differs: int = 0, code: int = 0) -> str:
    path = folder / name
    path.write_text(SIDE.format(python=sys.executable, seconds=seconds, differs=differs, code=code))
    path.chmod(0o755)
    return str(path)


def test_the_slower_side_is_told_from_the_faster(tmp_path, capsys):
    commands.main(["first", side(tmp_path, "new", 0.0), side(tmp_path, "old", 1.0), "--seeds", "1"])
    printed = capsys.readouterr().out
    ratio = float(printed.split("times as fast: ")[1].split()[0])
    assert ratio > 2
    assert "0.5" in printed
    assert "align 1.0" in printed


@pytest.mark.parametrize(("differs", "said"), [(0, "numbers are the same"), (1, "numbers are NOT the same")])
def test_cells_side_by_side_must_say_the_same(tmp_path, capsys, differs, said):
    commands.main(["jobs", side(tmp_path, "new", 0.0, differs)])
    assert said in capsys.readouterr().out


def test_a_command_that_fails_ends_the_measurement(tmp_path):
    with pytest.raises(SystemExit, match="ended with 3"):
        commands.main(["busy", side(tmp_path, "new", 0.0, code=3)])
