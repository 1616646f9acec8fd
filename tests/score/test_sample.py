"""A stratified sample: proportional, reproducible, independent of the order of a file, and grown until precise."""

import importlib.util
import math
import sys
from collections import Counter
from collections.abc import Mapping, Sequence
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from nil_audit.errors import UsageError
from nil_audit.score.data import Benchmark, Row, load_benchmark
from nil_audit.score.protocols import CATEGORIES
from nil_audit.score.sample import choose_questions, merged, next_round, next_size, require_precision, shares_of
from nil_audit.stats.proportion import share_of_all


def _benchmark(sizes: list[int], *, backwards: bool = False) -> Benchmark:
    rows = [
        {"question_id": 2000 * place + i, "category": category}
        for place, (category, size) in enumerate(zip(CATEGORIES, sizes, strict=True))
        for i in range(size)
    ]
    return Benchmark(source="made-up", questions=tuple(rows[::-1] if backwards else rows), examples=())


def _ids(chosen: Mapping[str, Sequence[Row]]) -> list[int]:
    return [row["question_id"] for rows in chosen.values() for row in rows]


ROOT = Path(__file__).parents[2]
REAL = (717, 789, 1132, 410, 844, 969, 818, 381, 1101, 1351, 924, 499, 1299, 798)
"""Questions of MMLU-Pro by category."""
SIZES = st.lists(st.integers(1, 200), min_size=14, max_size=14)


@given(SIZES, st.data())
def test_a_sample_has_the_size_asked_for_and_every_category_in_proportion(
    sizes: list[int], data: st.DataObject
) -> None:
    total = sum(sizes)
    size = data.draw(st.integers(14, total))
    chosen = choose_questions(_benchmark(sizes), size)
    assert sum(map(len, chosen.values())) == size
    assert len(set(_ids(chosen))) == size
    for category, available in zip(CATEGORIES, sizes, strict=True):
        assert 1 <= len(chosen[category]) <= available


@pytest.mark.parametrize("total", [140, 141, 280, 1000, 4321, 12031])
def test_shares_of_the_real_categories_are_rounded_ones(total: int) -> None:
    sizes = dict(zip(CATEGORIES, REAL, strict=True))
    shares = shares_of(sizes, total)
    assert all(abs(shares[name] - total * size / sum(REAL)) < 1 for name, size in sizes.items())


@given(SIZES, st.integers(14, 400))
def test_the_order_of_the_file_does_not_matter(sizes: list[int], size: int) -> None:
    assert _ids(choose_questions(_benchmark(sizes), size)) == _ids(
        choose_questions(_benchmark(sizes, backwards=True), size)
    )


@given(SIZES, st.data())
def test_a_larger_sample_contains_a_smaller_one(sizes: list[int], data: st.DataObject) -> None:
    benchmark, total = _benchmark(sizes), sum(sizes)
    small = data.draw(st.integers(14, total))
    large = data.draw(st.integers(small, total))
    assert set(_ids(choose_questions(benchmark, small))) <= set(_ids(choose_questions(benchmark, large)))


def test_another_seed_is_another_sample() -> None:
    benchmark = _benchmark([100] * 14)
    small = set(_ids(choose_questions(benchmark, 140)))
    other = set(_ids(choose_questions(benchmark, 140, seed=1)))
    assert 1 <= len(other & small) <= 40  # by chance about 14


def test_all_questions_by_default_and_where_more_are_asked_for_than_there_are() -> None:
    benchmark = _benchmark([3] * 14)
    assert (
        _ids(choose_questions(benchmark))
        == _ids(choose_questions(benchmark, 1000))
        == _ids(choose_questions(benchmark, 42))
    )
    with pytest.raises(UsageError, match="ask for 14 or more"):
        choose_questions(benchmark, 13)


def test_the_280_questions_of_the_real_set_are_these(shared: Path) -> None:
    chosen = choose_questions(load_benchmark(shared / "data" / "mmlu_pro"), 280)
    assert Counter({name: len(rows) for name, rows in chosen.items()}) == Counter(
        {"math": 31, "physics": 30, "chemistry": 26, "law": 26, "engineering": 22, "other": 21, "economics": 20}
        | {"health": 19, "psychology": 19, "business": 18, "biology": 17, "philosophy": 12}
        | {"computer science": 10, "history": 9}
    )
    assert sum(_ids(chosen)) == 1_722_886


def _grown(benchmark: Benchmark, right: Mapping[int, bool], precision: float, first: int = 140) -> list[list[int]]:
    """The questions asked after each round, of a model that is right where ``right`` says so."""
    chosen = choose_questions(benchmark, first)
    rounds = []
    while True:
        rounds.append(_ids(chosen))
        correct = {name: [right[row["question_id"]] for row in rows] for name, rows in chosen.items()}
        new = next_round(benchmark, chosen, correct, precision=precision)
        if new is None:
            return rounds
        assert not set(_ids(new)) & set(_ids(chosen))
        chosen = merged(chosen, new)


@pytest.mark.parametrize("precision", [0.01, 0.02])
def test_rounds_go_on_until_the_error_is_small_and_not_far_beyond(precision: float) -> None:
    benchmark = _benchmark(list(REAL))
    right = {row["question_id"]: row["question_id"] * 7919 % 1009 < 400 for row in benchmark.questions}
    *before, last = _grown(benchmark, right, precision)
    categories = {row["question_id"]: row["category"] for row in benchmark.questions}

    def error(asked: list[int]) -> float:
        sizes = dict(zip(CATEGORIES, REAL, strict=True))
        return share_of_all([right[i] for i in asked], [categories[i] for i in asked], sizes).se or math.nan

    assert all(error(asked) > precision for asked in before)
    assert 0.97 * precision < error(last) <= precision
    # 0.4 x 0.6 / precision², corrected for the 12,032 that there are
    assert len(last) == pytest.approx(1 / (1 / (0.24 / precision**2) + 1 / 12032), rel=0.06)
    assert set(last) == set(_ids(choose_questions(benchmark, len(last))))
    assert len(before) <= 3


def test_a_finer_precision_asks_all_that_a_coarser_one_asks() -> None:
    benchmark = _benchmark(list(REAL))
    right = {row["question_id"]: row["question_id"] % 3 > 0 for row in benchmark.questions}
    coarse, fine = (_grown(benchmark, right, precision)[-1] for precision in (0.03, 0.02))
    assert set(coarse) < set(fine)


@given(st.lists(st.integers(1, 60), min_size=14, max_size=14), st.integers(0, 2**32), st.floats(1e-6, 0.4))
def test_every_run_ends_at_the_latest_with_all_questions(sizes: list[int], seed: int, precision: float) -> None:
    benchmark = _benchmark(sizes)
    right = {row["question_id"]: bool(seed >> row["question_id"] % 32 & 1) for row in benchmark.questions}
    rounds = _grown(benchmark, right, precision, first=14)
    assert all(set(one) < set(other) for one, other in pairwise(rounds))
    if precision < 1e-4:
        assert len(rounds[-1]) == len(benchmark.questions)


@given(SIZES, st.data())
def test_a_round_grows_but_not_beyond_four_times(sizes: list[int], data: st.DataObject) -> None:
    size = data.draw(st.integers(14, sum(sizes)))
    asked = list(shares_of(dict(zip(CATEGORIES, sizes, strict=True)), size).values())
    right = [data.draw(st.integers(0, n)) for n in asked]
    found = next_size(right, asked, sizes, data.draw(st.floats(0.001, 0.1)))
    assume(found is not None)
    assert min(size + 14, sum(sizes)) <= (found or 0) <= min(4 * size, sum(sizes))


def test_all_wrong_answers_are_not_exact_after_a_few() -> None:
    assert next_size([0] * 14, [10] * 14, REAL, 0.004) is not None
    assert next_size([0] * 14, [10] * 14, REAL, 0.005) is None


@pytest.mark.parametrize("precision", [0.0, -0.01, 0.5, 2.0])
def test_precisions_that_cannot_be(precision: float) -> None:
    with pytest.raises(UsageError, match="ask for one such as 1%"):
        require_precision(precision)
    require_precision(0.01)
    require_precision(None)


def test_the_simulation_of_the_documentation_follows_the_rule() -> None:
    spec = importlib.util.spec_from_file_location("simulate_precision", ROOT / "scripts" / "simulate_precision.py")
    assert spec is not None
    assert spec.loader is not None
    script = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = script
    spec.loader.exec_module(script)
    assert tuple(script.SIZES.values()) == REAL
    found = script.simulate(0.3, 0.03, models=3, runs=40, seed=2)
    assert found.asked.mean() == pytest.approx(239, abs=15)
    assert found.error.std() == pytest.approx(0.03, rel=0.2)
    assert abs(found.error.mean()) < 0.01
    assert 0.89 <= found.covered.mean() <= 1
    assert (found.se <= 0.03).all()
