"""What is asked and how, the same for every model."""

from collections.abc import Mapping
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

from nil_audit.errors import UsageError
from nil_audit.score.answers import Journal
from nil_audit.score.data import Benchmark, Row, load_benchmark
from nil_audit.score.protocols import (
    DEFAULT,
    REVISIONS,
    Protocol,
    on_edition,
    protocol_named,
    require_version,
)
from nil_audit.score.sample import SEED, Chosen, choose_questions, require_precision, require_sample

ENGINES = ("shared", "plain", "vllm")
BATCH_SIZE = 8
FIRST_ROUND = 140
"""Questions of the first round of a run that goes on until it is precise enough: ten a category on average."""


@dataclass(frozen=True, kw_only=True)
class Plan:
    """What is asked and how: the same for every model.

    Attributes:
        protocol: How it is asked, by the name that it has on this edition of the questions.
        benchmark: All questions and worked examples.
        questions: Those asked, by category; of the first round where a precision is asked for.
        precision: Standard error of the accuracy, with the finite-population correction, until which further rounds
            are asked; None where the questions are fixed.
        seed: Of the sample; None where every question is asked.
        batch_size: Questions a forward pass. None with vLLM, which schedules its own batches.
        engine: "shared" (worked examples that prompts have in common are read once), "plain" (lm-eval's own forward
            passes) or "vllm" (loads the checkpoint itself).
    """

    protocol: Protocol
    benchmark: Benchmark
    questions: Chosen
    precision: float | None = None
    seed: int | None
    batch_size: int | None = BATCH_SIZE
    engine: str = "shared"

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
        return (
            f"Published scores were not asked as {name} asks; --protocol {DEFAULT} gives one that they compare with.",
        )

    @property
    def size(self) -> int:
        """Questions in all, or of the first round."""
        return sum(len(rows) for rows in self.questions.values())

    def examples(self) -> Mapping[str, tuple[Row, ...]]:
        """The worked examples that each category's shots are taken from, in order."""
        every = self.benchmark.examples
        return {name: self.benchmark.examples_of(name) if self.protocol.own_shots else every for name in self.questions}

    def journal(self, identity: str, dtype: str) -> Journal:
        """Where a model's answers are kept."""
        protocol = self.protocol
        return Journal(identity=identity, dtype=dtype, protocol=protocol.name, version=protocol.version)


def plan_score(
    protocol: str = DEFAULT,
    *,
    data: Path | None = None,
    data_revision: str | None = None,
    questions: int | None = None,
    precision: float | None = None,
    seed: int = SEED,
    batch_size: int | None = None,
    engine: str = "shared",
) -> Plan:
    """Read MMLU-Pro and choose the questions, once for any number of models.

    Args:
        protocol: "mc", "leaderboard" or "cot".
        data: Folder of a local copy; None: the Hub.
        data_revision: Revision of the Hub's data set; None: the protocol's own.
        questions: Size of a sample stratified by category; None: all.
        precision: Standard error of the accuracy until which a growing sample is asked, in place of a size.
        seed: Of the sample.
        batch_size: Questions a forward pass; None: 8.
        engine: "shared", "plain" or "vllm".

    Raises:
        UsageError: No such protocol or engine, vLLM is not installed, a batch size, sample or precision that cannot
            be, options that mean nothing together, an lm-eval that holds another version of the task.
        SourceError, DataError: The data cannot be reached or are not MMLU-Pro (see ``load_benchmark``).
    """
    chosen = protocol_named(protocol)
    if engine not in ENGINES:
        raise UsageError(f"There is no engine '{engine}'; choose one of {', '.join(ENGINES)}.")
    if engine == "vllm" and find_spec("vllm") is None:
        raise UsageError(
            "vLLM is not installed; install it with pip install 'nil-audit[vllm]', or leave --engine out, "
            "which asks the same questions through transformers."
        )
    if batch_size is not None and engine == "vllm":
        raise UsageError("vLLM schedules its own batches, so --batch-size has no effect there; leave it out.")
    if batch_size is not None and batch_size < 1:
        raise UsageError(f"A batch size of {batch_size} holds no question; use 1 or more.")
    if data is not None and data_revision is not None:
        raise UsageError("--data-revision chooses what is read from the Hub, --data reads a folder; use one of them.")
    if questions is not None and precision is not None:
        raise UsageError("--questions fixes the sample, --precision lets it grow; use one of them.")
    require_sample(questions)
    require_precision(precision)
    require_version(chosen)
    benchmark = load_benchmark(data, revision=data_revision or chosen.revision)
    asked = choose_questions(benchmark, FIRST_ROUND if precision is not None else questions, seed=seed)
    sampled = precision is not None or sum(len(rows) for rows in asked.values()) < len(benchmark.questions)
    return Plan(
        protocol=on_edition(chosen, benchmark.edition),
        benchmark=benchmark,
        questions=asked,
        precision=precision,
        seed=seed if sampled else None,
        batch_size=None if engine == "vllm" else batch_size or BATCH_SIZE,
        engine=engine,
    )
