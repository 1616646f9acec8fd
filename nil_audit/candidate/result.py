"""What is found of a candidate: keys and numbers, which `report` words."""

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Any, Literal

from nil_audit.budget.cost import Cost
from nil_audit.budget.counts import Match
from nil_audit.budget.inference import ServingTime
from nil_audit.catalog.neighbours import Neighbour
from nil_audit.displayed import Displayed
from nil_audit.files import plain
from nil_audit.law.other_laws import Reading
from nil_audit.law.pooled import Reference, Verdict
from nil_audit.law.studies import Extrapolation, Interval
from nil_audit.shape.architecture import Shape
from nil_audit.stats.estimate import Estimate

Action = Literal["keep", "consider", "change", "cannot_tell", "none"]
Reason = Literal["none_better", "below_noise", "agreed", "better", "studies_differ", "no_alternative", "uncounted"]


@dataclass(frozen=True, kw_only=True)
class Recommendation:
    """What to do about a candidate; see `nil_audit.candidate.recommendation`.

    Attributes:
        action: "keep" it; "consider" the best alternative, or "change" to it where its gain is surely above the noise;
            "cannot_tell" which is better; "none" where there is no alternative.
        reason: "none_better" or "below_noise" (keep), "agreed" (consider: every study says so), "better" (the gain
            excludes zero: change where it exceeds the noise too, else consider),
            "studies_differ" (cannot tell), "no_alternative" or "uncounted" (none).
        best: Position of the best alternative by the rule, whatever the action: within the noise of the smallest
            expected loss; None where there is none.
        gain: What ln loss is expected to fall by from going there, with its 95% predictive interval.
        noise: What two runs of one shape differ by, in nats of ln loss: no smaller gain is worth a change.
    """

    action: Action
    reason: Reason
    best: int | None
    gain: Estimate | None
    noise: float


@dataclass(frozen=True, kw_only=True)
class Prediction:
    """What one study alone predicts of the candidate.

    Attributes:
        study: Its name.
        interval: Ratios within its tolerance of the best at this budget.
        optimum: The best ratio at this budget.
        excess: Relative excess loss over the best shape of the budget.
        extrapolation: How far the budget and the ratio lie outside its runs.
    """

    study: str
    interval: Interval
    optimum: Estimate
    excess: Estimate
    extrapolation: Extrapolation


@dataclass(frozen=True, kw_only=True)
class Option:
    """One shape of the budget; the candidate itself is one too.

    Attributes:
        shape: Its shape, with exact parameters.
        deviation: Its budget over the candidate's, minus 1.
        verdict: Read at the candidate's budget.
        gain: What ln loss is expected to fall by from going there; a difference of body parameters is worth what the
            size of a model is. Of the candidate itself zero.
        change: Relative change in loss that each study alone predicts, size included alike; below zero is better.
        better_in_all: Whether every study predicts less loss than of the candidate.
        cost: At the candidate's tokens and context.
        serving: Predicted times, one an accelerator asked for.
        measured: Times measured on this machine; None where none were asked for.
        dominated: Whether another shape is expected to have no more loss and decodes no slower, one of them better.
        config: Ready to be saved as config.json.
    """

    shape: Shape
    deviation: float
    verdict: Verdict
    gain: Estimate
    change: Mapping[str, Estimate]
    better_in_all: bool
    cost: Cost
    serving: tuple[ServingTime, ...]
    measured: ServingTime | None
    dominated: bool
    config: Mapping[str, Any] = field(repr=False)


@dataclass(frozen=True, kw_only=True, repr=False)
class CandidateReport(Displayed):
    """Everything that is said of a candidate.

    Attributes:
        shape: The candidate's shape.
        reference: What it is held against: the study that distances are to, and the pool that regrets come from.
        verdict: The pool's regret, and the distance to the study's interval.
        predictions: One a study, law first.
        extrapolation: How far the budget and ratio lie outside all runs of the pool.
        itself: The candidate as an option; None where the parameters cannot be counted without remote code.
        tokens_stated: Whether the training tokens were given (20 a parameter otherwise).
        match: What the alternatives hold equal.
        tolerance: How far their budget may differ.
        options: The alternatives: those better in every study first, then by expected loss.
        recommendation: What to do.
        laws: What other published laws say; empty where the parameters cannot be counted.
        neighbours: Nearest real models; empty where no list was read.
        notes: Sentences for people.
    """

    shape: Shape
    reference: Reference
    verdict: Verdict
    predictions: tuple[Prediction, ...]
    extrapolation: Extrapolation
    itself: Option | None
    tokens_stated: bool
    match: Match
    tolerance: float
    options: tuple[Option, ...]
    recommendation: Recommendation
    laws: tuple[Reading, ...]
    neighbours: tuple[Neighbour, ...]
    notes: tuple[str, ...]

    def to_dict(self) -> dict[str, Any]:
        """The report as plain JSON values; of the pool its best ratio and its interval at this budget."""
        document = {one.name: plain(getattr(self, one.name)) for one in fields(self) if one.name != "reference"}
        pool, total = self.reference.pool, None if self.shape.parameters is None else self.shape.parameters.total
        held = {"study": self.reference.study.name, "pool": pool.name, "pooled": pool.interval(total)}
        document["shape"]["ratio"] = self.shape.ratio
        for option, found in zip(self.options, document["options"], strict=True):
            found["shape"]["ratio"] = option.shape.ratio
        if self.itself is not None:
            document["itself"]["shape"]["ratio"] = self.shape.ratio
        return {"schema": 3, "kind": "candidate", "reference": plain(held), **document}

    @property
    def best(self) -> Option | None:
        """The best alternative by the rule, whatever the advice; None where there is none."""
        return None if self.recommendation.best is None else self.options[self.recommendation.best]
