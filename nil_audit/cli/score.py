"""``nil-audit score MODEL ...``: run MMLU-Pro, or list what others have published."""

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from nil_audit.cli.options import AllowPickle, AsJson, Debug, Device, Dtype, Quiet, TrustRemoteCode, check_dtype
from nil_audit.cli.output import Output
from nil_audit.cli.results import command_line, finish, with_failures
from nil_audit.errors import UsageError
from nil_audit.files import cache_trouble, check_writable
from nil_audit.runner import run_each
from nil_audit.score.protocols import DEFAULT

if TYPE_CHECKING:
    from nil_audit.score.result import ScoreResult


def score(
    models: Annotated[
        list[str] | None,
        typer.Argument(metavar="MODEL...", help="Hub id, id@revision, local folder, or a model list (.csv)."),
    ] = None,
    protocol: Annotated[
        str,
        typer.Option(help="leaderboard (Open LLM Leaderboard v2, comparable with published scores), mc or cot."),
    ] = DEFAULT,
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
    out: Annotated[Path | None, typer.Option(help="Folder for scores.html, .md, .json, .csv and each answer.")] = None,
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
    from nil_audit.catalog.lists import expand_models

    output = Output(as_json=as_json, quiet=quiet)
    if published:
        _list_published(expand_models(models or []), output)
        return
    if not models:
        raise UsageError("Name a model to score, or list published scores with --published.")
    weights = check_dtype(dtype)
    if out is not None:
        check_writable(out)
    if trouble := cache_trouble():
        output.note(trouble)

    from nil_audit.catalog.scores import published_for
    from nil_audit.report.score import score_files, score_page
    from nil_audit.score.plan import plan_score
    from nil_audit.score.run import run_plan
    from nil_audit.source import resolve

    asked = expand_models(models)
    plan = plan_score(protocol, data=data, questions=questions, batch_size=batch_size, backend=backend)

    def measure(name: str) -> "ScoreResult":
        source = resolve(name)

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

        return run_plan(
            plan, load, identity=source.digest, name=name, dtype=dtype, fresh=fresh, progress=output.progress
        )

    outcome = run_each(asked, measure, on_failure=output.error, debug=debug)
    results, failures = outcome.results, outcome.failures
    scores = [result.to_dict() for result in results.values()]
    known = {name: rows for name in results if (rows := published_for(name))}
    document = with_failures({"scores": scores, "published": known}, failures)
    named = [{**row, "model": name} for name, rows in known.items() for row in rows]
    answers = {name: result.answers for name, result in results.items()}
    finish(
        output,
        "scores",
        score_page(scores, named, command=command_line()) if scores else None,
        score_files(scores, answers, document) if scores else {},
        document,
        failures=failures,
        asked=len(asked),
        out=out,
    )


def _list_published(models: Iterable[str], output: Output) -> None:
    """List published scores, those known to be wrong marked; a model without any is said to have none."""
    from nil_audit.catalog.scores import published_for, published_scores
    from nil_audit.report.score import published_page

    names = list(models) or sorted(set(published_scores(include_flagged=True)["model"]), key=str.lower)
    known = {name: published_for(name, include_flagged=True) for name in names}
    for name, found in known.items():
        if not found:
            output.note(f"No published score of {name} is known; 'nil-audit score {name}' measures one.")
    rows = [{**row, "model": name} for name, found in known.items() for row in found]
    if rows:
        output.show(published_page(rows))
    output.document({"published": rows})
