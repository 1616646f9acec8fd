"""Run MMLU-Pro on one model: only what is not already known is asked."""

import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from nil_audit.processes import Team
from nil_audit.progress import Progress, Task, silent
from nil_audit.score.answers import Journal, in_order
from nil_audit.score.asking import Answers, Asking, costs, groups, require_room
from nil_audit.score.kept import keep_score, said_before
from nil_audit.score.plan import Plan
from nil_audit.score.questions import Question, as_asked
from nil_audit.score.result import ScoreResult
from nil_audit.score.sample import Chosen, merged, next_round

if TYPE_CHECKING:
    from nil_audit.score.engines.engine import Engine


def run_plan(
    plan: Plan,
    build: "Callable[[], Engine]",
    *,
    identity: str,
    name: str,
    dtype: str,
    fresh: bool = False,
    progress: Progress = silent,
) -> ScoreResult:
    """Score one model by a plan, loading it only when some answer is not kept.

    Under several processes each takes every so manieth batch, so that every question is asked once; the first process
    keeps the answers of a round of batches before the next begins. An error on one ends the run on all, before their
    next batch. To be called within ``nil_audit.processes.shared_fate``.

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
    run = _Run(plan, build, plan.journal(identity, dtype), team, name, progress)
    kept: Answers = {} if fresh else team.broadcast(run.journal.read)
    chosen: Chosen = plan.questions
    new: Chosen | None = chosen
    answers: Answers = {}
    while new is not None:
        questions = as_asked(plan.protocol, new, plan.examples())
        team.agree([question.digest for question in questions], "MMLU-Pro, or lm-eval,")
        answers |= run.answered(questions, kept)
        if plan.precision is None:
            break
        correct = {
            category: [one.correct for one in answers.values() if one.category == category] for category in chosen
        }
        new = next_round(plan.benchmark, chosen, correct, precision=plan.precision, seed=plan.seed or 0)
        if new is not None:
            chosen = merged(chosen, new)
    score = ScoreResult(
        plan=replace(plan, questions=chosen),
        name=name,
        identity=identity,
        dtype=dtype,
        answers=in_order(answers.values()),
        reused=sum(digest in kept for digest in answers),
        processes=team.size,
        said=tuple(dict.fromkeys(note for notes in team.gather(run.notes) for note in notes)),
    )
    if score.reused:
        earlier = team.broadcast(lambda: said_before(identity, score.to_dict()))
        score = replace(score, said=tuple(dict.fromkeys((*earlier, *score.said))))
    unkept = run.unkept
    if team.rank == 0:
        unkept = keep_score(identity, score.to_dict()) or unkept
    return replace(score, unkept=unkept)


class _Run:
    """One model, loaded when it is first needed.

    Attributes:
        journal: Where the answers are kept.
        unkept: Why they cannot be, in a sentence; None where they are.
    """

    def __init__(
        self, plan: Plan, build: "Callable[[], Engine]", journal: Journal, team: Team, name: str, progress: Progress
    ) -> None:
        self.journal = journal
        self.unkept: str | None = None
        self._plan, self._build, self._team, self._name, self._progress = plan, build, team, name, progress
        self._engine: Engine | None = None
        self._asking: Asking | None = None
        self._rounds = 0
        self._answered: Answers = {}

    @property
    def notes(self) -> tuple[str, ...]:
        """What was given up on the way, and why, in sentences."""
        return () if self._asking is None else self._asking.notes

    def answered(self, questions: Sequence[Question], kept: Answers) -> Answers:
        """Answers to questions: those kept, and the others asked."""
        known: Answers = {one.digest: kept[one.digest] for one in questions if one.digest in kept}
        waiting = [question for question in questions if question.digest not in known]
        self._rounds += 1
        self._answered |= known
        if not waiting:
            return known
        plan, team = self._plan, self._team
        if self._engine is None or self._asking is None:
            self._engine = self._build()
            require_room(self._engine, plan.protocol, questions, self._name)
            self._asking = Asking(self._engine, plan.protocol, batch_size=plan.batch_size)
        found = groups(plan.protocol, waiting, self._engine)
        asked: Answers = dict(known)
        which = "" if plan.precision is None else f", round {self._rounds}"
        title = f"MMLU-Pro {plan.protocol.name}, {self._name}{which}"
        with self._progress(title, len(questions), "questions") as task:
            task.skip(len(known))
            for number, group in enumerate(found):
                common = self._engine.begin(group.questions)
                for place, batch in enumerate(self._asking.batches(group, team.rank, team.size)):
                    team.check()
                    start = time.perf_counter()
                    mine = self._asking.ask(batch)
                    seconds = time.perf_counter() - start
                    begun = not number and not place and len(mine) * team.size < len(waiting)
                    if begun and (said := costs(found, common, len(mine), seconds, processes=team.size)):
                        task.tell(said)
                    self._take(team.gather(mine), asked, task)
        return asked

    def _take(self, round_: Sequence[Answers], asked: Answers, task: Task) -> None:
        """Keep the answers of one round of batches, and show how far the work is."""
        fresh = {digest: answer for one in round_ for digest, answer in one.items()}
        asked |= fresh
        self._answered |= fresh
        if self._team.rank == 0:
            self.unkept = self.journal.append(fresh) or self.unkept
        right = sum(answer.correct for answer in self._answered.values()) / len(self._answered)
        task.advance(len(fresh), f"{right:.1%} right so far")
