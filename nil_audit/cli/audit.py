"""``nil-audit MODEL ...``: audit checkpoints."""

from typing import TYPE_CHECKING, Annotated

import typer

from nil_audit.cli.options import (
    INTERVAL,
    MEASURES,
    MMLU_PRO,
    SETTINGS,
    AllowPickle,
    AsJson,
    AuditFolder,
    Data,
    DataRevision,
    Debug,
    Details,
    Device,
    Dtype,
    Fresh,
    Models,
    Protocol,
    Questions,
    Quiet,
    TrustRemoteCode,
    check_count,
    check_device,
    check_dtype,
    check_models,
    flag,
    intervals,
    refuse_together,
    refuse_without,
    value,
)
from nil_audit.cli.output import Output
from nil_audit.cli.results import command_line, finish, with_failures
from nil_audit.errors import DefectError, NilAuditError, SourceError
from nil_audit.files import cache_trouble, check_writable
from nil_audit.processes import is_first
from nil_audit.runner import PartlyFailed, run_each
from nil_audit.score.protocols import DEFAULT

if TYPE_CHECKING:
    from nil_audit.auditing.record import Record
    from nil_audit.auditing.subject import Subject
    from nil_audit.catalog.lists import Row
    from nil_audit.shape.architecture import Shape

_PROBES = (
    "Text to take gradients on: wikitext, builtin (offline), a text FILE, or hf:DATASET[:CONFIG[:SPLIT[:COLUMN]]]."
)
_TOKENS = "Input tokens at most, an upper limit: 131072, 131k, 1M."
_PRECISION = "Standard error of the typical efficiency that is enough, in nats; 0: use all tokens."
_WINDOW = "Tokens a window (default 512, or what the model can read where that is shorter)."
_CONTEXT = "First positions of a window that are read and not counted."
_NO_PREFIX = "No document-start token in front of a window."
_PROFILE = "Also where in the depth: gradients at every block's input, in the same pass."
_ANSATZ = "Also whether WᵀW of each map is like the AGOP of its input, in the same pass."
_OUTPUT = "Also the AGOP of the last logits: 64 backward passes a window, 16 windows or more."
_SENSITIVITY = "Also whether window, context, text or basis change the answer: 6 more passes at most."
_MEASURING = (
    *("--probe", "--tokens", "--precision", "--window", "--context", "--no-prefix", "--dtype", "--device"),
    *("--profile", "--ansatz", "--probe-output", "--sensitivity"),
    *("--batch-size", "--fresh", "--allow-pickle", "--details", "--mmlu-pro"),
)
"""Options that say how weights are loaded and measured, and what is shown of that."""


def audit(
    context: typer.Context,
    models: Models,
    probe: Annotated[str, value("PROBE", SETTINGS, _PROBES)] = "wikitext",
    tokens: Annotated[str, value("N", SETTINGS, _TOKENS)] = "131072",
    precision: Annotated[float, value("NATS", SETTINGS, _PRECISION)] = 0.05,
    window: Annotated[int | None, value("N", SETTINGS, _WINDOW, min=1)] = None,
    uncounted: Annotated[int, value("C", SETTINGS, _CONTEXT, "--context", min=0)] = 16,
    no_prefix: Annotated[bool, flag("--no-prefix", SETTINGS, _NO_PREFIX)] = False,
    dtype: Dtype = "float32",
    device: Device = "auto",
    batch_size: Annotated[
        int | None, value("N", SETTINGS, "Windows a batch (default: what memory holds).", min=1)
    ] = None,
    shape_only: Annotated[bool, flag("--shape-only", SETTINGS, "Depth, width and verdict alone: no weights.")] = False,
    fresh: Fresh = False,
    profile: Annotated[bool, flag("--profile", MEASURES, _PROFILE)] = False,
    ansatz: Annotated[bool, flag("--ansatz", MEASURES, _ANSATZ)] = False,
    probe_output: Annotated[bool, flag("--probe-output", MEASURES, _OUTPUT)] = False,
    sensitivity: Annotated[bool, flag("--sensitivity", MEASURES, _SENSITIVITY)] = False,
    interval: Annotated[str, value("STUDY", SETTINGS, INTERVAL, autocompletion=intervals)] = "law",
    mmlu_pro: Annotated[bool, flag("--mmlu-pro", MMLU_PRO, "Also run MMLU-Pro on the loaded model.")] = False,
    protocol: Protocol = DEFAULT,
    questions: Questions = None,
    data: Data = None,
    data_revision: DataRevision = None,
    allow_pickle: AllowPickle = False,
    trust_remote_code: TrustRemoteCode = False,
    out: AuditFolder = None,
    details: Details = False,
    as_json: AsJson = False,
    quiet: Quiet = False,
    debug: Debug = False,
) -> None:
    """Audit checkpoints: shape, verdict, gradient-space interaction with error bars, MMLU-Pro.

    Text is read until the typical efficiency is known to --precision, or --tokens are used up.
    Results are kept and used again where nothing that matters has changed.

    Examples:

        nil-audit Qwen/Qwen2.5-0.5B

        nil-audit ./my-checkpoint --probe builtin --json

        nil-audit EleutherAI/pythia-160m EleutherAI/pythia-410m --out audit/

        nil-audit model_lists/qwen.csv --shape-only
    """
    refuse_together(context, "--shape-only", *_MEASURING, because="reads no weights")
    refuse_without(context, "--mmlu-pro", "--protocol", "--questions", "--data", "--data-revision")
    refuse_together(context, "--data", "--data-revision", because="reads a folder")
    refuse_together(context, "--details", "--json", "--quiet", because="shows more")
    check_models(context, models)
    wanted, weights = check_count(tokens), check_dtype(dtype)

    from nil_audit.law.pooled import reference
    from nil_audit.law.studies import DEFAULT as LAW

    reference(interval)  # a file that cannot be read is refused before anything is measured

    from nil_audit.auditing.audit import audit_subject, score_subject
    from nil_audit.auditing.passes import shape_record
    from nil_audit.auditing.subject import Settings, Subject

    settings = Settings(
        probe=probe,
        tokens=wanted,
        precision=precision,
        window=window,
        prefix=not no_prefix,
        context=uncounted,
        dtype=weights,
        device=device,
        batch_size=batch_size,
        allow_pickle=allow_pickle,
        trust_remote_code=trust_remote_code,
        fresh=fresh,
        profile=profile,
        ansatz=ansatz,
        output=probe_output,
        sensitivity=sensitivity,
    )
    if out is not None:
        check_writable(out)
    check_device(device)

    from nil_audit.auditing.reference import reference_records
    from nil_audit.catalog.lists import disagreements, expand_models
    from nil_audit.report.audit.page import audit_files, audit_page

    output = Output(as_json=as_json, quiet=quiet)
    if not shape_only and (trouble := cache_trouble()):
        output.note(trouble)
    asked = expand_models(models)
    plan = None
    if mmlu_pro:
        from nil_audit.score.plan import plan_score

        plan = plan_score(protocol, data=data, data_revision=data_revision, questions=questions)
        for note in plan.notes:
            output.note(note)
    unchecked: list[str] = []

    def finished(record: "Record") -> "Record":
        for note in record.notes:
            output.note(note)
        return record if interval == LAW else record.against(interval)

    def measure(name: str) -> "Record":
        subject = Subject(name, settings)
        if shape_only:
            record = finished(shape_record(name, _shape(subject, asked[name], unchecked)))
        else:
            try:
                record = finished(audit_subject(subject, progress=output.progress))
            except PartlyFailed as error:
                raise PartlyFailed(finished(error.result), error.error) from error
        if plan is None:
            return record
        try:
            return score_subject(subject, record, plan, progress=output.progress)
        except Exception as error:
            known = error if isinstance(error, NilAuditError) else DefectError.of(error)
            raise PartlyFailed(record, known) from error

    outcome = run_each(asked, measure, on_failure=output.error, debug=debug)
    found, failures = outcome.results, outcome.failures
    records = list(found.values())
    if unchecked:
        shapes = "1 shape is" if len(unchecked) == 1 else f"{len(unchecked)} shapes are"
        output.note(f"{shapes} the list's own, not checked against the Hub: {unchecked[0]}")
    checked = [record.shape for record in records if record.shape.source != "list"]
    for one in disagreements(filter(None, asked.values()), checked):
        output.note(f"The list disagrees with the Hub. {one}.")
    page = None
    if records and is_first() and (out is not None or not as_json):
        references = reference_records(records)
        page = audit_page(records, references=references, command=command_line(), draw=out is not None)
    document = with_failures({"records": records}, failures)
    finish(
        output,
        "audit",
        page,
        audit_files(records) if out is not None else {},
        document,
        outcome=outcome,
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
