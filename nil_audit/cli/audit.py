"""``nil-audit MODEL ...``: audit checkpoints."""

import shlex
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from nil_audit.cli.options import AllowPickle, AsJson, Debug, Device, Dtype, Quiet, TrustRemoteCode, check_dtype
from nil_audit.cli.output import Output
from nil_audit.errors import EXIT_SOME_FAILED, NilAuditError, SourceError, UsageError
from nil_audit.processes import Team, is_first

if TYPE_CHECKING:
    from nil_audit.auditing.record import Record


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
        int | None, typer.Option(min=1, help="MMLU-Pro questions, a stratified sample (default: all 12,032).")
    ] = None,
    data: Annotated[Path | None, typer.Option(help="Folder with a local copy of MMLU-Pro.")] = None,
    details: Annotated[bool, typer.Option("--details", help="Also every metric in both estimates.")] = False,
    out: Annotated[Path | None, typer.Option(help="Folder for records, audit.csv and audit.md.")] = None,
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
    from nil_audit.auditing.audit import Settings

    check_dtype(dtype)
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


def expand(names: list[str]) -> dict[str, Mapping[str, Any]]:
    """The models asked for, each list (.csv) replaced by its models; every model with its row of a list, or {}."""
    models: dict[str, Mapping[str, Any]] = {}
    for name in names:
        if name.lower().endswith(".csv"):
            from nil_audit.catalog.lists import read_model_list

            models |= {row["model"]: row for row in read_model_list(Path(name)).to_dict("records")}
        else:
            models.setdefault(name, {})
    return models


def check_writable(folder: Path) -> None:
    """Find out before hours of work whether results can be written.

    Raises:
        UsageError: They cannot.
    """
    from nil_audit.files import write_atomically

    probe = folder / ".nil-audit"
    write_atomically(probe, "")
    probe.unlink()


def audit_all(
    models: Mapping[str, Mapping[str, Any]],
    settings: Any,
    output: Output,
    *,
    shape_only: bool,
    plan: Any,
    debug: bool,
) -> tuple[list["Record"], dict[str, str]]:
    """Audit one model after another; a failure is said at once and does not stop the others.

    Args:
        models: Names, each with its row of a model list, or {}.
        settings: ``nil_audit.auditing.audit.Settings``.
        output: Where progress, notes and errors go.
        shape_only: Read no weights; a listed model whose configuration cannot be reached has the list's shape.
        plan: MMLU-Pro to run (``nil_audit.score.run.plan_score``), or None.
        debug: Let the first error through.

    Returns:
        The records, and the error sentence of every model that failed.
    """
    from nil_audit.auditing.audit import Subject, audit_subject, score_subject, shape_record
    from nil_audit.catalog.listed import listed_shape

    records: list[Record] = []
    failures: dict[str, str] = {}
    unchecked: list[str] = []
    for name, row in models.items():
        subject = Subject(name, settings)
        try:
            if shape_only:
                record = shape_record(name, subject.shape)
            else:
                record = audit_subject(subject, progress=output.progress)
            if plan is not None:
                record = score_subject(subject, record, plan, progress=output.progress)
        except NilAuditError as error:
            if debug or isinstance(error, UsageError):
                raise
            listed = listed_shape(row) if shape_only and row and isinstance(error, SourceError) else None
            if listed is None:
                failures[name] = str(error)
                output.error(f"{error}")
                continue
            record = shape_record(name, listed)
            unchecked.append(str(error))
        for note in record.notes:
            output.note(note)
        records.append(record)
    if unchecked:
        output.note(f"{len(unchecked)} shapes are the list's own, not checked against the Hub: {unchecked[0]}")
    _report_disagreements(models, records, output)
    return records, failures


def _report_disagreements(models: Mapping[str, Mapping[str, Any]], records: list["Record"], output: Output) -> None:
    """Say every number of a list that a model's own configuration contradicts."""
    rows = [row for row in models.values() if row]
    if not rows:
        return
    import pandas as pd

    from nil_audit.catalog.lists import check_against_hub

    checked = [record.shape for record in records if record.shape.source != "list"]
    for one in check_against_hub(pd.DataFrame(rows), checked):
        output.note(f"The list disagrees with the Hub. {one}.")


def finish(
    records: list["Record"], failures: dict[str, str], output: Output, *, details: bool, out: Path | None
) -> None:
    """Show and write what was measured; exit code 1 where a model failed."""
    from nil_audit.report.audit_table import audit_view

    if is_first():
        if records:
            output.show(audit_view(records, output.width, details=details))
        if out is not None and records:
            from nil_audit.report.audit_document import write_audit

            write_audit(records, out, command=shlex.join(["nil-audit", *sys.argv[1:]]))
            output.note(f"Written to {out}/")
        failed = [{"model": name, "error": sentence} for name, sentence in failures.items()]
        output.document({"records": [record.to_dict() for record in records], "failed": failed})
    Team.join().leave()
    if failures:
        if len(records) + len(failures) > 1:
            output.note(f"{len(failures)} of {len(records) + len(failures)} models failed.")
        raise typer.Exit(EXIT_SOME_FAILED)
