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
    assert names(tab)[2:5] == ["seed 0", "seed 1", "seed 2, retrieval only"]
    tab.wait_for_timeout(200)  # in which the taller table is drawn again
    tab.wait_for_selector("button.tree[aria-expanded=true]:focus")
    assert tab.locator('.tabulator-tree-level-1 [tabulator-field="n"]').all_inner_texts() == ["", "", ""]
    tab.keyboard.press("Enter")
    assert not [name for name in names(tab) if name.startswith("seed")]
    tab.wait_for_timeout(200)
    tab.wait_for_selector("button.tree[aria-expanded=false]:focus")
    tab.keyboard.press("Enter")
    tab.get_by_role("link", name="seed 1").click()
    tab.wait_for_selector("table.cells")
    assert tab.url.endswith("#c1")
    tab.locator("tr#c1 a", has_text="JSON").click()  # a static host offers it as a download; from disk it opens
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


def test_sorted_by_rank_the_order_is_of_intervals_and_a_rank_opens_into_who_shares_its_letters(
    tab, folder, open_board, names, hostile
):
    open_board(tab, folder)
    tab.locator('.tabulator-col[tabulator-field="r0"]').click()
    ranks = tab.locator('.tabulator-cell[tabulator-field="r0"]').all_inner_texts()
    assert names(tab) == ["net", hostile, "twin", "dull", "ridge", "broken"]
    assert ranks == ["1–1 of 4 A", "2–3 of 4 B", "2–3 of 4 B", "4–4 of 4 C", "baseline", "–"]
    tab.locator("button.rank").nth(2).click()
    assert tab.locator("#panel dt").all_inner_texts() == ["rank", "letter B"]
    assert tab.locator("#panel dd").all_inner_texts() == [
        "2 to 3 of 4 encoders",
        f"cannot be told apart from {hostile}",
    ]


def test_effects_over_data_sets_stand_below_the_tab_of_all(tab, folder, open_board):
    open_board(tab, folder)
    assert not tab.locator("#over").is_visible()
    tab.click("#tab-all")
    assert "alpha +0.490" in tab.inner_text("#over tbody tr")
    assert "beta +0.180" in tab.inner_text("#over tbody tr")


def test_a_score_shows_its_control_and_ceiling_and_how_many_seeds_have_it(tab, folder, open_board):
    open_board(tab, folder)
    top1, estoi = (tab.locator(f'.tabulator-row:nth-child(2) [tabulator-field="{f}"]') for f in ("m0", "m1"))
    assert " ".join(top1.inner_text().split()) == "0.510 [0.50, 0.52] ± 0.010 control 0.020 · ceiling 0.900"
    assert " ".join(estoi.inner_text().split()).startswith("0.505 [0.49, 0.52] ± 0.007 (2) control")
    assert top1.locator(".control").count() == top1.locator(".chance").count() == 1


@pytest.mark.parametrize("by", ["mouse", "keyboard"])
def test_a_score_opens_a_panel_that_says_all_of_it_and_closes_again(tab, folder, open_board, by):
    open_board(tab, folder)
    score = tab.locator("button.score").nth(2)
    if by == "mouse":
        score.click()
    else:
        score.focus()
        tab.keyboard.press("Enter")
    said = tab.locator("#panel dt, #panel dd").all_inner_texts()
    assert tab.inner_text("#panel h3") == "top-1: net"
    assert dict(zip(said[::2], said[1::2], strict=True)) == {
        "value": "0.510, mean of 3 seeds", "interval": "0.500 to 0.520", "spread": "± 0.010 over 3 seeds",
        "chance": "0.020", "best control": "0.020 (EEG of other segments)", "ceiling": "0.900 (true audio embedding)",
    }  # fmt: skip
    assert score.get_attribute("aria-expanded") == "true"
    assert tab.evaluate("document.activeElement.closest('#panel') !== null")
    if by == "mouse":
        score.click()
    else:
        tab.keyboard.press("Escape")
        assert tab.evaluate("document.activeElement.classList.contains('score')")
    assert not tab.locator("#panel").is_visible()
    assert score.get_attribute("aria-expanded") == "false"


def test_verdicts_are_chosen_from_a_list_and_text_is_searched_in_ranks_but_not_in_verdicts(
    tab, folder, open_board, names, hostile
):
    open_board(tab, folder)
    tab.fill("#find", "signal")
    assert names(tab) == []
    tab.fill("#find", "2–3")
    assert names(tab) == [hostile, "twin"]
    tab.fill("#find", "")
    found = {}
    for verdict in ("signal", "mixed", "none", "missing"):
        tab.select_option("#verdict", verdict)
        found[verdict] = names(tab)
    assert found == {"signal": ["ridge", "net", hostile, "twin"], "mixed": [], "none": ["dull"], "missing": ["broken"]}
    tab.reload()
    tab.wait_for_selector("html[data-ready] .tabulator-row")
    assert names(tab) == ["broken"]
    assert tab.input_value("#verdict") == "missing"


def test_the_margin_over_the_best_baseline_is_sorted_by_and_names_it(tab, folder, open_board, names, hostile):
    open_board(tab, folder)
    tab.locator('.tabulator-col[tabulator-field="b0"]').click()
    assert names(tab)[:4] == ["net", hostile, "twin", "dull"]
    cell = tab.locator('.tabulator-row:nth-child(1) [tabulator-field="b0"]')
    assert cell.inner_text().split("\n") == ["-0.190, p < 0.001", "ridge"]
    tab.locator('.tabulator-col[tabulator-field="b0"]').click()
    assert names(tab)[:4] == ["dull", hostile, "twin", "net"]  # those without one stay last


def test_an_edge_is_shaded_while_columns_lie_beyond_it(tab, folder, open_board):
    def shaded(wait_for):
        tab.wait_for_selector(f"#table.{wait_for}")
        return {"more-left", "more-right"} & set(tab.get_attribute("#table", "class").split())

    open_board(tab, folder)
    tab.set_viewport_size({"width": 900, "height": 700})
    assert shaded("more-right") == {"more-right"}
    tab.locator(".tabulator-tableholder").evaluate("element => element.scrollTo(5000, 0)")
    assert shaded("more-left") == {"more-left"}


def test_a_link_to_a_section_keeps_the_view_in_the_address_and_a_reload_brings_both_back(
    tab, folder, open_board, names
):
    open_board(tab, folder)
    tab.fill("#find", "net")
    tab.click("nav a[href='#words']")
    tab.reload()
    tab.wait_for_selector("html[data-ready] .tabulator-row")
    assert names(tab) == ["net"]
    assert tab.locator("#words h2").bounding_box()["y"] < 900
    tab.go_back()
    assert tab.url.endswith("#find=net")


def test_an_address_of_a_section_is_gone_to_and_kept(tab, folder, open_board):
    open_board(tab, folder, "#words")
    assert tab.url.endswith("#words")
    assert tab.locator("#words h2").bounding_box()["y"] < 900
    open_board(tab, folder, "#data=all")
    open_board(tab, folder, "#over")
    assert tab.locator("#over").is_visible()


def test_what_a_tab_shows_is_its_panel(tab, folder, open_board):
    open_board(tab, folder)
    assert tab.get_by_role("tabpanel", name="alpha").first.locator("h2.name").inner_text() == "alpha"
    tab.click("#tab-1")
    assert tab.get_by_role("tabpanel", name="alpha").count() == 0
