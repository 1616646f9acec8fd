"""Every number of a comparison: which tests are made on which models. `nil_audit.comparison.compare` adds the words."""

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from nil_audit.comparison.contrast import contrast
from nil_audit.comparison.correlation import Resamples, correlate
from nil_audit.comparison.counterexamples import counterexamples
from nil_audit.comparison.derive import as_sample, family_codes, inside, model_rows, month_name, summarise_bands
from nil_audit.comparison.evidence import Effort
from nil_audit.comparison.findings import Association, Confounder, Contrast, PermutationTest, Prediction, Predictor
from nil_audit.comparison.kendall import kendall
from nil_audit.comparison.lines import size_curve, trend
from nil_audit.comparison.permutation import permutation_tests
from nil_audit.comparison.prediction import predict_by_halves, predict_by_release, release_cutoff
from nil_audit.comparison.predictors import PRIMARY, candidates
from nil_audit.comparison.result import Comparison, Conclusion, Settings
from nil_audit.comparison.robustness import leave_one_family_out, subset_associations, subsets
from nil_audit.comparison.sample import GIVEN, Sample
from nil_audit.law.studies import studies
from nil_audit.stats.multiplicity import adjust_associations, adjust_permutations

if TYPE_CHECKING:
    import pandas as pd

_NO_WORDS = Conclusion(strength="none", headline="", sentences=(), rules=())


def study(table: "pd.DataFrame", effort: Effort, settings: Settings) -> Comparison:
    """Every number of a study of one protocol; its conclusion, protocols, exclusions and notes are left empty.

    Args:
        table: From `nil_audit.comparison.derive.derive`, flagged rows too.
        effort: How much is drawn.
        settings: What was chosen, for the record.
    """
    everything = as_sample(table)
    flagged = table["flagged"].to_numpy()
    usable = table[~flagged].reset_index(drop=True)
    sample = everything.take(~flagged)
    keys = [one.key for one in candidates() if one.key in sample.predictors and PRIMARY in sample.predictors]
    resamples = Resamples(seed=effort.seed, bootstrap=effort.resamples)
    rows = model_rows(table)
    sized = np.isfinite(sample.size)
    return Comparison(
        settings=settings,
        conclusion=_NO_WORDS,
        models=rows,
        excluded=(),
        predictors=_predictors(sample, keys),
        confounders=_confounders(sample, resamples),
        associations=tuple(_associations(everything, sample, keys, table, resamples)) if keys else (),
        permutations=_permutations(sample, keys, effort),
        leave_one_family_out=tuple(leave_one_family_out(sample, keys, family_codes(usable)[1], primary=PRIMARY))
        if keys
        else (),
        bands=summarise_bands(table),
        contrasts=_contrasts(usable, sample, effort.seed),
        predictions=_predictions(sample, keys, effort),
        counterexamples=counterexamples(rows),
        size_curve=size_curve(sample.take(sized), seed=effort.seed) if sized.any() else None,
        trend=trend(sample.take(sized), PRIMARY, seed=effort.seed) if keys and sized.any() else None,
        protocols=(),
        unavailable=(),
        notes=(),
    )


def _predictors(sample: Sample, keys: Sequence[str]) -> tuple[Predictor, ...]:
    return tuple(
        Predictor(
            key=one.key,
            label=one.label,
            expected_sign=one.expected_sign,
            primary=one.key == PRIMARY,
            models=int(np.isfinite(sample.predictors[one.key]).sum()),
        )
        for one in candidates()
        if one.key in keys
    )


def _associations(
    everything: Sample, sample: Sample, keys: Sequence[str], table: "pd.DataFrame", resamples: Resamples
) -> list[Association]:
    """The main table (corrected for the number of tests), Pearson's and Kendall's, and every subset."""
    main = adjust_associations(
        correlate(sample, keys, method="spearman", given=GIVEN, subset="all", resamples=resamples)
    )
    pearson = correlate(
        sample,
        keys,
        method="pearson",
        given=("nothing", "size", "size_tokens", "size_curve"),
        subset="all",
        resamples=resamples,
    )
    parts = subsets(
        everything,
        flagged=table["flagged"].to_numpy(),
        at_floor=table["at_floor"].to_numpy(),
        certain=(table["uncertain"] == "").to_numpy(),
        from_scratch=(table["lineage"] == "from_scratch").to_numpy(),
        band=table["band"].to_numpy(dtype=object),
        bands=[band.key for band in summarise_bands(table)],
    )
    plain = kendall(sample, keys, given=("nothing", "size"), subset="all", resamples=resamples)
    in_subsets = subset_associations(parts, keys, resamples=Resamples(seed=resamples.seed, bootstrap=0))
    return [*main, *pearson, *plain, *in_subsets]


def _confounders(sample: Sample, resamples: Resamples) -> tuple[Confounder, ...]:
    """Parameters, tokens and release, each with score and with the ratio."""
    labels = {"size": ("parameters", "parameters"), "tokens": ("tokens", "training tokens")}
    labels["release"] = ("release", "release month")
    made = []
    for attribute, (key, label) in labels.items():
        alone = replace(sample, predictors={key: getattr(sample, attribute)})
        pair = [
            correlate(
                replace(alone, score=other),
                [key],
                method="spearman",
                given=("nothing",),
                subset="all",
                resamples=replace(resamples, bootstrap=0),
            )
            for other in (sample.score, sample.predictors.get("ratio", np.full(len(sample), np.nan)))
        ]
        if all(pair):
            (with_score,), (with_ratio,) = pair
            made.append(
                Confounder(
                    key=key,
                    label=label,
                    models=with_score.models,
                    families=with_score.families,
                    score=with_score.estimate,
                    score_low=with_score.low,
                    score_high=with_score.high,
                    ratio=with_ratio.estimate,
                    ratio_low=with_ratio.low,
                    ratio_high=with_ratio.high,
                )
            )
    return tuple(made)


def _permutations(sample: Sample, keys: Sequence[str], effort: Effort) -> tuple[PermutationTest, ...]:
    made = [
        test
        for unit in ("family", "model")
        for test in permutation_tests(sample, keys, unit=unit, permutations=effort.permutations, seed=effort.seed)
    ]
    return tuple(adjust_permutations(made))


def _contrasts(usable: "pd.DataFrame", sample: Sample, seed: int) -> tuple[Contrast, ...]:
    sized = np.isfinite(sample.size)
    if not sized.any():
        return ()
    names = [*(study.name for study in studies()), "all"]
    made = [contrast(sample.take(sized), inside(usable, name)[sized], study=name, seed=seed) for name in names]
    return tuple(one for one in made if one is not None)


def _predictions(sample: Sample, keys: Sequence[str], effort: Effort) -> tuple[Prediction, ...]:
    if not keys:
        return ()
    cutoff = release_cutoff(sample.release, sample.family)
    made: list[Prediction | None] = []
    for key in keys:
        if np.isfinite(cutoff):
            made.append(
                predict_by_release(sample, key, cutoff=cutoff, cutoff_name=month_name(cutoff), seed=effort.seed)
            )
        made.append(predict_by_halves(sample, key, splits=effort.splits, seed=effort.seed))
    return tuple(one for one in made if one is not None)
