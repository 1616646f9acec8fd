"""What is asked and how, the same for every model: all of MMLU-Pro, or a sample stratified by category."""

import hashlib
import math
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path

from nil_audit.errors import UsageError
from nil_audit.score.answers import CategoryKey
from nil_audit.score.data import Benchmark, Row, content_digest, load_benchmark
from nil_audit.score.protocols import (
    CATEGORIES,
    DEFAULT,
    REVISIONS,
    Protocol,
    on_edition,
    protocol_named,
    require_version,
)

BACKENDS = ("hf", "vllm")
SEED = 1234
BATCH_SIZE = 8


@dataclass(frozen=True, kw_only=True)
class Plan:
    """What is asked and how: the same for every model.

    Attributes:
        protocol: How it is asked, by the name that it has on this edition of the questions.
        benchmark: All questions and worked examples.
        questions: Those asked, by category.
        seed: Of the sample; None where every question is asked.
        batch_size: Questions a forward pass: fixed, because it moves the last bits of a likelihood. None with
            vLLM, which schedules its own batches.
        backend: "hf" (the loaded model) or "vllm" (loads the checkpoint itself).
    """

    protocol: Protocol
    benchmark: Benchmark
    questions: Mapping[str, tuple[Row, ...]]
    seed: int | None
    batch_size: int | None = BATCH_SIZE
    backend: str = "hf"

    @property
    def notes(self) -> tuple[str, ...]:
        """What a reader of every score must know: why it cannot be compared with published ones, and how it could."""
        name = self.protocol.name
        if name == DEFAULT:
            return ()
        if self.protocol.group == protocol_named(DEFAULT).group:
            return (
                f"The questions are those of January 2026, without spaces before the options: {name} cannot be "
                f"compared with published {DEFAULT} scores; for one that can, ask those of 2024 with --data-revision "
                f"{REVISIONS['2024']}.",
            )
        return (f"No score by {name} is published; --protocol {DEFAULT} gives one that published scores compare with.",)

    @property
    def size(self) -> int:
        """Questions in all."""
        return sum(len(rows) for rows in self.questions.values())

    def examples(self, category: str) -> tuple[Row, ...]:
        """The worked examples that a category's shots are taken from, in order."""
        return self.benchmark.examples_of(category) if self.protocol.own_shots else self.benchmark.examples

    @cached_property
    def _digests(self) -> dict[str, str]:
        return {name: content_digest((*rows, *self.examples(name))) for name, rows in self.questions.items()}

    def keys(self, identity: str, dtype: str) -> dict[str, CategoryKey]:
        """The keys under which a model's answers are kept, by category."""
        return {
            category: CategoryKey(
                identity=identity,
                dtype=dtype,
                protocol=self.protocol.name,
                version=self.protocol.version,
                category=category,
                questions=digest,
                lm_eval=version("lm_eval"),
                backend=self.backend,
                batch_size=self.batch_size,
            )
            for category, digest in self._digests.items()
        }


def plan_score(
    protocol: str = DEFAULT,
    *,
    data: Path | None = None,
    data_revision: str | None = None,
    questions: int | None = None,
    seed: int = SEED,
    batch_size: int | None = None,
    backend: str = "hf",
) -> Plan:
    """Read MMLU-Pro and choose the questions, once for any number of models.

    Args:
        protocol: "mc", "leaderboard" or "cot".
        data: Folder of a local copy; None: the Hub.
        data_revision: Revision of the Hub's data set; None: the protocol's own.
        questions: Size of a sample stratified by category; None: all.
        seed: Of the sample.
        batch_size: Questions a forward pass; None: 8.
        backend: "hf" or "vllm".

    Raises:
        UsageError: No such protocol or backend, vLLM is not installed, a batch size or sample too small, options that
            mean nothing together, an lm-eval that holds another version of the task.
        SourceError, DataError: The data cannot be reached or are not MMLU-Pro (see ``load_benchmark``).
    """
    chosen = protocol_named(protocol)
    if backend not in BACKENDS:
        raise UsageError(f"There is no backend '{backend}'; choose one of {', '.join(BACKENDS)}.")
    if backend == "vllm" and find_spec("vllm") is None:
        raise UsageError(
            "vLLM is not installed; install it with pip install 'nil-audit[vllm]', or use --backend hf, "
            "which runs the same questions through transformers."
        )
    if batch_size is not None and backend == "vllm":
        raise UsageError("vLLM schedules its own batches, so --batch-size has no effect there; leave it out.")
    if batch_size is not None and batch_size < 1:
        raise UsageError(f"A batch size of {batch_size} holds no question; use 1 or more.")
    if data is not None and data_revision is not None:
        raise UsageError("--data-revision chooses what is read from the Hub, --data reads a folder; use one of them.")
    require_sample(questions)
    require_version(chosen)
    benchmark = load_benchmark(data, revision=data_revision or chosen.revision)
    asked = choose_questions(benchmark, questions, seed=seed)
    sampled = sum(len(rows) for rows in asked.values()) < len(benchmark.questions)
    return Plan(
        protocol=on_edition(chosen, benchmark.edition),
        benchmark=benchmark,
        questions=asked,
        seed=seed if sampled else None,
        batch_size=None if backend == "vllm" else batch_size or BATCH_SIZE,
        backend=backend,
    )


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
