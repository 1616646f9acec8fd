"""A comparison as files: Markdown, HTML, plots, a table of models, and every number as JSON."""

import csv
import io
import json
from dataclasses import fields
from pathlib import Path

from nil_audit.comparison.result import Comparison, ModelRow
from nil_audit.files import write_atomically
from nil_audit.report.comparison.figures import draw_figures
from nil_audit.report.comparison.page import comparison_page
from nil_audit.report.render.html import render_document
from nil_audit.report.render.markdown import render_markdown


def write_report(comparison: Comparison, folder: Path, *, command: str) -> list[Path]:
    """Write report.md, report.html, table.csv, study.json and plots/*.svg and *.png, each atomically.

    The same comparison and command give the same bytes.

    Args:
        comparison: The study.
        folder: Where the files go; made where it is absent.
        command: The command that made the study, printed in the report.

    Returns:
        The files written, the report first.

    Raises:
        UsageError: The folder cannot be written to.
    """
    drawn = draw_figures(comparison)
    page = comparison_page(comparison, {name: one.figure for name, one in drawn.items()}, command=command)
    document = {**comparison.to_dict(), "command": command}
    contents: dict[str, str | bytes] = {
        "report.html": render_document(page),
        "report.md": render_markdown(page),
        "table.csv": table_csv(comparison),
        "study.json": json.dumps(document, indent=1, ensure_ascii=False, allow_nan=False) + "\n",
    }
    for name, one in drawn.items():
        contents[f"plots/{name}.svg"] = one.figure.wide
        contents[f"plots/{name}.png"] = one.png
    return [write_atomically(folder / name, content) for name, content in contents.items()]


def table_csv(comparison: Comparison) -> str:
    """Every model of the study as CSV: the fields of `ModelRow`, one column for each study and metric."""
    measured = sorted({key for model in comparison.models for key in model.metrics})
    plain = [field.name for field in fields(ModelRow) if field.name not in ("distance", "deviation", "metrics")]
    named = list(comparison.models[0].distance) if comparison.models else []
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\n")
    writer.writerow([*plain, *(f"{kind}_{study}" for kind in ("distance", "deviation") for study in named), *measured])
    for model in comparison.models:
        values = [getattr(model, name) for name in plain]
        values += [getattr(model, kind)[study] for kind in ("distance", "deviation") for study in named]
        values += [model.metrics.get(key) for key in measured]
        writer.writerow(["" if value is None else value for value in values])
    return buffer.getvalue()
