"""The pages in a real browser, in both themes, on wide and narrow screens: all figures are drawn, without
errors and without requests."""

import shutil

import pytest

from results.report.compare import compare, write
from search.after.report import make
from tests.results.made import make_run

BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
BROWSER = next(filter(None, map(shutil.which, BROWSERS)), None)
LOCAL = ("file:", "data:")  # URLs that reach no host
QUIET = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
# Number of colours of the canvas of a figure; 1 if it is empty.
COLOURS = """place => {
    const canvas = place.querySelector("canvas");
    if (!canvas) return 0;
    const image = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height);
    return new Set(new Uint32Array(image.data.buffer)).size;
}"""
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(BROWSER is None, reason="no chromium or google-chrome on PATH"),
]


@pytest.fixture(scope="module")
def browser():
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=BROWSER, args=QUIET)
        yield browser
        browser.close()


@pytest.fixture(scope="module")
def pages(tmp_path_factory):
    folder = tmp_path_factory.mktemp("pages")
    with pytest.MonkeyPatch.context() as patch:
        runs = [make_run(folder, patch, 120, "a"), make_run(folder, patch, 30, "b", "seed=1")]
    return {"report": make(runs[0]), "compare": write(compare(runs), folder / "compare.html")}


@pytest.fixture
def visit(browser, pages):
    """`visit(name, scheme, width)` opens a page in its own context: the page, and a list of its errors."""
    contexts = []

    def visit(name, scheme="light", width=1280):
        context = browser.new_context(viewport={"width": width, "height": 844}, color_scheme=scheme)
        contexts.append(context)
        page, errors = context.new_page(), []
        page.on("console", lambda message: errors.append(message.text))
        page.on("pageerror", lambda error: errors.append(str(error)))
        page.on("request", lambda request: request.url.startswith(LOCAL) or errors.append(request.url))
        page.goto(pages[name].as_uri())
        return page, errors

    yield visit
    for context in contexts:
        context.close()


@pytest.mark.parametrize(
    "name, figures, scheme, width",
    [
        ("report", 14, "light", 1280),
        ("report", 14, "dark", 390),
        ("compare", 2, "dark", 1280),
        ("compare", 2, "light", 390),
    ],
)
def test_all_figures_are_drawn(visit, name, figures, scheme, width):
    page, errors = visit(name, scheme, width)
    shown = page.query_selector_all("[data-figure]")
    for figure in shown:
        figure.scroll_into_view_if_needed()
        page.wait_for_function("place => place.querySelector('canvas')", arg=figure)
    page.wait_for_timeout(100)
    assert len(shown) >= figures
    drawn = {figure.get_attribute("data-figure"): figure.evaluate(COLOURS) for figure in shown}
    assert all(colours > 10 for colours in drawn.values()), drawn
    assert errors == []
    assert page.evaluate("document.documentElement.scrollWidth") == width
    paper = page.evaluate("getComputedStyle(document.body).backgroundColor")
    assert paper == {"light": "rgb(255, 255, 255)", "dark": "rgb(18, 21, 26)"}[scheme]


def test_a_page_that_is_not_scrolled_has_all_figures(visit):
    """As in a picture of the whole page, and in print."""
    page, errors = visit("report", width=390)
    page.wait_for_function(
        "() => [...document.querySelectorAll('[data-figure]')].every(place => place.querySelector('canvas'))"
    )
    assert page.evaluate("scrollY") == 0
    wide = "[...document.querySelectorAll('.scroll')].filter(part => part.scrollWidth > part.clientWidth)"
    assert page.evaluate(f"{wide}.every(part => getComputedStyle(part).backgroundImage.includes('gradient'))")
    assert page.evaluate(f"{wide}.length") > 0
    page.emulate_media(media="print")
    page.wait_for_function("() => matchMedia('print').matches")
    assert all(
        colours > 10 for colours in page.locator("[data-figure]").evaluate_all(f"all => all.map({COLOURS})")
    )
    assert errors == []


def test_a_table_that_is_wider_than_the_paper_is_made_smaller_in_print(visit):
    page, errors = visit("report", width=718)  # A4 in pixels, less margins of 10 mm
    page.wait_for_selector("tr.trial")
    page.add_style_tag(content="#table tr > * { padding-right: 60px !important }")  # as many parameters would
    right = "document.querySelector('#table').getBoundingClientRect().right"
    assert page.evaluate(right) > 1000
    page.emulate_media(media="print")
    page.wait_for_function("() => document.querySelector('#table').style.zoom")
    assert page.evaluate(right) <= 718 == page.evaluate("document.documentElement.scrollWidth")
    others = "[...document.querySelectorAll('table:not(#table)')].map(table => table.style.zoom)"
    assert set(page.evaluate(others)) <= {"", "1"}
    page.emulate_media(media="screen")
    page.wait_for_function("() => !document.querySelector('#table').style.zoom")
    assert page.evaluate(right) > 1000
    assert errors == []


def test_a_click_changes_the_theme(visit):
    page, errors = visit("compare")
    page.wait_for_selector("canvas")
    before = page.evaluate("document.querySelector('canvas').toDataURL()")
    page.click("#theme")
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(18, 21, 26)"
    assert page.evaluate("document.querySelector('canvas').toDataURL()") != before
    assert errors == []


def test_the_table_of_trials_sorts_filters_and_opens_rows(visit):
    page, errors = visit("report")
    numbers = "[...document.querySelectorAll('tr.trial')].map(row => +row.dataset.trial)"
    values = "[...document.querySelectorAll('tr.trial')].map(row => row.cells[3].textContent)"
    shown = [float(value) for value in page.evaluate(values)]
    assert len(shown) == 50 and shown == sorted(shown)  # the best first
    page.click("#more")
    assert len(page.evaluate(numbers)) == 120

    page.click("#table th:first-child")
    assert page.evaluate(numbers) == list(range(120))
    page.click("#table th:first-child")
    assert page.evaluate(numbers) == list(range(119, -1, -1))

    page.fill("#filter", "depth<3 l1")
    depths = "[...document.querySelectorAll('tr.trial')].map(row => row.textContent)"
    assert 0 < len(page.evaluate(depths)) < 60 and all("l1" in text for text in page.evaluate(depths))
    page.fill("#filter", "trial=7")
    assert page.evaluate(numbers) == [7]
    page.click("tr.trial")
    command = page.text_content("tr.open code")
    assert command.startswith("python -m search run") and "trials=1" in command
    page.fill("#filter", "")
    page.select_option("#state", "failed")
    page.click("tr.trial")
    assert "<b>tried</b> to allocate" in page.text_content("tr.open code.bad")
    assert errors == []


def test_the_nearest_curve_shows_its_trial(visit):
    page, errors = visit("report")
    figure = page.query_selector("[data-figure=curves]")
    figure.scroll_into_view_if_needed()
    page.wait_for_selector("[data-figure=curves] canvas")
    box = figure.bounding_box()
    for down in range(40, 360, 15):
        page.mouse.move(box["x"] + box["width"] * 0.7, box["y"] + down)
        if page.is_visible("#tip"):
            break
    assert "trial" in page.text_content("#tip") and "val/loss" in page.text_content("#tip")
    assert errors == []
