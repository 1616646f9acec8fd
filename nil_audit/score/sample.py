"""Which questions are asked: all of MMLU-Pro, or a sample stratified by category that is the same for every model."""

import hashlib
import math
from collections import Counter
from collections.abc import Mapping, Sequence
from itertools import chain

import numpy as np

from nil_audit.errors import UsageError
from nil_audit.score.data import Benchmark, Row
from nil_audit.score.protocols import CATEGORIES
from nil_audit.stats.stratified import error_of_mean, share_variances

SEED = 1234
_MARGIN = 1.02
_GROWTH = 4
Chosen = Mapping[str, tuple[Row, ...]]
"""Questions by category, each category's ordered by question id."""


def require_sample(size: int | None) -> None:
    """Refuse a sample that cannot have a question of every category, before anything is read.

    Raises:
        UsageError: It is smaller than the number of categories.
    """
    if size is not None and size < len(CATEGORIES):
        raise UsageError(
            f"{size} questions cannot cover MMLU-Pro's {len(CATEGORIES)} categories; "
            f"ask for {len(CATEGORIES)} or more, or leave --questions out for the full set."
        )


def choose_questions(benchmark: Benchmark, size: int | None = None, *, seed: int = SEED) -> dict[str, tuple[Row, ...]]:
    """Questions by category, all or a sample stratified by category.

    All questions stand in one order, and a sample is the first of them, so that a larger one holds every smaller one.
    Each category's first question comes first; the others follow so that at every size each category has its share,
    in proportion to its questions (Sainte-Laguë's divisors: its k-th comes at (2k - 1) / size of the category), and
    the plain mean over the sample estimates the score on the full set. Within a category the order is that of
    the sha256 of seed and question id: it depends neither on the order of a file nor on any library's random numbers.

    Args:
        benchmark: Where to choose from.
        size: Questions in all; None, or as many as there are, means all.
        seed: Another seed is another sample.

    Returns:
        For each of the 14 categories its chosen questions, ordered by question id.

    Raises:
        UsageError: Fewer questions than categories are asked for.
    """
    require_sample(size)
    rows = {category: benchmark.of(category) for category in CATEGORIES}
    if size is None or size >= len(benchmark.questions):
        return rows
    shares = shares_of({category: len(found) for category, found in rows.items()}, size)
    return {category: _first_by_hash(found, shares[category], seed) for category, found in rows.items()}


def shares_of(sizes: Mapping[str, int], total: int) -> Counter[str]:
    """Split ``total`` in proportion to ``sizes``, at least one each, so that a larger total lessens no share."""
    places = sorted(((2 * k + 1) / size if k else 0, name) for name, size in sizes.items() for k in range(size))
    return Counter(name for _, name in places[:total])


def _first_by_hash(rows: tuple[Row, ...], count: int, seed: int) -> tuple[Row, ...]:
    """The ``count`` rows whose hash of seed and question id is smallest, ordered by question id."""

    def rank(row: Row) -> bytes:
        return hashlib.sha256(f"{seed}:{row['question_id']}".encode()).digest()

    return tuple(sorted(sorted(rows, key=rank)[:count], key=lambda row: row["question_id"]))


def require_precision(precision: float | None) -> None:
    """Refuse a precision that no sample has or every sample has, before anything is read.

    Raises:
        UsageError: It is not between 0 and 50 points.
    """
    if precision is not None and not 0 < precision < 0.5:
        raise UsageError(
            f"A precision of {100 * precision:g}% is no standard error of an accuracy; ask for one such as 1%, or leave"
            " --precision out for the full set."
        )


def next_round(
    benchmark: Benchmark, asked: Chosen, correct: Mapping[str, Sequence[bool]], *, precision: float, seed: int = SEED
) -> dict[str, tuple[Row, ...]] | None:
    """The questions that a sample needs further until its accuracy is precise enough.

    Args:
        benchmark: Where to choose from.
        asked: The questions asked so far, by category.
        correct: Their outcomes, by category.
        precision: Standard error to come down to, with the finite-population correction (see
            ``nil_audit.stats.proportion.share_of_all``).
        seed: Of the sample.

    Returns:
        Questions not asked yet, by category; None where the error is at most the precision, or none is left.
    """
    there = [len(benchmark.of(category)) for category in asked]
    right, counts = [sum(correct[category]) for category in asked], [len(correct[category]) for category in asked]
    size = next_size(right, counts, there, precision)
    if size is None:
        return None
    chosen, known = choose_questions(benchmark, size, seed=seed), {row["question_id"] for row in chain(*asked.values())}
    return {name: tuple(row for row in rows if row["question_id"] not in known) for name, rows in chosen.items()}


def next_size(right: Sequence[int], asked: Sequence[int], there: Sequence[int], precision: float) -> int | None:
    """How many questions a sample should have next, or None where its accuracy is precise enough.

    With the variance within categories that the answers so far show, V = Σ N_c s_c² / N, a sample in proportion needs
    n = V / (precision² + V / N). The next has 2% more than that, so that it is mostly the last; but at least as many
    new questions as there are categories, and at most four times as many as before, since V is a guess from few.

    Args:
        right: Right answers by category.
        asked: Answers by category, at least one each.
        there: Questions by category.
        precision: Standard error to come down to.
    """
    spread = share_variances(right, asked)
    if error_of_mean(spread, asked, there) <= precision:
        return None
    n, every = sum(asked), sum(there)
    within = float(np.dot(there, spread)) / every
    needed = math.ceil(_MARGIN * within / (precision**2 + within / every))
    return min(max(needed, n + len(there)), _GROWTH * n, every)


def merged(one: Chosen, other: Chosen) -> dict[str, tuple[Row, ...]]:
    """The questions of two samples, by category."""
    return {
        category: tuple(sorted((*one.get(category, ()), *other.get(category, ())), key=lambda row: row["question_id"]))
        for category in one
    }
