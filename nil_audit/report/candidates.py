"""Several candidates in one report: a table with a row each."""

from collections import Counter
from collections.abc import Mapping
from typing import Any

from nil_audit import __version__
from nil_audit.candidate.check import CandidateReport
from nil_audit.law.studies import LABELS
from nil_audit.report.candidate import flops_text
from nil_audit.report.render.cells import verdict_cell
from nil_audit.report.render.page import Bullets, Cell, Column, Listing, Page, Section, Table, table
from nil_audit.report.render.text import MISSING, count, display_names, signed
from nil_audit.report.verdict import option_name, recommendation_words, verdict_words


def candidates_page(reports: Mapping[str, CandidateReport], *, command: str) -> Page:
    """What is said of several candidates: how many stand where, and a row each.

    Args:
        reports: Of each config, by the name that it was asked for with.
        command: The command that made it, printed on the page.
    """
    folders = {name: name.removesuffix("/config.json") for name in reports}
    shown = display_names(set(folders.values()))
    names = {name: shown[folder] for name, folder in folders.items()}
    labels = Counter(report.verdict.label for report in reports.values())
    counts = ", ".join(f"{labels[label]} {label}" for label in LABELS if labels[label])
    answer = [f"{len(reports)} config{'s' * (len(reports) > 1)}: {counts}."]
    if outside := [names[name] for name, report in reports.items() if report.verdict.label == "outside"]:
        answer.append(f"Outside: {', '.join(outside)}.")
    said = [(names[name], report) for name, report in reports.items()]
    sections = [
        Section(name="candidates", title="Candidates", blocks=(_rows(said),)),
        Section(
            name="answers",
            title="What the studies say, and what to do",
            blocks=(Bullets(items=tuple(f"{name}: {_words(report)}" for name, report in said)),),
            detail=True,
        ),
    ]
    if notes := [f"{name}: {note}" for name, report in said for note in report.notes]:
        sections.append(Section(name="notes", title="Notes", blocks=(Bullets(items=tuple(notes)),), detail=True))
    return Page(
        title=f"{len(reports)} candidates",
        kicker="Candidate architectures before pretraining",
        answer=tuple(answer),
        headlines=len(answer),
        sections=(
            *sections,
            Section(name="provenance", title="Provenance", blocks=(Listing(text=command),), detail=True),
        ),
        footer=(
            "The law: Sun, Yang, Zhang, Du, Law of Neural Interaction, arXiv 2605.27989. The intervals are ours.",
            f"Beside this page: candidate.json (every number). nil-audit {__version__}.",
        ),
    )


def candidates_document(reports: Mapping[str, CandidateReport]) -> dict[str, Any]:
    """Every number of several candidates, each with the name that it was asked for with."""
    return {
        "schema": 1,
        "kind": "candidates",
        "candidates": [{"config": name, **report.to_dict()} for name, report in reports.items()],
    }


def _words(report: CandidateReport) -> str:
    intervals = {one.study: one.interval for one in report.predictions}
    words = verdict_words(report.shape.ratio, report.verdict, intervals)
    return f"{report.verdict.label}, {words}. {recommendation_words(report)}"


def _rows(said: list[tuple[str, CandidateReport]]) -> Table:
    rows: list[tuple[Cell | str, ...]] = []
    for name, report in said:
        shape, distance, better = report.shape, report.verdict.distance, report.recommended
        rows.append(
            (
                name,
                count(shape.parameters.total if shape.parameters else None),
                f"{shape.depth} x {shape.width}",
                f"{shape.ratio:.4f}",
                verdict_cell(report.verdict.label),
                signed(distance) if distance else "0",
                f"{100 * max(one.excess.value for one in report.predictions):.2f}%",
                flops_text(report.cost.training_flops) if report.cost else MISSING,
                option_name(better) if better else "keep" if report.recommendation.action == "keep" else MISSING,
            )
        )
    return table(
        "Candidates, in the order given",
        ("Config", "Params", "L x d", "R", Column(label="Verdict"), "Dist.", "Worst", "FLOPs", "Train"),
        rows,
        note="Dist.: to the law's interval. Worst: the largest excess loss that any study predicts over the best shape"
        " of the budget. FLOPs: of the whole training. Train: the recommended shape of the same budget; keep where none"
        " is better beyond noise. One config alone gets the whole report.",
    )
