"""``nil-audit compare PATH ...``: does shape move scores, or losses, as a study says?"""

from pathlib import Path
from typing import Annotated

import typer

from nil_audit.cli.options import RESULTS, AsJson, Debug, Quiet, flag, intervals, refuse_together, refuse_without, value
from nil_audit.cli.output import Output
from nil_audit.cli.results import command_line, deliver
from nil_audit.errors import UsageError
from nil_audit.files import check_writable

COMPARED, ANALYSIS = "What is compared", "How it is compared"
_PATHS = (
    "What 'nil-audit MODEL' and 'nil-audit score MODEL' wrote or printed, lm-eval results, model lists (.csv), or"
    " folders of these; without any, the list that ships with nil-audit."
)
_OUTCOME = (
    "Column of a model list, or loss_per_token or loss_per_byte of records, in the place of MMLU-Pro: a score from 0 to"
    " 1 (or all from 0 to 100), or with --lower-is-better a loss (of a perplexity give the logarithm)."
)
_INTERVAL = (
    "Study whose predicted cost is tested: law, morph, chinchilla, gemstones, pooled (all of them), or a file that"
    " 'nil-audit calibrate' wrote."
)
_FLOOR = "A score at or below it is at the chance floor (default: of MMLU-Pro by its error, of an --outcome none)."


def compare(
    context: typer.Context,
    paths: Annotated[list[Path] | None, typer.Argument(metavar="PATH...", help=_PATHS)] = None,
    protocol: Annotated[
        str | None,
        value("NAME", COMPARED, "Whose scores to compare (default: the protocol with the most models)."),
    ] = None,
    outcome: Annotated[str | None, value("COLUMN", COMPARED, _OUTCOME)] = None,
    lower_is_better: Annotated[bool, flag("--lower-is-better", COMPARED, "The --outcome is a loss.")] = False,
    floor: Annotated[float | None, value("SCORE", COMPARED, _FLOOR)] = None,
    size: Annotated[
        str,
        value("COLUMN", ANALYSIS, "Size to hold fixed: parameters, body_parameters, or any column of a model list."),
    ] = "parameters",
    interval: Annotated[str, value("STUDY", ANALYSIS, _INTERVAL, autocompletion=intervals)] = "law",
    quick: Annotated[
        bool, flag("--quick", ANALYSIS, "Without the specification curve, and without what the answer hangs on.")
    ] = False,
    permutations: Annotated[int, value("N", ANALYSIS, "Of the specification curve's test.", min=99)] = 199,
    seed: Annotated[int, value("N", ANALYSIS, "Of every random draw.", min=0)] = 0,
    out: Annotated[
        Path | None, value("DIR", RESULTS, "Folder for report.html, report.md, table.csv, study.json, plots.")
    ] = None,
    details: Annotated[bool, flag("--details", RESULTS, "Every table, not the answer's alone.")] = False,
    as_json: AsJson = False,
    quiet: Quiet = False,
    debug: Debug = False,
) -> None:
    """Hold the shape of many models against their scores or losses, and say in words what the data show.

    Needs no weights and no GPU. Published MMLU-Pro scores are joined to every model of the Hub that has one; a revision
    (id@step1000) and a local folder have none. With --outcome nothing is joined. Models of one recipe, which are all of
    one family, are resampled one by one.

    Examples:

        nil-audit compare

        nil-audit compare model_lists/under_2b.csv scores/ --out report/

        nil-audit compare audit/ --outcome loss_per_byte --lower-is-better --size body_parameters --out report/

        nil-audit compare model_lists/gemstones.csv --outcome accuracy --size body_parameters --interval gemstones
    """
    _check(context, outcome, lower_is_better, floor)
    if out is not None:
        check_writable(out)

    from nil_audit.comparison.compare import compare as compare_models

    output = Output(as_json=as_json, quiet=quiet)
    found = compare_models(
        *(paths or ()),
        progress=output.progress,
        protocol=protocol,
        outcome=outcome,
        lower_is_better=lower_is_better,
        floor=floor,
        size=size,
        interval=interval,
        quick=quick,
        permutations=permutations,
        seed=seed,
    )
    for sentence in found.notes:
        output.note(sentence)
    for missing in found.unavailable:
        output.note(f"Not said: {missing.what}. {missing.reason}")
    if found.excluded:
        count, first = len(found.excluded), found.excluded[0]
        left_out = "1 model is" if count == 1 else f"{count} models are"
        output.note(f"{left_out} left out; {first.what}: {first.reason}")
    page, files = None, {}
    if out is not None or not as_json:
        from nil_audit.report.comparison.page import comparison_files, comparison_page

        page = comparison_page(found, command=command_line(), draw=out is not None)
        files = comparison_files(found, command_line())
    deliver(output, "report", page, files, found.to_dict(), out=out, details=details)


def _check(context: typer.Context, outcome: str | None, lower_is_better: bool, floor: float | None) -> None:
    """Refuse options that mean nothing together, before anything is read."""
    refuse_without(context, "--outcome", "--lower-is-better")
    refuse_together(context, "--outcome", "--protocol", because="takes the place of MMLU-Pro's scores")
    refuse_together(context, "--quick", "--permutations", because="leaves the specification curve out")
    refuse_together(context, "--details", "--json", "--quiet", because="shows more")
    if lower_is_better and floor is not None:
        raise UsageError("A loss has no chance floor, so --floor cannot go with --lower-is-better; leave one out.")
    if floor is not None and outcome is None and not 0 <= floor < 1:
        raise UsageError(f"--floor is a fraction of 1, not {floor:g}; 12.5% is --floor 0.125.")
