"""The answer in words: an opening for every strength, and sentences that carry the shipped models' numbers."""

from dataclasses import replace

import pytest

from nil_audit.comparison.compare import compare
from nil_audit.comparison.result import Answer, Association, Comparison
from nil_audit.report.comparison.answer import headline, rule_table, sentences
from nil_audit.stats.estimate import Estimate

PRIMARY = Association(
    predictor="deviation_law", given="size_curve", families=9, estimate=Estimate(value=-0.3, low=-0.5, high=-0.1, n=40)
)


def answer(strength: str, primary: Association | None = PRIMARY) -> Answer:
    return Answer(
        protocol="leaderboard",
        models=40,
        sized=38,
        families=9,
        sized_families=9,
        strength=strength,
        rules=(),
        primary=primary,
    )


@pytest.mark.parametrize(
    ("strength", "opening"),
    [
        ("strong", "The data support the law, and the evidence is strong: "),
        ("moderate", "The data support the law, and the evidence is moderate: "),
        ("weak", "The data lean towards the law, and the evidence is weak: "),
        ("contradicts", "The data contradict the law: "),
        ("none", "The data do not support the law: "),
    ],
)
def test_every_strength_has_its_opening_and_the_number(strength: str, opening: str) -> None:
    text = headline(answer(strength))
    assert text.startswith(opening)
    assert text.endswith(
        "goes with score by −0.30 [−0.50, −0.10] (partial Spearman correlation; below zero would be as the law says),"
        " in 40 models of 9 families."
    )


def test_too_few_models_are_told_how_many_are_needed() -> None:
    assert headline(replace(answer("insufficient", None), sized=8, sized_families=6)) == (
        "Nothing can be said about the law: 40 models of 9 families with a usable score (8 of 6 families with known"
        " size), and at least 10 models of 5 families with known size are needed."
    )


def test_enough_models_are_not_told_that_more_are_needed() -> None:
    assert headline(answer("insufficient", None)).endswith(
        "40 models of 9 families have a usable score, but shapes or scores do not vary once size is held fixed."
    )
    assert headline(answer("insufficient")).endswith(
        "but without some family no correlation can be made, or no family changes it."
    )


@pytest.fixture(scope="module")
def shipped() -> Comparison:
    return compare(permutations=99, splits=10)


def test_sentences_about_the_shipped_models(shipped: Comparison) -> None:
    text = " ".join(sentences(shipped))
    for part in (
        "A true correlation anywhere from −0.30 to +0.09 would be compatible with these data",
        "goes with score by +0.25 [+0.08, +0.41], and R itself by −0.25 [−0.41, −0.08]; size goes with score by +0.71",
        "the rank of parameters alone −0.19 [−0.38, +0.01] (n = 113)",
        "5B to 9.5B +0.68 [+0.45, +0.82] (n = 34)",
        "48 of 113 models are at the chance floor",
        "The 19 models inside the law's interval score +4.5 [+0.2, +8.8] points against the 94 outside",
        "None of the 9 numbers held against score survives correction",
        "By other protocols: olmes −0.09",
        "is not an experiment on shape.",
    ):
        assert part in text, part


def test_what_could_not_be_made_is_passed_over(shipped: Comparison) -> None:
    bare = replace(shipped, findings=type(shipped.findings)(), others=(), models=shipped.models.assign(at_floor=False))
    assert len(sentences(bare)) == 1


def test_every_rule_says_what_it_was_decided_on(shipped: Comparison) -> None:
    rows = {rule.key: row for rule, row in zip(shipped.answer.rules, rule_table(shipped).rows, strict=True)}
    assert [cell.text for cell in rows["floor"][1:]] == ["holds", "−0.24 [−0.47, +0.03], 65 models"]
    assert [cell.text for cell in rows["effect"][1:]] == ["fails", "0.11"]
    assert rows["tokens"][2].text == "−0.20 [−0.43, +0.05], 52 models"
