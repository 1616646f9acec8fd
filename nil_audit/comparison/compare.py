"""Does distance from the interval go with score? One study over many models, from a table to a `Comparison`."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from nil_audit.comparison.clean import checked
from nil_audit.comparison.derive import as_sample, derive
from nil_audit.comparison.evidence import Effort, gather
from nil_audit.comparison.findings import Association
from nil_audit.comparison.floor import rule_in_words
from nil_audit.comparison.limitations import gaps
from nil_audit.comparison.numbers import study
from nil_audit.comparison.predictors import PRIMARY
from nil_audit.comparison.result import Comparison, Exclusion, ProtocolSummary, Settings
from nil_audit.comparison.rules import Evidence, conclude, strength
from nil_audit.comparison.words import sentences
from nil_audit.errors import DataError
from nil_audit.stats.jackknife import LEVEL

if TYPE_CHECKING:
    import pandas as pd


def compare(
    frame: "pd.DataFrame",
    *,
    protocol: str | None = None,
    floor: float | None = None,
    seed: int = 0,
    resamples: int = 2000,
    permutations: int = 9999,
    splits: int = 200,
    inputs: Sequence[Path | str] = (),
    excluded: Sequence[Exclusion] = (),
    notes: Sequence[str] = (),
) -> Comparison:
    """Hold the shape of many models, and whatever was measured on them, against their scores.

    Args:
        frame: A row a model (and protocol): ``model``, ``depth``, ``width``, ``score`` (0 to 1), better also
            ``family`` and ``parameters``; every column is in `nil_audit.comparison.join`.
        protocol: Of the scores; by default the one with the most models.
        floor: Scores at or below it are at the chance floor; None: `nil_audit.comparison.floor.RULE`.
        seed: Of every random draw; the same table and seed give the same numbers.
        resamples: Family bootstrap resamples (fewer are drawn above 1,250 models).
        permutations: Of each permutation test.
        splits: Random halves of families, out of sample.
        inputs: Where the frame is from, for the record.
        excluded: Models already left out, for the record.
        notes: Sentences about the inputs, for the record.

    Returns:
        The study. What cannot be said with these models is in ``unavailable``, with the reason.

    Raises:
        DataError: A required column is missing, no row is usable, the scores look like per cent, or there is no
            such protocol.
    """
    table, left_out, remarks = checked(frame)
    chosen = _protocol(table, protocol)
    effort = Effort(resamples=resamples, permutations=permutations, splits=splits, seed=seed)
    of_protocol = derive(table[table["protocol"] == chosen], floor)
    settings = Settings(
        protocol=chosen,
        seed=seed,
        resamples=resamples,
        permutations=permutations,
        splits=splits,
        level=LEVEL,
        floor=rule_in_words(floor),
        cutoff=None,
        inputs=tuple(map(str, inputs)),
    )
    found = study(of_protocol, effort, settings)
    evidence = _evidence(found, of_protocol)
    word, _ = strength(evidence)
    cutoff = next((one.cutoff for one in found.predictions if one.split == "release"), None)
    found = replace(
        found,
        settings=replace(settings, cutoff=cutoff),
        excluded=(*excluded, *left_out, *_unscored(table, chosen)),
        protocols=_protocols(table, chosen, floor, effort, word, evidence),
        notes=(*notes, *remarks),
    )
    found = replace(found, unavailable=gaps(found))
    return replace(found, conclusion=conclude(evidence, sentences(found)))


def _protocol(table: "pd.DataFrame", wanted: str | None) -> str:
    """The protocol asked for, or the one with the most models that are not flagged; ties: one's own scores first."""
    usable = table[table["flag"] == ""] if (table["flag"] == "").any() else table
    if wanted is not None:
        if wanted not in set(table["protocol"]):
            names = ", ".join(usable["protocol"].value_counts().index)
            raise DataError(f"No model has a score of protocol {wanted!r}; there are {names}.")
        return wanted
    grouped = usable.groupby("protocol")
    order = sorted(
        grouped.groups, key=lambda name: (-len(grouped.get_group(name)), _published(grouped.get_group(name)), name)
    )
    return str(order[0])


def _published(rows: "pd.DataFrame") -> bool:
    return bool((rows["origin"] == "published").all())


def _unscored(table: "pd.DataFrame", chosen: str) -> list[Exclusion]:
    """Models with scores of other protocols only."""
    there = set(table["model"][table["protocol"] == chosen])
    rest = table[~table["model"].isin(there)]
    return [
        Exclusion(
            model=str(model),
            reason=f"It has no score of protocol {chosen} (only of {', '.join(sorted(set(rows['protocol'])))}).",
        )
        for model, rows in rest.groupby("model")
    ]


def _evidence(found: Comparison, table: "pd.DataFrame") -> Evidence:
    """What the rules look at, taken from the study's own tables."""
    usable = table[~table["flagged"]]

    def spearman(given: str, subset: str = "all") -> Association | None:
        return found.association(PRIMARY, given=given, subset=subset)

    return Evidence(
        models=len(usable),
        sized=int(usable["parameters"].notna().sum()),
        families=usable["family"].nunique(),
        primary=spearman("size_curve"),
        permutation=next((one for one in found.permutations if (one.predictor, one.unit) == (PRIMARY, "family")), None),
        left_out=next((one for one in found.leave_one_family_out if one.predictor == PRIMARY), None),
        above_floor=spearman("size_curve", "above_floor"),
        given_release=spearman("size_curve_release"),
        given_tokens=spearman("size_curve_tokens"),
        prediction=next((one for one in found.predictions if (one.predictor, one.split) == (PRIMARY, "halves")), None),
    )


def _protocols(
    table: "pd.DataFrame", chosen: str, floor: float | None, effort: Effort, word: str, evidence: Evidence
) -> tuple[ProtocolSummary, ...]:
    """The primary estimate under every protocol, most models first."""
    made = []
    for name, rows in table.groupby("protocol"):
        own = evidence
        if name != chosen:
            derived = derive(rows[rows["flag"] == ""], floor)
            own = gather(as_sample(derived), derived["at_floor"].to_numpy(), effort)
        primary = own.primary
        made.append(
            ProtocolSummary(
                protocol=str(name),
                models=own.models,
                families=own.families,
                chosen=name == chosen,
                estimate=primary.estimate if primary else None,
                low=primary.low if primary else None,
                high=primary.high if primary else None,
                strength=word if name == chosen else strength(own)[0],
            )
        )
    return tuple(sorted(made, key=lambda one: (not one.chosen, -one.models, one.protocol)))


def compare_paths(
    paths: Sequence[Path | str] = (),
    *,
    protocol: str | None = None,
    floor: float | None = None,
    seed: int = 0,
    resamples: int = 2000,
    permutations: int = 9999,
    splits: int = 200,
) -> Comparison:
    """`compare` of model lists, records, report folders and lm-eval results, joined with published scores.

    Args:
        paths: As for `nil_audit.comparison.inputs.read_inputs`; none: the model list that ships with nil-audit.
        protocol: As for `compare`, like the rest.
        floor: See there.
        seed: See there.
        resamples: See there.
        permutations: See there.
        splits: See there.

    Raises:
        DataError: A path cannot be read, or the table is refused; see `compare`.
    """
    from nil_audit.comparison.join import study_frame

    frame, excluded, notes = study_frame(paths)
    return compare(
        frame,
        protocol=protocol,
        floor=floor,
        seed=seed,
        resamples=resamples,
        permutations=permutations,
        splits=splits,
        inputs=tuple(map(str, paths)),
        excluded=excluded,
        notes=notes,
    )
