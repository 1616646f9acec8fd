"""``nil-audit candidate CONFIG ...``: check architectures before they are trained."""

import gc
import shlex
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from nil_audit.budget import DEFAULT_CONTEXT
from nil_audit.cli.options import (
    INTERVAL,
    RESULTS,
    AsJson,
    Debug,
    Quiet,
    check_count,
    check_models,
    check_share,
    flag,
    intervals,
    refuse_together,
    value,
)
from nil_audit.cli.output import Output
from nil_audit.cli.results import command_line, deliver, finish, with_failures
from nil_audit.errors import EXIT_SOME_FAILED, UsageError
from nil_audit.files import check_writable, json_text, write_atomically
from nil_audit.runner import Outcome, run_each

if TYPE_CHECKING:
    from nil_audit.candidate.result import CandidateReport

SHAPE, BUDGET, SERVING = "Shape from flags", "Budget and alternatives", "Inference"
_CONFIGS = "A config.json, a folder, a GGUF file, a Hub id or id@revision; several give a table."
_CONTEXT = f"Window length of FLOPs and times (default: {DEFAULT_CONTEXT}, or the model's own where shorter)."


def _devices() -> list[str]:
    from nil_audit.budget.accelerators import accelerators

    return [*(one.name for one in accelerators()), "here"]


def candidate(
    context: typer.Context,
    configs: Annotated[list[str] | None, typer.Argument(metavar="CONFIG", help=_CONFIGS)] = None,
    model_type: Annotated[str | None, value("NAME", SHAPE, "Model type, as llama.", "--type")] = None,
    depth: Annotated[int | None, value("N", SHAPE, "Decoder blocks.", "--depth", "--layers")] = None,
    width: Annotated[int | None, value("N", SHAPE, "Channels of the residual stream.")] = None,
    heads: Annotated[int | None, value("N", SHAPE, "Query heads a block.")] = None,
    kv_heads: Annotated[int | None, value("N", SHAPE, "Key-value heads (default: as many as heads).")] = None,
    head_size: Annotated[int | None, value("N", SHAPE, "Channels a head (default: width / heads).")] = None,
    mlp: Annotated[int | None, value("N", SHAPE, "Hidden width of the MLP.")] = None,
    vocab: Annotated[int | None, value("N", SHAPE, "Rows of the embedding.")] = None,
    tied: Annotated[bool, flag("--tied", SHAPE, "One matrix for input and output embedding.")] = False,
    tokens: Annotated[
        str | None, value("N", BUDGET, "Training tokens: 3e11, 300B (default: 20 for each parameter).")
    ] = None,
    length: Annotated[int | None, value("N", BUDGET, _CONTEXT, "--context")] = None,
    match: Annotated[
        str,
        value(
            "WHAT",
            BUDGET,
            "What alternatives hold equal: body, total or flops.",
            autocompletion=lambda: ["body", "total", "flops"],
        ),
    ] = "body",
    tolerance: Annotated[str, value("SHARE", BUDGET, "How far their budget may differ: 2%, 0.02.")] = "2%",
    interval: Annotated[str, value("STUDY", BUDGET, INTERVAL, autocompletion=intervals)] = "law",
    devices: Annotated[
        list[str] | None,
        value(
            "NAME",
            SERVING,
            "Accelerators that times are predicted for, as h200,l4; here: this machine (default: h100).",
            "--device",
            autocompletion=_devices,
        ),
    ] = None,
    measure: Annotated[
        bool, flag("--measure", SERVING, "Time the shapes on this machine, with random weights; no download.")
    ] = False,
    write: Annotated[
        Path | None, value("DIR", RESULTS, "Folder for the config.json of the best alternative, ready to load.")
    ] = None,
    out: Annotated[
        Path | None, value("DIR", RESULTS, "Folder for candidate.md, candidate.html, candidate.json.")
    ] = None,
    fail_outside: Annotated[
        bool, flag("--fail-outside", RESULTS, "Exit code 1 where a verdict is outside, for use in CI.")
    ] = False,
    max_regret: Annotated[
        str | None, value("SHARE", RESULTS, "Exit code 1 where the expected regret is above this: 1%, 0.01.")
    ] = None,
    details: Annotated[
        bool, flag("--details", RESULTS, "Everything else: each study, other laws, neighbours, memory.")
    ] = False,
    as_json: AsJson = False,
    quiet: Quiet = False,
    debug: Debug = False,
) -> None:
    """Check an architecture before pretraining: what it is expected to cost, and what else its budget buys.

    No weights are needed. The regret is the loss over the best shape of the same budget, expected from all studies.

    Several configs give one table with a row each; a config that cannot be read fails alone.

    Examples:

        nil-audit candidate config.json

        nil-audit candidate --type llama --depth 24 --width 1024 --heads 16 --kv-heads 4 --mlp 2816 --vocab 32000 --tied

        nil-audit candidate Qwen/Qwen2.5-0.5B --match total --write best/

        nil-audit candidate HuggingFaceTB/SmolLM-135M --device l4,h200 --details

        nil-audit candidate configs/*/config.json --max-regret 1% --quiet
    """
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
    asked = list(dict.fromkeys(configs or ()))
    check_models(context, asked)
    _check_source(asked, flags)
    refuse_together(context, "--details", "--json", "--quiet", because="shows more")
    settings: dict[str, Any] = {"match": match, "context": length, "interval": interval}
    settings["tolerance"] = check_share(tolerance, "--tolerance")
    settings["tokens"] = None if tokens is None else check_count(tokens)
    most = None if max_regret is None else check_share(max_regret, "--max-regret")
    if measure and len(asked) > 1:
        raise UsageError(f"--measure times the shapes of one config, and {len(asked)} are given; name one.")
    if write is not None:
        _check_write(write, asked)
    for folder in filter(None, (write, out)):
        check_writable(folder)
    output = Output(as_json=as_json, quiet=quiet)
    with _no_garbage_collection():
        from nil_audit.candidate.check import DEVICES, check_candidate, check_settings

        settings["devices"] = [name for text in devices for name in text.split(",")] if devices else DEVICES
        check_settings(**settings)
        settings |= {"measure": measure, "progress": output.progress}

        def check(config: str) -> "CandidateReport":
            return check_candidate(config, **settings)

        if len(asked) > 1:
            outcome = run_each(asked, check, on_failure=output.error, debug=debug)
            reports = list(outcome.results.values())
        else:
            reports = [check(asked[0]) if asked else check_candidate(**_from_flags(flags), **settings)]
    refused = _refusals(reports, fail_outside=fail_outside, max_regret=most)
    for sentence in refused:
        output.note(sentence)
    if len(asked) > 1:
        _show_many(outcome, output, out, details=details)
    else:
        _show(reports[0], output, out, write, details=details)
    if refused:
        raise typer.Exit(EXIT_SOME_FAILED)


def _refusals(reports: "list[CandidateReport]", *, fail_outside: bool, max_regret: float | None) -> list[str]:
    """Why the exit code is 1 although everything was read, a sentence for each option that asked for it."""
    outside = sum(report.verdict.label == "outside" for report in reports) if fail_outside else 0
    above = 0 if max_regret is None else sum(report.verdict.regret.expected > max_regret for report in reports)
    sentences = []
    if outside:
        which = f"{outside} of {len(reports)} verdicts are" if len(reports) > 1 else "The verdict is"
        sentences.append(f"{which} outside, and --fail-outside asks for exit code 1.")
    if above:
        which = f"Of {above} of {len(reports)} configs the" if len(reports) > 1 else "The"
        sentences.append(
            f"{which} expected regret is above {100 * (max_regret or 0):.3g}%, and --max-regret asks for exit code 1."
        )
    return sentences


def _check_source(configs: list[str], flags: dict[str, Any]) -> None:
    given = [name for name, value in flags.items() if value is not None]
    if configs and given:
        raise UsageError(f"Give either a config or a shape from flags (--{given[0]}), not both.")
    if not configs and not given:
        raise UsageError(
            "Name a config.json, a folder or a Hub id, or give --type, --depth, --width, --heads, --vocab."
        )
    if not configs and (missing := [key for key in ("type", "depth", "width", "heads", "vocab") if flags[key] is None]):
        raise UsageError(f"A shape from flags also needs {', '.join('--' + key for key in missing)}; add them.")


def _check_write(folder: Path, configs: list[str]) -> None:
    if len(configs) > 1:
        raise UsageError(f"--write takes the best alternative of one config, and {len(configs)} are given; name one.")
    target = folder / "config.json"
    sources = [path for config in configs for path in (Path(config), Path(config) / "config.json")]
    if target.exists() and any(path.exists() and path.samefile(target) for path in sources):
        raise UsageError(
            f"--write {shlex.quote(str(folder))} would replace the candidate's own config.json; name another folder."
        )


@contextmanager
def _no_garbage_collection() -> Iterator[None]:
    """Looking for garbage among imported modules, now and at the end, would take a third of the time."""
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        gc.enable()


def _from_flags(flags: dict[str, Any]) -> dict[str, Any]:
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
    note = f"Everything that the flags do not say has {flags['type']}'s defaults in transformers."
    return {"config": raw, "name": f"{flags['type']} {flags['depth']} x {flags['width']}", "notes": (note,)}


def _show(report: "CandidateReport", output: Output, out: Path | None, write: Path | None, *, details: bool) -> None:
    """Write what is asked for, and show the report."""
    written = None if write is None else _write(report, write)
    page, files = None, {}
    if out is not None or not output.as_json:
        from nil_audit.report.candidate.page import candidate_files, candidate_page

        page = candidate_page(report, command=command_line(), draw=out is not None)
        files = candidate_files(report, command_line())
    deliver(output, "candidate", page, files, report.to_dict(), out=out, details=details)
    if written is not None:
        output.note(written)


def _show_many(outcome: "Outcome[CandidateReport]", output: Output, out: Path | None, *, details: bool) -> None:
    """Write what is asked for, and show a table with a row a config."""
    from nil_audit.report.candidate.several import candidates_document, candidates_page

    reports = outcome.results
    page = candidates_page(reports, command=command_line()) if reports else None
    document = with_failures(candidates_document(reports), outcome.failures)
    files = {"candidate.json": {**document, "command": command_line()}}
    finish(output, "candidate", page, files, document, outcome=outcome, out=out, details=details)


def _write(report: "CandidateReport", folder: Path) -> str:
    """Write the best alternative's config; returns what was written, in a sentence."""
    from nil_audit.shape.architecture import shape_from_config

    if (best := report.best) is None:
        raise UsageError("There is no alternative of this budget to write; raise --tolerance, or leave --write out.")
    # every block is built here, so that what is written is known to load and to have these parameters
    built = shape_from_config(best.config, name=str(folder))
    assert built.parameters is not None and built.parameters == best.shape.parameters
    path = write_atomically(folder / "config.json", json_text(best.config))
    advised = report.recommendation.action in ("consider", "change")
    kept = "" if advised else " (the best of the alternatives; nothing says that it is better than yours)"
    return f"Written: {path}, {built.depth} x {built.width}, {built.parameters.total:,} parameters{kept}."
