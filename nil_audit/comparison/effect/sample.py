"""The models that an estimate is made of, as arrays."""

from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from nil_audit.comparison.effect.size import flexible_columns, size_columns
from nil_audit.comparison.outcome import Outcome
from nil_audit.stats.estimate import Array
from nil_audit.stats.least_squares import Codes

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True, kw_only=True)
class Sample:
    """Models of known size and response, n of them in G groups that are left out whole.

    Attributes:
        table: One row a model, columns as in `nil_audit.comparison.table`.
        outcome: What the response is.
        size: ln size, shape (n,).
        response: Higher is better, in the unit of the outcome, shape (n,).
        group: Which group each model belongs to, shape (n,).
        names: Of the groups, G.
    """

    table: "pd.DataFrame"
    outcome: Outcome
    size: Array
    response: Array
    group: Codes
    names: tuple[str, ...]

    @property
    def models(self) -> int:
        """Number of models, n."""
        return len(self.size)

    @property
    def groups(self) -> int:
        """Number of groups, G."""
        return len(self.names)

    @cached_property
    def organisation(self) -> Codes:
        """Which organisation trained each model, shape (n,)."""
        return coded(self.table["organisation"])[0]

    @cached_property
    def family(self) -> Codes:
        """Which family each model is of, shape (n,)."""
        return coded(self.table["family"])[0]

    def excess(self, study: str) -> Array:
        """Relative excess loss that a study predicts for each shape, shape (n,)."""
        return self.table[f"excess_{study}"].to_numpy(dtype=float)

    def size_columns(self, control: str) -> Array:
        """The columns of a size control, see `nil_audit.comparison.effect.size.size_columns`, shape (n, p)."""
        return size_columns(self.size, control, flexible=self._flexible if control == "flexible" else 0)

    @cached_property
    def _flexible(self) -> int:
        return flexible_columns(self.size, self.response)

    def part(self, keep: NDArray[np.bool_]) -> "Sample":
        """Some of the models, shape (n,) of booleans, with the groups that are left."""
        group, names = coded(self.table["group"][keep])
        return Sample(
            table=self.table[keep],
            outcome=self.outcome,
            size=self.size[keep],
            response=self.response[keep],
            group=group,
            names=names,
        )

    def grouped_by(self, column: str) -> "Sample":
        """The same models, left out by another column of the table ("organisation")."""
        group, names = coded(self.table[column])
        return replace(self, table=self.table.assign(group=self.table[column]), group=group, names=names)


def coded(labels: "pd.Series[str]") -> tuple[Codes, tuple[str, ...]]:
    """Numbers of labels, in the order of the labels, shape (n,), and the labels."""
    names, codes = np.unique(labels.to_numpy(dtype=str), return_inverse=True)
    return codes.astype(np.int64), tuple(map(str, names))


def sample(table: "pd.DataFrame", outcome: Outcome) -> Sample:
    """The models of a comparison's table whose size is known, in its order.

    Args:
        table: Rows that are to count (flagged ones left out, unless they are to count too).
        outcome: What is held against shape.
    """
    sized = table[table["size"].notna()]
    group, names = coded(sized["group"])
    return Sample(
        table=sized,
        outcome=outcome,
        size=np.log(sized["size"].to_numpy(dtype=float)),
        response=sized["response"].to_numpy(dtype=float),
        group=group,
        names=names,
    )
