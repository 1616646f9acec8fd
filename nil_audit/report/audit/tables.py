"""The tables that stand under the answer: one of two columns for one model, one row a model for several."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from itertools import pairwise, zip_longest
from typing import Any

from nil_audit.auditing.record import Difference
from nil_audit.report.audit.ranking import Entry, Ranking
from nil_audit.report.audit.scores import standing
from nil_audit.report.audit.words import TYPICAL, interval_words, stands
from nil_audit.report.render.cells import error_cell, verdict_cell
from nil_audit.report.render.page import Cell, Column, Table, table
from nil_audit.report.render.text import MISSING, count, error_text, interval_text, percent, signed
from nil_audit.report.verdict import chance_words, distance_words, regret_words
from nil_audit.stats.estimate import Estimate

ENDINGS = {
    "precision": "typical efficiency's standard error was {precision:g} nats or less",
    "tokens": "after as many whole windows as {tokens:,} input tokens make",
    "text": "the text ended",
}
UNPAIRED = "* Unpaired: read on different windows or by another tokenizer, so errors are added in quadrature."
BY_COMMON_TEXT = (
    "† Ordered by the windows that both have read, on which they differ; their own numbers are of all text."
)


def model_table(entry: Entry) -> Table:
    """One model, a number or two a row."""
    return table("± are standard errors, intervals 95%", ("", ""), list(_rows(entry)), left=2)


def _rows(entry: Entry) -> Iterator[tuple[str, Cell | str]]:
    record, shape = entry.record, entry.record.shape
    size = shape.parameters
    body = f", {count(size.body)} of them in the body" if size else ""
    yield "Shape", f"{shape.depth} blocks x {shape.width} channels, R = L/d {shape.ratio:.4f}"
    yield "Parameters", f"{count(size.total if size else None)}{body}"
    said = stands(record)
    away = said.distance
    yield "Expected cost", f"{regret_words(said.regret)} of loss; {chance_words(said.regret.within)} likely under 1%"
    yield "Distance", f"{distance_words(away)}{' for' if away else ''} {interval_words([record])}"
    found = record.interaction
    if found is not None:
        if entry.efficiency is not None:
            yield from _typical_rows(entry)
        else:
            for name, label in (
                ("interaction_efficiency", "Efficiency"),
                ("spread", "Spread"),
                ("sensitivity", "Sensitivity"),
            ):
                yield f"{label} (mean)", error_text(record.metric(name))
        loss = (error_text(record.metric(f"loss_per_{unit}")) for unit in ("byte", "token"))
        yield "Probe loss", "{} nats a byte, {} a token".format(*loss)
        yield "Text", text_words(found)
        if "ended_by" in found:
            yield "Ended", ENDINGS[found["ended_by"]].format(**found["asked"])
    if score := standing(record):
        yield "MMLU-Pro", f"{score.text} ({score.protocol})"


def _typical_rows(entry: Entry) -> Iterator[tuple[str, str]]:
    record = entry.record
    efficiency, rank = entry.efficiency, record.metric("typical_rank")
    width = ((record.interaction or {}).get("products") or {}).get("width")  # a reference may go without its products
    directions = f"{error_text(rank)} of {width} directions" if width else f"{error_text(rank)} directions"
    yield "Typical efficiency", f"{interval_text(efficiency)} nats"
    spread = error_text(record.metric("typical_spread"))
    yield "Typical spread", f"{spread} ({directions})"
    yield "Typical sensitivity", f"{error_text(record.metric('typical_sensitivity'))} nats² a token"
    yield "Tail", f"{error_text(record.metric('tail'))} nats{_shares(record.interaction or {})}"


def _shares(interaction: Mapping[str, Any]) -> str:
    heaviest = interaction.get("heaviest")
    if not heaviest:
        return ""
    one, permille = percent(heaviest["token_share"]), percent(heaviest["permille_share"])
    return f"; heaviest token {one}, top 0.1% {permille}"


def text_words(interaction: Mapping[str, Any]) -> str:
    """How much text was read: "16,384 tokens of wikitext in 34 windows of 512 (16 context)"."""
    context = f" ({found} context)" if (found := interaction.get("context", 0)) else ""
    return (
        f"{interaction['tokens']:,} tokens of {interaction['probe']['name']} in {interaction['windows']} windows of"
        f" {interaction['window']}{context}"
    )


def ranking_table(ranking: Ranking) -> Table:
    """Several models, a row each, the most efficient first, each with its loss and its difference to the next.

    The loss stands beside the efficiency, which a network that was never trained has too. Where no model is ranked the
    table is of the shapes alone.
    """
    if not ranking.ranked:
        return _shape_table(ranking)
    scores = _score_cells(ranking)
    gaps = [ranking.next_below(entry) for entry in ranking.ranked]
    turned = [ranking.by_common_text(*pair) for pair in pairwise(ranking.ranked)]
    rows: list[tuple[Cell | str, ...]] = []
    for entry, gap, by_common in zip_longest(ranking.entries, gaps, turned):
        record, shape = entry.record, entry.record.shape
        verdict = verdict_cell(record.verdict["label"])
        loss = record.metric("loss_per_byte")
        rows.append(
            (
                entry.name,
                error_cell(entry.efficiency),
                # In 80 columns there is no room for its error, which the table of losses gives.
                error_cell(loss and Estimate(value=loss.value)),
                gap_cell(gap, by_common=bool(by_common)),
                replace(verdict, text=f"{shape.depth} x {shape.width} {verdict.text}"),
                *scores.get(entry, ()),
            )
        )
    return table(
        "By typical efficiency ± standard error; minus the next one, with its 95% interval; loss on the probe in nats",
        ("Model", "Efficiency", "Loss/byte", "Minus the next", Column(label="Shape"), *_score_columns(scores)),
        rows,
        note=gap_note(gaps, by_common=any(turned)),
    )


def _shape_table(ranking: Ranking) -> Table:
    """Several models of which none is ranked, as they were given, a row each."""
    scores = _score_cells(ranking)
    rows: list[tuple[Cell | str, ...]] = []
    for entry in ranking.entries:
        record, shape = entry.record, entry.record.shape
        rows.append(
            (
                entry.name,
                count(shape.parameters.total if shape.parameters else None),
                f"{shape.depth} x {shape.width}",
                f"{shape.ratio:.4f}",
                signed(record.verdict["distance"]),
                verdict_cell(record.verdict["label"]),
                *scores.get(entry, ()),
            )
        )
    return table(
        f"Shapes, R = L/d; distance to {interval_words([one.record for one in ranking.entries])} in nats of ratio,"
        " 0 within",
        ("Model", "Parameters", "L x d", "R", "Distance", Column(label="Shape"), *_score_columns(scores)),
        rows,
    )


def _score_cells(ranking: Ranking) -> dict[Entry, tuple[Cell]]:
    """The last cell of each row, its MMLU-Pro score; empty where no score of any model is known."""
    found = {entry: standing(entry.record) for entry in ranking.entries}
    if not any(found.values()):
        return {}
    return {
        entry: (Cell(text=percent(score.accuracy) if score else MISSING, value=score.accuracy if score else None),)
        for entry, score in found.items()
    }


def _score_columns(scores: Mapping[Entry, Any]) -> tuple[Column, ...]:
    return (_numbers("MMLU-Pro"),) if scores else ()


def gap_note(gaps: Iterable[Difference | None], *, by_common: bool) -> str:
    """What the marks of differences mean, where there are any."""
    unpaired = any(gap is not None and not gap.paired for gap in gaps)
    return " ".join(filter(None, (UNPAIRED if unpaired else "", BY_COMMON_TEXT if by_common else "")))


def gap_cell(gap: Difference | None, *, by_common: bool = False) -> Cell:
    """A difference with its interval, set apart where that excludes zero.

    Args:
        gap: Marked with a star where it is unpaired; None is a dash.
        by_common: Whether it alone decided the order of the two, against their own numbers: marked with a dagger.
    """
    if gap is None:
        return Cell(text=MISSING)
    text = interval_text(gap.estimate) + ("" if gap.paired else "*") + ("†" if by_common else "")
    return Cell(text=text, value=gap.estimate.value, strong=gap.estimate.excludes_zero)


def loss_table(ranking: Ranking) -> Table:
    """The loss on the probe, and what the measurement cost, a row a model."""
    rows: list[tuple[Cell | str, ...]] = []
    for entry in ranking.entries:
        record = entry.record
        if (found := record.interaction) is None:
            continue
        cost = found["cost"]
        memory = cost["peak_memory_bytes"]
        rows.append(
            (
                entry.name,
                *(error_cell(record.metric(name)) for name in ("loss_per_token", "loss_per_byte", "bytes_per_token")),
                f"{found['tokens']:,}",
                MISSING if cost["seconds"] is None else f"{cost['seconds']:,.1f} s",
                MISSING if cost["tokens_per_second"] is None else f"{cost['tokens_per_second']:,.0f}",
                MISSING if memory is None else f"{memory / 1e9:.2f} GB",
            )
        )
    return table(
        "Loss on the probe in nats, and what the measurement cost",
        ("Model", "Loss/token", "Loss/byte", "Bytes/token", "Tokens", "Time", "Tokens/s", "Memory"),
        rows,
    )


def every_model_table(ranking: Ranking) -> Table:
    """Every model with all that a row holds, to be sorted and narrowed."""
    measured_to = interval_words([entry.record for entry in ranking.entries])
    rows: list[tuple[Cell | str, ...]] = []
    for entry in ranking.entries:
        record, shape = entry.record, entry.record.shape
        size = shape.parameters.total if shape.parameters else None
        score = standing(record)
        rows.append(
            (
                entry.name,
                Cell(text=count(size), value=float(size) if size else None),
                Cell(text=f"{shape.depth} x {shape.width}", value=float(shape.depth)),
                Cell(text=f"{shape.ratio:.4f}", value=shape.ratio),
                verdict_cell(record.verdict["label"]),
                Cell(text=signed(record.verdict["distance"]), value=record.verdict["distance"]),
                *(error_cell(record.metric(name)) for name in (*TYPICAL, *_MEAN, "loss_per_byte")),
                Cell(text=score.text if score else MISSING, value=score.accuracy if score else None),
            )
        )
    return table(
        "Every model: shape, typical numbers ± standard errors, the mean's, loss and score",
        (
            "Model",
            *map(_numbers, ("Parameters", "L x d", "R")),
            Column(label="Verdict"),
            Column(label="Distance", numeric=True, help=f"to {measured_to}, in nats of ratio, 0 inside it"),
            *map(_numbers, (*TYPICAL.values(), *_MEAN.values(), "Loss/byte", "MMLU-Pro")),
        ),
        rows,
        name="models",
        choices=(4,),
        file="audit.csv",
    )


_MEAN = {
    "interaction_efficiency": "Efficiency (mean)",
    "aofe": "AOFE",
    "aofe_ratio": "AOFE-ratio",
}


def _numbers(label: str) -> Column:
    return Column(label=label, numeric=True)
