"""The rule that recommends a shape: worst case, bootstrap interval, noise, latency."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nil_audit.candidate.recommendation import gain, recommend, worst_case
from nil_audit.law.studies import studies, verdict

NOISE = min(study.residual for study in studies())


def test_worst_case_is_the_largest_of_the_three() -> None:
    assert worst_case(0.03, 1e9) == max(study.excess(0.03, 1e9).value for study in studies())


def test_gain_is_antisymmetric_and_holds_its_value() -> None:
    there, back = gain(0.008, 0.025, 1e9), gain(0.025, 0.008, 1e9)
    assert there.value == pytest.approx(-back.value)
    assert there.low is not None and there.high is not None and back.high is not None
    assert there.low == pytest.approx(-back.high)
    assert 0 < there.low <= there.value <= there.high


def test_a_shape_far_out_is_changed() -> None:
    found = recommend(0.0078, [(60, 1000), (30, 1200), (12, 2000)], 1.2e9)
    assert (found.action, found.best, found.reason) == ("change", 1, "better")
    assert found.inside


def best_ratio() -> float:
    """The ratio of the smallest worst case at 1B."""
    return min((0.0001 * step for step in range(100, 500)), key=lambda ratio: worst_case(ratio, 1e9))


def test_a_shape_at_the_best_is_kept() -> None:
    best = best_ratio()
    found = recommend(best, [(20, round(20 / best * 1.1)), (24, round(24 / best / 1.1))], 1e9)
    assert found.action == "keep"
    assert found.reason == "none_better"


def test_a_gain_within_noise_is_not_recommended() -> None:
    best = best_ratio()
    found = recommend(best * 1.02, [(200, round(200 / best))], 1e9)
    assert found.gain is not None and 0 < found.gain.value < NOISE
    assert found.action == "keep"
    assert found.reason in ("not_distinguishable", "below_noise")


def test_of_equals_within_noise_the_shallowest_is_taken() -> None:
    shapes = [(40, 1667), (28, 1176)]
    assert abs(worst_case(40 / 1667, 1e9) - worst_case(28 / 1176, 1e9)) < NOISE
    assert recommend(0.0078, shapes, 1e9).best == 1
    assert recommend(0.0078, shapes[::-1], 1e9).best == 0


def test_a_shape_inside_all_is_preferred_to_a_disputed_one() -> None:
    assert verdict(34 / 1000, 1e9).label == "inside"
    assert verdict(33 / 2000, 1e9).label == "disputed"
    assert recommend(0.2, [(33, 2000), (34, 1000)], 1e9).best == 1
    outside = recommend(0.3, [(60, 300), (45, 300)], 1e9)
    assert outside.best == 1
    assert not outside.inside


def test_without_alternatives_it_says_so() -> None:
    found = recommend(0.03, [], 1e9)
    assert (found.action, found.best, found.gain) == ("none", None, None)
    assert found.reason == "no_alternative"
    assert recommend(0.03, [], None).reason == "uncounted"


@given(
    ratio=st.floats(0.003, 0.3),
    others=st.lists(st.tuples(st.integers(3, 120), st.integers(400, 4000)), min_size=1, max_size=6),
    parameters=st.floats(7.0, 10.5).map(lambda power: 10.0**power),
)
def test_never_recommends_what_cannot_be_told_from_nothing(
    ratio: float, others: list[tuple[int, int]], parameters: float
) -> None:
    found = recommend(ratio, others, parameters)
    assert found.best is not None and found.gain is not None
    if found.action == "change":
        depth, width = others[found.best]
        assert found.gain.low is not None and found.gain.low > 0
        assert found.gain.value >= NOISE
        assert worst_case(depth / width, parameters) < worst_case(ratio, parameters)
