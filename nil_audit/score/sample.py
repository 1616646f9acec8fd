"""Which questions are asked: all of MMLU-Pro, or a sample stratified by category that is the same for every model."""

import hashlib
import math
from collections import Counter
from collections.abc import Mapping, Sequence

from nil_audit.errors import UsageError
from nil_audit.score.data import Benchmark, Row
from nil_audit.score.protocols import CATEGORIES

SEED = 1234
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

    Every category gets its share of the sample in proportion to its questions (largest remainders, at least
    one), so the plain mean over the sample estimates the score on the full set. Within a category questions are
    ranked by the sha256 of seed and question id and the first are taken: the choice depends neither on the order
    of a file nor on any library's random numbers.

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
    shares = _allocate({category: len(found) for category, found in rows.items()}, size)
    return {category: _first_by_hash(found, shares[category], seed) for category, found in rows.items()}


def _allocate(sizes: dict[str, int], total: int) -> Counter[str]:
    """Split ``total`` in proportion to ``sizes`` by largest remainders, at least one and at most ``sizes`` each."""
    population = sum(sizes.values())
    exact = {name: total * size / population for name, size in sizes.items()}
    shares = Counter({name: max(1, math.floor(share)) for name, share in exact.items()})
    by_remainder = sorted(sizes, key=lambda name: (shares[name] - exact[name], name))
    while sum(shares.values()) < total:
        for name in by_remainder:
            if sum(shares.values()) < total and shares[name] < sizes[name]:
                shares[name] += 1
    while sum(shares.values()) > total:  # the floor of one a category can overshoot: the most favoured give way
        above_one = [name for name in shares if shares[name] > 1]
        shares[max(above_one, key=lambda name: (shares[name] - exact[name], name))] -= 1
    return shares


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
            ``nil_audit.stats.proportion.sampling_error``).
        seed: Of the sample.

    Returns:
        Questions not asked yet, by category; None where the error is at most the precision, or none is left.
    """
    raise NotImplementedError


def merged(one: Chosen, other: Chosen) -> dict[str, tuple[Row, ...]]:
    """The questions of two samples, by category."""
    return {
        category: tuple(sorted((*one.get(category, ()), *other.get(category, ())), key=lambda row: row["question_id"]))
        for category in one
    }
