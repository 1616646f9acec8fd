"""The checked table with everything that follows from a row, and its forms: arrays to test, rows to show."""

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from nil_audit.comparison.findings import Band
from nil_audit.comparison.floor import at_floor
from nil_audit.comparison.lines import expected_score
from nil_audit.comparison.predictors import METRICS, positions, predictor_arrays
from nil_audit.comparison.result import ModelRow
from nil_audit.comparison.sample import Array, Sample
from nil_audit.comparison.sizes import band_limits, band_of
from nil_audit.law.studies import studies, verdict

if TYPE_CHECKING:
    import pandas as pd


def derive(table: "pd.DataFrame", floor: float | None) -> "pd.DataFrame":
    """A table of one protocol with what follows from each row.

    Args:
        table: From `nil_audit.comparison.clean.checked`, one row a model.
        floor: As for `nil_audit.comparison.floor.at_floor`.

    Returns:
        The table, by model name, with ratio, band, verdict, ``distance_*`` and ``deviation_*`` (signed), at_floor,
        month, flagged, expected and residual (NaN where unknown; both fitted on the rows that are not flagged).
    """
    table = table.sort_values("model", key=lambda names: names.str.lower(), kind="stable").reset_index(drop=True)
    table["ratio"] = table["depth"] / table["width"]
    known = [None if np.isnan(value) else float(value) for value in table["parameters"]]
    table["band"] = [band_of(value) for value in known]
    placed = [positions(ratio, value) for ratio, value in zip(table["ratio"], known, strict=True)]
    for study in studies():
        table[f"distance_{study.name}"] = [distances[study.name] for distances, _ in placed]
        table[f"deviation_{study.name}"] = [deviations[study.name] for _, deviations in placed]
    table["verdict"] = [verdict(ratio, value).label for ratio, value in zip(table["ratio"], known, strict=True)]
    table["at_floor"] = at_floor(table["score"].to_numpy(), table["stderr"].to_numpy(), floor)
    table["month"] = [month(text) for text in table["release"]]
    table["flagged"] = table["flag"] != ""
    table["expected"] = np.nan
    usable = (~table["flagged"] & table["parameters"].notna()).to_numpy()
    if usable.any():
        expected = expected_score(as_sample(table).take(usable))
        if expected is not None:
            table.loc[usable, "expected"] = expected
    table["residual"] = table["score"] - table["expected"]
    return table


def as_sample(table: "pd.DataFrame") -> Sample:
    """The arrays of a derived table, flagged rows too."""
    return Sample(
        score=table["score"].to_numpy(dtype=float),
        family=family_codes(table)[0],
        size=np.log(table["parameters"].to_numpy(dtype=float)),
        tokens=np.log(table["tokens"].to_numpy(dtype=float)),
        release=table["month"].to_numpy(dtype=float),
        predictors=predictor_arrays(table),
    )


def family_codes(table: "pd.DataFrame") -> tuple[NDArray[np.int64], list[str]]:
    """Code of each row's family, and the names by code."""
    names, codes = np.unique(table["family"].to_numpy(dtype=str), return_inverse=True)
    return codes.astype(np.int64), [str(name) for name in names]


def month(release: str) -> float:
    """Months since year 0 of "YYYY-MM" or a longer date; NaN where it is none."""
    year, _, rest = release.partition("-")
    if not (year.isdecimal() and len(year) == 4 and rest[:2].isdecimal() and 1 <= int(rest[:2]) <= 12):
        return float("nan")
    return float(int(year) * 12 + int(rest[:2]) - 1)


def month_name(months: float) -> str:
    """Months since year 0 as "YYYY-MM"."""
    return f"{int(months) // 12:04d}-{int(months) % 12 + 1:02d}"


def summarise_bands(table: "pd.DataFrame") -> tuple[Band, ...]:
    """The size bands that hold a model that is not flagged."""
    usable = table[~table["flagged"]]
    bands = []
    for key, label, low, high in band_limits():
        own = usable[usable["band"] == key]
        if len(own):
            bands.append(
                Band(
                    key=key,
                    label=label,
                    low=low,
                    high=high,
                    models=len(own),
                    families=own["family"].nunique(),
                    at_floor=int(own["at_floor"].sum()),
                )
            )
    return tuple(bands)


def model_rows(table: "pd.DataFrame") -> tuple[ModelRow, ...]:
    """A derived table as rows of the comparison."""
    names = [study.name for study in studies()]
    metrics = [key for key in METRICS if key in table]
    return tuple(
        ModelRow(
            model=row["model"],
            family=row["family"],
            depth=int(row["depth"]),
            width=int(row["width"]),
            ratio=float(row["ratio"]),
            parameters=_number(row["parameters"]),
            tokens=_number(row["tokens"]),
            release=row["release"][:7] or None,
            lineage=row["lineage"] or None,
            score=float(row["score"]),
            stderr=_number(row["stderr"]),
            chance=float(row["chance"]),
            at_floor=bool(row["at_floor"]),
            flag=row["flag"] or None,
            uncertain=row["uncertain"] or None,
            origin=row["origin"],
            source=row["source"],
            band=row["band"],
            verdict=row["verdict"],
            distance={name: float(row[f"distance_{name}"]) for name in names},
            deviation={name: float(row[f"deviation_{name}"]) for name in names},
            expected=_number(row["expected"]),
            residual=_number(row["residual"]),
            metrics={key: float(row[key]) for key in metrics if _number(row[key]) is not None},
        )
        for row in table.to_dict("records")
    )


def inside(table: "pd.DataFrame", study: str) -> NDArray[np.bool_]:
    """Which rows lie inside a study's interval, or with "all" inside all of them."""
    if study == "all":
        return (table["verdict"] == "inside").to_numpy()
    distances: Array = table[f"distance_{study}"].to_numpy(dtype=float)
    return distances == 0


def _number(value: float) -> float | None:
    return float(value) if np.isfinite(value) else None
