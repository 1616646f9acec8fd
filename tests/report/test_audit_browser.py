"""The audit's page in a real browser, of one model and of fifty, on a desk and on a phone."""

import re
from pathlib import Path
from typing import Any

import pytest

from nil_audit.report.audit.page import audit_files, audit_page
from nil_audit.report.render.folder import write_report
from tests.drawn import lighten
from tests.report.conftest import HOSTILE
from tests.report.records import measured_score, published_score, record_of, shape_of
from tests.report.sections import SECTIONS, record_with, superposition_section

pytestmark = pytest.mark.browser

SHAPES = [shape_of(2 + 3 * place, 64 * (3 + place % 9), 10**7 * (1 + place) ** 2) for place in range(50)]
OUTSIDE = """[...document.querySelectorAll('figure')].flatMap(figure => {
  const edge = figure.querySelector('svg').getBoundingClientRect();
  return [...figure.querySelectorAll('text')].filter(text => {
    const box = text.getBoundingClientRect();
    return box.width && (box.left < edge.left - 1 || box.right > edge.right + 1
      || box.top < edge.top - 1 || box.bottom > edge.bottom + 1);
  }).map(text => text.textContent);
})"""
SHOWN = """[...document.querySelectorAll('#figure-typical-efficiency svg')]
  .map(svg => [svg, svg.getBoundingClientRect()]).filter(([svg, edge]) => edge.width)
  .map(([svg, edge]) => [edge.left, edge.right, ...[...svg.querySelectorAll('text')]
    .map(text => [text.textContent, text.getBoundingClientRect()])
    .map(([text, box]) => [text, box.left, box.right, box.height])])"""
UNSCROLLED = """[...document.querySelectorAll('table, svg')].filter(one => {
  const box = one.closest('.scroll, .drawing');
  return one.getBoundingClientRect().width > innerWidth && (!box || getComputedStyle(box).overflowX === 'visible');
}).length"""


@pytest.fixture(scope="module")
def pages(tmp_path_factory: pytest.TempPathFactory) -> dict[int, Path]:
    names = [*HOSTILE, *(f"organisation-{one % 5}/a-model-of-the-kind-{one}-{one / 7:.1f}B" for one in range(43))]
    records = [
        record_of(
            name,
            seed=place,
            shift=0.1 * place,
            shape=SHAPES[place],
            scores=[measured_score(0.1 + place / 120)] if place % 2 else [published_score(0.1 + place / 120)],
            token={"token": HOSTILE[place % len(HOSTILE)]},
            token_share=place / 200,
        )
        for place, name in enumerate(names)
    ]
    found = {}
    for count, asked in ((1, records[7:8]), (50, records)):
        folder = tmp_path_factory.mktemp(f"audit-{count}")
        with pytest.MonkeyPatch.context() as patch:
            lighten(patch)
            page = audit_page(asked, references=records[:7], command="nil-audit x")
        write_report(folder, "audit", page, audit_files(asked))
        found[count] = folder / "audit.html"
    return found


@pytest.mark.parametrize("dark", [False, True])
@pytest.mark.parametrize("width", [1280, 390])
@pytest.mark.parametrize("count", [1, 50])
def test_it_loads_alone_and_fits_the_screen(browser: Any, pages: dict[int, Path], count: int, width: int, dark: bool):
    browser.open(pages[count], width=width, height=844, dark=dark)
    assert browser.problems() == []
    assert browser.requests() == [pages[count].resolve().as_uri()]
    assert browser.run("document.documentElement.scrollWidth") == width
    assert browser.run("document.images.length") == 0
    assert browser.run("document.querySelectorAll('script').length") == 1
    assert browser.run(UNSCROLLED) == 0
    assert browser.run("document.querySelectorAll('figure').length") == 4


def test_what_is_measured_on_request_fits_the_screen(browser: Any, tmp_path: Path):
    sections = {name: make() for name, make in SECTIONS.items()}
    record = record_with(record_of(HOSTILE[1]), superposition=superposition_section(), **sections)
    with pytest.MonkeyPatch.context() as patch:
        lighten(patch)
        page = audit_page([record], command="nil-audit x")
    write_report(tmp_path, "audit", page, {})
    for width in (390, 1280):
        browser.open(tmp_path / "audit.html", width=width, height=844)
        assert browser.problems() == []
        assert browser.run("document.documentElement.scrollWidth") == width
        assert browser.run(UNSCROLLED) == 0
    assert browser.run(OUTSIDE) == []
    assert browser.run("document.querySelectorAll('#sensitivity tbody tr').length") == 7


@pytest.mark.parametrize("count", [1, 50])
def test_no_label_of_a_figure_is_clipped(browser: Any, pages: dict[int, Path], count: int):
    browser.open(pages[count])
    assert browser.run("document.querySelectorAll('figure text').length") > 40
    assert browser.run(OUTSIDE) == []


@pytest.mark.parametrize("width", [1280, 390])
@pytest.mark.parametrize("count", [1, 50])
def test_the_strip_is_seen_whole_and_can_be_read(browser: Any, pages: dict[int, Path], count: int, width: int):
    """One of its two drawings: on a phone the narrow one, without scrolling, in letters of small print."""
    browser.open(pages[count], width=width, height=844)
    ((left, right, *texts),) = browser.run(SHOWN)
    assert left >= 0 and right <= width
    assert all(left - 1 < start and end < right + 1 and height > 8 for _, start, end, height in texts)
    words = [text for text, *_ in texts]
    numbers = [text for text in words if re.fullmatch(r"−?\d\.\d\d \[−?\d\.\d\d, −?\d\.\d\d\]", text)]
    assert len(numbers) == (8 if count == 1 else 50) and "typical efficiency (nats)" in words


def test_the_first_screen_has_the_three_sentences(browser: Any, pages: dict[int, Path]):
    browser.open(pages[1], width=1280, height=900)
    tops = browser.run("[...document.querySelectorAll('.answer')].map(one => one.getBoundingClientRect().bottom)")
    assert len(tops) == 3 and max(tops) < 900


def test_all_numbers_of_fifty_models_can_be_sorted_and_narrowed(browser: Any, pages: dict[int, Path]):
    browser.open(pages[50])
    count = "document.querySelectorAll('#table-models tbody tr').length"
    assert browser.run(count) == 50
    browser.run("document.querySelectorAll('#table-models thead th')[6].querySelector('button').click()")
    column = "[...document.querySelectorAll('#table-models tbody tr')].map(row => Number(row.cells[6].dataset.v))"
    values = browser.run(column)
    assert values in (sorted(values), sorted(values, reverse=True)) and len(set(values)) > 40
    verdicts = browser.run("[...document.querySelectorAll('#table-models select option')].map(one => one.value)")
    assert {"inside", "disputed", "outside"} & set(verdicts)
