"""Models with their scores, from whatever a comparison was given and what others have published."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from nil_audit.catalog.lists import DEFAULT, shipped_list
from nil_audit.catalog.scores import MMLU_PRO_CHANCE, published_scores
from nil_audit.comparison.inputs import SCORE_COLUMNS, SHAPE_COLUMNS, Inputs, read_inputs
from nil_audit.comparison.result import Omission

if TYPE_CHECKING:
    import pandas as pd

_ORIGINS = ("measured", "lm-eval", "table", "published")
"""Of two scores of a model by one protocol the first of these counts."""


def read_frame(paths: Sequence[Path | str] = ()) -> tuple["pd.DataFrame", list[Omission], list[str]]:
    """The frame of a comparison's inputs, joined with published scores: a row a model and protocol.

    Args:
        paths: As for `nil_audit.comparison.inputs.read_inputs`; none: the shipped list.

    Returns:
        The frame (columns as in `nil_audit.comparison.table`), the models that no score or no shape is known of, and
        notes.

    Raises:
        DataError: See `nil_audit.comparison.inputs.read_inputs`.
    """
    import pandas as pd

    inputs = read_inputs(paths) if paths else Inputs(shapes=shipped_list(DEFAULT), scores=_no_scores(), notes=())
    shapes = _shapes(inputs)
    excluded = [
        Omission(
            what=row["model"],
            reason="Depth and width are not known; add them to a model list, or audit the model with --shape-only.",
        )
        for row in shapes[shapes["depth"].isna() | shapes["width"].isna()].to_dict("records")
    ]
    shapes = shapes[shapes["depth"].notna() & shapes["width"].notna()]
    own = inputs.scores.assign(key=_keys(inputs.scores["model"]))
    tables = [table for table in (own, _published(set(shapes["key"]))) if len(table)]
    scores = pd.concat(tables, ignore_index=True) if tables else own
    scores, notes = _one_score(scores)
    names = dict(zip(shapes["key"], shapes["model"], strict=True))
    excluded += [
        Omission(
            what=names[key],
            reason="No score of it is known; audit it with --mmlu-pro and --out, or give lm-eval results.",
        )
        for key in names
        if key not in set(scores["key"])
    ]
    scored = scores.drop(columns="model").rename(columns={"kind": "published_kind"})
    frame = scored.merge(shapes, on="key", how="inner").drop(columns="key")
    if "published_kind" in frame:
        frame["kind"] = frame["kind"].fillna(frame.pop("published_kind"))
    return frame, excluded, [*inputs.notes, *notes]


def _keys(names: "pd.Series[str]") -> "pd.Series[str]":
    """What names are matched by: the Hub id in lower case, without a revision."""
    return names.astype(str).str.split("@").str[0].str.strip("/ ").str.lower()


def _no_scores() -> "pd.DataFrame":
    import pandas as pd

    return pd.DataFrame(columns=["model", *SCORE_COLUMNS])


def _shapes(inputs: Inputs) -> "pd.DataFrame":
    """A row a model: the first number that any input gives, then what the shipped list says."""
    import pandas as pd

    only_scored = pd.DataFrame({"model": inputs.scores["model"].unique()})
    stacked = pd.concat([inputs.shapes, only_scored], ignore_index=True)
    stacked["key"] = _keys(stacked["model"])
    known = shipped_list(DEFAULT)
    known = known.assign(key=_keys(known["model"])).drop(columns="model")
    together = pd.concat([stacked, known[known["key"].isin(stacked["key"])]], ignore_index=True)
    together = together.mask(together == "")
    wanted = [name for name in dict.fromkeys([*stacked.columns, *SHAPE_COLUMNS]) if name in together and name != "key"]
    return together.groupby("key", sort=False)[wanted].first().reset_index()


def _published(keys: set[str]) -> "pd.DataFrame":
    """Published scores of the models named: one a model and protocol, flagged only where there is no other."""
    import pandas as pd

    usable = published_scores(one_per_model=True)
    flagged = published_scores(include_flagged=True)
    flagged = flagged[flagged["flag"] != ""].drop_duplicates(["model", "protocol"])
    table = pd.concat([usable, flagged], ignore_index=True).drop_duplicates(["model", "protocol"])
    table = table.assign(key=_keys(table["model"]), origin="published", chance=MMLU_PRO_CHANCE)
    table = table[table["key"].isin(keys)].rename(columns={"accuracy": "score"})
    return table[["model", "key", *SCORE_COLUMNS]]


def _one_score(scores: "pd.DataFrame") -> tuple["pd.DataFrame", list[str]]:
    """One row a model and protocol, by `_ORIGINS`, an unflagged one first."""
    flagged = scores["flag"].fillna("").ne("") if "flag" in scores else False
    rank = scores["origin"].map({origin: place for place, origin in enumerate(_ORIGINS)}).fillna(len(_ORIGINS))
    ordered = scores.assign(flagged=flagged, rank=rank).sort_values(["flagged", "rank"], kind="stable")
    kept = ordered.drop_duplicates(["key", "protocol"]).sort_index().drop(columns=["flagged", "rank"])
    notes = []
    if dropped := len(ordered) - len(kept):
        notes.append(
            f"{dropped} score{'s' if dropped > 1 else ''} of a model and protocol that have another: scores measured"
            " here count before lm-eval results, those before lists, and those before published ones."
        )
    return kept, notes
