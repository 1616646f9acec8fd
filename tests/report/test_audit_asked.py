"""What an audit says and shows of what is measured on request: the output AGOP, what moves the answer, the weights."""

import csv
import io
import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from nil_audit.auditing.record import Record, record_from
from nil_audit.auditing.reference import compact
from nil_audit.report.audit.page import audit_files, audit_page
from nil_audit.report.render.folder import write_report
from nil_audit.report.render.html import render_html
from nil_audit.report.render.markdown import render_markdown
from nil_audit.report.render.page import Page, Table
from nil_audit.report.render.text import error_text, estimate_text
from nil_audit.stats.estimate import Estimate
from tests.report.conftest import HOSTILE
from tests.report.records import bare_record, record_of
from tests.report.sections import SECTIONS, record_with, sensitivity_section, superposition_section
from tests.report.test_audit_page import shown, tables_of

ASKED = {name: make() for name, make in SECTIONS.items()}
WHOLE = record_with(record_of("org/a"), superposition=superposition_section(), **ASKED)


def page_of(*records: Record) -> Page:
    return audit_page(records, command="nil-audit x", draw=False)


def said(*records: Record) -> str:
    """The one paragraph of the answer that is of what was asked for."""
    answer = page_of(*records).answer
    assert len(answer) == 4
    return answer[3]


def est(value: float, half: float = 0.0) -> dict[str, float]:
    return {"value": value, "low": value - half, "high": value + half, "se": half / 2}


def output(ratio: float = 0.72, excess: float = 0.0, half: float = 0.002, rank: float = 16.0) -> dict[str, Any]:
    found = {
        "aofe_ratio": est(ratio, 0.004),
        "excess": est(excess, half),
        "effective_rank": est(rank, 0.4),
        "rotation_null": est(ratio - excess, 0.002),
    }
    return {
        "outputs": 64,
        "seed": 3,
        "window": 128,
        "windows": 256,
        "prefix": None,
        "ended_by": "text",
        "estimates": {"unbiased": found, "plugin": found},
        "cost": {"seconds": 12.34, "peak_memory_bytes": 2_500_000_000},
    }


SAYS = {"one_token": False, "excess": "below", "tail_covered": True, "efficiency": "same"}


def variant(name: str, gap: float | None = None, **says: Any) -> dict[str, Any]:
    numbers = {"typical_efficiency": est(3 + (gap or 0), 0.1), "typical_spread": est(0.0812), "aofe_ratio": est(0.9)}
    return {
        "name": name,
        "probe": "wikitext",
        "window": 512,
        "windows": 64,
        "tokens": 31_744,
        "context": 16,
        "prefix": "<s>",
        "estimates": {**numbers, "excess": est(-0.0345)},
        "loss_per_token": est(3.0, 0.1),
        "difference": {} if gap is None else {"typical_efficiency": est(gap, 0.2)},
        "paired": False,
        "says": SAYS | says,
        "changed": [fact for fact, value in says.items() if value != SAYS[fact]],
    }


def varied(*variants: dict[str, Any], left_out: Mapping[str, str] | None = None) -> dict[str, Any]:
    out = [{"name": name, "why": why} for name, why in (left_out or {}).items()]
    return {"variants": [variant("baseline"), *variants], "left_out": out}


def test_an_audit_without_requests_has_the_three_sentences_and_none_of_the_sections() -> None:
    page = page_of(record_of())
    names = {one.name for one in page.sections}
    assert len(page.answer) == page.headlines == 3
    assert not names & {"sensitivity", "variants", "profile", "output", "ansatz"}
    assert {path for path in audit_files([record_of()]) if not path.startswith("records/")} == {"audit.csv"}


@pytest.mark.parametrize("name", SECTIONS)
def test_each_request_has_a_paragraph_of_the_answer_and_a_section(name: str) -> None:
    page = page_of(record_with(record_of(), **{name: ASKED[name]}))
    assert len(page.answer) == page.headlines == 4
    assert page.answer[:3] == page_of(record_of()).answer
    (section,) = (one for one in page.sections if one.name == name)
    assert section.detail == (name != "sensitivity")
    assert {one.name for one in page.sections} & set(SECTIONS) == {name}


@pytest.mark.parametrize(("number", "width"), [(1, 80), (2, 80), (7, 80), (1, 40)])
def test_no_number_is_cut_in_a_terminal(number: int, width: int) -> None:
    names = [f"organisation/a-model-with-a-long-name-{place}B" for place in range(number)]
    records = [
        record_with(record_of(name, seed=place), superposition=superposition_section(place), **ASKED)
        for place, name in enumerate(names)
    ]
    lines = shown(page_of(*records), width, details=True)
    card = next((place for place, line in enumerate(lines) if line.startswith("model-index:")), len(lines))
    assert max(map(len, lines[:card])) <= width
    text = "\n".join(lines)
    tables = [block for one in page_of(*records).sections for block in one.blocks if isinstance(block, Table)]
    numbers = {
        cell.text
        for one in tables
        for row in one.rows
        for cell, column in zip(row, one.columns, strict=True)
        if column.numeric
    }
    assert len(numbers) > 100 and all(number in text for number in numbers)


def test_the_table_of_what_moves_the_answer_stands_in_one_piece_in_80_columns() -> None:
    lines = shown(page_of(WHOLE))
    found = [" ".join(line.split()) for line in lines]
    assert "half window 3.956 ± 0.029 −0.52 [−0.63, −0.41] 0.611 −0.003, −0.397 no" in found
    assert "as asked 4.476 ± 0.041 – 0.618 −0.002, −0.406 –" in found


@pytest.mark.parametrize(
    ("excess", "half", "words"),
    [
        (0.0, 0.002, "says no more: it is that of a random basis of this rank (0.720 ± 0.007 from draw to draw)."),
        # within what one draw of the projection adds, whatever the error of the text
        (-0.012, 0.002, "says no more: it is that of a random basis of this rank (0.732 ± 0.007 from draw to draw)."),
        (0.3, 0.002, "lies 0.300 [0.298, 0.302] above that of a random basis of this rank (0.420 ± 0.007 from draw"),
        (-0.05, 0.02, "lies 0.050 [0.030, 0.070] below that of a random basis of this rank (0.770 ± 0.007 from draw"),
        (-0.05, 0.08, "says no more"),
    ],
)
def test_the_output_sentence_says_where_the_ratio_is_the_rank_in_disguise(excess: float, half: float, words: str):
    found = said(record_with(record_of(), output=output(excess=excess, half=half)))
    assert found.startswith(
        "The gradients of its last logits (64 random outputs, 256 windows of 128 tokens) have an effective rank of"
        f" 16.00 ± 0.20 of 64; their AOFE-ratio, 0.7200 ± 0.0020, {words}"
    )


def test_output_agops_of_several_models_are_grouped_by_what_they_say() -> None:
    alike = [record_with(record_of(f"org/{name}"), output=output()) for name in "abc"]
    apart = record_with(record_of("org/z"), output=output(0.3, -0.4))
    both = said(*alike[:2])
    assert both == (
        "Effective rank of the gradients of the last logits (64 random outputs): org/a 16.00 ± 0.20 (AOFE-ratio 0.7200"
        " ± 0.0020) and org/b 16.00 ± 0.20 (AOFE-ratio 0.7200 ± 0.0020). AOFE-ratio: both as a random basis of that"
        " rank would have."
    )
    assert said(alike[0], apart).endswith(
        " AOFE-ratio: org/a as a random basis of that rank would have; org/z (excess −0.400 [−0.402, −0.398])"
        " below what a random basis of that rank would have."
    )
    apart = record_with(record_of("org/z"), output=output(0.3, -0.4, rank=12.0))
    many = said(*(record_with(record_of(f"org/{place}"), output=output()) for place in range(7)), apart)
    assert "outputs): from 12.00 ± 0.20 of org/z (AOFE-ratio 0.3000 ± 0.0020) to 16.00 ± 0.20 of org/" in many
    assert many.endswith(": 7 of 8 as a random basis of that rank would have; 1 of 8 below what a random basis of that"
                         " rank would have.")  # fmt: skip
    (rows,) = tables_of(page_of(*alike, bare_record("org/bare")), "output")[:1]
    (own,) = tables_of(page_of(WHOLE), "output")
    labels = ["Effective rank", "AOFE-ratio", "Rotation null", "Excess", "AOFE", "Trace", "Output efficiency"]
    assert [row[0].text for row in own.rows] == labels
    assert [row[0].text for row in rows.rows] == ["org/a", "org/b", "org/c"]


def test_how_the_outputs_were_measured_is_among_the_settings() -> None:
    rows = {
        row[0].text: row[1].text for row in tables_of(page_of(record_with(WHOLE, output=output())), "settings")[0].rows
    }
    assert rows["Output probe"] == (
        "256 windows of 128 tokens after no document start, all of the text; 64 outputs of seed 3"
    )
    assert rows["Its cost"] == "12.3 s, 2.50 GB"
    assert rows["Profile"].startswith("6 of 6 blocks") and rows["Ansatz"].startswith("6 of 6 blocks")


ALL = ("half_window", "double_window", "no_context", "other_text", "random_rotation", "hadamard_rotation")


OF_THE_BASIS = "That number is of the channels' basis, not of the function. All else that is said stays."


def test_where_nothing_moves_that_is_said_with_the_largest_difference() -> None:
    gaps = (0.05, -0.11, 0.02, 0.1, 0.4, 0.0)  # a rotation is no other measurement of the function
    still = varied(*map(variant, ALL, gaps))
    tried = "half the window, twice the window, no context and document start or another text"
    assert said(record_with(record_of(), sensitivity=still)) == (
        f"With {tried} nothing that is said of it changes: its typical efficiency moves most with twice the window, by"
        " −0.11 [−0.31, +0.09] nats. In a rotated basis its AOFE-ratio, 0.900 (below its null) as it is, becomes 0.900"
        f" (below its null). {OF_THE_BASIS}"
    )
    two = [record_with(record_of(name), sensitivity=still) for name in ("org/a", "org/b")]
    assert said(*two).startswith(
        f"org/a and org/b: with {tried} nothing that is said changes: the typical efficiency of org/a moves most with"
        " twice the window, by −0.11 [−0.31, +0.09] nats. In a rotated basis AOFE-ratios move: org/a from 0.900 "
    )


def test_what_changes_is_said_with_what_it_changes_and_with_what_not() -> None:
    found = varied(
        variant("half_window", -0.5, efficiency="moved"),
        variant("double_window", 0.6, efficiency="moved", tail_covered=False),
        variant("no_context", 0.1, one_token=True),
        variant("other_text", 0.1),
        variant("random_rotation", 0.0, excess="at") | {"estimates": {"aofe_ratio": est(0.91)}},
        variant("hadamard_rotation", 0.0, excess="at") | {"estimates": {"aofe_ratio": est(0.92)}},
    )
    assert said(record_with(record_of(), sensitivity=found)) == (
        "With half the window its typical efficiency moves by −0.50 [−0.70, −0.30] nats; with twice the window its"
        " typical efficiency moves by +0.60 [+0.40, +0.80] nats and intervals of the mean's size are too narrow; with"
        " no context and document start one token carries over 5% of the trace; with another text nothing that is said"
        " of it changes. In a rotated basis its AOFE-ratio, 0.900 (below its null) as it is, becomes 0.910 and 0.920"
        f" (at its null). {OF_THE_BASIS}"
    )


@pytest.mark.parametrize(
    ("names", "before", "after", "words"),
    [
        (("random_rotation",), "at", ("at",), "a random basis (not tried: a Hadamard basis) its AOFE-ratio, 0.900 (at"
         " its null) as it is, becomes 0.900 (at its null)"),
        (ALL[4:], "above", ("at", "below"), "a rotated basis its AOFE-ratio, 0.900 (above its null) as it is, becomes"
         " 0.900 (at its null) and 0.900 (below its null)"),
        (ALL[4:], None, (None, None), "a rotated basis its AOFE-ratio, 0.900 (not to be held against its null) as it"
         " is, becomes 0.900 (not to be held against its null)"),
    ],
)  # fmt: skip
def test_a_rotated_basis_has_a_sentence_of_its_own(
    names: tuple[str, ...], before: str | None, after: tuple[str | None, ...], words: str
) -> None:
    found = varied(*(variant(name, 0.0, excess=where) for name, where in zip(names, after, strict=True)))
    found["variants"][0]["says"] = SAYS | {"excess": before}
    assert said(record_with(record_of(), sensitivity=found)) == (
        "Nothing but other bases was tried (not tried: half the window, twice the window, no context and document"
        f" start, another text). In {words}. {OF_THE_BASIS}"
    )


def test_only_models_of_which_the_same_changes_with_the_same_share_a_clause() -> None:
    moved = varied(variant("half_window", -0.5, efficiency="moved"), variant("random_rotation", 0.0, excess="at"))
    still = varied(variant("half_window", 0.1), variant("random_rotation", 0.0))
    token = varied(variant("half_window", 0.1, one_token=True), variant("random_rotation", 0.0))
    records = [record_with(record_of(f"org/{name}"), sensitivity=moved) for name in "ab"]
    others = [
        record_with(record_of("org/c"), sensitivity=still),
        record_with(record_of("org/d"), sensitivity=token),
    ]
    of_one = said(*records, *others)
    assert sorted(of_one.split(" In a random basis")[0].split(". ")) == [
        "org/a and org/b: with half the window typical efficiencies move by −0.50 [−0.70, −0.30] nats (org/a) and −0.50"
        " [−0.70, −0.30] nats (org/b)",
        "org/c: with half the window nothing that is said changes: its typical efficiency moves by +0.10 [−0.10, +0.30]"
        " nats",
        "org/d: with half the window one token carries over 5% of the trace (not tried with any model: twice the"
        " window, no context and document start, another text).",
    ]
    assert "org/a from 0.900 (below its null) to 0.900 (at its null), org/b " in of_one
    many = [record_with(record_of(f"org/{place}"), sensitivity=moved if place else token) for place in range(8)]
    assert said(*many) == (
        "Of 8 models what is said changes with half the window for 8; with nothing that was tried for none (not tried:"
        " twice the window, no context and document start, another text). In a rotated basis the AOFE-ratio changes"
        " sides of its null for 7 of 8: it is of the channels' basis, not of the function. All else that is said"
        " changes for none."
    )
    (rows,) = tables_of(page_of(*many), "sensitivity")
    cells = {row[0].text: [(cell.text, cell.strong) for cell in row[1:]] for row in rows.rows}
    assert cells["org/0"] == [("+0.10†", False), ("0.00", False)]
    assert cells["org/1"] == [("−0.50*", True), ("0.00†", False)]


def test_what_was_not_varied_is_said_below_the_table_and_not_claimed() -> None:
    found = varied(variant("half_window", 0.1), left_out={"hadamard_rotation": "Its width is no power of two."})
    page = page_of(record_with(record_of(), sensitivity=found))
    assert page.answer[3] == (
        "With half the window nothing that is said of it changes: its typical efficiency moves by +0.10 [−0.10, +0.30]"
        " nats (not tried: twice the window, no context and document start, another text)."
    )
    (table,) = tables_of(page, "sensitivity")
    assert table.note.startswith("Same? yes while ")
    assert table.note.endswith(" stay. Not measured: Hadamard (its width is no power of two).")
    nothing = page_of(record_with(record_of(), sensitivity=varied(left_out={"half_window": "It is too short."})))
    assert nothing.answer[3] == "What moves the answer could not be measured: why stands below its table."
    assert tables_of(nothing, "sensitivity")[0].note.endswith("Not measured: half window (it is too short).")
    rotated = page_of(record_with(record_of(), sensitivity=varied(variant("random_rotation", 0.0))))
    assert tables_of(rotated, "sensitivity")[0].note.endswith("The AOFE-ratio and its excess are of the basis.")


def test_what_was_not_measured_of_several_models_is_said_once_for_each_reason() -> None:
    def record(name: str) -> Record:
        out = {"double_window": f"{name} reads 512 tokens at most.", "other_text": "wikitext cannot be reached."}
        return record_with(record_of(name), sensitivity=varied(variant("half_window", 0.1), left_out=out))

    fine = record_with(record_of("org/fine"), sensitivity=varied(variant("half_window", 0.1)))
    assert tables_of(page_of(record("org/a"), record("org/b"), fine), "sensitivity")[0].note == (
        "Not measured: twice window of org/a and org/b (it reads 512 tokens at most); other text of org/a and org/b"
        " (wikitext cannot be reached)."
    )
    many = page_of(*(record(f"org/{place}") for place in range(7)), fine)
    assert tables_of(many, "sensitivity")[0].note == ("Not measured: twice window of 7 models; other text of 7 models.")


def test_a_reason_names_no_folder(tmp_path: Path) -> None:
    (tmp_path / "model").mkdir()
    name = str(tmp_path / "model")
    found = varied(variant("half_window", 0.1), left_out={"double_window": f"{name} reads 512 tokens at most."})
    page = page_of(record_with(record_of(name), sensitivity=found))
    assert tables_of(page, "sensitivity")[0].note.endswith("twice window (it reads 512 tokens at most).")
    assert str(tmp_path) not in render_markdown(page)


def test_a_caution_comes_before_what_was_asked_for() -> None:
    record = record_with(record_of(token_share=0.65), output=output())
    page = page_of(record)
    assert page.headlines == len(page.answer) == 5
    assert page.answer[3].startswith("One token, ") and page.answer[4].startswith("The gradients of its last logits")


def test_details_hold_every_number_of_every_variant() -> None:
    section = sensitivity_section()
    page = page_of(record_with(record_of(), sensitivity=section))
    facts, numbers, turned, gaps = tables_of(page, "variants")
    assert len(facts.rows) == len(section["variants"]) == 7 and len(numbers.columns[1:]) == 5
    assert [cell.text for cell in facts.rows[1]] == [
        *("half window", "wikitext", "128 of 256", "1,536", "16", "<|endoftext|>"),
        *("moved", "below", "none", "hold"),
    ]
    assert [(row[7].text, row[7].strong) for row in facts.rows[4:6]] == [("below", False), ("at", True)]
    for place, one in enumerate(section["variants"][:5], start=1):
        shown_of = {row[0].text: row[place].text for row in numbers.rows}
        for name, label in (("typical_efficiency", "Typical efficiency"), ("aofe_ratio", "AOFE-ratio")):
            assert shown_of[label] == error_text(Estimate.from_dict(one["estimates"][name]))
        assert shown_of["Loss/token"] == error_text(Estimate.from_dict(one["loss_per_token"]))
        assert len(shown_of) == len(one["estimates"])  # the loss more, ‖G‖² less, which no table of an audit has
    moving = {"AOFE", "AOFE-ratio", "Excess", "Kappa", "Mean cos²", "Normalised AOFE"}
    assert {row[0].text for row in turned.rows} == moving and len(turned.columns) == 4
    ratios = next(row for row in turned.rows if row[0].text == "AOFE-ratio")
    found = [section["variants"][place]["estimates"]["aofe_ratio"] for place in (0, 5, 6)]
    assert [cell.text for cell in ratios[1:]] == [error_text(Estimate.from_dict(one)) for one in found]
    excess = next(row for row in gaps.rows if row[0].text == "Excess")
    assert excess[1].text == estimate_text(Estimate.from_dict(section["variants"][1]["difference"]["excess"]), 3)
    assert gaps.note == (
        "Not of the same text, so that errors are added in quadrature: half window, twice window and other text."
    )


def aligned(rho: float, half: float = 0.01, *, other: float | None = None, tied: bool = False) -> dict[str, Any]:
    weights = {"aofe_ratio": 0.5, "effective_rank": 30.0}
    both = {"typical": est(rho, half), "mean": est(rho / 2, half)}
    return {
        "embedding": weights,
        "unembedding": None if tied else {"aofe_ratio": 0.25},
        "alignment": {
            "embedding": both,
            "unembedding": None if tied else {"typical": est(rho if other is None else other, half), "mean": None},
            "null_sd": 0.02,
        },
    }


@pytest.mark.parametrize(
    ("rho", "other", "words"),
    [
        (0.5, 0.5, "more like those of the embedding (ρ 0.50 [0.49, 0.51]) and those of the unembedding (ρ 0.50 "),
        # 0.045 - 0.01 lies under 1.96 times 0.02
        (0.045, 0.5, "no more like those of the embedding (ρ 0.045 [0.035, 0.055]) and more like those of the unemb"),
        (-0.4, -0.4, "less like those of the embedding (ρ −0.40 [−0.41, −0.39]) and those of the unembedding (ρ −0."),
    ],
)
def test_the_weights_are_held_against_a_random_basis(rho: float, other: float, words: str) -> None:
    page = page_of(record_with(record_of(), superposition=aligned(rho, other=other)))
    (section,) = (one for one in page.sections if one.name == "weights")
    sentence = section.blocks[0].text
    assert sentence.startswith(f"The directions of a typical token's gradients are {words}")
    assert sentence.endswith(" than a random basis would be; 1 is the same up to scale, chance 0 ± 0.02.")
    assert len(page.answer) == 3


def test_the_weights_stand_beside_the_agop() -> None:
    record = record_with(record_of(), superposition=aligned(0.5, tied=False))
    (found,) = tables_of(page_of(record), "weights")
    rows = {row[0].text: [cell.text for cell in row[1:]] for row in found.rows}
    assert [column.label for column in found.columns] == ["Metric", "AGOP", "Embedding WᵀW", "Unembedding WᵀW"]
    assert rows["AOFE-ratio"][1:] == ["0.5", "0.25"] and rows["Effective rank r"][1:] == ["30", "–"]
    assert rows["ρ, typical token"] == ["–", "0.5000 ± 0.0050", "0.5000 ± 0.0050"]
    assert rows["ρ, mean"] == ["–", "0.2500 ± 0.0050", "–"]
    tied = tables_of(page_of(record_with(record, superposition=aligned(0.5, tied=True))), "weights")[0]
    assert len(tied.columns) == 3 and tied.note.startswith("The unembedding is the embedding. ρ: ")


def test_a_record_of_an_older_schema_has_the_numbers_of_its_embedding_alone() -> None:
    document = {**record_of().to_dict(), "schema": 4, "superposition": {"aofe_ratio": 0.9}}
    page = page_of(record_from(document))
    (section,) = (one for one in page.sections if one.name == "weights")
    (found,) = section.blocks
    assert [column.label for column in found.columns] == ["Metric", "AGOP", "Embedding WᵀW"]
    assert [[cell.text for cell in row][2:] for row in found.rows] == [["0.9"]] and "ρ" not in found.note


def test_several_models_have_a_row_each_of_the_weights() -> None:
    records = [
        record_with(record_of("org/a"), superposition=aligned(0.5)),
        record_with(record_of("org/b"), superposition=aligned(0.01, tied=True)),
        bare_record("org/bare"),
    ]
    (section,) = (one for one in page_of(*records).sections if one.name == "weights")
    assert section.blocks[0].text == (
        "The directions of a typical token's gradients are more like those of the embedding in 1 of 2 models and those"
        " of the unembedding in 1 of 1 models than a random basis would be."
    )
    rows = {row[0].text: [cell.text for cell in row[1:]] for row in section.blocks[1].rows}
    assert set(rows) == {"org/a", "org/b"} and rows["org/b"][1] == "–" and rows["org/a"][-1] == "0.25"
    old = [record_of(f"org/{name}") for name in "ab"]  # of the embedding alone, and no alignment
    (table,) = tables_of(page_of(*old), "weights")[:1]
    assert [column.label for column in table.columns] == ["Model", "AOFE-ratio", "of the embedding"]


@given(data=st.data())
@settings(max_examples=5, deadline=None)
def test_any_number_of_any_section_may_be_undefined(data: st.DataObject) -> None:
    document = json.loads(record_with(WHOLE, profile=None, ansatz=None).to_json())
    document["output"]["cost"] = {"seconds": None, "peak_memory_bytes": None}
    found = [one for name in ("output", "sensitivity", "superposition") for one in _estimates(document[name])]
    for place in data.draw(st.sets(st.integers(0, len(found) - 1), max_size=len(found))):
        found[place] |= dict.fromkeys(found[place])
    record = record_from(document)
    for page in (page_of(record), page_of(record, *[record_from(document)] * 7)):
        text = render_markdown(page)
        assert "None" not in text and not re.search(r"\bnan\b", text)
    assert len(audit_files([record])["audit.csv"]) == 1


def _estimates(document: Any) -> list[dict[str, Any]]:
    """Every estimate of a document, as it stands there."""
    if isinstance(document, list):
        return [found for one in document for found in _estimates(one)]
    if not isinstance(document, dict):
        return []
    if "value" in document:
        return [document]
    return [found for one in document.values() for found in _estimates(one)]


@pytest.mark.parametrize("text", HOSTILE)
def test_texts_of_the_sections_do_nothing(text: str) -> None:
    section = sensitivity_section(without={"hadamard_rotation": text})
    for one in section["variants"]:
        one |= {"probe": text, "prefix": text}
    record = record_with(record_of(text), output=output() | {"prefix": text}, sensitivity=section)
    page = page_of(record, record_with(record_of(), superposition=None))
    document = render_html(page)
    assert "<img" not in document and document.count("<script>") == 1 and "\u202e" not in document
    shown_html = MarkdownIt("commonmark").enable("table").render(render_markdown(page))
    assert not re.search(r"<(script|img)", shown_html)
    assert not re.search(r"[\x00-\x09\x0b-\x1f\x7f\u202e]", "\n".join(shown(page, details=True)))


def test_csv_has_the_outputs_and_both_tables_of_weights(tmp_path: Path) -> None:
    bare = bare_record("org/b")
    write_report(tmp_path, "audit", page_of(WHOLE, bare), audit_files([WHOLE, bare]))
    row, empty = csv.DictReader(io.StringIO((tmp_path / "audit.csv").read_text()))
    unbiased = WHOLE.output["estimates"]["unbiased"]
    for name in ("aofe_ratio", "excess", "effective_rank"):
        assert float(row[f"output_{name}"]) == unbiased[name]["value"]
        assert float(row[f"output_{name}_se"]) == unbiased[name]["se"]
    weights = WHOLE.superposition
    assert float(row["wtw_aofe_ratio"]) == weights["embedding"]["aofe_ratio"]
    assert float(row["unembedding_wtw_kappa"]) == weights["unembedding"]["kappa"]
    for which in ("embedding", "unembedding"):
        found = weights["alignment"][which]["typical"]
        assert float(row[f"{which}_alignment_typical"]) == found["value"]
        assert float(row[f"{which}_alignment_typical_se"]) == found["se"]
    assert empty["output_excess"] == empty["wtw_aofe_ratio"] == ""
    assert (tmp_path / "profile.csv").exists() and (tmp_path / "ansatz.csv").exists()
    assert "records/ (every number), audit.csv, profile.csv, ansatz.csv, plots/" in page_of(WHOLE, bare).footer[1]
    assert "profile.csv" not in audit_files([bare]) and "audit.csv, plots/" in page_of(bare).footer[1]


@pytest.mark.parametrize("products", [False, True])
def test_a_record_to_compare_with_goes_without_what_was_asked_for(products: bool) -> None:
    small = record_from(compact(WHOLE.to_dict(), products=products))
    assert page_of(small).answer == page_of(record_of("org/a")).answer
    assert not set(SECTIONS) & {one.name for one in page_of(small).sections}


def test_a_notebook_says_what_was_asked_for() -> None:
    from nil_audit.report.notebook.audit import RecordView

    document = RecordView().html(WHOLE)
    for sentence in page_of(WHOLE).answer[3:]:
        assert sentence.split(" ± ")[0].split(" [")[0].replace("'", "&#x27;") in document.replace("&#39;", "&#x27;")
