"""Tables of models and of what follows from their scores: inside and outside, predictions, counterexamples."""

from nil_audit.report.comparison.cells import figure, number, word
from nil_audit.report.comparison.words import STRENGTH, hub_address, predictor_label
from nil_audit.report.page import Cell, Table
from nil_audit.report.text import MISSING, count, interval, p_value, percent, points, signed
from nil_audit.study.comparison import Comparison, ModelRow


def contrast_table(comparison: Comparison) -> Table:
    """Inside against outside each interval."""
    rows = [
        (
            Cell(text="all three at once" if one.study == "all" else one.study),
            number(one.inside),
            number(one.outside),
            Cell(text=points(one.difference)),
            Cell(text=_point_interval(one.low, one.high)),
            Cell(text=p_value(one.p_value)),
        )
        for one in comparison.contrasts
    ]
    return Table(
        caption="Mean size-adjusted score inside an interval minus outside it, in percentage points of accuracy.",
        columns=(
            word("Interval"),
            figure("Models inside"),
            figure("outside"),
            figure("Difference"),
            figure("95% interval"),
            figure("p"),
        ),
        rows=tuple(rows),
    )


def prediction_table(comparison: Comparison) -> Table:
    """Out-of-sample skill over size alone."""
    rows = [
        (
            Cell(text=predictor_label(comparison, one.predictor)),
            Cell(text=f"families before {one.cutoff}" if one.split == "release" else f"{one.splits} random halves"),
            number(one.train),
            number(one.test),
            Cell(text=percent(one.error_size)),
            Cell(text=percent(one.error_with)),
            Cell(text=percent(one.skill).replace("%", "")),
            Cell(text=_point_interval(one.low, one.high)),
        )
        for one in comparison.predictions
    ]
    return Table(
        caption="Predicting families that were not fitted. Skill is the share of size's mean square error that the "
        "predictor takes away, in percent: above 0 it helps, below 0 it makes predictions worse.",
        columns=(
            word("Predictor"),
            word("Fitted on"),
            figure("Models fitted"),
            figure("predicted"),
            figure("Error from size alone"),
            figure("with the predictor"),
            figure("Skill, %"),
            figure("95% interval"),
        ),
        rows=tuple(rows),
        note="Errors are root mean squares, in percentage points of accuracy.",
    )


def counterexample_table(comparison: Comparison, kind: str) -> Table:
    """Models of one kind that go against the law."""
    rows = [
        (
            Cell(text=one.model),
            Cell(text=one.family),
            Cell(text=count(one.parameters)),
            Cell(text=f"{one.ratio:.4f}"),
            Cell(text=signed(one.distance)),
            Cell(text=percent(one.score)),
            Cell(text=percent(one.expected)),
            Cell(text=points(one.residual)),
            Cell(text=signed(one.standardised, 1)),
        )
        for one in comparison.counterexamples
        if one.kind == kind
    ]
    captions = {
        "inside_below": "Inside the law's interval, and yet below what models of their size score.",
        "outside_above": "Outside the law's interval, and yet above what models of their size score.",
    }
    return Table(
        caption=captions[kind],
        columns=(
            word("Model"),
            word("Family"),
            figure("Parameters"),
            figure("R"),
            figure("Distance"),
            figure("Score"),
            figure("Expected of its size"),
            figure("Off by, points"),
            figure("in SDs"),
        ),
        rows=tuple(rows),
    )


def protocol_table(comparison: Comparison) -> Table:
    """The primary estimate under each protocol."""
    rows = [
        (
            Cell(text=one.protocol, strong=one.chosen),
            number(one.models),
            number(one.families),
            Cell(text=signed(one.estimate)),
            Cell(text=interval(one.low, one.high)),
            Cell(text=STRENGTH.get(one.strength, one.strength)),
        )
        for one in comparison.protocols
    ]
    return Table(
        caption="The primary correlation, size held fixed, under each protocol that has scores. Protocols are never "
        "mixed; the one in bold is the study's.",
        columns=(
            word("Protocol"),
            figure("Models"),
            figure("Families"),
            figure("Spearman given size"),
            figure("95% interval"),
            word("What it says of the law"),
        ),
        rows=tuple(rows),
    )


def model_table(comparison: Comparison) -> Table:
    """Every model of the study, flagged ones too."""
    measured = sorted({key for model in comparison.models for key in model.metrics})
    labels = {band.key: band.label for band in comparison.bands}

    def row(model: ModelRow) -> tuple[Cell, ...]:
        remarks = [
            model.flag or "",
            model.uncertain or "",
            "at chance floor" if model.at_floor else "",
            _lineage(model),
        ]
        return (
            Cell(text=model.model, href=hub_address(model)),
            Cell(text=count(model.parameters), value=model.parameters),
            Cell(text=f"{model.depth} × {model.width}", value=float(model.depth)),
            Cell(text=f"{model.ratio:.4f}", value=model.ratio),
            Cell(text=percent(model.score), value=model.score),
            Cell(text=points(model.residual), value=model.residual),
            Cell(text=signed(model.distance.get("law")), value=model.distance.get("law")),
            Cell(text=model.verdict),
            Cell(text=model.family),
            Cell(text=labels.get(model.band or "", MISSING)),
            Cell(text=count(model.tokens), value=model.tokens),
            Cell(text=model.release or MISSING),
            *(Cell(text=_short(model.metrics.get(key)), value=model.metrics.get(key)) for key in measured),
            Cell(text="; ".join(filter(None, remarks))),
        )

    return Table(
        name="models",
        caption=f"All {len(comparison.models):,} models with a score of the protocol.",
        columns=(
            word("Model"),
            figure("Parameters"),
            figure("L × d", "Depth in blocks times width in channels; sorts by depth"),
            figure("R", "Depth / width, in blocks per channel"),
            figure("Score", "Raw MMLU-Pro accuracy"),
            figure("Beyond size", "Score minus that of models of its size, in points"),
            figure("Distance", "To the law's interval, in nats of ratio; 0 inside it"),
            word("Verdict", "How many of the three studies put it within 1% of the best shape"),
            word("Family"),
            word("Size"),
            figure("Tokens", "Training tokens, where published"),
            word("Release"),
            *(figure(key.replace("_", " ")) for key in measured),
            word("Remarks"),
        ),
        rows=tuple(map(row, comparison.models)),
        choices=(7, 8, 9),
        file="table.csv",
    )


def _lineage(model: ModelRow) -> str:
    return "" if model.lineage in (None, "from_scratch") else model.lineage.replace("_", " ")


def _short(value: float | None) -> str:
    return MISSING if value is None else f"{value:.3g}"


def _point_interval(low: float | None, high: float | None) -> str:
    return interval(None if low is None else 100 * low, None if high is None else 100 * high, 1)
