"""What an audit says first: sentences on shape, interaction and score, and what must be said beside them."""

import csv
import json
import re
from importlib.resources import files
from statistics import median

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nil_audit.auditing.record import Record, difference, read_record, record_from
from nil_audit.catalog.lists import shipped_list
from nil_audit.interaction.metrics import mean_is_covered
from nil_audit.law.pooled import pool, verdict
from nil_audit.report.audit.page import audit_page
from nil_audit.report.render.text import with_minus_signs
from tests.auditing.test_record import SCHEMA_1
from tests.report.records import bare_record, measured_score, published_score, record_of, shape_of


def answer(*records: Record, references: tuple[Record, ...] = ()) -> tuple[str, ...]:
    return audit_page(records, references=references, command="x", draw=False).answer


def others(number: int, **setting: object) -> tuple[Record, ...]:
    return tuple(
        record_of(f"org/other-{place}", seed=10 + place, shift=0.3 * place - 0.7, **setting) for place in range(number)
    )


def test_the_shape_sentence_says_what_the_shape_is_expected_to_cost_and_how_far_that_is_read() -> None:
    found = pool().regret(30 / 576, 134_515_008)
    assert answer(record_of("org/smol"))[0] == (
        f"org/smol (30 x 576, R 0.0521, 135M parameters) is inside: expected to cost {found.expected:.1%}"
        f" [{100 * found.low:.1f}, {100 * found.high:.1f}] of loss over the best shape of its budget,"
        f" {found.within:.0%} likely under 1%; its budget and ratio are within the runs pooled."
    )


@given(depth=st.integers(1, 120), width=st.sampled_from([64, 256, 768, 2048, 8192]), size=st.integers(10**6, 10**11))
@settings(max_examples=40, deadline=None)
def test_every_shape_gets_one_sentence_with_its_verdict_and_its_expected_cost(
    depth: int, width: int, size: int
) -> None:
    (said, interaction, score) = answer(bare_record(shape=shape_of(depth, width, size)))
    regret = verdict(depth / width, size).regret
    assert f"is {regret.label}: expected to cost {regret.expected:.1%} [" in said
    assert said.endswith(".") and not re.search(r"\.\s", said)
    assert ("its budget is " in said) == (pool().extrapolation(depth / width, size).parameters != 1)
    assert "--shape-only" in interaction and "nil-audit score" in score


def test_a_size_that_is_not_known_is_said() -> None:
    said = answer(bare_record(shape=shape_of(parameters=None)))[0]
    assert "parameters) is" not in said and "its size is not known and is taken as 1B parameters" in said
    scored = answer(bare_record(shape=shape_of(parameters=None), scores=[published_score(0.2)]))[2]
    assert "its size is not known" in scored


def test_nothing_is_claimed_from_fewer_than_five_other_models() -> None:
    record = record_of("org/smol")
    value = record.metric("typical_efficiency")
    start = f"Its typical efficiency is {value.value:.2f} [{value.low:.2f}, {value.high:.2f}] nats"
    assert answer(record)[1] == (
        f"{start}; no other model at hand was measured alike, so there is nothing yet to compare with."
    )
    assert answer(record, references=others(1))[1] == (
        f"{start}; only 1 other model at hand was measured alike, too few yet to compare with."
    )
    assert answer(record, references=others(4))[1].startswith(f"{start}; only 4 other models at hand were")
    assert " of 6 models at hand: " in answer(record, references=others(5))[1]


@given(shift=st.floats(-2, 2), number=st.integers(5, 9))
@settings(max_examples=20, deadline=None)
def test_the_place_and_the_nearest_neighbours_are_those_of_the_numbers(shift: float, number: int) -> None:
    record, beside = record_of("org/smol", shift=shift), others(number)
    said = answer(record, references=beside)[1]
    own = record.metric("typical_efficiency").value
    above = sorted((one for one in beside if one.metric("typical_efficiency").value > own), key=_efficiency)
    below = sorted((one for one in beside if one.metric("typical_efficiency").value <= own), key=_efficiency)
    ordinals = ("first", "second", "third", "fourth", "fifth", "sixth", "7th", "8th", "9th", "10th")
    assert f", {ordinals[len(above)]} of {number + 1} models at hand: " in said
    for neighbour in (*above[:1], *below[-1:]):
        found = difference(record, neighbour).estimate
        if found.excludes_zero:
            ends = sorted(map(abs, found.interval))
            side = "above" if found.value > 0 else "below"
            assert f"{abs(found.value):.2f} [{ends[0]:.2f}, {ends[1]:.2f}] {side} {neighbour.name}" in said
        else:
            assert re.search(f"not to be told apart from .*{neighbour.name} \\(difference ", said)
    assert sum(one.name in said for one in beside) == len(above[:1]) + len(below[-1:])


def _efficiency(record: Record) -> float:
    return record.metric("typical_efficiency").value


def test_models_that_were_measured_otherwise_are_not_at_hand() -> None:
    record = record_of("org/smol")
    assert "nothing yet to compare with" in answer(record, references=others(6, window=256))[1]
    same = record_of("org/smol", seed=3), record_of("org/renamed")  # the same name, and the same weights
    assert "nothing yet to compare with" in answer(record, references=same)[1]


def test_an_older_record_says_what_it_lacks() -> None:
    said = answer(read_record(SCHEMA_1))[1]
    assert "older estimator" in said and "measure it again" in said
    assert f"{read_record(SCHEMA_1).metric('interaction_efficiency').value:.2f}" in said


def _brute_force(parameters: float, without: str = "") -> list[float]:
    """Accuracies of base models within a factor of 1.5, by the files alone."""
    sizes = {row["model"].lower(): row["parameters"] for row in shipped_list().to_dict("records")}
    with files("nil_audit.catalog").joinpath("scores.csv").open(encoding="utf-8") as file:
        rows = [row for row in csv.DictReader(file) if row["protocol"] == "leaderboard" and row["kind"] == "base"]
    found: dict[str, float] = {}
    for row in sorted(rows, key=lambda one: one["date"]):
        name = row["model"].lower()
        if not row["flag"] and name != without and parameters / 1.5 <= sizes.get(name, 0) <= parameters * 1.5:
            found[name] = float(row["accuracy"])
    return list(found.values())


@pytest.mark.parametrize(
    ("accuracy", "words"),
    [
        (0.313, "is 20.2 [19.4, 21.0] points above chance (11.1%)"),
        (0.112, "cannot be told from chance (11.1%)"),
        (0.05, "is 6.1 [5.7, 6.5] points below chance (11.1%)"),
    ],
)
def test_the_score_is_held_against_chance_and_its_size(accuracy: float, words: str) -> None:
    said = answer(record_of(scores=[measured_score(accuracy)]))[2]
    error = 100 * (accuracy * (1 - accuracy) / 12_032) ** 0.5
    start = f"Its MMLU-Pro score of {100 * accuracy:.1f} ± {error:.1f}% (leaderboard, measured on 12,032 questions)"
    near = _brute_force(134_515_008)
    assert said == (
        f"{start} {words}; published scores of {len(near)} base models of its size (within 1.5 times) have median"
        f" {median(near):.1%}, range {min(near):.1%} to {max(near):.1%}."
    )


def test_scores_of_other_protocols_are_no_comparison_and_a_model_is_not_its_own() -> None:
    assert "is published under this protocol" in answer(record_of(scores=[measured_score(0.3, protocol="mc")]))[2]
    own = answer(record_of("EleutherAI/pythia-160m", scores=[published_score(0.11)]))[2]
    assert f"of {len(_brute_force(134_515_008, 'eleutherai/pythia-160m'))} base models" in own
    bare = answer(record_of(scores=[published_score(0.3, "olmes", None)]))[2]
    assert "30.0% (olmes, published) has no published error to hold against chance" in bare
    both = answer(record_of(scores=[published_score(0.2, "olmes"), published_score(0.12), measured_score(0.3)]))[2]
    assert both.startswith("Its MMLU-Pro score of 30.0 ")


def test_a_token_that_rules_the_mean_is_named_once() -> None:
    heavy = record_of("org/smol", token_share=0.65)
    (said,) = answer(heavy)[3:]
    assert said == (
        "One token, “…etter that came↵▸ from◂␣␣far away”, carries 65% of the trace: the paper's numbers (AOFE,"
        " AOFE-ratio, efficiency, sensitivity, rank) are largely that token's."
    )
    assert answer(record_of(token_share=0.05, permille_share=0.7))[3:] == ()
    several = answer(heavy, *(record_of(f"org/{seed}", seed=seed, token_share=0.2) for seed in range(1, 5)))
    (once,) = several[3:]
    assert "trace of org/smol (' from', 65%), " in once and " and 2 more: there the paper's numbers" in once


def test_intervals_of_the_mean_that_are_too_narrow_are_said_once_for_all_models() -> None:
    sound, heavy = record_of("org/sound"), record_of("org/heavy", seed=1, heaviness=1.5)
    assert mean_is_covered(sound.metric("tail").value, 1536) and answer(sound)[3:] == ()
    assert not mean_is_covered(heavy.metric("tail").value, 1536)
    (said,) = answer(heavy)[3:]
    assert said == (
        "The tail is too heavy for so few tokens: intervals of the mean's size (trace, sensitivity, efficiency, AOFE)"
        " and of the tail are too narrow; those of typical numbers and of ratios hold."
    )
    (once,) = answer(heavy, sound, *others(9))[3:]
    assert once == f"The tail of org/heavy{said.removeprefix('The tail')}"


def test_a_ruling_token_does_not_silence_that_intervals_are_too_narrow() -> None:
    ruled, heavy = record_of("org/ruled", heaviness=2.5, token_share=0.06), record_of("org/b", seed=1, heaviness=1.5)
    (said,) = answer(ruled)[3:]
    assert said.endswith(" are largely that token's. The intervals of trace and tail are too narrow as well.")
    token, narrow = answer(ruled, heavy, record_of("org/c", seed=2))[3:]
    assert "of the trace of org/ruled (" in token and narrow.startswith("The tail of org/ruled and org/b is too heavy")
    assert narrow.endswith("those of typical numbers hold, and of ratios where no token carries that much.")


def test_a_few_models_are_told_apart_by_the_error_of_their_difference() -> None:
    a, b, c = record_of("org/a", shift=0.9), record_of("org/b", seed=1), record_of("org/c", seed=1, text=1)
    shapes, order, scores = answer(a, b, c)[:3]
    gap = difference(a, b).estimate
    assert gap.excludes_zero and not difference(b, c).estimate.excludes_zero
    apart = f"is more efficient than org/b by {gap.value:.2f} [{gap.low:.2f}, {gap.high:.2f}]"
    alike = "org/b and org/c cannot be told apart"
    assert order.startswith(f"Typical efficiency: org/a {apart}; {alike} (difference 0.00 [")
    assert order.endswith("]).")
    costs = f"{100 * a.verdict['regret']['expected']:.1f}% ["
    assert all(f"{name} inside, {costs}" in shapes for name in ("org/a", "org/b", "org/c"))
    assert scores == "No MMLU-Pro score of them is known: 'nil-audit score MODEL ...' measures them."


def test_how_far_the_pool_is_extrapolated_is_said_of_several_models_too() -> None:
    inside, wide = bare_record("org/in"), bare_record("org/wide", shape=shape_of(2, 7680, 134_515_008))
    unknown = bare_record("org/unknown", shape=shape_of(parameters=None))
    low = pool().ratio_range[0]
    assert f"That is read up to {low / (2 / 7680):.0f} times beyond the runs pooled." in answer(inside, wide)[0]
    beside = " (1 model of unknown size read at 1B parameters)"
    assert answer(inside, unknown)[0].endswith(f"All of this is within the runs pooled{beside}.")


def test_scores_without_an_error_are_counted_and_the_highest_is_of_one_protocol() -> None:
    rows = [published_score(0.12 + one / 40) for one in range(7)] + [published_score(0.9, "other", None)]
    records = [record_of(f"org/{one}", seed=one, scores=[row]) for one, row in enumerate(rows)]
    assert answer(*records)[2] == (
        "MMLU-Pro scores of 8 of 8 are known (leaderboard and other): 7 above chance, 1 without a published error, the"
        " highest under leaderboard org/6 with 27.0 ± 0.3%."
    )


def test_of_many_models_there_are_counts_and_extremes() -> None:
    shapes = [shape_of(2, 768), *[shape_of(30, 576)] * 8]
    records = [
        record_of(f"org/{one}", seed=one, shift=0.5 * one, shape=shape, scores=[published_score(0.12 + one / 40)])
        for one, shape in enumerate(shapes)
    ]
    said = answer(*records)
    worst = pool().regret(2 / 768, 134_515_008).expected
    assert said[0].startswith("Of 9 shapes 8 inside and 1 outside; the largest expected cost in loss is that of")
    assert f"org/0 (2 x 768), {worst:.1%} [" in said[0]
    apart = sum(difference(*pair).estimate.excludes_zero for pair in zip(records[1:], records, strict=False))
    gap = difference(records[8], records[0]).estimate
    assert f"org/8 is more efficient than org/0 by {gap.value:.2f} [{gap.low:.2f}, {gap.high:.2f}]" in said[1]
    assert said[1].endswith(f"of 8 neighbours in the order {apart} can be told apart.")
    assert said[2] == (
        "MMLU-Pro scores of 9 of 9 are known (leaderboard): 9 above chance, the highest org/8 with 32.0 ± 0.3%."
    )
    assert all(with_minus_signs(sentence) == sentence for sentence in said[:3])


def test_what_cannot_be_ranked_is_said() -> None:
    apart = record_of("org/apart", seed=5, window=256)
    said = answer(record_of("org/a"), record_of("org/b", seed=1), apart, bare_record("org/bare"))[1]
    assert "org/apart" not in said.split(" Not in this order: ")[0]
    assert said.endswith(
        " Not in this order: org/apart, measured with another window (--window 256 measures all alike) and 1 model"
        " without a typical efficiency (not measured)."
    )
    half = record_of("org/half", seed=5, context=0)
    said = answer(record_of("org/a"), record_of("org/b", seed=1), half)[1]
    assert said.endswith(" Not in this order: org/half, measured with another context.")
    assert answer(bare_record("org/a"), bare_record("org/b"))[1].startswith("No typical efficiency was measured")
    assert answer(record_of("org/a"), bare_record("org/b"))[1].startswith("Only org/a has a typical efficiency, ")
    old = answer(read_record(SCHEMA_1), read_record(SCHEMA_1))[1]
    assert "their records are of an older estimator" in old


def test_of_models_of_which_no_two_were_measured_alike_each_number_is_said_and_what_differs() -> None:
    one, wide = record_of("org/a"), record_of("org/b", seed=1, window=256)
    numbers = [
        f"{name} {found.value:.2f} [{found.low:.2f}, {found.high:.2f}]"
        for name, record in (("org/a", one), ("org/b", wide))
        if (found := record.metric("typical_efficiency"))
    ]
    assert answer(one, wide)[1] == (
        f"No two models were measured alike: typical efficiency of {numbers[0]} and {numbers[1]} nats, measured with"
        " another window (--window 256 measures all alike)."
    )
    said = answer(one, wide, record_of("org/c", seed=2, context=0), bare_record("org/z"))[1]
    assert said.startswith("No two models were measured alike: ") and "org/c " in said
    assert said.endswith(" nats, measured with another window and context; that of org/z was not measured.")
    many = answer(one, *(record_of(f"org/{size}", seed=size, window=size) for size in range(100, 108)))[1]
    assert many.endswith(
        f"of {numbers[0]} nats; 8 models, measured with another window (--window 100 measures all alike)."
    )


def _undefined(record: Record) -> Record:
    document = json.loads(record.to_json())
    document["interaction"]["estimates"]["unbiased"]["typical_efficiency"] = dict.fromkeys(("value", "se"))
    return record_from(document)


def test_each_model_without_a_typical_efficiency_gets_its_own_reason() -> None:
    old, bare = read_record(SCHEMA_1), bare_record("org/z")
    less, least = _undefined(record_of("org/less")), _undefined(record_of("org/least", seed=1))
    assert answer(less, least)[1] == (
        "No typical efficiency is defined in so little text: measure again with more --tokens."
    )
    assert answer(old, bare)[1] == (
        "No typical efficiency is known: the record of org/gpt2-4x176 is of an older estimator; that of org/z was not"
        " measured."
    )
    said = answer(less, bare, least)[1]
    assert said == (
        "No typical efficiency is known: that of org/less and org/least is undefined in so little text; that of org/z"
        " was not measured."
    )
    only = answer(record_of("org/a"), less, old)[1]
    assert only.endswith(
        " nats; that of org/less is undefined in so little text; the record of org/gpt2-4x176 is of an older estimator."
    )
    ranked = answer(record_of("org/a"), record_of("org/b", seed=1), less, old, least)[1]
    assert ranked.endswith(
        "Not in this order: 3 models without a typical efficiency (2 undefined in so little text, 1 of an older"
        " estimator)."
    )


def test_several_models_are_placed_among_those_at_hand_where_there_are_five() -> None:
    pair = record_of("org/a", shift=5.0), record_of("org/b", seed=1, shift=-5.0)
    assert answer(*pair, references=others(5))[1].endswith(" Of 7 models at hand org/a first and org/b 7th.")
    assert "at hand" not in answer(*pair, references=others(4))[1]
