"""Tables of correlations: by predictor, choice, size band, permutation, family left out, confounder, and every one."""

from nil_audit.comparison.predictors import CONFOUNDERS, PRIMARY
from nil_audit.comparison.result import Association, Comparison, Predictor
from nil_audit.report.comparison.words import GIVEN, band_labels, predictor_label, subset_label
from nil_audit.report.render.cells import count_cell, estimate_cell
from nil_audit.report.render.page import Cell, Column, Table, table
from nil_audit.report.render.text import MISSING, p_value, signed

_LAW_SAYS = {-1: "< 0", 1: "> 0", 0: MISSING}


def predictor_table(comparison: Comparison) -> Table:
    """Each predictor against score: raw, and given size."""
    find = comparison.findings.association
    rows = []
    for predictor in comparison.predictors:
        main = find(predictor.key)
        rows.append(
            (
                _name(predictor),
                count_cell(predictor.models),
                _correlation(find(predictor.key, given="nothing")),
                _correlation(main),
                p_value(main.p_adjusted if main else None),
            )
        )
    return table(
        f"Spearman correlation with score ({comparison.answer.protocol}), 95% intervals over families.",
        ("Predictor", "Models", "Raw", "Given size", "Holm"),
        rows,
        note="Bold: the answer's predictor, and intervals that exclude zero before any correction. Holm: p given size, "
        "corrected over every predictor and control.",
    )


def other_choices_table(comparison: Comparison) -> Table:
    """Each predictor against score by values and with tokens held fixed too, beside the sign that the law says."""
    find = comparison.findings.association
    tokens = find(PRIMARY, given="size_tokens")
    return table(
        "The same correlations under other choices, with what the law says of their sign, size held fixed.",
        ("Predictor", "Law", "Pearson, given size", "Spearman, given size and tokens"),
        [
            (
                _name(predictor),
                _LAW_SAYS[predictor.expected_sign],
                _correlation(find(predictor.key, method="pearson")),
                _correlation(find(predictor.key, given="size_tokens")),
            )
            for predictor in comparison.predictors
        ],
        left=2,
        note=f"Training tokens are known of {tokens.estimate.n} models." if tokens else "",
    )


def band_table(comparison: Comparison) -> Table:
    """The primary predictor, and R itself, within each size band."""
    labels, find = band_labels(comparison.bands), comparison.findings.association
    rows = []
    for band in comparison.bands:
        subset = f"band:{band.key}"
        own = find(PRIMARY, subset=subset)
        rows.append(
            (
                labels[band.key],
                count_cell(band.models),
                count_cell(band.families),
                count_cell(band.at_floor),
                _correlation(own),
                p_value(own.estimate.p if own else None),
                _correlation(find("ratio", subset=subset)),
                _correlation(find("ratio", given="nothing", subset=subset)),
            )
        )
    return table(
        "Spearman correlation with score within each size band, size held fixed inside the band too unless the column "
        "says raw.",
        ("Size", "Models", "Families", "At chance floor", predictor_label(PRIMARY), "p", "R", "R, raw"),
        rows,
    )


def permutation_table(comparison: Comparison) -> Table:
    """Permutation tests within size bands."""
    return table(
        f"Permutation tests within size bands, {comparison.options.permutations:,} permutations each: if shape had "
        "nothing to do with score, how often would chance give a correlation this strong?",
        ("Predictor", "Families permuted", "p", "p, Holm", "Units"),
        [
            (
                predictor_label(test.predictor),
                signed(test.estimate.value),
                p_value(test.estimate.p),
                p_value(test.p_adjusted),
                count_cell(test.estimate.n),
            )
            for test in comparison.findings.permutations
        ],
        note="Models of a family are not independent, so families change places whole. A family counts once in each "
        "size band that it has models in.",
    )


def left_out_table(comparison: Comparison) -> Table:
    """The range of each predictor's correlation when any one family is left out."""
    without = Column(label="without")
    rows = []
    for one in comparison.findings.left_out:
        (low_name, low), (high_name, high) = one.lowest, one.highest
        changes = "yes" if one.sign_changes else "no"
        label = predictor_label(one.predictor)
        rows.append((label, signed(one.value), signed(low), low_name, signed(high), high_name, changes))
    return table(
        "Spearman correlation given size when any one family is left out: the lowest and the highest.",
        ("Predictor", "All families", "Lowest", without, "Highest", without, Column(label="Sign changes")),
        rows,
    )


def confounder_table(comparison: Comparison) -> Table:
    """What goes with both score and the ratio."""
    find = comparison.findings.association
    rows = []
    for key in CONFOUNDERS:
        score, ratio = (find(key, outcome=outcome, given="nothing") for outcome in ("score", "ratio"))
        if score and ratio:
            counts = (count_cell(score.estimate.n), count_cell(score.families))
            rows.append((predictor_label(key), *counts, estimate_cell(score.estimate), estimate_cell(ratio.estimate)))
    return table(
        "What goes with score and with R at once, by Spearman correlation: such a thing makes the two go together even "
        "if shape does not matter.",
        ("Property", "Models", "Families", "With score", "With R"),
        rows,
    )


def association_table(comparison: Comparison) -> Table:
    """Every correlation of a predictor with score."""
    keys = {one.key for one in comparison.predictors}
    rows = [
        (
            predictor_label(one.predictor),
            one.method.capitalize(),
            GIVEN[one.given],
            subset_label(comparison, one.subset),
            count_cell(one.estimate.n),
            count_cell(one.families),
            estimate_cell(one.estimate),
            Cell(text=p_value(one.estimate.p), value=one.estimate.p),
        )
        for one in comparison.findings.associations
        if one.predictor in keys
    ]
    return table(
        f"All {len(rows):,} correlations of a predictor with score, with 95% intervals over families.",
        ("Predictor", "Method", "Held fixed", "Which models", "Models", "Families", "Correlation", "p"),
        rows,
        left=4,
        name="correlations",
        choices=(0, 1, 2, 3),
        file="comparison.json",
    )


def _name(predictor: Predictor) -> Cell:
    return Cell(text=predictor_label(predictor.key), strong=predictor.key == PRIMARY)


def _correlation(found: Association | None) -> Cell:
    return estimate_cell(found.estimate, strong=found.estimate.excludes_zero) if found else Cell(text=MISSING)
