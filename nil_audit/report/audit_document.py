"""An audit as files: one JSON record a model, one CSV row a model, one Markdown page."""

import csv
import io
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from nil_audit.auditing.record import Record
from nil_audit.files import safe_name, write_atomically
from nil_audit.report.audit_table import METRICS, distance_words, score_cells, with_error
from nil_audit.report.render.markdown import render_markdown
from nil_audit.report.render.page import Block, Bullets, Cell, Column, Listing, Page, Section, Table
from nil_audit.report.render.text import count


def flat_row(record: Record) -> dict[str, Any]:
    """One record as one flat row: shape, verdict, each metric as value and _se (plug-in ones prefixed), scores."""
    shape = record.shape
    row: dict[str, Any] = {
        "model": record.name,
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
    if record.interaction is not None:
        found = record.interaction
        row |= {"probe": found["probe"]["name"], "tokens": found["tokens"], "window": found["window"]}
        row |= _values("", found["estimates"]["unbiased"]) | _values("", found["loss"])
        row |= _values("plugin_", found["estimates"]["plugin"])
    row |= {f"wtw_{name}": value for name, value in (record.superposition or {}).items()}
    for score in record.scores:
        if score["origin"] == "measured":
            row |= {
                f"mmlu_pro_{score['protocol']}": score["accuracy"],
                f"mmlu_pro_{score['protocol']}_se": score["stderr"],
            }
    return row


def _values(prefix: str, estimates: Mapping[str, Any]) -> dict[str, Any]:
    flat = {}
    for name, one in estimates.items():
        flat[f"{prefix}{name}"], flat[f"{prefix}{name}_se"] = one["value"], one["se"]
    return flat


def csv_text(records: Sequence[Record]) -> str:
    """The flat rows as CSV, the columns of all records together."""
    rows = [flat_row(record) for record in records]
    columns = list(dict.fromkeys(column for row in rows for column in row))
    buffer = io.StringIO()
    writer = csv.DictWriter(buffer, columns, lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return buffer.getvalue()


def audit_page(records: Sequence[Record], command: str) -> Page:
    """The audit as a page that repeats its own command."""
    measured = [record for record in records if record.interaction]
    scores = [(record, score) for record in records for score in record.scores]
    blocks: list[Block] = [
        _table(
            "Depth, width and what the three studies say of their ratio.",
            ("Parameters", "L x d", "R = L/d", "Verdict", "Distance to the law's interval"),
            {
                record.label: (
                    count(record.shape.parameters.total if record.shape.parameters else None),
                    f"{record.shape.depth} x {record.shape.width}",
                    f"{record.shape.ratio:.4f}",
                    record.verdict["label"],
                    distance_words(record),
                )
                for record in records
            },
        )
    ]
    if measured:
        blocks.append(
            _table(
                "Interaction: unbiased estimates ± jackknife standard errors over 16 blocks; loss in nats.",
                tuple(METRICS.values()),
                {record.label: tuple(with_error(record.metric(name)) for name in METRICS) for record in measured},
            )
        )
    if scores:
        sources: list[str] = []
        rows = tuple(
            tuple(Cell(text=str(one)) for one in (record.label, *score_cells(score, sources)))
            for record, score in scores
        )
        note = " ".join(f"[{number}] {source}." for number, source in enumerate(sources, start=1))
        columns = _columns("Accuracy", "Protocol", "Origin")
        blocks.append(Table(caption="MMLU-Pro, raw accuracy.", columns=columns, rows=rows, note=note))
    if notes := tuple(note for record in records for note in record.notes):
        blocks.append(Bullets(items=notes))
    return Page(
        title="Audit",
        kicker="Depth, width and gradient-space interaction",
        answer=tuple(f"{record.label}: {record.verdict['words']}." for record in records),
        sections=(
            Section(name="results", title="Results", blocks=tuple(blocks)),
            Section(name="command", title="Command", blocks=(Listing(text=command),)),
        ),
        footer=(f"nil-audit {records[0].nil_audit}, {records[0].created}",),
    )


def _columns(*labels: str) -> tuple[Column, ...]:
    return (Column(label="Model"), *(Column(label=label, numeric=True) for label in labels))


def _table(caption: str, labels: tuple[str, ...], rows: Mapping[str, tuple[str, ...]]) -> Table:
    cells = tuple(tuple(Cell(text=text) for text in (name, *row)) for name, row in rows.items())
    return Table(caption=caption, columns=_columns(*labels), rows=cells)


def write_audit(records: Sequence[Record], folder: Path, *, command: str) -> list[Path]:
    """Write ``records/NAME.json`` for each model, ``audit.csv`` and ``audit.md``; returns the paths.

    Raises:
        UsageError: The folder cannot be written to.
    """
    labels = [safe_name(record.label) for record in records]
    paths = []
    for record, label in zip(records, labels, strict=True):
        stem = label if labels.count(label) == 1 else safe_name(record.name)
        paths.append(write_atomically(folder / "records" / f"{stem}.json", record.to_json()))
    paths.append(write_atomically(folder / "audit.csv", csv_text(records)))
    paths.append(write_atomically(folder / "audit.md", render_markdown(audit_page(records, command))))
    return paths
