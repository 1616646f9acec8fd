"""lm-eval's tasks: what a model is asked, word for word, and what its responses are worth.

lm-eval's task files, prompts, filters and metrics are used as they are. What is ours: the rows come from a checked
``Benchmark`` instead of a download, and every question has a hash of all that can move its answer.
"""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from nil_audit.progress import quiet_libraries
from nil_audit.score.data import Row
from nil_audit.score.protocols import LETTERS, Protocol

Response = tuple[float, bool] | str
"""What lm-eval's language models return: log-probability and whether it is the likeliest, or the text generated."""


@dataclass(frozen=True, kw_only=True)
class Question:
    """One question as lm-eval asks it.

    Attributes:
        row: Of the data set.
        prompt: Five worked examples and the question.
        endings: The options' letters as they would follow, whose likelihood is compared; empty where text is generated.
        alone: The question with its options, without worked examples.
        digest: sha256 of all that can move its answer under its protocol: prompt, endings, the right letter, how text
            is generated, filtered and judged; and of its number, since 159 of MMLU-Pro's questions stand in it twice.
            The same whichever engine asks.
        task: lm-eval's, of the question's category.
        requests: lm-eval's ``Instance`` objects, one an ending, or the one that generates.
    """

    row: Row
    prompt: str
    endings: tuple[str, ...]
    alone: str
    digest: str
    task: Any
    requests: tuple[Any, ...]

    @property
    def category(self) -> str:
        """Name of its category."""
        return str(self.row["category"])


def load_task(protocol: Protocol, category: str, questions: Sequence[Row], examples: Sequence[Row]) -> Any:
    """lm-eval's task of a category, over these questions and worked examples."""
    from datasets import Dataset
    from lm_eval.tasks import TaskManager

    def rows(**_: Any) -> dict[str, Any]:
        return {"test": Dataset.from_list(list(questions)), "validation": Dataset.from_list(list(examples))}

    name = protocol.task(category)
    manager = TaskManager(include_path=str(protocol.folder), include_defaults=False)
    # as member of a group: only there does lm-eval lay overrides over a task file
    return manager.load([{"group": "nil_audit", "task": [{"task": name, "custom_dataset": rows}]}])["tasks"][name]


def as_asked(
    protocol: Protocol, questions: Mapping[str, Sequence[Row]], examples: Mapping[str, Sequence[Row]]
) -> list[Question]:
    """Questions as a protocol asks them; no model is needed for that.

    Args:
        protocol: How.
        questions: Rows by category.
        examples: The worked examples that a category's shots are taken from.

    Returns:
        One for each row, by category and in the order given.
    """
    found: list[Question] = []
    for category, rows in questions.items():
        if not rows:
            continue
        with quiet_libraries():
            task = load_task(protocol, category, rows, examples[category])
            task.build_all_requests(limit=None, rank=0, world_size=1)
        requests: dict[int, list[Any]] = {}
        for request in task.instances:
            requests.setdefault(request.doc["question_id"], []).append(request)
        for row in rows:
            asked = tuple(sorted(requests[row["question_id"]], key=lambda request: request.idx))
            found.append(_question(protocol, row, task, asked))
    return found


def _question(protocol: Protocol, row: Row, task: Any, requests: tuple[Any, ...]) -> Question:
    prompt = requests[0].args[0]
    endings = () if protocol.generates else tuple(request.args[1] for request in requests)
    how = dict(requests[0].args[1]) if protocol.generates else None
    worth = [task.config.filter_list, task.config.metric_list]
    moving = [row["question_id"], prompt, endings, row["answer"], how, worth]
    return Question(
        row=row,
        prompt=prompt,
        endings=endings,
        alone=task.doc_to_text(requests[0].doc),
        digest=hashlib.sha256(json.dumps(moving, default=str).encode()).hexdigest(),
        task=task,
        requests=requests,
    )


def judged(protocol: Protocol, question: Question, responses: Sequence[Response]) -> tuple[str | None, bool]:
    """The letter that a model chose, None where none could be read, and whether lm-eval's metric calls it right.

    Args:
        protocol: Under which it was asked.
        question: What was asked.
        responses: One a request, in the order of the requests.
    """
    for request, response in zip(question.requests, responses, strict=True):
        request.resps = [response]
        request.filtered_resps = {}
    question.task._instances = list(question.requests)  # the task's own filters, on this question alone
    question.task.apply_filters()
    name = next(iter(question.requests[0].filtered_resps))
    filtered = [request.filtered_resps[name] for request in question.requests]
    correct = bool(question.task.process_results(question.requests[0].doc, filtered)[protocol.metric])
    if protocol.generates:
        answered = str(filtered[0]).strip().upper()
        return (answered if len(answered) == 1 and answered in LETTERS else None), correct
    likelihoods = [response[0] for response in filtered]
    return LETTERS[likelihoods.index(max(likelihoods))], correct
