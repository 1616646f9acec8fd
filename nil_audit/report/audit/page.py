"""The audit of one or of fifty models as one page: the answer first, then a table, then everything else."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from nil_audit.auditing.record import Record
from nil_audit.files import distinct_names
from nil_audit.law.pooled import LABELS
from nil_audit.report.audit import details, tables
from nil_audit.report.audit.ansatz import ansatz_frame
from nil_audit.report.audit.answer import answer_of_one
from nil_audit.report.audit.answer_of_many import answer_of_many
from nil_audit.report.audit.asked import asked_sections, asked_sentences, every_variant
from nil_audit.report.audit.card import card_metadata, card_section
from nil_audit.report.audit.cautions import cautions
from nil_audit.report.audit.frame import audit_frame
from nil_audit.report.audit.profile import profile_frame
from nil_audit.report.audit.ranking import Entry, Ranking, rank
from nil_audit.report.audit.scores import standing
from nil_audit.report.audit.superposition import (
    superposition_of_many,
    superposition_sentence,
    superposition_table,
    weighed,
)
from nil_audit.report.audit.words import SPOKEN, model_names, stands
from nil_audit.report.render.page import (
    Block,
    Bullets,
    Figure,
    KeyNumber,
    Listing,
    Page,
    Prose,
    Section,
    Table,
)
from nil_audit.report.render.text import MISSING, count, interval_text, percent
from nil_audit.report.verdict import chance_words


def audit_page(
    records: Sequence[Record], *, references: Sequence[Record] = (), command: str, draw: bool = True
) -> Page:
    """The audit as a page: a sentence each on shape, interaction and score, a table, and all numbers as details.

    What has to be read with the first three comes after them, then a sentence each on what was measured on request.

    Args:
        records: One a model, at least one.
        references: Of other models, measured in the same setting, to place these among.
        command: That made the page, printed with it.
        draw: Whether it has its figures, which take seconds and which a terminal does not show.
    """
    ranking = rank(records, references)
    entries = ranking.entries
    answer, asked = audit_answer(ranking), asked_sentences(entries)
    beside = (*cautions(entries), *asked)
    return Page(
        title=entries[0].name if len(entries) == 1 else f"Audit of {len(entries)} models",
        kicker="Depth, width and gradient-space interaction",
        answer=(*answer, *beside),
        headlines=len(answer) + (len(beside) if asked else 0),
        numbers=tuple(_key_numbers(ranking)),
        sections=tuple(section for section in _sections(ranking, _drawn(ranking, draw), command) if section.blocks),
        footer=(
            "The claim under test: Sun, Yang, Zhang, Du, Law of Neural Interaction, arXiv 2605.27989.",
            f"Beside this page: records/ (every number), {', '.join(_tables_beside(records))}, plots/. nil-audit"
            f" {records[0].nil_audit}, {max(record.created for record in records)}.",
        ),
        closing="Terms: docs/definitions.md; every number: --details.",
    )


def _tables_beside(records: Sequence[Record]) -> Iterator[str]:
    yield "audit.csv"
    if any(record.profile for record in records):
        yield "profile.csv"
    if any(record.ansatz for record in records):
        yield "ansatz.csv"


def audit_answer(ranking: Ranking) -> tuple[str, ...]:
    """What is said first: of shape, interaction and score."""
    return answer_of_one(ranking.entries[0], ranking) if len(ranking.entries) == 1 else answer_of_many(ranking)


def audit_files(records: Sequence[Record]) -> dict[str, Any]:
    """The files of an audit by their paths: ``records/NAME.json`` for each model, and tables as data frames.

    These are ``audit.csv``, a row a model, and where records have the sections ``profile.csv``, a row a block, and
    ``ansatz.csv``, a row a map.
    """
    names = model_names(records)
    stems = distinct_names(names)
    files: dict[str, Any] = {
        f"records/{stems[name]}.json": record.to_dict() for name, record in zip(names, records, strict=True)
    }
    files["audit.csv"] = audit_frame(records)
    if any(record.profile for record in records):
        files["profile.csv"] = profile_frame(records)
    if any(record.ansatz for record in records):
        files["ansatz.csv"] = ansatz_frame(records)
    return files


def _drawn(ranking: Ranking, draw: bool) -> Mapping[str, Figure]:
    if not draw:
        return {}
    from nil_audit.report.audit.figures import draw_figures

    return draw_figures(ranking)


def _key_numbers(ranking: Ranking) -> Iterator[KeyNumber]:
    if len(ranking.entries) > 1:
        labels = [entry.record.verdict["label"] for entry in ranking.entries]
        shapes = ", ".join(f"{labels.count(one)} {one}" for one in LABELS if one in labels)
        yield KeyNumber(label="Models", value=str(len(labels)), detail=shapes)
        for place, label in ((0, "Most efficient"), (-1, "Least efficient")) if len(ranking.ranked) > 1 else ():
            entry = ranking.ranked[place]
            if found := entry.efficiency:
                yield KeyNumber(label=label, value=interval_text(found).split()[0], detail=entry.name)
        return
    entry = ranking.entries[0]
    record, shape = entry.record, entry.record.shape
    size = count(shape.parameters.total) if shape.parameters else MISSING
    yield KeyNumber(
        label="R = depth / width",
        value=f"{shape.ratio:.4f}",
        detail=f"{shape.depth} x {shape.width}, {size} parameters",
    )
    regret = stands(record).regret
    yield KeyNumber(
        label="Expected cost of the shape in loss",
        value=percent(regret.expected),
        detail=f"95% {100 * regret.low:.1f} to {percent(regret.high)}; {chance_words(regret.within)} likely under 1%",
    )
    if found := entry.efficiency:
        value, _, interval = interval_text(found).partition(" ")
        yield KeyNumber(label="Typical efficiency, nats", value=value, detail=interval and f"95% {interval}")
    if score := standing(record):
        chance = f", {score.against} chance" if score.against else ""
        yield KeyNumber(label="MMLU-Pro", value=percent(score.accuracy), detail=f"{score.protocol}{chance}")


def _sections(ranking: Ranking, figures: Mapping[str, Figure], command: str) -> Iterator[Section]:
    def section(name: str, title: str, *blocks: Block | None, figure: str = "", detail: bool = True) -> Section:
        held = (figures.get(figure), *blocks)
        kept = tuple(block for block in held if block and not (isinstance(block, Table) and not block.rows))
        return Section(name=name, title=title, blocks=kept, detail=detail)

    entries = ranking.entries
    one, few = len(entries) == 1, len(entries) <= SPOKEN
    measured = [entry for entry in entries if entry.record.interaction is not None]
    with_tokens = [one for one in measured if ((one.record.interaction or {}).get("heaviest") or {}).get("tokens")]
    main = tables.model_table(entries[0]) if one else tables.ranking_table(ranking)
    yield section("numbers", "In numbers", main, detail=False)
    yield from asked_sections(entries, figures)
    yield section("plane", "The depth-width plane", figure="depth-width-plane")
    alike = details.standing_table(ranking) if ranking.others and ranking.ranked else None
    yield section("efficiency", "Typical efficiency", alike, figure="typical-efficiency")
    yield section("spread", "Spread and sensitivity", figure="spread-sensitivity")
    yield section("score", "Score against size", details.score_table(entries), figure="score-size")
    yield section("loss", "Loss and cost", tables.loss_table(ranking))
    if few:
        yield section("metrics", "Every number, and the paper's", *map(details.metric_table, measured))
        yield section("weights", "Parameter space beside gradient space", *_weights(entries))
        yield section("variants", "What moves the answer: every number", *every_variant(entries))
        yield section("heaviest", "The heaviest tokens", *map(details.heaviest_table, with_tokens))
        yield section("studies", "What each study says", *map(details.study_table, entries))
        yield section("rounds", "Round by round", *(details.round_table(entry) for entry in measured))
        yield section("settings", "Settings", *map(details.setting_table, entries))
    else:
        yield section("models", "Every model", tables.every_model_table(ranking))
        yield section("weights", "Parameter space beside gradient space", *_weights(entries))
        yield section("heaviest", "The heaviest tokens", details.heaviest_of_many(with_tokens))
        yield section("settings", "Settings", *_settings_of_many(measured))
    notes = tuple(dict.fromkeys(note for entry in entries for note in entry.record.notes))
    yield section("notes", "Notes", Bullets(items=notes) if notes else None)
    yield section("command", "Command", Listing(text=command))
    if few:
        yield section("card", "For a model card", *_cards(entries))


def _weights(entries: Sequence[Entry]) -> Iterator[Block]:
    """The sentence on the weights, several models a row each, and of a few every number."""
    found = weighed(entries)
    if said := superposition_sentence(entries):
        yield Prose(text=said)
    if found and len(entries) > 1:
        yield superposition_of_many(found)
    if len(entries) <= SPOKEN:
        yield from map(superposition_table, found)


def _settings_of_many(measured: Sequence[Entry]) -> Iterator[Block]:
    found = [entry.record.interaction or {} for entry in measured]
    settings = dict.fromkeys(
        f"{one['probe']['name']} in windows of {one['window']} less {one.get('context', 0)} of context, "
        f"{'after a document start' if one.get('prefix') else 'without a document start'}"
        for one in found
    )
    if settings:
        yield Prose(text=f"Measured on {'; '.join(settings)}; 16 blocks. The records hold the rest.")


def _cards(entries: Sequence[Entry]) -> Iterator[Block]:
    yield Prose(text="For a model's README.md: the metadata goes into the block between ---, the section below it.")
    for entry in entries:
        if metadata := card_metadata(entry):
            yield Listing(text=metadata)
        yield Listing(text=card_section(entry))
