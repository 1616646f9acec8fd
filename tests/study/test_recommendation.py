"""The rule that recommends a shape: worst case, bootstrap interval, noise, latency."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nil_audit.shape.interval import studies, verdict
from nil_audit.study.recommendation import gain, recommend, worst_case

NOISE = min(study.residual for study in studies())


def test_worst_case_is_the_largest_of_the_three() -> None:
    assert worst_case(0.03, 1e9) == max(study.excess(0.03, 1e9).value for study in studies())


def test_gain_is_antisymmetric_and_holds_its_value() -> None:
    there, back = gain(0.008, 0.025, 1e9), gain(0.025, 0.008, 1e9)
    assert there.value == pytest.approx(-back.value)
    assert there.low == pytest.approx(-back.high)
    assert 0 < there.low <= there.value <= there.high


def test_a_shape_far_out_is_changed_and_the_words_name_every_study() -> None:
    found = recommend(0.0078, [0.06, 0.025, 0.006], [60, 30, 12], 1.2e9)
    assert (found.action, found.best) == ("change", 1)
    assert all(study.name in found.words for study in studies())
    assert "fitted budgets" in found.words


def test_a_shape_at_the_best_is_kept() -> None:
    best = min((0.0001 * step for step in range(100, 500)), key=lambda ratio: worst_case(ratio, 1e9))
    found = recommend(best, [0.9 * best, 1.1 * best], [20, 24], 1e9)
    assert found.action == "keep"
    assert "none of the alternatives" in found.words


def test_a_gain_within_noise_is_not_recommended() -> None:
    best = min((0.0001 * step for step in range(100, 500)), key=lambda ratio: worst_case(ratio, 1e9))
    near = best * 1.02
    found = recommend(near, [best], [20], 1e9)
    assert found.gain is not None and 0 < found.gain.value < NOISE
    assert found.action == "keep"
    assert "not distinguishable" in found.words or "less than" in found.words


def test_of_equals_within_noise_the_shallowest_is_taken() -> None:
    ratios, depths = [0.024, 0.0238], [40, 28]
    assert abs(worst_case(ratios[0], 1e9) - worst_case(ratios[1], 1e9)) < NOISE
    assert recommend(0.0078, ratios, depths, 1e9).best == 1
    assert recommend(0.0078, ratios, depths[::-1], 1e9).best == 0


def test_a_shape_inside_all_is_preferred_to_a_disputed_one() -> None:
    assert verdict(0.034, 1e9).label == "inside"
    assert verdict(0.0165, 1e9).label == "disputed"
    assert recommend(0.2, [0.0165, 0.034], [10, 40], 1e9).best == 1
    outside = recommend(0.3, [0.2, 0.15], [60, 50], 1e9)
    assert outside.best == 1
    assert "No alternative lies inside" in outside.words


def test_without_alternatives_it_says_so() -> None:
    found = recommend(0.03, [], [], 1e9)
    assert (found.action, found.best, found.gain) == ("none", None, None)
    assert "--tolerance" in found.words


@given(
    ratio=st.floats(0.003, 0.3),
    others=st.lists(st.floats(0.003, 0.3), min_size=1, max_size=6),
    parameters=st.floats(7.0, 10.5).map(lambda power: 10.0**power),
)
def test_never_recommends_what_cannot_be_told_from_nothing(
    ratio: float, others: list[float], parameters: float
) -> None:
    found = recommend(ratio, others, list(range(3, 3 + len(others))), parameters)
    assert found.best is not None and found.gain is not None
    if found.action == "change":
        assert found.gain.low > 0
        assert found.gain.value >= NOISE
        assert worst_case(others[found.best], parameters) < worst_case(ratio, parameters)
