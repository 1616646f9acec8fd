"""Tables of correlations: by predictor, size band, permutation, family left out, and every one."""

from nil_audit.report.comparison.cells import figure, number, word
from nil_audit.report.comparison.words import given_words, predictor_label, subset_words
from nil_audit.report.page import Cell, Table
from nil_audit.report.text import MISSING, interval, p_value, signed
from nil_audit.study.comparison import Comparison
from nil_audit.study.findings import Association, PermutationTest

_LAW_SAYS = {-1: "below 0", 1: "above 0", 0: "nothing"}


def predictor_table(comparison: Comparison) -> Table:
    """Each predictor against score: raw, given size, given size and tokens."""

    def cells(one: Association | None) -> tuple[Cell, Cell]:
        if one is None:
            return Cell(text=MISSING), Cell(text=MISSING)
        return Cell(text=signed(one.estimate), strong=_clear(one)), Cell(text=interval(one.low, one.high))

    rows = []
    for predictor in comparison.predictors:
        given = {
            name: comparison.association(predictor.key, given=name) for name in ("nothing", "size_curve", "size_tokens")
        }
        main = given["size_curve"]
        rows.append(
            (
                Cell(text=predictor.label, strong=predictor.primary),
                Cell(text=_LAW_SAYS[predictor.expected_sign]),
                number(predictor.models),
                *cells(given["nothing"]),
                *cells(main),
                Cell(text=p_value(main.p_adjusted if main else None)),
                *cells(given["size_tokens"]),
                number(given["size_tokens"].models if given["size_tokens"] else None),
            )
        )
    return Table(
        caption="Spearman correlation of each predictor with score. In bold: the interval excludes zero before any "
        "correction, and the predictor that the conclusion rests on.",
        columns=(
            word("Predictor"),
            word("Law says"),
            figure("Models"),
            figure("Raw"),
            figure("95% interval"),
            figure("Given size"),
            figure("95% interval"),
            figure("p, Holm"),
            figure("Given size and tokens"),
            figure("95% interval"),
            figure("Models"),
        ),
        rows=tuple(rows),
        note="Intervals are over families. Holm's correction is over every predictor and control. Kendall's and "
        "Pearson's are in the table of every correlation.",
    )


def band_table(comparison: Comparison, key: str) -> Table:
    """The primary predictor within each size band."""
    rows = []
    for band in comparison.bands:
        one = comparison.association(key, subset=f"band:{band.key}")
        rows.append(
            (
                Cell(text=band.label),
                number(band.models),
                number(band.families),
                number(band.at_floor),
                Cell(text=signed(one.estimate) if one else MISSING, strong=_clear(one)),
                Cell(text=interval(one.low, one.high) if one else MISSING),
                Cell(text=p_value(one.p_value if one else None)),
            )
        )
    return Table(
        caption=f"{predictor_label(comparison, key)} and score within each size band, size held fixed inside it too.",
        columns=(
            word("Size"),
            figure("Models"),
            figure("Families"),
            figure("At chance floor"),
            figure("Spearman"),
            figure("95% interval"),
            figure("p"),
        ),
        rows=tuple(rows),
    )


def permutation_table(comparison: Comparison) -> Table:
    """Permutation tests within size bands: families permuted, and models."""
    tests = {(test.predictor, test.unit): test for test in comparison.permutations}

    def cells(test: PermutationTest | None) -> tuple[Cell, ...]:
        if test is None:
            return (Cell(text=MISSING),) * 4
        return (
            Cell(text=signed(test.estimate)),
            Cell(text=p_value(test.p_value)),
            Cell(text=p_value(test.p_adjusted)),
            number(test.units),
        )

    keys = dict.fromkeys(test.predictor for test in comparison.permutations)
    drawn = max((test.permutations for test in comparison.permutations), default=0)
    return Table(
        caption=f"Permutation tests within size bands, {drawn:,} permutations each: if shape had nothing to do with "
        "score, how often would chance give a correlation this strong?",
        columns=(
            word("Predictor"),
            figure("Families permuted"),
            figure("p"),
            figure("p, Holm"),
            figure("Families"),
            figure("Models permuted"),
            figure("p"),
            figure("p, Holm"),
            figure("Models"),
        ),
        rows=tuple(
            (
                Cell(text=predictor_label(comparison, key)),
                *cells(tests.get((key, "family"))),
                *cells(tests.get((key, "model"))),
            )
            for key in keys
        ),
        note="Models of a family are not independent, so the test that permutes families is the one to read. Families "
        "count once in each size band.",
    )


def left_out_table(comparison: Comparison) -> Table:
    """The range of each predictor's correlation when any one family is left out."""
    rows = [
        (
            Cell(text=predictor_label(comparison, one.predictor)),
            Cell(text=signed(one.estimate)),
            Cell(text=signed(one.lowest.estimate)),
            Cell(text=one.lowest.family),
            Cell(text=signed(one.highest.estimate)),
            Cell(text=one.highest.family),
            Cell(text="yes" if one.sign_changes else "no"),
        )
        for one in comparison.leave_one_family_out
    ]
    return Table(
        caption="Spearman correlation given size when any one family is left out: the lowest and the highest.",
        columns=(
            word("Predictor"),
            figure("All families"),
            figure("Lowest"),
            word("without"),
            figure("Highest"),
            word("without"),
            word("Sign changes"),
        ),
        rows=tuple(rows),
    )


def confounder_table(comparison: Comparison) -> Table:
    """What goes with both score and the ratio."""
    return Table(
        caption="What goes with score and with R at once, by Spearman correlation: such a thing makes the two go "
        "together even if shape does not matter.",
        columns=(
            word(""),
            figure("Models"),
            figure("Families"),
            figure("with score"),
            figure("95% interval"),
            figure("with R"),
            figure("95% interval"),
        ),
        rows=tuple(
            (
                Cell(text=one.label),
                number(one.models),
                number(one.families),
                Cell(text=signed(one.score)),
                Cell(text=interval(one.score_low, one.score_high)),
                Cell(text=signed(one.ratio)),
                Cell(text=interval(one.ratio_low, one.ratio_high)),
            )
            for one in comparison.confounders
        ),
    )


def association_table(comparison: Comparison) -> Table:
    """Every correlation of the study."""
    rows = [
        (
            Cell(text=predictor_label(comparison, one.predictor)),
            Cell(text=one.method.capitalize()),
            Cell(text=given_words(one.given)),
            Cell(text=subset_words(comparison, one.subset)),
            number(one.models),
            number(one.families),
            Cell(text=signed(one.estimate), value=one.estimate),
            Cell(text=interval(one.low, one.high), value=one.low),
            Cell(text=p_value(one.p_value), value=one.p_value),
        )
        for one in comparison.associations
    ]
    return Table(
        name="correlations",
        caption=f"All {len(rows):,} correlations that the study made.",
        columns=(
            word("Predictor"),
            word("Method"),
            word("Held fixed"),
            word("Models are"),
            figure("Models"),
            figure("Families"),
            figure("Correlation"),
            figure("95% interval"),
            figure("p"),
        ),
        rows=tuple(rows),
        choices=(0, 1, 2, 3),
        file="study.json",
    )


def _clear(one: Association | None) -> bool:
    return one is not None and one.low is not None and one.high is not None and (one.low > 0 or one.high < 0)
