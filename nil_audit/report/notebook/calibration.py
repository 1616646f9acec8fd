"""A calibration in a notebook."""

from typing import TYPE_CHECKING, Any

from nil_audit.calibration.result import Calibration
from nil_audit.report.calibration.answer import headline, sentences
from nil_audit.report.calibration.tables import first_rows, first_table
from nil_audit.report.calibration.words import (
    interval_ends,
    ratio_interval,
    span_text,
    tolerance_text,
    variant_name,
    with_short_numbers,
)
from nil_audit.report.notebook.shared import ends, short_name, span
from nil_audit.report.render.fragment import render_fragment
from nil_audit.stats.estimate import Estimate

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure


class CalibrationView:
    """The optimum and the interval, budget by budget. The frame of runs is at hand as ``.runs``."""

    def line(self, found: Calibration) -> str:
        """The optimum with its interval, and the efficient interval."""
        runs, best = int(found.runs["used"].sum()), ratio_interval(found.optimum)
        within = "no interval" if found.edge else f"within {tolerance_text(found)} {span_text(*interval_ends(found))}"
        return f"<Calibration {short_name(found.study.name)} of {runs} runs: R* {best}, {within}>"

    def html(self, found: Calibration) -> str:
        """The answer, and each budget's own optimum, or the fit under other choices where no budget is shared."""
        first = first_table(found)
        return render_fragment(
            (headline(found), *sentences(found)),
            first,
            spans=[span(one) for one in first_rows(found)] if first else (),
            heading="R*, 95%",
            notes=found.notes,
        )

    def table(self, found: Calibration) -> "pd.DataFrame":
        """A row a fit: all runs, then each budget alone, then one choice made otherwise at a time; see ``kind``."""
        import pandas as pd

        runs = int(found.runs["used"].sum())
        low, high = interval_ends(found)
        rows = [_row("answer", f"answer: {found.match} held equal", found.optimum, found.curvature, runs)]
        rows[0] |= {"low": low, "high": high}
        if found.repeated:
            rows += [
                _row("budget alone", with_short_numbers(one.budget), one.optimum, None, one.runs)
                | {"parameters": one.parameters, "tokens": one.tokens, "bound": one.bound}
                for one in found.budgets
            ]
        rows += [
            _row(one.kind, variant_name(one), one.optimum, one.curvature, one.runs) | {"low": one.low, "high": one.high}
            for one in found.variants
        ]
        numbers = ["optimum", "optimum_low", "optimum_high", "curvature", "low", "high", "parameters", "tokens"]
        frame = pd.DataFrame(rows, columns=["kind", "what", "runs", *numbers, "bound"])
        return frame.astype(dict.fromkeys(numbers, float)).set_index("what")

    def plot(self, found: Calibration) -> "Figure":
        """Loss over R by budget, the fitted valley, and the interval."""
        from nil_audit.report.calibration.figures import main_plot

        return main_plot(found)


def _row(kind: str, what: str, optimum: Estimate | None, curvature: Estimate | None, runs: int) -> dict[str, Any]:
    return {
        "kind": kind,
        "what": what,
        "runs": runs,
        "bound": "",
        **ends("optimum", optimum),
        "curvature": None if curvature is None else curvature.value,
    }
