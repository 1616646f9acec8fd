"""What stands behind the answer: all metrics, the heaviest tokens, the studies, the rounds, scores and settings."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from nil_audit.auditing.record import rounds
from nil_audit.interaction.metrics import METRICS
from nil_audit.law.pooled import pool
from nil_audit.law.studies import Extrapolation
from nil_audit.report.audit.asked import asked_settings
from nil_audit.report.audit.ranking import Entry, Ranking
from nil_audit.report.audit.scores import accuracy_text
from nil_audit.report.audit.tables import gap_cell, gap_note
from nil_audit.report.audit.words import MEAN, TYPICAL, in_context, pool_reach, quoted, stands
from nil_audit.report.render.cells import error_cell, estimate_cell
from nil_audit.report.render.page import Cell, Column, Table, table
from nil_audit.report.render.text import MISSING, error_text, percent, signed
from nil_audit.report.verdict import extrapolation_words
from nil_audit.stats.estimate import Estimate

_AROUND = 28
"""Characters of text on either side of a heavy token."""
_ALL_SQUARES = "Of the sum of all squared gradients (the trace is their mean),"
_BY_ROUND = {**TYPICAL, "interaction_efficiency": "Efficiency (mean)"}


def metric_table(entry: Entry) -> Table:
    """Every metric of one model in both estimates."""
    record = entry.record
    found = record.interaction or {}
    known = [name for name in METRICS if name in found["estimates"]["unbiased"]]
    titles = {**TYPICAL, "typical_rank": "Typical rank r(U)", **MEAN}
    rows = [
        (title, error_text(record.metric(name)), error_text(record.metric(name, "plugin")))
        for name, title in titles.items()
        if name in known
    ]
    rows.append(("Sensitivity by byte", error_text(record.metric("sensitivity_per_byte")), MISSING))
    return table(
        f"{entry.name}: every number ± its jackknife standard error; below the typical ones those of the mean, which"
        " are the paper's",
        ("Metric", "Unbiased", "Plug-in"),
        rows,
        note=_shares(found),
    )


def _shares(found: Mapping[str, Any]) -> str:
    if heaviest := found.get("heaviest"):
        zero = found.get("zero_share") or 0.0
        without = f" {percent(zero, 2)} of tokens have a gradient of exactly zero." if zero else ""
        return (
            f"{_ALL_SQUARES} {percent(heaviest['token_share'])} is in the heaviest token and"
            f" {percent(heaviest['permille_share'])} in the heaviest 0.1% of tokens.{without}"
        )
    if outliers := found.get("outliers"):
        return f"{_ALL_SQUARES} {percent(outliers['heaviest_share'])} is in the heaviest 0.1% of tokens."
    return ""


def heaviest_table(entry: Entry) -> Table:
    """The tokens of one model that hold most of the trace, each in its text."""
    found = (entry.record.interaction or {})["heaviest"]["tokens"]
    return table(
        f"{entry.name}: the {len(found)} heaviest tokens in their text (↵ a new line, ␣ one of several spaces)",
        ("Token", Column(label="Share", numeric=True), Column(label="|g|", numeric=True), "Where", "In its text"),
        [
            (
                quoted(one["token"]),
                percent(one["share"]),
                f"{one['norm']:,.3g}",
                f"{one['window']}:{one['position']}",
                in_context(one, _AROUND),
            )
            for one in found
        ],
        left=5,
        note="Share: of the trace. |g|: length of its gradient, in nats by unit of the embedding. Where: window and"
        " position, from 0.",
    )


def heaviest_of_many(entries: Sequence[Entry]) -> Table:
    """The heaviest token of each of many models."""
    return table(
        "The heaviest token of each model, and the share of the trace that it and the heaviest 0.1% carry",
        ("Model", "Share", "Top 0.1%", Column(label="Token"), Column(label="In its text")),
        [
            (
                entry.name,
                _share_cell(found["token_share"]),
                _share_cell(found["permille_share"]),
                quoted(found["tokens"][0]["token"]),
                in_context(found["tokens"][0], _AROUND),
            )
            for entry in entries
            if (found := (entry.record.interaction or {}).get("heaviest"))
        ],
    )


def _share_cell(share: float) -> Cell:
    return Cell(text=percent(share), value=share)


def study_table(entry: Entry) -> Table:
    """What each study by itself says of one model's shape, and all of them pooled."""
    record, pooled = entry.record, pool()
    size = float(record.shape.parameters.total) if record.shape.parameters else None
    within, regret = pooled.interval(size), stands(record).regret
    together = Estimate(value=regret.expected, low=regret.low, high=regret.high)
    rows = [_study_row(name, study) for name, study in record.verdict["studies"].items()]
    return table(
        f"{entry.name}, R {record.shape.ratio:.4f}: each study's interval at its size, and the excess loss that it"
        " predicts, in per cent with 95% intervals",
        ("Study", "Within 1%: R", "Best R", "Excess loss", Column(label="How far it reaches")),
        [
            *rows,
            (
                pooled.name,
                f"{within.low:.4f} to {within.high:.4f}",
                f"{within.optimum:.4f}",
                estimate_cell(together, factor=100),
                extrapolation_words(pool_reach(record)),
            ),
        ],
        note=f"{pooled.name}: what a training run is expected to lose of which the shape and the size alone are known;"
        " its interval holds the ratios that cost under 1% with a probability of 80% or more.",
    )


def _study_row(name: str, study: Mapping[str, Any]) -> tuple[Cell | str, ...]:
    reach = Extrapolation(**study["extrapolation"])
    cost = estimate_cell(Estimate.from_dict(study["predicted_excess_loss"]), factor=100)
    return (
        name,
        f"{study['low']:.4f} to {study['high']:.4f}",
        f"{study['optimum']:.4f}",
        replace(cost, text=f"at least {signed(cost.value)}") if reach.under_three_blocks else cost,
        extrapolation_words(reach),
    )


def standing_table(ranking: Ranking) -> Table:
    """The references by typical efficiency; of a page's only ranked model also its difference to each of them."""
    own = ranking.ranked[0] if len(ranking.ranked) == 1 else None
    turned = {
        one for one in ranking.others if own and any(ranking.by_common_text(*pair) for pair in ((own, one), (one, own)))
    }
    rows, gaps = [], []
    for entry in ranking.among:
        if entry.reference or entry is own:
            gap = ranking.difference(own, entry) if own and own is not entry else None
            gaps.append(gap)
            rows.append(
                (
                    Cell(text=entry.name, strong=entry is own),
                    error_cell(entry.efficiency),
                    *((gap_cell(gap, by_common=entry in turned),) if own else ()),
                    *(error_cell(entry.record.metric(name)) for name in ("typical_spread", "typical_sensitivity")),
                )
            )
    minus = f"; {own.name} minus each, with its 95% interval" if own else ""
    return table(
        f"Other models at hand that were measured alike, by typical efficiency ± standard error{minus}",
        ("Model", "Efficiency", *(("Difference",) if own else ()), "Spread", "Sensitivity"),
        rows,
        note=gap_note(gaps, by_common=bool(turned)),
    )


def round_table(entry: Entry) -> Table:
    """The unbiased numbers of one model as the text grew, each round twice the one before."""
    return table(
        f"{entry.name}, round by round: unbiased estimates ± standard errors as the text grew",
        ("Windows", "Tokens", *_BY_ROUND.values(), "Loss/token"),
        [
            (
                f"{document['windows']:,}",
                f"{document['tokens']:,}",
                *(error_text(found["unbiased"].get(name)) for name in _BY_ROUND),
                error_text(found["loss"]["loss_per_token"]),
            )
            for document, found in rounds(entry.record)
        ],
        left=0,
    )


def score_table(entries: Sequence[Entry]) -> Table:
    """MMLU-Pro of each model, measured and published rows apart, each with its protocol; sources below."""
    rows = []
    sources: list[str] = []
    for entry in entries:
        for score in entry.record.scores:
            if score["origin"] == "measured":
                origin = f"measured, n {score['questions']:,}"
            else:
                if score["source"] not in sources:
                    sources.append(score["source"])
                origin = f"{score['origin']} [{sources.index(score['source']) + 1}]"
            rows.append((entry.name, accuracy_text(score), score["protocol"], origin))
    return table(
        "MMLU-Pro (accuracy, raw)",
        ("Model", "Accuracy", Column(label="Protocol"), Column(label="Origin")),
        rows,
        note=" ".join(f"[{number}] {source}." for number, source in enumerate(sources, start=1)),
    )


def setting_table(entry: Entry) -> Table:
    """What the numbers of one model were made of: enough to measure them again."""
    record, model = entry.record, entry.record.model
    rows = [
        ("Model", f"{entry.name} ({model['source']})"),
        ("Commit", model.get("revision") or MISSING),
        ("Weights", _short(model.get("digest"))),
        ("In memory", ", ".join(filter(None, (model.get("dtype"), model.get("device")))) or MISSING),
    ]
    if found := record.interaction:
        asked = found.get("asked", {})
        rows += [
            ("Probe", f"{found['probe']['name']}, {_short(found['probe']['sha256'])}"),
            ("Windows", f"{found['windows']:,} of {found['window']} tokens, {found.get('context', 0)} of them context"),
            ("Document start", found.get("prefix") or "none"),
            ("Tokens", f"{found['tokens']:,} counted" + (f", {asked['tokens']:,} asked for" if asked else "")),
        ]
        if asked:
            rows.append(("Precision", f"{asked['precision']:g} nats" if asked["precision"] else "all tokens"))
        rows.append(("Estimator", str(found["estimator"])))
    rows += asked_settings(record)
    versions = ", ".join(f"{name} {value}" for name, value in record.environment.items() if value)
    rows += [("Measured", f"{record.created} by nil-audit {record.nil_audit}"), ("With", versions or MISSING)]
    return table(f"{entry.name}: what it was measured with", ("", ""), rows, left=2)


def _short(digest: str | None) -> str:
    """The beginning of a hash, which names it well enough: the record holds all of it."""
    return MISSING if not digest else digest if len(digest) <= 28 else f"{digest[:24]}…"
