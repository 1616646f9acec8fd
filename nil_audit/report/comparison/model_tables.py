"""Tables of models: the counterexamples, and every model of the study."""

from nil_audit.comparison.result import Comparison, ModelRow
from nil_audit.report.comparison.cells import figure, word
from nil_audit.report.comparison.words import hub_address
from nil_audit.report.render.page import Cell, Table
from nil_audit.report.render.text import MISSING, count, percent, points, signed

MOST = 15
"""Counterexamples of a kind that the page names."""

_CAPTIONS = {
    "inside_below": "Inside the law's interval, and yet below what models of their size score",
    "outside_above": "Outside the law's interval, and yet above what models of their size score",
}


def counterexample_table(comparison: Comparison, kind: str) -> Table:
    """The models of one kind that go furthest against the law."""
    found = [one for one in comparison.counterexamples if one.kind == kind]
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
        for one in found[:MOST]
    ]
    rest = f"The {MOST} that are furthest off; all are in study.json. " if len(found) > MOST else ""
    return Table(
        caption=f"{_CAPTIONS[kind]}: {len(found)}.",
        columns=(
            word("Model"),
            word("Family"),
            figure("Parameters"),
            figure("R"),
            figure("Distance"),
            figure("Score"),
            figure("Expected"),
            figure("Off by"),
            figure("In SDs"),
        ),
        rows=tuple(rows),
        note=f"{rest}Off by: score minus expected, in percentage points. SDs: of that difference over all models.",
    )


def model_table(comparison: Comparison) -> Table:
    """Every model of the study, flagged ones too."""
    measured = sorted({key for model in comparison.models for key in model.metrics})
    labels = {band.key: band.label for band in comparison.bands}

    def row(model: ModelRow) -> tuple[Cell, ...]:
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
            Cell(text=_remarks(model)),
        )

    return Table(
        name="models",
        caption=f"All {len(comparison.models):,} models with a score of the protocol.",
        columns=(
            word("Model"),
            figure("Parameters"),
            figure("L × d", "depth in blocks times width in channels, sorted by depth"),
            figure("R", "depth / width, in blocks per channel"),
            figure("Score", "raw MMLU-Pro accuracy"),
            figure("Beyond size", "score minus that of models of its size, in percentage points"),
            figure("Distance", "to the law's interval, in nats of ratio, 0 inside it"),
            word("Verdict", "how many of the three studies put it within 1% of the best shape"),
            word("Family"),
            word("Size"),
            figure("Tokens", "training tokens, where published"),
            word("Release"),
            *(figure(key.replace("_", " ")) for key in measured),
            word("Remarks"),
        ),
        rows=tuple(map(row, comparison.models)),
        choices=(7, 8, 9),
        file="table.csv",
    )


def _remarks(model: ModelRow) -> str:
    lineage = "" if model.lineage in (None, "from_scratch") else model.lineage.replace("_", " ")
    floor = "at chance floor" if model.at_floor else ""
    return "; ".join(filter(None, (model.flag, model.uncertain, floor, lineage)))


def _short(value: float | None) -> str:
    return MISSING if value is None else f"{value:.3g}"
