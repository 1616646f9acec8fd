"""``nil-audit candidate CONFIG``: check an architecture before it is trained."""

import gc
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from nil_audit.cli.options import AsJson, Debug, Quiet
from nil_audit.cli.output import Output
from nil_audit.cli.results import command_line, write_out
from nil_audit.errors import EXIT_SOME_FAILED, UsageError
from nil_audit.files import check_writable, json_text, write_atomically

if TYPE_CHECKING:
    from nil_audit.candidate.check import CandidateReport

_SHAPE = "Shape from flags"


def candidate(
    config: Annotated[
        str | None, typer.Argument(metavar="[CONFIG]", help="A config.json, a folder, a Hub id or id@revision.")
    ] = None,
    model_type: Annotated[
        str | None, typer.Option("--type", help="Model type, as llama.", rich_help_panel=_SHAPE)
    ] = None,
    depth: Annotated[int | None, typer.Option(help="Decoder blocks.", rich_help_panel=_SHAPE)] = None,
    width: Annotated[int | None, typer.Option(help="Channels of the residual stream.", rich_help_panel=_SHAPE)] = None,
    heads: Annotated[int | None, typer.Option(help="Query heads a block.", rich_help_panel=_SHAPE)] = None,
    kv_heads: Annotated[
        int | None, typer.Option(help="Key-value heads (default: as many as heads).", rich_help_panel=_SHAPE)
    ] = None,
    head_size: Annotated[
        int | None, typer.Option(help="Channels a head (default: width / heads).", rich_help_panel=_SHAPE)
    ] = None,
    mlp: Annotated[int | None, typer.Option(help="Hidden width of the MLP.", rich_help_panel=_SHAPE)] = None,
    vocab: Annotated[int | None, typer.Option(help="Rows of the embedding.", rich_help_panel=_SHAPE)] = None,
    tied: Annotated[
        bool, typer.Option("--tied", help="One matrix for input and output embedding.", rich_help_panel=_SHAPE)
    ] = False,
    tokens: Annotated[
        float | None, typer.Option(help="Training tokens, as 3e11 (default: 20 for each parameter).")
    ] = None,
    context: Annotated[
        int | None, typer.Option(help="Window length that FLOPs are counted at (default: 4096 or the model's own).")
    ] = None,
    match: Annotated[str, typer.Option(help="What alternatives hold equal: body, total or flops.")] = "body",
    tolerance: Annotated[float, typer.Option(help="How far their budget may differ, as a share.")] = 0.02,
    write: Annotated[
        Path | None, typer.Option(help="Folder for the config.json of the best alternative, ready to load.")
    ] = None,
    fail_outside: Annotated[
        bool, typer.Option("--fail-outside", help="Exit code 1 where the verdict is outside, for use in CI.")
    ] = False,
    out: Annotated[
        Path | None, typer.Option(help="Folder for candidate.md, candidate.html and candidate.json.")
    ] = None,
    as_json: AsJson = False,
    quiet: Quiet = False,
    debug: Debug = False,
) -> None:
    """Check an architecture before pretraining: verdict, cost, alternatives of its budget. No weights are needed.

    Examples:

        nil-audit candidate config.json

        nil-audit candidate --type llama --depth 24 --width 1024 --heads 16 --kv-heads 4 --mlp 2816 --vocab 32000 --tied

        nil-audit candidate Qwen/Qwen2.5-0.5B --match total --write best/

        nil-audit candidate config.json --fail-outside --quiet
    """
    output = Output(as_json=as_json, quiet=quiet)
    flags = {
        "type": model_type,
        "depth": depth,
        "width": width,
        "heads": heads,
        "kv-heads": kv_heads,
        "head-size": head_size,
        "mlp": mlp,
        "vocab": vocab,
        "tied": tied or None,
    }
    _check_source(config, flags)
    if write is not None and config is not None and _is_source(write / "config.json", Path(config)):
        raise UsageError(f"--write {write} would replace the candidate's own config.json; name another folder.")
    for folder in filter(None, (write, out)):
        check_writable(folder)
    # looking for garbage among imported modules, now and at the end, would take a third of the time
    gc.disable()
    try:
        from nil_audit.candidate.check import check_candidate

        raw, name, notes = (config, None, ()) if config is not None else _from_flags(flags)
        report = check_candidate(
            raw,
            name=name,
            tokens=tokens,
            match=match,  # type: ignore[arg-type]
            tolerance=tolerance,
            context=context,
            notes=notes,
        )
    finally:
        gc.freeze()
        gc.enable()
    _show(report, output, out)
    if write is not None:
        output.note(_write(report, write))
    if fail_outside and report.verdict.label == "outside":
        output.note("The verdict is outside, and --fail-outside asks for exit code 1.")
        raise typer.Exit(EXIT_SOME_FAILED)


def _check_source(config: str | None, flags: dict[str, Any]) -> None:
    given = [name for name, value in flags.items() if value is not None]
    if config is not None and given:
        raise UsageError(f"Give either a config or a shape from flags (--{given[0]}), not both.")
    if config is None and not given:
        raise UsageError(
            "Name a config.json, a folder or a Hub id, or give --type, --depth, --width, --heads, --vocab."
        )
    if config is None and (
        missing := [key for key in ("type", "depth", "width", "heads", "vocab") if flags[key] is None]
    ):
        raise UsageError(f"A shape from flags also needs {', '.join('--' + key for key in missing)}; add them.")


def _is_source(target: Path, source: Path) -> bool:
    """Whether a file is the config that is being checked."""
    return target.exists() and any(one.exists() and one.samefile(target) for one in (source, source / "config.json"))


def _from_flags(flags: dict[str, Any]) -> tuple[dict[str, Any], str, tuple[str, ...]]:
    """The raw config, its name, and what has to be said about it."""
    from nil_audit.budget.template import config_from_flags

    raw = config_from_flags(
        flags["type"],
        depth=flags["depth"],
        width=flags["width"],
        heads=flags["heads"],
        vocab_size=flags["vocab"],
        kv_heads=flags["kv-heads"],
        head_size=flags["head-size"],
        mlp_width=flags["mlp"],
        tied=bool(flags["tied"]),
    )
    name = f"{flags['type']} {flags['depth']} x {flags['width']}"
    return raw, name, (f"Everything that the flags do not say has {flags['type']}'s defaults in transformers.",)


def _show(report: "CandidateReport", output: Output, out: Path | None) -> None:
    """Print the report, and write it where a folder is given."""
    if out is not None or not output.as_json:
        from nil_audit.report.candidate import candidate_files, candidate_page

        page = candidate_page(report, command=command_line(), draw=out is not None)
        output.show(page)
        if out is not None:
            write_out(output, out, "candidate", page, candidate_files(report, command_line()))
    output.document(report.to_dict())


def _write(report: "CandidateReport", folder: Path) -> str:
    """Write the best alternative's config; returns what was written, in a sentence."""
    from nil_audit.shape.architecture import shape_from_config

    if report.recommendation.best is None:
        raise UsageError("There is no alternative of this budget to write; raise --tolerance, or leave --write out.")
    best = report.options[report.recommendation.best]
    # every block is built here, so that what is written is known to load and to have these parameters
    built = shape_from_config(best.config, name=str(folder))
    assert built.parameters is not None and built.parameters == best.shape.parameters
    path = write_atomically(folder / "config.json", json_text(best.config))
    kept = "" if report.recommended is best else " (the best of the alternatives; the recommendation is to keep yours)"
    return f"Written: {path}, {built.depth} x {built.width}, {built.parameters.total:,} parameters{kept}."
