"""A calibration as one page: the answer first, each budget's optimum, then everything else."""

import json
from collections.abc import Iterator, Mapping
from typing import Any

from nil_audit import __version__
from nil_audit.calibration.result import Calibration
from nil_audit.files import json_text, plain
from nil_audit.report.calibration.answer import headline, sentences
from nil_audit.report.calibration.figures import draw_figures
from nil_audit.report.calibration.tables import (
    budget_table,
    drift_table,
    first_table,
    form_table,
    held_out_table,
    variant_table,
)
from nil_audit.report.calibration.words import counted, size_range
from nil_audit.report.render.page import Aside, Block, Bullets, Figure, Listing, Page, Prose, Section, Table


def calibration_page(calibration: Calibration, *, command: str, draw: bool = True) -> Page:
    """The page of a calibration; a section that nothing is known for is left out.

    Args:
        calibration: What was found.
        command: The command that made it, to be printed with it.
        draw: Whether it has its figures, which take seconds and which a terminal does not show.
    """
    figures = draw_figures(calibration) if draw else {}
    name = interval_file(calibration)
    runs = counted(int(calibration.runs["used"].sum()), "run", "runs")
    return Page(
        title="Which depth-width ratio does this sweep call best?",
        kicker=f"{calibration.study.name}: {runs}, {size_range(calibration)}",
        answer=(headline(calibration), *sentences(calibration)),
        figure=figures.get("valley"),
        sections=tuple(section for section in _sections(calibration, figures, command) if section.blocks),
        footer=(
            f"{calibration.study.title}; source: {calibration.study.source}.",
            "Beside this page: "
            + ("" if calibration.edge else f"{name} (the interval, for --interval), ")
            + f"calibration.json (every number), runs.csv (every run), plots/. nil-audit {__version__}.",
        ),
        closing="--out DIR writes the report"
        + ("" if calibration.edge else f" and DIR/{name}, which audit, candidate and compare take as --interval")
        + ". More: --details.",
    )


def calibration_files(calibration: Calibration, command: str) -> dict[str, Any]:
    """What lies beside the page: every number with the command that made it, a row a run, and the interval file.

    Where the optimum is but a bound there is no interval, and no file of one.
    """
    files = {"calibration.json": {**plain(calibration), "command": command}, "runs.csv": calibration.runs}
    if calibration.edge:  # a bound is not an interval that shapes can be held against
        return files
    return {**files, interval_file(calibration): interval_text(calibration.interval_document())}


def interval_file(calibration: Calibration) -> str:
    """What the interval's file is called: by the study's name, unless the report's own file is called so."""
    name = calibration.study.name
    return f"{name}-interval.json" if name.lower() == "calibration" else f"{name}.json"


def interval_text(document: Mapping[str, Any]) -> str:
    """An interval file as it is written: JSON with one draw a line, the draws last."""
    head = json_text({name: value for name, value in document.items() if name != "draws"}).rstrip("\n}")
    lines = ",\n  ".join(json.dumps(plain(draw)) for draw in document["draws"])
    return f'{head},\n "draws": [\n  {lines}\n ]\n}}\n'


def _sections(calibration: Calibration, figures: Mapping[str, Figure], command: str) -> Iterator[Section]:
    def section(name: str, title: str, *blocks: Block | None, detail: bool = True, folded: bool = False) -> Section:
        kept = tuple(block for block in blocks if block and not (isinstance(block, Table) and not block.rows))
        return Section(name=name, title=title, blocks=kept, detail=detail, folded=folded)

    test = calibration.held_out
    title = "Budget by budget" if calibration.repeated else "Under other choices"
    yield section("optima", title, first_table(calibration), detail=False)
    yield section(
        "drift", "Does the optimum move?", figures.get("optimum"), budget_table(calibration), drift_table(calibration)
    )
    yield section("held-out", "On runs that it was not fitted on", held_out_table(calibration, test) if test else None)
    yield section("choices", "Does the answer depend on a choice?", variant_table(calibration), form_table(calibration))
    yield section(
        "metrics",
        "What metrics of interaction do",
        *(figure for name, figure in figures.items() if name.startswith("metric-")),
    )
    yield section(
        "use",
        "Using the interval",
        Prose(text="Every command that takes --interval reads the file that lies beside this page."),
        Listing(text=f"nil-audit compare --interval {interval_file(calibration)}"),
    )
    yield section(
        "method",
        "How the numbers are made",
        Bullets(items=(calibration.rule, *calibration.history)),
        Aside(title="About the runs", items=calibration.notes) if calibration.notes else None,
        Prose(text="The command:"),
        Listing(text=command),
        folded=True,
    )
