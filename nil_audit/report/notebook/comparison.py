"""A comparison in a notebook."""

from dataclasses import replace
from typing import TYPE_CHECKING

from nil_audit.comparison.result import Association, Comparison
from nil_audit.report.comparison.answer import headline, sentences
from nil_audit.report.comparison.correlation_tables import predictor_table
from nil_audit.report.comparison.model_tables import model_table
from nil_audit.report.comparison.words import STRENGTH, predictor_label
from nil_audit.report.notebook.shared import ends, numbers_in_ascii, short_name, span
from nil_audit.report.render.fragment import render_fragment
from nil_audit.stats.estimate import Estimate

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure

_COLUMNS = 8
"""Of the table of models: from the name to the verdict."""


class ComparisonView:
    """Predictors against score. The frame of models is at hand as ``.models``, so the table is that of predictors."""

    def line(self, found: Comparison) -> str:
        """The correlation that the answer rests on, and how far it supports the law."""
        answer = found.answer
        families = f"{answer.families} famil{'y' if answer.families == 1 else 'ies'}"
        models = f"{answer.models} model{'s' * (answer.models != 1)} of {families}, {short_name(answer.protocol)}"
        primary = f"{numbers_in_ascii(answer.primary.estimate)}, " if answer.primary else ""
        return f"<Comparison of {models}: {primary}{STRENGTH[answer.strength]}>"

    def html(self, found: Comparison) -> str:
        """The headline, and what was held against score; the models where nothing could be."""
        if found.answer.primary is not None:
            return render_fragment(
                (headline(found.answer), sentences(found)[0]),
                predictor_table(found),
                spans=[span(_estimate(found.findings.association(one.key))) for one in found.predictors],
                heading="Given size, 95%",
            )
        models = model_table(found)
        columns = tuple(replace(column, help="") for column in models.columns[:_COLUMNS])
        rows = tuple(row[:_COLUMNS] for row in models.rows)
        return render_fragment((headline(found.answer),), replace(models, columns=columns, rows=rows))

    def table(self, found: Comparison) -> "pd.DataFrame":
        """A row a predictor: its correlation with score, ``raw`` and, with size held fixed, ``value``."""
        import pandas as pd

        rows = []
        for one in found.predictors:
            raw, main = (found.findings.association(one.key, given=given) for given in ("nothing", "size_curve"))
            p = {"p": main.estimate.p, "p_adjusted": main.p_adjusted} if main else {}
            rows.append(
                {
                    "label": predictor_label(one.key),
                    "models": one.models,
                    **ends("raw", _estimate(raw)),
                    **ends("", _estimate(main)),
                    **p,
                }
            )
        keys = pd.Index([one.key for one in found.predictors], name="predictor")
        numbers = ("raw", "raw_low", "raw_high", "value", "low", "high", "p", "p_adjusted")
        frame = pd.DataFrame(rows, index=keys, columns=["label", "models", *numbers])
        return frame.astype(dict.fromkeys(numbers, float))

    def plot(self, found: Comparison) -> "Figure":
        """Score with size held fixed against distance from the law's optimum."""
        from nil_audit.report.comparison.figures import main_plot

        return main_plot(found)


def _estimate(found: Association | None) -> Estimate | None:
    return found.estimate if found else None
