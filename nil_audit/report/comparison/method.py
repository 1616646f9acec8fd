"""The method of a comparison in words, its configuration, and the command that made it."""

from nil_audit import __version__
from nil_audit.comparison.result import Comparison
from nil_audit.law.studies import studies
from nil_audit.report.comparison.words import predictor_label, primary
from nil_audit.report.render.page import Block, Bullets, Cell, Column, Listing, Prose, Table
from nil_audit.report.render.text import MISSING


def method_blocks(comparison: Comparison, command: str) -> tuple[Block, ...]:
    """Definitions, statistics, the three intervals, settings and the command."""
    settings = comparison.settings
    chosen = primary(comparison)
    level = f"{100 * settings.level:g}%"
    later = f", and families released before {settings.cutoff} against later ones" if settings.cutoff else ""
    return (
        Prose(
            text="R is depth over width, in blocks per channel. Distance from an interval is 0 inside it; outside, it "
            "is ln R minus the logarithm of the nearer end, positive for shapes that are too deep and narrow. The "
            "deviation is |ln R/R*|, R* being the study's optimum. A shape is inside when all three studies put "
            "it within 1% of the best loss of its budget, disputed when some do, outside when none does."
            + (f" The conclusion rests on one predictor: {predictor_label(comparison, chosen.key)}." if chosen else "")
        ),
        Bullets(
            items=(
                "Size drives both shape and score, so it is held fixed: by its rank and by a natural cubic spline of "
                "log parameters. The size-adjusted score of a model is its accuracy minus what the spline expects of "
                "its size.",
                "Models of a family are not independent, so families count whole: intervals and p-values come from "
                "the jackknife over families with Student's t. Beside them study.json has the percentile interval of "
                f"a bootstrap of {settings.resamples:,} resamples of families.",
                f"Permutation tests move size-adjusted scores within size bands, {settings.permutations:,} times. "
                "Tests are corrected for their number by Holm's method.",
                f"Out of sample, some families are fitted and others predicted: {settings.splits:,} random halves"
                f"{later}.",
                f"Chance floor: {settings.floor}.",
                "Flagged rows are left out unless a row says otherwise. Scores of different protocols never meet in "
                "one correlation.",
                "A correlation over published models is observational: training data, recipe and date differ from "
                "model to model, and no choice of controls makes it an experiment.",
            )
        ),
        Table(
            caption="The three intervals at 1B parameters: within 1% of the loss of the best shape.",
            columns=(
                Column(label="Study"),
                Column(label="What it is"),
                Column(label="Optimum", numeric=True),
                Column(label="Interval", numeric=True),
                Column(label="Source"),
            ),
            rows=tuple(
                (
                    Cell(text=study.name),
                    Cell(text=study.title),
                    Cell(text=f"{study.interval(1e9).optimum:.3g}"),
                    Cell(text=f"{study.interval(1e9).low:.3g} to {study.interval(1e9).high:.3g}"),
                    Cell(text=study.source),
                )
                for study in studies()
            ),
        ),
        Table(
            caption="Configuration.",
            columns=(Column(label="Setting"), Column(label="Value")),
            rows=tuple(
                (Cell(text=name), Cell(text=value))
                for name, value in (
                    ("protocol", settings.protocol),
                    ("inputs", ", ".join(settings.inputs) or MISSING),
                    ("seed", str(settings.seed)),
                    ("family bootstrap resamples", f"{settings.resamples:,}"),
                    ("permutations a test", f"{settings.permutations:,}"),
                    ("random halves of families", f"{settings.splits:,}"),
                    ("confidence level", level),
                    ("release date that splits families", settings.cutoff or MISSING),
                    ("nil-audit", __version__),
                )
            ),
        ),
        Prose(text="The command that made this report:"),
        Listing(text=command),
    )
