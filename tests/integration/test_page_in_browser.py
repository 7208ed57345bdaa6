"""The board in a real browser, opened from disk: sort, filter, play, dark, download, address, phone, hostile names."""

from __future__ import annotations

import csv
import io
import json
import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import soundfile

from eeg2speech_bench.core.records import Record, RecordStore
from eeg2speech_bench.leaderboard.page.folder import build

sync_api = pytest.importorskip("playwright.sync_api", reason="the browser test needs the package playwright")
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="no Chromium here; on Debian: apt-get install chromium")

HOSTILE = "</script><img src=x onerror=\"document.title='owned'\">=cmd|a"
ARGUMENTS = [
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-component-update",
    "--disable-sync", "--no-first-run",
]  # fmt: skip


def entry(metric: str, condition: str, value: float) -> dict[str, Any]:
    return {
        "name": metric, "condition": condition, "value": value, "low": value - 0.01, "high": value + 0.01, "n": 40,
        "n_pool": 50, "chance": 0.02, "unit": "", "higher_is_better": True, "per_subject": {"01": value, "02": value},
    }  # fmt: skip


def write(results: Path, name: str, value: float, *, dataset: str = "alpha", seed: int = 0, **changes: Any) -> Record:
    """Write a record with one heard metric; ``changes`` replace its fields."""
    identifier = f"c{len(list(results.glob('records/*.json')))}"
    cell = {"id": identifier, "encoder": name, "dataset": dataset, "preset": "quick", "seed": seed}
    verdict = {"distinguishable": value > 0.1, "p": 0.001 if value > 0.1 else 0.5, "hardest_control": "shuffle"}
    made = Record(cell, "done", {"preset": "quick"}, encoder={"name": name}, target={"name": "mel"})
    made.split, made.dataset = {"hash": "5c" * 32}, {"n_subjects": 2}
    made.metrics = [entry(m, c, v) for m in ("top1", "estoi") for c, v in (("eeg", value), ("shuffle", 0.02))]
    made.verdict = {"top1": verdict}
    made.files = {"segments": f"cells/{identifier}/segments.parquet"}
    add_segments(RecordStore(results).cell_folder(identifier), value)
    made.provenance = {"stages": [{"name": "align", "seconds": 60 / value, "peak_memory_mb": 1000.0}]}
    for field, changed in changes.items():
        setattr(made, field, changed)
    RecordStore(results).write(made)
    return made


def add_segments(folder: Path, mean: float) -> None:
    """Write top-1 of eight listeners and ten blocks, the same spread around any mean."""
    listener, block = (a.ravel() for a in np.indices((8, 10)))
    columns = {"metric": "top1", "condition": "eeg", "subject": listener.astype(str), "recording": listener}
    columns |= {"stimulus": 0, "start_s": block * 15.0, "block": block}
    spread = 0.02 * np.random.default_rng(0).standard_normal(80)
    folder.mkdir(parents=True)
    pd.DataFrame(columns | {"value": mean + spread}).to_parquet(folder / "segments.parquet")


def add_audio(results: Path, record: Record) -> None:
    for condition in ("reference", "eeg", "shuffle"):
        folder = RecordStore(results).cell_folder(record.cell["id"]) / "audio" / condition
        folder.mkdir(parents=True)
        for number in range(2):
            soundfile.write(folder / f"clip_{number:03d}.flac", 0.1 * np.sin(np.arange(16_000) * 0.1), 16_000)
    record.files |= {"audio": f"cells/{record.cell['id']}/audio"}
    RecordStore(results).write(record)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A board of two data sets with three seeds, a baseline, no signal, a failure, audio, a hostile name, refusals."""
    results = tmp_path_factory.mktemp("results")
    for seed in range(3):
        record = write(results, "net", 0.5 + 0.01 * seed, seed=seed)
        add_audio(results, record)
    write(results, "ridge", 0.7, encoder={"name": "ridge", "baseline": True})
    write(results, "dull", 0.05)
    write(results, HOSTILE, 0.3)
    failed = {"phase": "align", "type": "RuntimeError", "message": "diverged"}
    write(results, "broken", 0.1, status="failed", metrics=[], verdict={}, error=failed)
    write(results, "net", 0.2, dataset="beta")
    write(results, "twin", 0.3)  # segment by segment like the hostile one
    (results / "records" / "torn.json").write_text("{")
    return build([results], tmp_path_factory.mktemp("out") / "board").index.parent


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    with sync_api.sync_playwright() as playwright:
        running = playwright.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS)
        yield running
        running.close()


@pytest.fixture
def tab(browser: Any) -> Iterator[Any]:
    """A desktop tab that fails the test on any script error, policy violation, or request beyond the disk."""
    yield from _watched(browser.new_page(viewport={"width": 1300, "height": 900}))


@pytest.fixture
def phone(browser: Any) -> Iterator[Any]:
    yield from _watched(browser.new_page(viewport={"width": 390, "height": 844}, has_touch=True))


def _watched(page: Any) -> Iterator[Any]:
    wrong: list[str] = []
    page.on("console", lambda message: wrong.append(message.text))
    page.on("pageerror", lambda error: wrong.append(str(error)))
    page.on("request", lambda r: None if r.url.startswith(("file:", "blob:")) else wrong.append(r.url))
    yield page
    page.close()
    assert wrong == []


def open_board(page: Any, folder: Path, address: str = "") -> None:
    page.goto((folder / "index.html").as_uri() + address)
    page.wait_for_selector("html[data-ready] .tabulator-row")


def names(page: Any) -> list[str]:
    return page.locator("#table .name a:visible").all_inner_texts()


def download(page: Any, kind: str) -> str:
    with page.expect_download() as waiting:
        page.click(f"[data-export={kind}]")
    return Path(waiting.value.path()).read_text(encoding="utf8")


def test_the_best_comes_first_and_a_failed_cell_last(tab, folder):
    open_board(tab, folder)
    assert names(tab) == ["ridge", "net", HOSTILE, "twin", "dull", "broken"]
    assert "FAILED in align: RuntimeError: diverged" in tab.locator(".tabulator-row").last.inner_text()


def test_a_click_on_a_head_sorts_and_so_does_enter(tab, folder):
    open_board(tab, folder)
    head = tab.locator('.tabulator-col[tabulator-field="min"]')
    head.click()
    assert names(tab)[:2] == ["dull", "broken"]  # 20 and 10 minutes
    head.focus()
    tab.keyboard.press("Enter")
    assert names(tab)[:2] == ["ridge", "net"]
    assert head.get_attribute("aria-sort") == "ascending"


def test_filters_hide_rows_and_the_address_brings_the_view_back(tab, folder):
    open_board(tab, folder)
    tab.uncheck("#show-baseline")
    tab.uncheck("#show-failed")
    tab.uncheck("#show-none")
    assert names(tab) == ["net", HOSTILE, "twin"]
    tab.fill("#find", "net")
    assert names(tab) == ["net"]
    assert tab.inner_text("#count") == "1 of 6 rows"
    address = "#" + tab.url.partition("#")[2]
    tab.goto("about:blank")
    open_board(tab, folder, address)
    assert names(tab) == ["net"]
    assert not tab.is_checked("#show-baseline")


def test_a_data_set_has_its_tab_and_the_arrow_keys_move_between_them(tab, folder):
    open_board(tab, folder)
    tab.focus("#tab-0")
    tab.keyboard.press("ArrowRight")
    assert names(tab) == ["net"]
    assert tab.get_attribute("#tab-1", "aria-selected") == "true"
    assert tab.locator("section.dataset:visible h2.name").inner_text() == "beta"


def test_a_row_of_seeds_opens_into_its_cells_by_keyboard_and_these_lead_to_records(tab, folder):
    open_board(tab, folder)
    tab.locator("button.tree").first.focus()
    tab.keyboard.press("Enter")
    assert [name for name in names(tab) if name.startswith("seed")] == ["seed 0", "seed 1", "seed 2"]
    tab.get_by_role("link", name="seed 1").click()
    tab.wait_for_selector("table.cells")
    assert tab.url.endswith("#c1")
    tab.locator("tr#c1 a").click()  # a static host offers it as a download; from disk it opens
    tab.wait_for_url("**/records/c1.json")
    assert json.loads(tab.inner_text("pre"))["cell"]["id"] == "c1"


def test_the_head_of_a_long_table_stays_in_sight(tab, folder):
    open_board(tab, folder)
    tab.set_viewport_size({"width": 1300, "height": 200})
    holder = tab.locator(".tabulator-tableholder")
    holder.evaluate("element => element.scrollTo(0, 1000)")
    head, table = tab.locator(".tabulator-header").bounding_box(), tab.locator("#table").bounding_box()
    assert holder.evaluate("element => element.scrollTop") > 0
    assert head["y"] == pytest.approx(table["y"], abs=3)


def test_light_and_dark_follow_the_system_until_the_reader_chooses(browser, folder):
    page = browser.new_page(color_scheme="dark")
    open_board(page, folder)
    dark = page.evaluate("getComputedStyle(document.body).backgroundColor")
    page.click("#theme")
    light = page.evaluate("getComputedStyle(document.body).backgroundColor")
    page.reload()
    page.wait_for_selector("html[data-ready]")
    assert sum(map(int, dark[4:-1].split(","))) < 120 < 600 < sum(map(int, light[4:-1].split(",")))
    assert page.evaluate("document.documentElement.dataset.theme") == "light"
    page.close()


def test_clips_play_in_place_one_at_a_time_and_enter_starts_them(tab, folder):
    tab.goto((folder / "listen" / "1.html").as_uri())
    first, second = tab.locator("a.play").nth(0), tab.locator("a.play").nth(1)
    first.click()
    sync_api.expect(first.locator(".bar")).to_have_attribute("style", re.compile(r"width: [1-9]"))
    second.focus()
    tab.keyboard.press("Enter")
    sync_api.expect(second).to_have_class(re.compile("playing"))
    assert tab.locator("a.playing").count() == 1
    sync_api.expect(tab.locator("a.playing")).to_have_count(0)  # at its end
    assert tab.url.endswith("1.html")


def test_mel_pictures_are_loaded(tab, folder):
    tab.goto((folder / "listen" / "1.html").as_uri())
    tab.locator(".play img").first.scroll_into_view_if_needed()
    tab.wait_for_load_state("load")
    assert tab.evaluate("[...document.images].slice(0, 3).map(image => image.naturalWidth)") == [100] * 3


def test_csv_holds_the_rows_as_shown_with_numbers_as_numbers(tab, folder):
    open_board(tab, folder)
    tab.uncheck("#show-baseline")
    table = list(csv.DictReader(io.StringIO(download(tab, "csv"))))
    assert [row["encoder"] for row in table] == ["net", HOSTILE, "twin", "dull", "broken"]
    assert float(table[0]["top-1"]) == pytest.approx(0.51)
    assert float(table[0]["top-1 seed SD"]) == pytest.approx(0.01)
    assert table[3]["retrieval"] == "not distinguishable from no signal"


def test_sorted_by_rank_ties_stand_together_between_lines(tab, folder):
    open_board(tab, folder)
    tab.locator('.tabulator-col[tabulator-field="r0"]').click()
    ranks = tab.locator('.tabulator-cell[tabulator-field="r0"]').all_inner_texts()
    assert names(tab) == ["net", HOSTILE, "twin", "dull", "ridge", "broken"]
    assert ranks == ["1–1 of 4 A", "2–3 of 4 B", "2–3 of 4 B", "4–4 of 4 C", "baseline", "–"]
    lines = tab.locator(".tabulator-row").evaluate_all("rows => rows.map(r => r.classList.contains('tie-start'))")
    assert lines == [False, True, False, True, True, False]
    assert tab.locator(".rank").nth(2).get_attribute("title") == f"cannot be told from the best of: {HOSTILE}, twin"
    tab.locator('.tabulator-col[tabulator-field="m0"]').click()
    assert tab.locator(".tie-start").count() == 0


def test_exports_hold_rank_intervals_and_ties(tab, folder):
    open_board(tab, folder)
    first, *_ = [row for row in csv.DictReader(io.StringIO(download(tab, "csv"))) if row["encoder"] == "twin"]
    found = {name: first[f"rank, top-1 {name}"] for name in ("low", "high", "of", "tie")}
    assert found == {"low": "2", "high": "3", "of": "4", "tie": "B"}
    rows = {row["encoder"]: row for row in json.loads(download(tab, "json"))}
    assert rows["net"]["rank, top-1 high"] == 1 and rows["ridge"]["rank, top-1 low"] is None
    assert rows["ridge"]["rank, top-1 says"] == "baseline"
    assert "| 2–3 of 4, B |" in download(tab, "markdown")
    assert "2--3 of 4, B" in download(tab, "latex")


def test_effects_over_data_sets_stand_below_the_tab_of_all(tab, folder):
    open_board(tab, folder)
    assert not tab.locator("#over").is_visible()
    tab.click("#tab-all")
    assert "alpha +0.490" in tab.inner_text("#over tbody tr")
    assert "beta +0.180" in tab.inner_text("#over tbody tr")


def test_latex_and_markdown_escape_what_would_break_the_table(tab, folder):
    open_board(tab, folder)
    latex, markdown = download(tab, "latex"), download(tab, "markdown")
    assert r"$<$/script$>$" in latex
    assert latex.count(r"\\") == 7  # one head, six rows
    assert "<img" not in markdown
    bars = {line.replace("\\|", "").count("|") for line in markdown.splitlines()}
    assert len(bars) == 1


def test_json_holds_the_rows_as_shown(tab, folder):
    open_board(tab, folder)
    assert [row["encoder"] for row in json.loads(download(tab, "json"))] == names(tab)


def test_a_hostile_name_is_text_and_runs_nothing(tab, folder):
    open_board(tab, folder)
    tab.wait_for_timeout(200)
    assert tab.title().startswith("Board")
    assert tab.locator("img[src=x]").count() == 0
    tab.get_by_role("link", name=HOSTILE).first.click()
    tab.wait_for_selector("table.cells")
    assert HOSTILE in tab.inner_text("h1")
    assert tab.locator("img[src=x]").count() == 0


def test_a_script_that_is_not_ours_would_not_run(browser, folder):
    page = browser.new_page()
    blocked: list[str] = []
    page.on("console", lambda message: blocked.append(message.text))
    open_board(page, folder)
    injected = "const s = document.createElement('script'); s.textContent = 'window.owned = 1'; document.body.append(s)"
    page.evaluate(f"() => {{ {injected} }}")
    assert page.evaluate("window.owned") is None
    assert "Content Security Policy" in blocked[0]
    page.close()


def test_a_refused_record_is_on_the_page_with_its_reason(tab, folder):
    open_board(tab, folder)
    assert "torn.json" in tab.inner_text("#refused")
    assert "is damaged" in tab.inner_text("#refused")


def test_on_a_phone_nothing_is_wider_than_the_screen_and_a_row_unfolds(phone, folder):
    for page in ("index.html", "listen/1.html", *(f"rows/{path.name}" for path in (folder / "rows").iterdir())):
        phone.goto((folder / page).as_uri())
        assert phone.evaluate("document.documentElement.scrollWidth") <= 390, page
    open_board(phone, folder)
    assert phone.locator('.tabulator-cell[tabulator-field="m0"]:visible').count() == 6
    phone.locator(".tabulator-responsive-collapse-toggle").first.click()
    assert "minutes" in phone.locator(".folded:visible").inner_text()
    assert "rank, top-1" in phone.locator(".folded:visible").inner_text()


def test_on_a_phone_the_tab_of_all_data_sets_names_them_below_the_encoders(phone, folder):
    open_board(phone, folder, "#data=all")
    assert phone.evaluate("document.documentElement.scrollWidth") <= 390
    table = phone.locator("#table .tabulator-tableholder")
    assert table.evaluate("element => element.scrollWidth - element.clientWidth") <= 0
    assert phone.locator(".name small").all_inner_texts().count("beta") == 1


def test_without_scripts_the_page_still_answers_and_leads_on(browser, folder):
    page = browser.new_page(java_script_enabled=False)
    page.goto((folder / "index.html").as_uri())
    assert page.locator("article.answer").count() == 2
    assert page.locator("noscript").inner_text()
    page.locator("article.answer a").first.click()
    assert page.locator("table.cells").is_visible()
    page.close()
