"""A calibration as a page, as files and in a notebook."""

import io
import json
from dataclasses import replace

import numpy as np
import pytest
from rich.console import Console

from nil_audit.law.studies import study
from nil_audit.report.calibration.answer import headline
from nil_audit.report.calibration.page import calibration_files, calibration_page
from nil_audit.report.render.html import render_html
from nil_audit.report.render.markdown import render_markdown
from nil_audit.report.render.terminal import render_terminal

COMMAND = "nil-audit calibrate sweep.csv --name mine"


def printed(page, *, details: bool = False) -> str:
    console = Console(width=80, file=io.StringIO())
    console.print(render_terminal(page, 80, details=details), crop=False)
    return console.file.getvalue()


def test_a_terminal_shows_the_answer_first_in_about_thirty_lines(found, scattered):
    for calibration in (found, scattered):
        text = printed(calibration_page(calibration, command=COMMAND, draw=False))
        assert " ".join(text.split()).startswith(headline(calibration)[:60])
        assert len(text.splitlines()) <= 32
        assert "as --interval" in " ".join(text.split()) and "AIC" in text
        assert max(map(len, text.splitlines())) <= 80


def test_details_hold_every_choice_the_test_and_how_to_use_the_file(found):
    text = printed(calibration_page(found, command=COMMAND, draw=False), details=True)
    for words in ("tolerance 0.5%", "without 60M", "Forgone", "nil-audit compare --interval mine.json", COMMAND):
        assert words in text
    assert found.rule[:60] in " ".join(text.split())


def test_more_than_ten_budgets_are_shown_in_part_first_and_whole_behind_details(found):
    many = tuple(replace(found.budgets[1], budget=f"budget {place}") for place in range(15))
    page = calibration_page(replace(found, budgets=many), command=COMMAND, draw=False)
    first = printed(page)
    assert "(10 of 15)" in first and "budget 0 " in first and "budget 14 " in first and "budget 1 " not in first
    assert printed(page, details=True).count("budget 1 ") == 1


def test_names_from_outside_are_escaped(found):
    page = calibration_page(found, command=COMMAND, draw=False)
    html, markdown = render_html(page), render_markdown(page)
    assert "<b>30M" not in html and "&lt;b&gt;30M&lt;/b&gt;" in html and "\u202e" not in html
    assert "<b>30M" not in markdown and "\u202e" not in markdown
    assert "Which depth-width ratio" in markdown


def test_the_files_hold_every_number_and_the_interval_is_read_back(found, tmp_path):
    files = calibration_files(found, COMMAND)
    assert list(files) == ["calibration.json", "runs.csv", "mine.json"]
    document = json.loads(json.dumps(files["calibration.json"], allow_nan=False))
    assert document["command"] == COMMAND and document["optimum"] == found.optimum.to_dict()
    assert len(document["runs"]["ratio"]) == len(files["runs.csv"]) == 32
    text = files["mine.json"]
    path = tmp_path / "mine.json"
    path.write_text(text, encoding="utf-8")
    assert study(path) == found.study
    assert json.loads(text) == json.loads(json.dumps(found.interval_document()))
    draws = text.split('"draws": [\n')[1].splitlines()
    assert len(draws) == len(found.study.draws) + 2 and json.loads(draws[0].rstrip(",")) == list(found.study.draws[0])


def test_the_interval_never_takes_the_place_of_the_reports_own_file(found):
    named = replace(found, study=replace(found.study, name="Calibration"))
    assert list(calibration_files(named, COMMAND)) == ["calibration.json", "runs.csv", "Calibration-interval.json"]


def test_a_notebook_shows_a_line_a_fragment_a_frame_and_a_figure(found, scattered):
    assert repr(found).startswith("<Calibration mine of 32 runs: R* 0.0") and " within 1% 0.01" in repr(found)
    html = found._repr_html_()
    assert "Loss is lowest" in html and "<b>30M" not in html and "<script" not in html
    frame = found.table()
    assert frame.index[0] == "answer: total held equal" and frame.index.is_unique
    np.testing.assert_allclose(
        frame.iloc[0][["optimum", "low", "high"]].astype(float),
        [found.optimum.value, found.low.value, found.high.value],
    )
    assert (frame["kind"] == "budget alone").sum() == 4 and frame.loc["60M", "parameters"] == pytest.approx(6e7)
    assert (scattered.table()["kind"] == "budget alone").sum() == 0
    assert found.plot().axes and "share no budget" in scattered._repr_html_()


def test_a_bound_is_one_in_every_form(bounded):
    found = bounded("deeper")
    assert "R* at least 0.0200, no interval>" in repr(found)
    frame = found.table()
    assert np.isnan(frame.iloc[0]["high"]) and set(frame.loc[frame["kind"] == "budget alone", "bound"]) == {"deeper"}
    text = printed(calibration_page(found, command=COMMAND, draw=False))
    assert "only bounded" in text and text.count("none: falls to its deepest") == 4
    assert list(calibration_files(found, COMMAND)) == ["calibration.json", "runs.csv"] and "--interval" not in text
