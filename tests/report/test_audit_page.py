"""The audit's page and files: its length, its order, its details, old records, and texts that nobody should trust."""

import copy
import csv
import html
import io
import re
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml
from huggingface_hub.repocard_data import model_index_to_eval_results
from hypothesis import given, settings
from hypothesis import strategies as st
from markdown_it import MarkdownIt
from rich.console import Console

from nil_audit.auditing.record import Record, difference, read_record, record_from, rounds
from nil_audit.law.pooled import pool
from nil_audit.law.studies import study
from nil_audit.report.audit.page import audit_files, audit_page
from nil_audit.report.render.folder import write_report
from nil_audit.report.render.html import render_html
from nil_audit.report.render.markdown import render_markdown
from nil_audit.report.render.page import Listing, Page, Table
from nil_audit.report.render.terminal import render_terminal
from nil_audit.report.render.text import error_text, interval_text, signed
from tests.auditing.test_record import SCHEMA_1
from tests.report.conftest import HOSTILE
from tests.report.records import bare_record, measured_score, published_score, record_of, shape_of

CHINCHILLA = study("chinchilla")
SCORES = ([], [measured_score(0.3)], [published_score(0.112)], [published_score(0.3, "olmes", None)])
SHAPES = (shape_of(), shape_of(2, 1024, 90_000_000), shape_of(120, 512, 10**9), shape_of(parameters=None))


def page_of(*records: Record, references: Sequence[Record] = (), draw: bool = False) -> Page:
    return audit_page(records, references=references, command="nil-audit x", draw=draw)


def shown(page: Page, width: int = 80, *, details: bool = False, encoding: str = "utf-8") -> list[str]:
    console = Console(width=width, record=True, file=io.StringIO(), force_terminal=False)
    console.print(render_terminal(page, width, details=details, encoding=encoding), crop=False)
    return console.export_text().splitlines()


def tables_of(page: Page, section: str) -> list[Table]:
    (found,) = (one for one in page.sections if one.name == section)
    return [block for block in found.blocks if isinstance(block, Table)]


REFERENCES = tuple(
    record_of(f"organisation/a-model-to-compare-with-{place}", seed=20 + place, shift=0.2 * place - 0.6)
    for place in range(8)
)


@given(
    name=st.sampled_from(["a", "org/model", "HuggingFaceTB/a-model-of-fifty-letters-in-all-1.7B"]),
    shape=st.sampled_from(SHAPES),
    scores=st.sampled_from(SCORES),
    references=st.integers(0, 8),
    measured=st.booleans(),
    setting=st.fixed_dictionaries(
        {
            "windows": st.sampled_from([16, 128]),
            "heaviness": st.sampled_from([0.7, 1.6]),
            "token_share": st.sampled_from([0.01, 0.65]),
            "permille_share": st.sampled_from([0.02, 0.7]),
            "ended_by": st.sampled_from(["precision", "tokens", "text"]),
            "token": st.sampled_from([{}, {"token": "x" * 60, "before": "y" * 200, "after": "\n" * 90}]),
        }
    ),
)
@settings(max_examples=60, deadline=None)
def test_one_model_takes_at_most_30_lines_of_80_columns(
    name: str, shape: Any, scores: Any, references: int, measured: bool, setting: dict[str, Any]
) -> None:
    record = record_of(name, shape=shape, scores=scores, **setting)
    if not measured:
        record = bare_record(name, shape=shape, scores=scores)
    lines = shown(page_of(record, references=REFERENCES[:references]))
    assert len(lines) <= 30, "\n".join(lines)
    assert max(map(len, lines)) <= 80


def test_the_table_of_one_model_holds_its_numbers() -> None:
    record = record_of("org/smol", scores=[measured_score(0.3)], ended_by="tokens")
    rows = {row[0].text: row[1].text for row in tables_of(page_of(record), "numbers")[0].rows}
    metric = {name: error_text(record.metric(name)) for name in ("typical_spread", "typical_rank", "tail")}
    assert rows["Shape"] == "30 blocks x 576 channels, R = L/d 0.0521"
    assert rows["Parameters"] == "135M, 108M of them in the body"
    assert rows["Distance"] == "0, within the law's interval"
    found = pool().regret(30 / 576, 134_515_008)
    assert rows["Expected cost"].startswith(f"{found.expected:.1%} [{100 * found.low:.1f}, ")
    assert rows["Typical efficiency"] == f"{interval_text(record.metric('typical_efficiency'))} nats"
    assert rows["Typical spread"] == f"{metric['typical_spread']} ({metric['typical_rank']} of 12 directions)"
    assert rows["Typical sensitivity"] == f"{error_text(record.metric('typical_sensitivity'))} nats² a token"
    assert rows["Tail"] == f"{metric['tail']} nats; heaviest token 1.0%, top 0.1% 3.0%"
    assert rows["Text"] == "1,536 tokens of wikitext in 64 windows of 512 (16 context)"
    assert rows["Ended"] == "after as many whole windows as 131,072 input tokens make"
    assert rows["MMLU-Pro"] == "30.0 ± 0.4% (leaderboard)"
    loss = [error_text(record.metric(f"loss_per_{unit}")) for unit in ("byte", "token")]
    assert rows["Probe loss"] == f"{loss[0]} nats a byte, {loss[1]} a token"
    precise = tables_of(page_of(record_of()), "numbers")[0].rows
    assert "typical efficiency's standard error was 0.05 nats or less" in [row[1].text for row in precise]


@given(shifts=st.lists(st.floats(-3, 3), min_size=2, max_size=9), data=st.data())
@settings(max_examples=20, deadline=None)
def test_several_models_are_ranked_with_their_differences(shifts: list[float], data: st.DataObject) -> None:
    records = [record_of(f"org/{place}", seed=place, shift=shift, text=place % 2) for place, shift in enumerate(shifts)]
    page = page_of(*data.draw(st.permutations(records)))
    order = sorted(records, key=lambda one: -one.metric("typical_efficiency").value)
    rows = tables_of(page, "numbers")[0].rows
    assert [row[0].text for row in rows] == [one.name for one in order]
    assert [row[1].text for row in rows] == [error_text(one.metric("typical_efficiency")) for one in order]
    assert [row[2].value for row in rows] == [one.metric("loss_per_byte").value for one in order]
    for row, one, other in zip(rows, order, order[1:], strict=False):
        found = difference(one, other)
        assert row[3].text == interval_text(found.estimate) + ("" if found.paired else "*")
        assert row[3].value == found.estimate.value and row[3].strong == found.estimate.excludes_zero
    assert rows[-1][3].text == "–"
    unpaired = any("*" in row[3].text for row in rows)
    assert ("Unpaired" in tables_of(page, "numbers")[0].note) == unpaired


def test_what_cannot_be_ranked_stands_below_as_it_was_given() -> None:
    rest = [bare_record("org/z"), record_of("org/apart", seed=9, window=256), bare_record("org/a"), old_record()]
    ranked = [record_of("org/low", shift=-1), record_of("org/high", seed=1)]
    rows = tables_of(page_of(rest[0], ranked[0], rest[1], ranked[1], *rest[2:]), "numbers")[0].rows
    assert [row[0].text for row in rows] == ["org/high", "org/low", "org/z", "org/apart", "org/a", "org/gpt2-4x176"]
    assert [row[3].text for row in rows[1:]] == ["–"] * 5
    measured = [ranked[1], ranked[0], None, rest[1], None, rest[3]]
    losses = [f"{one.metric('loss_per_byte').value:.4g}" if one else "–" for one in measured]
    assert [row[2].text for row in rows] == losses


def test_the_table_of_several_holds_scores_where_any_is_known_and_fits_80_columns() -> None:
    names = ("HuggingFaceTB/SmolLM2-135M", "EleutherAI/pythia-160m", "Qwen/Qwen2.5-0.5B")
    records = [record_of(name, seed=place, text=place) for place, name in enumerate(names)]
    heads = ["Model", "Efficiency", "Loss/byte", "Minus the next", "Shape"]
    (found,) = tables_of(page_of(*records), "numbers")
    assert [column.label for column in found.columns] == heads
    assert {row[4].text for row in found.rows} == {"30 x 576 inside"} and "Unpaired" in found.note
    lines = shown(page_of(*records))
    (head,) = (line for line in lines if line.startswith("Model"))
    assert head.strip().endswith("Shape") and max(map(len, lines)) <= 80
    (scored,) = tables_of(page_of(*records, bare_record("org/d", scores=[published_score(0.2)])), "numbers")
    assert [column.label for column in scored.columns] == [*heads, "MMLU-Pro"]
    assert [row[5].text for row in scored.rows] == ["–", "–", "–", "20.0%"]


def test_models_of_which_none_is_ranked_get_a_table_of_their_shapes() -> None:
    records = [
        bare_record("org/deep", shape=shape_of(90, 512, 10**9)),
        bare_record("org/right"),
        bare_record("org/new", shape=shape_of(2, 768, parameters=None)),
    ]
    (found,) = tables_of(page_of(*records), "numbers")
    assert found.caption.startswith("Shapes, ") and "efficiency" not in found.caption
    heads = ["Model", "Parameters", "L x d", "R", "Distance", "Shape"]
    assert [column.label for column in found.columns] == heads
    rows = [[cell.text for cell in row] for row in found.rows]
    assert [row[:4] for row in rows] == [
        ["org/deep", "1.00B", "90 x 512", "0.1758"],
        ["org/right", "135M", "30 x 576", "0.0521"],
        ["org/new", "–", "2 x 768", "0.0026"],
    ]
    for row, record in zip(rows, records, strict=True):
        assert row[4:] == [signed(record.verdict["distance"]), record.verdict["label"]]
    assert rows[0][4].startswith("+") and rows[1][4] == "0.00" and rows[2][4].startswith("−")
    (scored,) = tables_of(page_of(records[0], bare_record("org/d", scores=[published_score(0.2)])), "numbers")
    assert [column.label for column in scored.columns] == [*heads, "MMLU-Pro"]
    assert [row[6].text for row in scored.rows] == ["–", "20.0%"]


def test_a_terminal_says_last_where_the_terms_are_and_no_file_does() -> None:
    for page in (page_of(record_of()), page_of(record_of(), record_of("org/b", seed=1)), page_of(bare_record())):
        closing = "Terms: docs/definitions.md; every number: --details."
        assert shown(page)[-1] == closing
        assert closing not in shown(page, details=True)
        assert closing not in shown(replace(page, sections=()))  # as --quiet shows it
        assert "definitions.md" not in render_html(page) + render_markdown(page)


def old_record() -> Record:
    return read_record(SCHEMA_1)


def test_an_old_record_still_prints_and_says_the_same_in_every_schema() -> None:
    record = old_record()
    text = "\n".join(shown(page_of(record), details=True))
    for name in ("interaction_efficiency", "aofe", "aofe_ratio", "kappa"):
        assert error_text(record.metric(name)) in text
    assert "Typical" not in text.replace("typical", "").split("Ended")[0] or "Typical efficiency" not in text
    assert "older estimator" in text and "None" not in text
    document = record.to_dict()
    assert document["schema"] > 2
    older = {**document, "schema": 2, "superposition": document["superposition"]["embedding"]}
    assert shown(page_of(record_from(older)), details=True) == shown(page_of(record), details=True)
    for draw_with in ((), (record_of(),)):
        assert render_html(page_of(record, *draw_with, draw=True))


def test_details_hold_every_number_the_rounds_and_the_command() -> None:
    record = record_of("org/smol", scores=[measured_score(0.3), published_score(0.2, "olmes")], notes=["A note."])
    page = page_of(record)
    assert [one.name for one in page.sections if not one.detail] == ["numbers"]
    text = "\n".join(shown(page, 120, details=True))
    assert (
        "Of the sum of all squared gradients (the trace is their mean), 1.0% is in the heaviest token and"
        in " ".join(text.split())
    )
    for name in ("typical_efficiency", "interaction_efficiency", "aofe", "aofe_ratio", "excess", "kappa", "mean_cos2"):
        for kind in ("unbiased", "plugin"):
            assert error_text(record.metric(name, kind)) in text, (name, kind)
    for words in ("1.0% is in the heaviest", "nil-audit x", "A note.", "[1] a card.", "measured, n 12,032", "2.00 GB"):
        assert words in text
    assert text.count("▸ from◂") == 10
    by_round = [[cell.text for cell in row] for row in tables_of(page, "rounds")[0].rows]
    assert [row[0] for row in by_round] == ["16", "32", "64"]
    assert [row[2] for row in by_round] == [
        error_text(found["unbiased"]["typical_efficiency"]) for _, found in rounds(record)
    ]
    assert [row[0].text for row in tables_of(page, "studies")[0].rows] == [
        "law",
        "morph",
        "chinchilla",
        "gemstones",
        "pooled",
    ]


def test_every_cell_of_the_metrics_is_a_number_with_a_true_minus_sign_or_a_dash() -> None:
    record = replace(record_of(), superposition={"embedding": {"excess": -0.02373, "aofe_ratio": 0.9}})
    page = page_of(record)
    rows = {row[0].text: [cell.text for cell in row[1:]] for row in tables_of(page, "metrics")[0].rows}
    weights = {row[0].text: [cell.text for cell in row[1:]] for row in tables_of(page, "weights")[0].rows}
    assert weights["Excess"][1] == "−0.02373" and weights["AOFE-ratio"][1] == "0.9"
    assert rows["Sensitivity by byte"][1:] == ["–"]
    assert all(text and "-" not in text for row in rows.values() for text in row if "e-" not in text)


def test_a_lower_bound_has_no_interval() -> None:
    page = page_of(bare_record(shape=shape_of(2, 768, 10_000_000)))
    bound = CHINCHILLA.excess(2 / 768, 10_000_000)
    assert CHINCHILLA.extrapolation(2 / 768, 10_000_000).under_three_blocks and bound.value >= bound.high
    rows = {row[0].text: row[3] for row in tables_of(page, "studies")[0].rows}
    assert rows["chinchilla"].text == f"at least +{100 * bound.value:.2f}" and "[" in rows["law"].text
    assert rows["chinchilla"].value == 100 * bound.value
    (number,) = (one for one in page.numbers if one.label == "Expected cost of the shape in loss")
    assert number.value == f"{pool().regret(2 / 768, 10_000_000).expected:.1%}"


def test_a_plot_is_described_in_the_number_of_its_models() -> None:
    inside, other = bare_record("org/in"), bare_record("org/not", shape=shape_of(2, 768))
    for records, words in (
        ([inside], "1 of 1 audited model is inside."),
        ([inside, other, other], "1 of 3 audited models is inside."),
        ([other, other], "0 of 2 audited models are inside."),
    ):
        (plane,) = (one for one in page_of(*records, draw=True).sections if one.name == "plane")
        assert plane.blocks[0].description.endswith(words)


def test_references_are_listed_with_their_difference_to_the_only_model() -> None:
    record = record_of("org/smol")
    rows = {row[0].text: row for row in tables_of(page_of(record, references=REFERENCES), "efficiency")[0].rows}
    assert len(rows) == 9 and rows["org/smol"][2].text == "–"
    for other in REFERENCES:
        assert rows[other.name][2].text == interval_text(difference(record, other).estimate)
    several = tables_of(page_of(record, record_of("org/b", seed=1), references=REFERENCES), "efficiency")[0]
    assert {row[0].text for row in several.rows} == {one.name for one in REFERENCES}
    assert not [one for one in page_of(record).sections if one.name == "efficiency"]


TOKENS = (*HOSTILE, "\x1b[31mred", "\u202eback", "  ", "\r\n\t", "`|`", "![x](javascript:1)", "\u200b", "\ud800")


@pytest.mark.parametrize("text", TOKENS)
def test_hostile_tokens_are_seen_and_do_nothing(text: str) -> None:
    record = record_of(token={"token": text, "before": text * 3, "after": text}, token_share=0.9)
    page = page_of(record)
    for encoding in ("utf-8", "ascii"):
        terminal = "\n".join(shown(page, details=True, encoding=encoding))
        assert not re.search(r"[\x00-\x09\x0b-\x1f\x7f\u200b\u202e\ud800]", terminal)
        terminal.encode(encoding)
    document = render_html(page)
    assert "<img" not in document and document.count("<script>") == 1 and "\u202e" not in document
    document.encode()
    shown_html = MarkdownIt("commonmark").enable("table").render(render_markdown(page))
    assert not re.search(r"<(script|img|a href=.javascript)", shown_html)
    (table,) = (one for one in re.findall(r"<table>(.*?)</table>", shown_html, re.DOTALL) if "In its text" in one)
    assert [row.count("<td") for row in table.split("</tr>")[1:11]] == [5] * 10  # no token ends a cell
    (caution,) = page.answer[3:]
    assert all(one.isprintable() for one in caution) and caution.startswith("One token, “")


def test_the_card_is_yaml_and_markdown_whatever_the_name() -> None:
    for name in (*HOSTILE, "org/smol", "a: [b, 'c'] #"):
        record = record_of(name, scores=[measured_score(0.3)])
        (section,) = (one for one in page_of(record).sections if one.name == "card")
        metadata, text = (block.text for block in section.blocks if isinstance(block, Listing))
        found, results = model_index_to_eval_results(yaml.safe_load(metadata)["model-index"])
        assert found == page_of(record).title
        metrics = {one.metric_type: one for one in results}
        assert metrics["depth_width_ratio"].metric_value == pytest.approx(record.shape.ratio, rel=1e-5)
        value = record.metric("typical_efficiency")
        assert metrics["typical_efficiency"].metric_value == pytest.approx(value.value, rel=1e-5)
        assert metrics["typical_efficiency"].metric_args["standard_error"] == pytest.approx(value.se, rel=0.05)
        rendered = MarkdownIt("commonmark").enable("table").render(text)
        assert interval_text(value) in rendered and not re.search(r"<(script|img|b)\b", rendered)
    (bare,) = (one for one in page_of(bare_record()).sections if one.name == "card")
    assert [block.text[:2] for block in bare.blocks if isinstance(block, Listing)] == ["##"]


def test_many_models_have_one_table_of_all_numbers_instead_of_a_table_each() -> None:
    records = [record_of(f"org/{place}", seed=place, token_share=0.2) for place in range(7)]
    page = page_of(*records)
    names = [one.name for one in page.sections]
    assert "models" in names and "metrics" not in names and "card" not in names
    (every,) = tables_of(page, "models")
    assert every.name == "models" and len(every.rows) == 7
    assert len(tables_of(page, "heaviest")[0].rows) == 7
    few = [one.name for one in page_of(*records[:6]).sections]
    assert "models" not in few and {"metrics", "heaviest", "studies", "rounds", "card"} <= set(few)


def test_references_without_their_tokens_and_rounds_are_read() -> None:
    compact = record_of("org/c", rounds=[], heaviest={"token_share": 0.5, "permille_share": 0.6, "tokens": []})
    for page in (page_of(compact), page_of(compact, record_of("org/d", seed=1)), page_of(*[compact] * 8)):
        assert "50%" in "\n".join(shown(page, 120, details=True))


METRICS = ("typical_efficiency", "typical_spread", "typical_sensitivity", "tail", "typical_rank", "aofe", "kappa")
PLACES = (
    *(("estimates", kind, name) for kind in ("plugin", "unbiased") for name in METRICS),
    *(("loss", name) for name in ("loss_per_token", "loss_per_byte", "sensitivity_per_byte")),
)
"""Where a record holds a number that noise can leave undefined."""


@given(places=st.sets(st.sampled_from(PLACES)), whole=st.booleans())
@settings(max_examples=12, deadline=None)
def test_any_number_may_be_undefined(places: set[tuple[str, ...]], whole: bool) -> None:
    record = record_of()
    interaction = copy.deepcopy(dict(record.interaction))
    for *path, name in sorted(places):
        where = interaction
        for key in path:
            where = where[key]
        where[name] = None if whole else dict.fromkeys(where[name])
    interaction["cost"] = dict.fromkeys(interaction["cost"])
    one = replace(record, interaction=interaction, superposition={"embedding": {"aofe": None}})
    for page in (page_of(one, references=REFERENCES), page_of(one, record_of("org/b", seed=1))):
        assert "None" not in render_markdown(page) and "nan" not in "\n".join(shown(page, details=True))
    assert len(audit_files([one])["audit.csv"]) == 1


def test_figures_are_drawn_where_there_is_something_to_draw() -> None:
    def figures(page: Page) -> set[str]:
        return {block.name for one in page.sections for block in one.blocks if hasattr(block, "svg")}

    record = record_of("org/smol")
    assert figures(page_of(record)) == set()
    assert figures(page_of(record, draw=True)) == {"depth-width-plane"}
    assert figures(page_of(record, references=REFERENCES[:1], draw=True)) == {
        "depth-width-plane",
        "typical-efficiency",
        "spread-sensitivity",
    }
    scored = page_of(record_of(scores=[published_score(0.2)]), bare_record("org/b"), draw=True)
    assert figures(scored) == {"depth-width-plane", "score-size"}
    without_size = bare_record(shape=shape_of(parameters=None), scores=[published_score(0.2)])
    assert figures(page_of(without_size, draw=True)) == {"depth-width-plane"}


@pytest.mark.usefixtures("whole_figures")
def test_every_figure_of_one_model_names_it_in_colour(tmp_path: Path) -> None:
    record = record_of("org/smol", scores=[measured_score(0.3)])
    page = page_of(record, references=REFERENCES, draw=True)
    write_report(tmp_path, "audit", page, audit_files([record]))
    drawn = sorted((tmp_path / "plots").glob("*.svg"))
    names = ["depth-width-plane", "score-size", "spread-sensitivity", "typical-efficiency"]
    assert [one.stem for one in drawn] == names
    for one in drawn:
        assert ">smol</text>" in html.unescape(one.read_text()), one.stem
    assert len(list((tmp_path / "plots").glob("*.png"))) == 4


def test_csv_has_value_and_error_of_both_estimates_and_only_measured_scores(tmp_path: Path) -> None:
    scores = [measured_score(0.2, protocol="mc"), published_score(0.3, "olmes")]
    record = record_of("org/a", scores=scores)
    bare = bare_record("org/b", shape=shape_of(parameters=None))
    write_report(tmp_path, "audit", page_of(record, bare), audit_files([record, bare]))
    row, empty = csv.DictReader(io.StringIO((tmp_path / "audit.csv").read_text()))
    for name in ("typical_efficiency", "tail", "aofe_ratio"):
        assert float(row[name]) == record.interaction["estimates"]["unbiased"][name]["value"]
        assert float(row[f"plugin_{name}_se"]) == record.interaction["estimates"]["plugin"][name]["se"]
    assert row["mmlu_pro_mc"] == "0.2" and "mmlu_pro_olmes" not in row
    assert (row["ended_by"], row["context"], row["token_share"]) == ("precision", "16", "0.01")
    # What another model lacks makes no whole number a decimal one.
    assert row["parameters"] == str(record.shape.parameters.total) and row["tokens"] == "1536"
    assert empty["parameters"] == empty["aofe_ratio"] == "" and empty["depth"] == str(record.shape.depth)


def test_records_of_one_model_are_told_apart_and_do_not_overwrite_each_other(tmp_path: Path) -> None:
    probe = {"name": "builtin", "sha256": "cd" * 32}
    records = [record_of(), record_of(windows=16), record_of(probe=probe), record_of(), bare_record()]
    rows = [row[0].text for row in tables_of(page_of(*records), "numbers")[0].rows]
    assert sorted(rows) == [
        "org/model",
        "org/model, builtin, 1,536 tokens",
        "org/model, wikitext, 1,536 tokens",
        "org/model, wikitext, 1,536 tokens (2)",
        "org/model, wikitext, 384 tokens",
    ]
    assert len([path for path in audit_files(records) if path.startswith("records/")]) == 5


def test_models_of_one_name_do_not_leave_the_folder(tmp_path: Path) -> None:
    for folder in ("a/model", "b/model"):
        (tmp_path / folder).mkdir(parents=True)
    names = [str(tmp_path / "a/model"), str(tmp_path / "b/model"), "../../etc/passwd", "org/../../x"]
    records = [record_of(name, seed=place) for place, name in enumerate(names)]
    paths = write_report(tmp_path / "out", "audit", page_of(*records), audit_files(records))
    assert len(set(paths)) == 7
    assert all(path.resolve().is_relative_to(tmp_path / "out") for path in paths)


def test_a_page_names_no_folder_of_this_machine(tmp_path: Path) -> None:
    (tmp_path / "model").mkdir()
    records = [record_of(str(tmp_path / "model")), bare_record(str(tmp_path / "model"))]
    for page in (page_of(records[0]), page_of(*records), page_of(*records * 4)):
        assert str(tmp_path) not in render_markdown(page) + render_html(page)


def test_quiet_is_told_the_three_sentences_and_nothing_else() -> None:
    heavy = record_of(token_share=0.9)
    for page in (page_of(heavy), page_of(heavy, record_of("org/b", seed=1)), page_of(*[heavy] * 9)):
        assert page.headlines == 3 < len(page.answer)


@pytest.mark.parametrize("width", [40, 60, 80, 120, 170])
def test_it_fits_the_terminal(width: int) -> None:
    records = [record_of(f"organisation/a-model-with-a-long-name-{place}B", seed=place) for place in range(3)]
    for given_ in (records[:1], records):
        lines = shown(page_of(*given_, references=REFERENCES), width, details=True)
        card = next(place for place, line in enumerate(lines) if line.startswith("model-index:"))
        assert max(map(len, lines[:card])) <= width
