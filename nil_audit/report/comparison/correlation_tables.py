"""Tables of correlations: by predictor, size band, permutation, family left out, and every one."""

from nil_audit.comparison.findings import Association, PermutationTest
from nil_audit.comparison.result import Comparison
from nil_audit.report.comparison.cells import estimate, figure, number, word
from nil_audit.report.comparison.words import given_words, predictor_label, subset_words
from nil_audit.report.render.page import Cell, Table
from nil_audit.report.render.text import MISSING, p_value, signed

_LAW_SAYS = {-1: "< 0", 1: "> 0", 0: MISSING}


def predictor_table(comparison: Comparison) -> Table:
    """Each predictor against score: raw, given size, given size and tokens."""
    rows = []
    for predictor in comparison.predictors:
        raw, main, tokens = (
            comparison.association(predictor.key, given=given) for given in ("nothing", "size_curve", "size_tokens")
        )
        rows.append(
            (
                Cell(text=predictor_label(comparison, predictor.key), strong=predictor.primary),
                Cell(text=_LAW_SAYS[predictor.expected_sign]),
                number(predictor.models),
                _correlation(raw),
                _correlation(main),
                Cell(text=p_value(main.p_adjusted if main else None)),
                _correlation(comparison.association(predictor.key, method="pearson")),
                _correlation(tokens),
            )
        )
    first = comparison.predictors[0].key if rows else ""
    with_tokens = comparison.association(first, given="size_tokens")
    known = f"Training tokens are known of {with_tokens.models} models. " if with_tokens else ""
    return Table(
        caption="Spearman correlation of each predictor with score unless the column says Pearson, with 95% intervals "
        "over families. Law: what it says of the sign, size held fixed. In bold: the predictor that the conclusion "
        "rests on, and intervals that exclude zero before any correction.",
        columns=(
            word("Predictor"),
            word("Law"),
            figure("Models"),
            figure("Raw"),
            figure("Given size"),
            figure("p, Holm"),
            figure("Pearson, given size"),
            figure("Given size and tokens"),
        ),
        rows=tuple(rows),
        note=f"{known}Holm's correction of the p-value given size is over every predictor and control. Kendall's "
        "correlations are in the table of every correlation.",
    )


def band_table(comparison: Comparison, key: str) -> Table:
    """The primary predictor, and R itself, within each size band."""
    rows = []
    for band in comparison.bands:
        of_band = {name: comparison.association(name, subset=f"band:{band.key}") for name in (key, "ratio")}
        one = of_band[key]
        rows.append(
            (
                Cell(text=band.label),
                number(band.models),
                number(band.families),
                number(band.at_floor),
                _correlation(one),
                Cell(text=p_value(one.p_value if one else None)),
                _correlation(of_band["ratio"]),
                _correlation(comparison.association("ratio", given="nothing", subset=f"band:{band.key}")),
            )
        )
    return Table(
        caption="Spearman correlation with score within each size band, size held fixed inside the band too unless "
        "the column says raw.",
        columns=(
            word("Size"),
            figure("Models"),
            figure("Families"),
            figure("At chance floor"),
            figure(predictor_label(comparison, key)),
            figure("p"),
            figure("R"),
            figure("R, raw"),
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
            figure("Units"),
            figure("Models permuted"),
            figure("p"),
            figure("p, Holm"),
            figure("Units"),
        ),
        rows=tuple(
            (
                Cell(text=predictor_label(comparison, key)),
                *cells(tests.get((key, "family"))),
                *cells(tests.get((key, "model"))),
            )
            for key in keys
        ),
        note="Models of a family are not independent, so the test that permutes families is the one to read. A family "
        "counts once in each size band that it has models in.",
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
            word("Property"),
            figure("Models"),
            figure("Families"),
            figure("With score"),
            figure("With R"),
        ),
        rows=tuple(
            (
                Cell(text=one.label),
                number(one.models),
                number(one.families),
                estimate(one.score, one.score_low, one.score_high),
                estimate(one.ratio, one.ratio_low, one.ratio_high),
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
            estimate(one.estimate, one.low, one.high),
            Cell(text=p_value(one.p_value), value=one.p_value),
        )
        for one in comparison.associations
    ]
    return Table(
        name="correlations",
        caption=f"All {len(rows):,} correlations that the study made, with 95% intervals over families.",
        columns=(
            word("Predictor"),
            word("Method"),
            word("Held fixed"),
            word("Which models"),
            figure("Models"),
            figure("Families"),
            figure("Correlation"),
            figure("p"),
        ),
        rows=tuple(rows),
        choices=(0, 1, 2, 3),
        file="study.json",
    )


def _correlation(one: Association | None) -> Cell:
    if one is None:
        return Cell(text=MISSING)
    clear = one.low is not None and one.high is not None and (one.low > 0 or one.high < 0)
    return estimate(one.estimate, one.low, one.high, strong=clear)
