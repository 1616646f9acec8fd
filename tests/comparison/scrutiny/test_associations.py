"""Rank correlations against scipy and written-out partial ones, and the rows of training tokens against refits."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats
from statsmodels.stats.multitest import multipletests

from nil_audit.comparison.effect.dose import dose_terms
from nil_audit.comparison.effect.estimate import design, effect
from nil_audit.comparison.effect.sample import Sample
from nil_audit.comparison.findings import Association
from nil_audit.comparison.predictors import predictors
from nil_audit.comparison.scrutiny.associations import associations, seen_tokens, token_rows
from nil_audit.stats.jackknife import over_groups
from nil_audit.stats.spline import spline_basis
from tests.comparison.models import made_sample, real_sample


def measured(models: int = 70, families: int = 16, seed: int = 0) -> Sample:
    """Models with a measured metric that most of them have, and which goes with R."""
    whole, rng = made_sample(models, families, seed=seed), np.random.default_rng(seed)
    metric = np.log(whole.table["ratio"].to_numpy()) + rng.normal(size=models)
    return replace(
        whole, table=whole.table.assign(typical_efficiency=np.where(rng.random(models) < 0.2, np.nan, metric))
    )


def of(found: tuple[Association, ...], predictor: str, given: str, outcome: str = "response") -> Association:
    (one,) = [a for a in found if (a.predictor, a.given, a.outcome) == (predictor, given, outcome)]
    return one


def partial(x: np.ndarray, y: np.ndarray, held: np.ndarray) -> float:
    """Pearson's correlation of what least squares leaves of the ranks of both."""
    left = [rank - held @ np.linalg.lstsq(held, rank, rcond=None)[0] for rank in (stats.rankdata(x), stats.rankdata(y))]
    return float(np.corrcoef(*left)[0, 1])


@pytest.mark.parametrize("control", ["spline", "spline_rank"])
@pytest.mark.parametrize("given_", ["size", "size_tokens", "size_release", "size_ratio"])
def test_partial_correlations_left_out_by_group(control: str, given_: str) -> None:
    whole = measured()
    table, metric = whole.table, whole.table["typical_efficiency"].to_numpy()
    # of a pruned model only its own tokens are known here, not its parent's
    told = (table["tokens"].notna() & (table["lineage"] != "pruned")).to_numpy()
    rows = np.isfinite(metric) & (told | (given_ != "size_tokens"))
    part = whole.part(rows)
    values = []
    for group in range(-1, part.groups):
        kept = part.group != group
        held = [design(part, control)[kept]]
        held += {
            "size_tokens": [stats.rankdata(part.table["tokens"][kept])],
            "size_release": [stats.rankdata(part.table["month"][kept])],
            "size_ratio": [spline_basis(np.log(part.table["ratio"].to_numpy()))[kept]],
        }.get(given_, [])
        values.append(partial(metric[rows][kept], part.response[kept], np.column_stack(held)))
    one = of(associations(whole, ["typical_efficiency"], control=control), "typical_efficiency", given_)
    expected = over_groups(values[0], np.array(values[1:]), correlation=True)
    assert one.estimate.value == pytest.approx(values[0], abs=1e-8)
    assert one.estimate.interval == pytest.approx(expected.interval, abs=1e-7)
    assert (one.groups, one.estimate.n) == (part.groups, part.models)


def test_plain_correlations_are_spearmans() -> None:
    whole = measured()
    found = associations(whole, ["deviation_law", "ratio"], control="linear")
    table = whole.table
    plain = {
        ("deviation_law", "response"): stats.spearmanr(table["deviation_law"].abs(), whole.response),
        ("ratio", "response"): stats.spearmanr(table["ratio"], whole.response),
        ("parameters", "response"): stats.spearmanr(table["parameters"], whole.response),
        ("parameters", "ratio"): stats.spearmanr(table["parameters"], table["ratio"]),
        ("tokens", "ratio"): stats.spearmanr(
            table["tokens"].where(table["lineage"] != "pruned"), table["ratio"], nan_policy="omit"
        ),
        ("release", "ratio"): stats.spearmanr(table["month"], table["ratio"]),
    }
    for (name, outcome), expected in plain.items():
        assert of(found, name, "nothing", outcome).estimate.value == pytest.approx(expected.statistic)
    assert all(one.given != "size_ratio" for one in found)


def test_holm_is_over_all_predictors_and_not_over_confounders() -> None:
    found = associations(measured(), ["deviation_law", "typical_efficiency"], control="linear")
    main = [one for one in found if one.predictor in ("deviation_law", "typical_efficiency")]
    assert len(main) == 9
    expected = multipletests([one.estimate.p for one in main], method="holm")[1]
    assert [one.p_adjusted for one in main] == pytest.approx(expected)
    rest = found[len(main) :]
    assert len(rest) == 6
    assert all(one.p_adjusted is None and one.given == "nothing" for one in rest)


def test_a_metric_that_says_no_more_than_the_ratio_does() -> None:
    whole = measured(400, 100, seed=1)
    ratio = np.log(whole.table["ratio"].to_numpy())
    noise = np.random.default_rng(2).normal(size=(2, 400))
    table = whole.table.assign(typical_efficiency=ratio + 0.3 * noise[0])
    bent = replace(whole, table=table, response=-((ratio + 4) ** 2) + 0.3 * noise[1])
    found = associations(bent, ["typical_efficiency"], control="linear")
    assert of(found, "typical_efficiency", "size").estimate.excludes_zero
    assert not of(found, "typical_efficiency", "size_ratio").estimate.excludes_zero
    assert abs(of(found, "typical_efficiency", "size_ratio").estimate.value) < 0.1
    own = replace(bent, response=noise[0])
    found = associations(own, ["typical_efficiency"], control="linear")
    assert of(found, "typical_efficiency", "size_ratio").estimate.value > 0.9
    explained = replace(whole, table=whole.table.assign(typical_efficiency=0.0))
    assert [one.predictor for one in associations(explained, ["typical_efficiency"], control="linear")] == [
        "parameters", "tokens", "release", "parameters", "tokens", "release"
    ]  # fmt: skip


@given(seed=st.integers(0, 1000), scale=st.floats(0.1, 50), shift=st.floats(-100, 100))
@settings(max_examples=8, deadline=None)
def test_ranks_have_no_unit_and_models_no_order(seed: int, scale: float, shift: float) -> None:
    whole = measured(50, 12, seed=seed)
    order = np.random.default_rng(seed).permutation(50)
    moved = replace(
        whole,
        table=whole.table.iloc[order],
        size=whole.size[order],
        response=(scale * whole.response + shift)[order],
        group=whole.group[order],
    )
    keys = ["deviation_law", "typical_efficiency"]
    for one, other in zip(
        associations(whole, keys, control="spline"), associations(moved, keys, control="spline"), strict=True
    ):
        assert other.estimate.value == pytest.approx(one.estimate.value, abs=1e-9)
        assert other.estimate.interval == pytest.approx(one.estimate.interval, abs=1e-7)


def test_too_few_models_have_no_correlation() -> None:
    def given_of(models: int) -> list[str]:
        found = associations(made_sample(models, models), ["ratio"], control="linear")
        return [one.given for one in found if one.predictor == "ratio"]

    assert [given_of(models) for models in (3, 4, 6)] == [[], ["nothing"], ["nothing", "size", "size_release"]]


def test_what_is_the_same_for_all_is_not_held_fixed() -> None:
    whole = made_sample(60, 15)
    alike = replace(whole, table=whole.table.assign(tokens=1e12, month=24_000.0))
    found = associations(alike, ["ratio"], control="linear")
    assert [(one.predictor, one.given) for one in found] == [
        ("ratio", "nothing"), ("ratio", "size"), ("parameters", "nothing"), ("parameters", "nothing")
    ]  # fmt: skip


def test_the_real_models() -> None:
    whole = real_sample()
    found = associations(whole, [one.key for one in predictors(whole.table)], control="spline_rank")
    ratio = of(found, "ratio", "nothing").estimate
    assert (ratio.value, *(ratio.interval or ())) == pytest.approx((-0.25, -0.41, -0.08), abs=0.01)
    assert of(found, "parameters", "nothing").estimate.value == pytest.approx(0.71, abs=0.01)
    assert of(found, "parameters", "nothing", "ratio").estimate.value == pytest.approx(-0.52, abs=0.01)
    assert of(found, "depth", "size").estimate.value == pytest.approx(0.01, abs=0.03)


def test_a_parents_tokens_count() -> None:
    table = made_sample(5, 5).table.assign(
        tokens=[1.0, 2, np.nan, 4, np.nan], parent_tokens=[np.nan, 10, 10, 0, np.nan], lineage="from_scratch"
    )
    assert seen_tokens(table) == pytest.approx([1, 12, np.nan, 4, np.nan], nan_ok=True)
    pruned = table.assign(lineage="pruned+distilled")
    assert seen_tokens(pruned) == pytest.approx([np.nan, 12, np.nan, 4, np.nan], nan_ok=True)
    distilled = table.assign(lineage="distilled")  # its teacher is no parent
    assert seen_tokens(distilled) == pytest.approx([1, 12, np.nan, 4, np.nan], nan_ok=True)


def test_tokens_held_fixed_beside_the_same_models_without() -> None:
    whole = made_sample(90, 20, effect=1.0, seed=8)
    table = whole.table.assign(parent_tokens=np.where(np.arange(90) % 5 == 0, 3e11, np.nan))
    whole = replace(whole, table=table)
    told = table["parent_tokens"].notna() | (table["lineage"] != "pruned")
    part = whole.part((table["tokens"].notna() & told).to_numpy())
    tokens, baseline = token_rows(whole, study="law", control="spline")
    terms = dose_terms(part, part.excess("law"))
    seen = part.table["tokens"] + part.table["parent_tokens"].fillna(0)
    held = np.column_stack([design(part, "spline"), np.log(seen)])
    values = []
    for group in range(-1, part.groups):
        rows = part.group != group
        fit = np.linalg.lstsq(terms.curve[rows], part.response[rows], rcond=None)[0]
        columns = np.column_stack([held, -terms.terms @ fit])[rows]
        values.append(np.linalg.lstsq(columns, part.response[rows], rcond=None)[0][-1])
    assert tokens.estimate.value == pytest.approx(values[0], rel=1e-6)
    assert tokens.estimate.interval == pytest.approx(over_groups(values[0], np.array(values[1:])).interval, rel=1e-5)
    assert baseline == effect(part, row="tokens_baseline", study="law", control="spline")
    assert (tokens.row, tokens.estimate.n, baseline.row) == ("tokens", part.models, "tokens_baseline")


@pytest.mark.parametrize("tokens", [np.nan, 1e12])
def test_no_token_rows_where_tokens_are_unknown_or_alike(tokens: float) -> None:
    whole = made_sample(60, 15)
    assert token_rows(replace(whole, table=whole.table.assign(tokens=tokens)), study="law", control="linear") == []
    few = whole.table.assign(tokens=np.where(np.arange(60) < 6, 1e12 + np.arange(60), np.nan))
    assert token_rows(replace(whole, table=few), study="law", control="linear") == []
