"""The record of one model: everything measured, and enough to compute every number again (docs/record.md)."""

import json
import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from nil_audit.errors import DataError
from nil_audit.interaction.metrics import BlockProducts, Estimate, estimate, estimate_loss
from nil_audit.shape.architecture import Parameters, Shape

SCHEMA = 1
"""Raised when a reader of older records would misread a newer one."""


@dataclass(frozen=True, kw_only=True)
class Record:
    """One model's audit. Sections that were not asked for are None; docs/record.md lists every field.

    Attributes:
        created: UTC time of the measurement, ISO 8601.
        nil_audit: Version that wrote it.
        model: Name, source, revision, digest, dtype and device.
        shape: The architecture.
        verdict: What the three intervals say of the shape.
        interaction: Settings, block products, estimates, loss and cost of the gradient pass.
        superposition: Metrics of WᵀW/V.
        scores: Benchmark results, measured and published, one mapping each.
        environment: Versions of what computed it.
        notes: Sentences for people.
    """

    created: str
    nil_audit: str
    model: Mapping[str, Any]
    shape: Shape
    verdict: Mapping[str, Any]
    interaction: Mapping[str, Any] | None = None
    superposition: Mapping[str, float] | None = None
    scores: tuple[Mapping[str, Any], ...] = ()
    environment: Mapping[str, Any] = field(default_factory=dict)
    notes: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        """The model's name as asked for."""
        return str(self.model["name"])

    @property
    def label(self) -> str:
        """The name in tables: the Hub id, or a folder's own name without its parents."""
        return Path(self.name).resolve().name if self.model["source"] == "local" else self.name

    def metric(self, name: str, kind: str = "unbiased") -> Estimate | None:
        """One metric with its error, or None where it was not measured or noise made it undefined."""
        if self.interaction is None:
            return None
        found = self.interaction["estimates"][kind].get(name) or self.interaction["loss"].get(name)
        if found is None or found["value"] is None:
            return None
        return Estimate(**{key: math.nan if value is None else value for key, value in found.items()})

    def to_dict(self) -> dict[str, Any]:
        """The JSON document: plain types, no NaN."""
        document = {
            "schema": SCHEMA,
            "created": self.created,
            "nil_audit": self.nil_audit,
            "model": dict(self.model),
            "shape": shape_document(self.shape),
            "verdict": dict(self.verdict),
            "interaction": self.interaction,
            "superposition": self.superposition,
            "scores": [dict(score) for score in self.scores],
            "environment": dict(self.environment),
            "notes": list(self.notes),
        }
        return plain(document)

    def to_json(self) -> str:
        """The document as text."""
        return json.dumps(self.to_dict(), indent=1, ensure_ascii=False, allow_nan=False) + "\n"


def shape_document(shape: Shape) -> dict[str, Any]:
    """A shape as JSON, with its ratio."""
    return {**asdict(shape), "ratio": shape.ratio}


def plain(value: Any) -> Any:
    """Arrays to lists, NumPy numbers to Python's, not-a-number and infinity to None, all the way down."""
    if isinstance(value, Mapping):
        return {str(key): plain(one) for key, one in value.items()}
    if isinstance(value, list | tuple | np.ndarray):
        return [plain(one) for one in value]
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value


def products_document(products: BlockProducts) -> dict[str, Any]:
    """Block products as JSON."""
    return plain(asdict(products))


def products_from(document: Mapping[str, Any]) -> BlockProducts:
    """Block products from a record."""
    arrays = {key: np.asarray(document[key], dtype=float) for key in document if key != "width"}
    return BlockProducts(width=int(document["width"]), **arrays)


def recompute(record: Record) -> dict[str, dict[str, dict[str, Estimate]]]:
    """Every estimate of a record anew from its block products.

    Returns:
        ``{"all": {"plugin": {...}, "unbiased": {...}, "loss": {...}}, ...}``, an entry a variant; "loss" under "all".

    Raises:
        DataError: The record has no interaction.
    """
    if record.interaction is None:
        raise DataError(f"The record of {record.name} holds no interaction; measure it with 'nil-audit {record.name}'.")
    documents = {"all": record.interaction["products"]}
    documents |= {name: variant["products"] for name, variant in record.interaction["variants"].items()}
    result = {}
    for name, document in documents.items():
        products = products_from(document)
        result[name] = {"plugin": estimate(products, "plugin"), "unbiased": estimate(products, "unbiased")}
    result["all"]["loss"] = estimate_loss(
        products_from(documents["all"]),
        np.asarray(record.interaction["block_loss"]),
        np.asarray(record.interaction["block_bytes"]),
    )
    return result


def record_from(document: Any, source: str = "the document") -> Record:
    """A record from its JSON document.

    Raises:
        DataError: It is not a record, or of a newer schema.
    """
    if not isinstance(document, dict) or not {"schema", "model", "shape"} <= document.keys():
        raise DataError(f"{source} is not a nil-audit record; give a file that 'nil-audit MODEL --out DIR' wrote.")
    if document["schema"] != SCHEMA:
        raise DataError(
            f"{source} has record schema {document['schema']}, not {SCHEMA}; update nil-audit or measure again."
        )
    try:
        shape = dict(document["shape"])
        shape.pop("ratio", None)
        counted = shape.pop("parameters")
        return Record(
            created=document["created"],
            nil_audit=document["nil_audit"],
            model=document["model"],
            shape=Shape(
                **{**shape, "notes": tuple(shape.get("notes", ()))},
                parameters=Parameters(**counted) if counted else None,
            ),
            verdict=document["verdict"],
            interaction=document.get("interaction"),
            superposition=document.get("superposition"),
            scores=tuple(document.get("scores", ())),
            environment=document.get("environment", {}),
            notes=tuple(document.get("notes", ())),
        )
    except (KeyError, TypeError, ValueError) as error:
        raise DataError(f"{source} is a damaged record ({error!r}); measure the model again.") from error


def read_record(path: Path | str) -> Record:
    """Read a record from a file.

    Raises:
        DataError: The file is missing, not JSON or not a record.
    """
    path = Path(path)
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise DataError(f"The record {path} cannot be read ({error.strerror}); check the path.") from error
    except ValueError as error:
        raise DataError(f"{path} is not JSON; give a file that 'nil-audit MODEL --out DIR' wrote.") from error
    return record_from(document, str(path))
