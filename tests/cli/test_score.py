"""``nil-audit score`` as a user runs it: tables, JSON, files, published scores, and every bad input."""

import csv
import json
import os
import re
from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from tests.cli.conftest import Done
from tests.mmlu import Rows, answering_checkpoint, mmlu_rows, write_mmlu

Here = Callable[..., Done]


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_mmlu(tmp_path_factory.mktemp("data") / "mmlu_pro", *mmlu_rows())


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return answering_checkpoint(tmp_path_factory.mktemp("models") / "tiny-one", context=256)


@pytest.fixture(scope="module")
def other(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return answering_checkpoint(tmp_path_factory.mktemp("models") / "other", context=256, seed=1)


def test_tables_files_and_a_second_call_that_asks_nothing(
    run_here: Here, model: Path, data: Path, tmp_path: Path
) -> None:
    arguments = ("score", model, "--data", data, "--questions", "42")
    done = run_here(*arguments, "--out", tmp_path / "out")
    assert done.returncode == 0, done.stderr
    assert max(map(len, done.stdout.splitlines())) <= 80
    words = ("tiny-one: leaderboard_mmlu_pro 0.1", "42/56", "Normalised", "the 95% interval of its accuracy")
    for word in (*words, "42 of 42 prompts were longer than the context of 256 tokens", "lm-eval 0.4", "batch size 8"):
        assert word in " ".join(done.stdout.split()), word
    written = f"Written: {tmp_path / 'out' / 'scores.html'} and 4 more files."
    assert done.stderr.strip() == f"{written} Next: nil-audit compare {tmp_path / 'out'}"

    again = run_here(*arguments, "--json")
    document = json.loads(again.stdout)
    kept = json.loads((tmp_path / "out" / "scores.json").read_text())
    (score,) = document["scores"]
    assert score["answers_reused"] == 42
    score["answers_reused"] = 0
    assert document == kept
    assert score["protocol"] == "leaderboard"
    assert (score["data"]["edition"], score["data"]["revision"]) == ("2024", None)
    assert datetime.fromisoformat(score["created"]).utcoffset() == timedelta(0)
    assert re.fullmatch(r".*tiny-one: measured \d\d:\d\d (today|yesterday); --fresh measures again\.\n", again.stderr)

    rows = list(csv.DictReader((tmp_path / "out" / "scores.csv").read_text().splitlines()))
    assert [row["category"] for row in rows] == ["all", *(row["category"] for row in score["categories"])]
    assert float(rows[0]["accuracy"]) == score["accuracy"]
    (answers,) = (tmp_path / "out" / "answers").iterdir()
    given = list(csv.DictReader(answers.read_text().splitlines()))
    assert sum(row["correct"] == "True" for row in given) == score["correct"]
    assert rows[0]["against_chance"] == score["against_chance"]
    assert "No category has 30 questions" in (tmp_path / "out" / "scores.html").read_text()
    markdown = (tmp_path / "out" / "scores.md").read_text()
    assert "nil-audit score" in markdown
    assert "leaderboard\\_mmlu\\_pro 0.1" in markdown or "leaderboard_mmlu_pro 0.1" in markdown


def test_one_model_that_fails_does_not_stop_the_others_and_nothing_goes_over_the_network(
    run_here: Here, model: Path, data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tried: list[object] = []

    def refuse(*arguments: object, **_: object) -> None:
        tried.append(arguments)
        raise OSError("no network in this test")

    short = answering_checkpoint(tmp_path / "short", context=16)
    monkeypatch.setenv("HF_HOME", str(tmp_path / "hf"))
    for place in ("socket.connect", "getaddrinfo", "create_connection"):
        monkeypatch.setattr(f"socket.{place}", refuse)
    done = run_here("score", short, model, "--data", data, "--questions", "14", "--json")
    assert done.returncode == 1
    assert not tried
    assert "shorter than one question of MMLU-Pro" in done.stderr
    assert "Traceback" not in done.stderr
    document = json.loads(done.stdout)
    assert [row["model"] for row in document["scores"]] == [str(model)]
    assert [row["model"] for row in document["failed"]] == [str(short)]
    assert document["paired"] == []


def _without_options(test: Rows) -> Rows:
    return [{key: value for key, value in row.items() if key != "options"} for row in test]


def _answer_out_of_range(test: Rows) -> Rows:
    return [{**test[0], "answer": "J", "options": ["1", "2"]}, *test[1:]]


def _without_law(test: Rows) -> Rows:
    return [row for row in test if row["category"] != "law"]


BAD_DATA: dict[str, tuple[Callable[[Rows], Rows], str]] = {
    "missing column": (_without_options, "lacks the column options"),
    "answer out of range": (_answer_out_of_range, "out of the range of its 2 options"),
    "duplicate ids": (lambda test: [*test, test[0]], "question ids more than once"),
    "empty category": (_without_law, "no question of the category 'law'"),
}


@pytest.mark.parametrize("name", BAD_DATA)
def test_bad_data_are_one_sentence(name: str, run_here: Here, model: Path, tmp_path: Path) -> None:
    spoil, sentence = BAD_DATA[name]
    test, validation = mmlu_rows()
    folder = write_mmlu(tmp_path / "data", spoil(test), validation)
    done = run_here("score", model, "--data", folder)
    assert done.returncode == 1
    assert done.stdout == ""
    assert done.stderr.startswith("Error: ")
    assert sentence in done.stderr
    assert len(done.stderr.splitlines()) == 1


@pytest.mark.parametrize(
    ("arguments", "code", "sentence"),
    [
        ((), 2, "Name a model to score"),
        (("some-model", "--protocol", "exam"), 2, "choose one of mc, leaderboard, cot"),
        (("some-model", "--engine", "vllm"), 2, "pip install 'nil-audit[vllm]'"),
        (("some-model", "--engine", "vllm", "--batch-size", "4"), 2, "--batch-size cannot go with --engine vllm"),
        (("some-model", "--engine", "vllm", "--device", "cpu"), 2, "--device cannot go with --engine vllm"),
        (("some-model", "--questions", "13", "--data", "nowhere"), 2, "ask for 14 or more"),
        (("some-model", "--dtype", "int8"), 2, "There is no dtype 'int8'"),
        (("some-model", "--data", "nowhere"), 1, "There is no folder nowhere"),
        (("some-model", "--data", "nowhere", "--data-revision", "main"), 2, "--data-revision cannot go with it"),
        (("some-model", "--precision", "1"), 2, "'1' is no standard error of an accuracy; write one above 0 and below"),
        (("some-model", "--precision", "0%", "--data", "nowhere"), 2, "such as 1% or 0.01"),
        (("some-model", "--precision", "-1%"), 2, "'-1%' is no standard error"),
        (("some-model", "--precision", "50%"), 2, "'50%' is no standard error"),
        (("some-model", "--precision", "1%", "--questions", "20"), 2, "--questions cannot go with it"),
        (("--published", "--precision", "1%"), 2, "so --precision cannot go with it"),
        (("--published", "--questions", "20"), 2, "--published runs nothing, so --questions cannot go with it"),
        (("--published", "--protocol", "mc", "--data", "x"), 2, "so --protocol and --data cannot go with it"),
        (("--published", "--fresh"), 2, "--fresh cannot go with it"),
    ],
)
def test_wrong_commands_are_one_sentence(arguments: tuple[str, ...], code: int, sentence: str, run_here: Here) -> None:
    done = run_here("score", *arguments)
    assert (done.returncode, done.stdout) == (code, "")
    assert sentence in done.stderr
    assert len(done.stderr.splitlines()) == 1


def test_without_data_the_error_names_the_alternative(run_here: Here, model: Path) -> None:
    done = run_here("score", model)
    assert (done.returncode, done.stdout) == (1, "")
    assert "at revision 3373e0b32277875b8db2aa555a333b78a08477ea" in done.stderr
    assert "name a local copy with --data DIR" in done.stderr
    assert len(done.stderr.splitlines()) == 1


def test_a_score_that_published_ones_do_not_compare_with_names_the_option_that_would(
    run_here: Here, model: Path, data: Path, tmp_path: Path
) -> None:
    done = run_here("score", model, "--data", data, "--questions", "14", "--protocol", "mc")
    assert done.returncode == 0, done.stderr
    sentence = "Published scores were not asked as mc asks; --protocol leaderboard gives one that they compare with."
    assert done.stderr.strip() == sentence

    test, validation = mmlu_rows()
    stripped = [{**row, "options": [option.strip() for option in row["options"]]} for row in test]
    newer = write_mmlu(tmp_path / "newer", stripped, validation)
    done = run_here("score", model, "--data", newer, "--questions", "14", "--out", tmp_path / "out")
    assert "leaderboard-2026 cannot be compared with published leaderboard scores" in done.stderr
    assert "--data-revision 3373e0b32277875b8db2aa555a333b78a08477ea" in done.stderr
    (row,) = json.loads((tmp_path / "out" / "scores.json").read_text())["scores"]
    assert (row["protocol"], row["normalised"], row["data"]["edition"]) == ("leaderboard-2026", None, "2026")
    assert "Normalised" not in done.stdout


def test_a_run_that_goes_on_says_what_it_did_not_ask_again(run_here: Here, model: Path, data: Path) -> None:
    arguments = ("score", model, "--data", data, "--questions", "28")
    whole = run_here(*arguments, "--json")
    (journal,) = Path(os.environ["NIL_AUDIT_CACHE"]).rglob("leaderboard-*.jsonl")
    kept = journal.read_text().splitlines(keepends=True)
    journal.write_text("".join(kept[:-3]))
    again = run_here(*arguments, "--json")
    assert re.search(r"tiny-one: 2[0-9] of 28 answers were given \d\d:\d\d \w+; --fresh asks all", again.stderr)
    assert [json.loads(done.stdout)["scores"][0]["correct"] for done in (again, whole)] == [
        json.loads(whole.stdout)["scores"][0]["correct"]
    ] * 2


def test_a_sample_grows_until_it_is_precise_and_models_are_compared_on_what_both_were_asked(
    run_here: Here, model: Path, other: Path, data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("nil_audit.score.plan.FIRST_ROUND", 28)
    arguments = ("score", model, other, "--data", data, "--protocol", "mc", "--precision", "4%")
    done = run_here(*arguments, "--json", "--quiet")
    assert (done.returncode, done.stderr) == (0, "")
    document = json.loads(done.stdout)
    for score in document["scores"]:
        assert 28 < score["questions"] < 56
        assert score["full_set"]["stderr"] <= 0.04 < score["stderr"]
        assert (score["sample"]["precision"], len(score["sample"]["question_ids"])) == (0.04, score["questions"])
    (pair,) = document["paired"]
    first, second = document["scores"]
    assert (pair["model"], pair["against"]) == (str(other), str(model))
    common = set(first["sample"]["question_ids"]) & set(second["sample"]["question_ids"])
    assert pair["questions"] == len(common) == min(first["questions"], second["questions"])
    assert pair["difference"]["low"] < pair["difference"]["value"] < pair["difference"]["high"]

    done = run_here(*arguments, "--out", tmp_path / "out")
    assert "2 of 2 results are kept ones" in done.stderr
    assert max(map(len, done.stdout.splitlines())) <= 80
    words = " ".join(done.stdout.split())
    for said in (
        f"on the {len(common)} questions that both were asked",
        "points, asked until at most 4",
    ):
        assert said in words, said
    assert "Against tiny-one, on the questions that both were asked" in words
    assert (tmp_path / "out" / "paired.csv").read_text().startswith("model,against,questions,")


@pytest.mark.parametrize("spoiled", ["numbers", "tokens"])
def test_a_model_that_cannot_answer_fails_alone_by_name_and_nothing_of_it_is_kept(
    spoiled: str, run_here: Here, model: Path, data: Path, tmp_path: Path
) -> None:
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    broken = tmp_path / "broken"
    loaded = AutoModelForCausalLM.from_pretrained(model)
    if spoiled == "numbers":
        with torch.no_grad():
            loaded.model.norm.weight.fill_(3e38)
            loaded.lm_head.weight.fill_(3e38)
    else:
        loaded.resize_token_embeddings(80)
    loaded.save_pretrained(broken)
    AutoTokenizer.from_pretrained(model).save_pretrained(broken)
    done = run_here("score", broken, model, "--data", data, "--questions", "14", "--json")
    assert done.returncode == 1
    document = json.loads(done.stdout)
    assert [row["model"] for row in document["scores"]] == [str(model)]
    (failed,) = document["failed"]
    words = {
        "numbers": f"{broken}: The scores of the answers are not finite on this text; check that the weights are not",
        "tokens": f"{broken}: The tokenizer gives token ",
    }
    assert failed["error"].startswith(words[spoiled])
    assert f"Error: {broken}: The " in done.stderr
    assert len(list((Path(os.environ["NIL_AUDIT_CACHE"]) / "scores").iterdir())) == 1


def test_a_folder_named_like_a_hub_id_has_no_published_score(run_here: Here, data: Path, tmp_path: Path) -> None:
    work = tmp_path / "work"
    answering_checkpoint(work / "EleutherAI" / "pythia-410m", context=256)
    done = run_here("score", "EleutherAI/pythia-410m", "--data", data, "--questions", "14", "--json")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["published"] == {}
    done = run_here("score", "--published", "EleutherAI/pythia-410m")
    assert (done.returncode, done.stdout) == (0, "")
    assert "No published score of EleutherAI/pythia-410m is known" in done.stderr
    for strange in ("~nobody-of-that-name/model", "x" * 5000):  # no path can be called so
        done = run_here("score", "--published", strange)
        assert (done.returncode, done.stdout) == (0, ""), done.stderr
        assert f"No published score of {strange[:9]}" in done.stderr
    done = run_here("score", "--published", "EleutherAI/pythia-160m@step1000")
    assert "No published score of EleutherAI/pythia-160m@step1000 is known" in done.stderr


def test_published_scores_are_written_too(run_here: Here, tmp_path: Path) -> None:
    done = run_here("score", "--published", "Qwen/Qwen2.5-7B", "--out", tmp_path / "out")
    assert done.returncode == 0, done.stderr
    assert "Written: " in done.stderr
    names = {path.name for path in (tmp_path / "out").iterdir()}
    assert names == {"published.html", "published.md", "published.json", "published.csv"}
    rows = json.loads((tmp_path / "out" / "published.json").read_text())["published"]
    assert [row["data"] for row in rows] == ["2024", "2024"]
    assert "; questions of 2024" in " ".join(done.stdout.split())


def test_published_scores_of_a_model(run_here: Here) -> None:
    done = run_here("score", "--published", "Qwen/Qwen2.5-7B", "allenai/OLMo-7B-0424-hf", "nobody/nothing")
    assert done.returncode == 0
    assert max(map(len, done.stdout.splitlines())) <= 80
    for words in (
        "43.7 ± 0.5",
        "olmes",
        "2024-09-19",
        "Open LLM Leaderboard v2",
        "! not used, allenai/OLMo-7B-0424-hf",
    ):
        assert words in done.stdout
    assert "No published score of nobody/nothing is known" in done.stderr


def test_all_published_scores_as_a_document(run_here: Here) -> None:
    done = run_here("score", "--published", "--json")
    rows = json.loads(done.stdout)["published"]
    assert len(rows) == 282
    assert {row["origin"] for row in rows} == {"published"}
    assert sum(row["flag"] is not None for row in rows) == 6
    assert all(row["source"] and row["protocol"] for row in rows)
