"""The rule that recommends a shape: expected gain, noise, agreement, decoding time; and what size is worth."""

import math
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nil_audit.candidate.recommendation import growth, pooled_gain, recommend, study_changes
from nil_audit.law.pooled import LOSS_PER_SIZE, Pool, Reference, reference
from nil_audit.law.studies import study
from nil_audit.shape.architecture import Parameters, Shape, shape_from_config
from nil_audit.stats.estimate import Estimate

NOISE = 0.002
OWN = {"architectures": ["OwnForCausalLM"]}


def gain(value: float, low: float = -1.0) -> Estimate:
    return Estimate(value=value, low=low, high=1.0)


@pytest.mark.parametrize(
    ("gains", "agreed", "seconds", "action", "reason", "best"),
    [
        # none gains
        ([gain(-0.01), gain(-0.003)], [False, False], [10, 20], "keep", "none_better", 1),
        ([gain(0.0)], [False], [10], "keep", "none_better", 0),
        # no more than two runs of one shape differ by, however sure and agreed
        ([gain(0.0019, low=0.0001), gain(-0.01)], [True, False], [10, 20], "keep", "below_noise", 0),
        # the interval lies above the noise, or above zero alone
        ([gain(0.004, low=0.0021)], [True], [10], "change", "better", 0),
        ([gain(0.004, low=0.0021)], [False], [10], "change", "better", 0),
        ([gain(0.004, low=0.0001)], [True], [10], "consider", "better", 0),
        ([gain(0.004, low=0.0001)], [False], [10], "consider", "better", 0),
        # it does not: every study says so, or they differ
        ([gain(0.004)], [True], [10], "consider", "agreed", 0),
        ([gain(0.004)], [False], [10], "cannot_tell", "studies_differ", 0),
        # what every study prefers comes before what gains more by less than the noise, but not by more
        ([gain(0.006), gain(0.0045)], [False, True], [10, 20], "consider", "agreed", 1),
        ([gain(0.007), gain(0.0045)], [False, True], [10, 20], "cannot_tell", "studies_differ", 0),
        # of equals within the noise the one that decodes fastest; less than the noise is no gain at all
        ([gain(0.006), gain(0.005), gain(0.0045, low=0.003)], [True] * 3, [40, 30, 20], "change", "better", 2),
        ([gain(0.003), gain(0.0015)], [True, True], [40, 20], "consider", "agreed", 0),
        # of equally fast ones the larger gain
        ([gain(0.005), gain(0.006)], [True, True], [20, 20], "consider", "agreed", 1),
        ([], [], [], "none", "no_alternative", None),
    ],
)
def test_the_rule(
    gains: list[Estimate], agreed: list[bool], seconds: list[float], action: str, reason: str, best: int | None
) -> None:
    found = recommend(gains, agreed, seconds, noise=NOISE)
    assert (found.action, found.reason, found.best, found.noise) == (action, reason, best, NOISE)
    assert found.gain == (None if best is None else gains[best])


@given(
    shapes=st.lists(
        st.tuples(st.floats(-0.02, 0.02), st.floats(0, 0.02), st.booleans(), st.floats(0.001, 1)),
        min_size=1,
        max_size=8,
    )
)
def test_never_advises_what_noise_could_have_done_nor_says_change_of_what_may_be_none(
    shapes: list[tuple[float, float, bool, float]],
) -> None:
    gains = [Estimate(value=value, low=value - half, high=value + half) for value, half, _, _ in shapes]
    found = recommend(gains, [one[2] for one in shapes], [one[3] for one in shapes], noise=NOISE)
    assert found.best is not None and found.gain is not None and found.gain.low is not None
    highest = max(one.value for one in gains)
    assert found.gain.value >= highest - NOISE
    if found.action != "keep":
        assert found.gain.value >= NOISE
    assert (found.action == "change") == (found.gain.low > NOISE and highest >= NOISE)
    if found.action == "consider":
        assert shapes[found.best][2] or found.gain.low > 0


def shape(depth: int, width: int, body: int, embedding: int) -> Shape:
    """A shape with parameters as told."""
    read = shape_from_config(
        {"model_type": "own", "n_layer": depth, "n_embd": width, "n_head": 1, "vocab_size": 1, **OWN}
    )
    return replace(read, parameters=Parameters(total=body + embedding, embedding=embedding, body=body))


def certain(ln_optimum: float, curvature: float) -> Reference:
    """A reference whose pool has one draw, with no drift."""
    pool = Pool(
        name="one",
        title="",
        studies=("law",),
        reference=1e9,
        parameters_range=(1e6, 1e10),
        ratio_range=(0.001, 0.2),
        reach=((1e6, 1e10, 0.001, 0.2),),
        residual=NOISE,
        draws=((ln_optimum, math.log(curvature), 0.0, 0.0),),
    )
    return Reference(study=study("law"), pool=pool)


def test_a_gain_is_the_fall_in_regret_and_what_the_body_grows_by() -> None:
    before, after = shape(10, 1000, 500_000_000, 100_000_000), shape(40, 800, 600_000_000, 80_000_000)
    assert growth(before, after) == pytest.approx(math.log(1.2))
    found = pooled_gain(certain(math.log(0.03), 0.01), before, after)
    regrets = [0.01 * math.log(ratio / 0.03) ** 2 for ratio in (0.01, 0.05)]
    expected = regrets[0] - regrets[1] + LOSS_PER_SIZE * math.log(1.2)
    assert found.value == pytest.approx(expected)
    assert (found.low, found.high) == (pytest.approx(expected), pytest.approx(expected))


def test_the_changes_of_the_studies_hold_what_size_is_worth() -> None:
    before, same, larger = (shape(20, 1000, body, 1) for body in (10**8, 10**8, 2 * 10**8))
    held = reference()
    assert {name: change.value for name, change in study_changes(held, before, same).items()} == pytest.approx(
        dict.fromkeys(("law", "morph", "chinchilla", "gemstones"), 0.0)
    )
    for change in study_changes(held, before, larger).values():
        assert change.value == pytest.approx(2**-LOSS_PER_SIZE - 1)
    other = shape(40, 1000, 10**8, 1)
    for name, change in study_changes(held, before, other).items():
        alone = study(name).change(0.02, 0.04, 10**8 + 1)
        assert (change.value, change.low, change.high) == pytest.approx((alone.value, alone.low, alone.high))
