"""The tables of the report: what each row says, and what becomes of numbers that are missing or many."""

import math
from dataclasses import replace

import pytest

from nil_audit.comparison.findings import (
    Choice,
    Contrast,
    Effect,
    Families,
    Floor,
    Influence,
    Removal,
    Skill,
    Specification,
    SpecificationCurve,
)
from nil_audit.comparison.outcome import LOSS, Outcome
from nil_audit.comparison.result import Comparison, Omission
from nil_audit.report.comparison import choices, contrasts, data, influence
from nil_audit.report.comparison.appendix import model_table
from nil_audit.report.render.page import Table
from nil_audit.stats.estimate import Estimate


def _texts(table: Table) -> list[list[str]]:
    return [[cell.text for cell in row] for row in table.rows]


def _with(comparison: Comparison, **findings: object) -> Comparison:
    return replace(comparison, findings=replace(comparison.findings, **findings))


def test_size_controls_stand_best_fit_first_after_the_answers(comparison):
    rows = choices.effect_table(comparison).rows
    fits = sorted(comparison.findings.size_fits, key=lambda one: one.held_out)
    assert rows[0][0].text.startswith("answer: ") and rows[0][0].strong and not rows[1][0].strong
    table = choices.size_table(comparison)
    assert [row[2].value for row in table.rows] == [one.held_out for one in fits]
    shown = {row[0].text.removeprefix("answer: "): row[1].text for row in rows[: len(fits)]}
    others = [row[0].text for row in table.rows if not row[0].strong]
    assert list(shown)[1:] == others and {row[0]: row[1] for row in _texts(table)} == shown
    assert "natural cubic spline" in table.note


def test_every_effect_stands_in_one_of_two_tables(comparison):
    first, further = choices.effect_table(comparison), choices.further_table(comparison)
    assert len(first.rows) + len(further.rows) == len(comparison.findings.effects)
    assert not {row[0].text for row in first.rows} & {row[0].text for row in further.rows}


def _curve(p: float | None = 0.03) -> SpecificationCurve:
    one = Specification(
        control="spline", release="none", covariates="none", estimator="least_squares", subset="all",
        value=0.4, low=-0.1, high=0.9, models=40,
    )  # fmt: skip
    return SpecificationCurve(
        specifications=(one, replace(one, value=0.9, low=0.1, primary=True)),
        median=0.65,
        positive=1.0,
        significant_positive=0.5,
        significant_negative=0.0,
        p=p,
        permutations=999,
        choices=(
            Choice(choice="subset", medians={"above_floor": 0.2, "all": 0.4, "from_scratch": 1.05}, span=0.85),
            Choice(choice="release", medians={"none": 0.65}, span=0.0),
        ),
    )


def test_the_specification_curve_is_told_in_shares_and_one_p_value():
    text = choices.specification_sentence(_curve(), "families")
    assert "Each of 2 analyses" in text and "the median is 0.65 times" in text
    assert "100% are above 0, 50% have an interval above 0 and 0% one below" in text
    assert "p 0.030 (999 permutations, families moved whole)." in text
    assert "permutations" not in choices.specification_sentence(_curve(None), "families")
    assert _texts(choices.choice_table(_curve())) == [
        ["which models", "0.85", "above the chance floor: 0.20", "trained from scratch: 1.05"]
    ]


def test_a_mapping_says_what_is_changed_from_what(comparison):
    labels = [row[0] for row in _texts(choices.mapping_table(comparison))]
    assert "an e-fold of parameters is worth 3% of loss, not 3.9%" in labels
    assert "an e-fold of parameters is worth 5.5% of loss, not 3.9%" in labels
    assert [one for one in labels if one.startswith("curvature 0.01") and one.endswith(", not 0.0147")]
    assert labels[-1] == "score of size as it would be if the prediction held"
    assert len(labels) - 1 == len(comparison.findings.mappings) == len(set(labels)) - 1


def test_each_studys_prediction_stands_beside_what_could_be_seen_of_it(comparison):
    rows = {row[0].text: row for row in choices.prediction_table(comparison).rows}
    assert set(rows) >= {"law", "morph", "chinchilla", "gemstones"} and rows["law"][0].strong
    for one in comparison.findings.predictions:
        assert rows[one.study][1].text == f"{one.mean:.2f}"
        assert one.effect and rows[one.study][5].text == f"{one.effect.detectable:.2f}"
    none = _with(comparison, predictions=(replace(comparison.findings.predictions[0], effect=None),))
    assert [cell.text for cell in choices.prediction_table(none).rows[0][4:]] == ["–", "–"]


def test_what_the_pool_predicts_is_said_with_what_could_be_seen_of_it(comparison):
    (one,) = [found for found in comparison.findings.predictions if found.study == "pooled"]
    said, labels = choices.pooled_sentence(comparison), comparison.usable["verdict"].tolist()
    for label in set(labels):
        assert f"{labels.count(label)} {label}" in said
    assert f"costs {one.mean:.1f} points of MMLU-Pro on average, {one.largest:.1f} at most, with a spread of" in said
    assert said.endswith(f"such data mostly miss an effect below {one.effect.detectable:.1f} times that.")
    assert choices.pooled_sentence(_with(comparison, predictions=())) == ""


def test_out_of_sample_errors_stand_beside_what_the_cost_saves(comparison):
    skill = Skill(
        split="release", cutoff="2024-02", splits=1, train=50, test=60, error_size=7.4, error_with=7.1,
        error_predicted=7.3, estimate=Estimate(value=0.08, low=-0.02, high=0.18),
    )  # fmt: skip
    halves = replace(skill, split="halves", cutoff=None, splits=200)
    rows = _texts(choices.skill_table(_with(comparison, skills=(skill, halves))))
    assert rows[0] == ["released before 2024-02", "50 + 60", "7.40", "7.10", "7.30", "+8.0 [−2.0, +18.0]"]
    assert rows[1][0] == "random halves, 200 times"


def _influence(*removals: Removal) -> Influence:
    changes = {"org/a": -0.21, "org/b": 0.11, "org/c": 0.02, "org/d": 0.01}
    return Influence(removals=removals, models=changes, organisations={"A": 0.3})


def test_the_fewest_removals_are_named_and_a_search_that_found_nothing_says_how_far_it_went(comparison):
    effect = comparison.findings.effects[0]
    found = Removal(unit="model", target="interval", removed=("org/a", "org/b"), tried=12, effect=effect)
    many = replace(found, target="sign", removed=tuple(f"m{one}" for one in range(12)))
    none = Removal(unit="organisation", target="contradicted", removed=(), tried=5, effect=None)
    rows = _texts(influence.removal_table(_influence(found, many, none)))
    assert rows[0][:2] == ["its interval excludes 0", "2 models: org/a and org/b"]
    assert rows[1][1] == "12 models: m0, m1, m2, m3, m4, m5, m6, m7 and 4 more"
    assert rows[2] == ["the answer becomes 'contradicted'", "no set of up to 5 organisations found", "–"]


def test_the_largest_influences_are_signed_as_what_they_add():
    text = influence.influence_sentence(_influence())
    assert "the models org/a (+0.21), org/b (−0.11) and org/c (−0.02); the organisations A (−0.30)." in text
    assert influence.influence_sentence(replace(_influence(), models={}, organisations={})) == ""


def test_counterexamples_are_the_furthest_off_and_their_number_is_told(comparison):
    for kind in ("inside_below", "outside_above"):
        found = list(comparison.counterexamples(kind))
        table = influence.counterexample_table(comparison, kind)
        assert f": {len(found)}." in table.caption and len(table.rows) == min(len(found), influence.MOST_NAMES)
        off = [abs(row[1].value) for row in table.rows]
        assert off == sorted(off, reverse=True)


def _contrast(**changes: object) -> Contrast:
    values = {
        "study": "law",
        "inside": 19,
        "outside": 94,
        "estimate": Estimate(value=3.4, low=-0.7, high=7.6, p=0.1),
        "p_adjusted": 0.3,
        "predicted": 0.9,
        "controls": {"spline": Estimate(value=4.5, low=0.2, high=8.8)},
        "bands": {},
        "organisations": (("Alibaba", 0.7), ("A very long organisation's name", 4.4)),
        "draws": (2.8, -0.2, 3.9),
        "near_edge": 12,
        "same_ratio": (29, 1 / 128),
        "within_families": None,
        "matched": Estimate(value=5.6, n=7),
        "size_gap": math.log(0.5),
    }
    return Contrast(**{**values, **changes})


def test_a_contrast_is_a_column_with_its_difference_first(comparison):
    bare = _contrast(study="morph", organisations=None, draws=None, matched=None, controls={}, same_ratio=None)
    comparison = replace(comparison, control="spline_rank")
    table = contrasts.contrast_table(_with(comparison, contrasts=(_contrast(), bare)))
    rows = {row[0]: row[1:] for row in _texts(table)}
    assert [column.label for column in table.columns] == ["", "law", "morph"]
    assert next(iter(rows)) == "difference" and rows["difference"] == ["+3.4 [−0.7, +7.6]"] * 2
    assert rows["its own curve predicts"] == ["+0.9", "+0.9"] and rows["p, alone and among all"][0] == "0.10, 0.30"
    assert rows["size by smooth curve"] == ["+4.5 [+0.2, +8.8]", "–"]
    assert rows["without one organisation"] == ["+0.7 to +4.4", "–"] and rows["least without"] == ["Alibaba", "–"]
    assert rows["most without"][0] == "A very long organis…"
    assert rows["matched pairs"] == ["+5.6, 7 pairs", "–"] and "Matched pairs" in table.note
    assert rows["over the interval's draws"][0] == "+2.8 [−0.2, +3.9]"
    assert rows["most outside at one R"][0] == "29 at 0.0078" and rows["size inside, over outside"][0] == "0.50 times"
    assert "within families alone" not in rows  # nobody has it
    assert "Matched pairs" not in contrasts.contrast_table(_with(comparison, contrasts=(bare,))).note
    assert contrasts.contrast_table(_with(comparison, contrasts=())).rows == ()


def test_the_data_are_told_by_number(comparison):
    floor = Floor(level=0.1243, below=12, above=27, reliability_below=0.52, reliability_above=0.996)
    families = Families(families=9, several=8, varying=7, organisations=9, share=0.58)
    items = data.data_bullets(_with(comparison, floor=floor, families=families)).items
    text = " ".join(items)
    assert items[0].startswith("In: 39 models of 9 families") and "released 2022-" in items[0]
    assert "12 of 39 models score no more than one can without reading a question (12.4%)" in text
    assert "52% is more than sampling error; above the floor 99.6%." in text
    assert "8 of 9 have several models, and in 7 of them R varies" in text and "58% of what size leaves open" in text
    held, bare = (comparison.findings.effect(row) for row in ("tokens", "tokens_baseline"))
    assert isinstance(held, Effect) and isinstance(bare, Effect)
    assert (
        f"{held.estimate.value:.2f}".replace("-", "−") in text
        and f"On the {held.estimate.n} models that have them" in text
    )


def test_a_loss_names_its_column_and_has_no_floor(comparison):
    loss = Outcome(name="loss", column="loss", lower_is_better=True, unit=LOSS)
    items = data.data_bullets(_with(replace(comparison, outcome=loss), floor=None)).items
    assert "Outcome: column loss; lower is better." in items and not [one for one in items if "Floor" in one]


def test_models_left_out_for_one_reason_share_a_row(comparison):
    out = tuple(Omission(what=f"m{one}", reason="No score.") for one in range(8))
    table = data.excluded_table(replace(comparison, excluded=(*out, Omission(what="x", reason="Post-trained."))))
    assert _texts(table) == [
        ["m0, m1, m2, m3, m4, m5 and 2 more", "No score."],
        ["x", "Post-trained."],
        ["org/model-20", "wrong <b>run</b>"],
    ]
    assert table.caption.startswith("Out: 10 models")


@pytest.mark.parametrize("origin", ["published", "table"])
def test_only_published_models_link_to_the_hub(comparison, origin):
    other = replace(comparison, models=comparison.models.assign(origin=origin))
    linked = [row[0].href for row in model_table(other).rows if row[0].href]
    assert bool(linked) == (origin == "published")
