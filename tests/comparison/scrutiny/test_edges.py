"""Ends of intervals by model and by bootstrap draw, against each study's own curves."""

import numpy as np
import pytest

from nil_audit.comparison.scrutiny.edges import Edges, edges, inside_of_draws
from nil_audit.law.loss_curves import FORMS
from nil_audit.law.studies import Study, studies
from tests.comparison.models import made_sample, real_sample


@pytest.mark.parametrize("study", studies(), ids=lambda study: study.name)
def test_ends_are_the_studys_at_each_models_budget(study: Study) -> None:
    whole = made_sample(40, 10)
    whole.table.loc[whole.table.index[0], "parameters"] = np.nan  # read at 1B
    found = edges(whole, study)
    for number, (ratio, budget) in enumerate(whole.table[["ratio", "parameters"]].to_numpy()):
        interval = study.interval(None if np.isnan(budget) else budget)
        assert (found.low[number], found.high[number]) == pytest.approx((interval.low, interval.high))
        assert found.inside[number] == interval.holds(ratio)


@pytest.mark.parametrize("study", studies(), ids=lambda study: study.name)
def test_a_draw_holds_what_its_own_curve_puts_within_the_tolerance(study: Study) -> None:
    whole = real_sample()
    found = inside_of_draws(whole, study)
    assert found.shape == (len(study.draws), whole.models)
    shapes = whole.table[["ratio", "parameters"]].to_numpy()
    differ = 0
    for draw, coefficients in list(enumerate(study.draws))[::40]:
        curve = FORMS[study.form](*coefficients)
        for number, (ratio, budget) in enumerate(shapes):
            low, high = curve.bounds(budget, study.tolerance)
            if min(abs(np.log(ratio / low)), abs(np.log(ratio / high))) > 0.02:
                assert found[draw, number] == (low <= ratio <= high)
            differ += found[draw, number] != (low <= ratio <= high)
    assert differ <= 2


def test_no_draw_without_draws() -> None:
    study = studies()[0]
    bare = Study(**{**{name: getattr(study, name) for name in study.__dataclass_fields__}, "draws": ()})
    assert inside_of_draws(made_sample(20, 5), bare).shape == (0, 20)


def test_near_an_edge_and_sharing_a_ratio() -> None:
    ratio = np.array([0.0089, 0.0091, 0.0109, 0.0111, 0.02, 0.0901, 0.111, 0.111, 0.111, 0.001, 0.001])
    found = Edges(ratio=ratio, low=np.full(11, 0.01), high=np.full(11, 0.1))
    assert found.inside.sum() == 4
    assert found.near == 3  # 0.0091, 0.0109 and 0.0901
    assert found.most_shared == (3, 0.111)
    assert Edges(ratio=ratio[:7], low=np.full(7, 0.01), high=np.full(7, 0.1)).most_shared is None
    assert Edges(ratio=ratio[2:5], low=np.full(3, 0.01), high=np.full(3, 0.1)).most_shared is None
