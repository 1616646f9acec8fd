"""Results that show themselves in a notebook, and know nothing of what draws them.

A result is made on a floor below the one that words, tabulates and draws it. So a class says only that it can be shown
(`Displayed`), and the top of the house, ``nil_audit/__init__.py``, says where the views are (`show_with`): that runs
before any module of the package does, and imports none of the views before one is asked for.
"""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure


class View(Protocol):
    """How one class of results is shown; each method takes the result."""

    def line(self, result: Any, /) -> str:
        """The result on one line: what it is of, and the number that it is asked for, with its interval."""

    def html(self, result: Any, /) -> str:
        """A fragment of HTML that loads nothing and runs nothing."""

    def table(self, result: Any, /) -> "pd.DataFrame":
        """Its main numbers."""

    def plot(self, result: Any, /) -> "Figure":
        """Its main picture."""


_view: Callable[[object], View]


def show_with(view: Callable[[object], View]) -> None:
    """Say where the views are.

    Args:
        view: Gives the view of a result.
    """
    global _view
    _view = view


class Displayed:
    """A result that has a line for ``repr``, an HTML fragment for notebooks, a table and a plot.

    A dataclass that is one has to be declared with ``repr=False``, or its fields would be printed.
    """

    def __repr__(self) -> str:
        """One line: what it is of, and the number that it is asked for, with its interval."""
        return _view(self).line(self)

    def _repr_html_(self) -> str:
        """What a notebook shows: the answer and the main table, in HTML that loads nothing and runs nothing."""
        return _view(self).html(self)

    def table(self) -> "pd.DataFrame":
        """The main numbers as a pandas frame, an index and columns of plain values, missing ones NaN.

        Of a record: a row a metric; columns value, se, low and high (unbiased), and the same of the plug-in estimate
        (``plugin_value``, ...). Of several records: a row a model, ranked, with the difference to the next. Of a
        comparison: a row a predictor, what was held against score, raw and with size held fixed. Of a candidate: a row
        for itself and for each alternative of the same budget. Of a calibration: a row a fit, of all runs, of each
        budget alone, and with one choice made otherwise.

        Raises:
            DataError: There is nothing to tabulate.
        """
        return _view(self).table(self)

    def plot(self) -> "Figure":
        """The main picture as a matplotlib figure, to be shown by a notebook or saved with ``savefig``.

        Of one record or several: typical efficiency with its interval, among models that were measured alike; of one
        alone the depth-width plane. Of a comparison: score with size held fixed against distance from the law's
        optimum. Of a candidate: the depth-width plane with its alternatives and the nearest real models.
        Of a calibration: loss over the ratio with the fitted valley.

        Raises:
            DataError: There is nothing to draw.
        """
        return _view(self).plot(self)
