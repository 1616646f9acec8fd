"""A candidate architecture before pretraining: where it stands, what it costs, and what else the budget buys."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, get_args

from nil_audit.budget.alternatives import FEWEST_BLOCKS, Alternative, Match, build, propose
from nil_audit.budget.cost import DEFAULT_CONTEXT, Anatomy, Cost, anatomy, cost
from nil_audit.budget.template import Template
from nil_audit.candidate.recommendation import Recommendation, recommend, worst_case
from nil_audit.errors import UsageError
from nil_audit.law import other_laws as laws
from nil_audit.law.loss_curves import TOKENS_PER_PARAMETER
from nil_audit.law.studies import Excess, Interval, Verdict, studies, verdict
from nil_audit.shape.architecture import Shape, shape_from_config
from nil_audit.source import locate

if TYPE_CHECKING:
    from nil_audit.candidate.initialisation import Initialisation
    from nil_audit.catalog.neighbours import Neighbour

MOST_ALTERNATIVES = 8


@dataclass(frozen=True, kw_only=True)
class Prediction:
    """What one study predicts of the candidate.

    Attributes:
        study: Its name.
        interval: Ratios within its tolerance of the best at this budget.
        optimum_low: Lower end of the optimum's 95% interval.
        optimum_high: Upper end.
        excess: Relative excess loss over the best shape of the budget.
    """

    study: str
    interval: Interval
    optimum_low: float
    optimum_high: float
    excess: Excess


@dataclass(frozen=True, kw_only=True)
class Option:
    """One alternative, compared with the candidate.

    Attributes:
        shape: Its shape, with exact parameters.
        deviation: Its budget over the candidate's, minus 1.
        verdict: Read at the candidate's budget.
        change: Predicted relative change in loss by study; below zero is better.
        worst: Largest predicted excess loss over the studies.
        cost: What it costs, at the candidate's tokens and context.
        kv_change: Key-value cache over the candidate's, minus 1.
        depth_change: Sequential depth over the candidate's, minus 1: the part of decoding latency that shape changes.
        config: Ready to be saved as config.json.
    """

    shape: Shape
    deviation: float
    verdict: Verdict
    change: Mapping[str, Excess]
    worst: float
    cost: Cost
    kv_change: float
    depth_change: float
    config: Mapping[str, Any] = field(repr=False)


@dataclass(frozen=True, kw_only=True)
class CandidateReport:
    """Everything that is said of a candidate.

    Attributes:
        shape: The candidate's shape.
        verdict: Distance to the law's interval, and which studies say what.
        predictions: One a study, law first.
        cost: None where the parameters cannot be counted without remote code.
        tokens_stated: Whether the training tokens were given (20 a parameter otherwise).
        match: What the alternatives hold equal.
        tolerance: How far their budget may differ.
        options: The alternatives, deepest first.
        recommendation: What to do.
        laws: What other published laws say.
        disagreement: One sentence on how they disagree.
        company: Nearest real models; empty where no list was read.
        initialisation: Interaction at initialisation; None where it was not asked for.
        notes: Sentences for people.
    """

    shape: Shape
    verdict: Verdict
    predictions: tuple[Prediction, ...]
    cost: Cost | None
    tokens_stated: bool
    match: Match
    tolerance: float
    options: tuple[Option, ...]
    recommendation: Recommendation
    laws: tuple[laws.Reading, ...]
    disagreement: str
    company: "tuple[Neighbour, ...]" = ()
    initialisation: "Initialisation | None" = None
    notes: tuple[str, ...] = ()

    def to_dict(self) -> dict[str, Any]:
        """The report as plain JSON values."""
        document = asdict(self)
        document["shape"]["ratio"] = self.shape.ratio
        for option, plain in zip(self.options, document["options"], strict=True):
            plain["shape"]["ratio"] = option.shape.ratio
            plain["recommended"] = option is self.recommended
        return {"schema": 1, "kind": "candidate", **document}

    @property
    def recommended(self) -> Option | None:
        """The recommended alternative; None where the candidate should be kept."""
        if self.recommendation.action != "change" or self.recommendation.best is None:
            return None
        return self.options[self.recommendation.best]


def check_candidate(
    config: str | Path | Mapping[str, Any],
    *,
    name: str | None = None,
    tokens: float | None = None,
    match: Match = "body",
    tolerance: float = 0.02,
    context: int | None = None,
    company: bool = True,
) -> CandidateReport:
    """Check an architecture before it is trained: no weights are needed or made.

    Args:
        config: A config file, a folder, a Hub id, or a raw config.
        name: What to call it; by default the source's own name.
        tokens: Training tokens; 20 for each parameter by default (Hoffmann et al. 2022).
        match: What the alternatives hold equal: "body" parameters, "total" parameters, or forward "flops" a token.
        tolerance: How far their budget may differ, as a share.
        context: Window length that FLOPs are counted at; 4096, or the model's own context where that is shorter.
        company: Look up the nearest real models in the shipped list.

    Raises:
        SourceError, ConfigError, UnsupportedArchitectureError: The config cannot be reached, read, or is not dense.
        UsageError: Tokens, tolerance or context out of range.
    """
    _check_numbers(tokens, tolerance, context, match)
    if isinstance(config, Mapping):
        raw, name = dict(config), name or "candidate"
    else:
        found = locate(str(config))
        raw, name = found.config, name or found.name
    shape = shape_from_config(raw, name=name)
    if shape.parameters is None:
        return _without_counts(shape, match, tolerance)
    template = Template(raw, shape)
    parts = anatomy(template)
    context = context or min(DEFAULT_CONTEXT, shape.context or DEFAULT_CONTEXT)
    counted = cost(shape, parts, tokens=tokens or TOKENS_PER_PARAMETER * shape.parameters.total, context=context)
    options = _options(template, parts, counted, match, tolerance)
    readings = laws.readings(shape.depth, shape.width, shape.parameters.body)
    return CandidateReport(
        shape=shape,
        verdict=verdict(shape.ratio, shape.parameters.total),
        predictions=predict(shape.ratio, shape.parameters.total),
        cost=counted,
        tokens_stated=tokens is not None,
        match=match,
        tolerance=tolerance,
        options=options,
        recommendation=_recommend(shape, options),
        laws=readings,
        disagreement=laws.disagreement(readings),
        company=_company(shape) if company else (),
        notes=_notes(shape, parts, raw),
    )


def predict(ratio: float, parameters: float | None) -> tuple[Prediction, ...]:
    """Every study's interval and predicted excess for a ratio at a budget."""
    found = []
    for study in studies():
        low, high = study.optimum_interval(parameters)
        found.append(
            Prediction(
                study=study.name,
                interval=study.interval(parameters),
                optimum_low=low,
                optimum_high=high,
                excess=study.excess(ratio, parameters),
            )
        )
    return tuple(found)


def _check_numbers(tokens: float | None, tolerance: float, context: int | None, match: str) -> None:
    if tokens is not None and not 0 < tokens < 1e18:
        raise UsageError(f"Training tokens are {tokens:g}, but must be above zero; give --tokens such as 20e9.")
    if not 0 < tolerance <= 0.5:
        raise UsageError(f"The tolerance is {tolerance:g}, but must lie between 0 and 0.5; 0.02 is 2%.")
    if context is not None and context < 1:
        raise UsageError(f"The context is {context}, but must be at least 1 token; correct it.")
    if match not in get_args(Match):
        raise UsageError(f"Alternatives cannot match {match!r}; choose {', '.join(get_args(Match))}.")


def _without_counts(shape: Shape, match: Match, tolerance: float) -> CandidateReport:
    """What can be said of a type that transformers does not know: its ratio, read at 1B parameters."""
    note = "Costs and alternatives need a type that transformers can build; the studies are read at 1B parameters."
    return CandidateReport(
        shape=shape,
        verdict=verdict(shape.ratio, None),
        predictions=predict(shape.ratio, None),
        cost=None,
        tokens_stated=False,
        match=match,
        tolerance=tolerance,
        options=(),
        recommendation=replace(
            recommend(shape.ratio, (), 1e9), words="No alternatives: this type's parameters cannot be counted."
        ),
        laws=(),
        disagreement="other laws are read at a parameter count, which this type does not give",
        notes=(*shape.notes, note),
    )


def _options(template: Template, parts: Anatomy, counted: Cost, match: Match, tolerance: float) -> tuple[Option, ...]:
    """The alternatives worth showing, deepest first, each built and counted exactly."""
    shape = template.shape
    assert shape.parameters is not None
    proposals = propose(template, parts, match=match, tolerance=tolerance, context=counted.context)
    total = shape.parameters.total
    alike = parts.parameters(shape.depth) == shape.parameters
    order = sorted(proposals, key=lambda proposal: worst_case(proposal.ratio, total))
    options: list[Option] = []
    for proposal in order:
        built = build(template, parts, proposal, match=match, context=counted.context, whole=not alike)
        if built is not None and abs(built.deviation) <= tolerance:
            options.append(_option(shape, built, counted))
        if len(options) == MOST_ALTERNATIVES:
            break
    return tuple(sorted(options, key=lambda option: -option.shape.ratio))


def _recommend(shape: Shape, options: Sequence[Option]) -> Recommendation:
    assert shape.parameters is not None
    shapes = [(option.shape.depth, option.shape.width) for option in options]
    return recommend(shape.ratio, shapes, shape.parameters.total)


def _option(shape: Shape, built: Alternative, counted: Cost) -> Option:
    assert shape.parameters is not None
    total, other = shape.parameters.total, built.shape
    spent = cost(other, built.parts, tokens=counted.tokens, context=counted.context)
    return Option(
        shape=other,
        deviation=built.deviation,
        verdict=verdict(other.ratio, total),
        change={study.name: study.change(shape.ratio, other.ratio, total) for study in studies()},
        worst=worst_case(other.ratio, total),
        cost=spent,
        kv_change=spent.kv_bytes_per_token / counted.kv_bytes_per_token - 1,
        depth_change=other.depth / shape.depth - 1,
        config=built.config,
    )


def _company(shape: Shape) -> "tuple[Neighbour, ...]":
    from nil_audit.catalog.neighbours import nearest

    return nearest(shape)


def _notes(shape: Shape, parts: Anatomy, raw: Mapping[str, Any]) -> tuple[str, ...]:
    notes: Sequence[str] = shape.notes
    assert shape.parameters is not None
    if parts.parameters(shape.depth) != shape.parameters:
        notes = (*notes, "Blocks of this type differ from each other; its costs are those of an average block.")
    if shape.depth < FEWEST_BLOCKS:
        notes = (
            *notes,
            "Depths 1 and 2 are another regime (7 to 12% worse in the law's runs): no study speaks of them.",
        )
    if raw.get("kv_lora_rank"):
        notes = (*notes, "This type compresses its keys and values: the key-value cache given is an upper bound.")
    return tuple(notes)
