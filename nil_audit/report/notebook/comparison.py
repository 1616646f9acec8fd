"""A comparison in a notebook."""

from dataclasses import replace
from typing import TYPE_CHECKING

from nil_audit.comparison.result import Comparison
from nil_audit.report.comparison.answer import claim, headline
from nil_audit.report.comparison.appendix import model_table
from nil_audit.report.comparison.choices import effect_rows, effect_table
from nil_audit.report.comparison.words import VERDICTS, effect_label, sample_words
from nil_audit.report.notebook.shared import ends, numbers_in_ascii, short_name, span
from nil_audit.report.render.fragment import render_fragment

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure

_COLUMNS = 7
"""Of the table of models: from the name to the verdict."""


class ComparisonView:
    """The effect of shape, row by row. The frame of models is at hand as ``.models``, so the table is of effects."""

    def line(self, found: Comparison) -> str:
        """The effect that the answer rests on, and the answer."""
        answer = found.answer
        models = sample_words(found, answer.models, answer.groups)
        what = short_name(answer.protocol if found.outcome.column is None else found.outcome.name)
        primary = f"{numbers_in_ascii(answer.primary.estimate, signed=False)}, " if answer.primary else ""
        return f"<Comparison of {models}, {what}: {primary}{VERDICTS[answer.verdict]}>"

    def html(self, found: Comparison) -> str:
        """The answer, and the effect under every choice that matters; the models where no effect can be made."""
        if found.answer.primary is not None:
            return render_fragment(
                (headline(found), claim(found)),
                effect_table(found),
                spans=[span(one.estimate) for one in effect_rows(found)],
                heading="Effect, 95%",
            )
        models = model_table(found)
        columns = tuple(replace(column, help="") for column in models.columns[:_COLUMNS])
        rows = tuple(row[:_COLUMNS] for row in models.rows)
        return render_fragment((headline(found),), replace(models, columns=columns, rows=rows))

    def table(self, found: Comparison) -> "pd.DataFrame":
        """A row an effect, the answer's first: what it is for, its choices, ``value``, ``low`` and ``high``."""
        import pandas as pd

        choices = ("row", "control", "release", "estimator", "subset", "verdict")
        rows = [
            {
                "label": effect_label(one),
                **{name: getattr(one, name) for name in choices},
                "models": one.estimate.n,
                "groups": one.groups,
                **ends("", one.estimate),
                "p": one.estimate.p,
                "detectable": one.detectable,
            }
            for one in found.findings.effects
        ]
        numbers = ("value", "low", "high", "p", "detectable")
        frame = pd.DataFrame(rows, columns=["label", *choices, "models", "groups", *numbers])
        return frame.astype(dict.fromkeys(numbers, float)).set_index("label")

    def plot(self, found: Comparison) -> "Figure":
        """The effect against none and the predicted one."""
        from nil_audit.report.comparison.figures import main_plot

        return main_plot(found)
