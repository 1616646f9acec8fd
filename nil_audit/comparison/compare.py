"""Does distance from the interval go with score? From a frame of many models to a `Comparison`."""

import shlex
from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

from nil_audit.auditing.documents import shown
from nil_audit.auditing.record import Record
from nil_audit.auditing.several import Audits
from nil_audit.comparison.effect.size import summarise_bands
from nil_audit.comparison.effect.size_fit import chosen_control
from nil_audit.comparison.find import find, primary_effect
from nil_audit.comparison.findings import Answer, Effect
from nil_audit.comparison.limitations import limitations
from nil_audit.comparison.outcome import outcome_of
from nil_audit.comparison.predictors import predictors
from nil_audit.comparison.reading.clean import checked
from nil_audit.comparison.reading.counted import listed
from nil_audit.comparison.reading.join import read_frame
from nil_audit.comparison.result import Comparison, Omission, Options
from nil_audit.comparison.rules import answer
from nil_audit.comparison.studies_tested import contrasted, find_tested, predicting
from nil_audit.comparison.table import derive
from nil_audit.errors import DataError
from nil_audit.progress import Progress, silent
from nil_audit.score.protocols import PROTOCOLS

if TYPE_CHECKING:
    import pandas as pd


Input: TypeAlias = "pd.DataFrame | Record | Path | str"


def compare(*inputs: "Input | Iterable[Input]", progress: Progress = silent, **choices: Any) -> Comparison:
    """Hold the shape of many models, and whatever was measured on them, against their scores.

    Args:
        *inputs: Data frames, records and paths, or lists of them; none: the model list that ships with nil-audit.
            A frame has a row a model (and protocol): ``model``, ``depth``, ``width``, ``score`` (0 to 1), better also
            ``family`` and ``parameters``; every column is in `nil_audit.comparison.table`. Its rows are taken as they
            are, before all others. Paths are those of `nil_audit.comparison.reading.documents.read_material`; they and
            records are joined with published scores, or with an ``outcome`` of their own with none.
        progress: Opens a progress display.
        **choices: Fields of `nil_audit.comparison.result.Options`. The same inputs and choices give the same numbers.

    Returns:
        The comparison. What cannot be said with these models is in ``unavailable``, with the reason.

    Raises:
        DataError: A path cannot be read, a column that is required or named is missing, no row is usable, scores look
            like per cent or are mixed with it, or there is no such protocol or study.
    """
    import pandas as pd
    from threadpoolctl import threadpool_limits

    given: list[Any] = [
        one for several in inputs for one in (several if isinstance(several, list | tuple | Audits) else [several])
    ]
    strange = [type(one).__name__ for one in given if not isinstance(one, pd.DataFrame | Record | Path | str)]
    if strange or (inputs and not given):
        raise DataError(
            f"{f'A {strange[0]}' if strange else 'An empty list'} cannot be compared; give data frames, records, or"
            " paths of what nil-audit wrote, and nothing for the list that ships with it."
        )
    options = Options(**choices)
    if options.outcome is not None and options.size == options.outcome:
        raise DataError(f"{options.outcome!r} cannot be the outcome and the size that is held fixed; name two columns.")
    frames = [one for one in given if isinstance(one, pd.DataFrame)]
    excluded: list[Omission] = []
    notes: list[str] = []
    if not frames or len(frames) < len(given):
        frame, excluded, notes = read_frame(
            [one for one in given if isinstance(one, Path | str)],
            [one for one in given if isinstance(one, Record)],
            outcome=options.outcome,
        )
        frames.append(frame)
    # Thousands of small products: a second thread only waits, at four times the processor time.
    with threadpool_limits(limits=1, user_api="blas"):
        return _compare(
            pd.concat(frames, ignore_index=True) if len(frames) > 1 else frames[0],
            options,
            progress,
            inputs=tuple(map(_named, given)),
            excluded=excluded,
            notes=notes,
        )


def _named(one: Input) -> str:
    """What an input is called in the document."""
    if isinstance(one, Record):
        return f"the record of {one.name}"
    return shown(one) if isinstance(one, str | Path) else f"a data frame, {len(one):,} row{'s' * (len(one) != 1)}"


def _compare(
    frame: "pd.DataFrame",
    options: Options,
    progress: Progress,
    *,
    inputs: tuple[str, ...],
    excluded: Sequence[Omission],
    notes: Sequence[str],
) -> Comparison:
    """The comparison; what is already excluded or noted of its inputs comes first."""
    clean, unusable, remarks = checked(
        frame, outcome=options.outcome, lower_is_better=options.lower_is_better, size=options.size
    )
    chosen = _protocol(clean, options.protocol)
    study = find_tested(options.interval)
    shown = predicting(study)
    outcome = outcome_of(
        clean["score"].to_numpy(),
        column=options.outcome,
        lower_is_better=options.lower_is_better,
        floor=options.floor,
        size=options.size,
    )
    tables = {str(name): derive(rows, outcome, study, shown) for name, rows in clean.groupby("protocol")}
    table = tables[chosen]
    findings, line = find(table, outcome, study, shown, options, progress)
    others = [
        _answer(name, other, primary_effect(other, outcome, study.name))
        for name, other in tables.items()
        if name != chosen
    ]
    usable = table[table["flag"] == ""]
    return Comparison(
        options=replace(options, protocol=chosen),
        inputs=inputs,
        outcome=outcome,
        study=study.name,
        control=chosen_control(findings.size_fits),
        grouped="family" if table["family"].nunique() > 1 else "model",
        answer=_answer(chosen, table, findings.effect("primary")),
        others=tuple(sorted(others, key=lambda one: (-one.models, one.protocol))),
        models=table,
        predictors=predictors(usable),
        bands=summarise_bands(usable),
        findings=findings,
        trend=line,
        excluded=(*excluded, *unusable, *_unscored(clean, chosen)),
        unavailable=limitations(
            table, findings, outcome, studies=tuple(one.name for one in contrasted(study)), quick=options.quick
        ),
        notes=(*notes, *remarks, *_measured_otherwise(clean, chosen)),
    )


def _answer(protocol: str, table: "pd.DataFrame", primary: Effect | None) -> Answer:
    usable = table[table["flag"] == ""]
    sized = usable[usable["size"].notna()]
    return answer(
        protocol,
        primary,
        models=len(usable),
        sized=len(sized),
        groups=usable["group"].nunique(),
        sized_groups=sized["group"].nunique(),
    )


def _protocol(clean: "pd.DataFrame", wanted: str | None) -> str:
    """The protocol asked for, or the one with the most models that are not flagged; ties: one's own scores first."""
    usable = clean[clean["flag"] == ""] if (clean["flag"] == "").any() else clean
    if wanted is not None:
        if wanted not in set(clean["protocol"]):
            names = ", ".join(usable["protocol"].value_counts().index)
            raise DataError(f"No model has a score of protocol {wanted!r}; there are {names}.")
        return wanted
    ranks = {
        (-len(rows), bool((rows["origin"] == "published").all()), str(name))
        for name, rows in usable.groupby("protocol")
    }
    return min(ranks)[2]


def _unscored(clean: "pd.DataFrame", chosen: str) -> list[Omission]:
    """Models with scores of other protocols only."""
    return [
        Omission(
            what=str(model),
            reason=f"It has no score of protocol {chosen} (only of {', '.join(sorted(set(rows['protocol'])))}).",
        )
        for model, rows in _others(clean, chosen).groupby("model")
    ]


def _others(clean: "pd.DataFrame", chosen: str) -> "pd.DataFrame":
    """The rows of models that the protocol compared has no score of."""
    return clean[~clean["model"].isin(clean["model"][clean["protocol"] == chosen])]


def _measured_otherwise(clean: "pd.DataFrame", chosen: str) -> list[str]:
    """Which models the user measured by another protocol than the one compared, and what makes them comparable."""
    rest = _others(clean, chosen)
    rest = rest[rest["origin"].isin(["measured", "lm-eval"])]
    if rest.empty:
        return []
    names = list(dict.fromkeys(rest["model"]))
    protocols = " or ".join(sorted(set(rest["protocol"])))
    if chosen in PROTOCOLS:
        how = f"'nil-audit score {shlex.join(names)} --protocol {chosen} --out scores/' makes them comparable"
    else:
        how = f"--protocol {rest['protocol'].iloc[0]} compares them with others of theirs"
    return [
        f"Not compared, since scored by protocol {protocols} and not by {chosen}, which is compared: {listed(names)};"
        f" {how}."
    ]
