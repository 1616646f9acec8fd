"""Which questions are asked: all of them, or a stratified sample that is the same for every model."""

import hashlib
import math
from collections import Counter

from nil_audit.errors import UsageError
from nil_audit.score.data import Benchmark, Row
from nil_audit.score.protocols import CATEGORIES

SEED = 1234


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
    rows = {category: benchmark.of(category) for category in CATEGORIES}
    if size is not None and size < len(CATEGORIES):
        raise UsageError(
            f"{size} questions cannot cover MMLU-Pro's {len(CATEGORIES)} categories; "
            f"ask for {len(CATEGORIES)} or more, or leave --questions out for the full set."
        )
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
