"""The report's files: complete, the same every time, true to the comparison, safe whatever the models are called."""

import html
import io
import json
import re
import xml.etree.ElementTree as ElementTree
from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest
from markdown_it import MarkdownIt
from PIL import Image

from nil_audit.comparison.compare import compare
from nil_audit.comparison.result import Comparison, Findings
from nil_audit.errors import UsageError
from nil_audit.report.comparison.answer import claim, headline, sentences
from nil_audit.report.comparison.page import comparison_files, comparison_page
from nil_audit.report.comparison.words import effect_label, effect_text
from nil_audit.report.render.folder import write_report
from nil_audit.report.render.page import Page, Table
from nil_audit.report.render.text import clean, estimate_text, signed
from tests.report.conftest import synthetic_frame

COMMAND = "nil-audit compare 'my list.csv' --out report"
PLOTS = ("effect", "score-against-ratio", "adjusted-score", "specification-curve")
PARTS = ["rows", "score", "choices", "influence", "contrasts", "data", "numbers"]
SVG = "{http://www.w3.org/2000/svg}"


def _write(comparison: Comparison, folder: Path) -> list[Path]:
    page = comparison_page(comparison, command=COMMAND)
    return write_report(folder, "report", page, comparison_files(comparison, COMMAND))


def _tables(page: Page) -> list[Table]:
    return [block for section in page.sections for block in section.blocks if isinstance(block, Table)]


@pytest.fixture(scope="module")
def page(comparison: Comparison) -> Page:
    """The page of the comparison with its figures, whole."""
    return comparison_page(comparison, command=COMMAND)


@pytest.fixture(scope="module")
def folder(comparison: Comparison, page: Page, tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("report")
    write_report(place, "report", page, comparison_files(comparison, COMMAND))
    return place


@pytest.mark.usefixtures("whole_figures")
def test_every_file_is_there_and_named(comparison, folder, tmp_path):
    files = _write(comparison, tmp_path / "again")
    names = [str(file.relative_to(tmp_path / "again")) for file in files]
    expected = [f"plots/{name}.{kind}" for name in PLOTS for kind in ("svg", "png", "pdf")]
    assert sorted(names) == sorted(["report.html", "report.md", "table.csv", "study.json", *expected])
    assert names[0] == "report.html"
    # The same comparison gives the same bytes.
    for name in names:
        assert (tmp_path / "again" / name).read_bytes() == (folder / name).read_bytes(), name


def test_study_json_is_the_comparison_and_names_the_command(comparison, folder):
    document = json.loads((folder / "study.json").read_text(), parse_constant=pytest.fail)
    assert document.pop("command") == COMMAND
    assert document == json.loads(json.dumps(comparison.to_dict()))


def test_table_csv_holds_every_model_exactly(comparison, folder):
    table = pd.read_csv(folder / "table.csv", keep_default_na=False, na_values=[""], float_precision="round_trip")
    # A character that commands a terminal or turns text round is written as its code.
    assert table["model"].tolist() == [name.replace("\u202e", r"\u202e") for name in comparison.models["model"]]
    for name in ("depth", "score", "dose", "expected"):
        pd.testing.assert_series_equal(table[name], comparison.models[name], check_exact=True)
    assert table["flag"].dropna().tolist() == ["wrong <b>run</b>"]
    assert "month" not in table


def test_the_page_has_its_parts_in_order_and_folds_the_last(page):
    assert [section.name for section in page.sections] == PARTS
    assert [section.name for section in page.sections if section.folded] == ["numbers"]
    assert page.figure and page.figure.name == "effect"
    assert [figure.name for figure in page.figures] == list(PLOTS)


@pytest.mark.parametrize("name", ["report.html", "report.md"])
def test_claim_answer_and_figure_come_first_in_this_order(comparison, folder, name):
    text = html.unescape((folder / name).read_text())
    text = re.sub(r"\\([^\w\s])", r"\1", text[text.index("Skip to the answer") if name.endswith("html") else 0 :])
    figure = 'id="figure-effect"' if name.endswith("html") else "plots/effect.png"
    parts = (claim(comparison), headline(comparison), figure, *sentences(comparison), "Score against shape")
    places = [text.index(part, text.index(headline(comparison)) * (part not in parts[:2])) for part in parts]
    assert places == sorted(places)


@pytest.mark.parametrize("name", ["report.html", "report.md"])
def test_both_forms_name_what_they_rest_on(comparison, folder, name):
    text = (folder / name).read_text()
    if name.endswith(".md"):
        text = MarkdownIt("commonmark").enable("table").render(text)
    text = html.unescape(re.sub(r"</?(?!script>|img )[a-z!][^<>]*>", "", text))
    assert COMMAND in text
    findings = comparison.findings
    for one in findings.effects:
        assert effect_text(one) in text and effect_label(one) in text
    for one in findings.contrasts:
        assert estimate_text(one.estimate, 1) in text
    for one in findings.associations:
        assert estimate_text(one.estimate) in text
    for one in (*findings.predictions, *findings.mappings):
        assert effect_text(one.effect) in text
    for removal in findings.influence.removals:
        assert all(clean(model) in text for model in removal.removed[:8])
    for kind in ("inside_below", "outside_above"):
        for row in list(comparison.counterexamples(kind))[:8]:
            assert clean(row["model"]) in text and signed(row["residual"], 1) in text
    for model in comparison.models["model"]:
        assert clean(model) in text


def test_hostile_names_stay_text_in_the_page(folder):
    text = (folder / "report.html").read_text()
    assert text.count("<script") == 1 and "<img" not in text and "<b>run" not in text
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in text
    assert "\u202e" not in text and "模型" in text


def test_hostile_names_stay_text_in_markdown(folder):
    text = (folder / "report.md").read_text()
    assert "<script" not in text and "<img" not in text
    assert "\u202e" not in text


@pytest.mark.parametrize("name", PLOTS)
def test_plots_are_well_formed_and_light(folder, name):
    root = ElementTree.parse(folder / "plots" / f"{name}.svg").getroot()
    assert root.tag == f"{SVG}svg"
    words = [text.text for text in root.iter(f"{SVG}text")]
    assert len(words) > 8
    assert not [one.tag for one in root.iter() if one.tag.removeprefix(SVG) in ("script", "image", "foreignObject")]
    assert (folder / "plots" / f"{name}.svg").stat().st_size < 300_000
    png = (folder / "plots" / f"{name}.png").read_bytes()
    assert len(png) < 200_000
    assert Image.open(io.BytesIO(png)).width == 1400
    assert (folder / "plots" / f"{name}.pdf").read_bytes().startswith(b"%PDF")


def test_links_go_to_the_hub_only_for_names_that_are_hub_ids(folder):
    text = (folder / "report.html").read_text()
    hub = set(re.findall(r'href="(https://huggingface\.co/[^"]*)"', text))
    assert "https://huggingface.co/org/model-20" in hub
    assert all(re.fullmatch(r"https://huggingface\.co/org/model-\d+", address) for address in hub)


def test_a_comparison_that_can_say_nothing_still_becomes_a_report(tmp_path):
    frame = pd.DataFrame(
        {"model": ["a", "b", "c"], "depth": [12, 24, 6], "width": [768, 1024, 512], "score": [0.12, 0.2, 0.11]}
    )
    nothing = compare(frame, permutations=99, splits=2)
    _write(nothing, tmp_path)
    text = (tmp_path / "report.html").read_text()
    assert "Nothing can be said: 3 models" in text
    assert "Not made, and about the inputs" in text
    assert (tmp_path / "plots" / "score-against-ratio.svg").exists()
    page = comparison_page(nothing, command=COMMAND, draw=False)
    assert [section.name for section in page.sections if not section.detail] == []


def test_measured_metrics_are_correlated_and_columns(tmp_path):
    frame = synthetic_frame(40)
    frame["aofe_ratio"] = frame["score"].where(frame.index % 2 == 0) / 2
    page = comparison_page(compare(frame, quick=True, splits=2), command=COMMAND, draw=False)
    tables = {table.name: table for table in _tables(page)}
    assert "AOFE-ratio" in [row[0].text for row in tables["correlations"].rows]
    place = [column.label for column in tables["models"].columns].index("aofe ratio")
    shown = {row[0].text: row[place] for row in tables["models"].rows}
    assert shown["org/model-8"].value == pytest.approx(frame["aofe_ratio"][8])
    assert shown["org/model-9"].text == "–" and shown["org/model-9"].value is None


def test_a_comparison_without_any_model_of_use_has_no_plots(comparison, tmp_path):
    bare = replace(
        comparison,
        models=comparison.models[:0],
        predictors=(),
        findings=Findings(),
        answer=replace(comparison.answer, models=0, sized=0, primary=None, verdict="insufficient"),
        bands=(),
        trend=None,
        others=(),
    )
    files = _write(bare, tmp_path)
    assert {file.name for file in files} == {"report.html", "report.md", "table.csv", "study.json"}


def test_a_quick_comparison_has_no_specification_curve_and_names_no_removals(comparison):
    findings = replace(comparison.findings, specifications=None, influence=None)
    page = comparison_page(replace(comparison, findings=findings), command=COMMAND, draw=False)
    captions = [table.caption for table in _tables(page)]
    assert not [one for one in captions if one.startswith(("Which choice moves", "The fewest whose absence"))]


def test_a_terminal_gets_one_table_and_the_rest_by_details(comparison, page):
    without = comparison_page(comparison, command=COMMAND, draw=False)
    assert without.figures == () and _tables(without) == _tables(page)
    (first,) = [section for section in without.sections if not section.detail]
    assert first.name == "rows" and len(first.blocks) == 1 and isinstance(first.blocks[0], Table)
    assert "--details" in without.closing and "--out" in without.closing


def test_a_folder_that_cannot_be_written_is_an_error_in_words(comparison, tmp_path):
    (tmp_path / "file").write_text("")
    page = comparison_page(comparison, command="c", draw=False)
    with pytest.raises(UsageError, match="Cannot write"):
        write_report(tmp_path / "file" / "report", "report", page, comparison_files(comparison, "c"))


def test_a_suite_of_one_recipe_is_told_by_models_and_in_its_own_unit(tmp_path):
    choices = {"outcome": "fineweb_edu_loss", "lower_is_better": True, "size": "body_parameters", "quick": True}
    found = compare("model_lists/gemstones.csv", **choices)
    _write(found, tmp_path)
    page = comparison_page(found, command=COMMAND, draw=False)
    assert page.title == "What does a model's shape cost in fineweb_edu_loss?" and page.kicker.startswith("22 models, ")
    text = " ".join((page.claim, *page.answer))
    assert "% of fineweb_edu_loss on average over these 22 models" in text and "What 22 models could have shown" in text
    assert "famil" not in text and "points" not in text
    markdown = (tmp_path / "report.md").read_text()
    assert (
        "all of one family, so that each counts for itself" in markdown and "is an experiment on shape" not in markdown
    )
    assert "100 ln(1 + excess), in per cent of loss" in markdown and "e-fold of parameters is worth" not in markdown
