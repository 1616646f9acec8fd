"""The HTML report in a real browser: no errors, no requests, a table that sorts and filters, phone, dark, print."""

import io
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from nil_audit.comparison.result import Comparison
from nil_audit.report.comparison.page import comparison_files, comparison_page
from nil_audit.report.render.folder import write_report
from nil_audit.report.render.html import render_html
from nil_audit.report.render.page import Cell, Column, Page, Section, Table
from tests.drawn import lighten

pytestmark = pytest.mark.browser

COLUMN = """[...document.querySelectorAll('#table-models tbody tr')].map(row => row.cells[%d].textContent.trim())"""
HEAD = "document.querySelectorAll('#table-models thead th')[%d]"
TYPE = """(() => {
  const box = document.querySelector('#table-models input');
  box.value = %r;
  box.dispatchEvent(new Event('input', {bubbles: true}));
})()"""


@pytest.fixture(scope="module")
def report(comparison: Comparison, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("browser")
    command = "nil-audit compare list.csv --out report"
    with pytest.MonkeyPatch.context() as patch:
        lighten(patch)
        page = comparison_page(comparison, command=command)
    write_report(folder, "report", page, comparison_files(comparison, command))
    return folder / "report.html"


def _numbers(browser: Any, column: int) -> list[float]:
    cells = [cell for cell in browser.run(COLUMN % column) if cell != "–"]
    return [float(cell.replace("%", "").replace("−", "-")) for cell in cells]


@pytest.mark.parametrize("dark", [False, True])
@pytest.mark.parametrize("width", [1280, 390])
def test_it_loads_alone_without_errors_and_fits_the_screen(browser, report, width, dark):
    browser.open(report, width=width, height=844, dark=dark)
    assert browser.problems() == []
    assert browser.requests() == [report.resolve().as_uri()]
    assert browser.run("document.documentElement.scrollWidth") == width
    # Hostile names were shown, not run.
    assert browser.run("document.images.length") == 0
    assert browser.run("document.querySelectorAll('script').length") == 1


def test_the_policy_stops_a_script_that_got_into_the_page(browser, report):
    browser.open(report)
    browser.run("document.body.append(Object.assign(document.createElement('script'), {text: 'window.got = 1'}))")
    assert browser.run("window.got === undefined")


def test_the_first_screen_has_the_claim_the_answer_and_the_figure(browser, report):
    browser.open(report, width=1280, height=800)
    ends = "(one => [one.top, one.bottom])(document.querySelector(%r).getBoundingClientRect())"
    answer, drawing = (browser.run(ends % selector) for selector in (".answer", ".front .drawing.wide"))
    assert 0 < answer[0] < answer[1] < drawing[0] < 400 and drawing[1] <= 800


def test_what_is_folded_opens_where_a_link_leads_into_it_and_on_paper(browser, report):
    browser.open(report)
    is_open = "document.querySelector('#numbers details').open"
    assert not browser.run(is_open)
    browser.run("dispatchEvent(new Event('beforeprint'))")
    assert browser.run(is_open)
    browser.run("dispatchEvent(new Event('afterprint'))")
    assert not browser.run(is_open)
    browser.run("new Promise(done => { addEventListener('hashchange', done); location.hash = '#numbers'; })")
    assert browser.run(is_open)


def test_the_edge_of_a_table_shows_while_something_lies_beyond_it(browser, report):
    browser.open(report, width=390, height=844)

    def edge() -> float:
        """Mean brightness of the last pixels of the first table that scrolls, less that of the pixels before them."""
        browser.run("document.querySelector('#rows .scroll').scrollIntoView({block: 'center'})")
        left, top, right, bottom = browser.run(
            "(one => [one.left, one.top, one.right, one.bottom])"
            "(document.querySelector('#rows .scroll').getBoundingClientRect())"
        )
        shot = np.asarray(Image.open(io.BytesIO(browser.screenshot())).convert("L"), dtype=float)
        part = shot[max(0, int(top)) : min(844, int(bottom)), int(left) : int(right)]
        return float(np.median(part[:, -4:-1]) - np.median(part[:, -60:-40]))

    assert edge() < -15
    browser.run("(one => { one.scrollLeft = one.scrollWidth; })(document.querySelector('#rows .scroll'))")
    assert abs(edge()) < 5


def test_a_heading_sorts_by_value_and_again_the_other_way(browser, report):
    browser.open(report)
    browser.run(f"{HEAD % 1}.querySelector('button').click()")
    scores = _numbers(browser, 1)
    assert len(scores) == 40 and scores == sorted(scores, reverse=True)
    assert browser.run(f"{HEAD % 1}.getAttribute('aria-sort')") == "descending"
    browser.run(f"{HEAD % 1}.querySelector('button').click()")
    assert _numbers(browser, 1) == sorted(scores)
    browser.run(f"{HEAD % 4}.querySelector('button').click()")
    assert browser.run("document.querySelectorAll('#table-models [aria-sort]').length") == 1
    # The model whose size-adjusted score is missing, the flagged one, stays at the end either way.
    for _ in range(2):
        browser.run(f"{HEAD % 2}.querySelector('button').click()")
        assert browser.run(COLUMN % 2)[-1] == "–"


def test_the_keyboard_sorts_too(browser, report):
    browser.open(report)
    browser.run("document.querySelector('#numbers details').open = true")
    browser.run(f"{HEAD % 0}.querySelector('button').focus()")
    browser.press("Enter")
    assert browser.run(f"{HEAD % 0}.getAttribute('aria-sort')") == "ascending"
    browser.run("document.querySelector('#table-models .scroll').focus()")
    assert browser.run("document.activeElement.getAttribute('role')") == "region"


def test_filters_narrow_the_table_and_say_by_how_much(browser, report):
    browser.open(report)
    browser.run(TYPE % "model-1")
    names = browser.run(COLUMN % 0)
    assert names and all("model-1" in name for name in names)
    assert browser.run("document.querySelector('#table-models output').textContent") == f"{len(names)} of 40 rows"
    browser.run(
        "(() => { const s = document.querySelectorAll('#table-models select')[1]; s.value = 'family <3>';"
        " s.dispatchEvent(new Event('change')); })()"
    )
    assert browser.run(COLUMN % 0) == ["org/model-12"]
    browser.run(TYPE % "no such thing")
    assert browser.run(COLUMN % 0) == []


def test_on_a_phone_drawings_stay_legible_and_fit_and_tables_scroll_by_themselves(browser, report):
    smallest = """Math.min(...[...document.querySelectorAll('figure text')].filter(text =>
      text.getClientRects().length).map(text => {
      const {a, b} = text.getScreenCTM();
      return parseFloat(getComputedStyle(text).fontSize) * Math.hypot(a, b);
    }))"""
    wider = "[...document.querySelectorAll('%s')].some(e => e.scrollWidth > e.clientWidth)"
    browser.open(report, width=390, height=844)
    assert browser.run(smallest) > 8.9
    assert not browser.run(wider % ".drawing") and browser.run(wider % ".scroll")
    browser.open(report, width=1280)
    assert browser.run(smallest) > 8.9
    assert not browser.run(wider % ".drawing")


def test_dark_is_dark_for_page_and_drawings(browser, report):
    shots = {}
    for dark in (False, True):
        browser.open(report, dark=dark)
        browser.run("document.querySelector('figure').scrollIntoView()")
        shots[dark] = np.asarray(Image.open(io.BytesIO(browser.screenshot())).convert("L"), dtype=float)
    assert np.median(shots[False]) > 230 and np.median(shots[True]) < 60
    for selector in ("figure text", "body"):
        colour = f"getComputedStyle(document.querySelector({selector!r}))"
        name = "fill" if selector == "figure text" else "color"
        assert sum(map(int, browser.run(f"{colour}.{name}").strip("rgb()").split(","))) > 500


def test_it_prints_light_and_whole(browser, report):
    browser.open(report, dark=True)
    pdf = browser.pdf()
    assert pdf.startswith(b"%PDF") and pdf.count(b"/Type /Page\n") + pdf.count(b"/Type /Page ") >= 3
    dark = [{"name": "prefers-color-scheme", "value": "dark"}]
    browser.call("Emulation.setEmulatedMedia", media="print", features=dark)
    colour = browser.run("getComputedStyle(document.querySelector('figure text')).fill")
    assert sum(map(int, colour.strip("rgb()").split(","))) < 200
    assert browser.run("getComputedStyle(document.querySelector('.contents')).display") == "none"
    assert browser.run("getComputedStyle(document.querySelector('#table-models .scroll')).maxHeight") == "none"
    browser.call("Emulation.setEmulatedMedia", media="")


def test_thousands_of_rows_stay_usable(browser, tmp_path):
    rows = tuple(
        (Cell(text=f"org/model-{number}"), Cell(text=f"{number % 977}", value=float(number % 977)))
        for number in range(5000)
    )
    columns = (Column(label="Model"), Column(label="Score", numeric=True))
    table = Table(caption="Models", columns=columns, rows=rows, name="models")
    page = Page(title="T", kicker="K", answer=("A",), sections=(Section(name="m", title="Models", blocks=(table,)),))
    (tmp_path / "long.html").write_text(render_html(page))
    browser.open(tmp_path / "long.html")
    count = "document.querySelectorAll('#table-models tbody tr').length"
    assert browser.run(count) == 200
    milliseconds = browser.run(
        f"(() => {{ const t = performance.now(); {HEAD % 1}.querySelector('button').click();"
        " return performance.now() - t; })()"
    )
    assert milliseconds < 2000
    assert browser.run(COLUMN % 1)[0] == "976"
    browser.run("document.querySelector('#table-models .more').click()")
    assert browser.run(count) == 1200
    browser.run(TYPE % "model-4999")
    assert browser.run(COLUMN % 0) == ["org/model-4999"]
