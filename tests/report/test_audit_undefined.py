"""What a record lacks is left out of its page: errors that noise made undefined, block products, scores' protocols."""

import json
from typing import Any

import pytest

from nil_audit.auditing.record import Record, record_from
from nil_audit.auditing.reference import compact
from nil_audit.report.audit.card import card_metadata, card_section
from nil_audit.report.audit.page import audit_files, audit_page
from nil_audit.report.audit.ranking import rank
from nil_audit.report.render.html import render_html
from nil_audit.report.render.markdown import render_markdown
from nil_audit.report.render.page import Figure
from tests.report.records import bare_record, measured_score, record_of


def without_errors(record: Record) -> Record:
    """The record with every error of its typical numbers undefined, as a file holds that."""
    document = json.loads(record.to_json())
    for name in ("typical_efficiency", "typical_rank", "typical_spread"):
        document["interaction"]["estimates"]["unbiased"][name] |= dict.fromkeys(("se", "low", "high", "bias"))
    return record_from(document)


def test_an_undefined_error_is_no_interval_and_no_number_of_the_card() -> None:
    record = without_errors(record_of("org/a"))
    value = record.metric("typical_efficiency").value
    page = audit_page([record], command="x", draw=True)
    assert f"Its typical efficiency is {value:.2f} nats" in page.answer[1]
    assert [(one.value, one.detail) for one in page.numbers if "efficiency" in one.label] == [(f"{value:.2f}", "")]
    (entry,) = rank([record]).entries
    assert "value: 4." in (card_metadata(entry) or "") and "nan" not in (card_metadata(entry) or "").lower()
    for shown in (page, audit_page([record, record_of("org/b", seed=1)], command="x", draw=True)):
        text = render_markdown(shown)
        assert "[–, –]" not in text and "nan" not in text.split("## Command")[0].replace("nats", "")
        assert "[–, –]" not in render_html(shown)
    assert "[–" not in card_section(entry)


@pytest.mark.parametrize("products", [False, True])
def test_a_compact_record_has_a_page_of_what_it_holds(products: bool) -> None:
    whole = record_of("org/a")
    small = record_from(compact(whole.to_dict(), products=products))
    page = audit_page([small], command="x", draw=True)
    assert page.answer[:3] == audit_page([whole], command="x", draw=False).answer[:3]
    text = render_markdown(page)
    assert ("of 12 directions)" in text) == products and "directions)" in text
    assert any(one.name == "metrics" for one in page.sections)
    assert any(one.name == "rounds" for one in page.sections) == products
    assert audit_files([small])["audit.csv"]["typical_efficiency"].notna().all()
    for others in ((whole,), (record_of("org/b", seed=1),)):
        assert render_markdown(audit_page([small, *others], command="x", draw=True))


def test_the_line_of_chance_is_that_of_the_protocol_that_is_drawn() -> None:
    other: dict[str, Any] = measured_score(0.5, protocol="harness") | {"chance": 0.25}
    records = [
        bare_record("org/a", scores=[other]),
        bare_record("org/b", scores=[measured_score(0.3)]),
        bare_record("org/c", scores=[measured_score(0.4)]),
    ]
    (figure,) = (
        block
        for one in audit_page(records, command="x", draw=True).sections
        for block in one.blocks
        if isinstance(block, Figure) and block.name == "score-size"
    )
    assert "protocol leaderboard" in figure.caption and "Dotted: chance, 11.1%." in figure.caption
