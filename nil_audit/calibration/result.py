"""What a calibration finds: keys and numbers, which `report` words."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

from nil_audit.calibration.study import significant
from nil_audit.displayed import Displayed
from nil_audit.files import plain
from nil_audit.law.studies import Study
from nil_audit.stats.estimate import Estimate

if TYPE_CHECKING:
    import pandas as pd

Form = Literal["quadratic", "additive", "depth-width"]
Bound = Literal["", "deeper", "wider"]


@dataclass(frozen=True, kw_only=True)
class FormFit:
    """One form fitted to all runs.

    Attributes:
        form: "quadratic": ln loss = a_N + c (ln R - ln R*)²; "additive": ln loss = a_N + c_m / d + c_l / L.
        error: Root mean square error of ln loss, degrees of freedom taken off, in nats.
        aic: Akaike's criterion; the smaller fits better.
        optimum: R*, of the additive form 2 c_l / c_m; None where it has none.
    """

    form: Form
    error: float
    aic: float
    optimum: Estimate | None


@dataclass(frozen=True, kw_only=True)
class BudgetOptimum:
    """The optimum of one budget alone.

    Attributes:
        budget: What it is called.
        parameters: Geometric mean of its runs' parameters.
        tokens: Their training tokens; None where the sweep does not say.
        runs: How many.
        optimum: R*, with the interval of its own least squares; None where the budget has none.
        bound: Where it has none, which way loss still falls at the last shape.
    """

    budget: str
    parameters: float
    tokens: float | None
    runs: int
    optimum: Estimate | None
    bound: Bound


@dataclass(frozen=True, kw_only=True)
class Drift:
    """How the optimum moves: d ln R* / d ln of parameters or tokens.

    Attributes:
        along: "parameters" or "tokens".
        slope: With its 95% interval; 0 is no drift, -0.5 along parameters is constant depth.
        budgets: How many it rests on.
    """

    along: Literal["parameters", "tokens"]
    slope: Estimate
    budgets: int


@dataclass(frozen=True, kw_only=True)
class Variant:
    """The fit with one choice made otherwise.

    Attributes:
        kind: "match" (what is held equal), "shallow" (depths under three kept, or the shallowest left out), "budget"
            (one left out), "rate" (one learning rate alone), "tokens" (one checkpoint), "tolerance".
        what: Which: "body", "without depth 3", "without 1e6", "at 0.001".
        runs: How many runs it rests on.
        optimum: R*; None where it has none.
        curvature: c; None where it has none.
        low: Lower end of the interval.
        high: Upper end.
    """

    kind: Literal["match", "shallow", "budget", "rate", "tokens", "tolerance"]
    what: str
    runs: int
    optimum: Estimate | None
    curvature: Estimate | None
    low: float | None
    high: float | None


@dataclass(frozen=True, kw_only=True)
class HeldOutBudget:
    """What a fit on smaller budgets said of a larger one.

    Attributes:
        budget: What it is called.
        parameters: Its size.
        shapes: How many it has.
        right: Shapes that were rightly called within the tolerance, or rightly not.
        within: Shapes that are within the tolerance.
        called: Shapes that were called within it.
        best: Its best ratio.
        advised: The ratio nearest to the optimum that was predicted.
        forgone: ln loss of the advised shape above the best one's, in nats.
        spread: ln loss of the worst shape above the best one's.
    """

    budget: str
    parameters: float
    shapes: int
    right: int
    within: int
    called: int
    best: float
    advised: float
    forgone: float
    spread: float


@dataclass(frozen=True, kw_only=True)
class HeldOut:
    """The out-of-sample test: fitted on smaller budgets, asked about larger ones.

    Attributes:
        fitted: Names of the budgets (or number of runs) that it was fitted on.
        largest: The largest of them, in parameters.
        optimum: R* that they give.
        low: Lower end of the interval.
        high: Upper end.
        budgets: What became of the larger ones.
    """

    fitted: tuple[str, ...]
    largest: float
    optimum: float
    low: float
    high: float
    budgets: tuple[HeldOutBudget, ...]

    @property
    def right(self) -> int:
        """Shapes that were rightly called."""
        return sum(one.right for one in self.budgets)

    @property
    def shapes(self) -> int:
        """Shapes that were asked about."""
        return sum(one.shapes for one in self.budgets)


@dataclass(frozen=True, kw_only=True, repr=False)
class Calibration(Displayed):
    """Everything that a sweep says of the efficient interval.

    Attributes:
        study: The interval file's content: fit, range, draws.
        history: What was done, in sentences, for the file.
        rule: The rule in a sentence, for the file.
        match: What is held equal: "body", "total" or "flops".
        optimum: R*, with its bootstrap interval.
        curvature: c.
        low: Lower end of the interval (ratios within the tolerance), with its uncertainty; NaN where the optimum is
            but a bound.
        high: Upper end; likewise.
        flat_draws: Share of bootstrap refits that have no optimum.
        edge: Which side the optimum lies beyond the sweep's own ratios: then it is a bound; "" where it lies within.
        forms: The form used first, then the others that were fitted beside it.
        budgets: Each budget's own optimum; one entry, of all runs, where budgets do not repeat.
        repeated: Whether budgets repeat.
        drifts: Along parameters; along tokens where the sweep has them.
        variants: The fit with one choice made otherwise.
        held_out: The out-of-sample test; None where there are too few budgets.
        runs: One row a run: ``depth``, ``width``, ``ratio``, ``budget``, ``parameters``, ``tokens``, ``loss``,
            ``excess`` (ln loss over the fitted floor of its budget), ``fitted`` (what the fit says of it), ``used``
            and, where the sweep has them, interaction metrics under their own names (``aofe``, ``aofe_ratio``).
        metrics: Names of those.
        notes: Sentences for people.
    """

    study: Study
    history: tuple[str, ...]
    rule: str
    match: str
    optimum: Estimate
    curvature: Estimate | None
    low: Estimate
    high: Estimate
    flat_draws: float
    edge: Bound
    forms: tuple[FormFit, ...]
    budgets: tuple[BudgetOptimum, ...]
    repeated: bool
    drifts: tuple[Drift, ...]
    variants: tuple[Variant, ...]
    held_out: HeldOut | None
    runs: "pd.DataFrame" = field(repr=False)
    metrics: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()

    def interval_document(self) -> Mapping[str, Any]:
        """The interval file: what `nil_audit.law.studies.study` reads, with history, rule and the fit's intervals."""
        study = plain(self.study)
        draws = study.pop("draws")
        fit = {"optimum": self.optimum, "low": self.low, "high": self.high, "curvature": self.curvature}
        return {
            **study,
            "history": list(self.history),
            "rule": self.rule,
            "match": self.match,
            "fit": {
                name: {part: significant(number) for part, number in one.to_dict().items()}
                for name, one in fit.items()
                if one is not None
            },
            "runs": int(self.runs["used"].sum()),
            "draws": draws,
        }

    def evidence_runs(self) -> "pd.DataFrame":
        """The runs used, as `nil_audit.calibration.evidence` takes them: with budgets where these repeat."""
        used = self.runs[self.runs["used"]]
        columns = ["depth", "width", "parameters", "loss", "held_equal"]
        if self.repeated:
            return used[[*columns, "budget"]]
        return used[columns if used["tokens"].isna().any() else [*columns, "tokens"]]
