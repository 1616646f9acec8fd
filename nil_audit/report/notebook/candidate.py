"""A candidate in a notebook."""

from typing import TYPE_CHECKING, Any

from nil_audit.candidate.check import CandidateReport, Option
from nil_audit.law.studies import Verdict
from nil_audit.report.candidate import candidate_page, candidate_plot
from nil_audit.report.notebook.shared import ends, numbers_in_ascii, short_name, span
from nil_audit.report.render.cells import estimate_cell, verdict_cell
from nil_audit.report.render.fragment import render_fragment
from nil_audit.report.render.page import Cell, Column, Table, table
from nil_audit.report.render.text import count, signed
from nil_audit.report.verdict import option_name
from nil_audit.shape.architecture import Shape
from nil_audit.stats.estimate import Estimate

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure

_NO_CHANGE = Estimate(value=0.0, low=0.0, high=0.0)


class CandidateView:
    """The candidate and its alternatives of the same budget."""

    def line(self, report: CandidateReport) -> str:
        """The largest excess loss that a study predicts, and what to do."""
        worst = max(report.predictions, key=lambda one: one.excess.value)
        excess = numbers_in_ascii(worst.excess.scaled(100), signed=False)
        better = report.recommended
        return (
            f"<CandidateReport of {short_name(report.shape.name)}, {report.shape.depth} x {report.shape.width}:"
            f" {report.verdict.label}, excess loss {excess}% ({worst.study}),"
            f" {f'change to {option_name(better)}' if better else report.recommendation.action}>"
        )

    def html(self, report: CandidateReport) -> str:
        """The answer, and the candidate above its alternatives."""
        answer = candidate_page(report, command="", draw=False).answer
        if not report.options:
            return render_fragment(answer, None, notes=report.notes)
        first = next(iter(report.options[0].change))
        changes = [option.change[first].scaled(100) for option in report.options]
        return render_fragment(answer, _options(report), spans=[None, *map(span, changes)], heading=f"{first}, 95%")

    def table(self, report: CandidateReport) -> "pd.DataFrame":
        """A row for the candidate and for each alternative; losses and other changes are fractions of 1."""
        import pandas as pd

        studies = [one.study for one in report.predictions]
        worst = max(one.excess.value for one in report.predictions)
        itself = _row(report.shape, report.verdict) | {
            "role": "candidate",
            "worst_excess": worst,
            "kv_change": 0.0,
            "depth_change": 0.0,
            "training_flops": report.cost.training_flops if report.cost else None,
        }
        rows = [itself | _changes(dict.fromkeys(studies, _NO_CHANGE))]
        for option in report.options:
            rows.append(
                _row(option.shape, option.verdict)
                | {
                    "role": "recommended" if option is report.recommended else "alternative",
                    "worst_excess": option.worst,
                    "kv_change": option.kv_change,
                    "depth_change": option.depth_change,
                    "training_flops": option.cost.training_flops,
                }
                | _changes(dict(option.change))
            )
        return pd.DataFrame(rows).set_index("shape")

    def plot(self, report: CandidateReport) -> "Figure":
        """The depth-width plane with the candidate, its alternatives and the nearest real models."""
        return candidate_plot(report)


def _row(shape: Shape, verdict: Verdict) -> dict[str, Any]:
    return {
        "shape": f"{shape.depth} x {shape.width}",
        "role": "",
        "depth": shape.depth,
        "width": shape.width,
        "heads": shape.heads,
        "kv_heads": shape.kv_heads,
        "mlp_width": shape.mlp_width,
        "parameters": shape.parameters.total if shape.parameters else None,
        "ratio": shape.ratio,
        "verdict": verdict.label,
        "distance": verdict.distance,
    }


def _changes(changes: dict[str, Estimate]) -> dict[str, float]:
    return {
        name: number for study, change in changes.items() for name, number in ends(f"change_{study}", change).items()
    }


def _options(report: CandidateReport) -> Table:
    """The candidate and its alternatives, what each study predicts of them, and what else changes."""
    studies = list(report.options[0].change)
    here = f"{report.shape.depth} x {report.shape.width}, this"
    rows = [[*_cells(here, report.shape, report.verdict), *("0" for _ in studies), "0%", "0%"]]
    for option in report.options:
        changes = [estimate_cell(option.change[study], factor=100) for study in studies]
        rest = [f"{signed(100 * change, 0)}%" for change in (option.kv_change, option.depth_change)]
        rows.append([*_cells(_name(report, option), option.shape, option.verdict), *changes, *rest])
    return table(
        "Shapes of the same budget: predicted change in loss from going there, by each study, in per cent with 95%"
        " intervals; below zero is better.",
        ("L x d", "Total", "R", Column(label="Verdict"), *studies, "KV", "Depth"),
        rows,
        note=("Bold: recommended. " if report.recommended else "")
        + "KV, Depth: key-value cache and blocks in sequence against this one's.",
    )


def _name(report: CandidateReport, option: Option) -> Cell:
    return Cell(text=option_name(option), strong=option is report.recommended)


def _cells(name: Cell | str, shape: Shape, verdict: Verdict) -> list[Cell | str]:
    return [
        name,
        count(shape.parameters.total if shape.parameters else None),
        f"{shape.ratio:.4f}",
        verdict_cell(verdict.label),
    ]
