"""A candidate in a notebook."""

from typing import TYPE_CHECKING, Any

from nil_audit.candidate.result import CandidateReport, Option
from nil_audit.law.pooled import Verdict
from nil_audit.report.candidate.answer import advice_words, advised, answer
from nil_audit.report.candidate.figures import regret_plot
from nil_audit.report.candidate.tables import shapes_table
from nil_audit.report.notebook.shared import ends, short_name, span
from nil_audit.report.render.fragment import render_fragment
from nil_audit.report.verdict import regret_words
from nil_audit.shape.architecture import Shape

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure


class CandidateView:
    """The candidate and its alternatives of the same budget."""

    def line(self, report: CandidateReport) -> str:
        """The expected regret with its interval, and what to do."""
        advice = advice_words(report) or "no alternative"
        return (
            f"<CandidateReport of {short_name(report.shape.name)}, {report.shape.depth} x {report.shape.width}:"
            f" {report.verdict.label}, expected regret {regret_words(report.verdict.regret)}, {advice}>"
        )

    def html(self, report: CandidateReport) -> str:
        """The answer, and the candidate above its alternatives with what each is expected to gain."""
        sentences = answer(report)
        if report.itself is None or not report.options:
            return render_fragment(sentences, None, notes=report.notes)
        gains = [span(option.gain.scaled(100)) for option in report.options]
        table = shapes_table(report, report.itself)
        return render_fragment(sentences, table, spans=[None, *gains], heading="gain, %", notes=report.notes)

    def table(self, report: CandidateReport) -> "pd.DataFrame":
        """A row for the candidate and for each alternative; losses are fractions of 1, times in seconds."""
        import pandas as pd

        itself = report.itself
        if itself is None:
            return pd.DataFrame([_row(report.shape, report.verdict, "candidate")]).set_index("shape")
        rows = [_row(report.shape, report.verdict, "candidate") | _more(itself)]
        for option in report.options:
            role = "advised" if option is advised(report) else "alternative"
            rows.append(_row(option.shape, option.verdict, role) | _more(option))
        return pd.DataFrame(rows).set_index("shape")

    def plot(self, report: CandidateReport) -> "Figure":
        """Expected regret over depth with the candidate, its alternatives and the nearest real models."""
        return regret_plot(report)


def _row(shape: Shape, verdict: Verdict, role: str) -> dict[str, Any]:
    regret = verdict.regret
    return {
        "shape": f"{shape.depth} x {shape.width}",
        "role": role,
        "depth": shape.depth,
        "width": shape.width,
        "heads": shape.heads,
        "kv_heads": shape.kv_heads,
        "mlp_width": shape.mlp_width,
        "parameters": shape.parameters.total if shape.parameters else None,
        "ratio": shape.ratio,
        "verdict": verdict.label,
        "distance": verdict.distance,
        "regret": regret.expected,
        "regret_low": regret.low,
        "regret_high": regret.high,
        "within": regret.within,
    }


def _more(option: Option) -> dict[str, Any]:
    """What is known of a shape whose parameters can be counted."""
    cost, found = option.cost, ends("gain", option.gain)
    for study, change in option.change.items():
        found |= ends(f"change_{study}", change)
    for time in option.serving:
        found |= {f"decode_{time.device}": time.decode_seconds, f"prompt_{time.device}": time.prompt_seconds}
    if option.measured is not None:
        found |= {"decode_measured": option.measured.decode_seconds, "prompt_measured": option.measured.prompt_seconds}
    return found | {
        "better_in_all": option.better_in_all,
        "dominated": option.dominated,
        "kv_bytes_per_token": cost.kv_bytes_per_token,
        "weight_bytes": cost.weight_bytes,
        "training_flops": cost.training_flops,
    }
