"""What is measured on request, brought into a page: its sentences, tables, figures and settings."""

from collections.abc import Callable, Iterator, Mapping, Sequence

from nil_audit.auditing.record import Record
from nil_audit.report.audit.ansatz import ansatz_block_table, ansatz_of_many, ansatz_sentence, ansatz_table, checked
from nil_audit.report.audit.output import output_of_many, output_sentence, output_table, probed
from nil_audit.report.audit.profile import profile_summary_table, profile_table, profiled
from nil_audit.report.audit.profile_words import profile_sentence
from nil_audit.report.audit.ranking import Entry
from nil_audit.report.audit.sensitivity import (
    said_table,
    sensitivity_of_many,
    sensitivity_table,
    variant_tables,
)
from nil_audit.report.audit.sensitivity_words import sensitivity_sentence, varied
from nil_audit.report.audit.words import SPOKEN
from nil_audit.report.render.page import Block, Figure, Section, Table

_SENTENCES: tuple[Callable[[Sequence[Entry]], str], ...] = (
    sensitivity_sentence,
    profile_sentence,
    output_sentence,
    ansatz_sentence,
)
_ENDED = {"precision": "until precise enough", "tokens": "all asked for", "text": "all of the text"}


def asked_sentences(entries: Sequence[Entry]) -> tuple[str, ...]:
    """What each measurement on request found, a paragraph each."""
    return tuple(said for sentence in _SENTENCES if (said := sentence(entries)))


def asked_sections(entries: Sequence[Entry], figures: Mapping[str, Figure]) -> Iterator[Section]:
    """The sections of what was measured on request; what moves the answer alone stands in the page itself.

    Args:
        entries: Of the page.
        figures: Drawn ones by name.
    """
    few = len(entries) <= SPOKEN
    if found := varied(entries):
        main = sensitivity_table(found[0]) if len(entries) == 1 else sensitivity_of_many(found)
        yield Section(name="sensitivity", title="What moves the answer", blocks=(main,))
    if found := profiled(entries):
        thirds = [profile_summary_table([one]) for one in found] if 1 < len(found) <= SPOKEN else []
        depths = map(profile_table, found) if few else ()
        figure = figures.get("depth-profile")
        yield _section("profile", "Over the depth", figure, profile_summary_table(found), *thirds, *depths)
    if found := probed(entries):
        together = [output_of_many(found)] if len(entries) > 1 else []
        yield _section("output", "Output AGOP", *together, *(map(output_table, found) if few else ()))
    if found := checked(entries):
        together = [ansatz_of_many(found)] if len(entries) > 1 else []
        blocks = (block for one in found for block in (ansatz_table(one), ansatz_block_table(one))) if few else ()
        yield _section("ansatz", "The Neural Feature Ansatz", figures.get("ansatz"), *together, *blocks)


def every_variant(entries: Sequence[Entry]) -> Iterator[Block]:
    """Every number of every variant of a few models, and of several the table of each."""
    found = varied(entries)
    if len(entries) > 1:
        yield from map(sensitivity_table, found)
    for one in found:
        yield said_table(one)
        yield from variant_tables(one)


def _section(name: str, title: str, *blocks: Block | None) -> Section:
    kept = tuple(block for block in blocks if block and not (isinstance(block, Table) and not block.rows))
    return Section(name=name, title=title, blocks=kept, detail=True)


def asked_settings(record: Record) -> Iterator[tuple[str, str]]:
    """What the sections on request were measured with, a setting and its words each."""
    if profile := record.profile:
        yield "Profile", f"{len(profile['depths'])} of {profile['blocks']} blocks, {_size(profile['memory_bytes'])}"
    if ansatz := record.ansatz:
        yield "Ansatz", f"{len(ansatz['depths'])} of {ansatz['blocks']} blocks, {_size(ansatz['memory_bytes'])}"
    if output := record.output:
        after = output["prefix"] or "no document start"
        yield (
            "Output probe",
            f"{output['windows']:,} windows of {output['window']} tokens after {after}, {_ENDED[output['ended_by']]};"
            f" {output['outputs']} outputs of seed {output['seed']}",
        )
        cost = output["cost"]
        spent = None if cost["seconds"] is None else f"{cost['seconds']:,.1f} s"
        memory = None if cost["peak_memory_bytes"] is None else f"{cost['peak_memory_bytes'] / 1e9:.2f} GB"
        if spent or memory:
            yield "Its cost", ", ".join(filter(None, (spent, memory)))


def _size(memory: int) -> str:
    return f"{memory / 1e9:.2f} GB of sums"
