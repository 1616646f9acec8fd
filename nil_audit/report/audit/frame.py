"""An audit as one data frame: a row a model, a column a number."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from nil_audit.auditing.record import Record
from nil_audit.report.audit.words import model_names

if TYPE_CHECKING:
    import pandas as pd

_REGRET = {"expected": "regret", "low": "regret_low", "high": "regret_high", "within": "within_1_percent"}


def audit_frame(records: Sequence[Record]) -> "pd.DataFrame":
    """One row a model: shape, verdict, each metric as value and ``_se`` (plug-in ones prefixed), measured scores.

    Numbers of the weights (``wtw_``, ``unembedding_wtw_``, ``embedding_alignment_``, ``unembedding_alignment_``) and of
    the output AGOP (``output_``) have their own columns. The columns of all records together; what a record lacks is
    empty. The regret is of ln loss, 0.01 for 1%.
    """
    import pandas as pd

    rows = [_row(name, record) for name, record in zip(model_names(records), records, strict=True)]
    # As objects: a whole number stays one where another model lacks it.
    return pd.DataFrame(rows, dtype=object)


def _row(name: str, record: Record) -> dict[str, Any]:
    shape, found = record.shape, record.interaction
    row: dict[str, Any] = {
        "model": name,
        "revision": record.model.get("revision"),
        "model_type": shape.model_type,
        "depth": shape.depth,
        "width": shape.width,
        "ratio": shape.ratio,
        "parameters": shape.parameters.total if shape.parameters else None,
        "body_parameters": shape.parameters.body if shape.parameters else None,
        "verdict": record.verdict["label"],
        "distance": record.verdict["distance"],
        **{_REGRET[name]: value for name, value in record.verdict["regret"].items()},
    }
    if found is not None:
        row |= {"probe": found["probe"]["name"], "tokens": found["tokens"], "window": found["window"]}
        row |= {name: found.get(name) for name in ("context", "prefix", "ended_by", "estimator")}
        heaviest = found.get("heaviest") or {}
        row |= {name: heaviest.get(name) for name in ("token_share", "permille_share")}
        row |= _values("", {**found["estimates"]["unbiased"], **found["loss"]})
        row |= _values("plugin_", found["estimates"]["plugin"])
    row |= _weights(record.superposition or {})
    if record.output is not None:
        row |= _values("output_", record.output["estimates"]["unbiased"])
    for score in record.scores:
        if score["origin"] == "measured":
            column = f"mmlu_pro_{score['protocol']}"
            row |= {column: score["accuracy"], f"{column}_se": score["stderr"]}
    return row


def _weights(superposition: Mapping[str, Any]) -> dict[str, Any]:
    """Metrics of WᵀW of both tables, and the correlations of each with a typical token's AGOP and with the mean's."""
    alignment = superposition.get("alignment") or {}
    row: dict[str, Any] = {}
    for which, prefix in (("embedding", "wtw_"), ("unembedding", "unembedding_wtw_")):
        row |= {f"{prefix}{name}": value for name, value in (superposition.get(which) or {}).items()}
        row |= _values(f"{which}_alignment_", alignment.get(which) or {})
    return row


def _values(prefix: str, estimates: Mapping[str, Any]) -> dict[str, Any]:
    values: dict[str, Any] = {}
    for name, one in estimates.items():
        found = one or {}
        values |= {f"{prefix}{name}": found.get("value"), f"{prefix}{name}_se": found.get("se")}
    return values
