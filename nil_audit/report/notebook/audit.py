"""One audit, or several, in a notebook."""

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

from nil_audit.auditing.record import Record
from nil_audit.auditing.reference import reference_records
from nil_audit.auditing.several import Audits
from nil_audit.errors import DataError
from nil_audit.interaction.metrics import LOSSES, MEAN_METRICS, TYPICAL_METRICS
from nil_audit.report.audit import tables
from nil_audit.report.audit.asked import asked_sentences
from nil_audit.report.audit.cautions import cautions
from nil_audit.report.audit.frame import audit_frame
from nil_audit.report.audit.page import audit_answer
from nil_audit.report.audit.ranking import Ranking, rank
from nil_audit.report.notebook.shared import ends, numbers_in_ascii, short_name, span
from nil_audit.report.render.fragment import render_fragment
from nil_audit.stats.estimate import Estimate

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure


class RecordView:
    """One model among those that were measured alike."""

    def line(self, record: Record) -> str:
        """Its typical efficiency, else what there is."""
        label = record.verdict["label"]
        for name, words in (("typical_efficiency", "typical efficiency"), ("interaction_efficiency", "efficiency")):
            if found := record.metric(name):
                numbers = f"{words} {numbers_in_ascii(found, signed=False)} nats"
                return f"<Record of {short_name(record.name)}: {numbers}, {label}>"
        return f"<Record of {short_name(record.name)}: R {record.shape.ratio:.4f}, {label}; interaction not measured>"

    def html(self, record: Record) -> str:
        """The answer, with what was measured on request, and the numbers of a typical token."""
        ranking = rank([record], reference_records([record]))
        return render_fragment(_answer(ranking), tables.model_table(ranking.entries[0]))

    def table(self, record: Record) -> "pd.DataFrame":
        """A row a metric, those of a typical token first; then the losses, which have one estimate."""
        import pandas as pd

        if record.interaction is None:
            raise DataError(
                f"The record of {record.name} holds no interaction; measure it with 'nil-audit {record.name}'."
            )
        rows = {
            name: _estimates("", record.metric(name)) | _estimates("plugin_", record.metric(name, "plugin"))
            for name in dict.fromkeys(("typical_efficiency", *TYPICAL_METRICS, *MEAN_METRICS))
        }
        rows |= {name: _estimates("", record.metric(name)) for name in LOSSES}
        frame = pd.DataFrame.from_dict(rows, orient="index", dtype=float)
        return frame.rename_axis("metric")

    def plot(self, record: Record) -> "Figure":
        """Typical efficiency among the models that were measured alike; the plane where there are none."""
        return _plot([record])


class AuditsView:
    """Several models, ranked."""

    def line(self, audits: Audits) -> str:
        """How many, and the most efficient."""
        ranking = rank(audits.records)
        models = f"{len(audits)} model{'s' * (len(audits) != 1)}"
        if not ranking.ranked:
            why = "interaction not measured" if all(one.lack == "unmeasured" for one in ranking.entries) else ""
            return f"<Audits of {models}: {why or 'no typical efficiency is known'}>"
        if ranking.apart and len(ranking.ranked) == 1:
            return f"<Audits of {models}: no two measured alike>"
        first = ranking.ranked[0]
        assert first.efficiency is not None
        numbers = numbers_in_ascii(first.efficiency, signed=False)
        return f"<Audits of {models}: most efficient {short_name(first.name)}, {numbers} nats>"

    def html(self, audits: Audits) -> str:
        """The answer, and the models in their order."""
        ranking = rank(audits.records, reference_records(audits.records))
        answer = _answer(ranking)
        if len(audits) == 1:
            return render_fragment(answer, tables.model_table(ranking.entries[0]), notes=audits.notes)
        spans = [span(entry.efficiency if entry in ranking.ranked else None) for entry in ranking.entries]
        return render_fragment(
            answer, tables.ranking_table(ranking), spans=spans, heading="Efficiency, 95%", notes=audits.notes
        )

    def table(self, audits: Audits) -> "pd.DataFrame":
        """A row a model in the order of the ranking: the difference to the next, and all that audit.csv holds."""
        import pandas as pd

        ranking = rank(audits.records)
        frame = audit_frame([entry.record for entry in ranking.entries]).infer_objects()
        frame["model"] = [entry.name for entry in ranking.entries]
        gaps = [ranking.next_below(entry) if entry in ranking.ranked else None for entry in ranking.entries]
        first = pd.DataFrame(
            [
                {
                    **ends("efficiency", entry.efficiency),
                    **ends("minus_next", gap.estimate if gap else None),
                    "paired": gap.paired if gap else None,
                }
                for entry, gap in zip(ranking.entries, gaps, strict=True)
            ]
        )
        return pd.concat([frame[["model"]], first, frame.drop(columns="model")], axis=1).set_index("model")

    def plot(self, audits: Audits) -> "Figure":
        """Typical efficiency with its intervals; the plane where it is known of one model or none."""
        return _plot(audits.records)


def _answer(ranking: Ranking) -> tuple[str, ...]:
    """The sentences that the page begins with."""
    return (*audit_answer(ranking), *cautions(ranking.entries), *asked_sentences(ranking.entries))


def _plot(records: Sequence[Record]) -> "Figure":
    from nil_audit.report.audit.figures import plane_plot, strip_plot

    ranking = rank(records, reference_records(records))
    return strip_plot(ranking) if len(ranking.among) > 1 else plane_plot(ranking)


def _estimates(prefix: str, estimate: Estimate | None) -> dict[str, float]:
    """Value, standard error and interval as columns; NaN where there is none."""
    se = math.nan if estimate is None or estimate.se is None else estimate.se
    value, low, high = ends("", estimate).values()
    return dict(
        zip((f"{prefix}{name}" for name in ("value", "se", "low", "high")), (value, se, low, high), strict=True)
    )
