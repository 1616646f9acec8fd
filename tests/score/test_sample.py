"""A stratified sample: proportional, reproducible, and independent of the order of a file."""

from collections import Counter
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nil_audit.errors import UsageError
from nil_audit.score.data import Benchmark, load_benchmark
from nil_audit.score.protocols import CATEGORIES
from nil_audit.score.sample import choose_questions


def _benchmark(sizes: list[int], *, backwards: bool = False) -> Benchmark:
    rows = [
        {"question_id": 1000 * place + i, "category": category}
        for place, (category, size) in enumerate(zip(CATEGORIES, sizes, strict=True))
        for i in range(size)
    ]
    return Benchmark(source="made-up", questions=tuple(rows[::-1] if backwards else rows), examples=())


def _ids(chosen: dict[str, tuple[dict[str, int], ...]]) -> list[int]:
    return [row["question_id"] for rows in chosen.values() for row in rows]


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
        share = size * available / total
        assert 1 <= len(chosen[category]) <= available
        # with the floor of one question a category, small categories take from the large ones
        assert len(chosen[category]) <= max(1, share + 1)


@given(SIZES, st.integers(14, 400))
def test_the_order_of_the_file_does_not_matter(sizes: list[int], size: int) -> None:
    assert _ids(choose_questions(_benchmark(sizes), size)) == _ids(
        choose_questions(_benchmark(sizes, backwards=True), size)
    )


def test_a_larger_sample_contains_a_smaller_one_and_another_seed_is_another_sample() -> None:
    benchmark = _benchmark([100] * 14)
    small, large = (set(_ids(choose_questions(benchmark, size))) for size in (140, 280))
    assert small < large
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
        {"math": 31, "physics": 30, "chemistry": 26, "law": 26, "engineering": 23, "other": 21, "economics": 20}
        | {"health": 19, "psychology": 19, "business": 18, "biology": 17, "philosophy": 12}
        | {"computer science": 9, "history": 9}
    )
    assert sum(_ids(chosen)) == 1_724_370
