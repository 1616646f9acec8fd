"""MMLU-Pro on a loaded model: the answers are lm-eval's, nothing is asked twice, nothing is mixed up."""

import copy
import json
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from functools import wraps
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch

from nil_audit.errors import CheckpointError, MeasurementError, UsageError
from nil_audit.progress import quiet_libraries
from nil_audit.score.asking import Group, costs
from nil_audit.score.engines import plain, wrapped
from nil_audit.score.kept import keep_score, kept_scores
from nil_audit.score.plan import plan_score
from nil_audit.score.protocols import CATEGORIES, LETTERS, PROTOCOLS, generation_length
from nil_audit.score.questions import as_asked, load_task
from nil_audit.score.result import ScoreResult
from nil_audit.score.run import run_plan

Loaded = tuple[Any, Any]
WHO = {"identity": "sha256:one", "name": "tiny", "dtype": "float32"}


def _score(
    loaded: Loaded, protocol: str = "mc", identity: str = "sha256:one", fresh: bool = False, **chosen: Any
) -> ScoreResult:
    """A loaded model's score under a plan of its own."""
    plan = plan_score(protocol, **chosen)
    return run_plan(plan, lambda: wrapped(plan, *loaded), **WHO | {"identity": identity}, fresh=fresh)


def _by_lm_eval(loaded: Loaded, folder: str, task: dict[str, Any], **settings: Any) -> dict[int, dict[str, Any]]:
    """lm-eval's own logged samples of a task over local data, by question id."""
    from lm_eval import simple_evaluate
    from lm_eval.models.huggingface import HFLM
    from lm_eval.tasks import TaskManager

    with quiet_libraries():
        lm = HFLM(pretrained=loaded[0], tokenizer=copy.deepcopy(loaded[1]), batch_size=8)
        found = simple_evaluate(
            model=lm,
            tasks=[task],
            task_manager=TaskManager(include_path=folder, include_defaults=False),
            bootstrap_iters=0,
            **settings,
        )
    return {sample["doc"]["question_id"]: sample for samples in found["samples"].values() for sample in samples}


def _local(data: Path, tasks: list[str]) -> dict[str, Any]:
    """A group of lm-eval's own tasks with the data replaced, as its users do with a local copy."""
    files = {split: str(data / f"{split}.parquet") for split in ("test", "validation")}
    return {
        "group": "local",
        "task": [{"task": task, "dataset_path": "parquet", "dataset_kwargs": {"data_files": files}} for task in tasks],
    }


def _answers(result: ScoreResult) -> dict[int, tuple[str | None, bool]]:
    return {answer.question_id: (answer.chosen, answer.correct) for answer in result.answers}


@pytest.mark.parametrize("protocol", ["leaderboard", "mc"])
def test_answers_of_every_engine_and_batch_size_are_those_of_lm_evals_own_run(
    protocol: str, loaded: Loaded, data: Path
) -> None:
    result = _score(loaded, protocol=protocol, data=data)
    others = [_score(loaded, protocol=protocol, data=data, fresh=True, batch_size=size) for size in (1, 5)]
    others.append(_score(loaded, protocol=protocol, data=data, fresh=True, engine="plain"))
    chosen = PROTOCOLS[protocol]
    tasks = list(dict.fromkeys(chosen.task(category) for category in CATEGORIES))
    theirs = _by_lm_eval(loaded, str(chosen.folder), _local(data, tasks))
    assert len(theirs) == len(result.answers) == 56
    for answer in result.answers:
        sample = theirs[answer.question_id]
        likelihoods = [response[0] for response in sample["filtered_resps"]]
        assert answer.chosen == LETTERS[likelihoods.index(max(likelihoods))]
        assert answer.correct == bool(sample["acc"])
        assert answer.likelihoods == pytest.approx(likelihoods, abs=1e-4)
    assert all(_answers(other) == _answers(result) for other in others)
    engines = [other.to_dict()["engines"] for other in (result, *others)]
    assert engines == [{"shared": 56}] * 3 + [{"plain": 56}]
    assert len(result.letters) > 2  # else equality would say little


def test_prompts_of_mc_strip_options_and_show_examples_of_the_questions_own_category(
    data: Path, loaded: Loaded
) -> None:
    plan = plan_score("mc", data=data)
    question = next(row for row in plan.questions["law"] if any(text != text.strip() for text in row["options"]))
    prompts = {}
    for protocol in (PROTOCOLS["mc"], PROTOCOLS["leaderboard"]):
        asked = as_asked(protocol, {"law": [question]}, replace(plan, protocol=protocol).examples())
        prompts[protocol.name] = asked[0].prompt
    assert prompts["mc"].count("law: ") == 6
    assert prompts["leaderboard"].count("law: ") == 1
    assert prompts["leaderboard"].count("biology: ") == 5  # the first five rows, whatever they are
    assert ".  " not in prompts["mc"]
    assert ".  " in prompts["leaderboard"]
    assert prompts["mc"].endswith("Answer:")


def test_generated_answers_are_lm_evals_with_its_length_fitted_to_the_context(
    data: Path, model_with: Callable[..., Loaded]
) -> None:
    short = model_with(context=256)
    result = _score(short, protocol="cot", data=data, questions=14)
    assert generation_length(256) == 128
    name = PROTOCOLS["cot"].task("law")
    theirs = _by_lm_eval(short, str(PROTOCOLS["cot"].folder), _local(data, [name]), gen_kwargs={"max_gen_toks": 128})
    for answer in result.categories["law"]:
        assert answer.correct == bool(theirs[answer.question_id]["exact_match"])
        assert (answer.chosen is None) == (theirs[answer.question_id]["filtered_resps"] == ["[invalid]"])
    document = result.to_dict()
    assert document["generated"] == 128
    assert document["unparsed"]["share"] == document["unparsed"]["count"] / 14


def test_lm_evals_regular_expression_reads_the_answer(data: Path, loaded: Loaded, monkeypatch: Any) -> None:
    texts = ["so the answer is (B).", "The answer is C", "no idea", "the answer is (Z)"]

    def speak(self: Any, requests: list[Any], **_: Any) -> list[str]:
        return (texts * len(requests))[: len(requests)]

    monkeypatch.setattr(plain.PlainHFLM, "generate_until", speak)
    result = _score(loaded, protocol="cot", data=data, engine="plain", batch_size=4)
    texts_by_answer = {(answer.text, answer.chosen) for answer in result.answers}
    assert texts_by_answer == set(zip(texts, ("B", "C", None, None), strict=True))
    assert [len(answers) for answers in result.categories.values()] == [4] * 14
    assert result.to_dict()["unparsed"] == {"count": 28, "share": 0.5}
    assert all(answer.correct == (answer.chosen == answer.target) for answer in result.answers)
    assert "In 28 of 56 generated texts no answer was found" in result.notes[-1]


class _Watched:
    """A progress display that remembers its steps."""

    def __init__(self) -> None:
        self.steps: list[int] = []
        self.said: list[str] = []

    @contextmanager
    def __call__(self, _words: str, total: int, unit: str) -> Iterator[Any]:
        assert (total, unit) == (56, "questions")
        yield SimpleNamespace(
            advance=lambda steps, said="": self.steps.append(steps), skip=self.steps.append, tell=self.said.append
        )


def test_an_estimate_counts_what_is_read_once_and_what_is_left_at_the_pace_of_the_first_batch() -> None:
    # four prompts of 1,000 tokens, of which 900 are in common: at 200 a second it is over in a moment
    group = Group(questions=(), lengths=(1000,) * 4)
    assert costs([group], 900, 2, 1.0) is None
    # 2,700 of 4,000 tokens are not read again: 1,300 - 200 left at 10 a second
    assert (
        costs([group], 900, 2, 20.0) == "4 questions, 4,000 tokens, 68% of them read only once: about 110 seconds left."
    )
    assert costs([group, group], 0, 2, 200.0) == "8 questions, 8,000 tokens: about 10 minutes left."


def test_kept_answers_are_not_asked_again_and_a_stopped_run_goes_on(loaded: Loaded, data: Path, cache: Path) -> None:
    plan = plan_score("mc", data=data)
    watched = _Watched()
    first = run_plan(plan, lambda: wrapped(plan, *loaded), **WHO, progress=watched)
    assert (watched.steps[0], sum(watched.steps), max(watched.steps)) == (0, 56, 4)  # a category has four
    assert not watched.said  # it is over in some seconds
    (file,) = cache.rglob("*.jsonl")
    lines = file.read_bytes().splitlines()
    assert len([line for line in lines if line]) == 56

    def never() -> Any:
        raise AssertionError("the model is not needed")

    again = run_plan(plan, never, **WHO)
    assert (again.reused, again.kept, again.answers) == (56, True, first.answers)

    # what a killed run leaves: some lines, of the last one half
    kept = [line for line in lines if line][:21]
    file.write_bytes(b"\n".join(kept) + b"\n" + lines[-1][:100])
    watched = _Watched()
    resumed = run_plan(plan, lambda: wrapped(plan, *loaded), **WHO, progress=watched)
    assert (resumed.reused, _answers(resumed)) == (21, _answers(first))
    assert (watched.steps[0], sum(watched.steps)) == (21, 56)
    assert run_plan(plan, never, **WHO).reused == 56  # nor did the half line swallow the next
    fresh = run_plan(plan, lambda: wrapped(plan, *loaded), **WHO, fresh=True)
    assert (fresh.reused, _answers(fresh)) == (0, _answers(first))


def test_an_answer_serves_every_sample_batch_and_engine_that_asks_the_same(loaded: Loaded, data: Path) -> None:
    small = _score(loaded, "leaderboard", data=data, questions=14)
    plan = plan_score("leaderboard", data=data, questions=28, batch_size=3, engine="plain")
    large = run_plan(plan, lambda: wrapped(plan, *loaded), **WHO)
    assert (small.reused, large.reused) == (0, 14)
    assert large.to_dict()["engines"] == {"shared": 14, "plain": 14}
    assert _answers(small).items() <= _answers(large).items()


def test_a_question_that_stands_twice_is_two_questions(loaded: Loaded, tmp_path: Path) -> None:
    from tests.mmlu import mmlu_rows, write_mmlu

    test, validation = mmlu_rows()
    twin = next(row for row in test if row["category"] == "law")
    folder = write_mmlu(tmp_path / "twins", [*test, {**twin, "question_id": 9001}], validation)
    result = _score(loaded, data=folder)
    assert sorted(answer.question_id for answer in result.answers) == sorted(
        [9001, *(row["question_id"] for row in test)]
    )
    assert _answers(result)[9001] == _answers(result)[twin["question_id"]]
    assert result.to_dict()["sample"] is None
    assert len(_score(loaded, data=folder, precision=1e-9).answers) == 57


def test_an_error_in_the_middle_keeps_what_was_answered(
    loaded: Loaded, data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plan = plan_score(data=data)
    respond = plain.PlainHFLM.respond
    left = [3]

    def interrupted(self: Any, questions: Any) -> Any:
        left[0] -= 1
        if left[0] < 0:
            raise KeyboardInterrupt
        return respond(self, questions)

    with monkeypatch.context() as patch:
        patch.setattr(plain.PlainHFLM, "respond", interrupted)
        with pytest.raises(KeyboardInterrupt):
            run_plan(plan, lambda: wrapped(plan, *loaded), **WHO)
    assert run_plan(plan, lambda: wrapped(plan, *loaded), **WHO).reused == 3 * 8


def test_finished_scores_are_found_by_the_checkpoint_alone(loaded: Loaded, data: Path, cache: Path) -> None:
    small = _score(loaded, data=data, questions=14)
    large, other = _score(loaded, data=data, questions=28), _score(loaded, protocol="leaderboard", data=data)
    assert small.created <= large.created <= datetime.now(UTC).isoformat()
    found = kept_scores("sha256:one")
    assert found == [json.loads(json.dumps(score.to_dict())) for score in (other, large)]
    assert [row["data"]["edition"] for row in found] == ["2024", "2024"]
    assert kept_scores("sha256:two") == []
    for file in cache.rglob("score-mc-*.json"):
        file.write_text(file.read_text()[:100])
    assert [row["protocol"] for row in kept_scores("sha256:one")] == ["leaderboard"]
    assert keep_score("sha256:one", other.to_dict() | {"created": "2999"}) is None  # replaced, not added
    assert [row["created"] for row in kept_scores("sha256:one")] == ["2999"]


def test_answers_that_cannot_be_kept_end_nothing(
    loaded: Loaded, data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("NIL_AUDIT_CACHE", str(tmp_path / "file" / "cache"))
    score = _score(loaded, data=data, questions=14)
    assert len(score.answers) == 14
    assert (score.unkept or "").startswith("Answers are not kept: Cannot write to ")
    assert kept_scores("sha256:one") == []


def test_a_second_model_never_gets_the_first_ones_answers(
    loaded: Loaded, data: Path, model_with: Callable[..., Loaded]
) -> None:
    first = _score(loaded, data=data)
    second = _score(model_with(seed=1), identity="sha256:two", data=data)
    assert second.reused == 0
    assert _answers(second) != _answers(first)


def test_everything_that_can_move_an_answer_is_in_the_key(data: Path, tmp_path: Path) -> None:
    from tests.mmlu import mmlu_rows, write_mmlu

    test, validation = mmlu_rows()
    question = next(row for row in test if row["category"] == "law")
    example = next(row for row in validation if row["category"] == "law")

    def digest(protocol: str = "mc", **settings: Any) -> str:
        plan = plan_score(protocol, data=write_mmlu(tmp_path / "rows", test, validation), **settings)
        asked = as_asked(plan.protocol, {"law": [question]}, plan.examples())
        return asked[0].digest

    def moved(row: dict[str, Any], **change: Any) -> str:
        before = dict(row)
        row.update(change)
        try:
            return digest()
        finally:
            row.update(before)

    other = next(letter for letter in LETTERS if letter != question["answer"])
    found = [
        digest(),
        digest("leaderboard"),
        digest("cot"),
        moved(question, question="another?"),
        moved(question, options=[*question["options"][:-1], "another"]),
        moved(question, answer=other, answer_index=LETTERS.index(other)),
        moved(example, question="another?"),
        moved(question, question_id=9001),
    ]
    assert len(set(found)) == len(found)
    assert digest(batch_size=1, engine="plain") == digest(seed=7) == found[0]
    journals = [
        plan_score(protocol, data=data).journal(identity, dtype).path
        for protocol, identity, dtype in (
            ("mc", "one", "float32"),
            ("mc", "two", "float32"),
            ("mc", "one", "bfloat16"),
            ("leaderboard", "one", "float32"),
        )
    ]
    assert len(set(journals)) == 4


@pytest.mark.parametrize(
    "broken", [b"", b"{}", b"[1]", b"null", b'{"format": 3, "asked": "x", "answer": {}}', b"\xff\x00"]
)
def test_lines_that_are_no_answers_are_passed_over(broken: bytes, loaded: Loaded, data: Path) -> None:
    first = _score(loaded, data=data, questions=14)
    journal = plan_score("mc", data=data).journal("sha256:one", "float32")
    whole = journal.read()
    journal.path.write_bytes(broken + b"\n" + journal.path.read_bytes() + b"\n" + broken)
    assert journal.read() == whole
    older = b'"format": 2'.join(journal.path.read_bytes().split(b'"format": 3'))
    journal.path.write_bytes(older)
    assert journal.read() == {}
    assert len(whole) == len(first.answers)


def test_prompts_cut_are_counted_as_by_hand(data: Path, model_with: Callable[..., Loaded]) -> None:
    result = _score(model_with(context=208), data=data)
    plan = plan_score("mc", data=data)
    for category in CATEGORIES:
        task = load_task(plan.protocol, category, plan.questions[category], plan.examples()[category])
        answers = {answer.question_id: answer for answer in result.answers}
        for row in plan.questions[category]:
            # one token a byte, and the last one is predicted, not read
            answer = answers[row["question_id"]]
            assert answer.cut == (len((task.fewshot_context(row, 5) + " A").encode()) > 209)
            assert answer.question_cut == (len((task.doc_to_text(row) + " A").encode()) > 209)
    assert result.to_dict()["prompts_cut"] == 56
    assert "lost their beginning (worked examples)" in result.notes[1]


def test_a_context_shorter_than_any_question_is_refused(data: Path, model_with: Callable[..., Loaded]) -> None:
    with pytest.raises(MeasurementError, match=r"context of tiny \(20 tokens\) is shorter than one question"):
        _score(model_with(context=20), data=data)
    with pytest.raises(MeasurementError, match=r"context of tiny \(64 tokens\) is shorter than one question"):
        _score(model_with(context=64), data=data, protocol="cot")  # half of it is for the answer
    some = _score(model_with(context=64), data=data)
    assert 0 < some.to_dict()["questions_cut"] < 56


def test_the_result_says_all_that_was_asked_for(loaded: Loaded, data: Path) -> None:
    result = _score(loaded, data=data, questions=28, protocol="leaderboard")
    document = result.to_dict()
    right = sum(answer.correct for answer in result.answers)
    assert (document["questions"], document["questions_available"], document["correct"]) == (28, 56, right)
    assert document["accuracy"] == right / 28
    assert document["normalised"] == pytest.approx((right / 28 - 0.1) / 0.9)
    assert document["chance"] == pytest.approx(sum(1 / answer.options for answer in result.answers) / 28)
    assert document["above_chance"]["value"] == pytest.approx(document["accuracy"] - document["chance"])
    assert document["sample"]["question_ids"] == sorted(answer.question_id for answer in result.answers)
    assert [row["category"] for row in document["categories"]] == list(CATEGORIES)
    assert sum(row["correct"] for row in document["categories"]) == right
    assert (document["batch_size"], document["engines"], document["protocol"]) == (8, {"shared": 28}, "leaderboard")
    assert document["versions"]["lm_eval"].startswith("0.4.")
    assert document["task"]["version"] == "0.1"
    assert document["seconds"] > 0
    assert document["origin"] == "measured"
    assert _score(loaded, data=data).to_dict()["sample"] is None


def test_the_callers_tokenizer_stays_as_it_was(loaded: Loaded) -> None:
    tokenizer = loaded[1]
    assert tokenizer.pad_token is None
    lm = plain.PlainHFLM(**plain.wrapping(*loaded, batch_size=2))
    assert lm.tokenizer.pad_token is not None
    assert tokenizer.pad_token is None


def test_a_tokenizer_without_an_end_of_text_is_refused(loaded: Loaded) -> None:
    from tests.tiny import byte_tokenizer

    with pytest.raises(CheckpointError, match="set eos_token"):
        plain.wrapping(loaded[0], byte_tokenizer(), batch_size=2)


def test_another_version_of_a_task_is_refused_before_the_questions_are_read(data: Path, monkeypatch: Any) -> None:
    for name, held in (("cot", "3.1 of mmlu_pro"), ("leaderboard", "0.1 of leaderboard_mmlu_pro")):
        monkeypatch.setitem(PROTOCOLS, name, replace(PROTOCOLS[name], version="9.9"))
        with pytest.raises(UsageError, match=rf"holds version {re.escape(held)} where 9\.9 is needed"):
            plan_score(name, data=data / "nowhere")


def _without_numbers(loaded: Loaded) -> Loaded:
    """Finite weights whose logits are NaN: a final norm so large that the numbers overflow."""
    model = copy.deepcopy(loaded[0])
    with torch.no_grad():
        model.model.norm.weight.fill_(3e38)
        model.lm_head.weight.fill_(3e38)
    return model, loaded[1]


@pytest.mark.parametrize("protocol", ["leaderboard", "mc", "cot"])
def test_scores_that_are_not_numbers_are_refused_and_not_kept(
    protocol: str, loaded: Loaded, data: Path, cache: Path
) -> None:
    broken = _without_numbers(loaded)
    assert all(torch.isfinite(weight).all() for weight in broken[0].parameters())
    with pytest.raises(MeasurementError, match="not finite on this text; check that the weights are not damaged"):
        _score(broken, protocol=protocol, data=data, questions=14)
    assert list(cache.rglob("*.json*")) == []


def test_likelihoods_that_are_not_numbers_are_refused_whatever_the_engine(
    loaded: Loaded, data: Path, cache: Path, monkeypatch: Any
) -> None:
    def speak(self: Any, requests: list[Any], **_: Any) -> list[tuple[float, bool]]:
        return [(float("nan"), False)] * len(requests)

    monkeypatch.setattr(plain.PlainHFLM, "loglikelihood", speak)
    with pytest.raises(MeasurementError, match="not finite on this text; try --dtype float32, and check"):
        _score(loaded, data=data, engine="plain")
    assert list(cache.rglob("*.json*")) == []


@pytest.mark.parametrize("protocol", ["leaderboard", "cot"])
def test_tokens_beyond_the_embedding_are_refused_in_a_sentence(protocol: str, loaded: Loaded, data: Path) -> None:
    from transformers import AutoModelForCausalLM

    small = AutoModelForCausalLM.from_config(copy.deepcopy(loaded[0].config))
    small.resize_token_embeddings(80)
    with pytest.raises(CheckpointError, match=r"gives token \d+, but the model's vocabulary ends at 79: they do not"):
        _score((small, loaded[1]), protocol=protocol, data=data, questions=14)


def test_a_padding_token_beyond_the_embedding_is_not_padded_with(loaded: Loaded) -> None:
    tokenizer = copy.deepcopy(loaded[1])
    tokenizer.add_special_tokens({"pad_token": "<padding>"})
    assert tokenizer.pad_token_id == 256
    assert plain.wrapping(loaded[0], tokenizer, batch_size=2)["tokenizer"].pad_token_id == 0
    assert tokenizer.pad_token_id == 256


@pytest.mark.parametrize("engine", ["shared", "plain"])
def test_a_batch_that_does_not_fit_is_halved(engine: str, loaded: Loaded, data: Path, monkeypatch: Any) -> None:
    whole = _score(loaded, data=data, identity="sha256:two")
    forward = loaded[0].forward

    @wraps(forward)
    def small(inputs: torch.Tensor, **more: Any) -> Any:
        if len(inputs) > 2:
            raise torch.OutOfMemoryError("CUDA out of memory")
        return forward(inputs, **more)

    with monkeypatch.context() as patch:
        patch.setattr(loaded[0], "forward", small)
        result = _score(loaded, data=data, engine=engine)
    assert _answers(result) == _answers(whole)
    assert "Memory ran out at a batch size of 8; 2 was used from there on." in result.notes
    assert {answer.engine for answer in result.answers} == {engine}
    again = _score(loaded, data=data, engine=engine)
    assert (again.reused, again.notes) == (56, result.notes)  # what the run had to say is kept with its answers
    assert again.to_dict()["batch_size"] == result.to_dict()["batch_size"]


def test_memory_that_one_question_exceeds_is_said(loaded: Loaded, data: Path, monkeypatch: Any) -> None:
    def fail(*_: Any, **__: Any) -> Any:
        raise torch.OutOfMemoryError("CUDA out of memory")

    monkeypatch.setattr(loaded[0], "forward", fail)
    with pytest.raises(MeasurementError, match="single question at a time; use --dtype bfloat16"):
        _score(loaded, data=data, engine="plain")


def test_options_that_cannot_be(data: Path) -> None:
    for wrong, sentence in (
        ({"protocol": "exam"}, "choose one of mc, leaderboard, cot"),
        ({"engine": "jax"}, "choose one of shared, plain, vllm"),
        ({"batch_size": 0}, "use 1 or more"),
        ({"questions": 5}, "ask for 14 or more"),
        ({"questions": 28, "precision": 0.01}, "use one of them"),
        ({"precision": 1.0}, "100% is no standard error"),
    ):
        with pytest.raises(UsageError, match=sentence):
            plan_score(**{"data": data, **wrong})  # type: ignore[arg-type]
