"""The board as a folder: rows that lead to records, refused records with reasons, nothing that a name can break."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import soundfile
from PIL import Image

from eeg2speech_bench.core.cli import main
from eeg2speech_bench.core.errors import UsageError
from eeg2speech_bench.core.records import Record, RecordStore
from eeg2speech_bench.leaderboard.page import making
from eeg2speech_bench.leaderboard.page.clips import chosen
from eeg2speech_bench.leaderboard.page.folder import build
from eeg2speech_bench.leaderboard.page.markup import script_json
from eeg2speech_bench.leaderboard.page.pareto import Point, front
from eeg2speech_bench.leaderboard.page.plots import Scale, guessing_band
from eeg2speech_bench.leaderboard.page.spectrogram import N_BANDS, draw_mel

HOSTILE = "</script><script>alert(1)</script><img src=x onerror=alert(1)>"
CONDITIONS = ("eeg", "shuffle", "audio")
N_CLIPS = 20


def metric(name: str, condition: str, value: float) -> dict[str, Any]:
    return {
        "name": name, "condition": condition, "value": value, "low": max(value - 0.1, 0), "high": min(value + 0.1, 1),
        "n": 40, "n_pool": 50, "chance": 0.02, "unit": "", "higher_is_better": True,
        "per_subject": {"01": max(value - 0.05, 0), "02": min(value + 0.05, 1)},
    }  # fmt: skip


def write(
    results: Path, name: str = "net", top1: float = 0.5, *, seed: int = 0, real: bool = True, **changes: Any
) -> Record:
    """Write a record; ``changes`` replace its fields."""
    identifier = f"{re.sub('[^a-z0-9]', '-', name.lower())}__data__quick__seed{seed}"
    cell = {"id": identifier, "encoder": name, "dataset": "data", "preset": "quick", "seed": seed}
    verdict = {"distinguishable": real, "p": 0.0005 if real else 0.4, "hardest_control": "shuffle", "alpha": 0.05}
    made = Record(cell, "done", {"preset": "quick", "scores": {}}, encoder={"name": name, "source_hash": "a"})
    made.target, made.split, made.dataset = {"name": "mel"}, {"hash": "5c" * 32}, {"revision": "1", "n_subjects": 2}
    made.metrics = [metric("top1", c, v) for c, v in zip(CONDITIONS, (top1, 0.02, 1.0), strict=True)]
    made.tests = [{"metric": "top1", "control": "shuffle", "p": verdict["p"]}]
    made.verdict = {"top1": verdict}
    made.provenance = {"stages": [{"name": "align", "seconds": 90.0, "peak_memory_mb": 1000.0}], "command": "run"}
    made.training = {"align": {"history": [{"step": 1, "loss": 2.0}, {"step": 2, "loss": 1.0}]}}
    for field, value in changes.items():
        setattr(made, field, value)
    RecordStore(results).write(made)
    return made


def write_audio(results: Path, record: Record) -> None:
    """Add clips under every condition and their scores."""
    folder = RecordStore(results).cell_folder(record.cell["id"])
    for condition in ("reference", *CONDITIONS, "vocoder"):
        (folder / "audio" / condition).mkdir(parents=True)
        for number in range(N_CLIPS):
            tone = 0.3 * np.sin(np.arange(1600) * (0.05 + 0.01 * number + 0.1 * len(condition)))
            soundfile.write(folder / "audio" / condition / f"clip_{number:03d}.flac", tone, 16_000)
    rows = [
        {
            "metric": "mel_correlation",
            "condition": c,
            "subject": "01",
            "stimulus": 3,
            "start_s": 2.88 * i,
            "value": i / 100,
        }
        for c in (*CONDITIONS, "vocoder")
        for i in range(N_CLIPS)
    ]
    pd.DataFrame(rows).to_parquet(folder / "segments.parquet")
    own = f"cells/{record.cell['id']}"
    record.files = {"segments": f"{own}/segments.parquet", "audio": f"{own}/audio"}
    RecordStore(results).write(record)


def write_segments(results: Path, record: Record, mean: float) -> None:
    """Add per-segment values of top-1 for eight listeners and ten blocks, spread around a mean."""
    listener, block = (a.ravel() for a in np.indices((8, 10)))
    columns = {"metric": "top1", "condition": "eeg", "subject": listener.astype(str), "recording": listener}
    values = mean + 0.01 * np.random.default_rng(int(100 * mean)).standard_normal(80)
    columns |= {"stimulus": 0, "start_s": block * 15.0, "block": block, "value": values}
    folder = RecordStore(results).cell_folder(record.cell["id"])
    folder.mkdir(parents=True)
    pd.DataFrame(columns).to_parquet(folder / "segments.parquet")
    record.files = {"segments": f"cells/{record.cell['id']}/segments.parquet"}
    RecordStore(results).write(record)


def only_page(out: Path, name: str = "") -> str:
    """Return the page of the one row whose file name begins so."""
    (page,) = (out / "rows").glob(f"{name}*.html")
    return page.read_text()


def table_after(page: str, heading: str) -> list[list[str]]:
    """Return the cells of the first table after a heading, as text."""
    table = page.split(f">{heading}<", 1)[1].split("<table", 1)[1].split("</table>", 1)[0]
    rows = re.findall(r"<tr.*?</tr>", table, flags=re.DOTALL)
    cells = [re.findall(r"<t[hd].*?</t[hd]>", row, flags=re.DOTALL) for row in rows]
    return [[" ".join(re.sub("<.*?>", " ", cell).split()) for cell in row] for row in cells]


def board(out: Path) -> dict[str, Any]:
    return json.loads((out / "board.json").read_text())


def pages(out: Path) -> str:
    return "".join(path.read_text() for path in sorted(out.rglob("*.html")))


def test_seeds_become_one_row_with_their_mean_and_spread_that_names_its_cells(tmp_path):
    for seed, value in enumerate((0.4, 0.5, 0.6)):
        write(tmp_path, top1=value, seed=seed)
    report = build([tmp_path], tmp_path / "out")
    (row,) = board(report.index.parent)["rows"]
    assert (report.n_cells, report.n_rows) == (3, 1)
    assert row["m0"] == pytest.approx(0.5)
    assert row["x0"][:3] == pytest.approx([0.4, 0.6, 0.1])  # mean bounds; sample SD of 0.4, 0.5, 0.6
    assert [cell[1] for cell in row["cells"]] == [0, 1, 2]


def test_cells_of_unlike_configuration_or_split_never_share_a_mean(tmp_path):
    write(tmp_path, seed=0)
    write(tmp_path, seed=1, config={"preset": "quick", "alignment": {"patience": 9}})
    write(tmp_path, seed=2, split={"hash": "7d" * 32})
    assert build([tmp_path], tmp_path / "out").n_rows == 3
    assert all("·" in row["p"] for row in board(tmp_path / "out")["rows"][:2])


def test_a_run_of_retrieval_alone_is_one_more_seed_of_the_whole_run_and_counts_once(tmp_path, capsys):
    whole = write(tmp_path, top1=0.4, seed=0)
    whole.metrics += [metric("identification", c, v) for c, v in zip(CONDITIONS, (0.3, 0.02, 1.0), strict=True)]
    whole.verdict["identification"] = whole.verdict["top1"]
    whole.provenance["stages"][0]["seconds"] = 300.0
    RecordStore(tmp_path).write(whole)
    for seed in (0, 1):
        cell = {**whole.cell, "id": f"net__retrieval__seed{seed}", "seed": seed}
        alone = {"preset": "quick", "scores": {"which": "retrieval"}}
        write(tmp_path, top1=0.4 + 0.2 * seed, seed=seed, cell=cell, config=alone)
    build([tmp_path], tmp_path / "out")
    (row,) = board(tmp_path / "out")["rows"]
    assert row["m0"] == pytest.approx(0.5)  # of 0.4 and 0.6; 0.467 if seed 0 counted twice
    assert row["m1"] == pytest.approx(0.3)
    assert row["min"] == 5.0  # of the whole run; retrieval alone took 1.5
    assert main(["leaderboard", "--results", str(tmp_path), "--format", "csv"]) == 0
    assert [line.split(",")[3] for line in capsys.readouterr().out.splitlines() if "quick" in line] == ["1", "0"]


def test_what_noise_also_reaches_is_named_in_the_records_words_everywhere(tmp_path):
    write(tmp_path, real=False)
    out = build([tmp_path], tmp_path / "out").index.parent
    assert board(out)["rows"][0]["v0"] == "not distinguishable from no signal"
    assert "None: the highest top-1 is 0.500" in (out / "index.html").read_text()
    assert "not distinguishable from no signal" in only_page(out)


def test_seeds_that_disagree_are_counted(tmp_path):
    for seed in range(3):
        write(tmp_path, seed=seed, real=seed < 2)
    build([tmp_path], tmp_path / "out")
    said = board(tmp_path / "out")["rows"][0]["v0"]
    assert said == "signal in 2 of 3 seeds, in the others not distinguishable from no signal"


def test_a_failed_cell_is_a_row_with_phase_reason_and_traceback(tmp_path):
    error = {"phase": "align", "type": "RuntimeError", "message": "diverged <b>", "traceback": ["line one", "line two"]}
    write(tmp_path, status="failed", metrics=[], tests=[], verdict={}, split={}, error=error)
    out = build([tmp_path], tmp_path / "out").index.parent
    (row,) = board(out)["rows"]
    assert row["err"] == "FAILED in align: RuntimeError: diverged <b>"
    assert "line one\nline two" in only_page(out)
    assert "diverged &lt;b&gt;" in only_page(out)


def test_a_seed_that_failed_before_its_split_joins_the_row_of_the_others(tmp_path):
    write(tmp_path, seed=0)
    error = {"phase": "prepare", "type": "E", "message": ""}
    write(tmp_path, seed=1, status="failed", metrics=[], tests=[], verdict={}, split={}, error=error)
    build([tmp_path], tmp_path / "out")
    assert [row["n"] for row in board(tmp_path / "out")["rows"]] == ["1 of 2"]


def test_an_encoder_that_reads_the_transcript_is_a_reference_and_neither_leads_nor_competes(tmp_path, capsys):
    write_segments(tmp_path, write(tmp_path, "net", 0.3), 0.3)
    reader = {"name": "reader", "source_hash": "a", "modality": "text"}
    write_segments(tmp_path, write(tmp_path, "reader", 0.9, encoder=reader), 0.9)
    build([tmp_path], tmp_path / "out")
    found = {row["e"]: row for row in board(tmp_path / "out")["rows"]}
    assert (found["reader"]["k"], found["net"]["k"]) == ("reference", "")
    leader = (tmp_path / "out" / "index.html").read_text().split('<p class="big">', 1)[1]
    assert ">net</a>" in leader.split("</p>", 1)[0]
    assert main(["leaderboard", "--results", str(tmp_path), "--format", "csv"]) == 0
    said = capsys.readouterr().out
    assert "reader (reference)" in said and "alone" in said


def test_a_ceiling_is_marked_and_does_not_lead(tmp_path):
    write(tmp_path, "net", 0.3)
    write(tmp_path, "oracle", 0.9, encoder={"name": "oracle", "ceiling": True})
    write(tmp_path, "ridge", 0.4, encoder={"name": "ridge", "baseline": True})
    out = build([tmp_path], tmp_path / "out").index.parent
    assert {row["e"]: row["k"] for row in board(out)["rows"]} == {"net": "", "oracle": "ceiling", "ridge": "baseline"}
    assert re.search(r'class="big"><a href="rows/ridge', (out / "index.html").read_text())


def test_every_row_has_its_rank_interval_and_tie_group_or_what_it_is_instead(tmp_path):
    for name, mean in (("one", 0.5), ("two", 0.5), ("three", 0.1)):
        for seed in range(2):
            write_segments(tmp_path, write(tmp_path, name, mean, seed=seed), mean + 0.001 * seed)
    write(tmp_path, "bare", 0.2)
    write(tmp_path, "ridge", 0.4, encoder={"name": "ridge", "baseline": True})
    build([tmp_path], tmp_path / "out")
    rows = {row["e"]: row for row in board(tmp_path / "out")["rows"]}
    assert {name: row.get("q0") for name, row in rows.items()} == {
        "one": [1, 2, 3, "A", 0, ""], "two": [1, 2, 3, "A", 0, ""], "three": [3, 3, 3, "B", 0, ""],
        "bare": "Cell 'bare__data__quick__seed0' has no per-segment values here", "ridge": None,
    }  # fmt: skip
    # sorted by it, ties stay together
    assert sorted([rows["one"]["r0"], rows["two"]["r0"]]) == [0, 1] and rows["three"]["r0"] == 2
    assert "r0" not in rows["bare"]
    said = " ".join((tmp_path / "out" / "index.html").read_text().split())
    assert re.search(r'Rank 1–2 of 3 encoders; tie A with <a href="rows/(one|two)', said)


def test_methods_on_several_data_sets_have_a_pooled_effect_with_its_heterogeneity(tmp_path):
    for number, (dataset, top1) in enumerate((("a", 0.5), ("b", 0.3), ("c", 0.1))):
        made = write(tmp_path, "net", top1, seed=number)
        made.cell["dataset"] = dataset
        RecordStore(tmp_path).write(made)
    out = build([tmp_path], tmp_path / "out").index.parent
    table = table_after((out / "index.html").read_text(), "top-1: EEG above its best control")
    # differences 0.48, 0.28 and 0.08. EEG and control have bounds 0.1 below (0.02 for the control) and 0.1 above, so
    # errors are sqrt(0.2^2 + 0.12^2) / 3.92 = 0.0595, thrice: mean 0.28, tau2 = 0.04 - 0.0595^2 = 0.0365,
    # I2 = 1 - 0.00354 / 0.04; Hartung-Knapp with t(2) = 4.3027: 4.3027 x sqrt(0.04 / 3) = 0.497
    assert table[1][:4] == ["net quick, mel", "+0.280 -0.217 to +0.777", "0.191", "91 %"]
    assert table[1][4].startswith("a +0.480 ± 0.060 b +0.280")


def test_one_data_set_has_no_section_over_data_sets(tmp_path):
    write(tmp_path)
    assert "Over data sets" not in build([tmp_path], tmp_path / "out").index.read_text()


def test_over_data_sets_retrieval_is_compared_in_pools_of_one_size(tmp_path):
    for number, dataset in enumerate(("a", "b")):
        made = write(tmp_path, "net", seed=number)
        made.cell["dataset"] = dataset
        made.metrics += [metric("top1_of_50", c, v) for c, v in (("eeg", 0.7), ("shuffle", 0.02))]
        RecordStore(tmp_path).write(made)
    index = build([tmp_path], tmp_path / "out").index.read_text()
    assert table_after(index, "top1_of_50: EEG above its best control")[1][1].startswith("+0.680")


def test_other_pools_are_a_table_with_chance_and_hardest_control(tmp_path):
    made = write(tmp_path)
    of_50 = {"pool": "fifty", "n_pool": 50, "chance_band": [0.0, 0.06], "chance_uniform": 0.01}
    made.metrics += [metric("top1_of_50", c, v) | of_50 for c, v in (("eeg", 0.7), ("shift", 0.1), ("shuffle", 0.05))]
    made.tests += [{"metric": "top1_of_50", "control": c, "p": p} for c, p in (("shift", 0.002), ("shuffle", 0.03))]
    RecordStore(tmp_path).write(made)
    page = only_page(build([tmp_path], tmp_path / "out").index.parent)
    assert table_after(page, "Other pools of candidates")[1] == [
        "top1_of_50", "fifty 50 candidates", "0.700 0.600 to 0.800", "0.020 0.000 to 0.060 uniform 0.010",
        "0.050 EEG of other segments", "p = 0.030",
    ]  # fmt: skip
    assert not any("top1_of_50" in head for head in table_after(page, "All scores")[0])


def test_metrics_of_sets_are_a_table_of_conditions_with_the_floor(tmp_path):
    for seed, shift in enumerate((0.0, 2.0)):
        made = write(tmp_path, seed=seed)
        common = {"version": 1, "n": 78, "unit": "", "higher_is_better": False}
        made.sets = [
            common | {"name": "frechet", "condition": c, "value": v + shift, "floor": 1.5}
            for c, v in (("eeg", 9.0), ("vocoder", 3.0))
        ]
        made.sets.append(common | {"name": "ratio", "condition": "eeg", "value": 0.5, "floor": None})
        RecordStore(tmp_path).write(made)
    page = only_page(build([tmp_path], tmp_path / "out").index.parent)
    assert table_after(page, "All clips at once") == [
        ["condition", "frechet ↓ 78 clips", "ratio ↓ 78 clips"],
        ["EEG", "10.000", "0.500"],
        ["ceiling: vocoder", "4.000", "–"],
        ["floor: real against other real speech", "1.500", "–"],
    ]


def test_chance_has_its_band_and_the_mean_spectrogram_its_line_in_both_pictures(tmp_path):
    made = write(tmp_path)
    for entry in made.metrics:
        entry |= {"chance_band": [0.0, 0.04], "baseline": 0.25}
    RecordStore(tmp_path).write(made)
    page = only_page(build([tmp_path], tmp_path / "out").index.parent)
    assert page.count("<title>95 % of guesses at every test window once: 0.000 to 0.040</title>") == 1
    # two listeners with 20 of the 40 segments: P(X <= 2) = 0.9929 for X of 20 guesses at 1 in 50
    assert page.count("<title>95 % of guessing listeners, 20 segments each: 0.000 to 0.100</title>") == 1
    assert page.count("<title>mean spectrogram 0.2500</title>") == 1
    assert table_after(page, "All scores")[-2:] == [
        ["chance 95 % of guesses", "0.020 0.000 to 0.040"],
        ["mean spectrogram", "0.250"],
    ]


def test_a_record_without_bands_baselines_and_sets_is_shown_without_them(tmp_path):
    write(tmp_path)
    page = only_page(build([tmp_path], tmp_path / "out").index.parent)
    for absent in ("of guesses at", ">mean spectrogram<", "All clips at once", "Other pools"):
        assert absent not in page


def test_energy_is_a_column_where_every_stage_says_it(tmp_path):
    common = {"seconds": 1.0, "peak_memory_mb": 1.0}
    stages = [common | {"name": name, "energy_wh": wh} for name, wh in (("a", 0.5), ("b", 1.25))]
    write(tmp_path, "read", provenance={"stages": stages})
    write(tmp_path, "unread", provenance={"stages": [stages[0], stages[1] | {"energy_wh": None}]})
    out = build([tmp_path], tmp_path / "out").index.parent
    assert {row["e"]: row["wh"] for row in board(out)["rows"]} == {"read": 1.75, "unread": None}
    assert "energy, Wh" in [column["title"] for column in board(out)["columns"]]
    assert "1.8 Wh" in only_page(out, "read")


def test_every_record_on_the_board_is_copied_byte_by_byte_and_listed_with_its_hash(tmp_path):
    import hashlib

    record = write(tmp_path)
    out = build([tmp_path], tmp_path / "out").index.parent
    (listed,) = board(out)["records"]
    source = RecordStore(tmp_path).path(record.cell["id"]).read_bytes()
    assert (out / listed["file"]).read_bytes() == source
    assert listed["sha256"] == hashlib.sha256(source).hexdigest()


def spoil(results: Path, kind: str) -> None:
    """Put one bad record beside the good ones."""
    record = write(results, "bad")
    path = RecordStore(results).path(record.cell["id"])
    tree = json.loads(path.read_text())
    changes: dict[str, Any] = {
        "future": {"schema": 99},
        "renamed": {"cell": tree["cell"] | {"id": "other"}},
        "above": {"files": {"audio": "../../secret"}},
        "absolute": {"files": {"segments": "/etc/passwd"}},
        "range": {"metrics": [tree["metrics"][0] | {"value": 7.0, "high": 8.0}]},
        "nan": {"metrics": [tree["metrics"][0] | {"value": float("nan")}]},
        "types": {"metrics": [tree["metrics"][0] | {"per_subject": 5}]},
        "extra": {"surprise": 1},
        "name": {"cell": tree["cell"] | {"encoder": "a\u202eb"}},
        "keyless": {"cell": {"id": tree["cell"]["id"]}},
    }
    path.write_text(json.dumps(tree | changes[kind]) if kind in changes else {"truncated": "{", "foreign": "[1]"}[kind])


@pytest.mark.parametrize(
    ("kind", "reason"),
    [
        ("truncated", "is damaged"),
        ("foreign", "unknown schema: got None"),
        ("future", "unknown schema: got 99"),
        ("nan", "NaN and infinity are no numbers"),
        ("renamed", "is of another cell: got 'other'"),
        ("above", "outside its results folder"),
        ("absolute", "outside its results folder"),
        ("range", "out of its range"),
        ("types", "lacks what a record holds"),
        ("extra", "unexpected fields"),
        ("name", "unprintable"),
        ("keyless", "lacks what a record holds"),
    ],
)
def test_a_bad_record_is_refused_with_the_reason_and_the_rest_is_built(tmp_path, capsys, kind, reason):
    write(tmp_path, "good")
    spoil(tmp_path, kind)
    assert main(["leaderboard", "build", "--results", str(tmp_path), "--out", str(tmp_path / "out")]) == 1
    assert re.search(rf"refused: .*bad__data.*{reason}", capsys.readouterr().err)
    assert [row["e"] for row in board(tmp_path / "out")["rows"]] == ["good"]
    assert reason.replace("'", "&#39;") in (tmp_path / "out" / "index.html").read_text()
    assert len(list((tmp_path / "out" / "records").iterdir())) == 1


def test_a_record_that_is_a_link_is_refused(tmp_path):
    write(tmp_path, "good")
    secret = tmp_path / "secret.json"
    secret.write_text("{}")
    (tmp_path / "records" / "link.json").symlink_to(secret)
    (refused,) = build([tmp_path], tmp_path / "out").refused
    assert "no regular file" in refused.reason


def test_a_clip_that_is_a_link_out_of_the_folder_is_not_copied(tmp_path):
    record = write(tmp_path / "results")
    write_audio(tmp_path / "results", record)
    clip = tmp_path / "results" / record.files["audio"] / "eeg" / "clip_000.flac"
    secret = tmp_path / "secret.flac"
    clip.rename(secret)
    clip.symlink_to(secret)
    report = build([tmp_path / "results"], tmp_path / "out")
    assert "outside its results folder" in report.refused[0].reason
    assert report.n_cells == 0


def test_text_of_a_plugin_is_escaped_on_every_page(tmp_path):
    record = write(tmp_path, HOSTILE)
    record.cell["dataset"] = record.cell["preset"] = HOSTILE
    record.target["name"] = record.metrics[0]["name"] = HOSTILE
    record.encoder |= {"licence": HOSTILE, "citation": HOSTILE}
    record.provenance["command"] = HOSTILE
    record.metrics.append(metric(HOSTILE, HOSTILE, 0.3))
    record.metrics[0]["per_subject"] = {HOSTILE: 0.5}
    record.metrics.append(metric("pooled", "eeg", 0.3) | {"pool": HOSTILE})
    record.sets = [{"name": HOSTILE, "condition": HOSTILE, "value": 1.0, "n": 1, "unit": HOSTILE, "floor": None}]
    record.sets[0]["higher_is_better"] = True
    record.skipped = {HOSTILE: HOSTILE}
    write_audio(tmp_path, record)
    report = build([tmp_path], tmp_path / "out")
    assert not report.refused
    # outside the two scripts that we ship, no script starts and no element of theirs comes to be
    text = re.sub(r"<script>.*?</script>", "", pages(tmp_path / "out"), flags=re.DOTALL)
    assert "<img src=x" not in text
    assert "<script>alert" not in pages(tmp_path / "out")


def test_json_in_a_page_cannot_end_its_script_and_reads_back_the_same():
    value = {"name": HOSTILE, "line": "\u2028<!--&"}
    text = str(script_json(value))
    assert not set("<>&\u2028") & set(text)
    assert json.loads(text) == value


def test_pages_ask_nobody_for_anything(tmp_path):
    record = write(tmp_path)
    write_audio(tmp_path, record)
    out = build([tmp_path], tmp_path / "out").index.parent
    text = pages(out)
    policies = re.findall(r'Content-Security-Policy" content="([^"]+)"', text)
    assert len(policies) == 3
    for policy in policies:
        assert policy.startswith("default-src &#39;none&#39;; script-src &#39;sha256-")
        assert "http" not in policy
        assert "unsafe" not in policy
    linked = re.findall(r'(?:src|href)="([^"#]+)', re.sub(r"<script>.*?</script>", "", text, flags=re.DOTALL))
    assert linked
    assert not [link for link in linked if ":" in link]
    assert "url(" not in (out / "assets" / "board.css").read_text() + (out / "assets" / "tabulator.min.css").read_text()


def test_every_link_of_every_page_leads_to_a_file(tmp_path):
    for seed in range(2):
        write_audio(tmp_path, write(tmp_path, seed=seed))
    out = build([tmp_path], tmp_path / "out").index.parent
    for page in out.rglob("*.html"):
        text = re.sub(r"<script.*?</script>", "", page.read_text(), flags=re.DOTALL)
        for link in re.findall(r'(?:src|href)="([^"#]+)', text):
            assert (page.parent / link).is_file(), (page, link)


def test_all_encoders_are_heard_on_the_same_evenly_spaced_clips_with_their_own_scores(tmp_path):
    for name in ("one", "two"):
        write_audio(tmp_path, write(tmp_path, name))
    out = build([tmp_path], tmp_path / "out").index.parent
    text = (out / "listen" / "1.html").read_text()
    assert [int(n) - 1 for n in re.findall(r"<small>\s*clip (\d+) of 20", text)] == chosen(N_CLIPS)
    for name in ("one", "two"):
        assert text.count(f'aria-label="clips of {name}"') == 8
    assert "mel r 0.19" in text  # of the last clip


def test_chosen_clips_are_spread_from_the_first_to_the_last():
    assert chosen(78) == [0, 11, 22, 33, 44, 55, 66, 77]
    assert chosen(3) == [0, 1, 2]
    assert chosen(1) == [0]


def test_equal_audio_is_kept_once(tmp_path):
    for name in ("one", "two"):
        write_audio(tmp_path, write(tmp_path, name))  # both write the same clips
    out = build([tmp_path], tmp_path / "out").index.parent
    assert len(list((out / "audio").glob("*.flac"))) <= 8 * (len(CONDITIONS) + 2)


def test_a_mel_picture_shows_a_tone_at_its_height(tmp_path):
    tone = np.sin(2 * np.pi * 1000 * np.arange(16_000) / 16_000).astype(np.float32)
    (tmp_path / "tone.png").write_bytes(draw_mel(tone, 16_000))
    levels = np.asarray(Image.open(tmp_path / "tone.png").convert("L"))
    assert levels.shape == (N_BANDS, 100)
    # 1000 Hz is 1000 mel of 2840 at 8000 Hz: band 22 of 64 from below
    assert N_BANDS - 1 - int(levels[:, 50].argmax()) == pytest.approx(1000 / 2840 * (N_BANDS + 1) - 1, abs=1)


def test_the_front_holds_who_is_not_beaten_at_lower_cost_and_no_ceiling():
    def point(name, cost, quality, kind="encoder"):
        return Point(name, cost, quality, quality, quality, "", kind, True)

    points = [point("a", 1, 0.3), point("b", 2, 0.2), point("c", 3, 0.5), point("d", 0.5, 0.9, "ceiling")]
    assert [p.name for p in front(points)] == ["a", "c"]


def test_the_band_of_guessing_listeners_holds_the_binomial_quantiles():
    assert guessing_band(100, 0.5) == (0.4, 0.6)  # scipy.stats.binom.ppf([0.025, 0.975], 100, 0.5) is 40, 60
    assert guessing_band(10, 1 / 78) == (0.0, 0.1)  # P(X <= 1) = 0.9928


@pytest.mark.parametrize(
    ("values", "log"), [([0.0, 1.0], False), ([8.1, 12.3], True), ([3.0, 3.0], False), ([1, 1e6], True)]
)
def test_an_axis_has_two_to_twelve_ticks_inside_its_range(values, log):
    scale = Scale(values, (0, 100), log=log)
    ticks = scale.ticks()
    assert 2 <= len(ticks) <= 12
    assert all(0 <= scale(tick) <= 100 for tick in ticks)


def test_a_row_whose_cells_were_read_by_different_processes_is_still_one_page(tmp_path, monkeypatch):
    records = [write(tmp_path, seed=seed) for seed in range(4)]
    monkeypatch.setattr(
        making, "_each_portion", lambda s, out: [making.make_portion(part, out) for part in (s[:2], s[2:])]
    )
    out = build([tmp_path], tmp_path / "out").index.parent
    (page,) = (out / "rows").glob("*.html")
    assert all(f'id="{r.cell["id"]}"' in page.read_text() for r in records)


def test_many_records_are_shared_out_over_processes_and_come_out_the_same(tmp_path, monkeypatch):
    for seed in range(4):
        write(tmp_path, "one", seed=seed)
        write(tmp_path, "two", 0.3, seed=seed)
    build([tmp_path], tmp_path / "alone")
    monkeypatch.setattr(making, "MANY", 2)
    monkeypatch.setattr(making, "PORTION", 4)
    monkeypatch.setattr(making.os, "cpu_count", lambda: 2)
    build([tmp_path], tmp_path / "shared")
    assert board(tmp_path / "shared")["rows"] == board(tmp_path / "alone")["rows"]


def test_of_a_cell_in_two_folders_the_later_record_counts_and_the_other_is_named(tmp_path):
    write(tmp_path / "a", top1=0.2, provenance={"finished": "2026-01-01"})
    write(tmp_path / "b", top1=0.7, provenance={"finished": "2026-01-02"})
    report = build([tmp_path / "a", tmp_path / "b"], tmp_path / "out")
    assert board(tmp_path / "out")["rows"][0]["m0"] == 0.7
    assert "A later record of this cell" in report.refused[0].reason


def test_a_board_is_replaced_and_anything_else_is_left_alone(tmp_path):
    write(tmp_path)
    build([tmp_path], tmp_path / "out")
    build([tmp_path], tmp_path / "out")
    mine = tmp_path / "mine"
    mine.mkdir()
    (mine / "thesis.txt").write_text("precious")
    with pytest.raises(UsageError, match="holds something else"):
        build([tmp_path], mine)
    assert (mine / "thesis.txt").read_text() == "precious"
    assert not list(tmp_path.glob(".partial*")) + list(tmp_path.glob(".old*"))


def test_files_that_say_the_same_are_kept_others_are_new_files_and_those_of_gone_records_leave(tmp_path):
    kept, changed, gone = (write(tmp_path, name).cell["id"] for name in ("kept", "changed", "gone"))
    records = build([tmp_path], tmp_path / "out").index.parent / "records"
    inode = (records / f"{kept}.json").stat().st_ino
    with (records / f"{changed}.json").open() as last:
        write(tmp_path, "changed", 0.9)
        RecordStore(tmp_path).path(gone).unlink()
        build([tmp_path], tmp_path / "out")
        assert json.load(last)["metrics"][0]["value"] == 0.5  # the last board's file was not written to
    assert (records / f"{kept}.json").stat().st_ino == inode
    assert json.loads((records / f"{changed}.json").read_text())["metrics"][0]["value"] == 0.9
    assert {path.stem for path in records.iterdir()} == {kept, changed}
    assert len(list((tmp_path / "out" / "rows").iterdir())) == 2


def test_on_a_disk_without_links_all_files_are_written_anew(tmp_path, monkeypatch):
    def refuse(*_: object) -> None:
        raise OSError("no links here")

    write(tmp_path)
    build([tmp_path], tmp_path / "out")
    monkeypatch.setattr("os.link", refuse)
    out = build([tmp_path], tmp_path / "out").index.parent
    assert len(list((out / "records").iterdir())) == len(list((out / "rows").iterdir())) == 1


def test_no_records_at_all_says_what_to_type(tmp_path, capsys):
    assert main(["leaderboard", "build", "--results", str(tmp_path), "--out", str(tmp_path / "out")]) == 2
    assert "No records in" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_the_results_folder_may_stand_before_build(tmp_path):
    write(tmp_path)
    assert main(["leaderboard", "--results", str(tmp_path), "build", "--out", str(tmp_path / "out")]) == 0
    assert board(tmp_path / "out")["rows"]


@pytest.mark.parametrize("arguments", [["--format", "csv"], ["--format", "csv", "show"], ["show", "--format", "csv"]])
def test_options_of_the_table_may_stand_before_or_after_show(tmp_path, capsys, arguments):
    write(tmp_path)
    assert main(["leaderboard", "--results", str(tmp_path), *arguments]) == 0
    assert capsys.readouterr().out.startswith("encoder,")
