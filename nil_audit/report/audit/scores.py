"""The MMLU-Pro score that an audit speaks of: which of a record's, and where it stands."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from nil_audit.auditing.record import Record
from nil_audit.catalog.scores import MMLU_PRO_CHANCE
from nil_audit.catalog.sized_scores import NearSize, scores_near
from nil_audit.report.render.text import percent
from nil_audit.stats.proportion import wilson


@dataclass(frozen=True, kw_only=True)
class Standing:
    """A score against chance and against models of its size.

    Attributes:
        row: The score row of the record.
        chance: Expected accuracy of guessing.
        interval: 95% interval of the accuracy; None where no error is known.
        near: Published scores of base models of its size under its protocol, where there are any.
    """

    row: Mapping[str, Any]
    chance: float
    interval: tuple[float, float] | None
    near: NearSize | None

    @property
    def accuracy(self) -> float:
        """Raw, 0 to 1."""
        return float(self.row["accuracy"])

    @property
    def protocol(self) -> str:
        """How the questions were asked."""
        return str(self.row["protocol"])

    @property
    def measured(self) -> bool:
        """Whether it was measured here, and not published by others."""
        return bool(self.row["origin"] == "measured")

    @property
    def against(self) -> str:
        """Where its interval lies: "above", "at" or "below" chance; empty where no error is known."""
        if self.interval is None:
            return ""
        low, high = self.interval
        return "above" if low > self.chance else "below" if high < self.chance else "at"

    @property
    def text(self) -> str:
        """The accuracy with its standard error, in per cent: "31.4 ± 0.4%"."""
        return accuracy_text(self.row)


def standing(record: Record) -> Standing | None:
    """Where a model's score stands; None where no score of it is known.

    The measured one is taken, else a published one; of several the leaderboard's, and of these a run in bfloat16.
    """
    usable = [row for row in record.scores if row.get("accuracy") is not None]
    if not usable:
        return None
    row = min(
        usable,
        key=lambda one: (
            one["origin"] != "measured",
            one["protocol"] != "leaderboard",
            one.get("precision") != "bfloat16",
        ),
    )
    size = record.shape.parameters
    near = scores_near(float(size.total), row["protocol"], without=(record.name,)) if size else None
    return Standing(row=row, chance=row.get("chance") or MMLU_PRO_CHANCE, interval=_interval(row), near=near)


def accuracy_text(row: Mapping[str, Any]) -> str:
    """A score row's accuracy with its standard error, in per cent."""
    error = row.get("stderr")
    value = percent(row["accuracy"])
    return f"{value[:-1]} ± {100 * error:.1f}%" if error else value


def _interval(row: Mapping[str, Any]) -> tuple[float, float] | None:
    if row.get("low") is not None and row.get("high") is not None:
        return row["low"], row["high"]
    if row.get("stderr"):
        p = row["accuracy"]
        return wilson(p, p * (1 - p) / row["stderr"] ** 2)
    return None
