"""The audit of one or several models: as a page, and as the files beside it."""

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

from nil_audit.auditing.record import Record
from nil_audit.files import distinct_names, safe_name
from nil_audit.law.studies import Interval, Verdict
from nil_audit.report.render.cells import verdict_cell
from nil_audit.report.render.page import Block, Bullets, Cell, Column, Listing, Page, Prose, Section, Table, table
from nil_audit.report.render.text import MISSING, count, display_names, error_text, percent
from nil_audit.report.verdict import distance_words, verdict_words
from nil_audit.stats.estimate import Estimate

_INTERACTION = {"interaction_efficiency": "Efficiency", "spread": "Spread", "sensitivity": "Sensitivity"}
_PAPER = {"aofe": "AOFE", "aofe_ratio": "AOFE-ratio", "excess": "Excess"}
_LOSS = {"loss_per_token": "Loss/token", "loss_per_byte": "Loss/byte"}
_DETAILS = {
    "effective_rank": "Effective rank r",
    "mean_cos2": "Mean cos²",
    "normalised_aofe": "Normalised AOFE",
    "rotation_null": "Rotation null",
    "kappa": "Kappa",
    "trace": "Trace, nats²/token",
}
_VARIANTS = {"late": "Without first 4", "direction": "Direction only"}
_SPOKEN = 6
"""Models of which each gets a sentence in the answer; of more it counts the verdicts."""


def audit_page(records: Sequence[Record], *, command: str) -> Page:
    """The audit as a page: verdicts in words, shapes, interaction, scores; every metric and the command as details.

    Args:
        records: One a model, at least one.
        command: That made them.
    """
    names = _names(records)
    verdicts = tuple(f"{names[record.name]}: {_verdict_words(record)}." for record in records)
    labels = Counter(record.verdict["label"] for record in records)
    counted = ", ".join(f"{labels[label]} {label}" for label in ("inside", "disputed", "outside") if labels[label])
    many = len(records) > _SPOKEN
    measured = [record for record in records if record.interaction is not None]
    sections: dict[str, Sequence[Block]] = {
        "Shape": [_shape_table(records, names)],
        "Interaction": _interaction(measured, names),
        "MMLU-Pro": [_score_table(records, names)] if any(record.scores for record in records) else [],
        "All metrics": [_metric_table(record, names) for record in measured],
        "Robustness": [_variant_table(record, names) for record in measured if (record.interaction or {})["variants"]],
        "Verdicts": [Bullets(items=verdicts)] if many else [],
        "Notes": [Bullets(items=notes)] if (notes := tuple(note for one in records for note in one.notes)) else [],
        "Command": [Listing(text=command)],
    }
    details = ("All metrics", "Verdicts", "Notes", "Command")
    return Page(
        title="Audit",
        kicker="Depth, width and gradient-space interaction",
        answer=(f"{len(records)} models: {counted}.",) if many else verdicts,
        headlines=1 if many else len(verdicts),
        sections=tuple(
            Section(name=safe_name(title).lower(), title=title, blocks=tuple(blocks), detail=title in details)
            for title, blocks in sections.items()
            if blocks
        ),
        footer=(f"nil-audit {records[0].nil_audit}, {records[0].created}",),
    )


def audit_files(records: Sequence[Record]) -> dict[str, Any]:
    """The files of an audit by their paths: ``records/NAME.json`` for each model, and ``audit.csv`` as a data frame.

    The frame has one row a model: shape, verdict, each metric as value and ``_se`` (plug-in ones prefixed), measured
    scores; the columns of all records together.
    """
    names = _names(records)
    stems = distinct_names(names.values())
    files: dict[str, Any] = {f"records/{stems[names[record.name]]}.json": record.to_dict() for record in records}
    # As objects: a whole number stays one where another model lacks it.
    return {**files, "audit.csv": pd.DataFrame([_flat_row(record, names) for record in records], dtype=object)}


def _names(records: Sequence[Record]) -> dict[str, str]:
    """What each model is called, by its name as asked for."""
    return display_names(record.name for record in records)


def _estimate(document: Mapping[str, Any] | None) -> Estimate | None:
    """A metric of a record, or None where it lacks the metric or noise made it undefined."""
    return None if document is None or document["value"] is None else Estimate.from_dict(document)


def _number(value: float | None, form: str) -> str:
    """A number, or a dash where there is none."""
    return MISSING if value is None else form.format(value)


def _verdict_words(record: Record) -> str:
    found = record.verdict
    said = Verdict(**{name: found[name] for name in ("label", "distance", "within", "without")})
    intervals = {
        name: Interval(**{end: study[end] for end in ("low", "high", "optimum")})
        for name, study in found["studies"].items()
    }
    return verdict_words(record.shape.ratio, said, intervals)


def _shape_table(records: Sequence[Record], names: Mapping[str, str]) -> Table:
    return table(
        "Depth, width and what the three studies say of their ratio",
        ("Model", "Params", "L x d", "R = L/d", Column(label="Verdict"), Column(label="Distance to law")),
        [
            (
                names[record.name],
                count(record.shape.parameters.total if record.shape.parameters else None),
                f"{record.shape.depth} x {record.shape.width}",
                f"{record.shape.ratio:.4f}",
                verdict_cell(record.verdict["label"]),
                distance_words(record.verdict["distance"]),
            )
            for record in records
        ],
    )


def _interaction(measured: Sequence[Record], names: Mapping[str, str]) -> list[Block]:
    """Interaction, the paper's numbers and loss, one row a model each, and what they were measured on."""
    captions = {
        "Unbiased estimates ± jackknife standard errors": _INTERACTION,
        "The paper's numbers, and what the spectrum does not say": _PAPER,
        "Probe loss, nats": _LOSS,
    }
    blocks: list[Block] = [
        table(
            caption,
            ("Model", *metrics.values()),
            [(names[record.name], *(error_text(record.metric(name)) for name in metrics)) for record in measured],
        )
        for caption, metrics in captions.items()
    ]
    probes = dict.fromkeys(
        f"{found['tokens']:,} tokens of {found['probe']['name']} in windows of {found['window']}"
        for record in measured
        if (found := record.interaction)
    )
    return [*blocks, Prose(text=f"Measured on {'; '.join(probes)}, 16 blocks.")] if measured else []


def _score_table(records: Sequence[Record], names: Mapping[str, str]) -> Table:
    """MMLU-Pro of each model, measured and published rows apart, each with its protocol; sources below."""
    rows: list[tuple[Cell | str, ...]] = []
    sources: list[str] = []
    for record in records:
        for score in record.scores:
            error = score.get("stderr")
            accuracy = _number(score["accuracy"], "{:.4f}") + (f" ± {error:.4f}" if error else "")
            if score["origin"] == "measured":
                accuracy += ", at chance" if score.get("at_chance") else ""
                origin = f"measured, n {score['questions']:,}"
            else:
                if score["source"] not in sources:
                    sources.append(score["source"])
                origin = f"{score['origin']} [{sources.index(score['source']) + 1}]"
            rows.append((names[record.name], accuracy, score["protocol"], origin))
    return table(
        "MMLU-Pro (accuracy, raw)",
        ("Model", "Accuracy", Column(label="Protocol"), Column(label="Origin")),
        rows,
        note=" ".join(f"[{number}] {source}." for number, source in enumerate(sources, start=1)),
    )


def _metric_table(record: Record, names: Mapping[str, str]) -> Table:
    """Every metric of one model in both estimates, weight superposition beside them, and what the pass cost."""
    found, weights = record.interaction or {}, record.superposition or {}
    outliers, cost = found["outliers"], found["cost"]
    metrics = [
        (
            title,
            error_text(record.metric(name)),
            error_text(record.metric(name, "plugin")),
            _number(weights.get(name), "{:.4g}"),
        )
        for name, title in (_INTERACTION | _PAPER | _DETAILS).items()
    ]
    once = {
        "Sensitivity by byte": error_text(record.metric("sensitivity_per_byte")),
        "Trace in first 4 positions": percent(outliers["first_positions_share"]),
        "Trace in heaviest 0.1%": percent(outliers["heaviest_share"]),
        "Wall time": _number(cost["seconds"], "{:,.1f} s"),
        "Speed": _number(cost["tokens_per_second"], "{:,.0f} tokens/s"),
        "Peak memory": _number(cost["peak_memory_bytes"] and cost["peak_memory_bytes"] / 1e9, "{:.2f} GB"),
    }
    return table(
        f"{names[record.name]}: all metrics",
        ("Metric", "Unbiased", "Plug-in", "WtW (weights)"),
        [*metrics, *((title, text, "", "") for title, text in once.items())],
    )


def _variant_table(record: Record, names: Mapping[str, str]) -> Table:
    """The unbiased estimates without the first positions, and with every gradient at one length."""
    variants = (record.interaction or {})["variants"]
    return table(
        f"{names[record.name]}: robustness",
        ("Metric", "All tokens", *(_VARIANTS[name] for name in variants)),
        [
            (
                title,
                error_text(record.metric(name)),
                *(error_text(_estimate(one["estimates"]["unbiased"].get(name))) for one in variants.values()),
            )
            for name, title in (_INTERACTION | _PAPER).items()
        ],
    )


def _flat_row(record: Record, names: Mapping[str, str]) -> dict[str, Any]:
    shape, found = record.shape, record.interaction
    row: dict[str, Any] = {
        "model": names[record.name],
        "revision": record.model.get("revision"),
        "model_type": shape.model_type,
        "depth": shape.depth,
        "width": shape.width,
        "ratio": shape.ratio,
        "parameters": shape.parameters.total if shape.parameters else None,
        "body_parameters": shape.parameters.body if shape.parameters else None,
        "verdict": record.verdict["label"],
        "distance": record.verdict["distance"],
    }
    if found is not None:
        row |= {"probe": found["probe"]["name"], "tokens": found["tokens"], "window": found["window"]}
        row |= _values("", {**found["estimates"]["unbiased"], **found["loss"]})
        row |= _values("plugin_", found["estimates"]["plugin"])
    row |= {f"wtw_{name}": value for name, value in (record.superposition or {}).items()}
    for score in record.scores:
        if score["origin"] == "measured":
            name = f"mmlu_pro_{score['protocol']}"
            row |= {name: score["accuracy"], f"{name}_se": score["stderr"]}
    return row


def _values(prefix: str, estimates: Mapping[str, Any]) -> dict[str, Any]:
    values: dict[str, Any] = {}
    for name, one in estimates.items():
        found = one or {}
        values |= {f"{prefix}{name}": found.get("value"), f"{prefix}{name}_se": found.get("se")}
    return values
