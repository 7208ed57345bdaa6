"""The table in a browser: sorted, filtered, unfolded, by mouse and by keyboard."""

from __future__ import annotations

import json

import pytest


def test_the_best_comes_first_and_a_failed_cell_last(tab, folder, open_board, names, hostile):
    open_board(tab, folder)
    assert names(tab) == ["ridge", "net", hostile, "twin", "dull", "broken"]
    assert "FAILED in align: RuntimeError: diverged" in tab.locator(".tabulator-row").last.inner_text()


def test_a_click_on_a_head_sorts_and_so_does_enter(tab, folder, open_board, names):
    open_board(tab, folder)
    head = tab.locator('.tabulator-col[tabulator-field="min"]')
    head.click()
    assert names(tab)[:2] == ["dull", "broken"]  # 20 and 10 minutes
    head.focus()
    tab.keyboard.press("Enter")
    assert names(tab)[:2] == ["ridge", "net"]
    assert head.get_attribute("aria-sort") == "ascending"


def test_filters_hide_rows_and_the_address_brings_the_view_back(tab, folder, open_board, names, hostile):
    open_board(tab, folder)
    tab.uncheck("#show-baseline")
    tab.uncheck("#show-failed")
    tab.uncheck("#show-none")
    assert names(tab) == ["net", hostile, "twin"]
    tab.fill("#find", "net")
    assert names(tab) == ["net"]
    assert tab.inner_text("#count") == "1 of 6 rows"
    address = "#" + tab.url.partition("#")[2]
    tab.goto("about:blank")
    open_board(tab, folder, address)
    assert names(tab) == ["net"]
    assert not tab.is_checked("#show-baseline")


def test_a_data_set_has_its_tab_and_the_arrow_keys_move_between_them(tab, folder, open_board, names):
    open_board(tab, folder)
    tab.focus("#tab-0")
    tab.keyboard.press("ArrowRight")
    assert names(tab) == ["net"]
    assert tab.get_attribute("#tab-1", "aria-selected") == "true"
    assert tab.locator("section.dataset:visible h2.name").inner_text() == "beta"


def test_a_row_of_seeds_opens_into_its_cells_by_keyboard_and_these_lead_to_records(tab, folder, open_board, names):
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


def test_the_head_of_a_long_table_stays_in_sight(tab, folder, open_board):
    open_board(tab, folder)
    tab.set_viewport_size({"width": 1300, "height": 200})
    holder = tab.locator(".tabulator-tableholder")
    holder.evaluate("element => element.scrollTo(0, 1000)")
    head, table = tab.locator(".tabulator-header").bounding_box(), tab.locator("#table").bounding_box()
    assert holder.evaluate("element => element.scrollTop") > 0
    assert head["y"] == pytest.approx(table["y"], abs=3)


def test_sorted_by_rank_ties_stand_together_between_lines(tab, folder, open_board, names, hostile):
    open_board(tab, folder)
    tab.locator('.tabulator-col[tabulator-field="r0"]').click()
    ranks = tab.locator('.tabulator-cell[tabulator-field="r0"]').all_inner_texts()
    assert names(tab) == ["net", hostile, "twin", "dull", "ridge", "broken"]
    assert ranks == ["1–1 of 4 A", "2–3 of 4 B", "2–3 of 4 B", "4–4 of 4 C", "baseline", "–"]
    lines = tab.locator(".tabulator-row").evaluate_all("rows => rows.map(r => r.classList.contains('tie-start'))")
    assert lines == [False, True, False, True, True, False]
    assert tab.locator(".rank").nth(2).get_attribute("title") == f"cannot be told from the best of: {hostile}, twin"
    tab.locator('.tabulator-col[tabulator-field="m0"]').click()
    assert tab.locator(".tie-start").count() == 0


def test_effects_over_data_sets_stand_below_the_tab_of_all(tab, folder, open_board):
    open_board(tab, folder)
    assert not tab.locator("#over").is_visible()
    tab.click("#tab-all")
    assert "alpha +0.490" in tab.inner_text("#over tbody tr")
    assert "beta +0.180" in tab.inner_text("#over tbody tr")
