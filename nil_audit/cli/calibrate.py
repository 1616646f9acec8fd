"""``nil-audit calibrate SWEEP.csv``: from a sweep of shapes to an interval that others take."""

import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, cast

import typer

from nil_audit.cli.options import RESULTS, AsJson, Debug, Quiet, check_share, flag, refuse_together, value
from nil_audit.cli.output import Output
from nil_audit.cli.results import command_line, deliver
from nil_audit.errors import UsageError
from nil_audit.files import check_writable, json_text, plain
from nil_audit.law.pooled import NAME as POOL
from nil_audit.law.pooled import pool
from nil_audit.law.studies import studies

if TYPE_CHECKING:
    from nil_audit.calibration.result import Calibration

COLUMNS, FIT = "Columns, where the usual names do not say them", "How it is fitted"


def _matches() -> list[str]:
    return ["body", "total", "flops"]


def _forms() -> list[str]:
    return ["quadratic", "depth-width"]


def calibrate(
    context: typer.Context,
    sweep: Annotated[Path, typer.Argument(metavar="SWEEP.csv", help="One row a run: depth, width, loss, parameters.")],
    depth: Annotated[str | None, value("COLUMN", COLUMNS, "Decoder blocks.")] = None,
    width: Annotated[str | None, value("COLUMN", COLUMNS, "Channels of the residual stream.")] = None,
    loss: Annotated[str | None, value("COLUMN", COLUMNS, "Loss, in nats or bits a token or a byte.")] = None,
    parameters: Annotated[str | None, value("COLUMN", COLUMNS, "All parameters.")] = None,
    body: Annotated[str | None, value("COLUMN", COLUMNS, "Parameters without vocabulary matrices.")] = None,
    tokens: Annotated[str | None, value("COLUMN", COLUMNS, "Training tokens seen.")] = None,
    budget: Annotated[str | None, value("COLUMN[,COLUMN]", COLUMNS, "What names the runs of one budget.")] = None,
    rate: Annotated[str | None, value("COLUMN", COLUMNS, "Learning rate.")] = None,
    where: Annotated[
        list[str] | None,
        value("EXPR", FIT, "Use the runs of this condition, as 'tokens < 1e11'; may be given again."),
    ] = None,
    within: Annotated[str, value("SHARE", FIT, "How far above the best loss the interval goes.")] = "1%",
    match: Annotated[
        str, value("WHAT", FIT, "What is held equal: body, total or flops.", autocompletion=_matches)
    ] = "body",
    form: Annotated[
        str, value("FORM", FIT, "quadratic, or depth-width (arXiv 2602.05970).", autocompletion=_forms)
    ] = "quadratic",
    length: Annotated[int, value("N", FIT, "Window length that FLOPs are counted at.", "--context", min=1)] = 2048,
    vocab: Annotated[
        int | None,
        value("N", FIT, "Rows of the vocabulary, for FLOPs (default: from parameters outside the body).", min=1),
    ] = None,
    seed: Annotated[int, value("N", FIT, "Of every random draw.", min=0)] = 0,
    name: Annotated[str | None, value("NAME", RESULTS, "What the study is called (default: as the file).")] = None,
    add: Annotated[bool, flag("--add", RESULTS, "Add it to the four studies' pool: pooled.json in --out.")] = False,
    out: Annotated[
        Path | None, value("DIR", RESULTS, "Folder for NAME.json (the interval), calibration.html, calibration.md.")
    ] = None,
    details: Annotated[bool, flag("--details", RESULTS, "Every budget, every choice made otherwise.")] = False,
    as_json: AsJson = False,
    quiet: Quiet = False,
    debug: Debug = False,
) -> None:
    """Derive the efficient interval from a sweep of shapes: which depth-width ratios lose at most 1%, and how sure.

    The sweep has runs of several depths and widths at one or more budgets, in any order. The audit, candidate and
    compare take what --out holds as NAME.json as --interval.

    Examples:

        nil-audit calibrate sweep.csv --out calibration/

        nil-audit calibrate runs.csv --loss val_loss --budget size,tokens_per_parameter --within 0.5%

        nil-audit calibrate gemstones.csv --where "run == 'main'" --where "tokens < 1e11" --match flops

        nil-audit candidate config.json --interval calibration/sweep.json
    """
    refuse_together(context, "--details", "--json", "--quiet", because="shows more")
    if add and out is None:
        raise UsageError("--add writes pooled.json to the folder of --out; name it.")
    tolerance = check_share(within, "--within")
    if out is not None:
        check_writable(out)

    from nil_audit.calibration.calibrate import calibrate as calibrate_sweep
    from nil_audit.calibration.calibrate import name_of

    called = name_of(name, sweep.name)
    if called in (taken := {POOL, *(study.name for study in studies())}) and name is None:
        called += "-sweep"
    if called in taken:
        raise UsageError(f"{called!r} is the name of a study that ships with nil-audit; give another --name.")
    output = Output(as_json=as_json, quiet=quiet)
    columns = {
        "depth": depth,
        "width": width,
        "loss": loss,
        "parameters": parameters,
        "body": body,
        "tokens": tokens,
        "budget": budget,
        "rate": rate,
    }
    found = calibrate_sweep(
        sweep,
        name=called,
        within=tolerance,
        match=cast(Any, match),
        form=form,
        where=tuple(where or ()),
        columns={role: column for role, column in columns.items() if column is not None},
        context=length,
        vocabulary=vocab,
        seed=seed,
    )
    for sentence in found.notes:
        output.note(sentence)
    page, files = None, {}
    if out is not None or not as_json:
        from nil_audit.report.calibration.page import calibration_files, calibration_page, interval_file

        page = calibration_page(found, command=command_line(), draw=out is not None)
        files = calibration_files(found, command_line())
    if add:
        files = {**files, **_added(found, seed, output)}
    then = ""
    if out is not None and not found.edge:
        files_made = [out / interval_file(found), *([out / f"{POOL}.json"] if add else [])]
        either = " or ".join(shlex.quote(str(one)) for one in files_made)
        then = f"The audit, candidate and compare take --interval {either}."
    deliver(output, "calibration", page, files, plain(found), out=out, details=details, then=then)


def _added(found: "Calibration", seed: int, output: Output) -> dict[str, Any]:
    """The file of the pool with this sweep added; how its answer moves is said."""
    from nil_audit.calibration.pool_file import with_sweep

    document, made = with_sweep(found.study.name, found.evidence_runs(), seed=seed)
    size = found.study.parameters_range[1]
    before, after = pool().interval(size), made.interval(size)
    output.note(
        f"At {size:.2g} parameters this sweep moves the pooled best ratio from {before.optimum:.3g} to"
        f" {after.optimum:.3g}, and the ratios that are within 1% with probability 0.8 from"
        f" [{before.low:.2g}, {before.high:.2g}] to [{after.low:.2g}, {after.high:.2g}]."
    )
    return {f"{POOL}.json": json_text(document)}
