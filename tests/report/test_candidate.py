"""A candidate's report as terminal text, Markdown and HTML, also in a real browser and with hostile names."""

import dataclasses
import io
import json
import re
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from nil_audit.budget.template import config_from_flags
from nil_audit.candidate.check import CandidateReport, check_candidate
from nil_audit.law.other_laws import readings
from nil_audit.law.studies import studies
from nil_audit.report.candidate import bytes_text, candidate_files, candidate_page, flops_text
from nil_audit.report.render.folder import write_report
from nil_audit.report.render.html import render_html
from nil_audit.report.render.markdown import render_markdown
from nil_audit.report.render.page import Figure
from nil_audit.report.render.terminal import render_terminal
from nil_audit.report.verdict import disagreement_words, recommendation_words
from nil_audit.stats.estimate import Estimate
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
    page = candidate_page(report, command="nil-audit candidate x", draw=False)
    Console(width=width, file=file).print(render_terminal(page, width))
    return file.getvalue()


def test_terminal_names_every_study_and_the_recommended_shape(report: CandidateReport) -> None:
    text = shown(report, 80)
    best = report.recommended
    assert best is not None
    assert f"{best.shape.depth} x {best.shape.width}*" in text
    assert "* recommended." in text
    for study in ("law", "morph", "chinchilla"):
        assert study in text
    assert "* recommended." not in shown(reasoned(report, action="keep", reason="below_noise"), 80)
    assert "nil-audit candidate x" not in text
    for section in ("What the config says", "Extrapolation.", "Says of this shape", "Nearest real models"):
        assert section in text


def reasoned(report: CandidateReport, **changes: Any) -> CandidateReport:
    """The same report with another recommendation."""
    return dataclasses.replace(report, recommendation=dataclasses.replace(report.recommendation, **changes))


def test_a_change_is_worded_with_every_study(report: CandidateReport) -> None:
    best = report.recommended
    assert best is not None
    words = recommendation_words(report)
    assert words.startswith(f"Change it: {best.shape.depth} x {best.shape.width} takes ")
    assert all(study.name in words for study in studies())
    assert "fitted budgets" in words
    assert not re.search(r"-\d", words)


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"reason": "none_better"}, "none of the alternatives inside all three studies has a smaller worst-case"),
        ({"reason": "not_distinguishable"}, "is not distinguishable from it; its predicted gain is 0.20% [−0.10%, "),
        ({"reason": "below_noise"}, "less than the 0.3% that two runs of one shape differ by"),
        ({"reason": "below_noise", "inside": False}, "No alternative lies inside the interval of all three studies."),
        ({"reason": "none_better", "inside": False}, "none of the alternatives has a smaller worst-case"),
        ({"reason": "no_alternative", "best": None, "gain": None}, "a wider --tolerance may find some"),
        ({"reason": "uncounted", "best": None, "gain": None}, "this type's parameters cannot be counted"),
    ],
)
def test_every_reason_has_its_words(report: CandidateReport, changes: dict[str, Any], sentence: str) -> None:
    gain = Estimate(value=0.002, low=-0.001, high=0.004)
    assert sentence in recommendation_words(reasoned(report, **{"action": "keep", "gain": gain, **changes}))


def test_disagreement_names_both_sides_and_averages_nothing() -> None:
    words = disagreement_words(readings(16, 2048, 9.7e8))
    deeper, wider = words.split("; ")[:2]
    assert "would go deeper" in deeper and "Morph" in deeper
    assert "would go wider" in wider and "Superposition" in wider
    assert "R = 0.016 to 0.028" in words
    assert disagreement_words(()) == "none of them speaks of this shape"


def test_page_says_the_same_in_both_formats(report: CandidateReport) -> None:
    page = candidate_page(report, command="nil-audit candidate x")
    (plane,) = [block for section in page.sections for block in section.blocks if isinstance(block, Figure)]
    assert plane.png.startswith(b"\x89PNG")
    best = report.recommended
    assert best is not None
    for text in (render_html(page), render_markdown(page)):
        for words in ("outside", "Change it", "Inverse depth", "Nearest real models", "nil-audit candidate x"):
            assert words in text
        assert "recommended." in text and f"{best.shape.depth} x {best.shape.width}" in text
    assert "https://arxiv.org/abs/2605.27989" in render_html(page)


def write(report: CandidateReport, folder: Path, command: str) -> list[Path]:
    return write_report(folder, "candidate", candidate_page(report, command=command), candidate_files(report, command))


def test_files_are_written_and_alike_every_time(report: CandidateReport, tmp_path: Path) -> None:
    first, second = (write(report, tmp_path / name, "c") for name in ("a", "b"))
    assert [path.read_bytes() for path in first] == [path.read_bytes() for path in second]
    document = json.loads((tmp_path / "a" / "candidate.json").read_text(encoding="utf-8"))
    assert document == {**document, "kind": "candidate", "schema": 2, "command": "c"}


@pytest.mark.browser
@pytest.mark.parametrize(("width", "dark"), [(1280, False), (1280, True), (390, False), (390, True)])
def test_page_in_a_browser(report: CandidateReport, browser: Browser, tmp_path: Path, width: int, dark: bool) -> None:
    hostile = tuple(dataclasses.replace(one, model=name) for one, name in zip(report.neighbours, HOSTILE, strict=False))
    named = dataclasses.replace(
        report, shape=dataclasses.replace(report.shape, name=HOSTILE[0]), neighbours=hostile, notes=HOSTILE
    )
    write(named, tmp_path, HOSTILE[1])
    browser.open(tmp_path / "candidate.html", width=width, dark=dark)
    assert browser.problems() == []
    assert len(browser.requests()) == 1
    assert browser.run("document.querySelector('h1').textContent") == HOSTILE[0]
    assert browser.run("document.querySelectorAll('script').length") == 1
    assert browser.run("document.documentElement.scrollWidth") <= width
    assert browser.run("document.querySelectorAll('figure svg').length") == 1
