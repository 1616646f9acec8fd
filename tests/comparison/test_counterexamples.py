"""Counterexamples: which models are named, and in what order."""

from dataclasses import replace

from nil_audit.comparison.counterexamples import counterexamples
from nil_audit.comparison.result import ModelRow

ROW = ModelRow(
    model="m",
    family="f",
    depth=24,
    width=1024,
    ratio=24 / 1024,
    parameters=5e8,
    tokens=None,
    release=None,
    lineage=None,
    score=0.2,
    stderr=0.004,
    chance=0.11,
    at_floor=False,
    flag=None,
    uncertain=None,
    origin="table",
    source="",
    band="under_1b",
    verdict="inside",
    distance={"law": 0.0},
    deviation={"law": -0.5},
    expected=0.2,
    residual=0.0,
    metrics={},
)


def row(name: str, residual: float | None, distance: float, **other: object) -> ModelRow:
    return replace(ROW, model=name, residual=residual, distance={"law": distance}, **other)  # type: ignore[arg-type]


def test_both_kinds_are_named_the_farthest_off_first() -> None:
    found = counterexamples(
        [
            row("inside below", -0.05, 0.0),
            row("inside farther below", -0.09, 0.0),
            row("inside above", 0.05, 0.0),
            row("outside above", 0.06, -0.4),
            row("outside below", -0.06, 0.7),
            row("within its own error", -0.007, 0.0),
            row("flagged", -0.2, 0.0, flag="broken run"),
            row("of unknown size", None, 0.0, parameters=None, expected=None),
        ]
    )
    assert [(one.kind, one.model) for one in found] == [
        ("inside_below", "inside farther below"),
        ("inside_below", "inside below"),
        ("outside_above", "outside above"),
    ]
    assert found[2].distance == -0.4
    assert found[0].standardised < found[1].standardised < 0 < found[2].standardised


def test_three_models_at_least() -> None:
    assert counterexamples([row("a", -0.1, 0.0), row("b", 0.1, -1.0)]) == ()
