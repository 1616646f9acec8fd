"""Run MMLU-Pro on one model: only what is not already known is asked."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from importlib.metadata import version
from pathlib import Path
from typing import Any

from nil_audit import __version__
from nil_audit.errors import NilAuditError, UsageError
from nil_audit.processes import Team
from nil_audit.progress import Progress, silent
from nil_audit.score.answers import CategoryKey, CategoryResult, find, keep
from nil_audit.score.data import Benchmark, Row, content_digest, load_benchmark
from nil_audit.score.protocols import CATEGORIES, Protocol, protocol_named
from nil_audit.score.questions import SEED, choose_questions
from nil_audit.score.result import ScoreResult

BACKENDS = ("hf", "vllm")


@dataclass(frozen=True, kw_only=True)
class Plan:
    """What is asked and how: the same for every model.

    Attributes:
        protocol: How it is asked.
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
    batch_size: int | None = 8
    backend: str = "hf"

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
    protocol: str = "mc",
    *,
    data: Path | None = None,
    questions: int | None = None,
    seed: int = SEED,
    batch_size: int = 8,
    backend: str = "hf",
) -> Plan:
    """Read MMLU-Pro and choose the questions, once for any number of models.

    Args:
        protocol: "mc", "leaderboard" or "cot".
        data: Folder of a local copy; None: the Hub.
        questions: Size of a sample stratified by category; None: all.
        seed: Of the sample.
        batch_size: Questions a forward pass.
        backend: "hf" or "vllm".

    Raises:
        UsageError: No such protocol or backend, vLLM is not installed, a batch size or sample too small.
        SourceError, DataError: The data cannot be reached or are not MMLU-Pro (see ``load_benchmark``).
    """
    chosen = protocol_named(protocol)
    if backend not in BACKENDS:
        raise UsageError(f"There is no backend '{backend}'; choose one of {', '.join(BACKENDS)}.")
    if backend == "vllm":
        from nil_audit.score.engines.vllm import require_vllm

        require_vllm()
    if batch_size < 1:
        raise UsageError(f"A batch size of {batch_size} holds no question; use 1 or more.")
    benchmark = load_benchmark(data)
    asked = choose_questions(benchmark, questions, seed=seed)
    sampled = sum(len(rows) for rows in asked.values()) < len(benchmark.questions)
    return Plan(
        protocol=chosen,
        benchmark=benchmark,
        questions=asked,
        seed=seed if sampled else None,
        batch_size=None if backend == "vllm" else batch_size,
        backend=backend,
    )


def score_model(
    model: Any,
    tokenizer: Any,
    *,
    identity: str,
    name: str,
    dtype: str,
    protocol: str = "mc",
    data: Path | None = None,
    questions: int | None = None,
    seed: int = SEED,
    batch_size: int = 8,
    fresh: bool = False,
    progress: Progress = silent,
) -> ScoreResult:
    """Score a loaded model on MMLU-Pro.

    Args:
        model: A causal language model of transformers, on the device where it is to run.
        tokenizer: Its tokenizer; not changed.
        identity: Hash of the checkpoint; answers are kept under it.
        name: The model's name, for people.
        dtype: Of the loaded weights, "float32".
        protocol: See ``plan_score``, as for ``data``, ``questions``, ``seed`` and ``batch_size``.
        data: Folder of a local copy; None: the Hub.
        questions: Size of a stratified sample; None: all.
        seed: Of the sample.
        batch_size: Questions a forward pass.
        fresh: Ask again even what is kept.
        progress: Opens a progress display.

    Returns:
        The score; under several processes the same on each.

    Raises:
        NilAuditError: What is wrong with the data, the options or the model, and what to do.
    """
    plan = plan_score(protocol, data=data, questions=questions, seed=seed, batch_size=batch_size)
    return run_plan(
        plan,
        lambda: wrapped(plan, model, tokenizer),
        identity=identity,
        name=name,
        dtype=dtype,
        fresh=fresh,
        progress=progress,
    )


def wrapped(plan: Plan, model: Any, tokenizer: Any) -> Any:
    """A loaded model as ``run_plan`` takes it."""
    from nil_audit.score.engines.hf import wrap_model

    return wrap_model(model, tokenizer, batch_size=plan.batch_size or 1)


def run_plan(
    plan: Plan,
    build: Callable[[], Any],
    *,
    identity: str,
    name: str,
    dtype: str,
    fresh: bool = False,
    progress: Progress = silent,
) -> ScoreResult:
    """Score one model by a plan, loading it only when some answer is not kept.

    Under several processes each takes whole categories, so that every question is asked once and in the same
    batch as by one process; the first process keeps the answers after each round of categories.

    Args:
        plan: From ``plan_score``.
        build: Loads and wraps the model (see ``nil_audit.score.engines.hf``); not called when all answers are kept.
        identity: Hash of the checkpoint.
        name: The model's name, for people.
        dtype: Of the weights.
        fresh: Ask again even what is kept.
        progress: Opens a progress display.

    Raises:
        MeasurementError: The context is shorter than any question, or memory ran out.
    """
    team = Team.join()
    keys = plan.keys(identity, dtype)
    results: dict[str, CategoryResult] = {} if fresh else team.from_first(lambda: _kept(keys))
    reused = len(results)
    waiting = sorted(keys.keys() - results.keys(), key=lambda category: (-len(plan.questions[category]), category))
    if waiting:
        lm = _build(plan, build, team, name)
        with progress(f"MMLU-Pro {plan.protocol.name}, {name}", plan.size) as advance:
            advance(sum(len(result.answers) for result in results.values()))
            for start in range(0, len(waiting), team.size):
                for result in _ask(plan, lm, waiting[start : start + team.size], team, advance):
                    results[result.category] = result
                    if team.rank == 0:
                        keep(keys[result.category], result)
    return ScoreResult(
        name=name,
        identity=identity,
        protocol=plan.protocol,
        categories=tuple(results[category] for category in CATEGORIES),
        available={category: len(plan.benchmark.of(category)) for category in CATEGORIES},
        seed=plan.seed,
        data_source=plan.benchmark.source,
        data_digest=plan.benchmark.digest,
        dtype=dtype,
        backend=plan.backend,
        batch_size=plan.batch_size,
        versions={
            "nil_audit": __version__,
            **{package: version(package) for package in ("lm_eval", "transformers", "torch")},
        },
        reused=reused,
        processes=team.size,
    )


def _kept(keys: Mapping[str, CategoryKey]) -> dict[str, CategoryResult]:
    """The categories whose answers are on disk."""
    return {category: result for category, key in keys.items() if (result := find(key))}


def _build(plan: Plan, build: Callable[[], Any], team: Team, name: str) -> Any:
    """The wrapped model, checked; where one process fails all raise its error, so that none waits for it."""
    from nil_audit.score.engines.hf import require_room

    lm, error = None, None
    try:
        lm = build()
        require_room(lm, plan.protocol, plan.questions, name)
    except NilAuditError as found:
        error = found
    for failure in team.gather(error):
        if failure is not None:
            raise failure
    return lm


def _ask(
    plan: Plan, lm: Any, categories: list[str], team: Team, advance: Callable[[int], object]
) -> list[CategoryResult]:
    """One category a process; everyone gets all results, or the first error."""
    from nil_audit.score.engines.hf import run_category

    mine: CategoryResult | NilAuditError | None = None
    if team.rank < len(categories):
        category = categories[team.rank]
        try:
            mine = run_category(
                lm, plan.protocol, category, plan.questions[category], plan.examples(category), advance=advance
            )
        except NilAuditError as error:
            mine = error
    outcomes: list[CategoryResult | NilAuditError | None] = team.gather(mine)
    done: list[CategoryResult] = []
    for rank, outcome in enumerate(outcomes):
        if isinstance(outcome, NilAuditError):
            raise outcome
        if outcome is not None:
            done.append(outcome)
            if rank != team.rank:
                advance(len(outcome.answers))
    return done
