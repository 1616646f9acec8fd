"""A piece of a model card: what an audit found, as Markdown and YAML to be pasted into a repository's README."""

import json
import math
from collections.abc import Iterator

from nil_audit.interaction.metrics import HEADLINE
from nil_audit.report.audit.answer import shape_sentence
from nil_audit.report.audit.ranking import Entry
from nil_audit.report.audit.scores import standing
from nil_audit.report.audit.tables import text_words
from nil_audit.report.audit.words import TYPICAL
from nil_audit.report.render.markdown import escaped
from nil_audit.report.render.text import error_text, interval_text
from nil_audit.stats.estimate import Estimate


def card_section(entry: Entry) -> str:
    """A section of the card, in Markdown: the shape with its expected cost, and the numbers with their errors."""
    record = entry.record
    rows = [
        ("Depth x width", f"{record.shape.depth} x {record.shape.width}"),
        ("Depth-width ratio R", f"{record.shape.ratio:.4f}"),
        *(
            (label, interval_text(found) + " nats" if name == HEADLINE else error_text(found))
            for name, label in TYPICAL.items()
            if (found := record.metric(name))
        ),
        *(
            (label, error_text(found))
            for name, label in (("loss_per_byte", "Probe loss, nats a byte"),)
            if (found := record.metric(name))
        ),
    ]
    if score := standing(record):
        rows.append(("MMLU-Pro", f"{score.text} ({score.protocol})"))
    lines = [
        "## Depth, width and gradient-space interaction",
        "",
        escaped(shape_sentence(entry)),
        "",
        "| | |",
        "| --- | --- |",
        *(f"| {escaped(label)} | {escaped(text)} |" for label, text in rows),
        "",
    ]
    if record.interaction:
        start = record.interaction.get("prefix")
        after = f", each after {escaped(start)}" if start else ""
        lines.append(
            f"Gradients on {escaped(text_words(record.interaction))}{after}; ± are standard errors, intervals are 95%,"
            " both by the jackknife over 16 blocks of text."
        )
    lines.append(
        f"Measured with nil-audit {escaped(record.nil_audit)} on {record.created[:10]}; the claim behind these numbers"
        " is that of [arXiv 2605.27989](https://arxiv.org/abs/2605.27989)."
    )
    return "\n".join(lines)


def card_metadata(entry: Entry) -> str | None:
    """The metadata block of the card, in YAML: the numbers as results of the model, for a model-index.

    None where no gradients were taken, since a result belongs to a data set there.
    """
    return "\n".join(_metadata(entry)) + "\n" if entry.record.interaction else None


def _metadata(entry: Entry) -> Iterator[str]:
    record, found = entry.record, entry.record.interaction or {}
    yield "model-index:"
    yield f"- name: {_quoted(entry.name)}"
    yield "  results:"
    yield "  - task: {type: text-generation}"
    yield f"    dataset: {{type: text, name: {_quoted(str(found['probe']['name']))}}}"
    yield "    metrics:"
    yield f"    - {{type: depth_width_ratio, name: Depth-width ratio, value: {record.shape.ratio:.6g}}}"
    for name, label in TYPICAL.items():
        if (metric := record.metric(name)) and math.isfinite(metric.value):
            yield f"    - {{type: {name}, name: {label}, value: {_number(metric)}}}"
    yield f"    source: {{name: nil-audit {_bare(record.nil_audit)}, url: https://arxiv.org/abs/2605.27989}}"


def _number(estimate: Estimate) -> str:
    known = estimate.se is not None and math.isfinite(estimate.se)
    error = f", args: {{standard_error: {estimate.se:.2g}}}" if known else ""
    return f"{estimate.value:.6g}{error}"


def _bare(version: str) -> str:
    """A version without anything that YAML would read as more than text."""
    return "".join(one for one in version if one.isalnum() or one in ".-+") or "unknown"


def _quoted(text: str) -> str:
    """A text in double quotes, as JSON and so as YAML."""
    return json.dumps(text)
