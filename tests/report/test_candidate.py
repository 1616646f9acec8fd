"""A candidate's report as terminal text, Markdown and HTML, also in a real browser and with hostile names."""

import dataclasses
import io
from pathlib import Path

import pytest
from rich.console import Console

from nil_audit.budget.template import config_from_flags
from nil_audit.candidate.check import CandidateReport, check_candidate
from nil_audit.report.candidate_document import candidate_page, plane_figure, write_candidate
from nil_audit.report.candidate_table import bytes_text, candidate_view, flops_text
from nil_audit.report.render.html import render_document
from nil_audit.report.render.markdown import render_markdown
from tests.report.conftest import HOSTILE, Browser


@pytest.fixture(scope="module")
def report() -> CandidateReport:
    """A candidate with alternatives and a recommendation."""
    config = config_from_flags(
        "llama", depth=8, width=1024, heads=16, kv_heads=4, mlp_width=2816, vocab_size=8192, tied=True
    )
    return check_candidate(config, name="llama 8 x 1024")


@pytest.mark.parametrize(
    ("number", "text"), [(12288, "12.3 kB"), (988_065_536, "988 MB"), (18_483_411_968, "18.5 GB"), (512, "512 B")]
)
def test_bytes_in_decimal_units(number: float, text: str) -> None:
    assert bytes_text(number) == text


def test_flops_in_scientific_notation() -> None:
    assert flops_text(3.4876e9) == "3.49e9"


def shown(report: CandidateReport, width: int) -> str:
    file = io.StringIO()
    Console(width=width, file=file).print(candidate_view(report))
    return file.getvalue()


def test_terminal_names_every_study_and_the_recommended_shape(report: CandidateReport) -> None:
    text = shown(report, 80)
    best = report.recommended
    assert best is not None
    assert f"{best.shape.depth} x {best.shape.width}*" in text
    assert "* recommended." in text
    for study in ("law", "morph", "chinchilla"):
        assert study in text
    kept = dataclasses.replace(report, recommendation=dataclasses.replace(report.recommendation, action="keep"))
    assert "* recommended." not in shown(kept, 80)


def test_page_says_the_same_in_both_formats(report: CandidateReport) -> None:
    figure, png = plane_figure(report)
    assert png.startswith(b"\x89PNG")
    page = candidate_page(report, figure, command="nil-audit candidate x")
    for text in (render_document(page), render_markdown(page)):
        for words in ("Outside", "Change it", "Inverse depth", "Company", "nil-audit candidate x", "(recommended)"):
            assert words in text
    assert "https://arxiv.org/abs/2605.27989" in render_document(page)


def test_files_are_written_and_alike_every_time(report: CandidateReport, tmp_path: Path) -> None:
    first = write_candidate(report, tmp_path / "a", command="c")
    second = write_candidate(report, tmp_path / "b", command="c")
    assert [path.read_bytes() for path in first] == [path.read_bytes() for path in second]


@pytest.mark.browser
@pytest.mark.parametrize(("width", "dark"), [(1280, False), (1280, True), (390, False), (390, True)])
def test_page_in_a_browser(report: CandidateReport, browser: Browser, tmp_path: Path, width: int, dark: bool) -> None:
    hostile = tuple(dataclasses.replace(one, model=name) for one, name in zip(report.company, HOSTILE, strict=False))
    named = dataclasses.replace(
        report, shape=dataclasses.replace(report.shape, name=HOSTILE[0]), company=hostile, notes=HOSTILE
    )
    write_candidate(named, tmp_path, command=HOSTILE[1])
    browser.open(tmp_path / "candidate.html", width=width, dark=dark)
    assert browser.problems() == []
    assert len(browser.requests()) == 1
    assert browser.run("document.querySelector('h1').textContent") == HOSTILE[0]
    assert browser.run("document.querySelectorAll('script').length") == 1
    assert browser.run("document.documentElement.scrollWidth") <= width
    assert browser.run("document.querySelectorAll('figure svg').length") == 2
