"""``nil-audit compare PATH ...``: does distance from the interval go with score?"""

from pathlib import Path
from typing import Annotated

import typer

from nil_audit.cli.options import AsJson, Debug, Quiet
from nil_audit.cli.output import Output
from nil_audit.cli.results import command_line, deliver
from nil_audit.errors import UsageError
from nil_audit.files import check_writable


def compare(
    paths: Annotated[
        list[Path] | None,
        typer.Argument(
            metavar="PATH...",
            help="What 'nil-audit MODEL' and 'nil-audit score' wrote or printed, lm-eval results, model lists (.csv),"
            " or folders of these; without any, the list that ships with nil-audit.",
        ),
    ] = None,
    protocol: Annotated[
        str | None, typer.Option(help="Whose scores to compare (default: the protocol with the most models).")
    ] = None,
    out: Annotated[
        Path | None, typer.Option(help="Folder for report.html, report.md, table.csv, comparison.json, plots.")
    ] = None,
    floor: Annotated[
        float | None, typer.Option(help="A score at or below it is at the chance floor (default: by its error).")
    ] = None,
    seed: Annotated[int, typer.Option(min=0, help="Of every random draw.")] = 0,
    permutations: Annotated[int, typer.Option(min=99, help="Of each permutation test.")] = 9999,
    as_json: AsJson = False,
    quiet: Quiet = False,
    debug: Debug = False,
) -> None:
    """Hold the shape of many models against their scores, and say in words what the data show.

    Needs no weights and no GPU. Published MMLU-Pro scores are joined to every model of the Hub that has one; a revision
    (id@step1000) and a local folder have none.

    Examples:

        nil-audit compare

        nil-audit compare model_lists/under_2b.csv --out report/

        nil-audit compare scores/ model_lists/small_dense_llms.csv --out report/

        nil-audit compare audit/ results/ my_models.csv --protocol leaderboard
    """
    if floor is not None and not 0 <= floor < 1:
        raise UsageError(f"--floor is a fraction of 1, not {floor:g}; 12.5% is --floor 0.125.")
    if out is not None:
        check_writable(out)

    from nil_audit.comparison.compare import compare as compare_models

    output = Output(as_json=as_json, quiet=quiet)
    found = compare_models(*(paths or ()), protocol=protocol, floor=floor, seed=seed, permutations=permutations)
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
    deliver(output, "report", page, files, found.to_dict(), out=out)
