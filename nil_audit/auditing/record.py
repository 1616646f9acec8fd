"""The record of one model: everything measured, and enough to compute every number again (docs/record.md).

Records are kept, and found again only when everything that decides their numbers is the same.
"""

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import Any

from nil_audit.auditing import measured
from nil_audit.auditing.measured import Difference, Setting
from nil_audit.displayed import Displayed
from nil_audit.errors import DataError, UsageError
from nil_audit.files import cache_folder, json_text, plain, write_atomically
from nil_audit.interaction.metrics import HEADLINE, LOSSES, METRICS, Kind
from nil_audit.law.pooled import Reference, reference
from nil_audit.processes import is_first
from nil_audit.shape.architecture import Parameters, Shape
from nil_audit.stats.estimate import Estimate

SCHEMA = 5
"""Raised when a reader of older records would misread a newer one; every older schema is still read."""
_POOLED = 4
"""The first schema whose verdict is that of the pooled studies."""
_BOTH_TABLES = 5
"""The first schema whose superposition is of the embedding and of the unembedding."""

SECTIONS = ("profile", "ansatz", "output", "sensitivity")
"""Parts of a record that are measured where they are asked for."""


@dataclass(frozen=True, kw_only=True, repr=False)
class Record(Displayed):
    """One model's audit. Sections that were not asked for are None; docs/record.md lists every field.

    Attributes:
        created: UTC time of the measurement, ISO 8601.
        nil_audit: Version that wrote it.
        model: Name, source, revision, digest, dtype and device.
        shape: The architecture.
        verdict: What the pooled studies and each of them say of the shape; see `verdict_document`.
        interaction: Settings, block products, estimates, loss and cost of the gradient pass.
        superposition: Metrics of WᵀW/V of the embedding and the unembedding, and how they relate to the AGOP.
        profile: The loss AGOP of the input of every decoder block.
        ansatz: The correlation of WᵀW with the AGOP of its input, of every map that reads the residual stream.
        output: The output AGOP.
        sensitivity: What window, context, text and basis change.
        scores: Benchmark results, measured and published, one mapping each.
        environment: Versions of what computed it.
        notes: Sentences for people.
        kept: Whether it was found rather than measured just now; not part of the document.
    """

    created: str
    nil_audit: str
    model: Mapping[str, Any]
    shape: Shape
    verdict: Mapping[str, Any]
    interaction: Mapping[str, Any] | None = None
    superposition: Mapping[str, Any] | None = None
    profile: Mapping[str, Any] | None = None
    ansatz: Mapping[str, Any] | None = None
    output: Mapping[str, Any] | None = None
    sensitivity: Mapping[str, Any] | None = None
    scores: tuple[Mapping[str, Any], ...] = ()
    environment: Mapping[str, Any] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    kept: bool = False

    @property
    def name(self) -> str:
        """The model's name as asked for."""
        return str(self.model["name"])

    def metric(self, name: str, kind: Kind = "unbiased") -> Estimate | None:
        """One metric with its error, or None where it was not measured or noise made it undefined.

        Args:
            name: A metric of docs/definitions.md, or a loss ("loss_per_byte").
            kind: Which estimate of a metric; a loss has one.

        Raises:
            DataError: No record has such a metric.
        """
        if name not in (known := (*METRICS, *LOSSES)):
            raise DataError(f"There is no metric {name!r}; choose one of {', '.join(known)}.")
        if self.interaction is None:
            return None
        found = self.interaction["estimates"][kind].get(name) or self.interaction["loss"].get(name)
        return None if found is None or found["value"] is None else Estimate.from_dict(found)

    def to_dict(self) -> dict[str, Any]:
        """The JSON document: plain types, no NaN."""
        sections = {one.name: getattr(self, one.name) for one in fields(self) if one.name != "kept"}
        document: dict[str, Any] = plain({"schema": SCHEMA, **sections})
        document["shape"]["ratio"] = self.shape.ratio
        return document

    def against(self, interval: str | Path) -> "Record":
        """The same record with its shape held against another study, interval file or pool's file.

        Raises:
            DataError: There is no such study or file, or a field of it is missing or not what it should be.
        """
        return replace(self, verdict=verdict_document(self.shape, reference(interval)))

    def to_json(self) -> str:
        """The document as text."""
        return json_text(self.to_dict())


def recompute(record: Record) -> dict[str, dict[str, Estimate]]:
    """Every estimate of a record anew from its block products.

    Returns:
        ``{"plugin": {...}, "unbiased": {...}, "loss": {...}}``, each by metric.

    Raises:
        DataError: The record has no interaction, or is a reference that goes without block products.
    """
    if record.interaction is None:
        raise DataError(f"The record of {record.name} holds no interaction; measure it with 'nil-audit {record.name}'.")
    if "products" not in record.interaction:
        raise DataError(
            f"The record of {record.name} goes without block products; read the record that it was made of."
        )
    return measured.all_estimates(record.interaction)


def rounds(record: Record) -> list[tuple[Mapping[str, Any], dict[str, dict[str, Estimate]]]]:
    """Every round whose block products a record holds, the first one first, with its estimates anew."""
    if record.interaction is None:
        return []
    documented = (*record.interaction.get("rounds", ()), record.interaction)
    return [(one, measured.all_estimates(one)) for one in documented if "products" in one]


def setting(record: Record) -> Setting | None:
    """What has to be the same of two records for their metrics to be compared; None without an interaction."""
    if record.interaction is None:
        return None
    return (*measured.setting_of(record.interaction), ("dtype", str(record.model.get("dtype"))))


def difference(one: Record, other: Record, metric: str = HEADLINE) -> Difference | None:
    """A metric of one record minus that of another, paired by block of text where both read the same windows.

    Returns:
        None where one lacks the metric, or they were measured in different settings.
    """
    if one.interaction is None or other.interaction is None or setting(one) != setting(other):
        return None
    return measured.difference(one.interaction, other.interaction, metric)


def record_from(document: Any, source: str = "the document") -> Record:
    """A record from its JSON document.

    Raises:
        DataError: It is not a record, or of a newer schema.
    """
    if not isinstance(document, dict) or not {"schema", "model", "shape"} <= document.keys():
        raise DataError(f"{source} is not a nil-audit record; give a file that 'nil-audit MODEL --out DIR' wrote.")
    if document["schema"] not in range(1, SCHEMA + 1):
        raise DataError(
            f"{source} has record schema {document['schema']}, not {SCHEMA}; update nil-audit or measure again."
        )
    try:
        shape = dict(document["shape"])
        shape.pop("ratio", None)
        counted = shape.pop("parameters")
        found = Shape(
            **{**shape, "notes": tuple(shape.get("notes", ()))}, parameters=Parameters(**counted) if counted else None
        )
        return Record(
            created=document["created"],
            nil_audit=document["nil_audit"],
            model=document["model"],
            shape=found,
            # Up to schema 3 it counted studies. It follows from the shape.
            verdict=document["verdict"] if document["schema"] >= _POOLED else verdict_document(found),
            interaction=document.get("interaction"),
            superposition=_superposition(document),
            profile=document.get("profile"),
            ansatz=document.get("ansatz"),
            output=document.get("output"),
            sensitivity=document.get("sensitivity"),
            scores=tuple(document.get("scores", ())),
            environment=document.get("environment", {}),
            notes=tuple(document.get("notes", ())),
        )
    except (KeyError, TypeError, ValueError, ArithmeticError) as error:
        raise DataError(f"{source} is a damaged record ({error!r}); measure the model again.") from error


def _superposition(document: Mapping[str, Any]) -> Mapping[str, Any] | None:
    """The superposition of a document; of older schemas, which had the embedding's alone, in the form of today."""
    found: Mapping[str, Any] | None = document.get("superposition")
    if found is None or document["schema"] >= _BOTH_TABLES:
        return found
    return {"embedding": found, "unembedding": None, "alignment": None}


def verdict_document(shape: Shape, against: Reference | None = None) -> dict[str, Any]:
    """What the studies say of a shape, in keys and numbers.

    Args:
        shape: The architecture.
        against: The study that the distance is to, and the pool; the law and the shipped pool by default.

    Returns:
        "label", "distance" and "regret" (see `nil_audit.law.pooled.Verdict`), the names of the study ("interval") and
        the "pool" that they are by, how far that pool had to extrapolate, and under "studies" each study's interval,
        predicted excess loss, and how far it had to extrapolate.
    """
    against = against or reference()
    size = float(shape.parameters.total) if shape.parameters and shape.parameters.total > 0 else None
    said = {
        study.name: {
            **plain(study.interval(size)),
            "predicted_excess_loss": study.excess(shape.ratio, size),
            "extrapolation": study.extrapolation(shape.ratio, size),
        }
        for study in against.studies
    }
    found: dict[str, Any] = plain(
        {
            **plain(against.verdict(shape.ratio, size)),
            "interval": against.study.name,
            "pool": against.pool.name,
            "extrapolation": against.pool.extrapolation(shape.ratio, size),
            "studies": said,
        }
    )
    return found


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
    except (ValueError, RecursionError) as error:
        raise DataError(f"{path} is not JSON; give a file that 'nil-audit MODEL --out DIR' wrote.") from error
    return record_from(document, str(path))


def _record_path(key: Mapping[str, Any]) -> Path:
    """Where the record of a key is kept. The key alone names it: one checkpoint can be called by many names."""
    digest = hashlib.sha256(json.dumps(key, sort_keys=True).encode()).hexdigest()
    return cache_folder() / "records" / f"{digest[:40]}.json"


def renamed(record: Record, name: str, *, source: str, probe: str) -> Record:
    """A kept record as one of a model and a probe that are called otherwise now, also in its notes.

    Args:
        record: With an interaction.
        name: Of the model, as asked for.
        source: Where it lies, "hub" or "local".
        probe: The probe's name.
    """
    interaction = dict(record.interaction or {})
    now = {record.name: name, str(interaction["probe"]["name"]): probe}
    interaction["probe"] = {**interaction["probe"], "name": probe}
    words = re.compile(
        "|".join(rf"(?<![\w/.-]){re.escape(one)}(?![\w/-])" for one in sorted(now, key=len, reverse=True))
    )
    notes = tuple(words.sub(lambda found: now[found[0]], note) for note in record.notes)
    return replace(record, model={**record.model, "name": name, "source": source}, interaction=interaction, notes=notes)


def find_record(key: Mapping[str, Any]) -> Record | None:
    """The kept record of a key, or None; a file that is damaged or cannot be read counts as none.

    Args:
        key: Everything that decides the numbers, the checkpoint by its digest.
    """
    try:
        return read_record(_record_path(key))
    except DataError:
        return None


def keep_record(record: Record, key: Mapping[str, Any]) -> str | None:
    """Keep a record for its key. Under several processes only the first writes.

    Returns:
        None, or a sentence that says why it could not be kept: what was measured is not lost for that.
    """
    if not is_first():
        return None
    try:
        write_atomically(_record_path(key), record.to_json())
    except UsageError as error:
        return f"The record of {record.name} is not kept for another time: {error}"
    return None
