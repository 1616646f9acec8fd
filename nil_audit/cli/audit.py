"""``nil-audit MODEL ...``: audit checkpoints."""

import shlex
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from nil_audit.cli.output import Output
from nil_audit.errors import EXIT_SOME_FAILED, NilAuditError, UsageError

if TYPE_CHECKING:
    from nil_audit.study.record import Record

_DTYPES = ("float32", "bfloat16", "float16", "float64")


def audit(
    models: Annotated[
        list[str],
        typer.Argument(metavar="MODEL...", help="Hub id, id@revision, local folder, or a model list (.csv)."),
    ],
    probe: Annotated[
        str,
        typer.Option(
            help="Text to take gradients on: wikitext, builtin (offline), a text FILE, or "
            "hf:DATASET[:CONFIG[:SPLIT[:COLUMN]]]."
        ),
    ] = "wikitext",
    tokens: Annotated[int, typer.Option(min=1, help="Input tokens to use at most.")] = 131_072,
    window: Annotated[
        int | None, typer.Option(help="Tokens a window (default 512, or the model's context where that is shorter).")
    ] = None,
    dtype: Annotated[str, typer.Option(help="Type of the weights: " + ", ".join(_DTYPES) + ".")] = "float32",
    device: Annotated[str, typer.Option(help="auto, cpu, cuda, cuda:1, mps.")] = "auto",
    batch_size: Annotated[int | None, typer.Option(min=1, help="Windows a batch (default: what memory holds).")] = None,
    shape_only: Annotated[
        bool, typer.Option("--shape-only", help="Depth, width and verdict alone: no weights.")
    ] = False,
    robust: Annotated[
        bool,
        typer.Option("--robust", help="Also without the first 4 positions, and with every gradient at one length."),
    ] = False,
    mmlu_pro: Annotated[bool, typer.Option("--mmlu-pro", help="Also run MMLU-Pro on the loaded model.")] = False,
    protocol: Annotated[str, typer.Option(help="MMLU-Pro protocol: mc, leaderboard or cot.")] = "mc",
    questions: Annotated[
        int | None, typer.Option(min=1, help="MMLU-Pro questions, a stratified sample (default: all 12,032).")
    ] = None,
    data: Annotated[Path | None, typer.Option(help="Folder with a local copy of MMLU-Pro.")] = None,
    details: Annotated[bool, typer.Option("--details", help="Also every metric in both estimates.")] = False,
    out: Annotated[Path | None, typer.Option(help="Folder for records, audit.csv and audit.md.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON document on stdout.")] = False,
    fresh: Annotated[bool, typer.Option("--fresh", help="Measure again, whatever is kept.")] = False,
    allow_pickle: Annotated[
        bool, typer.Option("--allow-pickle", help="Load pickled weights, which can run code.")
    ] = False,
    trust_remote_code: Annotated[
        bool, typer.Option("--trust-remote-code", help="Run model code from the repository.")
    ] = False,
    quiet: Annotated[bool, typer.Option("--quiet", help="No progress and no notes on stderr.")] = False,
    debug: Annotated[bool, typer.Option("--debug", help="Show the traceback of an error.")] = False,
) -> None:
    """Audit checkpoints: shape, verdict, gradient-space interaction with error bars, MMLU-Pro.

    Results are kept and used again where nothing that matters has changed.

    Examples:

        nil-audit Qwen/Qwen2.5-0.5B

        nil-audit ./my-checkpoint --probe builtin --json

        nil-audit EleutherAI/pythia-160m EleutherAI/pythia-410m --out audit/

        nil-audit model_lists/qwen.csv --shape-only
    """
    from nil_audit.study.audit import Settings

    if dtype not in _DTYPES:
        raise UsageError(f"There is no dtype {dtype!r}; use {', '.join(_DTYPES)}.")
    output = Output(as_json=as_json, quiet=quiet)
    settings = Settings(
        probe=probe,
        tokens=tokens,
        window=window,
        dtype=dtype,  # type: ignore[arg-type]
        device=device,
        batch_size=batch_size,
        robust=robust,
        allow_pickle=allow_pickle,
        trust_remote_code=trust_remote_code,
        fresh=fresh,
    )
    if mmlu_pro and shape_only:
        raise UsageError("--mmlu-pro needs the weights that --shape-only leaves out; give one of the two.")
    if out is not None:
        check_writable(out)
    plan = None
    if mmlu_pro:
        from nil_audit.score.run import plan_score

        plan = plan_score(protocol, data=data, questions=questions)
    records, failures = audit_all(expand(models), settings, output, shape_only=shape_only, plan=plan, debug=debug)
    finish(records, failures, output, details=details, out=out)


def expand(names: list[str]) -> list[str]:
    """Model names, with every list (.csv) replaced by the models in it."""
    models = []
    for name in names:
        if name.lower().endswith(".csv"):
            from nil_audit.study.model_list import read_model_list

            models += list(read_model_list(Path(name))["model"])
        else:
            models.append(name)
    return list(dict.fromkeys(models))


def check_writable(folder: Path) -> None:
    """Find out before hours of work whether results can be written.

    Raises:
        UsageError: They cannot.
    """
    from nil_audit.study.store import write_atomically

    probe = folder / ".nil-audit"
    write_atomically(probe, "")
    probe.unlink()


def audit_all(
    models: list[str],
    settings: Any,
    output: Output,
    *,
    shape_only: bool,
    plan: Any,
    debug: bool,
) -> tuple[list["Record"], dict[str, str]]:
    """Audit one model after another; a failure is said at once and does not stop the others.

    Returns:
        The records, and the error sentence of every model that failed.
    """
    from nil_audit.study.audit import Subject, audit_subject, score_subject, shape_record

    records: list[Record] = []
    failures: dict[str, str] = {}
    for name in models:
        subject = Subject(name, settings)
        try:
            record = shape_record(subject) if shape_only else audit_subject(subject, progress=output.progress)
            if plan is not None:
                record = score_subject(subject, record, plan, progress=output.progress)
        except NilAuditError as error:
            if debug or isinstance(error, UsageError):
                raise
            failures[name] = str(error)
            output.error(f"{error}")
            continue
        for note in record.notes:
            output.note(note)
        records.append(record)
    return records, failures


def finish(
    records: list["Record"], failures: dict[str, str], output: Output, *, details: bool, out: Path | None
) -> None:
    """Show and write what was measured; exit code 1 where a model failed."""
    from nil_audit.report.audit_table import audit_view

    if is_first_process():
        if records:
            output.show(audit_view(records, output.width, details=details))
        if out is not None and records:
            from nil_audit.report.audit_document import write_audit

            write_audit(records, out, command=shlex.join(["nil-audit", *sys.argv[1:]]))
            output.note(f"Written to {out}/")
        failed = [{"model": name, "error": sentence} for name, sentence in failures.items()]
        output.document({"records": [record.to_dict() for record in records], "failed": failed})
    if failures:
        if len(records) + len(failures) > 1:
            output.note(f"{len(failures)} of {len(records) + len(failures)} models failed.")
        raise typer.Exit(EXIT_SOME_FAILED)


def is_first_process() -> bool:
    """Whether this process is the one of an ``accelerate launch`` that prints and writes."""
    import os

    return int(os.environ.get("RANK", "0")) == 0
