"""The search for what the answer hangs on: planted culprits, and every refit against one by hand."""

from dataclasses import replace
from itertools import combinations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nil_audit.comparison.effect.dose import dose_terms
from nil_audit.comparison.effect.estimate import design, effect
from nil_audit.comparison.effect.sample import Sample
from nil_audit.comparison.findings import Effect, Removal
from nil_audit.comparison.scrutiny.influence import TARGETS, _Moments, _Search, influence
from tests.comparison.models import made_sample, real_sample


def primary(sample: Sample, control: str = "spline") -> Effect:
    found = effect(sample, row="primary", study="law", control=control)
    assert found is not None
    return found


def without(sample: Sample, unit: str, names: tuple[str, ...]) -> Sample:
    return sample.part(~sample.table[unit].isin(names).to_numpy())


def dosed(seed: int, effect: float, noise: float, models: int = 40) -> Sample:
    """Scores that rise with size and fall by the dose, which is not that of the scores but of their curve."""
    base = made_sample(models, 14, seed=seed)
    costs = dose_terms(base, base.excess("law")).dose(20 + 5 * base.size)
    errors = noise * np.random.default_rng(seed).normal(size=models)
    return replace(base, response=20 + 5 * base.size - effect * costs + errors)


def removal(found: tuple[Removal, ...], unit: str, target: str) -> Removal:
    return next(one for one in found if (one.unit, one.target) == (unit, target))


@pytest.mark.parametrize("unit", ["model", "organisation"])
def test_a_planted_culprit_is_found(unit: str) -> None:
    clean = dosed(3, 1.0, 0.3)
    assert primary(clean).verdict == "supported"
    costs = dose_terms(clean, clean.excess("law")).dose(clean.response)
    label = clean.table[unit].to_numpy()
    # the unit of the largest dose is lifted until the effect turns
    culprit = label[np.argmax(costs)]
    spoilt = replace(clean, response=np.where(label == culprit, clean.response + 4 * costs, clean.response))
    assert primary(spoilt).estimate.value < 0
    found = influence(spoilt, study="law", control="spline")
    assert found is not None
    sign = removal(found.removals, unit, "sign")
    assert sign.removed == (culprit,)
    assert sign.effect == primary(without(spoilt, unit, (culprit,)))
    changes = found.models if unit == "model" else found.organisations
    assert next(iter(changes)) == culprit
    assert changes[culprit] == pytest.approx(sign.effect.estimate.value - primary(spoilt).estimate.value)


@pytest.mark.parametrize("seed", range(2))
def test_what_is_found_does_it_and_no_single_one_or_pair_turns_the_sign_where_more_are_named(seed: int) -> None:
    whole = dosed(seed, 0.6, 5.0, models=24)
    first = primary(whole)
    found = influence(whole, study="law", control="spline")
    assert found is not None
    assert [(one.unit, one.target) for one in found.removals] == [
        (unit, target) for unit in ("model", "organisation") for target in TARGETS[first.verdict]
    ]
    for one in found.removals:
        if not one.removed:
            assert one.effect is None
            continue
        assert len(set(one.removed)) == len(one.removed) <= one.tried
        assert one.effect == primary(without(whole, one.unit, one.removed))
        reached = {
            "sign": one.effect.estimate.value * first.estimate.value < 0,
            "interval": one.effect.estimate.excludes_zero,
        }
        assert reached.get(one.target, one.effect.verdict == one.target)
    sign = removal(found.removals, "model", "sign")
    names = tuple(whole.table["model"])
    fewest = min(
        (
            len(some)
            for some in (*((name,) for name in names), *combinations(names, 2))
            if primary(without(whole, "model", some)).estimate.value * first.estimate.value < 0
        ),
        default=3,
    )
    assert (len(sign.removed) or 3) == fewest if fewest < 3 else len(sign.removed) not in (1, 2)


def test_every_pair_is_tried_for_the_sign_before_the_greedy_search(monkeypatch: pytest.MonkeyPatch) -> None:
    whole = dosed(2, 0.6, 5.0, models=24)
    monkeypatch.setattr(_Search, "_greedy", lambda *_: iter(()))
    found = influence(whole, study="law", control="spline")
    assert found is not None
    sign = removal(found.removals, "model", "sign")
    assert len(sign.removed) == 2
    assert primary(without(whole, "model", sign.removed)).estimate.value * primary(whole).estimate.value < 0
    assert {one.removed for one in found.removals if one.target != "sign"} == {()}


@settings(max_examples=10, deadline=None)
@given(
    st.integers(0, 50), st.sampled_from(["spline", "bands", "spline_rank"]), st.sampled_from(["model", "organisation"])
)
def test_moments_give_what_refits_give(seed: int, control: str, unit: str) -> None:
    whole = made_sample(40, 12, effect=1.0, seed=seed)
    moments = _Moments(whole, "law", control, unit)
    held, terms = design(whole, control), dose_terms(whole, whole.excess("law"))

    def refit(rows: np.ndarray) -> float:
        slope = np.linalg.lstsq(terms.curve[rows], whole.response[rows], rcond=None)[0]
        columns = np.column_stack([held, -(terms.terms @ slope)])[rows]
        return float(np.linalg.lstsq(columns, whole.response[rows], rcond=1e-10)[0][-1])

    rng = np.random.default_rng(seed)
    units = rng.choice(len(moments.names), size=3, replace=False)
    values = moments.values(units[:, None])
    errors, groups = moments.errors(units, values)
    label = whole.table[unit].to_numpy()
    for code, value, error, remaining in zip(units, values, errors, groups, strict=True):
        kept = label != moments.names[code]
        assert value == pytest.approx(refit(kept), rel=1e-5, abs=1e-7)
        left = np.unique(whole.group[kept])
        squares = [(refit(kept & (whole.group != group)) - value) ** 2 for group in left]
        assert remaining == len(left)
        assert error == pytest.approx(np.sqrt((len(left) - 1) / len(left) * sum(squares)), rel=1e-5)
    pair = moments.values(units[None, :2])[0]
    assert pair == pytest.approx(refit(~np.isin(label, [moments.names[code] for code in units[:2]])), rel=1e-5)


def test_largest_changes_are_those_of_fits_anew() -> None:
    whole = dosed(5, 1.0, 4.0)
    found = influence(whole, study="law", control="spline_rank")
    assert found is not None
    first = primary(whole, "spline_rank").estimate.value
    for unit, changes in (("model", found.models), ("organisation", found.organisations)):
        every = {
            name: primary(without(whole, unit, (name,)), "spline_rank").estimate.value - first
            for name in set(whole.table[unit])
        }
        largest = sorted(every, key=lambda name: -abs(every[name]))
        assert list(changes) == largest[: len(changes)]
        assert len(changes) == min(10, len(every))
        assert changes == pytest.approx({name: every[name] for name in changes})


def test_no_organisation_is_removed_where_none_is_known() -> None:
    whole = dosed(1, 1.0, 2.0)
    unknown = replace(whole, table=whole.table.assign(organisation=""))
    found = influence(unknown, study="law", control="spline")
    assert found is not None
    assert {one.unit for one in found.removals} == {"model"}
    assert found.organisations == {}


def test_nothing_without_an_interval() -> None:
    whole = dosed(1, 1.0, 2.0)
    assert influence(whole.part(whole.group < 4), study="law", control="spline") is None
    assert influence(whole.part(np.arange(40) < 3), study="law", control="spline") is None


def test_real_models() -> None:
    found = influence(real_sample(), study="law", control="spline_rank")
    assert found is not None
    interval = removal(found.removals, "model", "interval")
    assert interval.removed == ("nvidia/Llama-3.1-Minitron-4B-Depth-Base", "tiiuae/falcon-11B")
    assert interval.effect is not None
    assert interval.effect.verdict == "supported"
    assert removal(found.removals, "model", "contradicted").removed == (
        "EleutherAI/pythia-12b",
        "bigcode/starcoder2-15b",
    )
    assert 3 <= len(removal(found.removals, "model", "sign").removed) <= 12
    assert next(iter(found.models)) == "nvidia/Llama-3.1-Minitron-4B-Depth-Base"
