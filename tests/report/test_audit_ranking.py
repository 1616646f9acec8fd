"""The one order of a page: by efficiency, and never against the difference that stands beside two neighbours."""

import json
from collections import Counter
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nil_audit.auditing.record import Record, difference, record_from
from nil_audit.auditing.several import Audits
from nil_audit.report.audit import ranking as ranking_module
from nil_audit.report.audit.answer import ordinal
from nil_audit.report.audit.page import audit_page
from nil_audit.report.audit.ranking import Ranking, rank
from nil_audit.report.audit.tables import BY_COMMON_TEXT
from nil_audit.report.render.page import Figure, Table
from tests.report.records import record_of


def grown(name: str, early: float, late: float, *, seed: int = 0, windows: int = 128) -> Record:
    """A record whose first 16 windows lie these nats above, and all of its text those, what its seed gives."""
    document = json.loads(record_of(name, seed=seed, windows=windows, shift=late).to_json())
    for round_ in document["interaction"]["rounds"]:
        if round_["windows"] == 16:
            sizes = round_["products"]["embedding_square"]
            round_["products"]["embedding_square"] = [size * 2.718281828459045 ** (late - early) for size in sizes]
    return record_from(document)


SHORT = record_of("org/short", windows=16, shift=0.5)
LONG = grown("org/long", early=1.5, late=0.0, seed=1)
"""Less efficient on all of its text, more efficient on the 16 windows that both have read."""


def tables_of(page: Any, section: str) -> list[Table]:
    return [block for one in page.sections if one.name == section for block in one.blocks if isinstance(block, Table)]


def test_the_two_records_speak_against_each_other() -> None:
    own = [record.metric("typical_efficiency").value for record in (SHORT, LONG)]
    gap = difference(LONG, SHORT)
    assert own[0] > own[1] and gap.paired and gap.windows == 16 and gap.estimate.low > 0


@pytest.mark.parametrize("records", [(SHORT, LONG), (LONG, SHORT)])
def test_everything_follows_the_difference_on_the_windows_that_both_have_read(records: tuple[Record, ...]) -> None:
    page = audit_page(records, references=others(5), command="x", draw=True)
    gap = difference(LONG, SHORT).estimate
    assert f"org/long is more efficient than org/short by {gap.value:.2f} [{gap.low:.2f}" in page.answer[1]
    assert page.answer[1].index("org/long") < page.answer[1].index("org/short")
    assert {one.label: one.detail for one in page.numbers if "efficient" in one.label} == {
        "Most efficient": "org/long",
        "Least efficient": "org/short",
    }
    (table,) = tables_of(page, "numbers")
    assert [row[0].text for row in table.rows] == ["org/long", "org/short"]
    cell = table.rows[0][[one.label for one in table.columns].index("Minus the next")]
    assert cell.value == gap.value > 0 and cell.text.endswith("†")
    assert table.note == BY_COMMON_TEXT
    order = [entry.name for entry in rank(records, others(5)).among]
    places = [order.index(name) + 1 for name in ("org/long", "org/short")]
    assert places == sorted(places)
    assert f"org/long {ordinal(places[0])} and org/short {ordinal(places[1])}." in page.answer[1]
    (strip,) = (
        block
        for one in page.sections
        for block in one.blocks
        if isinstance(block, Figure) and block.name == "typical-efficiency"
    )
    assert "the windows that both have read" in strip.caption
    assert repr(Audits(records)).startswith("<Audits of 2 models: most efficient org/long, ")


def test_one_model_is_placed_among_references_by_what_both_have_read() -> None:
    ranking = rank([SHORT], [LONG, *others(5)])
    order = [entry.name for entry in ranking.among]
    assert order.index("org/long") == order.index("org/short") - 1  # whatever references have numbers between theirs
    assert len([one for one in others(5) if 4.4 < one.metric("typical_efficiency").value < 4.8]) == 1
    page = audit_page([SHORT], references=[LONG, *others(5)], command="x", draw=False)
    assert f"{ordinal(order.index('org/short') + 1)} of 7 models at hand" in page.answer[1]
    assert "below org/long" in page.answer[1]
    (table,) = tables_of(page, "efficiency")
    rows = {row[0].text: row for row in table.rows}
    assert rows["org/long"][2].text.endswith("†") and rows["org/long"][2].value < 0
    assert BY_COMMON_TEXT in table.note and list(rows) == order


def others(number: int) -> list[Record]:
    return [record_of(f"org/other-{place}", seed=10 + place, shift=place - 2.0) for place in range(number)]


def contradictions(ranking: Ranking) -> list[tuple[str, str]]:
    """Neighbours, one of them asked for, whose difference excludes zero against their order."""
    return [
        (one.name, other.name)
        for order in (ranking.ranked, ranking.among)
        for one, other in pairwise(order)
        if not (one.reference and other.reference)
        and (gap := difference(one.record, other.record))
        and gap.estimate.excludes_zero
        and gap.estimate.value < 0
    ]


MODELS = st.lists(
    st.tuples(
        st.sampled_from([-1.0, -0.3, 0.0, 0.3, 1.0]),
        st.sampled_from([-1.0, -0.3, 0.0, 0.3, 1.0]),
        st.sampled_from([16, 32, 128]),
        st.booleans(),
    ),
    min_size=2,
    max_size=8,
)


@given(models=MODELS)
@settings(max_examples=25, deadline=None)
def test_no_order_speaks_against_a_difference_that_is_stated_beside_it(
    models: list[tuple[float, float, int, bool]],
) -> None:
    made = [
        (grown(f"org/{place}", early, late, seed=place, windows=windows), reference and place > 0)
        for place, (early, late, windows, reference) in enumerate(models)
    ]
    given_, beside = ([record for record, reference in made if reference is which] for which in (False, True))
    found = rank(given_, beside)
    assert contradictions(found) == []
    assert [entry for entry in found.among if not entry.reference] == list(found.ranked)
    assert {entry.name for entry in found.among} == {record.name for record, _ in made}
    assert [entry.name for entry in rank(given_, beside).among] == [entry.name for entry in found.among]


def test_each_difference_is_computed_once_and_none_to_order_what_read_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: Counter[tuple[str, str]] = Counter()

    def counted(one: Record, other: Record) -> Any:
        asked[one.name, other.name] += 1
        return difference(one, other)

    monkeypatch.setattr(ranking_module, "difference", counted)
    records = [record_of(f"org/{place}", seed=place, shift=place) for place in range(8)]
    ranking = rank(records)
    assert not asked
    pairs = [(one.name, other.name) for one, other in pairwise(ranking.ranked)]
    for _ in range(2):
        assert all(ranking.next_below(one) for one in ranking.ranked[:-1])
    assert asked == Counter(pairs)
    asked.clear()
    Audits([*records, record_of("org/z", seed=9, windows=16)])._repr_html_()
    assert max(asked.values()) == 1


def test_references_of_another_setting_are_not_among_the_models_and_lend_no_name() -> None:
    given_ = [record_of("org/a"), record_of("org/b", seed=1)]
    twice = [record_of("org/r", seed=5), record_of("org/r", seed=5, windows=16, window=256)]
    assert [entry.name for entry in rank(given_, twice).others] == ["org/r"]
