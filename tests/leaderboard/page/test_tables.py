"""Tables beside the board's own: effects over data sets, other pools, sets of clips, all scores with their chance."""

from __future__ import annotations

import re

from eeg2speech_bench.core.records.record_store import RecordStore
from eeg2speech_bench.leaderboard.page.folder import build


def table_after(page: str, heading: str) -> list[list[str]]:
    """Return the cells of the first table after a heading, as text."""
    table = page.split(f">{heading}<", 1)[1].split("<table", 1)[1].split("</table>", 1)[0]
    rows = re.findall(r"<tr.*?</tr>", table, flags=re.DOTALL)
    cells = [re.findall(r"<t[hd].*?</t[hd]>", row, flags=re.DOTALL) for row in rows]
    return [[" ".join(re.sub("<.*?>", " ", cell).split()) for cell in row] for row in cells]


def test_methods_on_several_data_sets_have_a_pooled_effect_with_its_heterogeneity(tmp_path, write):
    for number, (dataset, top1) in enumerate((("a", 0.5), ("b", 0.3), ("c", 0.1))):
        made = write(tmp_path, "net", top1, seed=number)
        made.cell.dataset = dataset
        RecordStore(tmp_path).write(made)
    out = build([tmp_path], tmp_path / "out").index.parent
    table = table_after((out / "index.html").read_text(), "top-1: EEG above its best control")
    # differences 0.48, 0.28 and 0.08. EEG and control have bounds 0.1 below (0.02 for the control) and 0.1 above, so
    # errors are sqrt(0.2^2 + 0.12^2) / 3.92 = 0.0595, thrice: mean 0.28, tau2 = 0.04 - 0.0595^2 = 0.0365,
    # I2 = 1 - 0.00354 / 0.04; Hartung-Knapp with t(2) = 4.3027: 4.3027 x sqrt(0.04 / 3) = 0.497
    assert table[1][:4] == ["net quick, mel", "+0.280 -0.217 to +0.777", "0.191", "91 %"]
    assert table[1][4].startswith("a +0.480 ± 0.060 b +0.280")


def test_one_data_set_has_no_section_over_data_sets(tmp_path, write):
    write(tmp_path)
    assert "Over data sets" not in build([tmp_path], tmp_path / "out").index.read_text()


def test_over_data_sets_retrieval_is_compared_in_pools_of_one_size(tmp_path, write, metric):
    for number, dataset in enumerate(("a", "b", "c")):
        made = write(tmp_path, "net", seed=number)
        made.cell.dataset = dataset
        made.metrics += [metric("top1_of_50", c, v) for c, v in (("eeg", 0.7), ("shuffle", 0.02))]
        RecordStore(tmp_path).write(made)
    index = build([tmp_path], tmp_path / "out").index.read_text()
    assert table_after(index, "top-1 of 50: EEG above its best control")[1][1].startswith("+0.680")


def test_other_pools_are_a_table_with_chance_and_hardest_control(tmp_path, write, metric, test_of, only_page):
    made = write(tmp_path)
    of_50 = {"pool": "fifty", "n_pool": 50, "chance_band": [0.0, 0.06], "chance_uniform": 0.01}
    made.metrics += [metric("top1_of_50", c, v, **of_50) for c, v in (("eeg", 0.7), ("shift", 0.1), ("shuffle", 0.05))]
    made.tests += [test_of("top1_of_50", c, p) for c, p in (("shift", 0.002), ("shuffle", 0.03))]
    RecordStore(tmp_path).write(made)
    page = only_page(build([tmp_path], tmp_path / "out").index.parent)
    assert table_after(page, "Other pools of candidates")[1] == [
        "top-1 of 50", "fifty 50 candidates on average", "0.700 0.600 to 0.800", "0.020 0.000 to 0.060 uniform 0.010",
        "0.050 EEG of other segments", "p = 0.030",
    ]  # fmt: skip
    assert not any("top1_of_50" in head for head in table_after(page, "All scores")[0])


def test_metrics_of_sets_are_a_table_of_conditions_with_the_floor(tmp_path, write, set_score, only_page):
    for seed, shift in enumerate((0.0, 2.0)):
        made = write(tmp_path, seed=seed)
        made.sets = [
            set_score("frechet", c, v + shift, floor=1.5, higher_is_better=False)
            for c, v in (("eeg", 9.0), ("vocoder", 3.0))
        ]
        made.sets.append(set_score("ratio", "eeg", 0.5, higher_is_better=False))
        RecordStore(tmp_path).write(made)
    page = only_page(build([tmp_path], tmp_path / "out").index.parent)
    assert table_after(page, "All clips at once") == [
        ["condition", "frechet ↓ 78 clips", "ratio ↓ 78 clips"],
        ["EEG", "10.000", "0.500"],
        ["ceiling: vocoder", "4.000", "–"],
        ["floor: real against other real speech", "1.500", "–"],
    ]


def test_chance_has_its_band_and_the_mean_spectrogram_its_line_in_both_pictures(tmp_path, write, only_page):
    made = write(tmp_path)
    for entry in made.metrics:
        entry.chance_band, entry.baseline = [0.0, 0.04], 0.25
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


def test_a_record_without_bands_baselines_and_sets_is_shown_without_them(tmp_path, write, only_page):
    write(tmp_path)
    page = only_page(build([tmp_path], tmp_path / "out").index.parent)
    for absent in ("of guesses at", ">mean spectrogram<", "All clips at once", "Other pools"):
        assert absent not in page


def test_energy_is_a_column_where_every_stage_says_it(tmp_path, write, board, only_page):
    common = {"seconds": 1.0, "peak_memory_mb": 1.0}
    stages = [common | {"name": name, "energy_wh": wh} for name, wh in (("a", 0.5), ("b", 1.25))]
    write(tmp_path, "read", provenance={"stages": stages})
    write(tmp_path, "unread", provenance={"stages": [stages[0], stages[1] | {"energy_wh": None}]})
    out = build([tmp_path], tmp_path / "out").index.parent
    assert {row["e"]: row["wh"] for row in board(out)["rows"]} == {"read": 1.75, "unread": None}
    assert "energy, Wh" in [column["title"] for column in board(out)["columns"]]
    assert "1.8 Wh" in only_page(out, "read")


def test_what_was_run_on_what_is_a_table_where_there_are_several_data_sets(tmp_path, write):
    for name, dataset, status in (("net", "a", "done"), ("net", "b", "failed"), ("other", "a", "done")):
        made = write(tmp_path, name, seed=ord(dataset), status=status)
        made.cell.dataset = dataset
        RecordStore(tmp_path).write(made)
    page = build([tmp_path], tmp_path / "out").index.read_text()
    assert table_after(page, "What was run on what") == [
        ["encoder", "a", "b"], ["net quick, mel", "1", "0 of 1"], ["other quick, mel", "1", "–"]
    ]  # fmt: skip
    assert "2 of 4 pairs have scores" in page
