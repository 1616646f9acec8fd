"""``nil-audit candidate CONFIG``: check an architecture before it is trained."""

import gc
import json
import sys
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from nil_audit.cli.audit import check_writable
from nil_audit.cli.options import AsJson, Debug, Quiet
from nil_audit.cli.output import Output
from nil_audit.errors import EXIT_SOME_FAILED, UsageError

if TYPE_CHECKING:
    from nil_audit.candidate.check import CandidateReport

_SHAPE = "Shape from flags"
_INIT = "Interaction at initialisation"


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
    init: Annotated[
        bool, typer.Option("--init", help="Also measure interaction at random initialisation.", rich_help_panel=_INIT)
    ] = False,
    probe: Annotated[str, typer.Option(help="Text: builtin, wikitext or a FILE.", rich_help_panel=_INIT)] = "builtin",
    init_seeds: Annotated[int, typer.Option(help="Initialisations of each shape.", rich_help_panel=_INIT)] = 3,
    init_tokens: Annotated[int, typer.Option(help="Gradient tokens a seed.", rich_help_panel=_INIT)] = 2048,
    init_window: Annotated[
        int | None, typer.Option(help="Tokens a window (default: 128 or the model's own).", rich_help_panel=_INIT)
    ] = None,
    init_alternatives: Annotated[
        int, typer.Option(min=0, help="Alternatives to measure beside it.", rich_help_panel=_INIT)
    ] = 2,
    device: Annotated[str, typer.Option(help="auto, cpu, cuda, mps.", rich_help_panel=_INIT)] = "auto",
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
        raw, name, notes = _source(config, flags)
        from nil_audit.candidate.check import check_candidate

        report = check_candidate(raw, name=name, tokens=tokens, match=match, tolerance=tolerance, context=context)  # type: ignore[arg-type]
    finally:
        gc.freeze()
        gc.enable()
    report = replace(report, notes=(*report.notes, *notes))
    if init:
        report = _with_initialisation(
            report, raw, output, probe, init_seeds, init_tokens, init_window, init_alternatives, device
        )
    _show(report, output)
    if write is not None:
        output.note(_write(report, write))
    if out is not None:
        from nil_audit.report.candidate_document import write_candidate

        command = " ".join(["nil-audit", *sys.argv[1:]])
        paths = write_candidate(report, out, command=command)
        output.note(f"Written: {', '.join(str(path) for path in paths)}.")
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


def _source(config: str | None, flags: dict[str, Any]) -> tuple[dict[str, Any], str, tuple[str, ...]]:
    """The raw config, its name, and what has to be said about it."""
    if config is not None:
        from nil_audit.source import locate

        found = locate(config)
        commit = f" at commit {found.revision}" if found.revision else ""
        return found.config, found.name, (f"Config of {found.name}{commit}.",) if commit else ()
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


def _show(report: "CandidateReport", output: Output) -> None:
    from nil_audit.report.candidate_table import candidate_view

    output.show(candidate_view(report))
    output.document(report.to_dict())


def _with_initialisation(
    report: "CandidateReport",
    raw: dict[str, Any],
    output: Output,
    probe: str,
    seeds: int,
    tokens: int,
    window: int | None,
    alternatives: int,
    device: str,
) -> "CandidateReport":
    from nil_audit.candidate.initialisation import initialise, work

    if report.shape.parameters is None:
        raise UsageError("--init needs a type that transformers can build; leave it out for this one.")
    total = work(report, seeds=seeds, tokens=tokens, window=window, alternatives=alternatives)
    with output.progress("Interaction at initialisation", total) as advance:
        found = initialise(
            report,
            raw,
            probe=probe,
            seeds=seeds,
            tokens=tokens,
            window=window,
            alternatives=alternatives,
            device=device,
            advance=advance,
        )
    return replace(report, initialisation=found)


def _write(report: "CandidateReport", folder: Path) -> str:
    """Write the best alternative's config; returns what was written, in a sentence."""
    from nil_audit.files import write_atomically
    from nil_audit.shape.architecture import shape_from_config

    if report.recommendation.best is None:
        raise UsageError("There is no alternative of this budget to write; raise --tolerance, or leave --write out.")
    best = report.options[report.recommendation.best]
    # every block is built here, so that what is written is known to load and to have these parameters
    built = shape_from_config(best.config, name=str(folder))
    assert built.parameters is not None and built.parameters == best.shape.parameters
    path = write_atomically(folder / "config.json", json.dumps(best.config, indent=2) + "\n")
    kept = "" if report.recommended is best else " (the best of the alternatives; the recommendation is to keep yours)"
    return f"Written: {path}, {built.depth} x {built.width}, {built.parameters.total:,} parameters{kept}."
