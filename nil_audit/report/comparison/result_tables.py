"""Tables of what follows from size-adjusted scores: inside and outside, predictions, other protocols."""

from nil_audit.comparison.findings import Prediction
from nil_audit.comparison.result import Comparison
from nil_audit.report.comparison.cells import estimate, figure, hundredfold, number, word
from nil_audit.report.comparison.words import STRENGTH, predictor_label
from nil_audit.report.render.page import Cell, Table
from nil_audit.report.render.text import MISSING, p_value, percent


def contrast_table(comparison: Comparison) -> Table:
    """Inside against outside each interval."""
    rows = [
        (
            Cell(text="all three at once" if one.study == "all" else one.study),
            number(one.inside),
            number(one.outside),
            hundredfold(one.difference, one.low, one.high),
            Cell(text=p_value(one.p_value)),
        )
        for one in comparison.contrasts
    ]
    return Table(
        caption="Mean size-adjusted score inside an interval minus outside it, in percentage points of accuracy, with "
        "95% intervals over families. These p-values are not corrected for the number of tests.",
        columns=(
            word("Interval"),
            figure("Models inside"),
            figure("Models outside"),
            figure("Difference"),
            figure("p"),
        ),
        rows=tuple(rows),
    )


def prediction_table(comparison: Comparison) -> Table:
    """Out-of-sample skill over size alone, a row a predictor."""
    found = {(one.predictor, one.split): one for one in comparison.predictions}

    def cells(one: Prediction | None) -> tuple[Cell, ...]:
        if one is None:
            return Cell(text=MISSING), Cell(text=MISSING)
        return Cell(text=percent(one.error_with)), hundredfold(one.skill, one.low, one.high)

    keys = dict.fromkeys(one.predictor for one in comparison.predictions)
    alone = [words for split in ("halves", "release") if (words := _size_alone(comparison, split))]
    return Table(
        caption="Predicting families that were not fitted. Skill: the share of the squared error from size alone that "
        "the predictor takes away, in per cent; below 0 it makes predictions worse.",
        columns=(
            word("Predictor"),
            figure("Error, random halves"),
            figure("Skill"),
            figure("Error, later families"),
            figure("Skill"),
        ),
        rows=tuple(
            (
                Cell(text=predictor_label(comparison, key)),
                *cells(found.get((key, "halves"))),
                *cells(found.get((key, "release"))),
            )
            for key in keys
        ),
        note=" ".join(alone) + " Errors are root mean squares, in percentage points of accuracy.",
    )


def _size_alone(comparison: Comparison, split: str) -> str:
    one = next((one for one in comparison.predictions if one.split == split), None)
    if one is None:
        return ""
    if split == "halves":
        which = (
            f"Random halves of families, {one.splits:,} times: about {one.train} models fitted, {one.test} predicted"
        )
    else:
        which = f"Families released before {one.cutoff} fitted ({one.train} models), later ones predicted ({one.test})"
    return f"{which}; error from size alone {percent(one.error_size)}."


def protocol_table(comparison: Comparison) -> Table:
    """The primary estimate under each protocol."""
    rows = [
        (
            Cell(text=one.protocol, strong=one.chosen),
            number(one.models),
            number(one.families),
            estimate(one.estimate, one.low, one.high),
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
            word("What it says of the law"),
        ),
        rows=tuple(rows),
    )
