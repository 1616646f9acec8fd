"""The comparison of the real models against an independent re-analysis with numpy, scipy, pandas and statsmodels.

It reads the tables that the shipped lists were compiled from, and shares no code with what it checks. Of what those
tables lack (organisations, tokens of parents, standard errors) it takes the columns of the comparison's own table.
"""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import statsmodels.api as sm
from numpy.typing import NDArray
from scipy import stats

from nil_audit.comparison.compare import compare
from nil_audit.comparison.findings import Association, Contrast, Effect
from nil_audit.comparison.result import Comparison

Array = NDArray[np.float64]

LAW, MORPH, GEMSTONES = (-3.2462, 0.014744), (-3.582, 0.006792), (-3.8272, 0.0041396)
"""ln of the optimum, and curvature: relative excess loss is exp(curvature (ln R - optimum)²) - 1."""

GEMSTONES_FLOPS = (-3.59, 0.00554)
"""The same with training FLOPs held equal instead of the body's parameters."""

LAW_INTERVAL, MORPH_INTERVAL = (0.0171, 0.0885), (0.0083, 0.0933)


@pytest.fixture(scope="module")
def found() -> Comparison:
    return compare(permutations=19, splits=100)


@pytest.fixture(scope="module")
def real(shared: Path, found: Comparison) -> pd.DataFrame:
    models = pd.read_csv(shared / "data" / "scores" / "models.csv")
    scores = pd.read_csv(shared / "data" / "scores" / "mmlu_pro.csv")
    scores = scores[(scores["protocol"] == "open-llm-leaderboard-v2") & (scores["base_or_instruct"] == "base")]
    scores = scores[~scores["flag"].fillna("").str.contains("SUSPECT|SUPERSEDED")]
    order = scores.assign(other=scores["precision"].ne("bfloat16"))
    order = order.sort_values(["other", "submission_date"], ascending=[True, False], kind="stable")
    table = models.merge(order.drop_duplicates("repo_id"), on="repo_id")
    table["ratio"] = table["num_hidden_layers"] / table["hidden_size"]
    table["billions"] = table["params_b_from_shape"]
    table["size"] = np.log(table["billions"] * 1e9)
    table["response"] = 100 * table["raw_accuracy_0_1"].round(6)
    own = found.models[["model", "organisation", "tokens", "parent_tokens", "month", "stderr"]]
    table = table.merge(own.rename(columns={"model": "repo_id"}), on="repo_id")
    guessed = np.sqrt(table["response"] * (100 - table["response"]) / 12032)
    table["error"] = (100 * table["stderr"]).fillna(guessed)
    table["at_floor"] = table["response"] - 1.96 * table["error"] <= 12.43
    return table


def natural(x: Array, knots: Array, derivative: int = 0) -> Array:
    """Natural cubic splines by truncated powers, with the constant, or their first derivative."""
    power = 3 - derivative

    def cubic(knot: float) -> Array:
        beyond = [np.maximum(x - one, 0) ** power for one in (knot, knots[-1])]
        return np.asarray((3 if derivative else 1) * (beyond[0] - beyond[1]) / (knots[-1] - knot))

    line = [np.zeros_like(x), np.ones_like(x)] if derivative else [np.ones_like(x), x]
    return np.column_stack([*line, *(cubic(one) - cubic(knots[-2]) for one in knots[:-2])])


def knots_of(x: Array, columns: int = 3) -> Array:
    return np.quantile(x, np.linspace(0, 1, columns + 1))


def residual_squares(columns: Array, y: Array) -> float:
    return float(((y - columns @ np.linalg.lstsq(columns, y, rcond=1e-12)[0]) ** 2).sum())


def held(table: pd.DataFrame, control: str, release: int = 0) -> Array:
    """Columns of a size control, the constant among them, and of release as a line or a spline."""
    x = table["size"].to_numpy() - 21.0
    spline = natural(x, knots_of(x))
    if control in ("linear", "quadratic"):
        columns = np.vander(x, 2 if control == "linear" else 3)
    elif control == "bands":
        band = pd.get_dummies(pd.cut(table["billions"], [0, 1, 5, 9.5, 20], right=False)).to_numpy(dtype=float)
        columns = np.column_stack([band, band * x[:, None]])
    elif control == "flexible":
        several = [natural(x, knots_of(x, degrees)) for degrees in range(4, 13)]
        y = table["response"].to_numpy()
        columns = min(several, key=lambda one: len(y) * np.log(residual_squares(one, y)) + 2 * one.shape[1])
    else:
        columns = np.column_stack([spline, stats.rankdata(x)]) if control == "spline_rank" else spline
    month = table["month"].to_numpy() - table["month"].mean()
    dated = natural(month, knots_of(month))[:, 1:] if release == 3 else month[:, None]
    return np.column_stack([columns, dated]) if release else columns


def costs(table: pd.DataFrame, study: tuple[float, float] = LAW, rows: NDArray[np.bool_] | None = None) -> Array:
    """What a study says each shape costs in points, the slope of score taken from ``rows``."""
    x, y = table["size"].to_numpy() - 21.0, table["response"].to_numpy()
    knots = knots_of(x)
    rows = np.ones(len(x), dtype=bool) if rows is None else rows
    curve = np.linalg.lstsq(natural(x, knots)[rows], y[rows], rcond=None)[0]
    excess = np.expm1(study[1] * (np.log(table["ratio"].to_numpy()) - study[0]) ** 2)
    return np.asarray(excess / 0.039 * (natural(x, knots, 1) @ curve))


def jackknife(values: list[float]) -> list[float]:
    """Value, and both ends of its 95% interval, from the value with all groups and without each."""
    value, without = values[0], np.array(values[1:])
    count = len(without)
    error = np.sqrt((count - 1) / count * ((without - value) ** 2).sum())
    return [value, *(value + error * stats.t.ppf([0.025, 0.975], count - 1))]


def left_out(table: pd.DataFrame, by: str = "family") -> list[NDArray[np.bool_]]:
    """All rows, then all but each group's."""
    return [np.ones(len(table), dtype=bool), *((table[by] != name).to_numpy() for name in table[by].unique())]


def dose_effect(
    table: pd.DataFrame, control: str, *, release: int = 0, by: str = "family", also: Array | None = None
) -> list[float]:
    """The coefficient of minus the dose, with its interval: slopes and size curve fitted anew without each group."""
    columns = held(table, control, release)
    columns = columns if also is None else np.column_stack([columns, also])
    values = []
    for rows in left_out(table, by):
        everything = np.column_stack([columns, -costs(table, rows=rows)])[rows]
        values.append(np.linalg.lstsq(everything, table["response"].to_numpy()[rows], rcond=1e-12)[0][-1])
    return jackknife(values)


def inside_effect(
    table: pd.DataFrame, control: str, interval: tuple[float, float], y: Array | None = None
) -> list[float]:
    """Response inside an interval minus outside, size held fixed."""
    inside = table["ratio"].between(*interval).to_numpy(dtype=float)
    columns, y = np.column_stack([held(table, control), inside]), table["response"].to_numpy() if y is None else y
    return jackknife([np.linalg.lstsq(columns[rows], y[rows], rcond=1e-12)[0][-1] for rows in left_out(table)])


def numbers(one: "Effect | Contrast | Association | None") -> list[float]:
    assert one is not None and one.estimate.interval is not None
    return [one.estimate.value, *one.estimate.interval]


def test_the_models_are_the_113_of_the_published_table(found: Comparison, real: pd.DataFrame) -> None:
    usable = found.usable.set_index("model")
    assert set(usable.index) == set(real["repo_id"])
    assert (len(usable), real["family"].nunique()) == (113, 54)
    assert usable["score"].to_dict() == pytest.approx((real.set_index("repo_id")["response"] / 100).to_dict(), abs=5e-6)
    assert usable["parameters"].to_dict() == pytest.approx((real.set_index("repo_id")["billions"] * 1e9).to_dict())
    bands = {band.key: band.models for band in found.bands}
    assert (bands["5b_9.5b"], bands["1b_5b"]) == (34, 46)


def test_the_answer_is_cannot_tell(found: Comparison) -> None:
    assert (found.answer.verdict, found.control, found.grouped) == ("cannot_tell", "spline_rank", "family")
    assert (found.answer.models, found.answer.sized, found.answer.groups) == (113, 113, 54)
    assert numbers(found.answer.primary) == pytest.approx([0.54, -0.60, 1.68], abs=0.01)
    assert found.answer.primary is not None and found.answer.primary.detectable == pytest.approx(1.62, abs=0.01)
    assert [one.protocol for one in found.others][:2] == ["olmes", "qwen2-report"]
    assert [one.verdict for one in found.others][:2] == ["cannot_tell", "insufficient"]


def test_the_size_control_is_the_one_that_predicts_other_families_best(found: Comparison, real: pd.DataFrame) -> None:
    y = real["response"].to_numpy()
    for fit in found.findings.size_fits:
        columns = held(real, fit.control)
        squares = residual_squares(columns, y)
        assert fit.aic == pytest.approx(113 * np.log(squares / 113) + 2 * columns.shape[1], abs=1e-3)
        if fit.control != "flexible":  # whose columns are chosen anew without each family
            errors = [
                y[~rows] - columns[~rows] @ np.linalg.lstsq(columns[rows], y[rows], rcond=1e-12)[0]
                for rows in left_out(real)[1:]
            ]
            assert fit.held_out == pytest.approx(np.sqrt((np.concatenate(errors) ** 2).mean()), abs=1e-3)
    errors_of = {fit.control: fit.held_out for fit in found.findings.size_fits}
    assert min(errors_of, key=lambda control: errors_of[control]) == found.control


@pytest.mark.parametrize("control", ["linear", "quadratic", "spline", "spline_rank", "bands", "flexible"])
def test_the_effect_under_every_size_control(found: Comparison, real: pd.DataFrame, control: str) -> None:
    row = "primary" if control == found.control else "control"
    one = found.findings.effect(row, control=control)
    assert numbers(one) == pytest.approx(dose_effect(real, control), abs=0.02)


def test_the_published_effect_is_that_under_a_spline(found: Comparison) -> None:
    one = found.findings.effect("control", control="spline")
    assert numbers(one) == pytest.approx([1.05, -0.16, 2.25], abs=0.01)
    assert one is not None and one.detectable == pytest.approx(1.7, abs=0.02)
    assert numbers(found.findings.effect("control", control="linear"))[0] == pytest.approx(0.04, abs=0.01)
    assert numbers(found.findings.effect("control", control="bands"))[0] == pytest.approx(0.71, abs=0.01)
    curve = found.findings.specifications
    assert curve is not None
    (dated,) = (
        one
        for one in curve.specifications
        if (one.control, one.release, one.covariates, one.estimator, one.subset)
        == ("spline", "spline", "none", "least_squares", "all")
    )
    assert [dated.value, dated.low, dated.high] == pytest.approx([0.83, -0.10, 1.76], abs=0.02)


def test_the_rows_beside_the_primary(found: Comparison, real: pd.DataFrame) -> None:
    effect = found.findings.effect
    for name, release in (("linear", 1), ("spline", 3)):
        row = effect("release", release=name)
        assert numbers(row) == pytest.approx(dose_effect(real, "spline_rank", release=release), abs=0.02)
    for subset, rows in (
        ("above_floor", ~real["at_floor"]),
        ("from_scratch", real["lineage"] == "from_scratch"),
        ("general", real["domain"] == "general"),
    ):
        assert numbers(effect("subset", subset=subset)) == pytest.approx(
            dose_effect(real[rows], "spline_rank"), abs=0.02
        )
    assert numbers(effect("organisations")) == pytest.approx(
        dose_effect(real, "spline_rank", by="organisation"), abs=0.02
    )
    own = pd.get_dummies(real["family"]).to_numpy(dtype=float)
    assert numbers(effect("within_family")) == pytest.approx(dose_effect(real, "spline_rank", also=own), abs=0.02)


def test_tokens_held_fixed_beside_the_same_models_without(found: Comparison, real: pd.DataFrame) -> None:
    began = ~real["lineage"].isin(["from_scratch", "distilled"])
    seen = real["tokens"] + real["parent_tokens"].where(began, 0.0)
    told = real[seen > 0]
    tokens, baseline = (found.findings.effect(row) for row in ("tokens", "tokens_baseline"))
    assert numbers(baseline) == pytest.approx(dose_effect(told, "spline_rank"), abs=0.02)
    also = np.log(seen[seen > 0].to_numpy())[:, None]
    assert numbers(tokens) == pytest.approx(dose_effect(told, "spline_rank", also=also), abs=0.02)


def test_a_random_intercept_is_a_mixed_model(found: Comparison, real: pd.DataFrame) -> None:
    values = {}
    for control in ("spline", "spline_rank"):
        columns = np.column_stack([held(real, control), -costs(real)])
        scale = np.abs(columns).max(axis=0)
        fit = sm.MixedLM(real["response"].to_numpy(), columns / scale, groups=real["family"].to_numpy()).fit(reml=True)
        values[control] = fit.params[columns.shape[1] - 1] / scale[-1]
    assert values["spline"] == pytest.approx(0.83, abs=0.01)
    assert numbers(found.findings.effect("random_intercept"))[0] == pytest.approx(values["spline_rank"], abs=0.01)
    families = found.findings.families
    assert families is not None and (families.families, families.several) == (
        54,
        (real["family"].value_counts() > 1).sum(),
    )
    spread = real.groupby("family")["ratio"].agg(lambda ratios: ratios.max() / ratios.min())
    assert families.varying == (spread > 1.05).sum()


def test_the_prediction_is_tested_in_its_own_world_too(found: Comparison, real: pd.DataFrame) -> None:
    x, y = real["size"].to_numpy() - 21.0, real["response"].to_numpy()
    worth = np.expm1(LAW[1] * (np.log(real["ratio"].to_numpy()) - LAW[0]) ** 2) / 0.039
    knots = knots_of(x - worth)
    at_best = natural(x - worth, knots)
    values = []
    for rows in left_out(real):
        curve = np.linalg.lstsq(at_best[rows], y[rows], rcond=None)[0]
        columns = np.column_stack([held(real, "spline_rank"), (at_best - natural(x, knots)) @ curve])
        values.append(np.linalg.lstsq(columns[rows], y[rows], rcond=1e-12)[0][-1])
    primary = found.findings.effect("primary")
    assert primary is not None and primary.as_predicted is not None and primary.as_predicted.interval is not None
    assert [primary.as_predicted.value, *primary.as_predicted.interval] == pytest.approx(jackknife(values), abs=0.02)


def test_the_effect_over_what_a_loss_is_worth(found: Comparison) -> None:
    value = numbers(found.answer.primary)[0]
    ways = {(one.what, one.label): one.effect.estimate.value for one in found.findings.mappings}
    assert ways["loss_per_size", "low"] == pytest.approx(value * 0.030 / 0.039)
    assert ways["loss_per_size", "high"] == pytest.approx(value * 0.055 / 0.039)
    assert ways["curvature", "high"] < value < ways["curvature", "low"]


def test_contrasts_and_what_they_hang_on(found: Comparison, real: pd.DataFrame) -> None:
    for name, study, interval, published in (
        ("law", LAW, LAW_INTERVAL, [4.5, 0.2, 8.8]),
        ("morph", MORPH, MORPH_INTERVAL, [6.3, 3.4, 9.1]),
    ):
        one = found.findings.contrast(name)
        assert one is not None
        inside = real["ratio"].between(*interval)
        assert (one.inside, one.outside) == (inside.sum(), (~inside).sum())
        for control, estimate in one.controls.items():
            assert estimate.interval is not None
            here = inside_effect(real, control, interval)
            assert [estimate.value, *estimate.interval] == pytest.approx(here, abs=0.03)
            if control == "spline":
                assert here == pytest.approx(published, abs=0.06)
        predicted = inside_effect(real, "spline_rank", interval, -costs(real, study))[0]
        assert one.predicted == pytest.approx(predicted, abs=0.01)
        gap = real["size"][inside].mean() - real["size"][~inside].mean()
        assert one.size_gap == pytest.approx(gap)
        for key, ends in (("under_1b", (0, 1)), ("1b_5b", (1, 5)), ("5b_9.5b", (5, 9.5))):
            if key in one.bands:
                band = real[(ends[0] <= real["billions"]) & (real["billions"] < ends[1])]
                value = inside_effect(band, "linear", interval)[0]
                assert one.bands[key].value == pytest.approx(value, abs=0.01)
    law, morph = found.findings.contrast("law"), found.findings.contrast("morph")
    assert law is not None and law.within_families is not None and law.within_families.value < 0
    assert morph is not None and (morph.outside, morph.same_ratio) == (40, (29, 1 / 128))
    assert (real["ratio"][~real["ratio"].between(*MORPH_INTERVAL)] == 1 / 128).sum() == 29
    large = real[real["billions"].between(5, 9.5)]
    means = large.groupby(large["ratio"].between(*MORPH_INTERVAL))["billions"].mean()
    assert means.tolist() == pytest.approx([7.1, 8.6], abs=0.05)


def test_other_studies_predict_too_little_to_be_seen(found: Comparison, real: pd.DataFrame) -> None:
    """Gemstones' curve predicts four (by FLOPs) to six times less (by the body) than the law's, at fixed size."""
    by_name = {one.study: one for one in found.findings.predictions}
    columns = held(real, "spline_rank")
    spreads = {}
    for name, study in (("law", LAW), ("morph", MORPH), ("gemstones", GEMSTONES), ("by FLOPs", GEMSTONES_FLOPS)):
        cost = costs(real, study)
        spreads[name] = (cost - columns @ np.linalg.lstsq(columns, cost, rcond=1e-12)[0]).std()
        if name in by_name:
            assert by_name[name].mean == pytest.approx(cost.mean(), abs=0.01)
            assert by_name[name].largest == pytest.approx(cost.max(), abs=0.02)
            assert by_name[name].spread == pytest.approx(spreads[name], abs=0.01)
    assert spreads["law"] / spreads["gemstones"] == pytest.approx(6.1, abs=0.1)
    assert spreads["law"] / spreads["by FLOPs"] == pytest.approx(3.6, abs=0.1)
    gemstones = by_name["gemstones"].effect
    assert gemstones is not None and gemstones.detectable is not None and gemstones.detectable > 5


def test_correlations_that_others_found(found: Comparison, real: pd.DataFrame) -> None:
    """Independent published-score analysis: R -0.25 [-0.41, -0.08], size +0.71, R with size -0.52."""
    ratio = found.findings.association("ratio", given="nothing")
    assert numbers(ratio) == pytest.approx([-0.25, -0.41, -0.08], abs=0.01)  # theirs by a bootstrap of families
    for outcome, value in (("response", 0.71), ("ratio", -0.52)):
        one = found.findings.association("parameters", given="nothing", outcome=outcome)
        assert numbers(one)[0] == pytest.approx(value, abs=0.01)
    for key, column in (("ratio", "ratio"), ("depth", "num_hidden_layers"), ("width", "hidden_size")):
        plain = stats.spearmanr(real[column], real["response"]).statistic
        assert numbers(found.findings.association(key, given="nothing"))[0] == pytest.approx(plain, abs=1e-9)


def test_rank_correlations_at_fixed_size(found: Comparison, real: pd.DataFrame) -> None:
    deviation = (np.log(real["ratio"]) - LAW[0]).abs()
    month = stats.rankdata(real["month"])
    for key, values in (("deviation_law", deviation), ("ratio", real["ratio"]), ("depth", real["num_hidden_layers"])):
        for given, also in (("size", []), ("size_release", [month])):
            columns = np.column_stack([held(real, "spline_rank"), *also])
            ranks = np.column_stack([values.rank(), real["response"].rank()])
            left = ranks - columns @ np.linalg.lstsq(columns, ranks, rcond=1e-12)[0]
            one = found.findings.association(key, given=given)
            assert numbers(one)[0] == pytest.approx(np.corrcoef(left.T)[0, 1], abs=1e-3)
    depth = numbers(found.findings.association("depth"))
    assert depth[1] < 0 < depth[2] and abs(depth[0]) < 0.02


def test_the_floor_leaves_half_of_what_varies(found: Comparison, real: pd.DataFrame) -> None:
    floor = found.findings.floor
    assert floor is not None
    assert (floor.below, floor.above) == (real["at_floor"].sum(), (~real["at_floor"]).sum()) == (48, 65)
    for rows, value, published in (
        (real["at_floor"], floor.reliability_below, 0.51),
        (~real["at_floor"], floor.reliability_above, 0.997),
    ):
        part = real[rows]
        squares = residual_squares(held(part, "spline_rank"), part["response"].to_numpy()) / len(part)
        assert value == pytest.approx(1 - (part["error"] ** 2).mean() / squares, abs=1e-3)
        assert value == pytest.approx(published, abs=0.02)


def test_families_released_later_are_predicted_from_earlier_ones(found: Comparison, real: pd.DataFrame) -> None:
    one = found.findings.skill("release")
    assert one is not None and one.cutoff is not None
    year, month = map(int, one.cutoff.split("-"))
    train = (real.groupby("family")["month"].transform("min") < 12 * year + month - 1).to_numpy()
    assert (one.train, one.test) == (train.sum(), (~train).sum())
    x, y = real["size"].to_numpy() - 21.0, real["response"].to_numpy()
    knots = knots_of(x[train])
    below = [((x[train] < one).sum() + (x[train] <= one).sum()) / 2 for one in x]
    size, slope = np.column_stack([natural(x, knots), below]), natural(x, knots, 1)
    curve = np.linalg.lstsq(natural(x, knots)[train], y[train], rcond=None)[0]
    dose = np.expm1(LAW[1] * (np.log(real["ratio"].to_numpy()) - LAW[0]) ** 2) / 0.039 * (slope @ curve)

    def error(columns: Array, target: Array) -> float:
        fit = np.linalg.lstsq(columns[train], target[train], rcond=1e-12)[0]
        return float(np.sqrt(((target - columns @ fit)[~train] ** 2).mean()))

    with_dose = error(np.column_stack([size, dose]), y)
    assert one.error_size == pytest.approx(error(size, y), abs=0.01)
    assert one.error_with == pytest.approx(with_dose, abs=0.02)
    assert one.error_predicted == pytest.approx(error(size, y + dose), abs=0.01)
    assert one.estimate.value == pytest.approx(1 - (with_dose / error(size, y)) ** 2, abs=0.01)
    halves = found.findings.skill("halves")
    assert halves is not None and halves.estimate.low is not None and halves.estimate.high is not None
    assert halves.estimate.low < 0 < halves.estimate.high


def test_counterexamples_are_named_both_ways(found: Comparison) -> None:
    assert "openai-community/gpt2-xl" in {row["model"] for row in found.counterexamples("inside_below")}
    assert "Qwen/Qwen2.5-14B" in {row["model"] for row in found.counterexamples("outside_above")}


def test_what_the_answer_hangs_on(found: Comparison, real: pd.DataFrame) -> None:
    """Two models whose removal puts zero outside the interval, fitted anew without them."""
    influence = found.findings.influence
    assert influence is not None
    (one,) = (one for one in influence.removals if (one.unit, one.target) == ("model", "interval"))
    assert 0 < len(one.removed) <= 3
    kept = real[~real["repo_id"].isin(one.removed)]
    value, low, high = dose_effect(kept, "spline_rank")
    assert low > 0 or high < 0
    assert numbers(one.effect) == pytest.approx([value, low, high], abs=0.05)


def test_what_is_missing_or_left_out_is_said(found: Comparison) -> None:
    below, metrics = (one.what for one in found.unavailable)
    assert metrics == "measured interaction metrics"
    assert below.startswith("a predicted cost of amd/AMD-Llama-135m, ") and below.endswith(" and 7 more")
    reasons = {one.what: one.reason for one in found.excluded}
    assert reasons["HuggingFaceTB/SmolLM3-3B-Base"].startswith("It has no score of protocol leaderboard (only of ")
    assert not set(reasons) & set(found.usable["model"])


def test_the_document_repeats_the_answer(found: Comparison) -> None:
    document = json.loads(json.dumps(found.to_dict(), allow_nan=False))
    assert len(document["models"]) == 116 == 113 + sum(model["flag"] is not None for model in document["models"])
    assert document["findings"]["effects"][0] == document["answer"]["primary"]
    again = compare(quick=True, splits=100)
    assert again.answer == found.answer and again.findings.effects == found.findings.effects
    assert again.findings.skills == found.findings.skills
