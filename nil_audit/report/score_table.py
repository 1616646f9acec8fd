"""MMLU-Pro scores as tables: measured ones with their categories, published ones with their sources."""

import csv
import io
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from rich.console import Group, RenderableType
from rich.text import Text

from nil_audit.files import safe_name, write_atomically
from nil_audit.report.render.markdown import render_markdown
from nil_audit.report.render.page import Block, Bullets, Cell, Column, Listing, Page, Section, Table
from nil_audit.report.render.terminal import terminal_table
from nil_audit.report.render.text import MISSING, percent, points

Row = Mapping[str, Any]

_COLUMNS = ("Asked", "Accuracy %", "Chance %", "Above chance [95%]")


def label(name: str) -> str:
    """A model's name in a table: the Hub id, or a folder's own name without its parents."""
    return Path(name).resolve().name if Path(name).exists() else name


def with_stderr(row: Row) -> str:
    """Accuracy in percent with its standard error: "31.4 ± 0.4"; alone where none is known or all answers agree."""
    value = percent(row["accuracy"]).rstrip("%")
    return f"{value} ± {100 * row['stderr']:.1f}" if row.get("stderr") else value


def above(row: Row) -> str:
    """Accuracy above chance in points with its 95% interval: "+20.3 [+19.5, +21.1]"; whole points where it is wide."""
    found = row["above_chance"]
    digits = 1 if found["high"] - found["low"] < 0.1 else 0
    return f"{points(found['value'])} [{points(found['low'], digits)}, {points(found['high'], digits)}]"


def asked(row: Row) -> str:
    """How many questions of how many: "280/12032", or "12032" where it was all."""
    of = f"/{row['questions_available']}" if row["questions"] < row["questions_available"] else ""
    return f"{row['questions']}{of}"


def in_words(row: Row) -> str:
    """What an accuracy is worth, in a sentence."""
    lies = {"at chance": "covers", "above chance": "lies above", "below chance": "lies below"}[row["words"]]
    return (
        f"{label(row['model'])} is {row['words']}: the 95% interval of its accuracy, {percent(row['low'])} to "
        f"{percent(row['high'])}, {lies} what guessing gives, {percent(row['chance'])}."
    )


def _cells(row: Row) -> tuple[str, ...]:
    level = row["words"].removesuffix(" chance")
    return asked(row), with_stderr(row), f"{level} {percent(row['chance']).rstrip('%')}", above(row)


def summary_table(scores: Sequence[Row]) -> RenderableType:
    """One row a model: questions, accuracy, chance, accuracy above chance."""
    leaderboard = scores[0]["normalised"] is not None
    title = f"MMLU-Pro, {scores[0]['task']['title']}"
    table = terminal_table(title, "Model", *_COLUMNS, *(["Normalised %"] if leaderboard else []))
    for row in scores:
        normal = [percent(row["normalised"]).rstrip("%")] if leaderboard else []
        table.add_row(Text(label(row["model"])), *_cells(row), *normal)
    return table


def category_table(score: Row) -> RenderableType:
    """One row a category of one model's score; prompts cut and texts unread only where there are any."""
    cut, unread = bool(score["prompts_cut"]), score["unparsed"] is not None
    further = ["Cut"] * cut + ["Unread"] * unread
    table = terminal_table(f"{label(score['model'])}, by category", "Category", *_COLUMNS, *further)
    for row in score["categories"]:
        counts = [row["prompts_cut"]] * cut + ([row["unparsed"]["count"]] if unread else [])
        table.add_row(row["category"], *_cells(row), *map(str, counts))
    return table


def provenance(score: Row) -> str:
    """How a score came about, in one line."""
    task = score["task"]
    parts = [
        f"{task['group']} {task['version']}",
        f"lm-eval {score['versions']['lm_eval']}",
        f"backend {score['backend']}",
        *([f"batch size {score['batch_size']}"] if score["batch_size"] else []),
        score["dtype"],
        f"context {score['context']:,}",
        *([f"at most {score['generated']:,} tokens generated"] if score["generated"] else []),
        f"{score['seconds']:.0f} s",
        f"data {score['data']['sha256'][:12]}",
        *([f"sample of seed {score['sample']['seed']}"] if score["sample"] else []),
    ]
    return ", ".join(parts)


def score_view(scores: Sequence[Row], published: Sequence[Row], width: int) -> RenderableType:
    """All that ``nil-audit score`` shows: the models, each by category, and what others have published of them."""
    parts: list[RenderableType] = [summary_table(scores)]
    for score in scores:
        parts.append(category_table(score))
        parts += [Text(sentence) for sentence in (in_words(score), *score["notes"])]
        parts += [Text(provenance(score), style="dim"), Text("")]
    if published:
        parts.append(published_view(published, width, title="Published by others; protocols are not comparable"))
    return Group(*parts)


def published_view(rows: Sequence[Row], width: int, *, title: str = "Published MMLU-Pro scores") -> RenderableType:
    """Published scores, one row each, with their sources listed below.

    Args:
        rows: Each with the columns of ``nil_audit.catalog.scores.published_scores``.
        width: Columns of the terminal; precision and date are shown from 110.
        title: Of the table.
    """
    sources = list(dict.fromkeys(row["source"] for row in rows))
    wide = ["Precision", "Date"] if width >= 110 else []
    table = terminal_table(title, "Model", "Protocol", "Accuracy %", *wide, "Source", left=2)
    before = None
    for row in rows:
        name = "" if row["model"] == before else row["model"]
        before = row["model"]
        details = [row["precision"] or MISSING, row["date"] or MISSING] if wide else []
        source = f"[{sources.index(row['source']) + 1}]" + ("!" if row["flag"] else "")
        style = "dim" if row["flag"] else None
        table.add_row(Text(name), Text(row["protocol"]), with_stderr(row), *details, Text(source), style=style)
    notes = [f"[{number}] {source}" for number, source in enumerate(sources, 1)]
    notes += dict.fromkeys(f"! not used, {row['model']}: {row['flag']}" for row in rows if row["flag"])
    return Group(table, *(Text(note, style="dim") for note in notes))


def score_page(scores: Sequence[Row], command: str) -> Page:
    """Scores as a page that repeats its own command."""
    title = f"MMLU-Pro, {scores[0]['task']['title']}."
    blocks: list[Block] = [_page_table(title, ("Model", *_COLUMNS), [(row["model"], *_cells(row)) for row in scores])]
    for score in scores:
        rows = [(row["category"], *_cells(row), str(row["prompts_cut"])) for row in score["categories"]]
        blocks.append(_page_table(f"{score['model']}, by category.", ("Category", *_COLUMNS, "Cut"), rows))
        blocks.append(Bullets(items=(*score["notes"], provenance(score), *score["task"]["differences"])))
    return Page(
        title="MMLU-Pro",
        kicker="Accuracy, and what it is worth above guessing",
        answer=tuple(in_words(score) for score in scores),
        sections=(
            Section(name="results", title="Results", blocks=tuple(blocks)),
            Section(name="command", title="Command", blocks=(Listing(text=command),)),
        ),
        footer=(scores[0]["source"],),
    )


def _page_table(caption: str, labels: Sequence[str], rows: Sequence[Sequence[str]]) -> Table:
    columns = tuple(Column(label=text, numeric=place > 0) for place, text in enumerate(labels))
    return Table(caption=caption, columns=columns, rows=tuple(tuple(Cell(text=text) for text in row) for row in rows))


def write_scores(
    scores: Sequence[Row], answers: Mapping[str, Sequence[Row]], folder: Path, *, command: str, json_text: str
) -> list[Path]:
    """Write ``scores.json``, ``scores.csv``, ``scores.md`` and each model's answers; returns the paths.

    Args:
        scores: Score rows.
        answers: For each model, one mapping a question.
        folder: Where to.
        command: That made them.
        json_text: The document that ``--json`` prints.

    Raises:
        UsageError: The folder cannot be written to.
    """
    paths = [
        write_atomically(folder / "scores.json", json_text),
        write_atomically(folder / "scores.csv", _csv([flat for score in scores for flat in _flat(score)])),
        write_atomically(folder / "scores.md", render_markdown(score_page(scores, command))),
    ]
    for model, rows in answers.items():
        paths.append(write_atomically(folder / "answers" / f"{safe_name(model)}.csv", _csv(list(rows))))
    return paths


def _flat(score: Row) -> list[dict[str, Any]]:
    """A score as flat rows: the whole first, then its categories."""
    keep = ("questions", "correct", "accuracy", "stderr", "low", "high", "chance", "words", "prompts_cut")
    rows = []
    for part in ({**score, "category": "all"}, *score["categories"]):
        rows.append(
            {"model": score["model"], "protocol": score["protocol"], "category": part["category"]}
            | {name: part[name] for name in keep}
            | {f"above_chance_{name}": value for name, value in part["above_chance"].items()}
        )
    return rows


def _csv(rows: Sequence[Row]) -> str:
    buffer = io.StringIO()
    writer = csv.DictWriter(buffer, list(rows[0]), lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return buffer.getvalue()
