"""Scores as a page: what the terminal, HTML and Markdown show of several models, unread texts and published rows."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from nil_audit.catalog.scores import PROTOCOL_TITLES, published_for, published_scores
from nil_audit.files import csv_text
from nil_audit.report.render.html import render_html
from nil_audit.report.render.markdown import render_markdown
from nil_audit.report.render.page import Page, Table
from nil_audit.report.render.terminal import render_terminal
from nil_audit.report.score import published_page, score_files, score_page
from nil_audit.score.answers import Answer, in_order
from nil_audit.score.data import Benchmark
from nil_audit.score.paired import against_the_first
from nil_audit.score.plan import Plan
from nil_audit.score.protocols import CATEGORIES, PROTOCOLS
from nil_audit.score.result import ScoreResult
from tests.mmlu import answer


def _result(
    name: str, protocol: str, right: int, *, chosen: str | None = "A", sizes: Sequence[int] = (40,) * 14, **more: Any
) -> ScoreResult:
    """Questions of ten options by category, of every twenty the first ``right`` answered rightly."""
    questions = {
        category: tuple({"question_id": 100 * place + i, "category": category} for i in range(size))
        for place, (category, size) in enumerate(zip(CATEGORIES, sizes, strict=True))
    }
    rows = tuple(row for part in questions.values() for row in part)

    def answered(row: Mapping[str, Any]) -> Answer:
        correct = row["question_id"] % 100 % 20 < right
        return answer(**row, chosen="A" if correct else chosen, correct=correct, context=4096, **more)

    # digest and edition are given, so that the made-up rows need no text
    benchmark = Benchmark(source="made-up", questions=rows, examples=())
    benchmark.__dict__.update(digest="0" * 64, edition="2024")
    return ScoreResult(
        plan=Plan(protocol=PROTOCOLS[protocol], benchmark=benchmark, questions=questions, seed=None),
        name=name,
        identity="sha256:one",
        dtype="float32",
        answers=in_order(map(answered, rows)),
    )


def _printed(page: Page, width: int) -> str:
    console = Console(width=width)
    with console.capture() as capture:
        console.print(render_terminal(page, width), crop=False)
    return capture.get()


def _tables(page: Page) -> list[Table]:
    return [block for section in page.sections for block in section.blocks if isinstance(block, Table)]


@pytest.mark.parametrize(
    ("right", "against", "lies"), [(0, "below", "below"), (2, "at", "covers"), (9, "above", "above")]
)
def test_the_first_sentence_says_what_an_accuracy_is_worth(right: int, against: str, lies: str) -> None:
    result = _result("org/model", "leaderboard", right, chosen="B")
    row = result.to_dict()
    page = score_page([row], {"org/model": result.answers}, [], [], command="nil-audit score org/model")
    assert page.answer[0].startswith(f"org/model is {against} chance: the 95% interval of its accuracy")
    assert lies in page.answer[0]
    summary, categories = _tables(page)
    assert [cell.text for cell in summary.rows[0]][1] == "560"
    assert summary.columns[-1].label == "Normalised %"
    assert summary.rows[0][3].text == f"{against} 10.0"
    assert [row[0].text for row in categories.rows] == list(CATEGORIES)
    assert "Cut" not in {column.label for column in categories.columns}


def test_several_models_share_a_table_and_unread_texts_are_counted() -> None:
    results = [_result(name, "cot", right, chosen=None) for name, right in (("a/one", 8), ("b/two", 12))]
    rows, answers = [one.to_dict() for one in results], {one.name: one.answers for one in results}
    page = score_page(rows, answers, [], [], command="nil-audit score a/one b/two --protocol cot")
    summary, first, second = _tables(page)
    assert [row[0].text for row in summary.rows] == ["a/one", "b/two"]
    assert {row[-1].text for row in first.rows} == {"24"}
    assert {row[-1].text for row in second.rows} == {"16"}
    printed = " ".join(_printed(page, 80).split())
    assert "In 336 of 560 generated texts no answer was found" in printed
    assert "at most 2,048 tokens generated" in printed
    assert "nil-audit score a/one" not in printed
    for rendered in (render_html(page), render_markdown(page)):
        assert "nil-audit score a/one b/two --protocol cot" in rendered
        assert "at most half of the model" in rendered


def _published(models: Sequence[str]) -> list[dict[str, Any]]:
    return [{**row, "model": name} for name in models for row in published_for(name, include_flagged=True)]


def test_published_scores_stand_apart_by_protocol_with_numbered_sources_and_marks() -> None:
    names = sorted(set(published_scores(include_flagged=True)["model"]))
    page = published_page(_published(names))
    tables = _tables(page)
    assert [table.caption.split(".")[0].split()[1] for table in tables] == list(PROTOCOL_TITLES)
    assert sum(len(table.rows) for table in tables) == 282
    assert sum(row[-1].text.endswith("!") for table in tables for row in table.rows) == 6
    assert max(map(len, _printed(page, 80).splitlines())) <= 80
    # wide enough for the longest name: no table is cut in two
    assert _printed(page, 80).count("Accuracy %") == len(tables)


def test_files_hold_the_whole_first_and_every_answer() -> None:
    result = _result("org/model", "mc", 9)
    files = score_files([result.to_dict()], {"org/model": result.answers}, [], {"scores": []})
    assert list(files) == ["scores.json", "scores.csv", "answers/org--model.csv"]
    table = files["scores.csv"]
    assert list(table["category"]) == ["all", *CATEGORIES]
    assert table["correct"].iloc[0] == table["correct"].iloc[1:].sum() == 9 * 2 * 14
    assert table["above_chance_value"].iloc[0] == pytest.approx(0.45 - 0.1)
    assert len(files["answers/org--model.csv"]) == 560


def test_an_answer_is_one_row_with_a_column_a_letter_or_its_text() -> None:
    given = [
        answer(question_id=1, options=2, likelihoods=(-1.5, -0.5), chosen="B"),
        answer(question_id=2, options=3, likelihoods=(-0.25, -2.0, -3.0)),
    ]
    row = _result("org/model", "mc", 9).to_dict()
    table = score_files([row], {"org/model": given}, [], {})["answers/org--model.csv"]
    assert list(table.columns)[-3:] == ["logprob_A", "logprob_B", "logprob_C"]
    assert table["logprob_B"].tolist() == [-0.5, -2.0]
    assert table["logprob_C"].isna().tolist() == [True, False]
    assert not {"likelihoods", "text"} & set(table.columns)
    texts = [answer(text='=HYPERLINK("x")', chosen=None), answer(text="The answer is (A)", engine="vllm")]
    table = score_files([row], {"org/model": texts}, [], {})["answers/org--model.csv"]
    assert table["engine"].tolist() == ["shared", "vllm"]
    assert csv_text(table).splitlines()[1].endswith(',"\'=HYPERLINK(""x"")"')


@pytest.mark.parametrize(("right", "said"), [(12, "is better than"), (9, "cannot be told apart"), (5, "is worse than")])
def test_further_models_are_held_against_the_first_in_words_a_table_and_a_file(right: int, said: str) -> None:
    results = [_result(name, "mc", correct) for name, correct in (("a/one", 9), ("b/two", right))]
    rows, answers = [one.to_dict() for one in results], {one.name: one.answers for one in results}
    paired = [pair.to_dict() for pair in against_the_first(answers)]
    page = score_page(rows, answers, paired, [], command="nil-audit score a/one b/two")
    assert said in page.answer[-1]
    assert "on the 560 questions that both were asked" in page.answer[-1]
    table = _tables(page)[1]
    assert table.caption == "Against a/one, on the questions that both were asked"
    # of every twenty questions the first is right on nine, the second on the same and some more, or on fewer
    alone, wrong = 28 * max(right - 9, 0), 28 * max(9 - right, 0)
    assert [cell.text for cell in table.rows[0]][0::3] == ["b/two", str(alone)]
    assert table.rows[0][-1].text == str(wrong)
    assert max(map(len, _printed(page, 80).splitlines())) <= 80
    file = score_files(rows, answers, paired, {})["paired.csv"]
    assert file["difference_value"].tolist() == pytest.approx([(right - 9) / 20])
    assert (file["difference_low"] < file["difference_value"]).all()


def test_many_comparisons_are_a_table_and_no_sentences() -> None:
    results = [_result(f"org/{number}", "mc", number) for number in range(8, 13)]
    rows, answers = [one.to_dict() for one in results], {one.name: one.answers for one in results}
    paired = [pair.to_dict() for pair in against_the_first(answers)]
    page = score_page(rows, answers, paired, [], command="nil-audit score ...")
    assert len(page.answer) == 5
    assert len(_tables(page)[1].rows) == 4


def test_a_sample_says_how_far_it_is_from_all_questions_and_why_it_ended() -> None:
    result = _result("org/model", "mc", 9)
    part = [one for one in result.answers if one.question_id % 4]
    for precision, words in ((None, " points"), (0.03, " points, asked until at most 3")):
        sample = replace(result, plan=replace(result.plan, seed=7, precision=precision), answers=tuple(part))
        row = sample.to_dict()
        assert row["sample"]["precision"] == precision
        assert 0 < row["full_set"]["stderr"] < row["stderr"]
        assert row["low"] < row["full_set"]["low"] < row["accuracy"] < row["full_set"]["high"] < row["high"]
        page = score_page([row], {"org/model": part}, [], [], command="nil-audit score org/model")
        printed = " ".join(_printed(page, 80).split())
        assert f"seed 7, standard error against all questions {100 * row['full_set']['stderr']:.2g}{words}" in printed
    assert (result.to_dict()["full_set"], result.to_dict()["sample"]) == (None, None)


def test_several_engines_are_named_with_what_each_answered() -> None:
    result = _result("org/model", "mc", 9)
    mixed = [replace(one, engine="plain" if one.question_id % 100 < 10 else "shared") for one in result.answers]
    row = replace(result, answers=tuple(mixed)).to_dict()
    page = score_page([row], {"org/model": mixed}, [], [], command="nil-audit score org/model")
    printed = " ".join(_printed(page, 200).split())
    assert "engines plain (140 answers) and shared (420 answers), batch size 8, float32" in printed


def test_categories_of_few_questions_share_a_row_with_numbers_of_their_own() -> None:
    result = _result("org/model", "mc", 9, sizes=(40,) * 5 + (10,) * 9)
    row, answers = result.to_dict(), {"org/model": result.answers}
    _, categories = _tables(score_page([row], answers, [], [], command="nil-audit score org/model"))
    *large, others = [[cell.text for cell in cells] for cells in categories.rows]
    assert [cells[0] for cells in large] == list(CATEGORIES[:5])
    # 90 answers, 9 of 10 right in each of 9 strata: the error is sqrt(9 x 10 x 0.1) / 90
    assert others[:3] == ["others (9 categories)", "90", f"90.0 ± {100 * (9 * 10 * 0.1) ** 0.5 / 90:.1f}"]
    assert "fewer than 30 questions share a row" in categories.note
    assert len(score_files([row], answers, [], {})["scores.csv"]) == 15

    one = _result("org/model", "mc", 9, sizes=(40,) * 13 + (29,))
    page = score_page([one.to_dict()], {"org/model": one.answers}, [], [], command="nil-audit score org/model")
    assert [cells[0].text for cells in _tables(page)[1].rows] == list(CATEGORIES)
    few = _result("org/model", "mc", 9, sizes=(10,) * 14)
    page = score_page([few.to_dict()], {"org/model": few.answers}, [], [], command="nil-audit score org/model")
    assert len(_tables(page)) == 1
    assert "No category has 30 questions" in _printed(page, 200)


def test_two_folders_of_one_name_are_told_apart_in_tables_and_files(tmp_path: Path) -> None:
    folders = [tmp_path / run / "model" for run in ("first", "second")]
    for folder in folders:
        folder.mkdir(parents=True)
    results = [_result(str(folder), "mc", right) for folder, right in zip(folders, (9, 12), strict=True)]
    rows, answers = [one.to_dict() for one in results], {one.name: one.answers for one in results}
    page = score_page(rows, answers, [], [], command="nil-audit score first/model second/model")
    assert [row[0].text for row in _tables(page)[0].rows] == ["first/model", "second/model"]
    files = score_files(rows, answers, [], {})
    written = {name: int(files[name]["correct"].sum()) for name in files if name.startswith("answers/")}
    assert written == {"answers/first--model.csv": 9 * 28, "answers/second--model.csv": 12 * 28}
    assert str(tmp_path) not in files["scores.csv"].to_csv()


def test_names_that_a_file_system_takes_for_one_keep_their_own_answers() -> None:
    results = [_result(name, "mc", right) for name, right in (("org/model", 9), ("org/Model", 12))]
    files = score_files([one.to_dict() for one in results], {one.name: one.answers for one in results}, [], {})
    written = [name for name in files if name.startswith("answers/")]
    assert len({name.lower() for name in written}) == 2
