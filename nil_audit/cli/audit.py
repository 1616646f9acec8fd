"""``nil-audit MODEL ...``: audit checkpoints."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from nil_audit.catalog.scores import MMLU_PRO_QUESTIONS
from nil_audit.cli.options import AllowPickle, AsJson, Debug, Device, Dtype, Quiet, TrustRemoteCode, check_dtype
from nil_audit.cli.output import Output
from nil_audit.cli.results import command_line, finish, with_failures
from nil_audit.errors import SourceError, UsageError
from nil_audit.files import cache_trouble, check_writable
from nil_audit.runner import run_each

if TYPE_CHECKING:
    from nil_audit.auditing.audit import Subject
    from nil_audit.auditing.record import Record
    from nil_audit.catalog.lists import Row
    from nil_audit.shape.architecture import Shape


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
    dtype: Dtype = "float32",
    device: Device = "auto",
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
        int | None,
        typer.Option(min=1, help=f"MMLU-Pro questions, a stratified sample (default: all {MMLU_PRO_QUESTIONS:,})."),
    ] = None,
    data: Annotated[Path | None, typer.Option(help="Folder with a local copy of MMLU-Pro.")] = None,
    details: Annotated[bool, typer.Option("--details", help="Also every metric in both estimates.")] = False,
    out: Annotated[Path | None, typer.Option(help="Folder for records, audit.csv, audit.html and audit.md.")] = None,
    as_json: AsJson = False,
    fresh: Annotated[bool, typer.Option("--fresh", help="Measure again, whatever is kept.")] = False,
    allow_pickle: AllowPickle = False,
    trust_remote_code: TrustRemoteCode = False,
    quiet: Quiet = False,
    debug: Debug = False,
) -> None:
    """Audit checkpoints: shape, verdict, gradient-space interaction with error bars, MMLU-Pro.

    Results are kept and used again where nothing that matters has changed.

    Examples:

        nil-audit Qwen/Qwen2.5-0.5B

        nil-audit ./my-checkpoint --probe builtin --json

        nil-audit EleutherAI/pythia-160m EleutherAI/pythia-410m --out audit/

        nil-audit model_lists/qwen.csv --shape-only
    """
    output = Output(as_json=as_json, quiet=quiet)
    weights = check_dtype(dtype)
    if mmlu_pro and shape_only:
        raise UsageError("--mmlu-pro needs the weights that --shape-only leaves out; give one of the two.")
    if out is not None:
        check_writable(out)
    if not shape_only and (trouble := cache_trouble()):
        output.note(trouble)

    from nil_audit.auditing.audit import Settings, Subject, audit_subject, score_subject, shape_record
    from nil_audit.catalog.lists import disagreements, expand_models
    from nil_audit.report.audit import audit_files, audit_page

    settings = Settings(
        probe=probe,
        tokens=tokens,
        window=window,
        dtype=weights,
        device=device,
        batch_size=batch_size,
        robust=robust,
        allow_pickle=allow_pickle,
        trust_remote_code=trust_remote_code,
        fresh=fresh,
    )
    asked = expand_models(models)
    plan = None
    if mmlu_pro:
        from nil_audit.score.plan import plan_score

        plan = plan_score(protocol, data=data, questions=questions)
    unchecked: list[str] = []

    def measure(name: str) -> "Record":
        subject = Subject(name, settings)
        if shape_only:
            record = shape_record(name, _shape(subject, asked[name], unchecked))
        else:
            record = audit_subject(subject, progress=output.progress)
        if plan is not None:
            record = score_subject(subject, record, plan, progress=output.progress)
        for note in record.notes:
            output.note(note)
        return record

    found, failures = run_each(asked, measure, on_failure=output.error, debug=debug)
    records = list(found.values())
    if unchecked:
        output.note(f"{len(unchecked)} shapes are the list's own, not checked against the Hub: {unchecked[0]}")
    checked = [record.shape for record in records if record.shape.source != "list"]
    for one in disagreements(filter(None, asked.values()), checked):
        output.note(f"The list disagrees with the Hub. {one}.")
    page = audit_page(records, command=command_line()) if records else None
    document = with_failures({"records": records}, failures)
    finish(
        output,
        "audit",
        page,
        audit_files(records),
        document,
        failures=failures,
        asked=len(asked),
        out=out,
        details=details,
    )


def _shape(subject: "Subject", row: "Row", unchecked: list[str]) -> "Shape":
    """The shape of a model; of a listed one whose configuration cannot be reached the list's, and why."""
    from nil_audit.catalog.lists import listed_shape

    try:
        return subject.shape
    except SourceError as error:
        if (listed := listed_shape(row)) is None:
            raise
        unchecked.append(str(error))
        return listed
