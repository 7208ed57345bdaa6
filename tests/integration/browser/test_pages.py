"""The pages in a browser: clips, dark, phone, hostile names, without scripts."""

from __future__ import annotations

import re

import pytest

sync_api = pytest.importorskip("playwright.sync_api", reason="the browser test needs the package playwright")


def test_light_and_dark_follow_the_system_until_the_reader_chooses(browser, folder, open_board):
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


def test_a_hostile_name_is_text_and_runs_nothing(tab, folder, open_board, hostile):
    open_board(tab, folder)
    tab.wait_for_timeout(200)
    assert tab.title().startswith("Board")
    assert tab.locator("img[src=x]").count() == 0
    tab.get_by_role("link", name=hostile).first.click()
    tab.wait_for_selector("table.cells")
    assert hostile in tab.inner_text("h1")
    assert tab.locator("img[src=x]").count() == 0


def test_a_script_that_is_not_ours_would_not_run(browser, folder, open_board):
    page = browser.new_page()
    blocked: list[str] = []
    page.on("console", lambda message: blocked.append(message.text))
    open_board(page, folder)
    injected = "const s = document.createElement('script'); s.textContent = 'window.owned = 1'; document.body.append(s)"
    page.evaluate(f"() => {{ {injected} }}")
    assert page.evaluate("window.owned") is None
    assert "Content Security Policy" in blocked[0]
    page.close()


def test_a_refused_record_is_on_the_page_with_its_reason(tab, folder, open_board):
    open_board(tab, folder)
    assert "torn.json" in tab.inner_text("#refused")
    assert "cannot be read" in tab.inner_text("#refused")


def test_on_a_phone_nothing_is_wider_than_the_screen_and_a_row_unfolds(phone, folder, open_board):
    for page in ("index.html", "listen/1.html", *(f"rows/{path.name}" for path in (folder / "rows").iterdir())):
        phone.goto((folder / page).as_uri())
        assert phone.evaluate("document.documentElement.scrollWidth") <= 390, page
    open_board(phone, folder)
    assert phone.locator('.tabulator-cell[tabulator-field="m0"]:visible').count() == 6
    unfold = phone.get_by_role("button", name="all of net")
    assert min(unfold.bounding_box()[side] for side in ("width", "height")) >= 24
    unfold.focus()
    phone.keyboard.press("Enter")
    assert unfold.get_attribute("aria-expanded") == "true"
    heads = phone.locator(".unfolded dt").all_inner_texts()
    assert {"rank, top-1", "retrieval", "minutes"} <= set(heads)
    assert {"encoder", "top-1", "data set"}.isdisjoint(heads)
    phone.wait_for_timeout(200)  # in which the taller table is drawn again
    phone.wait_for_selector("button.unfold[aria-expanded=true]:focus")
    phone.keyboard.press("Enter")
    assert phone.locator(".unfolded").count() == 0


def test_on_a_phone_verdict_and_rank_stand_below_the_name_and_a_tap_opens_the_score(phone, folder, open_board):
    open_board(phone, folder)
    assert phone.locator(".name .verdict").nth(1).inner_text() == "signal, p = 0.001"
    assert phone.locator(".name small").first.inner_text() == "rank 1–1 of 4, A"
    phone.locator("button.score:visible").nth(1).tap()
    panel = phone.locator("#panel").bounding_box()
    assert panel["x"] >= 0 and panel["x"] + panel["width"] <= 390


def test_on_a_phone_words_can_be_reached_and_text_in_plots_can_be_read(phone, folder, open_board):
    open_board(phone, folder)
    assert phone.get_by_role("link", name="Words").is_visible()
    size = """text => parseFloat(getComputedStyle(text).fontSize) *
        text.ownerSVGElement.getBoundingClientRect().width / text.ownerSVGElement.viewBox.baseVal.width"""
    for page in ("index.html", *(f"rows/{path.name}" for path in (folder / "rows").glob("net*"))):
        phone.goto((folder / page).as_uri())
        sizes = phone.locator(".plot text").evaluate_all(f"texts => texts.map({size})")
        assert sizes and min(sizes) >= 11


def test_marks_of_the_cost_plots_are_links_with_names_that_show_where_they_have_the_focus(tab, folder, open_board):
    open_board(tab, folder)
    plot = tab.get_by_role("group", name="top-1 over minutes").first
    assert plot.get_by_role("link", name="dull (encoder): 0.050").get_attribute("href").startswith("rows/dull")
    unnamed = plot.locator("a:has(.told)").first
    assert not unnamed.locator(".told").is_visible()
    unnamed.focus()
    tab.keyboard.press("Shift+Tab")
    tab.keyboard.press("Tab")  # by keyboard, which is what shows the focus
    assert unnamed.locator(".told").is_visible()


CONTRAST = """([colour, ground]) => {
    const luminance = (text) => {
        const linear = v => v <= 0.03928 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4;
        const [r, g, b] = text.match(/[\\d.]+/g).map(v => linear(v / 255));
        return 0.2126 * r + 0.7152 * g + 0.0722 * b;
    };
    const [low, high] = [colour, ground].map(luminance).sort((a, b) => a - b);
    return (high + 0.05) / (low + 0.05);
}"""


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_badges_bars_and_borders_stand_out_from_what_is_behind_them(browser, folder, open_board, scheme):
    page = browser.new_page(color_scheme=scheme)
    open_board(page, folder)

    def colour(selector: str, of: str) -> str:
        return page.locator(selector).first.evaluate("(element, of) => getComputedStyle(element)[of]", of)

    paper, card = colour("body", "backgroundColor"), colour(".card", "backgroundColor")
    page.evaluate("document.querySelector('.name .badge').className = 'badge reference'")
    badge, border = colour(".badge.reference", "color"), colour("#find", "borderTopColor")
    page.goto(next((folder / "rows").glob("net*")).as_uri())
    bar = colour(".plot rect.ctl", "fill")
    assert page.evaluate(CONTRAST, [badge, card]) >= 4.5
    assert min(page.evaluate(CONTRAST, [border, paper]), page.evaluate(CONTRAST, [bar, card])) >= 3
    page.close()


def test_on_a_phone_the_tab_of_all_data_sets_names_them_below_the_encoders(phone, folder, open_board):
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
