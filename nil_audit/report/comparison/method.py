"""The method of a comparison in words, its configuration, and the command that made it."""

from nil_audit import __version__
from nil_audit.comparison.predictors import PRIMARY
from nil_audit.comparison.result import Comparison
from nil_audit.comparison.table import MMLU_PRO_FLOOR
from nil_audit.law.studies import studies
from nil_audit.report.comparison.words import predictor_label
from nil_audit.report.render.page import Block, Bullets, Column, Listing, Prose, Table, table
from nil_audit.report.render.text import MISSING
from nil_audit.stats.estimate import LEVEL


def method_blocks(comparison: Comparison, command: str) -> tuple[Block, ...]:
    """Definitions, statistics, the three intervals, what was chosen and the command."""
    options, later = comparison.options, comparison.findings.skill(PRIMARY, "release")
    cutoff = later.cutoff if later and later.cutoff else ""
    rests = f" The answer rests on one predictor: {predictor_label(PRIMARY)}." if comparison.predictors else ""
    return (
        Prose(
            text="R is depth over width, in blocks per channel. Distance from an interval is 0 inside it; outside, it "
            "is ln R minus the logarithm of the nearer end, positive for shapes that are too deep and narrow. The "
            "deviation is |ln R/R*|, R* being the study's optimum. A shape is inside when all three studies put "
            f"it within 1% of the best loss of its budget, disputed when some do, outside when none does.{rests}"
        ),
        Bullets(
            items=(
                "Size drives both shape and score, so it is held fixed: by its rank and by a natural cubic spline of "
                "log parameters. The size-adjusted score of a model is its accuracy minus what the spline expects of "
                "its size.",
                "Models of a family are not independent, so families count whole: intervals and p-values come from "
                "the jackknife over families with Student's t.",
                f"Permutation tests move size-adjusted scores within size bands, {options.permutations:,} times. "
                "Tests are corrected for their number by Holm's method.",
                f"Out of sample, some families are fitted and others predicted: {options.splits:,} random halves"
                + (f", and families released before {cutoff} against later ones." if cutoff else "."),
                f"Chance floor: {_floor_rule(options.floor)}.",
                "Flagged rows are left out unless a row says otherwise. Scores of different protocols never meet in "
                "one correlation.",
                "A correlation over published models is observational: training data, recipe and date differ from "
                "model to model, and no choice of controls makes it an experiment.",
            )
        ),
        _interval_table(),
        table(
            "Configuration.",
            ("Setting", "Value"),
            (
                ("protocol", comparison.answer.protocol),
                ("inputs", ", ".join(comparison.inputs) or MISSING),
                ("seed", str(options.seed)),
                ("permutations a test", f"{options.permutations:,}"),
                ("random halves of families", f"{options.splits:,}"),
                ("confidence level", f"{100 * LEVEL:g}%"),
                ("release date that splits families", cutoff or MISSING),
                ("nil-audit", __version__),
            ),
            left=2,
        ),
        Prose(text="The command that made this report:"),
        Listing(text=command),
    )


def _floor_rule(floor: float | None) -> str:
    if floor is not None:
        return f"at the floor: a score of {100 * floor:.4g}% or less, as asked for"
    return (
        f"at the floor: the 95% interval of the score reaches down to {100 * MMLU_PRO_FLOOR:g}%, which is what naming "
        "each subject's most frequent letter gets"
    )


def _interval_table() -> Table:
    found = [(study, study.interval(1e9)) for study in studies()]
    return table(
        "The three intervals at 1B parameters: within 1% of the loss of the best shape.",
        (
            "Study",
            "What it is",
            Column(label="Optimum", numeric=True),
            Column(label="Interval", numeric=True),
            "Source",
        ),
        [
            (study.name, study.title, f"{at.optimum:.3g}", f"{at.low:.3g} to {at.high:.3g}", study.source)
            for study, at in found
        ],
        left=5,
    )
