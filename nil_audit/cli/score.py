"""``nil-audit score MODEL ...``: run MMLU-Pro, or list what others have published."""

import shlex
from collections.abc import Iterable
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from nil_audit.cli.options import (
    MMLU_PRO,
    MODELS,
    RESULTS,
    SETTINGS,
    AllowPickle,
    AsJson,
    Data,
    DataRevision,
    Debug,
    Device,
    Dtype,
    Fresh,
    Protocol,
    Questions,
    Quiet,
    TrustRemoteCode,
    check_device,
    check_dtype,
    check_models,
    check_precision,
    flag,
    given,
    refuse_together,
    value,
)
from nil_audit.cli.output import Output
from nil_audit.cli.results import command_line, deliver, finish, when, with_failures
from nil_audit.errors import NilAuditError, UsageError
from nil_audit.files import cache_trouble, check_writable
from nil_audit.runner import resolve_together, run_each
from nil_audit.score.protocols import DEFAULT
from nil_audit.source import existing_path

if TYPE_CHECKING:
    from nil_audit.score.result import ScoreResult
    from nil_audit.source import Source

_RUNNING = (
    *(
        "--protocol",
        "--questions",
        "--precision",
        "--data",
        "--data-revision",
        "--batch-size",
        "--engine",
        "--dtype",
        "--device",
    ),
    *("--fresh", "--allow-pickle", "--trust-remote-code", "--eval-results"),
)
"""Options that say what is asked, and of what."""


def score(
    context: typer.Context,
    models: Annotated[
        list[str] | None,
        typer.Argument(metavar="MODEL", help=MODELS),
    ] = None,
    protocol: Protocol = DEFAULT,
    questions: Questions = None,
    precision: Annotated[
        str | None, value("SE", MMLU_PRO, "Ask a growing sample until its standard error is at most this, such as 1%.")
    ] = None,
    data: Data = None,
    data_revision: DataRevision = None,
    published: Annotated[
        bool, flag("--published", MMLU_PRO, "List published scores (of the models named, or all); runs nothing.")
    ] = False,
    batch_size: Annotated[int | None, value("N", SETTINGS, "Questions a forward pass (default 8).", min=1)] = None,
    engine: Annotated[
        str, value("NAME", SETTINGS, "shared (worked examples read once), plain, or vllm where that is installed.")
    ] = "shared",
    dtype: Dtype = "float32",
    device: Device = "auto",
    fresh: Fresh = False,
    allow_pickle: AllowPickle = False,
    trust_remote_code: TrustRemoteCode = False,
    out: Annotated[Path | None, value("DIR", RESULTS, "Folder for scores.html, .md, .json, .csv, each answer.")] = None,
    eval_results: Annotated[
        bool, flag("--eval-results", RESULTS, "Also write DIR/hub/MODEL/.eval_results/mmlu_pro.yaml, for the Hub.")
    ] = False,
    as_json: AsJson = False,
    quiet: Quiet = False,
    debug: Debug = False,
) -> None:
    """Run MMLU-Pro through lm-eval: accuracy with its error, above chance, by category.

    Every answer is kept as it comes: a run that was stopped goes on where it was, and none is asked twice.
    Several models are held against the first, each on the questions that both were asked.
    Works under 'accelerate launch' with several processes.

    Examples:

        nil-audit score Qwen/Qwen2.5-0.5B --questions 1400

        nil-audit score Qwen/Qwen2.5-0.5B ./my-checkpoint --precision 2%

        nil-audit score ./my-checkpoint --data mmlu_pro/ --protocol mc

        accelerate launch --num_processes 4 -m nil_audit score Qwen/Qwen2.5-7B --dtype bfloat16

        nil-audit score --published EleutherAI/pythia-410m
    """
    refuse_together(context, "--published", *_RUNNING, because="runs nothing")
    refuse_together(context, "--data", "--data-revision", because="reads a folder")
    refuse_together(context, "--precision", "--questions", because="lets the sample grow")
    until = None if precision is None else check_precision(precision)
    if engine == "vllm" and (idle := sorted(given(context) & {"--batch-size", "--device", "--allow-pickle"})):
        raise UsageError(
            f"vLLM decides for itself, so {' and '.join(idle)} cannot go with --engine vllm; leave it out."
        )
    if eval_results and out is None:
        raise UsageError("--eval-results writes files; name a folder for them with --out DIR.")
    check_models(context, models or [])
    weights = check_dtype(dtype)
    if out is not None:
        check_writable(out)
    check_device(device)

    from nil_audit.catalog.lists import expand_models

    output = Output(as_json=as_json, quiet=quiet)
    if published:
        _list_published(expand_models(models or []), output, out)
        return
    if not models:
        raise UsageError("Name a model to score, or list published scores with --published.")
    if trouble := cache_trouble():
        output.note(trouble)

    from nil_audit.catalog.scores import published_for
    from nil_audit.report.score import hub_files, score_files, score_page
    from nil_audit.score.eval_results import sample_note, upload_words
    from nil_audit.score.paired import against_the_first
    from nil_audit.score.plan import plan_score
    from nil_audit.score.run import run_plan

    asked = expand_models(models)
    plan = plan_score(
        protocol,
        data=data,
        data_revision=data_revision,
        questions=questions,
        precision=until,
        batch_size=batch_size,
        engine=engine,
    )
    for note in plan.notes:
        output.note(note)
    on_hub: set[str] = set()

    def measure(name: str) -> "ScoreResult":
        source = resolve_together(name)
        if source.kind == "hub":
            on_hub.add(name)

        def load() -> Any:
            from nil_audit.score.engines import build

            return build(
                plan,
                source,
                dtype=weights,
                device=device,
                allow_pickle=allow_pickle,
                trust_remote_code=trust_remote_code,
            )

        result = run_plan(
            plan, load, identity=source.digest, name=name, dtype=weights, fresh=fresh, progress=output.progress
        )
        if result.kept_until and not result.kept:
            now = datetime.now().astimezone()
            time = when(datetime.fromisoformat(result.kept_until).astimezone(), now)
            of = f"{result.reused:,} of {len(result.answers):,} answers"
            output.note(f"{name}: {of} were given {time}; --fresh asks all again.")
        if result.unkept:
            output.note(result.unkept)
        return replace(result, shape=_shape(source, trust_remote_code))

    outcome = run_each(asked, measure, on_failure=output.error, debug=debug)
    results = outcome.results
    scores = [result.to_dict() for result in results.values()]
    known = {name: rows for name in results if name in on_hub and (rows := published_for(name))}
    named = [{**row, "model": name} for name, rows in known.items() for row in rows]
    answers = {name: result.answers for name, result in results.items()}
    paired = [pair.to_dict() for pair in against_the_first(answers)] if answers else []
    document = with_failures({"scores": scores, "paired": paired, "published": known}, outcome.failures)
    files = score_files(scores, answers, paired, document) if scores else {}
    then = f"Next: nil-audit compare {shlex.quote(str(out))}"
    if eval_results and out is not None and scores:
        hub = hub_files(scores)
        files |= hub
        name, path = scores[0]["model"], out / next(iter(hub))
        then = f"Next: {upload_words(name, path.parent.parent, on_hub=name in on_hub)}"
        if said := sample_note(scores):
            output.note(said)
    finish(
        output,
        "scores",
        score_page(scores, answers, paired, named, command=command_line()) if scores else None,
        files,
        document,
        outcome=outcome,
        out=out,
        then=then,
    )


def _shape(source: "Source", trust_remote_code: bool) -> dict[str, int | None] | None:
    """Depth, width and parameters; None where they cannot be read, as of what vLLM runs and an audit does not."""
    from nil_audit.shape.architecture import read_shape

    try:
        shape = read_shape(source, trust_remote_code=trust_remote_code)
    except NilAuditError:
        return None
    parameters = shape.parameters.total if shape.parameters else None
    return {"depth": shape.depth, "width": shape.width, "parameters": parameters}


def _list_published(models: Iterable[str], output: Output, out: Path | None) -> None:
    """List published scores, those known to be wrong marked; a model without any is said to have none.

    A folder has none, whatever it is called.
    """
    from nil_audit.catalog.scores import published_for, published_scores
    from nil_audit.report.score import published_files, published_page

    names = list(models) or sorted(set(published_scores(include_flagged=True)["model"]), key=str.lower)
    known = {name: [] if existing_path(name) else published_for(name, include_flagged=True) for name in names}
    for name, found in known.items():
        if not found:
            output.note(f"No published score of {name} is known; 'nil-audit score {name}' measures one.")
    rows = [{**row, "model": name} for name, found in known.items() for row in found]
    document = {"published": rows}
    page = published_page(rows) if rows else None
    deliver(output, "published", page, published_files(rows, document) if rows else {}, document, out=out)
