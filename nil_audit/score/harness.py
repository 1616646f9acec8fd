"""lm-eval, one category at a time: a language model and questions in, answers out.

lm-eval's task files, prompts, batching, log-likelihoods and metrics are used as they are. What is ours: the rows
come from a checked ``Benchmark`` instead of a download, and every answer says whether its prompt was cut.
"""

import math
import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import Any

from lm_eval.evaluator import evaluate
from lm_eval.models.huggingface import HFLM
from lm_eval.tasks import TaskManager

from nil_audit.errors import MeasurementError
from nil_audit.progress import quiet_libraries
from nil_audit.score.answers import Answer, CategoryResult
from nil_audit.score.data import Row
from nil_audit.score.plan import Plan
from nil_audit.score.protocols import LETTERS, Protocol, generation_length


def load_task(protocol: Protocol, category: str, questions: Sequence[Row], examples: Sequence[Row]) -> Any:
    """lm-eval's task of a category, over these questions and worked examples."""
    from datasets import Dataset

    def rows(**_: Any) -> dict[str, Any]:
        return {"test": Dataset.from_list(list(questions)), "validation": Dataset.from_list(list(examples))}

    name = protocol.task(category)
    manager = TaskManager(include_path=str(protocol.folder), include_defaults=False)
    # as member of a group: only there does lm-eval lay overrides over a task file
    return manager.load([{"group": "nil_audit", "task": [{"task": name, "custom_dataset": rows}]}])["tasks"][name]


def run_category(lm: Any, plan: Plan, category: str, *, advance: Callable[[int], object]) -> CategoryResult:
    """Ask one category's questions.

    Args:
        lm: From ``nil_audit.score.engines``.
        plan: What to ask, and how.
        category: Its name.
        advance: Called with the number of questions done since the last call.

    Returns:
        One answer a question, in the plan's order.

    Raises:
        MeasurementError: Memory ran out at this batch size, or a likelihood is not finite.
        CheckpointError: The tokenizer gives ids that the embedding does not have.
    """
    start = time.perf_counter()
    protocol, questions = plan.protocol, plan.questions[category]
    done = 0

    def count(steps: int) -> None:
        nonlocal done
        steps = min(steps, len(questions) - done)  # options of several tokens make more rows than questions
        done += steps
        if steps:
            advance(steps)

    with quiet_libraries():
        task = load_task(protocol, category, questions, plan.examples(category))
        if protocol.generates:
            task.set_config("generation_kwargs", {"max_gen_toks": generation_length(lm.max_length)}, update=True)
        lm.advance = count
        try:
            outcome = evaluate(lm=lm, task_dict={"tasks": {task.task_name: task}}, bootstrap_iters=0)
        except Exception as error:
            if _out_of_memory(error):
                raise MeasurementError(
                    f"Memory ran out at a batch size of {lm.batch_size} on '{category}'; use a smaller --batch-size "
                    "(finished categories are kept)."
                ) from error
            raise
        samples = {sample["doc"]["question_id"]: sample for sample in outcome["samples"][task.task_name]}
        answers = tuple(_answer(lm, protocol, task, samples[row["question_id"]]) for row in questions)
    count(len(questions))
    return CategoryResult(
        category=category,
        answers=answers,
        context=lm.max_length,
        generated=generation_length(lm.max_length) if protocol.generates else None,
        seconds=time.perf_counter() - start,
        created=datetime.now(UTC).isoformat(timespec="seconds"),
    )


def require_room(lm: Any, plan: Plan, name: str) -> None:
    """Check that at least one question, alone with its options and no worked example, fits the context.

    Raises:
        MeasurementError: None does, so that no answer would be an answer to the question.
    """
    room = prompt_room(lm, plan.protocol)
    category, questions = next(iter(plan.questions.items()))
    with quiet_libraries():
        task = load_task(plan.protocol, category, questions, ())
        ending = "" if plan.protocol.generates else " A"
        alone = (task.doc_to_text(row) + ending for rows in plan.questions.values() for row in rows)
        if any(len(lm.tok_encode(text)) <= room for text in alone):
            return
    raise MeasurementError(
        f"The context of {name} ({lm.max_length:,} tokens) is shorter than one question of MMLU-Pro with its options, "
        f"so its answers would mean nothing; score a model with a context of some hundred tokens or more."
    )


def prompt_room(lm: Any, protocol: Protocol) -> int:
    """Tokens that a prompt may have before lm-eval cuts it from the left.

    For a log-likelihood the last token of prompt and answer is only predicted, never read, so one more token
    than the context fits (with vLLM one less: it has to generate one); for a generation the room that is
    generated into is taken off.
    """
    if protocol.generates:
        return lm.max_length - generation_length(lm.max_length)
    return lm.max_length + (1 if isinstance(lm, HFLM) else -1)


def _answer(lm: Any, protocol: Protocol, task: Any, sample: dict[str, Any]) -> Answer:
    """One logged sample of lm-eval as an answer."""
    doc = sample["doc"]
    options = len(doc["options"])
    room = prompt_room(lm, protocol)
    prompt, alone = sample["arguments"][0][0], task.doc_to_text(doc)
    if protocol.generates:
        answered = sample["filtered_resps"][0].strip().upper()
        chosen = answered if answered in LETTERS and len(answered) == 1 else None
        endings = [""]
    else:
        likelihoods = [response[0] for response in sample["filtered_resps"]]
        if not all(map(math.isfinite, likelihoods)):
            raise not_finite()
        chosen = LETTERS[max(range(options), key=likelihoods.__getitem__)]
        endings = [arguments[1] for arguments in sample["arguments"]]
    cut = _longest(lm, prompt, endings, room) > room
    return Answer(
        question_id=doc["question_id"],
        options=options,
        target=doc["answer"],
        chosen=chosen,
        correct=bool(sample[protocol.metric]),
        cut=cut,
        question_cut=cut and _longest(lm, alone, endings, room) > room,
    )


def not_finite(dtype: Any = None) -> MeasurementError:
    """The error of a model whose scores are not numbers, so that no answer is its own.

    Args:
        dtype: Of its weights, where known.
    """
    wider = "" if str(dtype) in ("torch.float32", "torch.float64") else "try --dtype float32, and "
    return MeasurementError(
        f"The scores of the answers are not finite on this text; {wider}check that the weights are not damaged."
    )


def _longest(lm: Any, prompt: str, endings: Sequence[str], room: int) -> int:
    """Tokens of the prompt with its longest ending; endings are only compared where they can matter."""
    length = len(lm.tok_encode(prompt + endings[0]))
    if abs(length - room) > 8:
        return length
    return max(len(lm.tok_encode(prompt + ending)) for ending in endings)


def _out_of_memory(error: Exception) -> bool:
    """Whether an exception means that the device's or the machine's memory ran out."""
    import torch

    return isinstance(error, torch.OutOfMemoryError | MemoryError) or "can't allocate memory" in str(error)
