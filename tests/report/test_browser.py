"""The page in a real browser: headless Chromium, driven by playwright, judged by axe-core.

Skipped where these are not there, unless the environment says BAYESMIX_BROWSER=required (as `.ci/run` does).
"""

import csv
import io
import os
import shutil

import pytest

import bayesmix as bm

pytestmark = pytest.mark.xdist_group("page")
NAMES = ("chromium", "chromium-browser", "google-chrome", "chrome")


def missing(reason):
    """Skip with this reason, or fail where the browser is required."""
    if os.environ.get("BAYESMIX_BROWSER") == "required":
        pytest.fail(f"BAYESMIX_BROWSER=required, but {reason}")
    pytest.skip(reason)


@pytest.fixture(scope="module")
def chromium():
    try:
        from playwright.sync_api import sync_playwright
    except ImportError:
        missing("the package playwright is not installed: `pip install -e '.[test]'`.")
    where = next(filter(None, map(shutil.which, NAMES)), None)
    if where is None:
        missing("there is no Chromium on the PATH: `apt-get install chromium`, for example.")
    root = ["--no-sandbox"] if getattr(os, "geteuid", lambda: 1)() == 0 else []
    with sync_playwright() as play:
        browser = play.chromium.launch(executable_path=where, args=[*root, "--disable-gpu"])
        yield browser
        browser.close()


@pytest.fixture(scope="module")
def pages(report):
    """name -> address of the page and of the list of reports."""
    return {"report": (report / "index.html").as_uri(), "list": bm.write_index(report.parent).as_uri()}


class Visit:
    """A page in a window of its own; what it asked for and complained of."""

    def __init__(self, chromium, address, width=1200, height=800, **context):
        self.context = chromium.new_context(viewport={"width": width, "height": height}, **context)
        self.page = self.context.new_page()
        self.asked, self.said = [], []
        self.page.on("request", lambda request: self.asked.append(request.url))
        self.page.on("console", lambda message: self.said.append(message.text))
        self.page.on("pageerror", lambda error: self.said.append(str(error)))
        self.page.goto(address)

    def __enter__(self):
        return self

    def __exit__(self, *error):
        self.context.close()


@pytest.fixture
def visit(chromium, pages):
    """visit(name, **window) -> Visit; all are closed at the end."""
    opened = []

    def inner(name="report", **window):
        opened.append(Visit(chromium, pages[name], **window))
        return opened[-1]

    yield inner
    for one in opened:
        one.context.close()


@pytest.mark.parametrize("name", ["report", "list"])
def test_no_complaint_and_no_request_but_for_the_page(visit, pages, name):
    one = visit(name)
    one.page.get_by_role("button").first.click()
    assert one.said == []
    assert {url for url in one.asked if not url.startswith("data:image/")} == {pages[name]}


def test_complaints_and_requests_would_be_seen(visit):
    """Negative control."""
    one = visit()
    one.page.evaluate("console.error('no'); new Image().src = 'file:///nowhere.png'")
    one.page.wait_for_timeout(200)
    assert "no" in one.said and "file:///nowhere.png" in one.asked


def test_verdict_reason_and_advice_are_on_the_first_screen(visit):
    page = visit().page
    for words in ("Verdict: sound", "Why", "The chains agree <everywhere>.", "What to do", "Then stop."):
        box = page.get_by_text(words, exact=True).first.bounding_box()
        assert box is not None and box["y"] >= 0 and box["y"] + box["height"] < 800, words


def columns(page, selector):
    """The body of a table as rows of text."""
    return page.eval_on_selector_all(
        f"{selector} tbody tr", "rows => rows.map(r => [...r.cells].map(c => c.innerText))"
    )


def test_tables_sort_up_and_down_by_mouse_and_keyboard(visit):
    page = visit().page
    table = "#comparison table"
    before = columns(page, table)
    head = page.locator(f"{table} th", has_text="MAP")
    head.get_by_role("button").click()
    assert head.get_attribute("aria-sort") == "ascending"
    up = [float(row[1].replace("−", "-")) for row in columns(page, table)]
    assert up == sorted(up) and len(up) == len(before) == 12
    head.get_by_role("button").press("Enter")
    assert head.get_attribute("aria-sort") == "descending"
    assert [float(row[1].replace("−", "-")) for row in columns(page, table)] == up[::-1]
    page.locator(f"{table} th").first.get_by_role("button").press("Space")
    names = [row[0] for row in columns(page, table)]
    assert head.get_attribute("aria-sort") is None and names[0].startswith("cov") and names[-1].startswith("weight")
    assert sorted(map(tuple, columns(page, table))) == sorted(map(tuple, before))  # whole rows were moved


def test_the_slider_shows_one_step_at_a_time(visit):
    page = visit().page
    figure = page.locator("figure.slides")
    slider, output = figure.get_by_role("slider"), figure.locator("output")
    shown = figure.locator("img:visible")
    assert shown.count() == 1 and output.inner_text() == "iteration 0"
    first = shown.get_attribute("src")
    slider.press("ArrowRight")
    assert output.inner_text() == "iteration 1" == slider.get_attribute("aria-valuetext")
    assert shown.count() == 1 and shown.get_attribute("src") != first
    slider.press("End")
    assert (
        shown.get_attribute("data-title")
        == output.inner_text()
        == figure.locator("img").last.get_attribute("data-title")
    )


def background(page):
    """How light the page is, 0 to 255."""
    return page.evaluate("parseInt(getComputedStyle(document.body).backgroundColor.match(/\\d+/)[0])")


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("name", ["report", "list"])
def test_light_and_dark_follow_the_system_and_the_switch(visit, name, scheme):
    page = visit(name, color_scheme=scheme).page
    dark = background(page) < 60
    assert dark == (scheme == "dark")
    button = page.locator("#theme")
    assert button.inner_text() == ("Light page" if dark else "Dark page")
    button.press("Enter")
    assert (background(page) < 60) != dark and button.inner_text() == ("Dark page" if dark else "Light page")
    page.emulate_media(media="print")
    assert background(page) == 255 and not button.is_visible()


@pytest.mark.parametrize("name", ["report", "list"])
def test_no_horizontal_scroll_on_a_narrow_screen(visit, name):
    page = visit(name, width=400, height=800).page
    for folded in page.locator("summary").all():
        folded.click()
    measure = "document.documentElement.scrollWidth"
    assert page.evaluate(measure) == 400
    page.evaluate("document.querySelector('h1').style.minWidth = '900px'")
    assert page.evaluate(measure) > 400  # negative control


def serious(page):
    """What axe-core calls serious or worse: (rule, element)."""
    try:
        from axe_playwright_python.sync_playwright import Axe
    except ImportError:
        missing("the package axe-playwright-python is not installed: `pip install -e '.[test]'`.")
    found = Axe().run(page).response["violations"]
    grave = [v for v in found if v["impact"] in ("serious", "critical")]
    return [(v["id"], node["html"][:200]) for v in grave for node in v["nodes"]]


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("name", ["report", "list"])
def test_axe_finds_no_serious_violation(visit, name, scheme):
    page = visit(name, color_scheme=scheme).page
    page.evaluate("document.querySelectorAll('details').forEach(d => { d.open = true; })")
    assert serious(page) == []
    page.evaluate("document.querySelector('img').removeAttribute('alt')")
    assert [rule for rule, _ in serious(page)] == ["image-alt"]  # negative control


def saved(page, button):
    """(name, bytes) of the file that a button saves."""
    with page.expect_download() as waiting:
        button.click()
    return waiting.value.suggested_filename, waiting.value.path().read_bytes()


def test_tables_and_figures_can_be_saved(visit):
    page = visit().page
    section = page.locator("#comparison")
    name, text = saved(page, section.get_by_role("button", name="CSV"))
    rows = list(csv.reader(io.StringIO(text.decode("utf-8"))))
    assert name.startswith("comparison") and name.endswith(".csv")
    assert rows[0][:2] == ["parameter", "MAP"] and len(rows) == 13
    assert [float(row[1]) for row in rows[1:]] and "mean[0, eruptions]" in [row[0] for row in rows]
    assert saved(page, section.get_by_role("button", name="as SVG"))[1].lstrip().startswith(b"<?xml")
    assert saved(page, section.get_by_role("button", name="as PNG"))[1].startswith(b"\x89PNG")
    assert saved(page, page.locator("#components").get_by_role("button", name="as PNG").first)[1].startswith(b"\x89PNG")


def test_without_scripts_everything_is_there(visit):
    page = visit(java_script_enabled=False).page
    assert page.locator("figure.slides img:visible").count() == page.locator("figure.slides img").count() > 3
    assert not page.locator("#theme").is_visible() and not page.get_by_role("slider").is_visible()
    page.locator("summary", has_text="BibTeX").click()
    assert page.get_by_text("dempster1977em").is_visible()
