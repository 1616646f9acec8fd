"""``nil-audit score MODEL ...``: run MMLU-Pro, or list what others have published."""

import json
import shlex
import sys
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from nil_audit.cli.audit import check_writable, expand
from nil_audit.cli.options import AllowPickle, AsJson, Debug, Device, Dtype, Quiet, TrustRemoteCode, check_dtype
from nil_audit.cli.output import Output
from nil_audit.errors import EXIT_SOME_FAILED, NilAuditError, UsageError
from nil_audit.processes import Team

if TYPE_CHECKING:
    from nil_audit.score.result import ScoreResult
    from nil_audit.score.run import Plan


def score(
    models: Annotated[
        list[str] | None,
        typer.Argument(metavar="MODEL...", help="Hub id, id@revision, local folder, or a model list (.csv)."),
    ] = None,
    protocol: Annotated[
        str, typer.Option(help="mc (5-shot multiple choice), leaderboard (Open LLM Leaderboard v2) or cot.")
    ] = "mc",
    questions: Annotated[
        int | None, typer.Option(min=1, help="A sample stratified by category, the same for every model.")
    ] = None,
    data: Annotated[Path | None, typer.Option(help="Folder with a local copy (parquet or JSON).")] = None,
    batch_size: Annotated[int, typer.Option(min=1, help="Questions a forward pass; part of the result.")] = 8,
    backend: Annotated[str, typer.Option(help="hf, or vllm where that is installed.")] = "hf",
    dtype: Dtype = "float32",
    device: Device = "auto",
    published: Annotated[
        bool, typer.Option("--published", help="List published scores (of the models named, or all); runs nothing.")
    ] = False,
    out: Annotated[Path | None, typer.Option(help="Folder for scores.json, .csv, .md and each answer.")] = None,
    as_json: AsJson = False,
    fresh: Annotated[bool, typer.Option("--fresh", help="Ask again, whatever is kept.")] = False,
    allow_pickle: AllowPickle = False,
    trust_remote_code: TrustRemoteCode = False,
    quiet: Quiet = False,
    debug: Debug = False,
) -> None:
    """Run MMLU-Pro through lm-eval: accuracy with its error, above chance, by category.

    Answers are kept by model and category: a run that was stopped goes on where it was, and one that is known is
    not repeated. Works under 'accelerate launch' with several processes.

    Examples:

        nil-audit score Qwen/Qwen2.5-0.5B --questions 1400

        nil-audit score ./my-checkpoint --data mmlu_pro/ --protocol leaderboard

        accelerate launch --num_processes 4 -m nil_audit score Qwen/Qwen2.5-7B --dtype bfloat16

        nil-audit score --published EleutherAI/pythia-410m
    """
    output = Output(as_json=as_json, quiet=quiet)
    if published:
        _list_published(list(expand(models or [])), output)
        return
    if not models:
        raise UsageError("Name a model to score, or list published scores with --published.")
    check_dtype(dtype)
    if out is not None:
        check_writable(out)

    from nil_audit.score.run import plan_score

    team = Team.join()
    plan = plan_score(protocol, data=data, questions=questions, batch_size=batch_size, backend=backend)
    loading = {
        "dtype": dtype,
        "device": device,
        "allow_pickle": allow_pickle,
        "trust_remote_code": trust_remote_code,
    }
    results: list[ScoreResult] = []
    failures: dict[str, str] = {}
    for name in expand(models):
        try:
            results.append(_score_one(name, plan, loading, fresh=fresh, output=output))
        except NilAuditError as error:
            if debug or isinstance(error, UsageError):
                raise
            failures[name] = str(error)
            output.error(str(error))
    if team.rank == 0:
        _finish(results, failures, output, out)
    team.leave()
    if failures:
        raise typer.Exit(EXIT_SOME_FAILED)


def _score_one(name: str, plan: "Plan", loading: dict[str, Any], *, fresh: bool, output: Output) -> "ScoreResult":
    """Score one model; it is only loaded when some answer is not kept."""
    from nil_audit.score.run import run_plan, wrapped
    from nil_audit.weights.checkpoint import load_checkpoint
    from nil_audit.weights.identity import identify

    identity = identify(name)

    def build() -> Any:
        if plan.backend == "vllm":
            from nil_audit.score.engines.vllm import wrap_vllm

            return wrap_vllm(
                identity.reference,
                revision=identity.revision,
                dtype=loading["dtype"],
                trust_remote_code=loading["trust_remote_code"],
            )

        checkpoint = load_checkpoint(name, identity=identity, **loading)
        return wrapped(plan, checkpoint.model, checkpoint.tokenizer)

    return run_plan(
        plan,
        build,
        identity=identity.digest,
        name=name,
        dtype=loading["dtype"],
        fresh=fresh,
        progress=output.progress,
    )


def _finish(results: Sequence["ScoreResult"], failures: dict[str, str], output: Output, out: Path | None) -> None:
    """Show and write what was measured, with what others have published of the same models beside it."""
    from nil_audit.catalog.scores import published_for

    rows = [result.to_dict() for result in results]
    known = {result.name: published_for(result.name) for result in results}
    document = {
        "scores": rows,
        "published": {name: found for name, found in known.items() if found},
        "failed": [{"model": name, "error": sentence} for name, sentence in failures.items()],
    }
    if rows:
        from nil_audit.report.score_table import score_view, write_scores

        output.show(
            score_view(rows, [row | {"model": name} for name, found in known.items() for row in found], output.width)
        )
        if out is not None:
            write_scores(
                rows,
                {result.name: [asdict(answer) for answer in result.answers] for result in results},
                out,
                command=shlex.join(["nil-audit", *sys.argv[1:]]),
                json_text=json.dumps(document, indent=1, ensure_ascii=False, allow_nan=False) + "\n",
            )
            output.note(f"Written to {out}/")
    output.document(document)


def _list_published(models: Sequence[str], output: Output) -> None:
    """List published scores, those known to be wrong marked; a model without any is said to have none."""
    from nil_audit.catalog.scores import published_for, published_scores
    from nil_audit.report.score_table import published_view

    names = models or sorted(set(published_scores(include_flagged=True)["model"]), key=str.lower)
    rows = [row | {"model": name} for name in names for row in published_for(name, include_flagged=True)]
    for name in models:
        if not any(row["model"] == name for row in rows):
            output.note(f"No published score of {name} is known; 'nil-audit score {name}' measures one.")
    if rows:
        output.show(published_view(rows, output.width))
    output.document({"published": rows})
