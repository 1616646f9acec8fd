"""The report's files: complete, the same every time, true to the study, safe whatever the models are called."""

import dataclasses
import html
import io
import json
import re
import xml.etree.ElementTree as ElementTree
from pathlib import Path

import pandas as pd
import pytest
from markdown_it import MarkdownIt
from PIL import Image

from nil_audit.comparison.compare import compare
from nil_audit.comparison.result import Comparison
from nil_audit.errors import UsageError
from nil_audit.report.comparison.document import write_report
from nil_audit.report.render.text import bracketed, clean, percent, signed, typeset

COMMAND = "nil-audit compare 'my list.csv' --out report"
PLOTS = ("score-against-ratio", "adjusted-score", "effect-by-group", "depth-width-plane")
SVG = "{http://www.w3.org/2000/svg}"


@pytest.fixture(scope="module")
def folder(study: Comparison, tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("report")
    write_report(study, place, command=COMMAND)
    return place


def test_every_file_is_there_and_named(study, folder, tmp_path):
    files = write_report(study, tmp_path / "again", command=COMMAND)
    names = [str(file.relative_to(tmp_path / "again")) for file in files]
    expected = [f"plots/{name}.{kind}" for name in PLOTS for kind in ("svg", "png")]
    assert sorted(names) == sorted(["report.html", "report.md", "table.csv", "study.json", *expected])
    assert names[0] == "report.html"
    # The same study gives the same bytes.
    for name in names:
        assert (tmp_path / "again" / name).read_bytes() == (folder / name).read_bytes(), name


def test_study_json_is_the_study_and_names_the_command(study, folder):
    document = json.loads((folder / "study.json").read_text(), parse_constant=pytest.fail)
    assert document.pop("command") == COMMAND
    assert document == json.loads(json.dumps(study.to_dict()))


def test_table_csv_holds_every_model_exactly(study, folder):
    table = pd.read_csv(folder / "table.csv", keep_default_na=False, na_values=[""])
    assert table["model"].tolist() == [model.model for model in study.models]
    assert table["score"].tolist() == [model.score for model in study.models]
    assert table["distance_law"].tolist() == [model.distance["law"] for model in study.models]
    assert table["flag"].dropna().tolist() == ["wrong <b>run</b>"]


def test_the_first_screen_answers_with_the_figure_and_its_interval(study, folder):
    (primary,) = [one for one in study.predictors if one.primary]
    found = study.association(primary.key)
    assert found
    text = html.unescape(re.sub(r"<[^>]+>", "", (folder / "report.html").read_text()))
    front = text[text.index("Skip to the answer") :][:2500]
    assert clean(typeset(study.conclusion.headline)) in front
    assert signed(found.estimate) in front
    markdown = (folder / "report.md").read_text()
    assert markdown.index("## ") > markdown.index(
        "Correlation with score, size held fixed: **" + signed(found.estimate)
    )


@pytest.mark.parametrize("name", ["report.html", "report.md"])
def test_both_forms_name_what_they_rest_on(study, folder, name):
    text = (folder / name).read_text()
    if name.endswith(".md"):
        text = MarkdownIt("commonmark").enable("table").render(text)
    text = html.unescape(re.sub(r"</?(?!script>|img )[a-z!][^<>]*>", "", text))
    assert COMMAND in text
    for band in study.bands:
        assert band.label in text
    for one in study.contrasts:
        assert bracketed(100 * one.difference, 100 * one.low, 100 * one.high, 1) in text
    for one in study.counterexamples[:3]:
        assert clean(one.model) in text and percent(one.expected) in text
    for rule in study.conclusion.rules:
        assert typeset(rule.statement) in text
    for model in study.models:
        assert clean(model.model) in text


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


def test_links_go_to_the_hub_only_for_names_that_are_hub_ids(folder):
    text = (folder / "report.html").read_text()
    hub = set(re.findall(r'href="(https://huggingface\.co/[^"]*)"', text))
    assert "https://huggingface.co/org/model-20" in hub
    assert all(re.fullmatch(r"https://huggingface\.co/org/model-\d+", address) for address in hub)


def test_a_study_that_can_say_nothing_still_becomes_a_report(tmp_path):
    frame = pd.DataFrame(
        {"model": ["a", "b", "c"], "depth": [12, 24, 6], "width": [768, 1024, 512], "score": [0.12, 0.2, 0.11]}
    )
    nothing = compare(frame, resamples=200, permutations=99, splits=2)
    write_report(nothing, tmp_path, command="nil-audit compare three.csv")
    text = (tmp_path / "report.html").read_text()
    assert "Cannot tell" in text
    assert "Not available" in text
    assert (tmp_path / "plots" / "score-against-ratio.svg").exists()


def test_a_study_without_any_model_of_use_has_no_plots_and_no_tables(study, tmp_path):
    bare = dataclasses.replace(
        study,
        models=(),
        predictors=(),
        associations=(),
        permutations=(),
        leave_one_family_out=(),
        bands=(),
        contrasts=(),
        predictions=(),
        counterexamples=(),
        confounders=(),
        size_curve=None,
        trend=None,
        protocols=(),
    )
    files = write_report(bare, tmp_path, command="c")
    assert {file.name for file in files} == {"report.html", "report.md", "table.csv", "study.json"}


def test_a_folder_that_cannot_be_written_is_an_error_in_words(study, tmp_path, monkeypatch):
    (tmp_path / "file").write_text("")
    monkeypatch.setattr("nil_audit.report.comparison.document.draw_figures", lambda comparison: {})
    with pytest.raises(UsageError, match="Cannot write"):
        write_report(study, tmp_path / "file" / "report", command="c")
