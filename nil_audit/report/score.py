"""MMLU-Pro scores as a page and as files: measured ones with their categories, published ones with their sources."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from typing import Any

from nil_audit.catalog.scores import PROTOCOL_TITLES
from nil_audit.files import distinct_names
from nil_audit.report.render.page import Block, Bullets, Cell, Listing, Page, Section, Table, table
from nil_audit.report.render.text import MISSING, display_names, estimate_text, percent
from nil_audit.score.answers import Answer
from nil_audit.score.eval_results import FOLDER, TASK_ID, eval_results_text
from nil_audit.score.protocols import LETTERS
from nil_audit.score.result import answer_numbers
from nil_audit.stats.estimate import Estimate

Row = Mapping[str, Any]

_MOST_IN_WORDS = 3
"""Comparisons that are told in sentences; more are a table."""
FEWEST = 30
"""Questions that a category needs for a row of its own: with fewer its error is a guess."""

_COLUMNS = ("Asked", "Accuracy %", "Chance %", "Above chance [95%]")
_LIES = {"at": "covers", "above": "lies above", "below": "lies below"}
_DTYPES = {"bfloat16": "bf16", "float16": "fp16"}
_FLAT = (
    *("model", "protocol", "category", "questions", "correct", "accuracy", "stderr", "low", "high", "chance"),
    *("against_chance", "prompts_cut", "above_chance_value", "above_chance_low", "above_chance_high"),
)


def score_page(
    scores: Sequence[Row],
    answers: Mapping[str, Sequence[Answer]],
    paired: Sequence[Row],
    published: Sequence[Row],
    *,
    command: str,
) -> Page:
    """All that is known of the models scored: in all, by category, and as others have published it.

    Args:
        scores: Score rows of one protocol (see ``ScoreResult.to_dict``), at least one.
        answers: Of each model by its name, in the order of the row's categories.
        paired: Further models against the first (see ``nil_audit.score.paired.Paired.to_dict``).
        published: Published scores of the same models, as for ``published_page``.
        command: That made the scores.
    """
    shown = display_names(score["model"] for score in scores)
    results: list[Block] = [_summary(scores, shown), *([_paired(paired, shown)] if paired else [])]
    for score in scores:
        results.append(_categories(score, shown[score["model"]], answers[score["model"]]))
        if score["notes"]:
            results.append(Bullets(items=tuple(score["notes"])))
    differences = tuple(scores[0]["task"]["differences"])
    others = Section(
        name="published",
        title="Published by others; protocols are not comparable",
        blocks=tuple(_published(published)),
    )
    return Page(
        title="MMLU-Pro",
        kicker="Accuracy, and what it is worth above guessing",
        answer=(
            *(_in_words(score, shown[score["model"]]) for score in scores),
            *(_pair_in_words(pair, shown) for pair in paired if len(paired) <= _MOST_IN_WORDS),
        ),
        headlines=len(scores) + (len(paired) if len(paired) <= _MOST_IN_WORDS else 0),
        sections=(
            Section(name="results", title="Results", blocks=tuple(results)),
            *([others] if published else []),
            Section(
                name="command",
                title="How it was asked",
                blocks=(*([Bullets(items=differences)] if differences else []), Listing(text=command)),
                detail=True,
            ),
        ),
        footer=(scores[0]["source"],),
    )


def published_page(rows: Sequence[Row]) -> Page:
    """Published scores, one table a protocol, with their sources listed below; "!" marks those that are not used.

    Args:
        rows: Of ``nil_audit.catalog.scores.published_for``, each with its ``model``.
    """
    models = len({row["model"] for row in rows})
    answer = f"{len(rows)} published MMLU-Pro scores of {models} models; protocols are not comparable."
    section = Section(name="published", title="By protocol", blocks=tuple(_published(rows)))
    return Page(title="MMLU-Pro", kicker="Scores that others have published", answer=(answer,), sections=(section,))


def published_files(rows: Sequence[Row], document: Any) -> dict[str, Any]:
    """The files beside that page, by path: the document that ``--json`` prints, and the rows as a table."""
    import pandas as pd

    return {"published.json": document, "published.csv": pd.DataFrame([dict(row) for row in rows])}


def score_files(
    scores: Sequence[Row], answers: Mapping[str, Sequence[Answer]], paired: Sequence[Row], document: Any
) -> dict[str, Any]:
    """The files beside the page, by path: the document, its numbers as tables, every answer.

    Args:
        scores: Score rows.
        answers: Of each model by its name.
        paired: Further models against the first.
        document: That ``--json`` prints.
    """
    import pandas as pd

    shown = display_names(answers)
    files = distinct_names(shown.values())
    rows = [
        {**score, **part, "model": shown[score["model"]]}
        for score in scores
        for part in ({"category": "all"}, *score["categories"])
    ]
    return {
        "scores.json": document,
        "scores.csv": pd.json_normalize(rows, sep="_")[list(_FLAT)],
        **({"paired.csv": pd.json_normalize([_by_shown(pair, shown) for pair in paired], sep="_")} if paired else {}),
        **{
            f"answers/{files[shown[model]]}.csv": pd.DataFrame([_flat(one) for one in given])
            for model, given in answers.items()
        },
    }


def _by_shown(pair: Row, shown: Mapping[str, str]) -> dict[str, Any]:
    return {**pair, "model": shown[pair["model"]], "against": shown[pair["against"]]}


def _flat(answer: Answer) -> dict[str, Any]:
    """An answer as one row of a table: the log-probability of each letter in a column, or the text generated."""
    row = asdict(answer)
    letters = {f"logprob_{letter}": value for letter, value in zip(LETTERS, row.pop("likelihoods"), strict=False)}
    text = row.pop("text")
    return {**row, **letters} if text is None else {**row, "text": text}


def hub_files(scores: Sequence[Row]) -> dict[str, str]:
    """Scores as the Hub's evaluation results, by path: a folder a model, laid out as its repository is."""
    shown = display_names(score["model"] for score in scores)
    folders = distinct_names(shown.values())
    return {
        f"hub/{folders[shown[score['model']]]}/{FOLDER}/{TASK_ID}.yaml": eval_results_text(score) for score in scores
    }


def _in_words(score: Row, name: str) -> str:
    """What an accuracy is worth, in a sentence."""
    against = score["against_chance"]
    return (
        f"{name} is {against} chance: the 95% interval of its accuracy, "
        f"{percent(score['low'])} to {percent(score['high'])}, {_LIES[against]} what guessing gives, "
        f"{percent(score['chance'])}."
    )


def _summary(scores: Sequence[Row], shown: Mapping[str, str]) -> Table:
    """One row a model."""
    leaderboard = scores[0]["normalised"] is not None
    return table(
        f"MMLU-Pro, {scores[0]['task']['title']}",
        ("Model", *_COLUMNS, *(["Normalised %"] if leaderboard else [])),
        [
            (shown[row["model"]], *_cells(row), *([_bare_percent(row["normalised"])] if leaderboard else []))
            for row in scores
        ],
    )


def _paired(paired: Sequence[Row], shown: Mapping[str, str]) -> Table:
    """One row a further model: its distance from the first, and on how many questions they differ."""
    return table(
        f"Against {shown[paired[0]['against']]}, on the questions that both were asked",
        ("Model", "Both asked", "Points [95%]", "Right alone", "Wrong alone"),
        [
            (
                shown[pair["model"]],
                str(pair["questions"]),
                _points(pair),
                str(pair["only_model"]),
                str(pair["only_against"]),
            )
            for pair in paired
        ],
    )


def _pair_in_words(pair: Row, shown: Mapping[str, str]) -> str:
    """Whether a model is better than another, in a sentence."""
    one, other = shown[pair["model"]], shown[pair["against"]]
    asked = f"on the {pair['questions']:,} questions that both were asked"
    if Estimate.from_dict(pair["difference"]).excludes_zero:
        side = "better" if pair["difference"]["value"] > 0 else "worse"
        return f"{one} is {side} than {other} {asked}, by {_points(pair)} points."
    return f"{one} and {other} cannot be told apart {asked}: {_points(pair)} points."


def _points(pair: Row) -> str:
    return estimate_text(Estimate.from_dict(pair["difference"]), 1, factor=100)


def _categories(score: Row, name: str, answers: Sequence[Answer]) -> Block:
    """One row a category of one model; prompts cut and texts unread only where there are any."""
    few = [row["category"] for row in score["categories"] if row["questions"] < FEWEST]
    if len(few) == len(score["categories"]):
        return Bullets(
            items=(f"{name}: {_provenance(score)}. No category has {FEWEST} questions; the files have each of them.",)
        )
    cut, unread = bool(score["prompts_cut"]), score["unparsed"] is not None
    rows = [row for row in score["categories"] if row["category"] not in few or len(few) == 1]
    if len(few) > 1:
        rows.append(_together(score, few, answers))
    return table(
        f"{name}, by category",
        ("Category", *_COLUMNS, *["Cut"] * cut, *["Unread"] * unread),
        [
            (
                row["category"],
                *_cells(row),
                *[str(row["prompts_cut"])] * cut,
                *([str(row["unparsed"]["count"])] if unread else []),
            )
            for row in rows
        ],
        note=_provenance(score)
        + (f". Categories of fewer than {FEWEST} questions share a row; the files have each." if len(few) > 1 else ""),
    )


def _together(score: Row, few: Sequence[str], answers: Sequence[Answer]) -> Row:
    """Several categories as one row, with accuracy, error and chance of their answers."""
    chosen = [answer for answer in answers if answer.category in few]
    return {
        "category": f"others ({len(few)} categories)",
        "questions_available": sum(row["questions_available"] for row in score["categories"] if row["category"] in few),
        **answer_numbers(chosen, generated=score["unparsed"] is not None),
    }


def _cells(row: Row) -> tuple[str, ...]:
    """What every row has: questions asked ("280/12032", or "12032" for all), accuracy, chance, distance from it."""
    of = f"/{row['questions_available']}" if row["questions"] < row["questions_available"] else ""
    above = Estimate.from_dict(row["above_chance"])
    # a wide interval is told in whole points
    digits = 1 if row["high"] - row["low"] < 0.1 else 0
    return (
        f"{row['questions']}{of}",
        _with_error(row),
        f"{row['against_chance']} {_bare_percent(row['chance'])}",
        estimate_text(above, digits, factor=100),
    )


def _with_error(row: Row) -> str:
    """Accuracy in percent with its standard error: "31.4 ± 0.4"; alone where none is known or all answers agree."""
    value = _bare_percent(row["accuracy"])
    return f"{value} ± {100 * row['stderr']:.1f}" if row["stderr"] else value


def _bare_percent(fraction: float) -> str:
    return percent(fraction).rstrip("%")


def _provenance(score: Row) -> str:
    """How a score came about, in one line."""
    task = score["task"]
    parts = [
        f"{task['group']} {task['version']}",
        f"lm-eval {score['versions']['lm_eval']}",
        _engines(score["engines"]),
        *([f"batch size {score['batch_size']}"] if score["batch_size"] else []),
        score["dtype"],
        f"context {score['context']:,}",
        *([f"at most {score['generated']:,} tokens generated"] if score["generated"] else []),
        f"{score['seconds']:.0f} s",
        f"questions of {score['data']['edition']}, {_data_source(score['data'])}",
        *([_sample(score)] if score["full_set"] else []),
    ]
    return ", ".join(parts)


def _engines(engines: Mapping[str, int]) -> str:
    """Which engine answered, or each of several with the number of its answers."""
    if len(engines) == 1:
        return f"engine {next(iter(engines))}"
    return "engines " + " and ".join(f"{name} ({count:,} answers)" for name, count in engines.items())


def _sample(score: Row) -> str:
    """Which sample was asked, and how far its accuracy may be from that over all questions."""
    sample, error = score["sample"], 100 * score["full_set"]["stderr"]
    until = "" if sample["precision"] is None else f", asked until at most {100 * sample['precision']:g}"
    return f"sample of seed {sample['seed']}, standard error against all questions {error:.2g} points{until}"


def _data_source(data: Row) -> str:
    """Where the questions are from: the Hub's commit, or the hash of a folder's content."""
    return f"{data['source']}@{data['revision'][:12]}" if data["revision"] else f"content {data['sha256'][:12]}"


def _published(rows: Sequence[Row]) -> Iterator[Block]:
    """One table a protocol, then the sources that their numbers stand for."""
    editions = {row["source"]: row["data"] for row in rows}
    sources = list(editions)
    for protocol, title in PROTOCOL_TITLES.items():
        cells = [
            (
                row["model"],
                _with_error(row),
                _DTYPES.get(row["precision"], row["precision"] or MISSING),
                row["date"] or MISSING,
                Cell(
                    text=f"[{sources.index(row['source']) + 1}]" + "!" * bool(row["flag"]),
                    tone="doubtful" if row["flag"] else None,
                ),
            )
            for row in rows
            if row["protocol"] == protocol
        ]
        if cells:
            yield table(f"Protocol {protocol}. {title}", ("Model", "Accuracy %", "Dtype", "Date", "Source"), cells)
    flags = dict.fromkeys(f"! not used, {row['model']}: {row['flag']}" for row in rows if row["flag"])
    said = (
        f"[{number}] {source}{f'; questions of {edition}' if edition else ''}"
        for number, (source, edition) in enumerate(editions.items(), 1)
    )
    yield Bullets(items=(*said, *flags))
