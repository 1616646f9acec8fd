"""Out of sample against written-out least squares."""

import numpy as np
import pandas as pd
import pytest

from nil_audit.comparison.skill import first_release, release_cutoff, skill_by_halves, skill_by_release, skills
from nil_audit.stats.spline import spline_basis
from tests.comparison.models import make_table


def test_skill_by_release_is_two_least_squares_fits() -> None:
    table = make_table(effect=0.03)
    cutoff = release_cutoff(table)
    train = (first_release(table) < cutoff).to_numpy()
    found = skill_by_release(table, "x", cutoff=cutoff)
    assert found is not None
    score = table["score"].to_numpy()
    columns = np.column_stack([np.ones(80), spline_basis(np.log(table["parameters"].to_numpy()))])
    errors = []
    for used in (columns, np.column_stack([columns, table["x"]])):
        slopes = np.linalg.lstsq(used[train], score[train], rcond=None)[0]
        errors.append(np.sqrt(np.mean((score - used @ slopes)[~train] ** 2)))
    assert (found.error_size, found.error_with) == pytest.approx(tuple(errors))
    assert found.estimate.value == pytest.approx(1 - (errors[1] / errors[0]) ** 2)
    assert (found.train, found.test) == (train.sum(), (~train).sum())
    assert found.estimate.value > 0.2
    assert found.cutoff is not None and found.cutoff.startswith("200")


def test_skill_over_halves_is_above_zero_with_an_effect_and_not_without() -> None:
    with_effect = skill_by_halves(make_table(effect=0.03), "x", splits=100, seed=0)
    assert with_effect is not None and with_effect.estimate.low is not None and with_effect.estimate.low > 0
    made = [skill_by_halves(make_table(seed=seed), "x", splits=30, seed=0) for seed in range(40)]
    found = [one.estimate for one in made if one is not None and one.estimate.low is not None]
    assert len(found) == 40
    assert np.mean([one.value for one in found]) < 0
    assert sum(one.low > 0 for one in found if one.low is not None) <= 3


def test_nothing_is_learnt_of_a_predictor_that_is_constant_among_the_families_fitted_on() -> None:
    table = make_table(effect=0.03)
    cutoff = release_cutoff(table)
    late = first_release(table) >= cutoff
    found = skill_by_release(table.assign(x=np.where(late, table["x"], 0.7)), "x", cutoff=cutoff)
    assert found is not None
    assert found.error_with == found.error_size
    assert found.estimate.value == 0


def test_cutoff_splits_families_by_their_first_release_in_halves() -> None:
    family = np.repeat(np.arange(10), 3)
    month = np.where(np.arange(30) % 3 == 0, 24_000.0 + 2 * family, np.nan)
    table = pd.DataFrame({"family": family.astype(str), "month": month})
    assert release_cutoff(table) == 24_010
    assert first_release(table).tolist() == [24_000.0 + 2 * code for code in family]
    assert np.isnan(release_cutoff(table.assign(month=np.nan)))
    assert np.isnan(release_cutoff(table.assign(month=24_000.0)))


def test_no_skill_from_few_families() -> None:
    table = make_table(30, 6)
    assert skill_by_halves(table, "x", splits=10, seed=0) is None
    assert skill_by_release(table, "x", cutoff=24_020.0) is None
    assert skills(table[:0], ["x"], splits=10, seed=0) == []


def test_each_predictor_is_judged_both_ways() -> None:
    found = skills(make_table(), ["x", "gap"], splits=10, seed=0)
    assert [(one.predictor, one.split) for one in found] == [
        ("x", "release"), ("x", "halves"), ("gap", "release"), ("gap", "halves")
    ]  # fmt: skip
