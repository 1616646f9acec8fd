"""What one file says of one model: facts, and scores."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from nil_audit.auditing.measured import Setting
from nil_audit.comparison.predictors import METRICS

FACTS = (
    *("family", "organisation", "depth", "width", "parameters", "tokens", "parent_tokens", "release", "lineage"),
    *("domain", "uncertain", "kind"),
)
MEASURED = (*METRICS, "loss_per_token", "loss_per_byte")
"""What a record says that only records of one setting can be compared by."""
SCORE_COLUMNS = ("protocol", "score", "stderr", "chance", "origin", "source", "flag", "kind")
OWN_PROTOCOL = "table"
"""Protocol of scores in a list that does not name one."""

Place = Literal["hub", "local", "either"]
"""Where a model lies: on the Hub, in a folder of this machine, or what its name alone does not tell."""


@dataclass(frozen=True, kw_only=True)
class Said:
    """What one file says of one model.

    Attributes:
        model: Its name there.
        place: Where it lies.
        digest: Of its checkpoint; "" where that is not known.
        created: UTC time of the measurement, ISO 8601; "" where that is not stated.
        source: The file.
        values: What it says, by column.
    """

    model: str
    place: Place
    digest: str = ""
    created: str = ""
    source: str = ""
    values: Mapping[str, Any]


@dataclass(frozen=True, kw_only=True)
class Facts(Said):
    """Whichever of `FACTS` a file gives, what it measured, and every other number of a list, by its column.

    Attributes:
        record: Whether an audit read or measured them.
        setting: What the metrics were measured with, by name; None where none were.
    """

    record: bool = False
    setting: Setting | None = None


@dataclass(frozen=True, kw_only=True)
class Score(Said):
    """One score, in the columns `SCORE_COLUMNS`.

    Attributes:
        questions: How many were asked; 0 where that is not stated.
    """

    questions: int = 0

    @property
    def protocol(self) -> str:
        """How the benchmark was asked."""
        return str(self.values["protocol"])

    @property
    def origin(self) -> str:
        """Whether it was "measured", is from "lm-eval" or a list ("table"), or was "published"."""
        return str(self.values["origin"])
