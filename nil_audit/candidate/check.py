"""A candidate architecture before pretraining: where it stands, what it costs, and what else the budget buys."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import Any, get_args

from nil_audit.budget import DEFAULT_CONTEXT
from nil_audit.budget.alternatives import build, propose
from nil_audit.budget.cost import Cost, cost
from nil_audit.budget.counts import BlockCounts, Match, count_blocks
from nil_audit.budget.template import Template
from nil_audit.candidate.recommendation import Recommendation, recommend, worst_case
from nil_audit.catalog.neighbours import Neighbour, nearest
from nil_audit.displayed import Displayed
from nil_audit.errors import UsageError
from nil_audit.files import plain
from nil_audit.law.loss_curves import FEWEST_BLOCKS, TOKENS_PER_PARAMETER
from nil_audit.law.other_laws import Reading, readings
from nil_audit.law.studies import Extrapolation, Interval, Verdict, studies, verdict
from nil_audit.shape.architecture import Shape, read_shape, shape_from_config
from nil_audit.source import resolve
from nil_audit.stats.estimate import Estimate

MOST_ALTERNATIVES = 8


@dataclass(frozen=True, kw_only=True)
class Prediction:
    """What one study predicts of the candidate.

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
    change: Mapping[str, Estimate]
    worst: float
    cost: Cost
    kv_change: float
    depth_change: float
    config: Mapping[str, Any] = field(repr=False)


@dataclass(frozen=True, kw_only=True, repr=False)
class CandidateReport(Displayed):
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
        laws: What other published laws say; empty where the parameters cannot be counted.
        neighbours: Nearest real models; empty where no list was read.
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
    laws: tuple[Reading, ...]
    neighbours: tuple[Neighbour, ...]
    notes: tuple[str, ...]

    def to_dict(self) -> dict[str, Any]:
        """The report as plain JSON values."""
        document = {one.name: plain(getattr(self, one.name)) for one in fields(self)}
        document["shape"]["ratio"] = self.shape.ratio
        for option, found in zip(self.options, document["options"], strict=True):
            found["shape"]["ratio"] = option.shape.ratio
            found["recommended"] = option is self.recommended
        return {"schema": 2, "kind": "candidate", **document}

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
    neighbours: bool = True,
    notes: Sequence[str] = (),
) -> CandidateReport:
    """Check an architecture before it is trained: no weights are needed or made.

    Args:
        config: A config file, a folder, a Hub id, or a raw config.
        name: What to call it; by default the source's own name.
        tokens: Training tokens; 20 for each parameter by default (Hoffmann et al. 2022).
        match: What the alternatives hold equal: "body" parameters, "total" parameters, or forward "flops" a token.
        tolerance: How far their budget may differ, as a share.
        context: Window length that FLOPs are counted at; 4096, or the model's own context where that is shorter.
        neighbours: Look up the nearest real models in the shipped list.
        notes: Sentences to add to the report's own.

    Raises:
        SourceError, ConfigError, UnsupportedArchitectureError: The config cannot be reached, read, or is not dense.
        UsageError: Tokens, tolerance or context out of range.
    """
    check_numbers(tokens=tokens, tolerance=tolerance, context=context, match=match)
    raw, shape = _read(config, name)
    total, counts, spent = None, None, None
    options: tuple[Option, ...] = ()
    if shape.parameters is not None:
        total = shape.parameters.total
        template = Template(raw, shape)
        counts = count_blocks(template)
        context = context or min(DEFAULT_CONTEXT, shape.context or DEFAULT_CONTEXT)
        spent = cost(shape, counts, tokens=tokens or TOKENS_PER_PARAMETER * total, context=context)
        options = _options(template, counts, spent, match, tolerance)
    return CandidateReport(
        shape=shape,
        verdict=verdict(shape.ratio, total),
        predictions=_predict(shape.ratio, total),
        cost=spent,
        tokens_stated=tokens is not None,
        match=match,
        tolerance=tolerance,
        options=options,
        recommendation=recommend(shape.ratio, [(one.shape.depth, one.shape.width) for one in options], total),
        laws=readings(shape.depth, shape.width, shape.parameters.body) if shape.parameters else (),
        neighbours=nearest(shape) if neighbours and shape.parameters else (),
        notes=(*_notes(shape, counts, raw), *notes),
    )


def check_numbers(*, tokens: float | None, tolerance: float, context: int | None, match: str) -> None:
    """Refuse settings of `check_candidate` that are out of range, before any config is read.

    Raises:
        UsageError: One of them is.
    """
    if tokens is not None and not 0 < tokens < 1e18:
        raise UsageError(f"Training tokens are {tokens:g}, but must be above zero; give --tokens such as 20e9.")
    if not 0 < tolerance <= 0.5:
        raise UsageError(f"The tolerance is {tolerance:g}, but must lie between 0 and 0.5; 0.02 is 2%.")
    if context is not None and context < 1:
        raise UsageError(f"The context is {context}, but must be at least 1 token; correct it.")
    if match not in get_args(Match):
        raise UsageError(f"Alternatives cannot match {match!r}; choose {', '.join(get_args(Match))}.")


def _read(config: str | Path | Mapping[str, Any], name: str | None) -> tuple[dict[str, Any], Shape]:
    """The raw config and its shape."""
    if isinstance(config, Mapping):
        return dict(config), shape_from_config(config, name=name or "candidate")
    source = resolve(str(config))
    return source.config, replace(read_shape(source), name=name or source.name)


def _predict(ratio: float, parameters: int | None) -> tuple[Prediction, ...]:
    return tuple(
        Prediction(
            study=study.name,
            interval=study.interval(parameters),
            optimum=study.optimum(parameters),
            excess=study.excess(ratio, parameters),
            extrapolation=study.extrapolation(ratio, parameters),
        )
        for study in studies()
    )


def _options(
    template: Template, counts: BlockCounts, spent: Cost, match: Match, tolerance: float
) -> tuple[Option, ...]:
    """The alternatives worth showing, deepest first, each built and counted exactly."""
    shape = template.shape
    assert shape.parameters is not None
    total = shape.parameters.total
    proposals = propose(template, counts, match=match, tolerance=tolerance, context=spent.context)
    alike = counts.parameters(shape.depth) == shape.parameters
    options: list[Option] = []
    for proposal in sorted(proposals, key=lambda proposal: worst_case(proposal.ratio, total)):
        if (built := build(template, proposal, whole=not alike)) is None:
            continue
        other, config = built
        others = cost(other, proposal.counts, tokens=spent.tokens, context=spent.context)
        options.append(
            Option(
                shape=other,
                deviation=proposal.deviation,
                verdict=verdict(other.ratio, total),
                change={study.name: study.change(shape.ratio, other.ratio, total) for study in studies()},
                worst=worst_case(other.ratio, total),
                cost=others,
                kv_change=others.kv_bytes_per_token / spent.kv_bytes_per_token - 1,
                depth_change=other.depth / shape.depth - 1,
                config=config,
            )
        )
        if len(options) == MOST_ALTERNATIVES:
            break
    return tuple(sorted(options, key=lambda option: -option.shape.ratio))


def _notes(shape: Shape, counts: BlockCounts | None, raw: Mapping[str, Any]) -> list[str]:
    notes = list(shape.notes)
    if counts is None:
        notes.append(
            "Costs and alternatives need a type that transformers can build; the studies are read at 1B parameters."
        )
    else:
        if counts.parameters(shape.depth) != shape.parameters:
            notes.append("Blocks of this type differ from each other; its costs are those of an average block.")
        if shape.depth < FEWEST_BLOCKS:
            notes.append(
                "Depths 1 and 2 are another regime (7 to 12% worse in the law's runs): no study speaks of them."
            )
        if raw.get("kv_lora_rank"):
            notes.append("This type compresses its keys and values: the key-value cache given is an upper bound.")
    if shape.revision:
        notes.append(f"Config of {shape.name} at commit {shape.revision}.")
    return notes
