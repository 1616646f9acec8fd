"""Every number of the comparison of one protocol: which are made, and of which models."""

from typing import TYPE_CHECKING

from nil_audit.comparison.effect.estimate import effect
from nil_audit.comparison.effect.rows import effect_rows, mappings, predictions, subset_samples, trend
from nil_audit.comparison.effect.sample import sample
from nil_audit.comparison.effect.size_fit import chosen_control, fit_sizes
from nil_audit.comparison.findings import Effect
from nil_audit.comparison.outcome import Outcome
from nil_audit.comparison.predictors import predictors
from nil_audit.comparison.result import Findings, Options
from nil_audit.comparison.scrutiny.associations import associations, token_rows
from nil_audit.comparison.scrutiny.censored import censored_effect
from nil_audit.comparison.scrutiny.contrasts import contrasts
from nil_audit.comparison.scrutiny.families import families, family_rows
from nil_audit.comparison.scrutiny.floor import floor
from nil_audit.comparison.scrutiny.held_out import skills
from nil_audit.comparison.scrutiny.influence import influence
from nil_audit.comparison.scrutiny.specifications import specification_curve
from nil_audit.comparison.studies_tested import Tested, contrasted
from nil_audit.progress import Progress, silent

if TYPE_CHECKING:
    import pandas as pd


def primary_effect(table: "pd.DataFrame", outcome: Outcome, study: str) -> Effect | None:
    """The effect that the answer rests on, size held fixed by the control that predicts best.

    Args:
        table: From `nil_audit.comparison.table.derive`.
        outcome: What is held against shape.
        study: Whose dose.
    """
    whole = sample(table[table["flag"] == ""], outcome)
    return effect(whole, row="primary", study=study, control=chosen_control(fit_sizes(whole)))


def find(
    table: "pd.DataFrame",
    outcome: Outcome,
    study: Tested,
    shown: tuple[Tested, ...],
    options: Options,
    progress: Progress = silent,
) -> tuple[Findings, "pd.DataFrame | None"]:
    """Every number that the models of one protocol give, and the line of the plot of response against dose.

    Args:
        table: From `nil_audit.comparison.table.derive`, flagged rows too.
        outcome: What is held against shape.
        study: Whose dose is the primary one.
        shown: Everything whose prediction is shown.
        options: Its seed, permutations, splits, and whether to be quick.
        progress: Opens a progress display.
    """
    usable = table[table["flag"] == ""]
    samples = subset_samples(table, outcome)
    whole, name = samples["all"], study.name
    fits = fit_sizes(whole)
    control = chosen_control(fits)
    rows = [
        *effect_rows(samples, name, fits, control),
        *filter(None, [censored_effect(whole, study=name, control=control)]),
        *family_rows(whole, study=name, control=control),
        *token_rows(whole, study=name, control=control),
    ]
    findings = Findings(
        size_fits=fits,
        effects=tuple(rows),
        predictions=predictions(whole, shown, control),
        mappings=mappings(whole, study, control),
        specifications=None
        if options.quick
        else specification_curve(
            samples,
            study=name,
            fits=fits,
            control=control,
            permutations=options.permutations,
            seed=options.seed,
            progress=progress,
        ),
        influence=None if options.quick else influence(whole, study=name, control=control),
        contrasts=contrasts(whole, contrasted(study), control=control, fits=fits),
        families=families(whole, control),
        floor=floor(whole, control),
        skills=skills(whole, study=name, control=control, splits=options.splits, seed=options.seed),
        associations=associations(whole, [one.key for one in predictors(usable)], control=control),
    )
    return findings, trend(whole, name, control)
