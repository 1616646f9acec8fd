"""The answer to a candidate in at most three sentences: what to do, what is gained by it, what serving takes."""

from nil_audit.budget.inference import ServingTime
from nil_audit.candidate.result import CandidateReport, Option
from nil_audit.report.render.text import count, display_name, interval_text, listing, with_minus_signs
from nil_audit.report.verdict import pool_reach_words, verdict_words
from nil_audit.stats.estimate import Estimate

PUBLIC_MODELS = "On 113 public models the law's effect cannot be told from none: 0.54 [-0.60, 1.68] of what it predicts"
"""What the study of public models (reports/small_dense_llms/study.json) found of the law."""


def answer(report: CandidateReport) -> tuple[str, ...]:
    """What to do about a candidate, what is expected of it and how far that is extrapolated, and what serving takes."""
    reach = "; " + pool_reach_words(report.extrapolation, "the candidate's") if report.best else ""
    sentences = [f"{_what_to_do(report)}, which is {verdict_words(report.verdict)}.", f"{_why(report)}{reach}."]
    if report.itself is not None:
        sentences.append(f"{_serving(report, report.itself)}.")
    return tuple(map(with_minus_signs, sentences))


def study_words() -> str:
    """What the study of public models found of the law, and where it is told."""
    return with_minus_signs(f"{PUBLIC_MODELS}; docs/study.md.")


def advised(report: CandidateReport) -> Option | None:
    """The alternative to consider or to change to; None where there is none, or the candidate is to be kept."""
    return report.best if report.recommendation.action in ("consider", "change") else None


def advice_words(report: CandidateReport) -> str:
    """What to do in a word or two: "keep", "consider 24 x 640", "change to 24 x 640", "cannot tell"; "" for none."""
    action, best = report.recommendation.action, report.best
    words = {"keep": "keep", "cannot_tell": "cannot tell", "none": ""}
    if best is None or action in words:
        return words.get(action, "")
    return f"{'consider' if action == 'consider' else 'change to'} {option_name(best)}"


def option_name(option: Option) -> str:
    """Depth x width."""
    return f"{option.shape.depth} x {option.shape.width}"


def gain_words(gain: Estimate) -> str:
    """A gain in per cent of loss with its interval: "0.20% [−0.12, 0.64]"."""
    value, *ends = interval_text(gain.scaled(100)).partition(" ")
    return f"{value}%{''.join(ends)}"


def opposite(gain: Estimate) -> Estimate:
    """A gain as a change in loss: value and interval with the other sign."""
    low, high = (None if end is None else -end for end in (gain.high, gain.low))
    return Estimate(value=-gain.value, low=low, high=high)


def milliseconds(seconds: float) -> str:
    """A time in milliseconds to three figures: "0.612", "14.3"."""
    time = 1000 * seconds
    return f"{time:.{0 if time >= 100 else 1 if time >= 10 else 2 if time >= 1 else 3}f}"


def _what_to_do(report: CandidateReport) -> str:
    shape, best = report.shape, report.best
    name, here = display_name(shape.name, parts=2), f"{shape.depth} x {shape.width}"
    named = name if here in name else f"{name} ({here})"
    action = report.recommendation.action
    if best is not None and action == "change":
        return f"Change to {option_name(best)} from {named}"
    if best is not None and action == "consider":
        return f"Consider {option_name(best)} instead of {named}"
    if action == "cannot_tell":
        return f"Cannot tell whether another shape is better than {named}"
    return f"Keep {named}" if action == "keep" else f"No advice on {named}"


def _why(report: CandidateReport) -> str:
    """What the best alternative is expected to gain, and why that is enough or not."""
    found, best = report.recommendation, report.best
    if found.reason == "uncounted":
        return "No alternatives: the parameters of this type cannot be counted"
    if best is None or found.gain is None:
        return (
            "No alternative: no shape of this architecture with three blocks or more and a width that hardware likes"
            f" comes within {report.tolerance:.1%} of this budget (a wider --tolerance may find some)"
        )
    name, lower = option_name(best), f"is expected to lower the loss by {gain_words(found.gain)}"
    untold = f"{name} {lower}, which cannot be told from none"
    match found.reason:
        case "better":
            noise = "" if found.action == "change" else f" but not the {found.noise:.2%} that two runs differ by"
            return f"{name} {lower}, which excludes zero{noise}"
        case "agreed":
            return f"{untold}, though all {len(best.change)} studies predict less loss"
        case "studies_differ":
            more = [study for study, change in best.change.items() if change.value >= 0]
            verb = "predicts" if len(more) == 1 else "predict"
            return f"{untold}, and {listing(more)} {verb} more loss, so keep yours"
        case "below_noise":
            return f"The best other shape, {name}, {lower}, less than the {found.noise:.2%} that two runs differ by"
        case _:
            raised = gain_words(opposite(found.gain))
            return f"The best other shape, {name}, is expected to raise the loss by {raised}"


def _serving(report: CandidateReport, itself: Option) -> str:
    """What decoding takes: of the candidate alone where it is to be kept, else of the best alternative beside it."""
    best = report.best if report.recommendation.action in ("consider", "change", "cannot_tell") else None
    if best is None:
        times = [f"{milliseconds(one.decode_seconds)} ms ({_where(one)})" for one in _times(itself)]
        blocks = f"{itself.cost.sequential_blocks} blocks in sequence"
        cache = f"{bytes_text(itself.cost.kv_bytes_per_token)} of key-value cache a token"
        return f"Yours decodes a token in {listing(times)}, through {blocks}, with {cache}"
    times = [
        f"{milliseconds(new.decode_seconds)} ms against {milliseconds(old.decode_seconds)} of yours ({_where(new)})"
        for new, old in zip(_times(best), _times(itself), strict=True)
    ]
    blocks = f"{best.cost.sequential_blocks} blocks in sequence against {itself.cost.sequential_blocks}"
    more = round(100 * (best.cost.kv_bytes_per_token / itself.cost.kv_bytes_per_token - 1))
    cache = f"{abs(more)}% {'more' if more > 0 else 'less'} key-value cache" if more else "as much key-value cache"
    return f"{option_name(best)} decodes a token in {listing(times)}, through {blocks}, with {cache}"


def _times(option: Option) -> list[ServingTime]:
    """The time predicted for the first accelerator, and the one measured."""
    return [*option.serving[:1], *([option.measured] if option.measured else [])]


def _where(time: ServingTime) -> str:
    return f"predicted for {time.device}" if time.decode_bound else f"measured on {time.device}"


def bytes_text(number: float) -> str:
    """Bytes in the decimal units that memory is sold in: "24.6 kB", "988 MB", "18.5 GB"."""
    text = count(number)
    return f"{text[:-1]} {'G' if text.endswith('B') else text[-1]}B" if text[-1].isalpha() else f"{text} B"
