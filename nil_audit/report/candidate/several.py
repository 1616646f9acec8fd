"""Several candidates in one report: a table with a row each."""

from collections import Counter
from collections.abc import Mapping
from typing import Any

from nil_audit import __version__
from nil_audit.candidate.result import CandidateReport
from nil_audit.law.pooled import LABELS
from nil_audit.report.candidate.answer import advice_words, answer, milliseconds, study_words
from nil_audit.report.candidate.tables import chance_cell, regret_cell
from nil_audit.report.render.cells import verdict_cell
from nil_audit.report.render.page import Bullets, Cell, Column, Listing, Page, Section, Table, table
from nil_audit.report.render.text import MISSING, count, display_names


def candidates_page(reports: Mapping[str, CandidateReport], *, command: str) -> Page:
    """What is said of several candidates: how many stand where, and a row each.

    Args:
        reports: Of each config, by the name that it was asked for with; at least one.
        command: The command that made it, printed on the page.
    """
    folders = {name: name.removesuffix("/config.json") for name in reports}
    shown = display_names(set(folders.values()))
    names = {name: shown[folder] for name, folder in folders.items()}
    labels = Counter(report.verdict.label for report in reports.values())
    counts = ", ".join(f"{labels[label]} {label}" for label in LABELS if labels[label])
    sentences = [f"{len(reports)} config{'s' * (len(reports) > 1)}: {counts}."]
    if outside := [names[name] for name, report in reports.items() if report.verdict.label == "outside"]:
        sentences.append(f"Outside: {', '.join(outside)}.")
    said = [(names[name], report) for name, report in reports.items()]
    sections = [
        Section(name="candidates", title="Candidates", blocks=(_rows(said),)),
        Section(
            name="answers",
            title="What is expected of each, and what to do",
            blocks=(Bullets(items=tuple(f"{name}: {' '.join(answer(report))}" for name, report in said)),),
            detail=True,
        ),
    ]
    if notes := [f"{name}: {note}" for name, report in said for note in report.notes]:
        sections.append(Section(name="notes", title="Notes", blocks=(Bullets(items=tuple(notes)),), detail=True))
    return Page(
        title=f"{len(reports)} candidates",
        kicker="Candidate architectures before pretraining",
        answer=(*sentences, study_words()),
        headlines=len(sentences),
        sections=(
            *sections,
            Section(name="provenance", title="Provenance", blocks=(Listing(text=command),), detail=True),
        ),
        footer=(
            "The law: Sun, Yang, Zhang, Du, Law of Neural Interaction, arXiv 2605.27989. The regret is ours, pooled"
            " from several studies: docs/pooling.md.",
            f"Beside this page: candidate.json (every number). nil-audit {__version__}.",
        ),
        closing="The answer to each: --details. One config alone gets the whole report.",
    )


def candidates_document(reports: Mapping[str, CandidateReport]) -> dict[str, Any]:
    """Every number of several candidates, each with the name that it was asked for with."""
    return {
        "schema": 1,
        "kind": "candidates",
        "candidates": [{"config": name, **report.to_dict()} for name, report in reports.items()],
    }


def _rows(said: list[tuple[str, CandidateReport]]) -> Table:
    machine = next((report.itself.serving[0].device for _, report in said if report.itself), None)
    rows: list[tuple[Cell | str, ...]] = []
    for name, report in said:
        shape, itself = report.shape, report.itself
        rows.append(
            (
                name,
                count(shape.parameters.total if shape.parameters else None),
                f"{shape.depth} x {shape.width}",
                verdict_cell(report.verdict.label),
                regret_cell(report.verdict.regret),
                chance_cell(report.verdict),
                *((milliseconds(itself.serving[0].decode_seconds) if itself else MISSING,) if machine else ()),
                advice_words(report) or MISSING,
            )
        )
    return table(
        "Candidates, in the order given",
        (
            *("Config", "Params", "L x d", Column(label="Verdict"), "Regret, %", "P(<1%)"),
            *((f"{machine}, ms",) if machine else ()),
            Column(label="Advice"),
        ),
        rows,
        note="Regret: expected excess loss over the best shape of the budget, with its 95% predictive interval."
        + f" ms: of a decoded token, predicted for {machine}." * bool(machine),
    )
