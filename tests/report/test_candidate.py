"""A candidate's report as terminal text, Markdown and HTML, also in a real browser and with hostile names."""

import dataclasses
import io
import json
import re
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from nil_audit.budget.inference import ServingTime
from nil_audit.budget.template import config_from_flags
from nil_audit.candidate.check import check_candidate
from nil_audit.candidate.result import CandidateReport
from nil_audit.catalog.neighbours import Neighbour
from nil_audit.law.other_laws import readings
from nil_audit.report.candidate.answer import (
    PUBLIC_MODELS,
    advice_words,
    answer,
    bytes_text,
    gain_words,
    milliseconds,
    option_name,
    study_words,
)
from nil_audit.report.candidate.evidence import at_chance, disagreement_words, neighbours_table, origin_words
from nil_audit.report.candidate.figures import regret_plot, trade_plot
from nil_audit.report.candidate.page import candidate_files, candidate_page
from nil_audit.report.candidate.several import candidates_document, candidates_page
from nil_audit.report.candidate.tables import changes_table, flops_text, shapes_table, undominated
from nil_audit.report.render.folder import write_report
from nil_audit.report.render.html import render_html
from nil_audit.report.render.markdown import render_markdown
from nil_audit.report.render.page import Page
from nil_audit.report.render.terminal import render_terminal
from nil_audit.report.render.text import listing
from nil_audit.stats.estimate import Estimate
from tests.report.conftest import HOSTILE, Browser

STUDY = Path(__file__).parents[2] / "reports" / "small_dense_llms" / "study.json"


@pytest.fixture(scope="module")
def report() -> CandidateReport:
    """A candidate with alternatives; shallow for its budget."""
    config = config_from_flags(
        "llama", depth=8, width=1024, heads=16, kv_heads=4, mlp_width=2816, vocab_size=8192, tied=True
    )
    return check_candidate(config, name="my-lab/next")


@pytest.fixture(scope="module")
def page(report: CandidateReport) -> Page:
    """A page with the figures, drawn once, of a candidate and neighbours with hostile names."""
    return candidate_page(_hostile(report), command=HOSTILE[1])


def _hostile(report: CandidateReport) -> CandidateReport:
    shape = dataclasses.replace(report.shape, name=HOSTILE[0])
    named = [dataclasses.replace(one, model=name) for one, name in zip(report.neighbours, HOSTILE, strict=False)]
    return dataclasses.replace(report, shape=shape, neighbours=tuple(named), notes=HOSTILE)


def advising(report: CandidateReport, action: str, reason: str, gain: Estimate | None, **rest: Any) -> CandidateReport:
    """The same report with another recommendation."""
    changes: dict[str, Any] = {"action": action, "reason": reason, "gain": gain, "best": 0, **rest}
    return dataclasses.replace(report, recommendation=dataclasses.replace(report.recommendation, **changes))


def shown(report: CandidateReport, *, details: bool = False) -> list[str]:
    """Lines of a terminal of 80 columns."""
    file = io.StringIO()
    page = candidate_page(report, command="nil-audit candidate x", draw=False)
    Console(width=80, file=file).print(render_terminal(page, 80, details=details))
    return file.getvalue().splitlines()


@pytest.mark.parametrize(
    ("number", "text"), [(12288, "12.3 kB"), (988_065_536, "988 MB"), (18_483_411_968, "18.5 GB"), (512, "512 B")]
)
def test_bytes_in_decimal_units(number: float, text: str) -> None:
    assert bytes_text(number) == text


def test_numbers_as_they_are_read() -> None:
    assert flops_text(3.4876e9) == "3.49e9"
    assert [milliseconds(one) for one in (0.000612, 0.00123, 0.01234, 0.2)] == ["0.612", "1.23", "12.3", "200"]
    assert gain_words(Estimate(value=0.002, low=-0.0012, high=0.0064)) == "0.20% [−0.12, 0.64]"


GAIN = Estimate(value=0.002, low=-0.0012, high=0.0064)
SURE = Estimate(value=0.0036, low=0.0006, high=0.0093)
LOSS = Estimate(value=-0.0005, low=-0.003, high=0.002)


@pytest.mark.parametrize(
    ("action", "reason", "gain", "first", "second"),
    [
        ("keep", "none_better", LOSS, "Keep my-lab/next (8 x 1024), which", "raise the loss by 0.05% [−0.20, 0.30]; "),
        ("keep", "below_noise", GAIN, "Keep my-lab/next (8 x 1024), which", "less than the 0.17% that two runs differ"),
        ("consider", "agreed", GAIN, "Consider {} instead of my-lab/next", "[−0.12, 0.64], which cannot be told from"),
        ("change", "better", SURE, "Change to {} from my-lab/next", "lower the loss by 0.36% [0.06, 0.93], which excl"),
        ("cannot_tell", "studies_differ", GAIN, "Cannot tell whether another shape is better than", "so keep yours; "),
    ],
)
def test_every_action_and_reason_has_its_words(
    report: CandidateReport, action: str, reason: str, gain: Estimate, first: str, second: str
) -> None:
    said = advising(report, action, reason, gain, noise=0.0017)
    sentences = answer(said)
    best = said.options[0]
    assert len(sentences) == 3
    assert sentences[0].startswith(first.format(option_name(best)))
    assert f"{report.verdict.label}: expected to cost" in sentences[0]
    assert second in sentences[1] and option_name(best) in sentences[1]
    assert sentences[1].endswith("; the candidate's budget and ratio are within the runs pooled.")
    assert ("Change" in " ".join(sentences)) == (action == "change")
    assert advice_words(said) == {
        "keep": "keep",
        "consider": f"consider {option_name(best)}",
        "change": f"change to {option_name(best)}",
        "cannot_tell": "cannot tell",
    }.get(action)
    assert not re.search(r"-\d", " ".join(sentences))


def test_where_nothing_can_be_advised_it_says_why(report: CandidateReport) -> None:
    alone = dataclasses.replace(advising(report, "none", "no_alternative", None, best=None), options=())
    assert answer(alone)[0].startswith("No advice on my-lab/next (8 x 1024), which is ")
    assert "a wider --tolerance may find some" in answer(alone)[1]
    assert advice_words(alone) == ""
    shape = dataclasses.replace(report.shape, parameters=None)
    uncounted = dataclasses.replace(
        advising(alone, "none", "uncounted", None, best=None), shape=shape, itself=None, laws=(), neighbours=()
    )
    sentences = answer(uncounted)
    assert len(sentences) == 2 and "the parameters of this type cannot be counted" in sentences[1]
    assert "Shapes of the same budget" not in "\n".join(shown(uncounted, details=True))


def test_the_last_sentence_says_what_serving_takes(report: CandidateReport) -> None:
    best, itself = report.options[0], report.itself
    assert itself is not None
    moved = answer(advising(report, "consider", "agreed", GAIN))[2]
    new, old = (milliseconds(one.serving[0].decode_seconds) for one in (best, itself))
    assert moved.startswith(
        f"{option_name(best)} decodes a token in {new} ms against {old} of yours (predicted for h100)"
    )
    assert f"through {best.shape.depth} blocks in sequence against 8" in moved
    more = best.cost.kv_bytes_per_token / itself.cost.kv_bytes_per_token - 1
    assert f"with {abs(more):.0%} {'more' if more > 0 else 'less'} key-value cache." in moved
    kept = answer(advising(report, "keep", "none_better", LOSS))[2]
    cache = bytes_text(itself.cost.kv_bytes_per_token)
    assert kept == (
        f"Yours decodes a token in {old} ms (predicted for h100), through 8 blocks in sequence, with {cache} of"
        " key-value cache a token."
    )
    both = answer(measured(report))[2]
    assert "(measured on this machine)" in both and "(predicted for h100)" in both


def measured(report: CandidateReport) -> CandidateReport:
    """The same with three machines and times that were measured, and the longest answer."""
    time = ServingTime(
        device="this machine", decode_seconds=0.0123, prompt_seconds=0.001, decode_bound="", intensity=1.0
    )

    def all_of(option: Any) -> Any:
        serving = [dataclasses.replace(option.serving[0], device=name) for name in ("h100", "rtx4090", "l4")]
        return dataclasses.replace(option, serving=tuple(serving), measured=time)

    assert report.itself is not None
    said = advising(report, "cannot_tell", "studies_differ", GAIN)
    return dataclasses.replace(
        said,
        itself=all_of(report.itself),
        options=tuple(map(all_of, report.options)),
        match="total",
        shape=dataclasses.replace(report.shape, name="an-organisation/a-model-with-a-rather-long-name-Instruct"),
    )


def test_a_terminal_shows_the_answer_and_one_table_on_a_screen(report: CandidateReport) -> None:
    for one in (report, measured(report)):
        lines = shown(one)
        assert len(lines) <= 30 and max(map(len, lines)) <= 80
        text = " ".join(" ".join(lines).split())
        assert all(" ".join(sentence.split()) in text for sentence in answer(one))
        assert "8 x 1024 *" in text and study_words() in text
        rows = [line for line in lines if re.match(r"\d+ x \d+ .*\] +>?\d+% ", line)]
        assert len(rows) == 1 + len(one.options)
        for detail in ("Other published laws", "Nearest real models", "Each study alone", "nil-audit candidate x"):
            assert detail not in text
    details = "\n".join(shown(report, details=True))
    for detail in ("Other published laws", "Nearest real models", "Each study alone", "nil-audit candidate x"):
        assert detail in details


def test_the_table_holds_the_candidate_and_its_alternatives(report: CandidateReport) -> None:
    assert report.itself is not None
    found = shapes_table(report, report.itself)
    assert [one.label for one in found.columns] == ["L x d", "Regret, %", "P(<1%)", "h100, ms", "KV/token", "Total"]
    assert len(found.rows) == 1 + len(report.options) <= 8
    for row, option in zip(found.rows, (report.itself, *report.options), strict=True):
        regret = option.verdict.regret
        numbers = (100 * regret.expected, 100 * regret.low, 100 * regret.high)
        assert row[1].text == "{:.2f} [{:.2f}, {:.2f}]".format(*numbers)
        assert row[2].value == regret.within
        assert row[0].text.endswith("+") == option.better_in_all
        assert row[5].value == option.shape.parameters.total
    names = listing([option_name(one) for one in undominated(report)])
    assert f"Undominated on h100: {names}." in found.note
    many = measured(report)
    assert many.itself is not None
    labels = [one.label for one in shapes_table(many, many.itself).columns]
    assert labels[3:6] == ["h100, ms", "rtx4090, ms", "here, ms"]


def test_what_is_held_equal_is_said(report: CandidateReport) -> None:
    itself = report.itself
    assert itself is not None

    def caption(match: Any) -> str:
        return shapes_table(dataclasses.replace(report, match=match), itself).caption

    assert caption("body") == "Shapes of the same budget: body parameters within 2%"
    assert caption("total").endswith(
        "total parameters within 2%, so that a wider shape pays for its wider embedding with a smaller body;"
        " regret is at an equal body"
    )
    assert "forward FLOPs a token within 2%, so that a wider shape pays for its wider output matrix" in caption("flops")


def test_pooled_change_is_the_gain_with_the_other_sign(report: CandidateReport) -> None:
    cells = [row[1] for row in changes_table(report).rows]
    assert [cell.value for cell in cells] == [-100 * option.gain.value for option in report.options]


def test_the_study_of_public_models_is_quoted_as_it_stands() -> None:
    found = json.loads(STUDY.read_text(encoding="utf-8"))["answer"]["primary"]
    estimate = found["estimate"]
    numbers = f"{estimate['value']:.2f} [{estimate['low']:.2f}, {estimate['high']:.2f}]"
    words = f"On {estimate['n']} public models the law's effect cannot be told from none: {numbers} of what it predicts"
    assert words == PUBLIC_MODELS
    assert estimate["low"] < 0 < estimate["high"]


def test_disagreement_names_both_sides_and_averages_nothing() -> None:
    words = disagreement_words(readings(16, 2048, 9.7e8))
    deeper, wider = words.split("; ")[:2]
    assert "would go deeper" in deeper and "Morph" in deeper
    assert "would go wider" in wider and "Superposition" in wider
    assert disagreement_words(()) == "none of them speaks of this shape"


def test_a_confidence_is_ours_and_has_its_grounds() -> None:
    for one in readings(16, 2048, 9.7e8):
        assert f"Our confidence: {one.confidence} ({one.grounds})." in origin_words(one)


def test_a_score_that_guessing_reaches_is_said_to_be_at_chance(report: CandidateReport) -> None:
    def scored(accuracy: float | None, stderr: float | None) -> Neighbour:
        return dataclasses.replace(report.neighbours[0], accuracy=accuracy, stderr=stderr)

    low, high, none = scored(0.112, 0.003), scored(0.2, 0.003), scored(None, None)
    assert [at_chance(one) for one in (low, scored(0.128, 0.003), high, none)] == [True, True, False, False]
    assert [row[5].text for row in neighbours_table((low, high, none)).rows] == [
        "0.112 ± 0.003, at chance",
        "0.200 ± 0.003",
        "–",
    ]


def test_the_curve_goes_through_the_candidate_and_is_read_from_its_pool(report: CandidateReport) -> None:
    figure = regret_plot(report)
    (axes,) = figure.axes
    curve, ones = axes.lines[0], {one.get_label(): one for one in axes.collections}
    (depth, cost) = ones["candidate"].get_offsets()[0]
    assert (depth, cost) == (8, pytest.approx(100 * report.verdict.regret.expected))
    x, y = curve.get_data()
    here = [one for one in range(len(x)) if x[one] <= 8 <= x[one + 1]][:1]
    assert min(y[here[0]], y[here[0] + 1]) <= cost <= max(y[here[0]], y[here[0] + 1])
    assert report.shape.parameters is not None
    deep = report.reference.pool.regret(report.shape.ratio * (x[-1] / 8) ** 1.5, report.shape.parameters.total)
    assert y[-1] == pytest.approx(100 * deep.expected)
    band = ones["95% predictive"].get_paths()[0].vertices
    assert [band[:, 0].min(), band[:, 0].max()] == pytest.approx([x[0], x[-1]])
    alternatives = sum(len(ones[role].get_offsets()) for role in ("alternatives", "advised") if role in ones)
    assert alternatives == len(report.options)
    assert len(ones["real models"].get_offsets()) <= len(report.neighbours)


def test_the_trade_joins_the_undominated_shapes(report: CandidateReport) -> None:
    (axes,) = trade_plot(report).axes
    x, y = axes.lines[0].get_data()
    best = undominated(report)
    assert list(x) == [1000 * one.serving[0].decode_seconds for one in best]
    # the faster, the more loss: otherwise one of them would be dominated
    assert list(x) == sorted(x) and list(y) == sorted(y, reverse=True)
    written = {text.get_text() for text in axes.texts}
    assert {option_name(one) for one in best if one is not report.itself} <= written


def test_page_says_the_same_in_both_formats(report: CandidateReport, page: Page) -> None:
    assert [one.name for one in page.figures] == ["regret", "trade", "plane"]
    assert all(one.narrow for one in page.figures[:2])
    for text in (render_html(page), render_markdown(page)):
        for words in ("Other published laws", "Inverse depth", "Nearest real models"):
            assert words in text
        assert answer(report)[2].replace("|", "\\|") in text
    assert "https://arxiv.org/abs/2605.27989" in render_html(page)


def test_files_hold_every_number(report: CandidateReport) -> None:
    document = candidate_files(report, "c")["candidate.json"]
    assert document == {**report.to_dict(), "command": "c"}
    json.dumps(document, allow_nan=False)


def test_several_have_a_row_each(report: CandidateReport) -> None:
    other = advising(report, "consider", "agreed", GAIN)
    both = {"configs/a/config.json": report, "configs/b/config.json": other}
    found = candidates_page(both, command="c")
    assert found.answer[0] == f"2 configs: 2 {report.verdict.label}."
    rows = found.sections[0].blocks[0].rows  # type: ignore[union-attr]
    assert [row[0].text for row in rows] == ["configs/a", "configs/b"]
    assert rows[1][-1].text == f"consider {option_name(other.options[0])}"
    assert rows[0][4].value == 100 * report.verdict.regret.expected
    document = candidates_document(both)
    assert [one["config"] for one in document["candidates"]] == list(both)
    assert document["candidates"][0] == {"config": "configs/a/config.json", **report.to_dict()}


@pytest.mark.browser
def test_page_in_a_browser(report: CandidateReport, page: Page, browser: Browser, tmp_path: Path) -> None:
    write_report(tmp_path, "candidate", page, candidate_files(_hostile(report), HOSTILE[1]))
    for width, dark in ((1280, False), (390, True)):
        browser.open(tmp_path / "candidate.html", width=width, dark=dark)
        assert browser.problems() == []
        assert len(browser.requests()) == 1
        assert browser.run("document.querySelector('h1').textContent") == HOSTILE[0]
        assert browser.run("document.querySelectorAll('script').length") == 1
        assert browser.run("document.documentElement.scrollWidth") <= width
