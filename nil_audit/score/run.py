"""Run MMLU-Pro on one model: only what is not already known is asked."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from nil_audit.processes import Team
from nil_audit.progress import Progress, silent
from nil_audit.score.answers import CategoryKey, CategoryResult, find, keep, keep_score
from nil_audit.score.plan import Plan
from nil_audit.score.protocols import CATEGORIES
from nil_audit.score.result import ScoreResult


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
    batch as by one process; the first process keeps the answers after each round of categories. An error on one ends
    the run on all, before their next batch. To be called within ``nil_audit.processes.shared_fate``.

    Args:
        plan: What to ask, and how.
        build: Loads and wraps the model (see ``nil_audit.score.engines``); not called when all answers are kept.
        identity: Hash of the checkpoint.
        name: The model's name, for people.
        dtype: Of the weights.
        fresh: Ask again even what is kept.
        progress: Opens a progress display.

    Raises:
        SourceError: Machines of the launch hold other files.
        MeasurementError: The context is shorter than any question, or memory ran out.
    """
    team = Team.join()
    team.agree(identity, name)
    keys = plan.keys(identity, dtype)
    team.agree(keys, "MMLU-Pro, or lm-eval,")
    results: dict[str, CategoryResult] = {} if fresh else team.broadcast(lambda: _kept(keys))
    reused, unkept = len(results), None
    waiting = sorted(keys.keys() - results.keys(), key=lambda category: (-len(plan.questions[category]), category))
    if waiting:
        from nil_audit.score.harness import require_room, run_category

        lm = build()
        require_room(lm, plan, name)
        with progress(f"MMLU-Pro {plan.protocol.name}, {name}", plan.size, "questions") as task:

            def go_on(steps: int) -> None:
                team.check()
                task.advance(steps)

            go_on(sum(len(result.answers) for result in results.values()))
            for start in range(0, len(waiting), team.size):
                mine = waiting[start + team.rank : start + team.rank + 1]
                asked = run_category(lm, plan, mine[0], advance=go_on) if mine else None
                for rank, result in enumerate(team.gather(asked)):
                    if result is None:
                        continue
                    results[result.category] = result
                    if rank != team.rank:
                        task.advance(len(result.answers))
                    if team.rank == 0:
                        unkept = keep(keys[result.category], result) or unkept
    score = ScoreResult(
        plan=plan,
        name=name,
        identity=identity,
        dtype=dtype,
        categories=tuple(results[category] for category in CATEGORIES),
        reused=reused,
        processes=team.size,
    )
    if team.rank == 0:
        unkept = keep_score(identity, score.to_dict()) or unkept
    return replace(score, unkept=unkept)


def _kept(keys: Mapping[str, CategoryKey]) -> dict[str, CategoryResult]:
    """The categories whose answers are on disk."""
    return {category: result for category, key in keys.items() if (result := find(key))}
